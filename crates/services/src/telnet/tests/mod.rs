//! The Telnet face as clients meet it: bytes over a socket, to a real meter behind the gate.

mod keys;

use std::time::Duration;

use meter::{Caller, ChangeSet, Edit};
use security::{Right, Rights, UserId, Who};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::filter::MAX_SUBNEGOTIATION;
use super::options::{IAC, Options, WILL};
use super::session::{End, converse};
use super::*;
use crate::faces::{FACES, Face};
use crate::testbed::Bench;

/// Far above what an answer takes, so that a test that fails doesn't hang.
const PATIENCE: Duration = Duration::from_secs(20);
const CHOICE: &str = "choice: ";
const READY: &str = "8650@MW-2611A001-01> ";
const OVER: &str = "the session is over: connect and log in again\r\n";
/// What is said where a password is typed on a client that shows it.
const SEEN: &str = "What is typed next is shown: this client has not agreed to hide it.\r\n";

/// Columns side by side, however wide they are.
fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

fn face() -> &'static Face {
    FACES.iter().find(|face| face.services.contains(&Service::Telnet)).unwrap()
}

struct Client<S> {
    stream: S,
    input: Vec<u8>,
}

impl Client<tokio::net::TcpStream> {
    async fn connect(address: SocketAddr) -> Self {
        Client { stream: tokio::net::TcpStream::connect(address).await.unwrap(), input: Vec::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// What comes up to `end`, as it came.
    async fn until(&mut self, end: impl AsRef<[u8]>) -> String {
        let end = end.as_ref();
        loop {
            if let Some(at) = self.input.windows(end.len()).position(|part| part == end) {
                let found: Vec<u8> = self.input.drain(..at + end.len()).collect();
                return found.iter().map(|byte| char::from(*byte)).collect();
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await.expect("an answer").unwrap();
            assert_ne!(read, 0, "closed; before that: {:?}", String::from_utf8_lossy(&self.input));
        }
    }

    /// All there is until the meter closes the connection.
    async fn rest(&mut self) -> String {
        // A connection closed with something unread in it ends in an error here.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut self.input)).await.expect("the end");
        self.input.drain(..).map(char::from).collect()
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn ask(&mut self, line: &str, end: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.until(end).await
    }

    async fn log_in(&mut self, name: &str, password: &str, end: &str) -> String {
        self.until("login: ").await;
        self.ask(name, "password: ").await;
        self.ask(password, end).await
    }
}

#[tokio::test]
async fn banner_login_and_menus_as_the_manual_has_them() {
    let bench = Bench::new("4.0.9");
    bench.set_password("8650", "4711").await;
    bench.tick(123_000);
    let mut client = Client::connect(bench.serve(face()).await).await;
    let opening: String = Options::open().1.into_iter().map(char::from).collect();
    assert_eq!(
        client.until("login: ").await,
        format!("{opening}wattkeep\r\n8650V409\r\nMW-2611A001-01\r\n\r\nlogin: ")
    );
    assert_eq!(client.ask("8650", "password: ").await, format!("{SEEN}password: "));
    let menu = client.ask("4711", CHOICE).await;
    assert!(menu.starts_with("\r\nMain menu\r\n  1  Network settings and connections\r\n"), "{menu:?}");

    let network = client.ask("1", CHOICE).await;
    for line in [
        "Host Name meter\n",
        "Telnet port 23 on, listening\n",
        "FTP port 21 on, listening",
        "Telnet 8650 1 2026-01-01 00:00:01 127.0.0.1:",
    ] {
        assert!(squeezed(&network).contains(line), "{line} in {network}");
    }
    let meter = client.ask("2", CHOICE).await;
    for line in ["Serial number MW-2611A001-01\n", "Release 4.0.9\n", "Security mode standard\n"] {
        assert!(squeezed(&meter).contains(line), "{line} in {meter}");
    }
    let readings = client.ask("3", CHOICE).await;
    for line in [
        "Readings of 2026-01-01 00:00:01 UTC",
        "  kWh del          123.000 kWh\r\n",
        "  kW tot                -- kW\r\n",
    ] {
        assert!(readings.contains(line), "{line} in {readings}");
    }
    let demand = client.ask("4", CHOICE).await;
    assert!(demand.contains("time left") && demand.contains("maximum"), "{demand}");
    assert!(client.ask("9", CHOICE).await.contains("type 1, 2, 3, 4, 5, 6, 7, 8 or x"));
    let mut all = [network, meter, readings, demand].concat();

    /// A key and a part of what is behind it.
    type Page = (&'static str, &'static str);
    let ways: [(&str, &str, &[Page]); 3] = [
        (
            "5",
            "Set-up",
            &[("1", "Owner"), ("2", "CT Prim 5 A"), ("3", "Sub Intvl 900 s"), ("4", "Time (UTC)"), ("5", "40011")],
        ),
        (
            "6",
            "Security",
            &[("1", "Mode standard"), ("2", "USER1 active"), ("3", "nobody is locked out"), ("4", "Depth")],
        ),
        ("7", "Logs", &[("2", "Revenue Log"), ("3", "Revenue Log")]),
    ];
    for (key, title, pages) in ways {
        let menu = client.ask(key, CHOICE).await;
        assert!(menu.contains(&format!("\r\n{title}\r\n")) && menu.contains("  x  Back\r\n"), "{menu}");
        for (key, part) in pages {
            let page = client.ask(key, CHOICE).await;
            assert!(squeezed(&page).contains(part), "{part} in {page}");
            all.push_str(&page);
        }
        assert!(client.ask("x", CHOICE).await.contains("Main menu"));
    }
    assert!(all.bytes().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "{all:?}");
    assert_eq!(all.matches('\n').count(), all.matches("\r\n").count());
    assert!(all.lines().all(|line| line.len() <= 80), "{all}");
    assert!(client.ask("x", "goodbye\r\n").await.ends_with("goodbye\r\n"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn the_event_log_is_paged_from_the_newest_back_to_the_first() {
    const OLDER: &str = "x: back: ";
    let bench = Bench::new("4.0.9");
    for amperes in 100..125 {
        bench.set(&[("CT Prim", &amperes.to_string())]);
    }
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.log_in("8650", "0", CHOICE).await;
    client.ask("7", CHOICE).await;
    let mut numbers = Vec::new();
    let mut said = client.ask("1", OLDER).await;
    loop {
        assert!(said.contains("Events, the newest first"), "{said}");
        // Numbers stand in the first column; a text that goes on in a second line may begin with one too.
        numbers.extend(said.lines().filter_map(|line| line.get(..5)?.trim().parse::<u64>().ok()));
        client.send("\r\n").await;
        said.clear();
        // An event's text may have a colon too.
        while !(said.ends_with(OLDER) || said.ends_with(CHOICE)) {
            said.push_str(&client.until(": ").await);
        }
        if said.ends_with(CHOICE) {
            break;
        }
    }
    let newest = bench.site.gate.next_event().unwrap() - 1;
    assert_eq!(numbers, (numbers[numbers.len() - 1]..=newest).rev().collect::<Vec<_>>());
    assert!(numbers.len() > 25, "{numbers:?}");
    client.ask("1", OLDER).await;
    assert!(client.ask("x", CHOICE).await.contains("Event log"), "back in its menu");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_hear_the_same_and_after_three_tries_the_line_is_closed() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Invalid Attempts", "0")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    let wrong = client.log_in("8650", "1", "\r\nlo").await;
    client.input.splice(0..0, *b"lo");
    let unknown = client.log_in("root", "0", "\r\nlo").await;
    client.input.splice(0..0, *b"lo");
    assert!(wrong.contains("the user name or the password is wrong\r\n"), "{wrong:?}");
    assert_eq!(wrong, unknown);
    let long = "0".repeat(200);
    client.log_in("8650", &long, "thrown away\r\n").await;
    assert_eq!(client.rest().await, "too many tries: connect again\r\n");
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    let invalid = events.iter().filter(|event| event.path == "telnet" && event.effect == "invalid");
    assert_eq!(invalid.count(), 2, "what is longer than any password needs no check");
    assert!(bench.site.connections.list().is_empty());
}

#[tokio::test]
async fn a_lock_out_is_told_in_the_words_of_every_face() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Invalid Attempts", "1")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.log_in("8650", "1", "wrong\r\n").await;
    client.log_in("8650", "0", "locked out here for another 15 min").await;
}

#[tokio::test]
async fn b9_under_advanced_users_log_in_and_their_rights_decide_at_every_choice() {
    let bench = Bench::new("4.0.9");
    bench.set_password("USER1", "abc").await;
    bench.set_password("USER2", "xyz").await;
    bench.set(&[("Mode", "advanced")]);
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    client.log_in("8650", "0", "wrong\r\n").await;
    client.log_in("User02", "xyz", CHOICE).await;
    let user2 = UserId::new(2).unwrap();
    assert_eq!(bench.site.connections.list()[0].who, Who::User(user2));
    let network = client.ask("1", CHOICE).await;
    assert!(network.contains("Host Name  not shown: this takes the right \""), "{network}");
    assert!(squeezed(&network).contains("Telnet USER2 1 2026-01-01"), "{network}");
    let refused = client.ask("6", CHOICE).await;
    assert!(refused.starts_with("this takes the right \"Security Config\""), "{refused}");
    assert!(!client.ask("2", CHOICE).await.contains("USER1"));
    let rights = |rights| {
        let change = ChangeSet { edits: vec![Edit::Rights(user2, rights)], force: false };
        bench.site.gate.apply(bench.site.now(), &Caller::meter(), change).unwrap();
    };
    rights(Rights::NONE.with(Right::TimeSync));
    assert!(client.ask("3", CHOICE).await.starts_with("this takes the right \"Read\""));
    rights(Rights::NONE.with(Right::Read));
    assert!(client.ask("3", CHOICE).await.contains("kW tot"));
    bench.set_password("USER2", "zyx").await;
    assert_eq!(client.ask("3", "in again\r\n").await, format!("\r\n{OVER}"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn b9_without_security_8650_logs_in_with_any_password_and_nobody_else() {
    let bench = Bench::new("4.0.9");
    bench.set_password("8650", "4711").await;
    bench.set(&[("Mode", "none")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.log_in("USER1", "0", "the user name or the password is wrong\r\n").await;
    client.log_in("8650", "anything", CHOICE).await;
    assert!(squeezed(&client.ask("2", CHOICE).await).contains("Security mode none"));
}

#[tokio::test]
async fn lines_too_long_and_broken_bytes_are_survived() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    let sentence = |most: usize| format!("at most {most} bytes are taken here: this was thrown away\r\nlogin: ");
    client.until("login: ").await;
    client.ask(&"x".repeat(10_000), &sentence(crate::terminal::LONGEST_LINE)).await;
    client.ask("8650", "password: ").await;
    client.ask(&"0".repeat(10_000), &sentence(security::Password::MAX_BYTES)).await;
    client.send(b"\xc3\x28\xfe\x00\x1b[A\r\n").await;
    client.until("password: ").await;
    client.send(b"\xc3\x28\r\n").await;
    client.until("wrong\r\n").await;
    client.log_in("865\u{8}50\u{8}\u{8}50", "0", CHOICE).await;
    assert!(client.ask(&"1".repeat(10_000), CHOICE).await.starts_with("type 1, 2"));
    client.ask("3", CHOICE).await;
}

#[tokio::test]
async fn half_a_negotiation_an_endless_one_and_a_client_that_vanishes_end_nothing_but_themselves() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    for bytes in [&[IAC][..], &[IAC, WILL], &[IAC, 250, 24], &[IAC, 250, 24, IAC], b"8650\r\n0", b"8650\r\n0\r\n1\r\n"]
    {
        let mut client = Client::connect(address).await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        client.rest().await;
    }
    let mut endless = Client::connect(address).await;
    endless.send([&[IAC, 250][..], &[b'x'; MAX_SUBNEGOTIATION + 1]].concat()).await;
    endless.rest().await;
    let mut client = Client::connect(address).await;
    client.log_in("8650", "0", CHOICE).await;
    let listed = bench.site.connections.list();
    assert_eq!(listed.len(), 1, "{listed:?}");
}

/// A client from one of the loopback's many addresses.
async fn from(source: u8, address: SocketAddr) -> Client<tokio::net::TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, source], 0))).unwrap();
    Client { stream: socket.connect(address).await.unwrap(), input: Vec::new() }
}

/// Name and password, where the prompt has been seen.
async fn enter(client: &mut Client<tokio::net::TcpStream>) {
    client.ask("8650", "password: ").await;
    client.ask("0", CHOICE).await;
}

#[tokio::test]
async fn one_address_never_has_every_place_and_who_has_logged_in_keeps_theirs() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = from(1, address).await;
        client.until("login: ").await;
        clients.push(client);
    }
    assert_eq!(clients.remove(0).rest().await, "", "its first makes way for its fourth");
    enter(&mut clients[0]).await;
    let mut other = from(2, address).await;
    other.until("login: ").await;
    // All four are taken now; whoever comes gets the place of the address that holds most, but not a user's.
    let mut third = from(3, address).await;
    third.until("login: ").await;
    assert_eq!(clients.remove(1).rest().await, "");
    clients[0].ask("3", CHOICE).await;
    enter(&mut other).await;
    enter(&mut third).await;
    enter(&mut clients[1]).await;
    assert_eq!(from(4, address).await.rest().await, "", "all four are logged in: closed at once");
}

#[tokio::test]
async fn a_session_ended_from_elsewhere_ends_its_connection() {
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    client.log_in("8650", "0", CHOICE).await;
    let [listed] = &bench.site.connections.list()[..] else { panic!("one connection") };
    bench.site.end_session(&meter::Caller::meter(), listed.session.unwrap(), None).unwrap();
    assert_eq!(client.rest().await, "");
    assert!(bench.site.connections.list().is_empty());
}

/// A conversation over a pipe; its end can be awaited.
fn conversation(bench: &Bench) -> (Client<tokio::io::DuplexStream>, tokio::task::JoinHandle<End>) {
    let (client, server) = tokio::io::duplex(4096);
    let peer = "127.0.0.1:9".parse().unwrap();
    let entry = bench.site.connections.enter(Service::Telnet, peer, bench.site.now());
    let end = tokio::spawn(converse(Arc::clone(&bench.site), server, peer, entry));
    (Client { stream: client, input: Vec::new() }, end)
}

#[tokio::test]
async fn who_does_not_log_in_or_types_nothing_is_let_go() {
    let bench = Bench::new("4.0.9");
    let (mut client, end) = conversation(&bench);
    client.until("login: ").await;
    // From here on, time passes as soon as nothing else happens.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    client.stream.read_to_end(&mut client.input).await.unwrap();
    assert!(client.rest().await.contains("nobody has logged in for too long"));
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert!(matches!(end.await.unwrap(), End::NoLogin));
    tokio::time::resume();

    for at in [&[][..], &["8"], &["8", "passwd USER3"]] {
        let (mut client, end) = conversation(&bench);
        client.log_in("8650", "0", CHOICE).await;
        for line in at {
            client.ask(line, if line.len() > 1 { "USER3: " } else { READY }).await;
        }
        bench.clock.advance_ms(15 * 60_000);
        tokio::time::pause();
        assert!(client.rest().await.ends_with(&format!("\r\n{OVER}")));
        assert!(matches!(end.await.unwrap(), End::Over), "{at:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_command_that_goes_on_or_asks_ends_with_its_session() {
    for (command, begun) in
        [("events --follow", "as they come."), ("passwd USER3", "New password of USER3: "), ("", READY)]
    {
        let bench = Bench::new("4.0.9");
        let (mut client, end) = conversation(&bench);
        client.log_in("8650", "0", CHOICE).await;
        client.ask("8", READY).await;
        client.ask(command, begun).await;
        bench.set_password("8650", "4711").await;
        // From here on, time passes as soon as nothing else happens.
        tokio::time::pause();
        assert!(client.rest().await.ends_with(OVER), "{command}");
        assert!(matches!(end.await.unwrap(), End::Over), "{command}");
        assert!(bench.site.connections.list().is_empty(), "its place is free");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn the_session_time_out_of_the_register_holds() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Session Time-out", "2")]);
    let (mut client, _end) = conversation(&bench);
    client.log_in("8650", "0", CHOICE).await;
    bench.clock.advance_ms(119_000);
    client.ask("3", CHOICE).await;
    bench.clock.advance_ms(120_000);
    client.ask("3", "the session is over: connect and log in again\r\n").await;
}

#[tokio::test]
async fn the_command_line_is_the_engine_of_the_ssh_terminal() {
    let bench = Bench::new("4.0.9");
    let mut client = Client::connect(bench.serve(face()).await).await;
    client.log_in("8650", "0", CHOICE).await;
    assert!(client.ask("8", READY).await.contains("type help for the commands, exit for the menu"));
    assert!(client.ask("show CT Prim", READY).await.contains("Power Meter 1/CT Prim  5  A\r\n"));
    assert!(client.ask("set CT Prim 800", READY).await.contains("5 -> 800"));
    assert!(client.ask("nonsense", READY).await.contains("there is no command"));
    client.ask("passwd USER3", "New password of USER3: ").await;
    client.ask("kF3$xy", "The same again: ").await;
    let done = client.ask("kF3$xy", READY).await;
    assert!(done.contains("USER3 has a new password") && !done.contains("kF3"), "{done}");
    assert!(client.ask("upgrade plan 4.40.1", READY).await.contains("can't be changed over telnet"));
    assert!(client.ask("exit", CHOICE).await.contains("Main menu"));
}
