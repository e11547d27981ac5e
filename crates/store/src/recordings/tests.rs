use proptest::prelude::*;
use rusqlite::params_from_iter;

use super::*;
use crate::testbed::{METER, Testbed};
use crate::{EventBatch, SettingsChange, Tick};

const DEFINITION: &str = r#"{"sources":[]}"#;

fn record(recorder: u8, utc_ms: i64, values: &[f64]) -> NewIntervalRecord {
    NewIntervalRecord { recorder, utc_ms, status: 5, values: values.to_vec() }
}

fn begins(recorder: u8, depth: u32) -> RecordingChange<'static> {
    let open = Some(NewRecording { definition: DEFINITION, depth });
    RecordingChange { recorder, utc_ms: 7, drop: &[], open }
}

fn tick(store: &mut Store, changes: &[RecordingChange<'_>], records: &[NewIntervalRecord]) -> Result<(), StoreError> {
    let recorders = RecorderBatch { changes, records };
    store.tick(&[Tick {
        meter: METER,
        energies: &[("kWh del", records.len() as i64)],
        records: &[],
        recorders,
        events: EventBatch::NONE,
    }])
}

/// Epoch, oldest number, number after the newest, whether it is open.
fn epochs(store: &Store, recorder: u8) -> Vec<(u32, u64, u64, bool)> {
    let all = store.recordings(METER).unwrap().into_iter().filter(|recording| recording.recorder == recorder);
    all.map(|it| (it.epoch, it.first, it.next, it.closed_utc_ms.is_none())).collect()
}

fn numbers(store: &Store, epoch: u32, from: u64, limit: usize) -> Vec<u64> {
    let records = store.interval_records(METER, 1, epoch, from, limit).unwrap();
    records.into_iter().map(|record| record.number).collect()
}

#[test]
fn a_record_comes_back_as_it_was_in_pages_and_by_time() {
    let bed = Testbed::new();
    let mut store = bed.born(&[]);
    let records: Vec<_> = (1..=5).map(|n| record(1, n * 900, &[n as f64, f64::NAN, -0.5])).collect();
    tick(&mut store, &[begins(1, 10)], &records).unwrap();
    drop(store);
    let store = bed.again();
    let read = store.interval_records(METER, 1, 1, 0, usize::MAX).unwrap();
    assert_eq!(read.len(), 5);
    assert_eq!((read[1].number, read[1].utc_ms, read[1].status), (2, 1800, 5));
    assert!(read[1].values[1].is_nan() && (read[1].values[0], read[1].values[2]) == (2.0, -0.5));
    assert_eq!((numbers(&store, 1, 3, 2), numbers(&store, 1, 6, 2)), (vec![3, 4], vec![]));
    assert_eq!((numbers(&store, 1, u64::MAX, 2), numbers(&store, 2, 0, 2)), (vec![], vec![]));
    for (utc_ms, expected) in [(i64::MIN, Some(1)), (900, Some(1)), (901, Some(2)), (4500, Some(5)), (4501, None)] {
        let found = store.interval_record_at(METER, 1, 1, utc_ms).unwrap().map(|record| record.number);
        assert_eq!(found, expected, "{utc_ms}");
    }
    assert_eq!(store.load(METER).unwrap().energies["kWh del"], 5);
    assert!(matches!(store.recordings(MeterId(9)), Err(StoreError::NoSuchMeter(_))));
}

#[test]
fn pages_and_times_are_found_by_an_index_and_nothing_is_sorted() {
    let bed = Testbed::new();
    let store = bed.born(&[]);
    for (query, search) in [
        (PAGE, "USING PRIMARY KEY (meter=? AND recorder=? AND number>? AND number<?)"),
        (AT_TIME, "USING INDEX interval_record_by_time (meter=? AND recorder=? AND epoch=? AND utc_ms>?)"),
    ] {
        let mut statement = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let parameters = params_from_iter(vec![1; statement.parameter_count()]);
        let plan: Vec<String> =
            statement.query_map(parameters, |row| row.get("detail")).unwrap().map(Result::unwrap).collect();
        assert!(plan.len() == 1 && plan[0].ends_with(search), "{plan:?}");
    }
}

#[test]
fn a_closed_recording_stays_readable_until_it_is_dropped_and_numbers_go_on() {
    let bed = Testbed::new();
    let mut store = bed.born(&[]);
    tick(&mut store, &[begins(1, 3)], &[record(1, 1, &[1.0]), record(1, 2, &[2.0])]).unwrap();
    // A change of settings closes it as well; one without a record goes, and its number with it.
    let changes = [begins(1, 2)];
    for _ in 0..2 {
        let change = SettingsChange { recordings: &changes, ..SettingsChange::default() };
        let _done = store.commit_settings(METER, &change).unwrap();
    }
    assert_eq!(epochs(&store, 1), [(1, 1, 3, false), (3, 3, 3, true)]);
    assert_eq!(store.next_epochs(METER).unwrap(), [(1, 4)].into());
    tick(&mut store, &[], &[record(1, 3, &[]), record(1, 4, &[]), record(1, 5, &[])]).unwrap();
    assert_eq!(epochs(&store, 1), [(1, 1, 3, false), (3, 4, 6, true)]);
    assert_eq!((numbers(&store, 1, 0, 9), numbers(&store, 3, 0, 9)), (vec![1, 2], vec![4, 5]));
    // Off: nothing is open, and nothing can be recorded.
    tick(&mut store, &[RecordingChange { open: None, ..begins(1, 1) }], &[]).unwrap();
    assert!(matches!(tick(&mut store, &[], &[record(1, 6, &[])]), Err(StoreError::NoRecording(1))));
    // The open one can't be dropped.
    tick(&mut store, &[RecordingChange { drop: &[1], ..begins(1, 1) }], &[record(1, 6, &[])]).unwrap();
    assert_eq!(epochs(&store, 1), [(3, 4, 6, false), (4, 6, 7, true)]);
    assert_eq!(numbers(&store, 1, 0, 9), [0u64; 0]);
    let left: i64 = store.connection.query_row("SELECT count(*) FROM interval_record", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 3);
}

#[test]
fn everything_has_a_bound_and_what_is_refused_changes_nothing() {
    let bed = Testbed::new();
    let mut store = bed.born(&[]);
    let long = format!("\"{}\"", "x".repeat(MAX_DEFINITION - 1));
    let definition = |definition| RecordingChange { open: Some(NewRecording { definition, depth: 1 }), ..begins(1, 1) };
    let values = [0.0; MAX_RECORD_VALUES + 1];
    for (changes, records) in [
        (vec![begins(0, 1)], vec![]),
        (vec![begins(MAX_RECORDERS + 1, 1)], vec![]),
        (vec![begins(1, 0)], vec![]),
        (vec![begins(1, MAX_RECORDING_DEPTH + 1)], vec![]),
        (vec![definition(&long)], vec![]),
        (vec![begins(1, 1)], vec![record(1, 1, &values)]),
    ] {
        let refused = tick(&mut store, &changes, &records);
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{changes:?}");
    }
    assert!(matches!(tick(&mut store, &[], &[record(1, 1, &[])]), Err(StoreError::NoRecording(1))));
    assert!(store.recordings(METER).unwrap().is_empty() && store.load(METER).unwrap().energies.is_empty());
    tick(&mut store, &[begins(MAX_RECORDERS, MAX_RECORDING_DEPTH)], &[]).unwrap();
    for _ in 0..=MAX_CLOSED_RECORDINGS {
        tick(&mut store, &[begins(1, 1)], &[record(1, 1, &values[1..])]).unwrap();
    }
    assert!(matches!(tick(&mut store, &[begins(1, 1)], &[]), Err(StoreError::TooLarge { .. })), "nine closed ones");
    tick(&mut store, &[RecordingChange { drop: &[1], ..begins(1, 1) }], &[]).unwrap();
}

#[test]
fn a_closed_recording_keeps_all_that_it_has() {
    let bed = Testbed::new();
    let mut store = bed.born(&[]);
    let many = vec![record(1, 1, &[]); MAX_RECORDING_DEPTH as usize];
    tick(&mut store, &[begins(1, MAX_RECORDING_DEPTH)], &many).unwrap();
    tick(&mut store, &[begins(1, 1)], &[record(1, 1, &[])]).unwrap();
    tick(&mut store, &[begins(1, 1)], &[]).unwrap();
    let next = u64::from(MAX_RECORDING_DEPTH) + 2;
    assert_eq!(epochs(&store, 1), [(1, 1, next - 1, false), (2, next - 1, next, false), (3, next, next, true)]);
    // And as many go with it.
    tick(&mut store, &[RecordingChange { drop: &[1], ..begins(1, 1) }], &[]).unwrap();
    assert_eq!(epochs(&store, 1), [(2, next - 1, next, false), (4, next, next, true)]);
}

#[test]
fn a_record_with_half_a_value_is_damage() {
    let bed = Testbed::new();
    let mut store = bed.born(&[]);
    tick(&mut store, &[begins(1, 1)], &[record(1, 1, &[1.0])]).unwrap();
    store.connection.execute("UPDATE interval_record SET readings = x'0102030405060708090a'", []).unwrap();
    assert!(matches!(store.interval_records(METER, 1, 1, 0, 1), Err(StoreError::Damaged(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Numbers are without gaps and never used twice, over rings, recordings and reopening.
    #[test]
    fn numbers_count_on_for_ever(steps in proptest::collection::vec((0..6usize, 0..4u32, any::<bool>()), 1..25)) {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        tick(&mut store, &[begins(1, 2)], &[]).unwrap();
        let (mut depth, mut written) = (2, 0);
        for (records, new_depth, again) in steps {
            if new_depth > 0 {
                depth = new_depth;
                let all = epochs(&store, 1);
                let closed: Vec<u32> = all.iter().map(|(epoch, ..)| *epoch).rev().skip(3).collect();
                tick(&mut store, &[RecordingChange { drop: &closed, ..begins(1, depth) }], &[]).unwrap();
            }
            tick(&mut store, &[], &vec![record(1, 1, &[0.0]); records]).unwrap();
            written += records as u64;
            if again {
                drop(store);
                store = bed.again();
            }
            let all = epochs(&store, 1);
            prop_assert_eq!(all.last().map(|last| (last.2, last.3)), Some((written + 1, true)));
            for (epoch, first, next, open) in &all {
                prop_assert_eq!(numbers(&store, *epoch, 0, 1000), (*first..*next).collect::<Vec<_>>());
                prop_assert!(!open || next - first <= u64::from(depth));
            }
        }
    }
}
