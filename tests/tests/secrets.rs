//! No password is in any log, at the most verbose level, whichever face it came by, right or wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use system_tests::{Meter, grep, has, run, sftp};

const OWN: &str = "58317462";
const WRONG: &str = "99887766";

/// Logs in on Telnet, or tries to.
fn telnet(port: u16, password: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    for (prompt, answer) in [("login: ", "8650"), ("password: ", password), ("\n", "x")] {
        while !seen.ends_with(prompt.as_bytes()) && stream.read(&mut byte).unwrap() > 0 {
            seen.push(byte[0]);
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn b29_no_password_reaches_a_log() {
    if !has("sshpass") || !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("everything.log");
    let meter = Meter::start_talking(dir.path(), &["--release", "4.40.1", "--ports", "auto"], &log);
    let mut set = meter.setup_command(Some(("8650", "0")), &["security", "set", "front-panel-password"]);
    run(set.env("WATTKEEP_NEW_PASSWORD", OWN)).ok();
    for password in [OWN, WRONG] {
        let _ = meter.setup(Some(("8650", password)), &["users"]);
        sftp(meter.port(None, "sftp"), "8650", password, "ls\n");
        // A password where a name should be, as people do type it.
        sftp(meter.port(None, "sftp"), password, "x", "ls\n");
    }
    for file in [OWN, WRONG] {
        assert!(!grep(&dir.path().join("state"), file), "a password is readable in the state of a release that hashes");
    }
    meter.setup(Some(("8650", OWN)), &["set", "SSH", "yes"]).ok();
    for password in [OWN, WRONG] {
        sftp(meter.port(None, "ssh"), "8650", password, "ls\n");
    }
    meter.setup(Some(("8650", OWN)), &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let mut set = meter.setup_command(Some(("8650", "0")), &["security", "set", "front-panel-password"]);
    run(set.env("WATTKEEP_NEW_PASSWORD", OWN)).ok();
    meter.setup(Some(("8650", OWN)), &["set", "Telnet", "yes"]).ok();
    for password in [OWN, WRONG] {
        telnet(meter.port(None, "telnet"), password);
        let page = format!("http://127.0.0.1:{}/Operation.html", meter.port(None, "web"));
        run(std::process::Command::new("curl").args(["-sS", "-m", "10", "-u", &format!("8650:{password}"), &page]))
            .ok();
    }
    let events = meter.setup(Some(("8650", OWN)), &["events", "--limit", "500", "--json"]).ok().out;
    assert_eq!(meter.stop(), 0);
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.lines().count() > 10, "the log is verbose: {said}");
    assert!(!grep(&dir.path().join("state"), WRONG), "what was tried is kept nowhere");
    for secret in [OWN, WRONG] {
        let numbers = format!("{:?}", secret.as_bytes());
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret, numbers.trim_matches(['[', ']']), &hexadecimal] {
            assert!(!said.contains(form) && !events.contains(form), "{form} is in a log");
        }
    }
}
