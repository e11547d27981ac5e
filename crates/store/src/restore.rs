//! Restoring a backup: settings, credentials, energies, records and recordings in one commit, and the change of the
//! device key that credentials from another meter bring with them.
//!
//! The key comes in three steps, so that power may fail at any instant: it is put beside the one that counts, synced; the
//! commit writes credentials that name it; it takes the other's place. A start finds out from the credentials which of
//! the two counts. What is in a backup is decided above; here it only has bounds.

use rusqlite::{Transaction, params};

use crate::change::{Committed, SettingsChange, put_energies, write_settings};
use crate::error::{During, StoreError};
use crate::recordings::{
    self, MAX_DEFINITION, MAX_RECORD_VALUES, MAX_RECORDING_DEPTH, NewIntervalRecord, Place, RecordingChange,
};
use crate::secret::SecretBytes;
use crate::state_dir::{DEVICE_KEY_BYTES, DeviceKey};
use crate::store::{MeterId, Store, bound};

/// A restore as the gate accepted it.
pub struct Restore<'a> {
    /// Settings, credentials, records and events; its recordings are closed before restored ones come in, and begin
    /// after them.
    pub change: SettingsChange<'a>,
    /// Energy registers that are raised.
    pub energies: &'a [(&'a str, i64)],
    /// Recordings that come in closed, each before its records, in the order in which they are numbered.
    pub recordings: &'a mut dyn Iterator<Item = Result<Restored, StoreError>>,
}

/// What comes in of recordings.
pub enum Restored {
    /// A recording; the records that follow are its own. One without any leaves no trace.
    Recording {
        /// Whose; it is among the change's.
        recorder: u8,
        /// What the records are, JSON of the rooms above.
        definition: String,
        /// How many of them its ring kept.
        depth: u32,
        /// When it began.
        opened_utc_ms: i64,
        /// When it was closed.
        closed_utc_ms: i64,
    },
    /// A record of the recording before it.
    Record(NewIntervalRecord),
}

impl Store {
    /// Writes a restore, whole. Refused while a version change waits to be confirmed.
    pub fn commit_restore(&mut self, meter: MeterId, restore: Restore<'_>) -> Result<Committed, StoreError> {
        let Restore { change, energies, recordings } = restore;
        self.transact(|writing| {
            put_energies(writing, meter, energies)?;
            write_settings(writing, meter, &change, || {
                let changes = change.recordings;
                changes.iter().try_for_each(|change| recordings::close(writing, meter, change))?;
                bring_in(writing, meter, changes, recordings)?;
                changes.iter().try_for_each(|change| recordings::begin(writing, meter, change))
            })
        })
    }

    /// Puts another device key beside the one that counts; durable on return.
    pub fn put_device_key_beside(&mut self, key: &[u8; DEVICE_KEY_BYTES]) -> Result<(), StoreError> {
        self.dir.write_key_beside(key)
    }

    /// The device key that lies beside the one that counts, if a restore has put one there.
    pub fn device_key_beside(&self) -> Result<Option<SecretBytes>, StoreError> {
        self.dir.read_key_beside()
    }

    /// The key beside becomes the device key, and the one before is gone; durable on return.
    pub fn take_device_key_beside(&mut self) -> Result<(), StoreError> {
        self.dir.adopt_key_beside()?;
        self.device_key = self.dir.read_device_key();
        match &self.device_key {
            DeviceKey::Present(_) => Ok(()),
            DeviceKey::Lost(why) => Err(StoreError::Damaged(why.clone())),
        }
    }

    /// The key beside goes: no credential names it.
    pub fn drop_device_key_beside(&mut self) -> Result<(), StoreError> {
        self.dir.drop_key_beside()
    }
}

/// The recording that records are coming into.
struct Coming {
    recorder: u8,
    definition: String,
    depth: u32,
    opened_utc_ms: i64,
    closed_utc_ms: i64,
    first: u64,
    next: u64,
}

fn bring_in(
    transaction: &Transaction<'_>,
    meter: MeterId,
    changes: &[RecordingChange<'_>],
    parts: &mut dyn Iterator<Item = Result<Restored, StoreError>>,
) -> Result<(), StoreError> {
    let mut coming: Option<Coming> = None;
    for part in parts {
        match part? {
            Restored::Recording { recorder, definition, depth, opened_utc_ms, closed_utc_ms } => {
                coming.take().map_or(Ok(()), |whole| finish(transaction, meter, &whole))?;
                bound(&definition, MAX_DEFINITION, "a recorder's definition (bytes)")?;
                if depth > MAX_RECORDING_DEPTH {
                    let limit = u64::from(MAX_RECORDING_DEPTH);
                    return Err(StoreError::TooLarge { what: "a recorder's depth", limit });
                }
                if !changes.iter().any(|change| change.recorder == recorder) {
                    return Err(StoreError::NoRecording(recorder));
                }
                let first = recordings::next_number(transaction, meter, recorder)?;
                coming = Some(Coming { recorder, definition, depth, opened_utc_ms, closed_utc_ms, first, next: first });
            }
            Restored::Record(record) => {
                let Some(into) = &mut coming else { return Err(StoreError::NoRecording(record.recorder)) };
                insert(transaction, meter, into, &record)?;
            }
        }
    }
    coming.map_or(Ok(()), |whole| finish(transaction, meter, &whole))
}

fn insert(
    transaction: &Transaction<'_>,
    meter: MeterId,
    into: &mut Coming,
    record: &NewIntervalRecord,
) -> Result<(), StoreError> {
    let doing = "restoring records";
    if record.values.len() > MAX_RECORD_VALUES || into.next - into.first >= u64::from(MAX_RECORDING_DEPTH) {
        return Err(StoreError::TooLarge { what: "a restored recording", limit: u64::from(MAX_RECORDING_DEPTH) });
    }
    let epoch: u32 = transaction
        .prepare_cached("SELECT next_epoch FROM recorder WHERE meter = ?1 AND recorder = ?2")
        .and_then(|mut statement| statement.query_row(params![meter.0, into.recorder], |row| row.get(0)))
        .during(doing)?;
    recordings::put_record(transaction, meter, Place { recorder: into.recorder, epoch, number: into.next }, record)?;
    into.next += 1;
    Ok(())
}

/// A recording that has all of its records gets its number, and the recorder goes on after it.
fn finish(transaction: &Transaction<'_>, meter: MeterId, whole: &Coming) -> Result<(), StoreError> {
    let doing = "restoring a recording";
    if whole.first == whole.next {
        return Ok(());
    }
    let Coming { recorder, definition, depth, opened_utc_ms, closed_utc_ms, first, next } = whole;
    transaction
        .prepare_cached(
            "INSERT INTO recording (meter, recorder, epoch, definition, depth, first_number, next_number,
                                    opened_utc_ms, closed_utc_ms)
             SELECT meter, recorder, next_epoch, ?3, ?4, ?5, ?6, ?7, ?8 FROM recorder
             WHERE meter = ?1 AND recorder = ?2",
        )
        .and_then(|mut statement| {
            statement.execute(params![meter.0, recorder, definition, depth, first, next, opened_utc_ms, closed_utc_ms])
        })
        .during(doing)?;
    transaction
        .prepare_cached(
            "UPDATE recorder SET next_epoch = next_epoch + 1, next_number = ?3 WHERE meter = ?1 AND recorder = ?2",
        )
        .and_then(|mut statement| statement.execute(params![meter.0, recorder, next]))
        .during(doing)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{METER, Testbed, credential, marked};
    use crate::{CredentialChange, EventBatch, NewRecording, RecorderBatch, Tick};

    fn change<'a>() -> RecordingChange<'a> {
        let open = Some(NewRecording { definition: "{\"own\":1}", depth: 5 });
        RecordingChange { recorder: 1, utc_ms: 100, drop: &[], open }
    }

    fn record(utc_ms: i64) -> NewIntervalRecord {
        NewIntervalRecord { recorder: 1, utc_ms, status: 0, values: vec![1.5, f64::NAN] }
    }

    fn recording(closed_utc_ms: i64) -> Restored {
        let definition = format!("{{\"theirs\":{closed_utc_ms}}}");
        Restored::Recording { recorder: 1, definition, depth: 7, opened_utc_ms: 1, closed_utc_ms }
    }

    fn recorded(store: &mut Store, records: &[NewIntervalRecord], changes: &[RecordingChange<'_>]) {
        let recorders = RecorderBatch { changes, records };
        let tick = Tick { meter: METER, energies: &[], records: &[], recorders, events: EventBatch::NONE };
        store.tick(&[tick]).unwrap();
    }

    fn restored(store: &mut Store, parts: Vec<Restored>) -> Result<Committed, StoreError> {
        let mut parts = parts.into_iter().map(Ok);
        let credentials = [CredentialChange::Set(credential("USER1", marked(2, 8)))];
        let change = SettingsChange { recordings: &[change()], credentials: &credentials, ..SettingsChange::default() };
        store.commit_restore(METER, Restore { change, energies: &[("kWh del", 9)], recordings: &mut parts })
    }

    #[test]
    fn restored_recordings_come_in_closed_between_what_was_recorded_and_what_will_be() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        recorded(&mut store, &[record(11), record(12)], &[change()]);
        let parts = vec![
            recording(3),
            Restored::Record(record(1)),
            Restored::Record(record(2)),
            recording(4),
            recording(5),
            Restored::Record(record(4)),
        ];
        assert_eq!(restored(&mut store, parts).unwrap(), Committed::ScrubPending);
        store.scrub().unwrap();
        recorded(&mut store, &[record(13)], &[]);
        drop(store);
        let store = bed.again();
        let found: Vec<_> = store.recordings(METER).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.epoch, it.first, it.next, it.closed_utc_ms)).collect();
        assert_eq!(found, [(1, 1, 3, Some(100)), (2, 3, 5, Some(3)), (3, 5, 6, Some(5)), (4, 6, 7, None)]);
        let times = |epoch| -> Vec<i64> {
            let records = store.interval_records(METER, 1, epoch, 0, 10).unwrap();
            records.iter().map(|record| record.utc_ms).collect()
        };
        assert_eq!([times(1), times(2), times(3), times(4)], [vec![11, 12], vec![1, 2], vec![4], vec![13]]);
        let state = store.load(METER).unwrap();
        assert_eq!((state.energies["kWh del"], state.active.credentials.len()), (9, 1));
    }

    #[test]
    fn b26_a_restore_that_fails_in_the_middle_changes_nothing() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        recorded(&mut store, &[record(11)], &[change()]);
        let before = (store.recordings(METER).unwrap(), store.load(METER).unwrap().energies);
        let wide = NewIntervalRecord { values: vec![0.0; MAX_RECORD_VALUES + 1], ..record(2) };
        let stranger = Restored::Recording {
            recorder: 2,
            definition: String::new(),
            depth: 1,
            opened_utc_ms: 0,
            closed_utc_ms: 0,
        };
        for parts in [
            vec![recording(3), Restored::Record(record(1)), Restored::Record(wide)],
            vec![Restored::Record(record(1))],
            vec![stranger],
        ] {
            assert!(restored(&mut store, parts).is_err());
            assert_eq!((store.recordings(METER).unwrap(), store.load(METER).unwrap().energies), before);
        }
        assert!(store.load(METER).unwrap().active.credentials.is_empty());
    }

    #[test]
    fn a_lost_key_has_a_successor_too() {
        let bed = Testbed::new();
        drop(bed.born(&[]));
        std::fs::remove_file(bed.path.join("device.key")).unwrap();
        let mut store = bed.again();
        assert!(matches!(store.device_key(), DeviceKey::Lost(_)));
        store.put_device_key_beside(&[7; DEVICE_KEY_BYTES]).unwrap();
        assert_eq!(store.device_key_beside().unwrap().unwrap().expose(), [7; DEVICE_KEY_BYTES]);
        assert!(matches!(store.device_key(), DeviceKey::Lost(_)), "beside, it counts for nothing");
        store.take_device_key_beside().unwrap();
        assert!(matches!(store.device_key(), DeviceKey::Present(key) if key.expose() == [7; DEVICE_KEY_BYTES]));
        assert!(store.device_key_beside().unwrap().is_none());
    }
}
