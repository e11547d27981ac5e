//! Data recorders on a real store: records with the seconds that end their intervals, epochs, reading.

use std::collections::BTreeSet;

use framework::modules::data_recorder;
use meter::{Caller, ChangeSet, Edit, Gate, GateError, IntervalRecord, Now, Recorder, Status};
use metrology::{EnergyIncrement, EnergyRegister, Quantities};
use proptest::prelude::*;
use security::{Path, UserId, Who};

use crate::bench::*;

/// So many seconds after the beginning of 2026, a boundary of every interval.
fn at(seconds: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + seconds * 1000, up_ms: seconds * 1000 }
}

/// A second in which one kWh is delivered for each that has passed.
fn second(gate: &Gate, second: i64) {
    let mut micro = [0; EnergyRegister::COUNT];
    micro[EnergyRegister::WhDel as usize] = second.unsigned_abs() * 1_000_000_000;
    gate.tick(at(second), Some(&Quantities::default()), &EnergyIncrement::from_micro(micro)).unwrap();
}

/// A meter whose Revenue Log has a record every ten seconds.
fn meter(dir: &std::path::Path, release: &str) -> Gate {
    let gate = open(dir, Some(release));
    set(&gate, "Periodic Timer 1/Period", "10");
    second(&gate, 0);
    gate
}

fn records(gate: &Gate) -> Vec<IntervalRecord> {
    gate.interval_records(&Caller::meter(), 1, None, 0, 1000).unwrap()
}

/// Number, end in seconds, status, kWh del int, kWh del.
fn told(records: &[IntervalRecord]) -> Vec<String> {
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    records
        .iter()
        .map(|record| {
            let end = (record.utc_ms - NOW.utc_ms) / 1000;
            let (interval, counter) = (value(record.values[0]), value(record.values[6]));
            format!("{} {end}: {} {interval} {counter}", record.number, record.status)
        })
        .collect()
}

#[test]
fn each_interval_is_recorded_with_the_second_that_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=29).for_each(|n| second(&gate, n));
    assert_eq!(told(&records(&gate)), ["1 10: complete 55 55", "2 20: complete 155 210"]);
    let view = gate.view();
    let recorder = &view.recorders[0];
    assert_eq!((recorder.module, recorder.label.as_str(), recorder.depth), (1, "Revenue Log", 3360));
    let epoch = recorder.open().unwrap();
    assert_eq!((epoch.number, epoch.period_s, epoch.first, epoch.last), (2, 10, Some(1), Some(2)));
    let labels: Vec<_> = epoch.sources.iter().map(|source| source.label.as_str()).collect();
    let energies = ["kWh del", "kWh rec", "kVARh del", "kVARh rec", "kVAh del", "kVAh rec"];
    let expected: Vec<_> = energies.iter().map(|energy| format!("{energy} int")).collect();
    assert_eq!(labels[..6], expected);
    assert_eq!(labels[6..], energies);
    assert_eq!(records(&gate)[0].status, Status::COMPLETE);
}

/// Number of the epoch, its oldest and its newest record, whether it is open.
fn epochs(gate: &Gate) -> Vec<(u32, Option<u64>, Option<u64>, bool)> {
    let recorders = gate.recorders(&Caller::meter()).unwrap();
    let epochs = recorders.iter().find(|recorder| recorder.module == 1).map_or(&[][..], |recorder| &recorder.epochs);
    epochs.iter().map(|epoch| (epoch.number, epoch.first, epoch.last, epoch.closed_utc_ms.is_none())).collect()
}

/// What the log says of the recorder, from an event on.
fn logged(gate: &Gate, from: u64) -> Vec<String> {
    let events = gate.events(&Caller::meter(), from, 1000).unwrap();
    let of_recorder = events.into_iter().filter(|event| event.cause == "Data Recorder 1");
    of_recorder.map(|event| event.effect).collect()
}

#[test]
fn a_cut_ends_its_interval_and_the_next_record_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=13).for_each(|n| second(&gate, n));
    drop(gate);
    let gate = open_at(dir.path(), None, at(47));
    gate.tick(at(47), Some(&Quantities::default()), &EnergyIncrement::default()).unwrap();
    (48..=60).for_each(|n| second(&gate, n));
    assert_eq!(
        told(&records(&gate)),
        ["1 10: complete 55 55", "2 20: short, outage 36 91", "3 50: short, outage 147 238", "4 60: complete 555 793"]
    );
}

/// The counters get what the disk didn't take with the next second; the interval that it belongs to is the one that says
/// that something is missing.
#[test]
fn energy_that_is_counted_late_stays_in_the_interval_that_is_flagged() {
    let dir = tempfile::tempdir().unwrap();
    drop(meter(dir.path(), "4.40.1"));
    // A disk that refuses the second interval's record for as long as it would be complete.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON interval_record WHEN NEW.number = 2 AND NEW.status = 0
        BEGIN SELECT RAISE(ABORT, 'refused'); END;";
    rusqlite::Connection::open(dir.path().join("state/meter.db")).unwrap().execute_batch(refuse).unwrap();
    let gate = open_at(dir.path(), None, at(0));
    (1..=19).for_each(|n| second(&gate, n));
    let kilowatt_hours = |kilo: u64| {
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = kilo * 1_000_000_000;
        EnergyIncrement::from_micro(micro)
    };
    let before = gate.view().energy;
    gate.tick(at(20), Some(&Quantities::default()), &kilowatt_hours(20)).unwrap_err();
    assert_eq!(gate.view().energy, before);
    gate.tick(at(21), Some(&Quantities::default()), &kilowatt_hours(20 + 21)).unwrap();
    (22..=30).for_each(|n| second(&gate, n));
    assert_eq!(
        told(&records(&gate)),
        ["1 10: short, outage 55 55", "2 20: short, outage 155 210", "3 30: complete 255 465"]
    );
}

#[test]
fn a_clock_that_is_set_back_records_no_interval_a_second_time_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=25).for_each(|n| second(&gate, n));
    gate.set_clock(at(25), &Caller::meter(), at(5).utc_ms).unwrap();
    let ends: Vec<_> = (26..=50)
        .map(|machine| {
            let now = gate.meter_time(at(machine));
            gate.tick(now, Some(&Quantities::default()), &EnergyIncrement::default()).unwrap();
            now.utc_ms
        })
        .collect();
    assert_eq!(ends.last(), Some(&at(30).utc_ms));
    let told = told(&records(&gate));
    assert_eq!(
        told,
        [
            "1 10: complete 55 55",
            "2 20: complete 155 210",
            "3 30: short, clock set 115 325",
            "4 10: short, clock set 0 325",
            "5 20: clock set 0 325",
            "6 30: clock set 0 325",
        ]
    );
}

#[test]
fn a_set_clock_is_remembered_over_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=3).for_each(|n| second(&gate, n));
    gate.set_clock(at(3), &Caller::meter(), at(3).utc_ms + 100).unwrap();
    drop(gate);
    let gate = open_at(dir.path(), None, at(4));
    (5..=10).for_each(|n| second(&gate, n));
    assert_eq!(records(&gate)[0].status.to_string(), "short, outage, clock set");
}

#[test]
fn another_definition_closes_the_epoch_with_an_event_and_its_records_stay() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=20).for_each(|n| second(&gate, n));
    let before = gate.next_event().unwrap();
    // What isn't the recorder's own leaves the epoch alone.
    set(&gate, "CT Prim", "500");
    assert_eq!(epochs(&gate), [(2, Some(1), Some(2), true)]);
    set(&gate, "Data Recorder 1/Depth", "2");
    assert_eq!(
        logged(&gate, before),
        ["epoch 2 is closed: its records 1 to 2 stay readable", "epoch 3 begins: 12 sources every 10 s, depth 2"]
    );
    // The interval that ran goes on: whole, and with all of its energy.
    (21..=50).for_each(|n| second(&gate, n));
    assert_eq!(told(&records(&gate)), ["4 40: complete 355 820", "5 50: complete 455 1275"]);
    assert_eq!(epochs(&gate), [(2, Some(1), Some(2), false), (3, Some(4), Some(5), true)]);
    let old = gate.interval_records(&Caller::meter(), 1, Some(2), 0, 1000).unwrap();
    assert_eq!(told(&old), ["1 10: complete 55 55", "2 20: complete 155 210"]);
    // Off, and on again; over a restart.
    set(&gate, "Data Recorder 1/Depth", "0");
    (51..=60).for_each(|n| second(&gate, n));
    assert_eq!(logged(&gate, before).pop().unwrap(), "records nothing any more");
    let off = GateError::NoRecords { recorder: 1, epoch: None }.to_string();
    let asked = gate.interval_records(&Caller::meter(), 1, None, 0, 1).unwrap_err();
    assert_eq!(asked.to_string(), off);
    drop(gate);
    let gate = open_at(dir.path(), None, at(61));
    set(&gate, "Data Recorder 1/Depth", "1");
    (62..=80).for_each(|n| second(&gate, n));
    let expected = [(2, Some(1), Some(2), false), (3, Some(4), Some(5), false), (4, Some(7), Some(7), true)];
    assert_eq!(epochs(&gate), expected);
    let shown = gate.recorders(&Caller::meter()).unwrap();
    drop(gate);
    let gate = open_at(dir.path(), None, at(81));
    assert_eq!(gate.recorders(&Caller::meter()).unwrap(), shown, "what is shown is what is stored");
}

/// Whoever polls the number sees every change, of an epoch without a record too.
#[test]
fn no_epoch_has_a_number_that_another_had_and_another_period_leaves_the_interval_that_ran() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    let opened = epochs(&gate)[0].0;
    (1..=3).for_each(|n| second(&gate, n));
    let from = gate.next_event().unwrap();
    set(&gate, "Periodic Timer 1/Period", "5");
    set(&gate, "Data Recorder 1/Depth", "0");
    set(&gate, "Data Recorder 1/Depth", "9");
    let [first, second_time] = [opened + 1, opened + 2];
    assert_eq!(
        logged(&gate, from),
        [
            format!("epoch {first} begins: 12 sources every 5 s, depth 3360; the interval that ran is not recorded"),
            "records nothing any more".to_owned(),
            format!("epoch {second_time} begins: 12 sources every 5 s, depth 9"),
        ]
    );
    assert_eq!(epochs(&gate), [(second_time, None, None, true)]);
    drop(gate);
    let gate = open_at(dir.path(), None, at(4));
    set(&gate, "Data Recorder 1/Depth", "8");
    assert_eq!(epochs(&gate), [(second_time + 1, None, None, true)]);
}

#[test]
fn a_new_label_is_a_new_heading_and_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    (1..=10).for_each(|n| second(&gate, n));
    let load = |change: &dyn Fn(&mut framework::Template)| {
        let file = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap();
        let mut file = file;
        let mut template = framework::Template { modules: file.modules.clone() };
        change(&mut template);
        file.modules = template.modules;
        edit(&gate, vec![Edit::Template(Box::new(file))]).unwrap();
    };
    load(&|template| {
        let setup = template.modules.get_mut(&"Data Recorder 1".parse().unwrap()).unwrap();
        setup.label = Some("Feeder 7".to_owned());
    });
    assert_eq!(gate.view().recorders[0].label, "Feeder 7");
    assert_eq!(epochs(&gate).len(), 1, "the recorder's own name heads no column");
    load(&|template| {
        let setup = template.modules.get_mut(&"Integrator 1".parse().unwrap()).unwrap();
        setup.labels.insert("kWh del".to_owned(), "Import".to_owned());
    });
    (11..=20).for_each(|n| second(&gate, n));
    let recorder: Recorder = gate.view().recorders[0].clone();
    let labels: Vec<_> = recorder.epochs.iter().map(|epoch| epoch.sources[6].label.as_str()).collect();
    assert_eq!(labels, ["kWh del", "Import"]);
    // Without the module its records are still there.
    load(&|template| template.modules.retain(|module, _| module.kind().name() != data_recorder::NAME));
    let recorder = gate.view().recorders[0].clone();
    assert_eq!((recorder.label.as_str(), recorder.depth, recorder.open()), ("Data Recorder 1", 0, None));
    assert_eq!(epochs(&gate), [(2, Some(1), Some(1), false), (3, Some(2), Some(2), false)]);
}

#[test]
fn what_makes_room_is_said_whatever_the_log_is_set_to() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    set(&gate, "Cutoff", "255");
    let from = gate.next_event().unwrap();
    for round in 0..9_i64 {
        (round * 10 + 1..=round * 10 + 10).for_each(|n| second(&gate, n));
        set(&gate, "Data Recorder 1/Depth", &(100 + round).to_string());
    }
    let said = "epoch 2 with its records 1 to 1 is erased: 8 closed epochs are kept";
    assert_eq!(logged(&gate, from), [said]);
    // And before it is done, and in the answer.
    (91..=100).for_each(|n| second(&gate, n));
    let wish = || Edit::Register("Data Recorder 1/Depth".to_owned(), "7".to_owned());
    let said = ["Data Recorder 1: epoch 3 with its records 2 to 2 is erased: 8 closed epochs are kept."];
    let planned = gate.preview(NOW, &Caller::meter(), ChangeSet { edits: vec![wish()], force: false }).unwrap();
    assert_eq!((planned.erased, epochs(&gate).len()), (said.map(str::to_owned).to_vec(), 9));
    assert_eq!(edit(&gate, vec![wish()]).unwrap().erased, said);
    assert_eq!(edit(&gate, vec![wish()]).unwrap().erased, [""; 0]);
    assert_eq!(epochs(&gate).iter().map(|epoch| epoch.0).collect::<Vec<_>>(), (4..=12).collect::<Vec<_>>());
}

#[test]
fn records_are_read_as_set_up_is_over_modbus_and_as_logs_are_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), "4.40.1");
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let on = |path, who| Caller::on(path, who, "192.0.2.7:4711".parse().unwrap());
    let reads = |caller: &Caller| {
        let all = [gate.recorders(caller).map(drop), gate.interval_records(caller, 1, None, 0, 1).map(drop)];
        let allowed: BTreeSet<bool> = all.iter().map(Result::is_ok).collect();
        assert_eq!(allowed.len(), 1, "one right for all of them");
        all.into_iter().all(|read| read.is_ok())
    };
    assert!(reads(&on(Path::Modbus, Who::Nobody)));
    set(&gate, "Modbus Map Access", "no");
    assert!(!reads(&on(Path::Modbus, Who::Nobody)));
    assert!(reads(&on(Path::Setup, Who::User(UserId::new(2).unwrap()))), "USER2 has Read");
    assert!(!reads(&on(Path::Setup, Who::Nobody)));
    assert!(reads(&on(Path::Web, Who::Nobody)), "as measurements are (B13)");
    for (recorder, epoch) in [(0, None), (2, None), (1, Some(1)), (255, Some(u32::MAX))] {
        let refused = gate.interval_records(&Caller::meter(), recorder, epoch, 0, 1).unwrap_err().to_string();
        let says = if epoch.is_some() { " has no epoch " } else { " is off or isn't there" };
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn b17_recorders_and_records_are_kept_by_an_upgrade() {
    kept_by("4.0.9", "4.40.1");
}

#[test]
fn b20_recorders_and_records_are_kept_by_a_downgrade_and_the_way_back() {
    kept_by("4.40.1", "4.0.9");
}

/// There and back: nothing of the records changes, numbers and epochs go on, and the report says so.
#[track_caller]
fn kept_by(from: &str, to: &str) {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path(), from);
    (1..=10).for_each(|n| second(&gate, n));
    set(&gate, "Data Recorder 1/Depth", "100");
    (11..=25).for_each(|n| second(&gate, n));
    let (epochs_before, before) = (epochs(&gate), told(&records(&gate)));
    for release in [to, from] {
        let report = change(&gate, release);
        assert!(report.as_planned, "{report:?}");
        let line = report.lines.iter().find(|line| line.subject == "Data Recorder 1").unwrap();
        assert_eq!((line.planned.as_str(), line.found.as_str()), ("kept", "kept"));
        assert_eq!((epochs(&gate), told(&records(&gate))), (epochs_before.clone(), before.clone()));
    }
    // The interval in which it was is whole: the meter ran on.
    (26..=30).for_each(|n| second(&gate, n));
    assert_eq!(told(&records(&gate)).last().unwrap(), "3 30: complete 255 465");
}

#[test]
fn what_the_framework_allows_the_store_takes() {
    const {
        assert!(data_recorder::MAX_DEPTH <= store::MAX_RECORDING_DEPTH);
        assert!(data_recorder::MOST <= store::MAX_RECORDERS);
    }
    let kinds = framework::modules::KINDS.iter();
    let inputs = kinds.filter(|kind| kind.name() == data_recorder::NAME).map(|kind| kind.inputs().len()).max();
    assert_eq!(inputs, Some(store::MAX_RECORD_VALUES + 1));
    // Sixteen sources with the longest labels there can be, each character written as an escape.
    let source = data_recorder::Source {
        register: "Sliding Window Demand 10/SWinDemand".parse().unwrap(),
        label: "\"".repeat(framework::template::LONGEST_LABEL),
        unit: "kVARh".to_owned(),
        decimals: 3,
    };
    let definition = data_recorder::Definition {
        sources: vec![source; store::MAX_RECORD_VALUES],
        trigger: "Periodic Timer 10/Trigger".parse().unwrap(),
        period_s: 86_400,
        depth: data_recorder::MAX_DEPTH,
    };
    assert!(serde_json::to_string(&definition).unwrap().len() <= store::MAX_DEFINITION);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever is cut, set, lost and redefined: numbers are contiguous over all epochs that are kept, and what the
    /// view shows is what the store has.
    #[test]
    fn numbers_count_on_through_everything(steps in proptest::collection::vec((0..5u8, 1..40i64), 4..16)) {
        let dir = tempfile::tempdir().unwrap();
        let mut gate = meter(dir.path(), "4.40.1");
        let mut time = 0;
        for (what, much) in steps {
            match what {
                0 => {
                    drop(gate);
                    time += much;
                    gate = open_at(dir.path(), None, at(time));
                }
                1 => set(&gate, "Data Recorder 1/Depth", &much.to_string()),
                2 => gate.set_clock(at(time), &Caller::meter(), at(time + 20 - much).utc_ms).unwrap(),
                _ => {}
            }
            for _ in 0..much {
                time += 1;
                let now = gate.meter_time(at(time));
                gate.tick(now, Some(&Quantities::default()), &EnergyIncrement::default()).unwrap();
            }
            let recorder = gate.view().recorders[0].clone();
            let mut next = None;
            for epoch in &recorder.epochs {
                let records = gate.interval_records(&Caller::meter(), 1, Some(epoch.number), 0, 1000).unwrap();
                let ends = (records.first().map(|record| record.number), records.last().map(|record| record.number));
                prop_assert_eq!(ends, (epoch.first, epoch.last));
                for record in records {
                    // Only a ring leaves a gap, at its end.
                    prop_assert!(next.is_none_or(|next| record.number >= next));
                    prop_assert!(Some(record.number) == epoch.first || Some(record.number) == next);
                    next = Some(record.number + 1);
                }
            }
        }
    }
}
