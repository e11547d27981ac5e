//! Data recorders on a real store: records with the seconds that end their intervals, epochs, reading.

use meter::{Caller, Gate, IntervalRecord, Now, Status};
use metrology::{EnergyIncrement, EnergyRegister, Quantities};

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
    assert_eq!((epoch.number, epoch.period_s, epoch.first, epoch.last), (1, 10, Some(1), Some(2)));
    let labels: Vec<_> = epoch.sources.iter().map(|source| source.label.as_str()).collect();
    let energies = ["kWh del", "kWh rec", "kVARh del", "kVARh rec", "kVAh del", "kVAh rec"];
    let expected: Vec<_> = energies.iter().map(|energy| format!("{energy} int")).collect();
    assert_eq!(labels[..6], expected);
    assert_eq!(labels[6..], energies);
    assert_eq!(records(&gate)[0].status, Status::COMPLETE);
}
