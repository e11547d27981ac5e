//! The web face as clients meet it: bytes over a socket, to a real meter behind the gate. What the tests share is here;
//! they stand by topic in the files beside.

mod bad_input;
mod forms;
mod login;
mod own;
mod pages;

use std::time::Duration;

use api::login::login;
use framework::modules::security_options::Service;
use meter::{Caller, ChangeSet, Edit};
use metrology::{EnergyIncrement, Power, Quantities};
use security::{Password, Right, Rights, UserId, Who};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::faces::{FACES, Face};
use crate::testbed::Bench;

/// Far above what an answer takes, so that a test that fails doesn't hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The page that programs know.
const OPERATION: &str = "/Operation.html";

fn face() -> &'static Face {
    FACES.iter().find(|face| face.services.contains(&Service::Web)).unwrap()
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), input: Vec::new() }
    }

    /// Sends bytes and reads one answer; `None` if the connection is closed without one.
    async fn send(&mut self, bytes: &[u8]) -> Option<Answer> {
        // A server that has seen enough may close before it has read all.
        let _ = self.stream.write_all(bytes).await;
        let end = self.fill(|input| input.windows(4).position(|four| four == b"\r\n\r\n")).await?;
        let head = String::from_utf8(self.input.drain(..end + 4).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if !bytes.starts_with(b"HEAD") {
            self.fill(|input| (input.len() >= length).then_some(0)).await?;
            answer.body = String::from_utf8(self.input.drain(..length).collect()).unwrap();
        }
        Some(answer)
    }

    async fn fill(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(at) = found(&self.input) {
                return Some(at);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await.expect("an answer or an end");
            if !matches!(read, Ok(1..)) {
                return None;
            }
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: meter\r\n\r\n").as_bytes()).await.unwrap()
    }

    async fn get_as(&mut self, name: &str, password: &str, path: &str) -> Answer {
        let header = login(name, &Password::new(password).unwrap());
        let request = format!("GET {path} HTTP/1.1\r\nHost: meter\r\nAuthorization: {}\r\n\r\n", *header);
        self.send(request.as_bytes()).await.unwrap()
    }

    /// Sends a form back as a browser does, from a page of the meter's own unless `origin` says another.
    async fn post(&mut self, who: (&str, &str), path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
        let header = login(who.0, &Password::new(who.1).unwrap());
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let body = pairs.join("&");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: meter\r\nOrigin: {origin}\r\nAuthorization: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            *header,
            body.len()
        );
        self.send(request.as_bytes()).await.unwrap()
    }

    /// Loads a form, types something and sends it back.
    async fn send_form(&mut self, who: (&str, &str), path: &str, typed: &[(&str, &str)]) -> Answer {
        let shown = self.get_as(who.0, who.1, path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.body);
        let mut fields = hidden(&shown.body);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(who, path, OWN, &fields).await
    }
}

/// The origin of the pages that [`Client`] loads.
const OWN: &str = "http://meter";
/// The factory login.
const FACTORY: (&str, &str) = ("8650", "0");

/// As a form's fields are encoded, the long way.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What a page's form sends besides what was typed.
fn hidden(body: &str) -> Vec<(String, String)> {
    let fields = body.split("<input type=\"hidden\" name=\"").skip(1);
    fields
        .map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect()
}

/// A legacy meter whose pages may configure it.
fn configurable() -> Bench {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Web Server Configuration Access", "yes")]);
    bench
}

/// A set-up register's value.
fn value(bench: &Bench, register: &str) -> String {
    let template = &bench.site.view().settings.template;
    template.get(&template.find(register).unwrap()).unwrap().to_string()
}

/// What must be the same where nothing has happened.
fn untouched(bench: &Bench) -> (u64, u64) {
    (bench.site.view().generation, bench.site.gate.next_event().unwrap())
}

/// What refused writes have left in the event log: user, what was asked, why not.
fn refused_writes(bench: &Bench) -> Vec<(String, String, String)> {
    let events = bench.site.gate.events(&Caller::meter(), 0, 1000).unwrap().into_iter();
    let refused = events.filter(|event| event.path == "web" && event.effect.starts_with("refused"));
    refused.map(|event| (event.user, event.cause, event.effect)).collect()
}

/// A second of measuring.
fn measure(bench: &Bench) {
    let phase = Power { active: 47_880.0, reactive: 12_000.0, apparent: 49_360.7 };
    let quantities = Quantities {
        vln: [348.951, 352.224, 345.953],
        current: [126.108, 151.832, 166.696],
        frequency: 59.97,
        power: [phase; 3],
        power_total: Power { active: 143_640.0, reactive: -1.0, apparent: 148_082.0 },
        ..Quantities::default()
    };
    bench.clock.advance_ms(1000);
    let mut micro = [0; 8];
    micro[0] = 123_456_789_000;
    let energy = EnergyIncrement::from_micro(micro);
    bench.site.gate.tick(bench.site.now(), Some(&quantities), &energy).unwrap();
}

/// The page's rows, as a program takes them out of it.
fn rows(body: &str) -> Vec<(String, String)> {
    let rows = body.split("<tr><td class=\"l\">").skip(1);
    rows.map(|row| {
        let (row, _) = row.split_once("</td></tr>").unwrap();
        let (label, value) = row.split_once("</td><td class=\"v\">").unwrap();
        (label.to_owned(), value.to_owned())
    })
    .collect()
}

fn logins(bench: &Bench) -> usize {
    let events = bench.site.gate.events(&Caller::meter(), 0, 1000).unwrap();
    events.iter().filter(|event| event.path == "web" && event.cause.starts_with("login")).count()
}

async fn advanced(bench: &Bench) {
    bench.set_password("USER1", "abc").await;
    bench.set_password("USER2", "xyz").await;
    bench.set(&[("Mode", "advanced")]);
}

/// A connection over a pipe of one kilobyte, under limits of a test's own; its end can be awaited.
fn pipe(bench: &Bench, limits: Limits) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(1024);
    let peer = "127.0.0.1:9".parse().unwrap();
    let entry = bench.site.connections.enter(Service::Web, peer, bench.site.now());
    let seal = Arc::new(Seal::new(random()));
    (client, tokio::spawn(serve((Arc::clone(&bench.site), seal), server, peer, entry, limits)))
}
