//! The web face as clients meet it: bytes over a socket, to a real meter behind the gate.

use std::time::Duration;

use api::login::login;
use framework::modules::security_options::Service;
use meter::{Caller, ChangeSet, Edit};
use metrology::{EnergyIncrement, Power, Quantities};
use security::{Password, Rights, UserId, Who};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::{OPERATION, READINGS};
use super::quantities::GROUPS;
use super::*;
use crate::faces::{FACES, Face};
use crate::testbed::Bench;

/// Far above what an answer takes, so that a test that fails doesn't hang.
const PATIENCE: Duration = Duration::from_secs(20);

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

#[tokio::test]
async fn the_page_is_rows_of_label_and_number_space_unit_in_both_releases() {
    for release in ["4.0.9", "4.40.1"] {
        let bench = Bench::new(release);
        let mut client = Client::connect(bench.serve(face()).await).await;
        let before = rows(&client.get_as("8650", "0", OPERATION).await.body);
        assert!(before.contains(&("kW total".into(), "-- kW".into())), "{before:?}");
        measure(&bench);
        let answer = client.get_as("8650", "0", OPERATION).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
        let rows = rows(&answer.body);
        for (label, value) in [
            ("kW total", "143.64 kW"),
            ("kVAR total", "0.00 kVAR"),
            ("Vln a", "348.95 V"),
            ("Frequency", "59.97 Hz"),
            ("kWh del", "123.457 kWh"),
            ("kWh rec", "0.000 kWh"),
        ] {
            assert!(rows.contains(&(label.into(), value.into())), "{release}: {label} in {rows:?}");
        }
        assert_eq!(rows.len(), GROUPS.iter().map(|group| group.rows.len()).sum::<usize>());
        assert_eq!(answer.body.matches("<td").count(), 2 * rows.len(), "no other cell may be taken for one");
        for (label, value) in &rows {
            let (number, unit) = value.split_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok() && !unit.is_empty(), "{label}: {value}");
        }
        for shown in ["MW-2611A001-01", release, "2026-01-01 00:00:01", "a test"] {
            assert!(answer.body.contains(shown), "{release}: {shown}");
        }
    }
}

#[tokio::test]
async fn json_has_the_readings_of_the_page_and_null_where_there_is_none() {
    let bench = Bench::new("4.40.1");
    let mut client = Client::connect(bench.serve(face()).await).await;
    let document = |answer: &Answer| serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
    let before = document(&client.get(READINGS).await);
    assert_eq!(before["kW tot"], serde_json::json!({"value": null, "unit": "kW"}));
    assert_eq!(before["utc"], serde_json::Value::Null);
    measure(&bench);
    let answer = client.get(READINGS).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let found = document(&answer);
    assert_eq!(found["kW tot"], serde_json::json!({"value": 143.64, "unit": "kW"}));
    assert_eq!(found["serial"], "MW-2611A001-01");
    assert_eq!(found["release"], "4.40.1");
    assert_eq!(found["utc"], "2026-01-01T00:00:01Z");
    assert_eq!(found.as_object().unwrap().len(), 4 + GROUPS.iter().map(|group| group.rows.len()).sum::<usize>());
}

#[tokio::test]
async fn b13_the_pages_ask_for_no_password_in_either_mode_and_show_nothing_of_security_or_network() {
    let bench = Bench::new("4.40.1");
    bench.set(&[("Host Name", "netname"), ("Modbus Port", "50217")]);
    measure(&bench);
    let address = bench.serve(face()).await;
    let standard = Client::connect(address).await.get(OPERATION).await;
    advanced(&bench).await;
    for path in [OPERATION, READINGS] {
        let mut client = Client::connect(address).await;
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (200, None));
        let with_login = client.get_as("USER1", "wrong", path).await;
        assert_eq!((with_login.status, &with_login.body), (200, &answer.body), "a login is not even looked at");
        let body = answer.body.to_lowercase();
        for hidden in ["user1", "advanced", "netname", "50217", "password", "127.0.0.1", "factory"] {
            assert!(!body.contains(hidden), "{path} shows {hidden}");
        }
    }
    assert_eq!(logins(&bench), 0);
    assert_eq!(Client::connect(address).await.get(OPERATION).await.body, standard.body);
    let home = Client::connect(address).await.get("/").await;
    assert_eq!((home.status, home.header("location")), (307, Some(OPERATION)));
}

#[tokio::test]
async fn b14_no_request_of_any_method_changes_anything() {
    const METHODS: [&str; 17] = [
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "LINK",
        "UNLINK",
        "PURGE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "get",
        "SET",
    ];
    const BODIES: [&str; 3] = ["", "Mode=none&CT+Prim=1", r#"{"changes":[["CT Prim","1"]]}"#];
    for release in ["4.0.9", "4.40.1"] {
        let bench = Bench::new(release);
        if release == "4.0.9" {
            bench.set(&[("Web Server Configuration Access", "yes")]);
        }
        let address = bench.serve(face()).await;
        // One login first: what it logs on legacy is the last event there is.
        Client::connect(address).await.get_as("8650", "0", OPERATION).await;
        let before = (bench.site.view().generation, bench.site.gate.next_event().unwrap());
        let header = login("8650", &Password::new("0").unwrap());
        for method in METHODS {
            for path in ["/", OPERATION, READINGS, "/Setup.html?CT%20Prim=1", "*"] {
                for body in BODIES {
                    let request = format!(
                        "{method} {path} HTTP/1.1\r\nHost: meter\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n{body}",
                        *header,
                        body.len()
                    );
                    let answer = Client::connect(address).await.send(request.as_bytes()).await.unwrap();
                    // CONNECT takes an authority, not a path: the request itself is malformed.
                    let malformed = method == "CONNECT" && answer.status == 400;
                    if !malformed {
                        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{request}");
                    }
                }
            }
        }
        let mut client = Client::connect(address).await;
        for path in ["/Operation.html?CT%20Prim=1&Mode=none", "/Setup.html?Mode=none"] {
            client.get(path).await;
        }
        assert_eq!((bench.site.view().generation, bench.site.gate.next_event().unwrap()), before, "{release}");
    }
}

#[tokio::test]
async fn every_answer_keeps_out_of_caches_and_foreign_pages() {
    let bench = Bench::new("4.40.1");
    let mut client = Client::connect(bench.serve(face()).await).await;
    for path in ["/", OPERATION, READINGS, "/none"] {
        let answer = client.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
    let head = client.send(format!("HEAD {OPERATION} HTTP/1.1\r\nHost: meter\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1000);
}

#[tokio::test]
async fn b24_legacy_pages_take_a_login_and_say_the_same_to_an_unknown_user_and_a_wrong_password() {
    let bench = Bench::new("4.0.9");
    bench.set_password("8650", "4711").await;
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    let asked = client.get(OPERATION).await;
    assert_eq!(asked.status, 401);
    assert_eq!(asked.header("www-authenticate"), Some("Basic realm=\"8650 meter MW-2611A001-01\", charset=\"UTF-8\""));
    assert!(asked.body.contains("this takes the front-panel password"), "{}", asked.body);
    let wrong = client.get_as("8650", "4712", OPERATION).await;
    let unknown = client.get_as("admin", "4711", OPERATION).await;
    let user = client.get_as("USER1", "0", OPERATION).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("the user name or the password is wrong"), "{}", wrong.body);
    assert_eq!((&wrong.body, wrong.status), (&unknown.body, unknown.status));
    assert_eq!(wrong.body, user.body);
    for hidden in ["4.0.9", "a test", "2026"] {
        assert!(!asked.body.contains(hidden) && !wrong.body.contains(hidden), "{hidden} takes a login");
    }
    assert_eq!(client.get_as("8650", "4711", OPERATION).await.status, 200);
    assert_eq!(client.get(OPERATION).await.status, 401, "a login is for the request that carries it");
    assert_eq!(client.get_as("8650", "4711", READINGS).await.status, 404, "legacy has no such page");
}

#[tokio::test]
async fn a_polling_client_is_checked_and_logged_once_and_its_rights_are_decided_each_time() {
    let bench = Bench::new("4.0.9");
    advanced(&bench).await;
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    for _ in 0..5 {
        let answer = client.get_as("user02", "xyz", OPERATION).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("Logged in as USER2"));
    }
    assert_eq!(logins(&bench), 1);
    let user2 = Who::User(UserId::new(2).unwrap());
    assert_eq!(bench.site.connections.list().iter().map(|one| one.who).collect::<Vec<_>>(), [user2]);
    assert_eq!(client.get_as("USER2", "wrong", OPERATION).await.status, 401);
    assert_eq!(client.get_as("USER2", "xyz", OPERATION).await.status, 200, "but a good one goes on");

    let rights = vec![Edit::Rights(UserId::new(2).unwrap(), Rights::NONE)];
    let change = ChangeSet { edits: rights, force: false };
    bench.site.gate.apply(bench.site.now(), &Caller::meter(), change).unwrap();
    let refused = client.get_as("USER2", "xyz", OPERATION).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("this takes the right &quot;"), "{}", refused.body);

    assert_eq!(client.get_as("USER1", "abc", OPERATION).await.status, 200);
    bench.set_password("USER1", "cba").await;
    assert_eq!(client.get_as("USER1", "abc", OPERATION).await.status, 401, "a changed password holds at once");
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 401, "8650 is no login under Advanced");
}

#[tokio::test]
async fn b24_web_access_read_off_is_403_with_the_refusals_sentence_before_any_login() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Web Access Read", "no")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    for answer in [client.get(OPERATION).await, client.get_as("8650", "0", OPERATION).await] {
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("Web Access Read&quot; is off"), "{}", answer.body);
    }
    assert_eq!(logins(&bench), 0);
    bench.set(&[("Web Access Read", "yes")]);
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 200);
}

#[tokio::test]
async fn b9_without_security_legacy_pages_ask_for_nothing() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Mode", "none")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    assert_eq!(client.get(OPERATION).await.status, 200);
    assert_eq!(client.get_as("8650", "anything", OPERATION).await.status, 200);
    assert_eq!(logins(&bench), 0);
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_a_source_out_and_say_for_how_long() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Invalid Attempts", "2")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    for _ in 0..2 {
        assert_eq!(client.get_as("8650", "1", OPERATION).await.status, 401);
    }
    let locked = client.get_as("8650", "0", OPERATION).await;
    assert_eq!((locked.status, locked.header("retry-after")), (429, Some("900")));
    assert!(locked.body.contains("locked out here for another 15 min"), "{}", locked.body);
    bench.clock.advance_ms(15 * 60_000);
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 200);
}

#[tokio::test]
async fn bad_input_is_a_4xx_or_the_end_of_that_connection_and_of_nothing_else() {
    let get = |path: &[u8], headers: &[u8]| [b"GET ", path, b" HTTP/1.1\r\nHost: m\r\n", headers, b"\r\n"].concat();
    let many: String = (0..HEADERS + 1).map(|n| format!("X-{n}: y\r\n")).collect();
    let long_header = format!("X: {}\r\n", "y".repeat(HEAD_BYTES));
    let long_login = format!("Authorization: Basic {}\r\n", "QUFB".repeat(1000));
    let operation = OPERATION.as_bytes();
    let sent: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("header", get(operation, long_header.as_bytes()), &[431]),
        ("headers", get(operation, many.as_bytes()), &[431]),
        ("target", get(&[b'/'; 70_000], b""), &[431]),
        ("utf-8", get(b"/\xff\xfe\xc3\x28", b""), &[400]),
        ("dots", get(b"/../../../etc/passwd", b""), &[404]),
        ("escapes", get(b"/%00%2e%2e/%ff", b""), &[404]),
        ("junk", b"\r\n\r\nnonsense\r\n\r\n".to_vec(), &[400]),
        ("split", get(operation, b"A: b\rc\nd\r\n"), &[400]),
        ("nul", get(operation, b"A: \0\r\n"), &[400]),
        ("smuggle", get(operation, b"Content-Length: 5\r\nContent-Length: 6\r\n"), &[400]),
        ("version", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        // Closed without a word: whoever speaks HTTP/2 couldn't read one.
        ("http 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        ("login", get(operation, long_login.as_bytes()), &[401]),
        ("base64", get(operation, b"Authorization: Basic ????\r\n"), &[401]),
        ("token", get(operation, b"Authorization: Bearer QUFB\r\n"), &[401]),
        ("latin", get(operation, b"Authorization: Basic \xe9\r\n"), &[401]),
    ];
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    for (what, bytes, expected) in sent {
        let answer = Client::connect(address).await.send(&bytes).await;
        let status = answer.map(|answer| answer.status);
        // Closing before all was read may reset the connection before the answer is seen.
        let unseen = status.is_none() && (expected.is_empty() || bytes.len() > HEAD_BYTES);
        assert!(unseen || status.is_some_and(|status| expected.contains(&status)), "{what}: {status:?}");
    }
    assert_eq!(logins(&bench), 0, "none of these was a login");
    assert_eq!(Client::connect(address).await.get_as("8650", "0", OPERATION).await.status, 200);
}

#[tokio::test]
async fn fifty_clients_are_served_while_none_has_hung_up() {
    let bench = Bench::new("4.40.1");
    let address = bench.serve(face()).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(address).await;
        assert_eq!(client.get(OPERATION).await.status, 200);
        clients.push(client);
    }
    assert_eq!(bench.site.connections.list().len(), 50);
    for client in &mut clients {
        assert_eq!(client.get(READINGS).await.status, 200);
    }
}

/// A connection over a pipe of one kilobyte, under limits of a test's own; its end can be awaited.
fn pipe(bench: &Bench, limits: Limits) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(1024);
    let peer = "127.0.0.1:9".parse().unwrap();
    let entry = bench.site.connections.enter(Service::Web, peer, bench.site.now());
    (client, tokio::spawn(serve(Arc::clone(&bench.site), server, peer, entry, limits)))
}

#[tokio::test]
async fn a_client_that_is_silent_stops_in_a_head_or_takes_no_answer_is_let_go() {
    let bench = Bench::new("4.40.1");
    let soon = Duration::from_millis(20);
    let request = format!("GET {OPERATION} HTTP/1.1\r\nHost: meter\r\n\r\n");
    for (sent, limits) in [
        ("", Limits { head: soon, ..Limits::METER }),
        (&request[..20], Limits { head: soon, ..Limits::METER }),
        (&request, Limits { request: soon, ..Limits::METER }),
    ] {
        let (mut client, end) = pipe(&bench, limits);
        client.write_all(sent.as_bytes()).await.unwrap();
        timeout(PATIENCE, end).await.unwrap_or_else(|_| panic!("still served after {sent:?}")).unwrap();
        assert!(bench.site.connections.list().is_empty());
    }
}
