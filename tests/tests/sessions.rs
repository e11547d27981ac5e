//! Who is connected, logged in and locked out: seen, ended and lifted with the real binary and real clients.

use std::process::{Child, Command, Stdio};

use system_tests::{Meter, has, secret_file, sftp};

const OWN: &str = "58317462";
const OWNER: Option<(&str, &str)> = Some(("8650", OWN));

fn owned(home: &std::path::Path, args: &[&str]) -> Meter {
    let meter = Meter::start(home, args);
    let file = secret_file(home, "new", OWN);
    let set = ["security", "set", "front-panel-password", "--new-password-file", &file];
    let said = meter.setup(Some(("8650", "0")), &set).ok();
    assert!(said.out.contains("strength: fair: 26 of the 26 bits"), "a new password's strength is shown: {said:?}");
    meter
}

fn connections(meter: &Meter) -> serde_json::Value {
    meter.setup(OWNER, &["connections", "--json"]).ok().json()
}

/// An OpenSSH client that stays: its master connection, without a command.
fn ssh_that_stays(port: u16) -> Child {
    let mut command = Command::new("sshpass");
    command.args(["-e", "ssh", "-q", "-N", "-p", &port.to_string()]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.args(["-o", "PubkeyAuthentication=no", "8650@127.0.0.1"]).env("SSHPASS", OWN);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_session_is_seen_and_ended_and_its_client_notices() {
    if !has("sshpass") || !has("ssh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--ports", "auto"]);
    meter.setup(OWNER, &["set", "SSH", "yes"]).ok();
    let mut client = ssh_that_stays(meter.port(None, "ssh"));
    let listed = loop {
        let listed = connections(&meter);
        let found = listed["connections"].as_array().unwrap().iter().find(|one| one["service"] == "ssh").cloned();
        if let Some(found) = found.filter(|found| found["session"].is_number()) {
            break found;
        }
        assert!(client.try_wait().unwrap().is_none(), "ssh ended: {listed}");
    };
    assert_eq!(listed["user"], "8650");
    assert!(listed["peer"].as_str().unwrap().starts_with("127.0.0.1:") && listed["idle_s"].as_u64().unwrap() < 60);
    assert!(listed["since_utc_ms"].as_i64().unwrap() > 1_700_000_000_000);
    let shown = meter.setup(OWNER, &["connections"]).ok().out;
    assert!(shown.contains("ssh") && shown.contains("1 of 16") && shown.contains("Nobody is locked out."), "{shown}");

    let number = listed["session"].to_string();
    assert_eq!(meter.setup(None, &["connections", "end", &number]).status, 4, "not for anyone");
    let ended = meter.setup(OWNER, &["connections", "end", &number]).ok().out;
    assert!(ended.contains("is ended"), "{ended}");
    assert_ne!(client.wait().unwrap().code(), Some(0), "the client is cut off");
    assert_eq!(meter.setup(OWNER, &["connections", "end", &number]).status, 1, "it is over");
    let events = meter.setup(OWNER, &["events", "--json"]).ok().out;
    assert!(events.contains(&format!("session {number} of 8650, ssh from 127.0.0.1")), "{events}");
}

#[test]
fn a_lock_out_is_seen_survives_a_restart_and_is_lifted() {
    if !has("sshpass") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--ports", "auto"]);
    let port = meter.port(None, "sftp");
    for _ in 0..6 {
        assert_ne!(sftp(port, "8650", "12345", "ls\n").status, 0);
    }
    assert_ne!(sftp(port, "8650", OWN, "ls\n").status, 0, "locked out, with the right password too");
    let held = connections(&meter)["lockouts"].clone();
    assert_eq!(
        (&held[0]["login"], &held[0]["path"], &held[0]["source"]),
        (&"8650".into(), &"sftp".into(), &"127.0.0.1".into()),
        "{held}"
    );
    assert!(meter.setup(None, &["connections", "--json"]).ok().json()["lockouts"].is_null(), "not for anyone");
    meter.kill();
    let meter = Meter::start(dir.path(), &[]);
    let after = connections(&meter)["lockouts"].clone();
    assert!(after[0]["minutes_left"].as_u64() <= held[0]["minutes_left"].as_u64(), "{after}");
    assert_ne!(sftp(port, "8650", OWN, "ls\n").status, 0, "a restart is no way out");
    let shown = meter.setup(OWNER, &["connections"]).ok().out;
    assert!(shown.contains("Locked out after too many wrong passwords"), "{shown}");
    assert_eq!(meter.setup(None, &["connections", "lift", "8650"]).status, 4);
    let elsewhere = meter.setup(OWNER, &["connections", "lift", "8650", "--source", "192.0.2.1"]);
    assert_eq!(elsewhere.status, 1, "{elsewhere:?}");
    let lifted = meter.setup(OWNER, &["connections", "lift", "8650", "--source", "127.0.0.1"]).ok().out;
    assert!(lifted.contains("1 lock-out lifted"), "{lifted}");
    sftp(port, "8650", OWN, "ls\n").ok();
    let events = meter.setup(OWNER, &["events", "--json"]).ok().out;
    assert!(events.contains("lock-out of 8650, sftp, 127.0.0.1") && events.contains("lifted"), "{events}");
}
