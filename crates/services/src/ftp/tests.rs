//! The face with a meter behind it: what a stranger can say, and what a login is worth.

use std::net::SocketAddr;
use std::time::Duration;

use framework::modules::security_options::Service;
use meter::Caller;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::faces::FACES;
use crate::strangers;
use crate::testbed::Bench;

/// A client of few words.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        assert_eq!(client.hears().await, "220 8650V409 MW-2611A001-01; log in");
        client
    }

    async fn log_in(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        assert_eq!(client.asks("USER 8650").await, "331 and the password");
        assert_eq!(client.asks("PASS 0").await, "230 logged in as 8650");
        client
    }

    /// The last line of the next answer; nothing when the meter has hung up.
    async fn hears(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(Duration::from_secs(30), self.0.read_line(&mut line)).await.unwrap();
            if read.unwrap_or(0) == 0 {
                return String::new();
            }
            if line.as_bytes()[..3].is_ascii() && line.as_bytes()[3] == b' ' && !line.starts_with(' ') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    async fn asks(&mut self, line: &str) -> String {
        self.says(line).await;
        self.hears().await
    }

    /// A data connection that the client opens.
    async fn passive(&mut self) -> TcpStream {
        let answer = self.asks("EPSV").await;
        let port = answer.split('|').nth(3).unwrap().parse().unwrap();
        TcpStream::connect((self.0.get_ref().peer_addr().unwrap().ip(), port)).await.unwrap()
    }
}

async fn meter() -> (Bench, SocketAddr) {
    let bench = Bench::new("4.0.9");
    let face = FACES.iter().find(|face| face.services == [Service::Ftp]).unwrap();
    let address = bench.serve(face).await;
    (bench, address)
}

async fn stranger(bench: &Bench, said: &str) -> Vec<String> {
    let heard = strangers::say(&bench.site, Service::Ftp, said.as_bytes()).await;
    String::from_utf8(heard).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stranger_learns_what_this_is_and_nothing_else() {
    let bench = Bench::new("4.0.9");
    let commands = [
        "SYST",
        "NOOP",
        "FEAT",
        "LIST",
        "PASV",
        "EPSV",
        "PORT 127,0,0,1,200,1",
        "RETR /logs/events.csv",
        "STOR x",
        "CWD /",
        "PWD",
        "SIZE /config/security.scf",
        "STAT",
        "STAT /",
        "REST 5",
        "TYPE I",
        "DELE x",
        "MLST /",
        "AUTH TLS",
        "PASS 0",
    ];
    for command in commands {
        let heard = stranger(&bench, &format!("{command}\r\n")).await;
        let expected = match command {
            "SYST" => "215 UNIX Type: L8",
            "NOOP" => "200 fine",
            "FEAT" => "211 that is all",
            "AUTH TLS" => "502 there is no encryption here: a newer release has SFTP",
            "PASS 0" => "503 say who you are first: USER",
            _ => "530 log in first: USER, then PASS",
        };
        let answers = &heard[1..heard.len() - 1];
        assert_eq!(answers.last().map(String::as_str), Some(expected), "{command}: {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_holds_a_place_for_longer_than_a_minute_or_three_tries() {
    let bench = Bench::new("4.0.9");
    let began = tokio::time::Instant::now();
    let silent = stranger(&bench, "USER 8650\r\n").await;
    assert_eq!(silent.last().unwrap(), "421 nobody has logged in for too long: connect again");
    assert_eq!(began.elapsed(), Duration::from_secs(60));
    let tried = stranger(&bench, &"USER 8650\r\nPASS 1\r\n".repeat(5)).await;
    assert_eq!(tried.iter().filter(|line| line.starts_with("530 ")).count(), 3, "{tried:?}");
    assert_eq!(tried.last().unwrap(), "421 too many tries: connect again");
    // A name that nobody has is refused in the same words.
    let unknown = stranger(&bench, "USER root\r\nPASS 1\r\n").await;
    assert_eq!(unknown[2], tried[2]);
}

#[tokio::test]
async fn a_line_without_an_end_costs_one_line_of_memory() {
    let (bench, address) = meter().await;
    let mut client = Client::connect(address).await;
    for _ in 0..256 {
        client.0.get_mut().write_all(&[b'A'; 16 << 10]).await.unwrap();
    }
    assert_eq!(client.asks("").await, "500 a line has at most 1024 bytes: this one was thrown away");
    assert_eq!(client.asks("NOOP").await, "200 fine");
    drop(bench);
}

#[tokio::test]
async fn what_a_login_is_worth_ends_with_its_session_and_so_does_the_connection() {
    let (bench, address) = meter().await;
    let mut client = Client::log_in(address).await;
    let listed = bench.site.connections.list();
    assert_eq!((listed[0].service, listed[0].who), (Service::Ftp, security::Who::Standard));
    let session = listed[0].session.unwrap();
    bench.site.end_session(&Caller::meter(), session, None).unwrap();
    assert_eq!(client.hears().await, "", "its task is ended with it");
    let mut client = Client::log_in(address).await;
    bench.set_password("8650", "58317462").await;
    assert_eq!(client.asks("PWD").await, "421 this session has ended: log in again");
    assert_eq!(client.hears().await, "");
}

#[tokio::test]
async fn a_session_that_is_silent_too_long_is_over_and_one_that_asks_is_not() {
    let (bench, address) = meter().await;
    bench.set(&[("Session Time-out", "1")]);
    let mut client = Client::log_in(address).await;
    for _ in 0..3 {
        bench.clock.advance_ms(50_000);
        assert_eq!(client.asks("NOOP").await, "200 fine");
    }
    bench.clock.advance_ms(70_000);
    assert_eq!(client.asks("NOOP").await, "421 this session has ended: log in again");
}

#[tokio::test]
async fn a_service_that_is_turned_off_serves_nobody_any_more() {
    let (bench, address) = meter().await;
    let mut client = Client::log_in(address).await;
    bench.set(&[("FTP", "no")]);
    assert!(client.asks("PWD").await.starts_with("421 \"FTP\" is off"));
}

#[tokio::test]
async fn no_connection_is_made_to_anybody_but_the_client() {
    let (_bench, address) = meter().await;
    let victim = TcpListener::bind("127.0.0.3:0").await.unwrap();
    let port = victim.local_addr().unwrap().port();
    let mut client = Client::log_in(address).await;
    let port_argument = format!("127,0,0,3,{},{}", port >> 8, port & 255);
    for bounce in [format!("PORT {port_argument}"), format!("EPRT |1|127.0.0.3|{port}|")] {
        assert!(client.asks(&bounce).await.starts_with("504 "), "{bounce}");
        assert!(client.asks("LIST").await.starts_with("425 "), "and nothing is left of it");
    }
    let came = timeout(Duration::from_millis(50), victim.accept()).await;
    assert!(came.is_err(), "nobody came");
}

#[tokio::test]
async fn a_file_goes_there_and_back_and_the_connection_is_free_again() {
    let (bench, address) = meter().await;
    let mut client = Client::log_in(address).await;
    let content: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    for _ in 0..2 {
        let mut data = client.passive().await;
        assert!(client.asks("STOR /documents/a").await.starts_with("150 "));
        data.write_all(&content).await.unwrap();
        drop(data);
        assert!(client.hears().await.starts_with("226 "));
        let mut data = client.passive().await;
        assert!(client.asks("RETR /documents/a").await.starts_with("150 "));
        let mut got = Vec::new();
        data.read_to_end(&mut got).await.unwrap();
        assert!(client.hears().await.starts_with("226 "));
        assert!(got == content);
    }
    assert_eq!(client.asks("QUIT").await, "221 goodbye");
    drop(bench);
}
