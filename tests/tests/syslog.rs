//! Syslog with a receiver nobody here wrote: what rsyslog's own RFC 5424 parser makes of what the meter sends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use system_tests::{Meter, has, run};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
/// Far above what a message takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message as rsyslog has parsed it.
#[derive(Debug)]
struct Message {
    facility: String,
    severity: String,
    time: String,
    hostname: String,
    program: String,
    id: String,
    /// The parameters of the one element.
    values: BTreeMap<String, String>,
    text: String,
}

/// An rsyslogd in the foreground, on a port of the loopback, with a configuration of its own.
struct Rsyslog {
    child: Child,
    lines: Receiver<String>,
    port: u16,
}

impl Rsyslog {
    fn start(dir: &Path) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let pipe = dir.join("parsed");
        run(Command::new("mkfifo").arg(&pipe)).ok();
        let configuration = format!(
            "global(workDirectory=\"{dir}\" parser.escapeControlCharactersOnReceive=\"off\")\n\
             module(load=\"imudp\")\n\
             template(name=\"parsed\" type=\"list\") {{\n\
               property(name=\"syslogfacility\") constant(value=\"\\t\") property(name=\"syslogseverity\")\n\
               constant(value=\"\\t\") property(name=\"timereported\" dateFormat=\"rfc3339\")\n\
               constant(value=\"\\t\") property(name=\"hostname\") constant(value=\"\\t\") property(name=\"app-name\")\n\
               constant(value=\"\\t\") property(name=\"msgid\") constant(value=\"\\t\") property(name=\"structured-data\")\n\
               constant(value=\"\\t\") property(name=\"msg\") constant(value=\"\\n\")\n\
             }}\n\
             ruleset(name=\"meter\" parser=\"rsyslog.rfc5424\") {{ action(type=\"ompipe\" pipe=\"{pipe}\" template=\"parsed\") }}\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"meter\")\n",
            dir = dir.display(),
            pipe = pipe.display(),
        );
        let file = dir.join("rsyslog.conf");
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new("rsyslogd")
            .arg("-n")
            .arg("-f")
            .arg(&file)
            .arg("-i")
            .arg(dir.join("rsyslog.pid"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        // Both ends, so that opening waits for nobody and reading never ends before the test.
        let reader = BufReader::new(OpenOptions::new().read(true).write(true).open(pipe).unwrap());
        std::thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let rsyslog = Self { child, lines, port };
        rsyslog.wait_until_it_listens();
        rsyslog
    }

    /// Knocks until somebody answers, then until everything that was knocked has come.
    fn wait_until_it_listens(&self) {
        let knocking = UdpSocket::bind("127.0.0.1:0").unwrap();
        let knock = |word: &str| {
            let message = format!("<110>1 - test test - {word} -");
            knocking.send_to(message.as_bytes(), ("127.0.0.1", self.port)).unwrap();
        };
        let heard = |word: &str, patience| {
            let word = format!("\t{word}\t");
            std::iter::from_fn(|| self.lines.recv_timeout(patience).ok()).any(|line| line.contains(&word))
        };
        let listens = (0..100).any(|_| {
            knock("KNOCK");
            heard("KNOCK", Duration::from_millis(200))
        });
        assert!(listens, "rsyslogd does not listen");
        knock("READY");
        assert!(heard("READY", PATIENCE));
    }

    /// The messages up to one whose element says so.
    #[track_caller]
    fn until(&self, cause: &str, effect: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let Ok(line) = line else { panic!("no \"{cause}\", \"{effect}\" in {messages:#?}") };
            let message = parsed(&line);
            let over = message.values["cause"].starts_with(cause) && message.values["effect"].starts_with(effect);
            messages.push(message);
            if over {
                return messages;
            }
        }
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parsed(line: &str) -> Message {
    let fields: Vec<&str> = line.split('\t').collect();
    let [facility, severity, time, hostname, program, id, element, text] = fields[..] else { panic!("{line:?}") };
    let [facility, severity, time, hostname, program, id, text] =
        [facility, severity, time, hostname, program, id, text].map(str::to_owned);
    let mut rest = element.strip_prefix("[event@32473").unwrap_or_else(|| panic!("{line:?}"));
    let mut values = BTreeMap::new();
    while let Some((name, after)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once("=\"")) {
        let (mut value, mut escape, mut end) = (String::new(), false, after.len());
        for (at, c) in after.char_indices() {
            match c {
                '\\' if !escape => escape = true,
                '"' if !escape => {
                    end = at;
                    break;
                }
                c => {
                    value.push(c);
                    escape = false;
                }
            }
        }
        values.insert(name.to_owned(), value);
        rest = &after[end + 1..];
    }
    assert_eq!(rest, "]", "{line:?}");
    Message { facility, severity, time, hostname, program, id, values, text }
}

#[test]
fn rsyslog_gets_each_event_once_in_order_with_the_right_severity() {
    if !has("rsyslogd") || !has("mkfifo") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let rsyslog = Rsyslog::start(home.path());
    let meter = Meter::start(home.path(), &["--ports", "auto"]);
    let serial = meter.info(None)["serial"].as_str().unwrap().to_owned();
    let port = rsyslog.port.to_string();
    let on = ["set", "Syslog Host", "127.0.0.1", "Syslog Port", &port, "Syslog", "yes"];
    let said = meter.setup(FACTORY, &on).ok();
    assert!(said.out.contains("in the clear"), "{said:?}");
    rsyslog.until("Event Log Controller 1/Syslog Port = 514", &port);

    // Every kind: a login, a change of set-up with characters that could break out, a refusal, a lock-out.
    meter.setup(FACTORY, &["set", "Owner", "a \"b\" [c] \\d — Zähler"]).ok();
    let change = rsyslog.until("Factory 1/Owner = ", "a \"b\"");
    assert_eq!(meter.setup(None, &["set", "CT Prim", "800"]).status, 4);
    let refusal = rsyslog.until("full-config", "refused: ");
    for _ in 0..6 {
        assert_eq!(meter.setup(Some(("8650", "99887766")), &["users"]).status, 4);
    }
    let lock_out = rsyslog.until("login as 8650", "refused: locked out");

    let all: Vec<&Message> = change.iter().chain(&refusal).chain(&lock_out).collect();
    for message in &all {
        assert_eq!((message.facility.as_str(), message.program.as_str()), ("13", "wattkeep"), "{message:?}");
        assert_eq!(message.hostname, serial);
        assert!(message.time.ends_with('Z') && message.time.len() == "2026-11-22T15:00:00.000Z".len(), "{message:?}");
        assert!(message.text.contains(&message.values["cause"]), "{message:?}");
    }
    let numbers: Vec<u64> = all.iter().map(|message| message.values["number"].parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");

    let seen = |id: &str, effect: &str, severity: &str, priority: &str| {
        let with = |message: &&&Message| {
            message.id == id && message.values["effect"].starts_with(effect) && message.severity == severity
        };
        let message = all.iter().find(with).unwrap_or_else(|| panic!("no {id}, {effect} in {all:#?}"));
        assert_eq!(message.values["priority"], priority, "{message:?}");
        assert_eq!(message.values["path"], "setup", "{message:?}");
    };
    seen("LOGIN", "valid", "6", "20");
    seen("LOGIN", "invalid", "4", "128");
    seen("LOGIN", "locked out for 15 min", "2", "255");
    seen("REFUSED", "refused: locked out", "4", "128");
    seen("REFUSED", "refused: ", "6", "25");
    let owner = change.last().unwrap();
    assert_eq!((owner.id.as_str(), owner.severity.as_str(), owner.values["user"].as_str()), ("SETUP", "6", "8650"));
    assert_eq!(owner.values["effect"], "a \"b\" [c] \\d — Zähler");
    assert!(!format!("{all:?}").contains("99887766"), "no password is told");

    // The next start tells from its power-up on, the stop to its last word.
    assert_eq!(meter.stop(), 0);
    let end = rsyslog.until("power", "power down");
    assert_eq!(end.last().unwrap().id, "POWER");
    let _meter = Meter::start(home.path(), &[]);
    let start = rsyslog.until("power", "power up, release");
    assert_eq!(start.len(), 1, "{start:#?}");
    let number = |messages: &[Message]| messages.last().unwrap().values["number"].parse::<u64>().unwrap();
    assert_eq!(number(&start), number(&end) + 1);
}
