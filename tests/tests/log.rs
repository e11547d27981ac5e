//! The event log of a meter that runs as a process: what it tells, and that whoever edits the database of a stopped
//! meter is found out.

use std::path::Path;
use std::process::Command;

use system_tests::{Meter, Said, has, run};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));

/// Statements against a stopped meter's database, as anybody with the machine could run them.
fn sql(home: &Path, statements: &str) {
    let program = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.executescript(sys.argv[2])\n";
    run(Command::new("python3").args(["-c", program]).arg(home.join("state/meter.db")).arg(statements)).ok();
}

fn verify(meter: &Meter) -> (Said, Said) {
    let login = FACTORY;
    (meter.setup(login, &["events", "--verify"]), meter.setup(login, &["events", "--verify", "--json"]))
}

#[test]
fn a_log_edited_behind_the_meters_back_is_found_out_and_what_was_done_is_named() {
    if !has("python3") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let meter = Meter::start(home.path(), &["--ports", "auto"]);
    // A ring whose edge has passed some events that are always kept.
    meter.setup(FACTORY, &["set", "Event Log Controller 1/Depth", "14"]).ok();
    meter.setup(FACTORY, &["set", "Invalid Attempts", "7"]).ok();
    for ratio in ["100", "200", "300", "400", "500", "600"] {
        meter.setup(FACTORY, &["set", "CT Prim", ratio]).ok();
    }
    let (words, document) = verify(&meter);
    assert!(words.ok().out.contains("The log is whole"));
    let document = document.ok().json();
    assert_eq!((&document["whole"], &document["chained_from"]), (&true.into(), &1.into()), "{document}");

    let events = meter.setup(FACTORY, &["events", "--limit", "500", "--json"]).ok().json();
    let events = events["events"].as_array().unwrap();
    let number = |cause: &str, effect: &str| {
        let with = |event: &&serde_json::Value| {
            event["cause"].as_str().unwrap().starts_with(cause) && event["effect"] == effect
        };
        events.iter().find(with).and_then(|event| event["number"].as_u64()).unwrap()
    };
    let changed = number("Power Meter 1/CT Prim = 300", "400");
    let removed = number("Power Meter 1/CT Prim = 400", "500");
    let kept = number("Security Options 1/Invalid Attempts = 5", "7");
    let newest = events.last().unwrap()["number"].as_u64().unwrap();
    assert!(events.iter().any(|event| event["number"].as_u64().unwrap() < kept), "one before it is kept, too");
    assert_eq!(meter.stop(), 0);
    let whole = std::fs::read(home.path().join("state/meter.db")).unwrap();
    // Stopping was an event of its own, the last one.
    let last = newest + 1;

    for (damage, named, found) in [
        (
            format!("UPDATE event SET effect = '4000' WHERE number = {changed}"),
            format!("event {changed} was changed"),
            1,
        ),
        (format!("DELETE FROM event WHERE number = {removed}"), format!("event {removed} (ordinary) is missing"), 1),
        (
            format!("DELETE FROM event WHERE number = {last}; UPDATE meter SET next_event = {last}"),
            format!("event {last} (ordinary) is missing"),
            1,
        ),
        (format!("DELETE FROM event WHERE number = {kept}"), format!("event {kept} (always kept) is missing"), 1),
        (
            format!(
                "INSERT INTO event SELECT meter, {last} + 1, utc_ms, priority, user, path, cause, effect, kept, chain \
                 FROM event WHERE number = {changed}"
            ),
            format!("event {} was changed or put in", last + 1),
            // It has pushed another out of the ring.
            2,
        ),
        (
            "DELETE FROM record WHERE key = 'event-chain'".to_owned(),
            format!("the chain begins anew at event {}", last + 1),
            1,
        ),
    ] {
        std::fs::write(home.path().join("state/meter.db"), &whole).unwrap();
        sql(home.path(), &damage);
        let meter = Meter::start(home.path(), &[]);
        let (words, document) = verify(&meter);
        assert_eq!((words.status, document.status), (1, 1), "{damage}: {words:#?}");
        let document = document.json();
        let said = |finding: &serde_json::Value| finding["text"].as_str().unwrap().starts_with(&named);
        let findings = document["findings"].as_array().unwrap();
        assert!(findings.iter().any(said), "{damage}: no \"{named}\" in {document:#}");
        assert_eq!(findings.len(), found, "{damage}: {document:#}");
        // In words, broken at spaces.
        let words = words.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("THE LOG IS NOT AS IT WAS WRITTEN") && words.contains(&named), "{words}");
        assert_eq!(meter.stop(), 0);
    }
    // Nothing was done: nothing is found.
    std::fs::write(home.path().join("state/meter.db"), &whole).unwrap();
    let meter = Meter::start(home.path(), &[]);
    verify(&meter).0.ok();
    // Whoever may not read security doesn't get to know.
    let refused = meter.setup(None, &["events", "--verify"]);
    assert_eq!(refused.status, 4, "{refused:?}");
}

#[test]
fn the_log_is_read_in_parts_however_long_it_is() {
    let home = tempfile::tempdir().unwrap();
    let meter = Meter::start(home.path(), &["--ports", "auto"]);
    let template = home.path().join("meter.dcf");
    meter.setup(FACTORY, &["save", template.to_str().unwrap()]).ok();
    // Some hundred links go and come back, each an event.
    let text = std::fs::read_to_string(&template).unwrap();
    let bare: String = text.lines().filter(|line| !line.contains("Source ")).map(|line| format!("{line}\n")).collect();
    for (name, text) in [("bare.dcf", &bare), ("again.dcf", &text)].into_iter().cycle().take(10) {
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        meter.setup(FACTORY, &["load", file.to_str().unwrap()]).ok();
    }
    let numbers = |args: &[&str]| -> Vec<u64> {
        let document = meter.setup(FACTORY, &[&["events", "--json"], args].concat()).ok().json();
        document["events"].as_array().unwrap().iter().map(|event| event["number"].as_u64().unwrap()).collect()
    };
    let all = numbers(&["--from", "1", "--limit", "4000"]);
    assert!(all.len() > 600 && all[0] == 1 && all.is_sorted(), "{} events", all.len());
    assert_eq!(numbers(&["--from", "3", "--limit", "555"]), all[2..557]);
    assert_eq!(numbers(&["--last", "600"]).len(), 600);
    assert_eq!(numbers(&[]).len(), 50);
    verify(&meter).0.ok();
}
