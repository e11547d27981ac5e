//! Changes of release that wait for their time, with the real binary: done, not done because the plan differs or
//! rights are lost, over a restart, and missed.

use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use system_tests::{Meter, Said, run, wattkeep};

const PANEL: (&str, &str) = ("8650", "0");
/// The longest that a schedule may take to end on a machine under load, beyond its time.
const PATIENCE_S: u64 = 60;
/// How far ahead a change is scheduled that the test still has something to do before: enough for a machine under load.
const LEAD_S: u64 = 20;
/// How often it is looked whether something has come about.
const LOOK: Duration = Duration::from_millis(200);

fn utc_s() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Leaves the machine to the meters between two looks at them.
fn between_looks() {
    let (_open, nothing_comes) = mpsc::channel::<()>();
    let _ = nothing_comes.recv_timeout(LOOK);
}

/// A moment, as the command takes it.
fn time(utc_s: u64) -> String {
    run(Command::new("date").args(["-u", "+%FT%TZ", "-d", &format!("@{utc_s}")])).ok().out.trim().to_owned()
}

/// Leaves an upgrade with a meter.
fn accept(meter: &Meter, at_s: u64, window: &str) -> Said {
    let at = time(at_s);
    let said =
        meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--at", &at, "--window", window, "--yes", "--json"]);
    let said = said.ok();
    let done = said.json();
    assert_eq!((&done["schedule"]["state"]["name"], &done["schedule"]["to"]), (&"waiting".into(), &"4.40.1".into()));
    said
}

/// Asks until the schedule has ended.
fn ended(meter: &Meter, login: (&str, &str)) -> Said {
    let until = utc_s() + LEAD_S + PATIENCE_S;
    loop {
        let said = meter.setup(Some(login), &["schedule", "--json"]);
        let state = said.json()["schedule"]["state"]["name"].clone();
        if state != "waiting" && state != "begun" {
            return said;
        }
        assert!(utc_s() < until, "it never ends: {said:#?}");
        between_looks();
    }
}

fn release(meter: &Meter) -> Value {
    meter.info(Some(PANEL))["release"].clone()
}

fn kept_event(meter: &Meter, words: &str) -> bool {
    let events = meter.setup(Some(PANEL), &["events", "--json"]).ok().json();
    let events = events["events"].as_array().unwrap();
    let said = |event: &&Value| event["cause"].as_str().is_some_and(|cause| cause.starts_with("scheduled change"));
    events.iter().filter(said).any(|event| event["effect"].as_str().unwrap().contains(words))
}

fn remark(meter: &Meter, words: &str) -> bool {
    let info = meter.info(Some(PANEL));
    info["remarks"].as_array().unwrap().iter().any(|remark| remark.as_str().unwrap().contains(words))
}

#[test]
fn b25_a_change_is_done_at_its_time_as_it_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let accepted = accept(&meter, utc_s() + LEAD_S, "1h");
    // The backup before it is of now, and says so.
    let said = "it holds the meter of now, not of the time of the change: ";
    let backup =
        accepted.err.lines().find_map(|line| line.split_once(said)).unwrap_or_else(|| panic!("{accepted:#?}")).1;
    let backup = run(wattkeep(dir.path()).args(["backup", "show", backup, "--json"])).ok().json();
    assert_eq!(backup["release"], "4.0.9");
    assert!(remark(&meter, "waits for its time"));
    let later = time(utc_s() + 3600);
    for (at, words) in [(later, "scheduled already"), (time(utc_s() - 3600), "that time is past")] {
        let again = meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--at", &at, "--yes"]);
        assert!(again.status == 1 && again.err.contains(words), "{again:#?}");
        assert!(!again.err.contains("a backup was taken"), "no try leaves a backup: {again:#?}");
    }
    let said = ended(&meter, PANEL);
    assert_eq!(said.status, 0, "{said:#?}");
    let report = &said.json()["schedule"]["state"]["report"];
    assert_eq!(
        (&report["as_planned"], &report["user"], &report["path"]),
        (&true.into(), &"8650".into(), &"setup".into())
    );
    assert_eq!(report["backup"], backup["sha256"]);
    assert_eq!(release(&meter), "4.40.1");
    assert!(kept_event(&meter, "confirmed") && remark(&meter, "is done, as planned"));
    meter.setup(Some(PANEL), &["schedule", "drop"]).ok();
    assert!(!remark(&meter, "is done, as planned"));
    assert_eq!(meter.setup(Some(PANEL), &["schedule", "--json"]).ok().json()["schedule"], Value::Null);
}

#[test]
fn b25_a_plan_that_has_changed_by_its_time_does_nothing_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    accept(&meter, utc_s() + LEAD_S, "1h");
    meter.setup(Some(PANEL), &["set", "Web Server", "no"]).ok();
    let said = ended(&meter, PANEL);
    assert_eq!(said.status, 6, "{said:#?}");
    let state = said.json()["schedule"]["state"].clone();
    assert_eq!(state["name"], "plan-differs", "{state:#}");
    let differing = state["differing"].as_array().unwrap();
    assert!(differing.iter().any(|line| line["subject"] == "web"), "{differing:#?}");
    assert_eq!(release(&meter), "4.0.9");
    assert!(kept_event(&meter, "the plan would be another one") && remark(&meter, "NOT done"));
    let shown = meter.setup(Some(PANEL), &["schedule"]);
    assert!(shown.status == 6 && shown.out.contains("NOW") && shown.out.contains("web"), "{shown:#?}");
}

#[test]
fn b25_a_schedule_survives_a_cut_and_is_done_at_the_start_or_missed() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [("1h", 0, "done", "4.40.1"), ("1s", 1, "missed", "4.0.9")];
    let homes = cases.map(|(window, ..)| dir.path().join(window));
    let meters = homes.each_ref().map(|home| {
        std::fs::create_dir(home).unwrap();
        Meter::start(home, &["--release", "4.0.9", "--ports", "auto"])
    });
    let at = utc_s() + LEAD_S;
    for (meter, (window, ..)) in meters.iter().zip(cases) {
        accept(meter, at, window);
    }
    meters.into_iter().for_each(Meter::kill);
    // The meters are off at their time, and past the window of a second.
    while utc_s() <= at + 2 {
        between_looks();
    }
    for (home, (_, status, state, release)) in homes.iter().zip(cases) {
        let meter = Meter::start(home, &[]);
        let said = ended(&meter, PANEL);
        assert_eq!(said.status, status, "{said:#?}");
        assert_eq!(said.json()["schedule"]["state"]["name"], state);
        assert_eq!(self::release(&meter), release);
    }
}

#[test]
fn b31_rights_that_are_lost_in_between_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let all = "read,time-sync,demand-reset,test-mode,full-config,security-config";
    for user in ["USER1", "USER2"] {
        let args = ["users", "set", user, "--active", "yes", "--rights", all];
        system_tests::faces::new_password(&meter, Some(PANEL), &args, "k1#pQz").ok();
    }
    meter.setup(Some(PANEL), &["security", "set", "mode", "advanced"]).ok();
    let (first, second) = (("USER1", "k1#pQz"), ("USER2", "k1#pQz"));
    let at = time(utc_s() + LEAD_S);
    meter.setup(Some(first), &["upgrade", "--to", "4.40.1", "--at", &at, "--yes"]).ok();
    meter.setup(Some(second), &["users", "set", "USER1", "--active", "no"]).ok();
    let said = ended(&meter, second);
    assert_eq!(said.status, 1, "{said:#?}");
    let reason = said.json()["schedule"]["state"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the login that accepted it"), "{reason}");
    assert_eq!(meter.info(Some(second))["release"], "4.0.9");
}
