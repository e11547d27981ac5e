//! Clients that send keys, clients that send lines, and those that change from one to the other.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::telnet::options::{DO, DONT, ECHO, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, WINDOW_SIZE, WONT};

/// What a client says that has keys, and calls itself xterm in a window of 60 columns.
fn agreement() -> Vec<u8> {
    let (sub, end) = ([IAC, 250], [IAC, 240]);
    [
        &[IAC, DO, ECHO, IAC, DO, SUPPRESS_GO_AHEAD, IAC, WILL, TERMINAL_TYPE][..],
        &sub,
        &[TERMINAL_TYPE, 0],
        b"XTERM",
        &end,
        &[IAC, WILL, WINDOW_SIZE],
        &sub,
        &[WINDOW_SIZE, 0, 60, 0, 24],
        &end,
    ]
    .concat()
}

#[tokio::test]
async fn a_client_with_keys_is_echoed_has_the_editor_and_chooses_with_one_key() {
    let bench = Bench::new("4.0.9");
    bench.set_password("8650", "4711").await;
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.until("login: ").await;
    client.send(agreement()).await;
    let send_type = String::from_iter([IAC, 250, TERMINAL_TYPE, 1, IAC, 240].map(char::from));
    assert_eq!(client.until(&[IAC, 240]).await, send_type, "all else had been offered, and is not talked about again");
    client.send("86x\x7f50\r\0").await;
    let echo = client.until("password: ").await;
    assert!(!echo.starts_with("login: login") && echo.contains("86") && !echo.contains(SEEN), "{echo:?}");
    client.send("4711\r\0").await;
    let menu = client.until(CHOICE).await;
    assert!(!menu.contains("47") && menu.contains("\u{1b}[2J"), "{menu:?}");
    client.send("3").await;
    let readings = client.until(CHOICE).await;
    assert!(readings.starts_with("3\r\n\u{1b}[H\u{1b}[2J\r\nReadings\r\n"), "{readings:?}");
    // Who ends a key with Enter, as scripts do, has chosen once.
    client.send("8\r\0").await;
    client.until(READY).await;
    client.send("sho\tCT P\t\r\0").await;
    assert!(client.until(READY).await.contains("CT Prim  5  A\r\n"));
    client.send("\x1b[A\r\0").await;
    assert!(client.until(READY).await.contains("show CT Prim "));
    client.send("help\r\0").await;
    let help = client.until(READY).await;
    assert!(help.lines().all(|line| line.chars().count() <= 62), "{help}");
    client.send("passwd USER3\r\0").await;
    client.until("New password of USER3: ").await;
    client.send("kF3$xy\r\0").await;
    client.until("The same again: ").await;
    client.send("kF3$xy\r\0").await;
    let done = client.until(READY).await;
    assert!(done.contains("USER3 has a new password") && !done.contains("kF3"), "{done}");
    client.send("events --follow\r\0").await;
    client.until("as they come.").await;
    client.send("\x03").await;
    client.until(READY).await;
    client.send("nonsense\x03").await;
    client.until("^C").await;
    client.until(READY).await;
    client.send("\x04").await;
    client.until(CHOICE).await;
    client.send("x").await;
    assert!(client.rest().await.ends_with("goodbye\r\n"));
}

#[tokio::test]
async fn a_client_may_agree_late_and_think_better_of_it_at_any_byte() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    let agree = [IAC, DO, ECHO];
    for before in 0..4 {
        let mut client = Client::connect(address).await;
        let asked = ["login: ", "password: ", CHOICE, CHOICE];
        for (step, sent) in ["8650", "0", "3"].into_iter().enumerate() {
            client.until(asked[step]).await;
            if step == before {
                client.send(agree).await;
            }
            client.send(format!("{sent}\r\n")).await;
        }
        let said = client.until(CHOICE).await;
        assert!(said.contains("Readings"), "{before}: {said}");
        if before < 3 {
            client.send([IAC, DONT, ECHO]).await;
            client.until([IAC, WONT, ECHO]).await;
        }
        // Lines again, which nobody here echoes.
        client.ask("8", READY).await;
        let shown = client.ask("show CT Prim", READY).await;
        assert!(shown.starts_with("Power Meter 1/CT Prim"), "{before}: {shown}");
    }
}

#[tokio::test]
async fn every_end_of_line_ends_one_line() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    for end in ["\r\n", "\n", "\r", "\r\0"] {
        let mut client = Client::connect(address).await;
        client.send(["8650", "0", "3", "8", "show CT Prim", "exit", "x", ""].join(end)).await;
        let said = client.rest().await;
        for part in ["Readings", "CT Prim  5  A\r\n", "goodbye\r\n"] {
            assert_eq!(said.matches(part).count(), if part == "Readings" { 3 } else { 1 }, "{end:?} {part}: {said}");
        }
    }
}

#[tokio::test]
async fn what_goes_on_ends_by_interrupt_by_a_line_and_by_hanging_up() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    for stop in [&[IAC, 244][..], &[IAC, 243], b"\x03", b"\r\n"] {
        let mut client = Client::connect(address).await;
        client.log_in("8650", "0", CHOICE).await;
        client.ask("8", READY).await;
        client.ask("events --follow", "as they come.").await;
        client.send(stop).await;
        client.until(READY).await;
        let shown = client.ask("show CT Prim", READY).await;
        assert!(shown.contains("5  A"), "{stop:?}: {shown:?}");
    }
    let mut client = Client::connect(address).await;
    client.send("8650\n0\n8\nevents --follow\n").await;
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.ends_with("goodbye\r\n"));
}

#[tokio::test]
async fn a_client_that_asks_whether_anybody_is_there_is_told() {
    let bench = Bench::new("4.0.9");
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.until("login: ").await;
    client.send([IAC, 246]).await;
    client.until("\r\n[yes]\r\n").await;
    client.send([IAC, DO, 6]).await;
    client.until([IAC, WONT, 6]).await;
}
