//! Changes of release that wait for their time, with the real binary: done, not done because the plan differs or
//! rights are lost, over a restart, and missed.

use std::process::Command;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use system_tests::{Meter, Said, run};

const PANEL: (&str, &str) = ("8650", "0");
/// The longest that a schedule may take to end on a machine under load, beyond its time.
const PATIENCE_S: u64 = 60;

fn utc_s() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A moment that is so many seconds ahead, as the command takes it.
fn ahead(seconds: u64) -> String {
    let at = utc_s() + seconds;
    let (days, second) = (at / 86_400, at % 86_400);
    // Days to a date of the civil calendar: era of 400 years, year from March on.
    let z = days as i64 + 719_468;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (of_month, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn accept(meter: &Meter, in_s: u64, window: &str) {
    let at = ahead(in_s);
    let done =
        meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--at", &at, "--window", window, "--yes", "--json"]);
    let done = done.ok().json();
    assert_eq!((&done["schedule"]["state"]["name"], &done["schedule"]["to"]), (&"waiting".into(), &"4.40.1".into()));
}

/// Asks until the schedule has ended.
fn ended(meter: &Meter) -> Said {
    let until = utc_s() + PATIENCE_S;
    loop {
        let said = meter.setup(Some(PANEL), &["schedule", "--json"]);
        let state = said.json()["schedule"]["state"]["name"].clone();
        if state != "waiting" && state != "begun" {
            return said;
        }
        assert!(utc_s() < until, "it never ends: {said:#?}");
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
    accept(&meter, 4, "1h");
    assert!(remark(&meter, "waits for its time"));
    let again = meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--at", &ahead(50), "--yes"]);
    assert!(again.status == 1 && again.err.contains("scheduled already"), "{again:#?}");
    let said = ended(&meter);
    assert_eq!(said.status, 0, "{said:#?}");
    let report = &said.json()["schedule"]["state"]["report"];
    assert_eq!(
        (&report["as_planned"], &report["user"], &report["path"]),
        (&true.into(), &"8650".into(), &"setup".into())
    );
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
    accept(&meter, 6, "1h");
    meter.setup(Some(PANEL), &["set", "Web Server", "no"]).ok();
    let said = ended(&meter);
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
    for (window, done) in [("1h", true), ("1s", false)] {
        let dir = tempfile::tempdir().unwrap();
        let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
        accept(&meter, 5, window);
        let at = utc_s() + 5;
        meter.kill();
        // The meter is off at its time, and past its window of a second.
        while utc_s() <= at + 2 {
            run(Command::new("sleep").arg("0.2")).ok();
        }
        let meter = Meter::start(dir.path(), &[]);
        let said = ended(&meter);
        assert_eq!(said.status, if done { 0 } else { 1 }, "{said:#?}");
        assert_eq!(said.json()["schedule"]["state"]["name"], if done { "done" } else { "missed" });
        assert_eq!(release(&meter), if done { "4.40.1" } else { "4.0.9" });
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
    meter.setup(Some(first), &["upgrade", "--to", "4.40.1", "--at", &ahead(8), "--yes"]).ok();
    meter.setup(Some(second), &["users", "set", "USER1", "--active", "no"]).ok();
    let until = utc_s() + PATIENCE_S;
    let said = loop {
        let said = meter.setup(Some(second), &["schedule", "--json"]);
        let name = said.json()["schedule"]["state"]["name"].clone();
        if name != "waiting" && name != "begun" {
            break said;
        }
        assert!(utc_s() < until, "it never ends: {said:#?}");
    };
    assert_eq!(said.status, 1, "{said:#?}");
    let reason = said.json()["schedule"]["state"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("not active"), "{reason}");
    assert_eq!(meter.info(Some(second))["release"], "4.0.9");
}
