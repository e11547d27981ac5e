//! A lost password, with the real binary: whoever holds the machine gets in again, and nothing else is lost.

use system_tests::{Meter, grep, has, run, run_with_input, secret_file, sftp, wattkeep};

const OWN: &str = "58317462";

/// Every stored form of a hash, as it lies in the database.
fn hashes(meter_dir: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(meter_dir).unwrap() {
        let Ok(bytes) = std::fs::read(entry.unwrap().path()) else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for (at, _) in text.match_indices("$argon2id$") {
            let hash: String = text[at..].chars().take_while(|c| c.is_ascii_graphic()).collect();
            found.push(hash);
        }
    }
    found
}

#[test]
fn a_lost_password_is_reset_at_the_machine_and_only_there() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let state = home.join("state");
    let meter = Meter::start(home, &["--ports", "auto"]);
    let file = secret_file(home, "new", OWN);
    let set = ["security", "set", "front-panel-password", "--new-password-file", &file];
    meter.setup(Some(("8650", "0")), &set).ok();
    meter.setup(Some(("8650", OWN)), &["set", "SSH", "yes", "CT Prim", "800"]).ok();
    let reset = |args: &[&str]| {
        let mut command = wattkeep(home);
        command.arg("reset-security").arg("--state").arg(&state).args(args);
        command
    };
    // While the meter runs, it is refused, in one sentence.
    let refused = run(&mut reset(&["--yes"]));
    assert_eq!((refused.status, refused.err.lines().count()), (1, 1), "{refused:?}");
    assert!(refused.err.contains("in use") || refused.err.contains("runs"), "{refused:?}");
    // Somebody gets locked out on the way.
    for _ in 0..5 {
        meter.setup(Some(("8650", "12345")), &["users"]);
    }
    let energy = |meter: &Meter| {
        meter.setup(None, &["read", "kWh del", "--json"]).ok().json()["kWh del"]["value"].as_f64().unwrap()
    };
    let before = energy(&meter);
    assert_eq!(meter.stop(), 0);
    let old = hashes(&state);
    assert!(!old.is_empty(), "there is something to erase");

    // Without a terminal and without --yes nothing is done.
    let asked = run_with_input(&mut reset(&[]), "y\n");
    assert_eq!(asked.status, 6, "{asked:?}");
    assert_eq!(hashes(&state), old);
    let done = run(&mut reset(&["--yes", "--json"])).ok().json();
    assert_eq!((&done["release"], &done["factory_password"]), (&"4.40.1".into(), &true.into()), "{done}");
    for hash in &old {
        assert!(!grep(&state, hash), "an old hash is still there");
    }
    assert!(hashes(&state).is_empty());

    let meter = Meter::start(home, &[]);
    assert_eq!(meter.setup(Some(("8650", OWN)), &["users"]).status, 4, "the old password is none any more");
    let info = meter.info(Some(("8650", "0")));
    assert_eq!((&info["factory_password"], &info["mode"]), (&true.into(), &"standard".into()));
    assert_eq!(info["services"]["ssh"]["enabled"], false);
    assert!(energy(&meter) >= before);
    let kept = meter.setup(None, &["read", "CT Prim", "--json"]).ok().json();
    assert_eq!(kept["CT Prim"]["value"], 800);
    let events = meter.setup(Some(("8650", "0")), &["events", "--limit", "500", "--json"]).ok().out;
    for told in ["reset at the machine to the factory state of release 4.40.1", "made with release", "locked out for"] {
        assert!(events.contains(told), "{told}: {events}");
    }
    if has("sshpass") {
        assert!(sftp(meter.port(None, "sftp"), "8650", "0", "ls\n").ok().out.contains("logs"));
    }
}

#[test]
fn a_directory_without_a_meter_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let said = run(wattkeep(dir.path()).args(["reset-security", "--yes", "--state"]).arg(&nowhere));
    assert_eq!(said.status, 1, "{said:?}");
    assert!(!nowhere.exists());
}
