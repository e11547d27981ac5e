//! No password is in any log, at the most verbose level, whichever face it came by, right or wrong.

use system_tests::{Meter, has, run, sftp};

const OWN: &str = "58317462";
const WRONG: &str = "99887766";

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
    }
    meter.setup(Some(("8650", OWN)), &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let mut set = meter.setup_command(Some(("8650", "0")), &["security", "set", "front-panel-password"]);
    run(set.env("WATTKEEP_NEW_PASSWORD", OWN)).ok();
    for password in [OWN, WRONG] {
        let page = format!("http://127.0.0.1:{}/Operation.html", meter.port(None, "web"));
        run(std::process::Command::new("curl").args(["-sS", "-m", "10", "-u", &format!("8650:{password}"), &page]))
            .ok();
    }
    let events = meter.setup(Some(("8650", OWN)), &["events", "--limit", "500", "--json"]).ok().out;
    assert_eq!(meter.stop(), 0);
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.lines().count() > 20, "the log is verbose: {said}");
    for secret in [OWN, WRONG] {
        let numbers = format!("{:?}", secret.as_bytes());
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret, numbers.trim_matches(['[', ']']), &hexadecimal] {
            assert!(!said.contains(form) && !events.contains(form), "{form} is in a log");
        }
    }
}
