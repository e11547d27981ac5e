//! Backups with the real binary: from a meter to a new one, before and after changes of release, and with files that are
//! none.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use system_tests::{Meter, Said, grep, run, secret_file, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
const USER1: Option<(&str, &str)> = Some(("USER1", "abc"));
const PASSPHRASE: &str = "a very long passphrase";
/// How long a meter on a machine under load may take for some seconds' records.
const PATIENCE: Duration = Duration::from_secs(60);

/// A meter on the ports that ship, on an address that no other test has: a backup has ports.
fn meter(home: &Path, name: &str, more: &[&str]) -> Meter {
    let [.., high, low] = std::process::id().to_be_bytes();
    let thread = format!("{:?}{name}", std::thread::current().id());
    let number = thread.bytes().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)).clamp(1, 250);
    let address = format!("127.{number}.{high}.{low}");
    let home = home.join(name);
    std::fs::create_dir_all(&home).unwrap();
    Meter::start(&home, &[&["--ports", "user", "--bind", &address, "--source", "grid"], more].concat())
}

fn password(meter: &Meter, user: &str, text: &str) {
    let file = secret_file(&meter.home, "secret", text);
    meter.setup(FACTORY, &["users", "set", user, "--active", "yes", "--new-password-file", &file]).ok();
    std::fs::remove_file(file).unwrap();
}

/// Advanced, USER1 with a password, a record every second, some of them there.
fn lived(home: &Path) -> Meter {
    let meter = meter(home, "one", &["--serial", "MW-2611A001-01"]);
    password(&meter, "USER1", "abc");
    meter.setup(FACTORY, &["set", "Periodic Timer 1/Period", "1", "PT Prim", "14400"]).ok();
    meter.setup(FACTORY, &["security", "set", "mode", "advanced"]).ok();
    let begun = UNIX_EPOCH.elapsed().unwrap();
    while records(&meter, "2") < 3 {
        assert!(UNIX_EPOCH.elapsed().unwrap() < begun + PATIENCE, "no records");
    }
    meter
}

/// How many records an epoch of the Revenue Log has.
fn records(meter: &Meter, epoch: &str) -> usize {
    let said = meter.setup(USER1, &["log", "1", "--epoch", epoch, "--all", "--json"]);
    if said.status == 0 { said.json()["records"].as_array().unwrap().len() } else { 0 }
}

fn backup(meter: &Meter, login: Option<(&str, &str)>, file: &str, sealed: bool) -> Said {
    let passphrase = secret_file(&meter.home, "passphrase", PASSPHRASE);
    let more: &[&str] = if sealed { &["--sealed", "--passphrase-file", &passphrase] } else { &[] };
    meter.setup(login, &[&["backup", file], more].concat())
}

fn load(meter: &Meter, login: Option<(&str, &str)>, file: &str, more: &[&str]) -> Said {
    let mut command = meter.setup_command(login, &[&["load", file], more].concat());
    run(command.env("WATTKEEP_PASSPHRASE", PASSPHRASE))
}

fn lines<'a>(plan: &'a Value, kind: &str) -> Vec<&'a Value> {
    plan["lines"].as_array().unwrap().iter().filter(|line| line["kind"] == kind).collect()
}

fn path(home: &Path, name: &str) -> String {
    home.join(name).to_str().unwrap().to_owned()
}

#[test]
fn b29_a_sealed_backup_makes_an_empty_meter_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let one = lived(dir.path());
    let file = path(dir.path(), "one.wkb");
    backup(&one, USER1, &file, true).ok();
    let again = backup(&one, USER1, &file, true);
    assert!(again.status == 1 && again.err.contains("it is there already"), "{again:?}");
    let short = secret_file(dir.path(), "short", "short");
    let weak = one.setup(USER1, &["backup", &path(dir.path(), "w.wkb"), "--sealed", "--passphrase-file", &short]);
    assert!(weak.status == 2 && weak.err.contains("at least 12 characters"), "{weak:?}");
    let device = std::fs::read_to_string(one.home.join("state/device.key")).unwrap();
    for secret in ["$argon2", device.trim(), PASSPHRASE] {
        assert!(!std::fs::read_to_string(&file).unwrap().contains(secret));
    }
    assert!(!grep(&one.home.join("state"), PASSPHRASE) && !grep(&one.home.join("wattkeep"), PASSPHRASE));

    // What is in it, with no meter at all.
    let shown = run(wattkeep(dir.path()).args(["backup", "show", &file, "--json"])).ok().json();
    assert_eq!((&shown["serial"], &shown["form"]), (&"MW-2611A001-01".into(), &"sealed".into()), "{shown}");
    let log = run(wattkeep(dir.path()).args(["backup", "log", &file, "--json"])).ok().json();
    assert!(log["events"].as_array().unwrap().iter().any(|event| event["effect"] == "standard becomes advanced"));
    let mut verify = wattkeep(dir.path());
    verify.args(["backup", "log", &file, "--verify", "--json"]).env("WATTKEEP_PASSPHRASE", PASSPHRASE);
    assert_eq!(run(&mut verify).ok().json()["whole"], true);
    verify.env("WATTKEEP_PASSPHRASE", "another passphrase");
    let wrong = run(&mut verify);
    assert!(wrong.status == 4 && wrong.err.contains("the passphrase is wrong"), "{wrong:?}");

    let other = meter(dir.path(), "other", &["--serial", "MW-2611A002-01"]);
    let plan = load(&other, FACTORY, &file, &["--dry-run", "--json"]).ok().json();
    assert_eq!((&plan["restored"], lines(&plan, "device-key").len()), (&false.into(), 1), "{plan}");
    let energy = lines(&plan, "energy");
    assert!(energy.iter().any(|line| line["subject"] == "kWh del"), "{plan}");
    let unasked = load(&other, FACTORY, &file, &[]);
    assert!(
        unasked.status == 6 && unasked.out.contains("Passwords") && unasked.err.contains("--accept"),
        "{unasked:?}"
    );
    let digest = plan["digest"].as_str().unwrap();
    other.setup(FACTORY, &["set", "CT Prim", "800"]).ok();
    let stale = load(&other, FACTORY, &file, &["--accept", digest]);
    assert!(stale.status == 6 && stale.err.contains("has changed since"), "{stale:?}");
    let mut wrong = other.setup_command(FACTORY, &["load", &file, "--yes"]);
    let wrong = run(wrong.env("WATTKEEP_PASSPHRASE", "another passphrase"));
    assert!(wrong.status == 4 && wrong.err.contains("the passphrase is wrong"), "{wrong:?}");
    load(&other, FACTORY, &file, &["--yes"]).ok();

    let info = other.info(USER1);
    assert_eq!((&info["mode"], &info["serial"]), (&"advanced".into(), &"MW-2611A002-01".into()));
    assert_eq!(other.setup(USER1, &["read", "PT Prim", "--json"]).ok().json()["PT Prim"]["value"], 14400);
    assert!((2..5).any(|epoch| records(&other, &epoch.to_string()) >= 3), "the records came along");
    let verified = other.setup(USER1, &["events", "--verify", "--json"]).ok().json();
    assert_eq!(verified["whole"], true, "{verified}");
    // The key that the hashes name is this meter's now, over a restart too.
    let home = other.home.clone();
    assert_eq!(other.stop(), 0);
    assert!(!home.join("state/device.key.next").exists());
    assert_eq!(std::fs::read_to_string(home.join("state/device.key")).unwrap(), device);
    let other = meter(dir.path(), "other", &[]);
    assert_eq!(other.setup(USER1, &["users"]).status, 0);
}

#[test]
fn a_secret_free_backup_takes_new_passwords_along_and_damage_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let one = lived(dir.path());
    let file = path(dir.path(), "one.wkb");
    backup(&one, USER1, &file, false).ok();
    let bytes = std::fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("$argon2"));
    let other = meter(dir.path(), "other", &[]);
    let plan = load(&other, FACTORY, &file, &["--dry-run", "--json"]).ok().json();
    let user1 = lines(&plan, "password").into_iter().find(|line| line["subject"] == "USER1").unwrap();
    assert_eq!((&user1["after"], &user1["severity"]), (&"0".into(), &"danger".into()));
    // The way to better ones is named: where the diff says it, and where it is refused for want of them (B32).
    let remarks = plan["remarks"].as_array().unwrap();
    let named = remarks.iter().filter(|remark| remark.as_str().unwrap().contains("--new-passwords FILE")).count();
    assert_eq!(named, 2, "{remarks:#?}");
    let refused = load(&other, FACTORY, &file, &["--yes"]);
    assert!(refused.status == 1 && refused.err.contains("--new-passwords FILE"), "{refused:?}");

    let bad = path(dir.path(), "bad.wkb");
    let mut altered = bytes.clone();
    let at = bytes.windows(5).position(|window| window == b"14400").unwrap();
    altered[at] = b'2';
    for (changed, sentence) in [(altered, "is not as it was written"), (bytes[..bytes.len() / 2].to_vec(), "cut off")] {
        std::fs::write(&bad, changed).unwrap();
        let refused = load(&other, FACTORY, &bad, &["--yes"]);
        assert!(refused.status == 3 && refused.err.contains(sentence), "{refused:?}");
    }
    let newer = String::from_utf8(bytes).unwrap().replacen("\"format\":1", "\"format\":2", 1);
    std::fs::write(&bad, newer).unwrap();
    let refused = load(&other, FACTORY, &bad, &["--yes"]);
    assert!(refused.status == 1 && refused.err.contains("has format 2"), "{refused:?}");

    let passwords = secret_file(dir.path(), "passwords", "USER1: abc\n");
    load(&other, FACTORY, &file, &["--yes", "--new-passwords", &passwords]).ok();
    assert_eq!(other.setup(USER1, &["users"]).status, 0);
    assert_eq!(other.info(USER1)["mode"], "advanced");
}

#[test]
fn what_becomes_of_passwords_and_access_on_another_release_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let one = lived(dir.path());
    let file = path(dir.path(), "one.wkb");
    backup(&one, USER1, &file, true).ok();
    let other = meter(dir.path(), "other", &["--release", "4.0.9"]);
    let plan = load(&other, FACTORY, &file, &["--dry-run", "--json"]).ok().json();
    let consequences = plan["consequences"].as_array().unwrap();
    let again = |line: &Value| line["kind"] == "right" || (line["kind"] == "account" && line["subject"] == "USER1");
    assert!(!consequences.is_empty() && !consequences.iter().any(again), "{consequences:#?}");
    let user1: Vec<_> = lines(&plan, "password").into_iter().filter(|line| line["subject"] == "USER1").collect();
    assert_eq!((user1.len(), &user1[0]["after"]), (1, &"0".into()), "{plan}");
    assert!(!lines(&plan, "access").is_empty());
}

/// The backups that were taken by themselves.
fn backups(meter: &Meter) -> Vec<PathBuf> {
    let folder = meter.home.join("wattkeep/backups");
    let mut found: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn an_upgrade_takes_a_backup_first_which_can_be_restored_after_the_downgrade() {
    let dir = tempfile::tempdir().unwrap();
    let meter = meter(dir.path(), "one", &["--release", "4.0.9", "--serial", "MW-2611A001-01"]);
    meter.setup(FACTORY, &["set", "PT Prim", "14400"]).ok();
    let nowhere = path(dir.path(), "missing/one.wkb");
    let refused = meter.setup(FACTORY, &["upgrade", "--to", "4.40.1", "--yes", "--backup", &nowhere]);
    assert!(refused.status == 1 && refused.err.contains("can't be written"), "{refused:?}");
    assert_eq!(meter.info(FACTORY)["release"], "4.0.9");

    let done = meter.setup(FACTORY, &["upgrade", "--to", "4.40.1", "--yes", "--json"]).ok();
    let [file] = backups(&meter).try_into().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("MW-2611A001-01-4.0.9-") && done.err.contains(name), "{done:?}");
    let file = file.to_str().unwrap();
    let shown = run(wattkeep(dir.path()).args(["backup", "show", file, "--json"])).ok().json();
    assert_eq!(shown["sha256"], done.json()["report"]["backup"]);
    meter.setup(FACTORY, &["set", "PT Prim", "120"]).ok();
    let down = meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes", "--no-backup", "--json"]).ok();
    assert!(down.json()["report"].get("backup").is_none() && backups(&meter).len() == 1);
    load(&meter, FACTORY, file, &["--yes"]).ok();
    assert_eq!(meter.setup(FACTORY, &["read", "PT Prim", "--json"]).ok().json()["PT Prim"]["value"], 14400);
}
