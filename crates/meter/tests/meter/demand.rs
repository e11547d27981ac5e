//! Demand on a real store: kept with every second and over every release, reset by whoever has the right.

use firmware::Choices;
use meter::{Caller, Demands, EventEntry, Gate, GateError, Now};
use metrology::{EnergyIncrement, Power, Quantities};
use security::{Path, UserId, Who};

use crate::bench::*;

fn at(seconds: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + seconds * 1000, up_ms: NOW.up_ms + seconds * 1000 }
}

fn draw(gate: &Gate, second: i64, kilowatts: f64) {
    let power_total = Power { active: kilowatts * 1000.0, ..Power::default() };
    let quantities = Quantities { power_total, ..Quantities::default() };
    gate.tick(at(second), Some(&quantities), &EnergyIncrement::default()).unwrap();
}

/// A meter with sub-intervals of ten seconds.
fn meter(dir: &std::path::Path, release: &str) -> Gate {
    let gate = open(dir, Some(release));
    set(&gate, "Sliding Window Demand 1/Sub Intvl", "10");
    gate
}

/// kW sd, and its maximum with the second it was reached in.
fn kilowatts(gate: &Gate) -> (Option<f64>, Option<f64>, Option<i64>) {
    let Demands { demands, maxima, .. } = gate.view().demand();
    assert_eq!((demands[0].label.as_str(), maxima[0].label.as_str()), ("kW sd", "kW sd mx"));
    assert_eq!((demands[0].unit, maxima[0].unit), ("kW", "kW"));
    (demands[0].value, maxima[0].value, maxima[0].utc_ms.map(|utc_ms| (utc_ms - NOW.utc_ms) / 1000))
}

fn resets(gate: &Gate) -> (Option<u64>, Option<i64>) {
    let demand = gate.view().demand();
    (demand.resets, demand.last_reset_utc_ms.map(|utc_ms| (utc_ms - NOW.utc_ms) / 1000))
}

fn newest(gate: &Gate) -> EventEntry {
    gate.events(&Caller::meter(), gate.next_event().unwrap() - 1, 1).unwrap().remove(0)
}

#[test]
fn what_runs_and_the_maxima_outlive_a_power_cut_and_a_gap_makes_a_sub_interval_short() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=10).for_each(|second| draw(&gate, second, 30.0));
    (11..=14).for_each(|second| draw(&gate, second, 4.0));
    drop(gate);
    let gate = open_at(dir.path(), None, at(17));
    assert_eq!(kilowatts(&gate), (Some(30.0), Some(30.0), Some(10)), "shown again before the first second");
    (18..=20).for_each(|second| draw(&gate, second, 11.0));
    // Four seconds before the cut, three after it: 4·4 + 3·11 over 7.
    assert_eq!(kilowatts(&gate), (Some(7.0), Some(30.0), Some(10)));
    drop(gate);
    // An hour without power has no demand, and the maximum stays.
    let gate = open_at(dir.path(), None, at(3600));
    draw(&gate, 3605, 2.0);
    assert_eq!(kilowatts(&gate), (None, Some(30.0), Some(10)));
}

#[test]
fn a_reset_takes_its_right_is_an_event_and_outlives_a_power_cut() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=12).for_each(|second| draw(&gate, second, 30.0));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    set(&gate, "Demand Reset Priority", "77");
    let caller = |user| Caller::on(Path::Ssh, Who::User(UserId::new(user).unwrap()), "192.0.2.7:4711".parse().unwrap());
    let refused = gate.reset_demand(at(13), &caller(2)).unwrap_err();
    assert!(refused.to_string().contains("Peak Demand Reset"), "{refused}");
    assert_eq!((kilowatts(&gate).1, resets(&gate)), (Some(30.0), (Some(0), None)));
    let ended = gate.reset_demand(at(13), &caller(1)).unwrap();
    assert_eq!(ended[0].value, Some(30.0));
    // Shown at once: the demand itself goes on.
    assert_eq!((kilowatts(&gate), resets(&gate)), ((Some(30.0), None, None), (Some(1), Some(13))));
    let EventEntry { user, path, priority, cause, effect, .. } = newest(&gate);
    let told = format!("{user} {path} {priority} | {cause} | {effect}");
    let at_10 = NOW.utc_ms / 1000 + 10;
    let expected = "kVAR sd mx was -; kVA sd mx was -";
    assert_eq!(
        told,
        format!("USER1 ssh 77 | demand reset from 192.0.2.7 | kW sd mx was 30.000 kW at {at_10}; {expected}")
    );
    drop(gate);
    let gate = open_at(dir.path(), None, at(15));
    assert_eq!((kilowatts(&gate), resets(&gate)), ((Some(30.0), None, None), (Some(1), Some(13))));
    draw(&gate, 16, 1.0);
    assert_eq!(kilowatts(&gate), (Some(30.0), Some(30.0), Some(16)), "begins with what its source shows");
    (17..=20).for_each(|second| draw(&gate, second, 50.0));
    gate.reset_demand(at(20), &Caller::meter()).unwrap();
    assert_eq!(resets(&gate), (Some(2), Some(20)));
}

/// What the disk refuses has not happened: neither a reset nor a second is seen that a cut could take back.
#[test]
fn nobody_sees_a_demand_that_is_not_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=10).for_each(|second| draw(&gate, second, 30.0));
    (11..=19).for_each(|second| draw(&gate, second, 60.0));
    drop(gate);
    // A disk that takes neither ten seconds of 60 kW nor a reset.
    let database = rusqlite::Connection::open(dir.path().join("state/meter.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON record WHEN NEW.key = 'demand'
        AND (NEW.value LIKE '%\"total\":600.0%' OR NEW.value LIKE '%\"count\":1%')
        BEGIN SELECT RAISE(ABORT, 'refused'); END;";
    database.execute_batch(refuse).unwrap();
    drop(database);
    let gate = open_at(dir.path(), None, at(19));
    let before = kilowatts(&gate);
    assert_eq!(before, (Some(30.0), Some(30.0), Some(10)));
    let power_total = Power { active: 60_000.0, ..Power::default() };
    let quantities = Quantities { power_total, ..Quantities::default() };
    gate.tick(at(20), Some(&quantities), &EnergyIncrement::default()).unwrap_err();
    gate.reset_demand(at(20), &Caller::meter()).unwrap_err();
    assert_eq!((kilowatts(&gate), resets(&gate)), (before, (Some(0), None)));
    // The second that couldn't be stored is missing from the average and from nothing else.
    draw(&gate, 21, 1.0);
    assert_eq!(kilowatts(&gate), (Some(60.0), Some(60.0), Some(21)));
}

#[test]
fn b17_demand_is_kept_up_and_down_and_while_a_release_changes_nobody_resets_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.0.9");
    (1..=14).for_each(|second| draw(&gate, second, 30.0));
    gate.reset_demand(at(14), &Caller::meter()).unwrap();
    draw(&gate, 15, 8.0);
    let kept = (kilowatts(&gate), resets(&gate));
    for release in ["4.40.1", "4.0.9"] {
        let (ticket, made) = accept(&gate, request(&gate, release, Choices::default()), &[]);
        assert!(matches!(gate.reset_demand(NOW, &Caller::meter()), Err(GateError::Changing)));
        gate.commit_change(NOW, &ticket, made).unwrap();
        assert!(matches!(gate.reset_demand(NOW, &Caller::meter()), Err(GateError::Changing)));
        let report = gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
        let line = report.lines.iter().find(|line| line.subject == "demand").unwrap();
        assert_eq!((line.planned.as_str(), line.found.as_str(), line.same), ("kept", "kept", true));
        assert_eq!((kilowatts(&gate), resets(&gate)), kept, "{release}");
    }
    drop(gate);
    let gate = open_at(dir.path(), None, at(16));
    (16..=20).for_each(|second| draw(&gate, second, 8.0));
    // 4 s of 30 kW before the change, 6 s of 8 kW: nothing of the running sub-interval was lost.
    assert_eq!(kilowatts(&gate).0, Some((4.0 * 30.0 + 6.0 * 8.0) / 10.0));
}

#[test]
fn a_template_without_demand_says_so_and_relinking_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=10).for_each(|second| draw(&gate, second, 30.0));
    let mut file = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap();
    let module = |name: &str| -> framework::ModuleName { name.parse().unwrap() };
    let source = "Power Meter 1/kVA tot".parse().unwrap();
    file.modules.get_mut(&module("Sliding Window Demand 1")).unwrap().inputs.insert("Source".to_owned(), source);
    edit(&gate, vec![meter::Edit::Template(Box::new(file.clone()))]).unwrap();
    draw(&gate, 11, 30.0);
    let demand = gate.view().demand();
    assert_eq!((demand.maxima[0].value, demand.maxima[0].unit), (None, "kVA"), "it was of kW");
    file.modules.retain(|name, _| !["Maximum", "Sliding Window Demand"].contains(&name.kind().name()));
    for slave in file.modules.values_mut() {
        slave.inputs.retain(|_, target| !["Maximum", "Sliding Window Demand"].contains(&target.module.kind().name()));
    }
    edit(&gate, vec![meter::Edit::Template(Box::new(file))]).unwrap();
    assert!(matches!(gate.reset_demand(at(12), &Caller::meter()), Err(GateError::NoDemand)));
}
