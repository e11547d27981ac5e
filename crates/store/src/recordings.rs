//! What data recorders have recorded. A recording (an epoch) is one definition of a recorder with its records: while it
//! is open, a ring of as many as its depth; closed, all that were there.
//!
//! A recorder's records have numbers from 1 that count on for ever, through recordings and whatever has been dropped; a
//! record is written in the transaction of its second. What a definition says, which closed recordings go when there
//! are too many, and what is told of it, is decided above: here both only have bounds.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::{During, StoreError};
use crate::store::{MeterId, Store, bound, is_there};

/// Recorders of one meter.
pub const MAX_RECORDERS: u8 = 16;
/// Values of one record.
pub const MAX_RECORD_VALUES: usize = 16;
/// Longest definition, in bytes: sixteen sources with their names and labels are about 4 kB.
pub const MAX_DEFINITION: usize = 16 * 1024;
/// Records of an open recording.
pub const MAX_RECORDING_DEPTH: u32 = 40_000;
/// Closed recordings of one recorder.
pub const MAX_CLOSED_RECORDINGS: usize = 8;
/// Records in all closed recordings of one recorder: one of the greatest depth, or eight of a month and more of
/// quarter-hours.
pub const MAX_CLOSED_RECORDS: u64 = 40_000;
/// Records that one read returns at most.
pub const MAX_RECORDS_PER_READ: usize = 1_000;

const READ: &str = "SELECT number, utc_ms, status, readings FROM interval_record
    WHERE meter = ?1 AND recorder = ?2 AND epoch = ?3";

/// A record before it has its number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIntervalRecord {
    /// Whose; it has an open recording.
    pub recorder: u8,
    /// The interval's end.
    pub utc_ms: i64,
    /// Flags of the rooms above.
    pub status: u8,
    /// A value for each source; NaN is not available.
    pub values: Vec<f64>,
}

/// What recorders have to say in one second.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecorderBatch<'a> {
    /// Recordings that are closed and opened, before anything is recorded.
    pub changes: &'a [RecordingChange<'a>],
    /// Records, in the order in which they are numbered.
    pub records: &'a [NewIntervalRecord],
}

impl RecorderBatch<'_> {
    /// Nothing, as in most seconds.
    pub const NONE: Self = Self { changes: &[], records: &[] };
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRecord {
    /// Its number; no other of the recorder ever had it.
    pub number: u64,
    /// The interval's end.
    pub utc_ms: i64,
    /// Flags of the rooms above.
    pub status: u8,
    /// A value for each source; NaN is not available.
    pub values: Vec<f64>,
}

/// What becomes of one recorder's recordings: what is open is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingChange<'a> {
    /// Whose.
    pub recorder: u8,
    /// When.
    pub utc_ms: i64,
    /// Closed recordings that go, with their records.
    pub drop: &'a [u32],
    /// The recording that begins; none leaves the recorder off.
    pub open: Option<NewRecording<'a>>,
}

/// A recording that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecording<'a> {
    /// What the records are, JSON of the rooms above.
    pub definition: &'a str,
    /// How many of them stay.
    pub depth: u32,
}

/// A recording as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Whose.
    pub recorder: u8,
    /// Its number among the recorder's.
    pub epoch: u32,
    /// What the records are, JSON of the rooms above.
    pub definition: String,
    /// The number of its oldest record.
    pub first: u64,
    /// The number after that of its newest record: the first one, while it has none.
    pub next: u64,
    /// When it began.
    pub opened_utc_ms: i64,
    /// When it was closed; none while it is open.
    pub closed_utc_ms: Option<i64>,
}

impl Store {
    /// All recordings of a meter, by recorder and epoch.
    pub fn recordings(&self, meter: MeterId) -> Result<Vec<Recording>, StoreError> {
        let doing = "reading recordings";
        if !is_there(&self.connection, meter)? {
            return Err(StoreError::NoSuchMeter(meter));
        }
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT recorder, epoch, definition, first_number, next_number, opened_utc_ms, closed_utc_ms
                 FROM recording WHERE meter = ?1 ORDER BY recorder, epoch",
            )
            .during(doing)?;
        let recording = |row: &Row<'_>| {
            Ok(Recording {
                recorder: row.get(0)?,
                epoch: row.get(1)?,
                definition: row.get(2)?,
                first: row.get(3)?,
                next: row.get(4)?,
                opened_utc_ms: row.get(5)?,
                closed_utc_ms: row.get(6)?,
            })
        };
        let rows = statement.query_map([meter.0], recording).during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }

    /// Records of a recording from number `from` on, in order, at most `limit` and at most [`MAX_RECORDS_PER_READ`].
    pub fn interval_records(
        &self,
        meter: MeterId,
        recorder: u8,
        epoch: u32,
        from: u64,
        limit: usize,
    ) -> Result<Vec<IntervalRecord>, StoreError> {
        let doing = "reading interval records";
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let limit = limit.min(MAX_RECORDS_PER_READ) as i64;
        let query = format!("{READ} AND number >= ?4 ORDER BY number LIMIT ?5");
        let mut statement = self.connection.prepare_cached(&query).during(doing)?;
        let rows = statement.query_map(params![meter.0, recorder, epoch, from, limit], read_record).during(doing)?;
        rows.map(|row| row.during(doing)?).collect()
    }

    /// The record of a recording whose interval is the first to end at a time or after it.
    pub fn interval_record_at(
        &self,
        meter: MeterId,
        recorder: u8,
        epoch: u32,
        utc_ms: i64,
    ) -> Result<Option<IntervalRecord>, StoreError> {
        let doing = "finding an interval record";
        let query = format!("{READ} AND utc_ms >= ?4 ORDER BY utc_ms, number LIMIT 1");
        self.connection
            .prepare_cached(&query)
            .and_then(|mut statement| {
                statement.query_row(params![meter.0, recorder, epoch, utc_ms], read_record).optional()
            })
            .during(doing)?
            .transpose()
    }
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<Result<IntervalRecord, StoreError>> {
    let readings = row.get_ref(3)?.as_blob()?;
    let (values, rest) = readings.as_chunks();
    if !rest.is_empty() {
        return Ok(Err(StoreError::Damaged("an interval record has half a value".to_owned())));
    }
    let values = values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    Ok(Ok(IntervalRecord { number: row.get(0)?, utc_ms: row.get(1)?, status: row.get(2)?, values }))
}

/// Writes a second's records, and drops what the rings are too small for.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    meter: MeterId,
    batch: RecorderBatch<'_>,
) -> Result<(), StoreError> {
    change(transaction, meter, batch.changes)?;
    let doing = "recording";
    for record in batch.records {
        if record.values.len() > MAX_RECORD_VALUES {
            return Err(StoreError::TooLarge { what: "a record's values", limit: MAX_RECORD_VALUES as u64 });
        }
        let (epoch, depth, first) = transaction
            .prepare_cached(
                "SELECT epoch, depth, first_number FROM recording
                 WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NULL",
            )
            .and_then(|mut statement| {
                let open = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                statement.query_row(params![meter.0, record.recorder], open).optional()
            })
            .during(doing)?
            .ok_or(StoreError::NoRecording(record.recorder))?;
        let (epoch, depth, first): (u32, u64, u64) = (epoch, depth, first);
        let number = next_number(transaction, meter, record.recorder)?;
        let readings: Vec<u8> = record.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        transaction
            .prepare_cached(
                "INSERT INTO interval_record (meter, recorder, number, epoch, utc_ms, status, readings)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    meter.0,
                    record.recorder,
                    number,
                    epoch,
                    record.utc_ms,
                    record.status,
                    readings
                ])
            })
            .during(doing)?;
        let oldest = first.max((number + 1).saturating_sub(depth));
        transaction
            .prepare_cached(
                "DELETE FROM interval_record WHERE meter = ?1 AND recorder = ?2 AND number >= ?3 AND number < ?4",
            )
            .and_then(|mut statement| statement.execute(params![meter.0, record.recorder, first, oldest]))
            .during(doing)?;
        transaction
            .prepare_cached(
                "UPDATE recording SET first_number = ?4, next_number = ?5
                 WHERE meter = ?1 AND recorder = ?2 AND epoch = ?3",
            )
            .and_then(|mut statement| statement.execute(params![meter.0, record.recorder, epoch, oldest, number + 1]))
            .during(doing)?;
        transaction
            .prepare_cached("UPDATE recorder SET next_number = ?3 WHERE meter = ?1 AND recorder = ?2")
            .and_then(|mut statement| statement.execute(params![meter.0, record.recorder, number + 1]))
            .during(doing)?;
    }
    Ok(())
}

/// Closes and opens recordings, inside the transaction of what makes it necessary.
pub(crate) fn change(
    transaction: &Transaction<'_>,
    meter: MeterId,
    changes: &[RecordingChange<'_>],
) -> Result<(), StoreError> {
    changes.iter().try_for_each(|change| change_one(transaction, meter, change))
}

fn change_one(transaction: &Transaction<'_>, meter: MeterId, change: &RecordingChange<'_>) -> Result<(), StoreError> {
    let doing = "closing a recording";
    let recorder = change.recorder;
    if !(1..=MAX_RECORDERS).contains(&recorder) {
        return Err(StoreError::TooLarge { what: "a recorder's number", limit: u64::from(MAX_RECORDERS) });
    }
    transaction
        .execute(
            "INSERT INTO recorder (meter, recorder, next_number, next_epoch) VALUES (?1, ?2, 1, 1)
             ON CONFLICT (meter, recorder) DO NOTHING",
            params![meter.0, recorder],
        )
        .during(doing)?;
    // One without a record has nothing that could be read later: its number goes to the next.
    for sql in [
        "UPDATE recorder SET next_epoch = next_epoch - 1 WHERE meter = ?1 AND recorder = ?2 AND EXISTS
         (SELECT 1 FROM recording AS it WHERE it.meter = ?1 AND it.recorder = ?2
          AND it.closed_utc_ms IS NULL AND it.first_number = it.next_number)",
        "DELETE FROM recording
         WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NULL AND first_number = next_number",
    ] {
        transaction.execute(sql, params![meter.0, recorder]).during(doing)?;
    }
    transaction
        .execute(
            "UPDATE recording SET closed_utc_ms = ?3 WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NULL",
            params![meter.0, recorder, change.utc_ms],
        )
        .during(doing)?;
    for epoch in change.drop {
        let closed: Option<(u64, u64)> = transaction
            .query_row(
                "DELETE FROM recording WHERE meter = ?1 AND recorder = ?2 AND epoch = ?3 AND closed_utc_ms IS NOT NULL
                 RETURNING first_number, next_number",
                params![meter.0, recorder, epoch],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .during(doing)?;
        if let Some((first, next)) = closed {
            transaction
                .execute(
                    "DELETE FROM interval_record WHERE meter = ?1 AND recorder = ?2 AND number >= ?3 AND number < ?4",
                    params![meter.0, recorder, first, next],
                )
                .during(doing)?;
        }
    }
    let (closed, records): (usize, u64) = transaction
        .query_row(
            "SELECT count(*), coalesce(sum(next_number - first_number), 0) FROM recording
             WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NOT NULL",
            params![meter.0, recorder],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during(doing)?;
    if closed > MAX_CLOSED_RECORDINGS || records > MAX_CLOSED_RECORDS {
        let limit = MAX_CLOSED_RECORDS;
        return Err(StoreError::TooLarge { what: "what a recorder's closed recordings hold", limit });
    }
    change.open.map_or(Ok(()), |new| open(transaction, meter, change, &new))
}

fn open(
    transaction: &Transaction<'_>,
    meter: MeterId,
    change: &RecordingChange<'_>,
    new: &NewRecording<'_>,
) -> Result<(), StoreError> {
    let doing = "beginning a recording";
    bound(new.definition, MAX_DEFINITION, "a recorder's definition (bytes)")?;
    if !(1..=MAX_RECORDING_DEPTH).contains(&new.depth) {
        return Err(StoreError::TooLarge { what: "a recorder's depth", limit: u64::from(MAX_RECORDING_DEPTH) });
    }
    transaction
        .execute(
            "INSERT INTO recording (meter, recorder, epoch, definition, depth, first_number, next_number, opened_utc_ms)
             SELECT meter, recorder, next_epoch, ?3, ?4, next_number, next_number, ?5 FROM recorder WHERE meter = ?1 AND recorder = ?2",
            params![meter.0, change.recorder, new.definition, new.depth, change.utc_ms],
        )
        .during(doing)?;
    transaction
        .execute(
            "UPDATE recorder SET next_epoch = next_epoch + 1 WHERE meter = ?1 AND recorder = ?2",
            params![meter.0, change.recorder],
        )
        .during(doing)
        .map(drop)
}

fn next_number(connection: &Connection, meter: MeterId, recorder: u8) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT next_number FROM recorder WHERE meter = ?1 AND recorder = ?2")
        .and_then(|mut statement| statement.query_row(params![meter.0, recorder], |row| row.get(0)))
        .during("counting records")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    fn tick(
        store: &mut Store,
        changes: &[RecordingChange<'_>],
        records: &[NewIntervalRecord],
    ) -> Result<(), StoreError> {
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
    fn a_time_is_found_by_the_index() {
        let bed = Testbed::new();
        let store = bed.born(&[]);
        let query = format!("EXPLAIN QUERY PLAN {READ} AND utc_ms >= ?4 ORDER BY utc_ms, number LIMIT 1");
        let plan: String =
            store.connection.query_row(&query, params![METER.0, 1, 1, 0], |row| row.get("detail")).unwrap();
        assert!(plan.contains("interval_record_by_time (meter=? AND recorder=? AND epoch=? AND utc_ms>?)"), "{plan}");
    }

    #[test]
    fn a_closed_recording_stays_readable_until_it_is_dropped_and_numbers_go_on() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        tick(&mut store, &[begins(1, 3)], &[record(1, 1, &[1.0]), record(1, 2, &[2.0])]).unwrap();
        // A change of settings closes it as well; one without a record gives its number away.
        let changes = [begins(1, 2)];
        for _ in 0..2 {
            let change = SettingsChange { recordings: &changes, ..SettingsChange::default() };
            let _done = store.commit_settings(METER, &change).unwrap();
        }
        assert_eq!(epochs(&store, 1), [(1, 1, 3, false), (2, 3, 3, true)]);
        tick(&mut store, &[], &[record(1, 3, &[]), record(1, 4, &[]), record(1, 5, &[])]).unwrap();
        assert_eq!(epochs(&store, 1), [(1, 1, 3, false), (2, 4, 6, true)]);
        assert_eq!((numbers(&store, 1, 0, 9), numbers(&store, 2, 0, 9)), (vec![1, 2], vec![4, 5]));
        // Off: nothing is open, and nothing can be recorded.
        tick(&mut store, &[RecordingChange { open: None, ..begins(1, 1) }], &[]).unwrap();
        assert!(matches!(tick(&mut store, &[], &[record(1, 6, &[])]), Err(StoreError::NoRecording(1))));
        // The open one can't be dropped.
        tick(&mut store, &[RecordingChange { drop: &[1], ..begins(1, 1) }], &[record(1, 6, &[])]).unwrap();
        assert_eq!(epochs(&store, 1), [(2, 4, 6, false), (3, 6, 7, true)]);
        assert_eq!(numbers(&store, 1, 0, 9), [0u64; 0]);
        let left: i64 =
            store.connection.query_row("SELECT count(*) FROM interval_record", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 3);
    }

    #[test]
    fn everything_has_a_bound_and_what_is_refused_changes_nothing() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let long = format!("\"{}\"", "x".repeat(MAX_DEFINITION - 1));
        let definition =
            |definition| RecordingChange { open: Some(NewRecording { definition, depth: 1 }), ..begins(1, 1) };
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
    fn closed_recordings_hold_a_bounded_number_of_records() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let many = vec![record(1, 1, &[]); MAX_RECORDING_DEPTH as usize];
        tick(&mut store, &[begins(1, MAX_RECORDING_DEPTH)], &many).unwrap();
        tick(&mut store, &[begins(1, 1)], &[record(1, 1, &[])]).unwrap();
        assert!(matches!(tick(&mut store, &[begins(1, 1)], &[]), Err(StoreError::TooLarge { .. })));
        tick(&mut store, &[RecordingChange { drop: &[1], ..begins(1, 1) }], &[]).unwrap();
        let next = u64::from(MAX_RECORDING_DEPTH) + 2;
        assert_eq!(epochs(&store, 1), [(2, next - 1, next, false), (3, next, next, true)]);
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
}
