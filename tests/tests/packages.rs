//! Packages as people make and take them: built twice alike, keys rotated, a floor held, and a release that holds less
//! than the meter does.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use system_tests::faces::new_password;
use system_tests::{Meter, Said, run, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
const EDITOR: &str = "read,time-sync,demand-reset,test-mode,full-config,security-config";

fn sources(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("releases").join(release)
}

fn keygen(home: &Path, name: &str) -> (PathBuf, PathBuf, String) {
    let out = home.join(name);
    let made = run(wattkeep(home).args(["release", "keygen", "--json", "--comment", name, "--out"]).arg(&out)).ok();
    let id = made.json()["key"].as_str().unwrap().to_owned();
    (out.with_extension("key"), out.with_extension("pub"), id)
}

/// A signed bundle of a release made only as data.
fn bundle(home: &Path, release: &str, name: &str, key: &Path, more: &[&str]) -> PathBuf {
    let out = home.join(name);
    let mut build = wattkeep(home);
    build.args(["release", "build"]).arg(sources(release)).arg("--out").arg(&out).arg("--sign").arg(key).args(more);
    run(&mut build).ok();
    out
}

fn to(meter: &Meter, login: Option<(&str, &str)>, command: &str, bundle: &Path, more: &[&str]) -> Said {
    let args = [&[command, "--to", bundle.to_str().unwrap()][..], more].concat();
    meter.setup(login, &args)
}

fn events(meter: &Meter, login: Option<(&str, &str)>) -> String {
    meter.setup(login, &["events", "--json"]).ok().out
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn b27_a_release_is_built_the_same_wherever_and_whenever() {
    let dir = tempfile::tempdir().unwrap();
    let (key, _, _) = keygen(dir.path(), "maker");
    let copied = dir.path().join("a copy with another name");
    std::fs::create_dir(&copied).unwrap();
    for (name, bytes) in files(&sources("4.31.1")) {
        std::fs::write(copied.join(&name), bytes).unwrap();
        let touched = run(Command::new("touch").args(["-d", "1999-12-31 23:59:59"]).arg(copied.join(name)));
        touched.ok();
    }
    let build = |umask: &str, places: &Path, source: &Path, out: &str, more: &[&str]| {
        let script = format!("umask {umask}; cd \"$PLACE\"; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(system_tests::binary()).args(["release", "build"]);
        command.arg(source).arg("--out").arg(places.join(out)).args(more).env("PLACE", places);
        command
    };
    let elsewhere = dir.path().join("else where");
    std::fs::create_dir(&elsewhere).unwrap();
    let signed: &[&str] = &["--sign", key.to_str().unwrap()];
    for (name, more) in [("plain", &[][..]), ("signed", signed)] {
        let (first, second) = (format!("first {name}"), format!("second {name}"));
        run(build("022", dir.path(), &sources("4.31.1"), &first, more).env("TZ", "UTC").env("LC_ALL", "C")).ok();
        let mut again = build("077", &elsewhere, &copied, &second, more);
        again.env("TZ", "Pacific/Kiritimati").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "tr_TR.UTF-8");
        again.env("SOURCE_DATE_EPOCH", "1").env("HOME", "/nonexistent").env("RUST_BACKTRACE", "1");
        run(&mut again).ok();
        let (first, second) = (files(&dir.path().join(first)), files(&elsewhere.join(second)));
        assert_eq!(first.len(), 4, "firmware, template, What's New, hash list");
        assert!(first == second, "{name}: not the same bytes");
    }
}

#[test]
fn b28_a_floor_is_raised_over_the_network_and_lowered_only_at_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    assert!(meter.info(FACTORY).get("floor").is_none(), "off as shipped");
    assert!(meter.info(None).get("floor").is_none(), "for whoever may read security");
    assert_eq!(meter.setup(None, &["floor", "set", "current"]).status, 4);
    let raised = meter.setup(FACTORY, &["floor", "set", "current"]).ok();
    assert!(raised.out.contains("lowering it takes `wattkeep floor`"), "{raised:?}");
    assert_eq!(meter.info(FACTORY)["floor"], "4.40.1");
    let shown = meter.setup(FACTORY, &["floor"]).ok();
    assert!(shown.out.contains("The floor is 4.40.1"), "{shown:?}");
    for command in ["plan", "downgrade"] {
        let refused = meter.setup(FACTORY, &[command, "--to", "4.0.9"]);
        assert_eq!(refused.status, 1, "{refused:?}");
        assert!(refused.err.contains("below this meter's floor, 4.40.1"), "{refused:?}");
    }
    let lowered = meter.setup(FACTORY, &["floor", "set", "4.0.9"]);
    assert_eq!(lowered.status, 1, "{lowered:?}");
    assert!(lowered.err.contains("`wattkeep floor`"), "says where it can be done: {lowered:?}");
    assert_eq!(meter.setup(FACTORY, &["floor", "set", "5.0.0"]).status, 1);

    let state = dir.path().join("state");
    let at_machine = |more: &[&str]| run(wattkeep(dir.path()).args(["floor", "--state"]).arg(&state).args(more));
    let running = at_machine(&["--off", "--yes"]);
    assert_eq!(running.status, 1, "not while the meter runs: {running:?}");
    assert_eq!(meter.stop(), 0);
    assert_eq!(at_machine(&["--off"]).status, 6, "asks, and there is nobody to ask");
    assert_eq!(at_machine(&["--json"]).ok().json()["floor"], "4.40.1");
    assert_eq!(at_machine(&["--set", "4.0.9", "--yes", "--json"]).ok().json()["before"], "4.40.1");
    assert!(at_machine(&["--off", "--yes"]).ok().out.contains("no floor"));
    assert_eq!(at_machine(&["--json"]).ok().json()["floor"], Value::Null);
    let meter = Meter::start(dir.path(), &[]);
    let shown = meter.setup(FACTORY, &["floor", "--json"]).ok().json();
    assert_eq!(shown.get("floor"), Some(&Value::Null), "as at the machine: {shown:?}");
    let said = events(&meter, FACTORY);
    for told in ["floor none → 4.40.1", "floor 4.40.1 → 4.0.9", "floor 4.0.9 → none"] {
        assert!(said.contains(told), "{told} isn't in {said}");
    }
    meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    assert_eq!(meter.info(None)["release"], "4.0.9");
}

#[test]
fn b19_b20_a_release_that_holds_less_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let (key, public, _) = keygen(dir.path(), "maker");
    let small = bundle(dir.path(), "3.0.0", "small", &key, &[]);
    meter.setup(FACTORY, &["security", "trust", "add", public.to_str().unwrap()]).ok();
    let editor = |user| ["users", "set", user, "--active", "yes", "--rights", EDITOR];
    new_password(&meter, FACTORY, &editor("USER9"), "n9!aBc").ok();
    meter.setup(FACTORY, &["users", "set", "USER1", "--active", "no"]).ok();
    meter.setup(FACTORY, &["security", "set", "mode", "advanced"]).ok();
    let nine = Some(("USER9", "n9!aBc"));

    let plan = to(&meter, nine, "plan", &small, &["--json"]).ok().json();
    let line = |plan: &Value, subject: &str| {
        let lines = plan["consequences"].as_array().unwrap();
        lines.iter().find(|line| line["subject"] == subject).cloned().unwrap_or_else(|| panic!("{subject}: {plan:#}"))
    };
    let dropped = line(&plan, "USER9");
    assert_eq!((&dropped["after"], &dropped["severity"]), (&Value::from("dropped"), &Value::from("danger")));
    assert_eq!(line(&plan, "editors of security")["after"], "nobody");
    let refused = to(&meter, nine, "downgrade", &small, &["--yes"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.err.contains("nobody could edit security"), "{refused:?}");
    assert_eq!(meter.info(nine)["release"], "4.40.1");

    // With another who stays, it goes; and the report finds USER9 dropped.
    new_password(&meter, nine, &editor("USER8"), "e8!aBc").ok();
    let done = to(&meter, nine, "downgrade", &small, &["--yes", "--json"]).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    let zero = Some(("USER8", "0"));
    let users = meter.setup(zero, &["users", "--json"]).ok().json();
    assert!(!users.to_string().contains("USER9"), "{users}");
    let back = new_password(&meter, zero, &editor("USER9"), "n9!a");
    assert_eq!(back.status, 1, "{back:?}");
    assert!(back.err.contains("3.0.0 has 8 users"), "{back:?}");
    assert_eq!(new_password(&meter, zero, &["users", "set", "USER8"], "12345").status, 1, "5 digits are too many here");
}

#[test]
fn b19_a_change_that_leaves_no_editor_can_be_forced() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let (key, public, _) = keygen(dir.path(), "maker");
    let small = bundle(dir.path(), "3.0.0", "small", &key, &[]);
    meter.setup(FACTORY, &["security", "trust", "add", public.to_str().unwrap()]).ok();
    new_password(&meter, FACTORY, &["users", "set", "USER9", "--active", "yes", "--rights", EDITOR], "n9!aBc").ok();
    new_password(&meter, FACTORY, &["security", "set", "front-panel-password"], "87654321").ok();
    let panel = Some(("8650", "87654321"));
    meter.setup(panel, &["users", "set", "USER1", "--active", "no"]).ok();
    meter.setup(panel, &["security", "set", "mode", "advanced"]).ok();
    let nine = Some(("USER9", "n9!aBc"));
    let done = to(&meter, nine, "downgrade", &small, &["--yes", "--force", "--json"]).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    let lines = done["consequences"].as_array().unwrap();
    let panel = lines.iter().find(|line| line["subject"] == "front panel").unwrap();
    assert!(panel["text"].as_str().unwrap().contains("goes on working"), "kept, as long as it is: {panel}");
}

#[test]
fn b27_keys_are_rotated_by_a_signed_release() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto"]);
    let ((a, a_pub, a_id), (b, b_pub, b_id)) = (keygen(home, "first"), keygen(home, "second"));
    meter.setup(FACTORY, &["security", "trust", "add", a_pub.to_str().unwrap()]).ok();
    let replayed = bundle(home, "3.0.0", "older", &a, &[]);
    let rotation = bundle(home, "4.31.1", "rotation", &a, &["--trust", b_pub.to_str().unwrap(), "--revoke", &a_id]);
    let done = to(&meter, FACTORY, "upgrade", &rotation, &["--yes", "--json"]).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    let trusted = meter.setup(FACTORY, &["security", "trust", "list", "--json"]).ok().json();
    assert_eq!(trusted["keys"][0][0], b_id.as_str(), "{trusted}");
    assert_eq!(trusted["keys"].as_array().unwrap().len(), 1, "{trusted}");
    let refused = to(&meter, FACTORY, "plan", &replayed, &[]);
    assert_eq!(refused.status, 3, "a replay by the revoked key: {refused:?}");
    let back = bundle(home, "3.0.0", "by b", &b, &["--trust", a_pub.to_str().unwrap()]);
    let plan = to(&meter, FACTORY, "plan", &back, &["--json"]).ok().json();
    let lines = plan["consequences"].as_array().unwrap();
    let line = lines.iter().find(|line| line["subject"] == format!("trusted key {a_id}")).unwrap();
    assert_eq!((&line["before"], &line["after"]), (&Value::from("revoked"), &Value::from("revoked")));
    to(&meter, FACTORY, "downgrade", &back, &["--yes"]).ok();
    assert_eq!(meter.info(None)["release"], "3.0.0");
    assert_eq!(to(&meter, FACTORY, "plan", &rotation, &[]).status, 3, "what A signed stays refused");
    // Without a signature there is nobody who could bring a key.
    let unsigned = run(wattkeep(home).args(["release", "build", "4.40.1", "--out", "x", "--revoke", &a_id]));
    assert_eq!(unsigned.status, 2, "{unsigned:?}");
}
