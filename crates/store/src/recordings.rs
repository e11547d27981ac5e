//! What data recorders have recorded. A recording (an epoch) is one definition of a recorder with its records: while it
//! is open, a ring of as many as its depth; closed, all that were there.
//!
//! A recorder's records have numbers from 1 that count on for ever, through recordings and whatever has been dropped; a
//! record is written in the transaction of its second. What a definition says, which closed recordings go when there
//! are too many, and what is told of it, is decided above: here both only have bounds.

use std::collections::BTreeMap;

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
/// Closed recordings of one recorder, each with as many records as it had: the only bound on them, so a change costs
/// what was recorded only if it closes one more.
pub const MAX_CLOSED_RECORDINGS: usize = 8;
/// Records that one read returns at most.
pub const MAX_RECORDS_PER_READ: usize = 1_000;

/// By the table's own key: a page costs what it holds, wherever it begins. A recording's numbers are contiguous.
const PAGE: &str = "SELECT number, utc_ms, status, readings FROM interval_record
    WHERE meter = ?1 AND recorder = ?2 AND number >= ?3 AND number < ?4 ORDER BY number LIMIT ?5";
/// By the index of times.
const AT_TIME: &str = "SELECT number, utc_ms, status, readings FROM interval_record
    WHERE meter = ?1 AND recorder = ?2 AND epoch = ?3 AND utc_ms >= ?4 ORDER BY utc_ms, number LIMIT 1";

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

    /// The number that the next recording of each recorder gets; one that never had any isn't there. No number comes twice.
    pub fn next_epochs(&self, meter: MeterId) -> Result<BTreeMap<u8, u32>, StoreError> {
        let doing = "counting recordings";
        let mut statement = self
            .connection
            .prepare_cached("SELECT recorder, next_epoch FROM recorder WHERE meter = ?1")
            .during(doing)?;
        let rows = statement.query_map([meter.0], |row| Ok((row.get(0)?, row.get(1)?))).during(doing)?;
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
        let limit = limit.min(MAX_RECORDS_PER_READ) as i64;
        let ends: Option<(u64, u64)> = self
            .connection
            .prepare_cached(
                "SELECT first_number, next_number FROM recording WHERE meter = ?1 AND recorder = ?2 AND epoch = ?3",
            )
            .and_then(|mut statement| {
                let ends = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                statement.query_row(params![meter.0, recorder, epoch], ends).optional()
            })
            .during(doing)?;
        let Some((first, next)) = ends else { return Ok(Vec::new()) };
        let from = from.max(first).min(next);
        let mut statement = self.connection.prepare_cached(PAGE).during(doing)?;
        let rows = statement.query_map(params![meter.0, recorder, from, next, limit], read_record).during(doing)?;
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
        self.connection
            .prepare_cached(AT_TIME)
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
        put_record(transaction, meter, Place { recorder: record.recorder, epoch, number }, record)?;
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

/// Where a record belongs.
pub(crate) struct Place {
    pub recorder: u8,
    pub epoch: u32,
    pub number: u64,
}

/// Writes one record to its place. The caller has bounded its values and counts it.
pub(crate) fn put_record(
    transaction: &Transaction<'_>,
    meter: MeterId,
    Place { recorder, epoch, number }: Place,
    record: &NewIntervalRecord,
) -> Result<(), StoreError> {
    let readings: Vec<u8> = record.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    transaction
        .prepare_cached(
            "INSERT INTO interval_record (meter, recorder, number, epoch, utc_ms, status, readings)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut statement| {
            statement.execute(params![meter.0, recorder, number, epoch, record.utc_ms, record.status, readings])
        })
        .during("storing a record")
        .map(drop)
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
    close(transaction, meter, change)?;
    begin(transaction, meter, change)
}

/// The first half of a change: what is open is closed, what is to go goes.
pub(crate) fn close(
    transaction: &Transaction<'_>,
    meter: MeterId,
    change: &RecordingChange<'_>,
) -> Result<(), StoreError> {
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
    // One without a record has nothing that could be read later. Its number is used up: whoever watches it sees that
    // the definition is another.
    transaction
        .execute(
            "DELETE FROM recording
             WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NULL AND first_number = next_number",
            params![meter.0, recorder],
        )
        .during(doing)?;
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
    Ok(())
}

/// The second half: the closed ones are few enough, and the next one begins.
pub(crate) fn begin(
    transaction: &Transaction<'_>,
    meter: MeterId,
    change: &RecordingChange<'_>,
) -> Result<(), StoreError> {
    let closed: usize = transaction
        .query_row(
            "SELECT count(*) FROM recording WHERE meter = ?1 AND recorder = ?2 AND closed_utc_ms IS NOT NULL",
            params![meter.0, change.recorder],
            |row| row.get(0),
        )
        .during("counting recordings")?;
    if closed > MAX_CLOSED_RECORDINGS {
        let limit = MAX_CLOSED_RECORDINGS as u64;
        return Err(StoreError::TooLarge { what: "a recorder's closed recordings", limit });
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
             SELECT meter, recorder, next_epoch, ?3, ?4, next_number, next_number, ?5 FROM recorder
             WHERE meter = ?1 AND recorder = ?2",
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

pub(crate) fn next_number(connection: &Connection, meter: MeterId, recorder: u8) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT next_number FROM recorder WHERE meter = ?1 AND recorder = ?2")
        .and_then(|mut statement| statement.query_row(params![meter.0, recorder], |row| row.get(0)))
        .during("counting records")
}

#[cfg(test)]
mod tests;
