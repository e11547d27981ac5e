//! What changes in everyday life: ticks, settings, credentials, device state. Each call is one commit.
//!
//! A change of credentials marks the meter in the same transaction, so that erasing the old ones can't be forgotten by
//! a power cut. It must never write settings while a version change waits to be confirmed.

use rusqlite::{Transaction, params};

use crate::chain::Writing;
use crate::error::{During, StoreError};
use crate::events::{self, EventBatch};
use crate::load::TrustedKey;
use crate::recordings::{self, RecorderBatch, RecordingChange};
use crate::secret::Secret;
use crate::store::{
    MAX_CREDENTIALS, MAX_RECORDS, MAX_STORED_SECRET, MAX_TRUSTED_KEYS, MeterId, Store, active_slot, bound,
    bound_document, bound_name, bound_rows, is_there,
};

/// What is stored of one account's password.
#[derive(Clone)]
pub struct Credential {
    /// `USER1` … `USER16` or `8650`; the rooms above decide.
    pub account: String,
    /// Its stored form, as the vault made it.
    pub stored: Secret,
}

/// A change of one account's credential.
#[derive(Clone)]
pub enum CredentialChange {
    /// Replaces what was stored, or adds it.
    Set(Credential),
    /// Removes what was stored of this account.
    Remove(String),
}

/// One meter's part of a tick.
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// Whose.
    pub meter: MeterId,
    /// Energy registers and their new values, in the unit of the room that counts them.
    pub energies: &'a [(&'a str, i64)],
    /// Records (clock, up-time, demand…) by key, as JSON.
    pub records: &'a [(&'a str, &'a str)],
    /// What recorders have recorded.
    pub recorders: RecorderBatch<'a>,
    /// What happened.
    pub events: EventBatch<'a>,
}

impl<'a> Tick<'a> {
    /// Of this meter, with these events and nothing else. What was stored with them is said beside.
    pub fn of(meter: MeterId, events: EventBatch<'a>) -> Self {
        Self { meter, energies: &[], records: &[], recorders: RecorderBatch::NONE, events }
    }
}

/// A change of settings as the gate accepted it.
#[derive(Clone, Copy, Default)]
pub struct SettingsChange<'a> {
    /// The whole settings, if they changed.
    pub settings: Option<&'a str>,
    /// Credentials that changed.
    pub credentials: &'a [CredentialChange],
    /// Records that changed with it.
    pub records: &'a [(&'a str, &'a str)],
    /// Recordings that are closed and opened with it.
    pub recordings: &'a [RecordingChange<'a>],
    /// The events that tell of it.
    pub events: EventBatch<'a>,
}

/// A change of what outlives every release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// Oldest release accepted; none lifts the floor.
    Floor(Option<String>),
    /// Trusts a key, or replaces the one of that name.
    Trust(TrustedKey),
    /// Trusts the key of this name no more.
    Revoke(String),
}

/// What is left to do after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "old secrets are still in the journal until `Store::scrub`"]
pub enum Committed {
    /// Nothing; report it.
    Done,
    /// Call [`Store::scrub`] before reporting the change.
    ScrubPending,
}

impl Store {
    /// Writes the ticks of all meters in one commit. On the disk when it returns: only then may a reader see it.
    pub fn tick(&mut self, ticks: &[Tick<'_>]) -> Result<(), StoreError> {
        self.transact_on_reserve(|transaction| {
            for tick in ticks {
                if !is_there(transaction, tick.meter)? {
                    return Err(StoreError::NoSuchMeter(tick.meter));
                }
                put_energies(transaction, tick.meter, tick.energies)?;
                put_records(transaction, tick.meter, tick.records)?;
                recordings::append(transaction, tick.meter, tick.recorders)?;
                events::append(transaction, tick.meter, tick.events)?;
            }
            Ok(())
        })
    }

    /// Writes an accepted change, whole. Refused while a version change waits to be confirmed.
    pub fn commit_settings(&mut self, meter: MeterId, change: &SettingsChange<'_>) -> Result<Committed, StoreError> {
        self.transact_on_reserve(|writing| {
            write_settings(writing, meter, change, || recordings::change(writing, meter, change.recordings))
        })
    }

    /// Changes what outlives every release, with the records that go with it and the events that tell of it.
    pub fn commit_device(
        &mut self,
        meter: MeterId,
        changes: &[DeviceChange],
        records: &[(&str, &str)],
        events: EventBatch<'_>,
    ) -> Result<(), StoreError> {
        self.transact(|transaction| {
            if !is_there(transaction, meter)? {
                return Err(StoreError::NoSuchMeter(meter));
            }
            change_device(transaction, meter, changes)?;
            put_records(transaction, meter, records)?;
            events::append(transaction, meter, events)
        })
    }
}

pub(crate) fn change_device(
    transaction: &Transaction<'_>,
    meter: MeterId,
    changes: &[DeviceChange],
) -> Result<(), StoreError> {
    let doing = "writing device state";
    for change in changes {
        match change {
            DeviceChange::Floor(floor) => {
                floor.as_deref().map_or(Ok(()), bound_name)?;
                transaction
                    .execute("UPDATE meter SET floor = ?2 WHERE meter = ?1", params![meter.0, floor])
                    .during(doing)?;
            }
            DeviceChange::Trust(key) => trust(transaction, meter, key)?,
            DeviceChange::Revoke(name) => {
                transaction
                    .execute("DELETE FROM trust WHERE meter = ?1 AND name = ?2", params![meter.0, name])
                    .during(doing)?;
            }
        }
    }
    Ok(())
}

/// Writes a change of settings inside a transaction; what becomes of recordings is the caller's.
pub(crate) fn write_settings(
    writing: &Writing<'_>,
    meter: MeterId,
    change: &SettingsChange<'_>,
    recordings: impl FnOnce() -> Result<(), StoreError>,
) -> Result<Committed, StoreError> {
    let (slot, trial) = active_slot(writing, meter)?;
    if trial {
        return Err(StoreError::TrialPending);
    }
    if let Some(settings) = change.settings {
        bound_document(settings)?;
        writing
            .prepare_cached("UPDATE slot SET settings = ?3 WHERE meter = ?1 AND slot = ?2")
            .and_then(|mut statement| statement.execute(params![meter.0, slot, settings]))
            .during("writing settings")?;
    }
    for credential in change.credentials {
        match credential {
            CredentialChange::Set(credential) => put_credential(writing, meter, &slot, credential)?,
            CredentialChange::Remove(account) => remove_credential(writing, meter, &slot, account)?,
        }
    }
    put_records(writing, meter, change.records)?;
    recordings()?;
    events::append(writing, meter, change.events)?;
    if change.credentials.is_empty() {
        return Ok(Committed::Done);
    }
    mark_for_scrub(writing, meter)?;
    Ok(Committed::ScrubPending)
}

pub(crate) fn put_energies(
    transaction: &Transaction<'_>,
    meter: MeterId,
    energies: &[(&str, i64)],
) -> Result<(), StoreError> {
    let doing = "saving energies";
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO energy (meter, register, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (meter, register) DO UPDATE SET value = excluded.value",
        )
        .during(doing)?;
    for (register, value) in energies {
        bound_name(register)?;
        statement.execute(params![meter.0, register, value]).during(doing)?;
    }
    bound_rows(
        transaction,
        "SELECT count(*) FROM energy WHERE meter = ?1",
        [meter.0],
        MAX_RECORDS,
        "the number of energy registers",
    )
}

pub(crate) fn put_records(
    transaction: &Transaction<'_>,
    meter: MeterId,
    records: &[(&str, &str)],
) -> Result<(), StoreError> {
    let doing = "saving records";
    if records.is_empty() {
        return Ok(());
    }
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO record (meter, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (meter, key) DO UPDATE SET value = excluded.value",
        )
        .during(doing)?;
    for (key, value) in records {
        bound_name(key)?;
        bound_document(value)?;
        statement.execute(params![meter.0, key, value]).during(doing)?;
    }
    bound_rows(
        transaction,
        "SELECT count(*) FROM record WHERE meter = ?1",
        [meter.0],
        MAX_RECORDS,
        "the number of records",
    )
}

pub(crate) fn put_credential(
    transaction: &Transaction<'_>,
    meter: MeterId,
    slot: &str,
    credential: &Credential,
) -> Result<(), StoreError> {
    bound_name(&credential.account)?;
    bound(credential.stored.expose(), MAX_STORED_SECRET, "a stored credential (bytes)")?;
    transaction
        .prepare_cached(
            "INSERT INTO credential (meter, slot, account, stored) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (meter, slot, account) DO UPDATE SET stored = excluded.stored",
        )
        .and_then(|mut statement| {
            statement.execute(params![meter.0, slot, credential.account, credential.stored.expose()])
        })
        .during("writing credentials")?;
    bound_rows(
        transaction,
        "SELECT count(*) FROM credential WHERE meter = ?1 AND slot = ?2",
        params![meter.0, slot],
        MAX_CREDENTIALS,
        "the number of credentials",
    )
}

fn remove_credential(
    transaction: &Transaction<'_>,
    meter: MeterId,
    slot: &str,
    account: &str,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM credential WHERE meter = ?1 AND slot = ?2 AND account = ?3")
        .and_then(|mut statement| statement.execute(params![meter.0, slot, account]))
        .during("removing credentials")
        .map(drop)
}

pub(crate) fn trust(transaction: &Transaction<'_>, meter: MeterId, key: &TrustedKey) -> Result<(), StoreError> {
    bound_name(&key.name)?;
    bound_name(&key.public_key)?;
    transaction
        .execute(
            "INSERT INTO trust (meter, name, public_key) VALUES (?1, ?2, ?3)
             ON CONFLICT (meter, name) DO UPDATE SET public_key = excluded.public_key",
            params![meter.0, key.name, key.public_key],
        )
        .during("writing the trust list")?;
    bound_rows(
        transaction,
        "SELECT count(*) FROM trust WHERE meter = ?1",
        [meter.0],
        MAX_TRUSTED_KEYS,
        "the number of trusted keys",
    )
}

/// Remembers that old secrets may lie about; `scrub` takes the mark away.
pub(crate) fn mark_for_scrub(transaction: &Transaction<'_>, meter: MeterId) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE meter SET scrub_pending = 1 WHERE meter = ?1")
        .and_then(|mut statement| statement.execute([meter.0]))
        .during("marking old secrets")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{DEPTH, METER, Testbed, credential, event, marked, meter};
    use crate::{Keep, MAX_DOCUMENT, MAX_NAME};

    #[test]
    fn a_tick_of_many_meters_is_there_after_reopening() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let other = MeterId(u32::MAX);
        store.add_meter(other, &meter(&[])).unwrap();
        let happened = [event("one", Keep::Ring)];
        let tick = |meter, energy| Tick {
            meter,
            energies: energy,
            records: &[("last-tick", "1800000000000")],
            recorders: RecorderBatch::NONE,
            events: EventBatch { events: &happened, depth: DEPTH },
        };
        store.tick(&[tick(METER, &[("kWh del", i64::MAX), ("kWh rec", -1)]), tick(other, &[("kWh del", 5)])]).unwrap();
        store.tick(&[tick(other, &[("kWh del", 6)])]).unwrap();
        drop(store);
        let store = bed.again();
        assert_eq!(store.meters().unwrap(), [METER, other]);
        let state = store.load(METER).unwrap();
        assert_eq!(state.energies, [("kWh del".to_owned(), i64::MAX), ("kWh rec".to_owned(), -1)].into());
        assert_eq!(state.records["last-tick"], "1800000000000");
        assert_eq!(store.load(other).unwrap().energies["kWh del"], 6);
        assert_eq!(store.load(other).unwrap().events.next_number, 3);
    }

    #[test]
    fn a_tick_with_one_unknown_meter_changes_nothing() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let tick = |meter| Tick {
            meter,
            energies: &[("kWh del", 1)],
            records: &[],
            recorders: RecorderBatch::NONE,
            events: EventBatch::NONE,
        };
        let refused = store.tick(&[tick(METER), tick(MeterId(9))]);
        assert!(matches!(refused, Err(StoreError::NoSuchMeter(MeterId(9)))));
        assert!(store.load(METER).unwrap().energies.is_empty());
    }

    #[test]
    fn settings_credentials_records_and_events_change_together_or_not_at_all() {
        let bed = Testbed::new();
        let mut store = bed.born(&[credential("USER1", marked(1, 8)), credential("USER2", marked(2, 8))]);
        let happened = [event("users", Keep::Always)];
        let credentials =
            [CredentialChange::Remove("USER1".into()), CredentialChange::Set(credential("USER3", marked(3, 8)))];
        let mut change = SettingsChange {
            settings: Some("{}"),
            credentials: &credentials,
            records: &[("epoch", "2")],
            recordings: &[],
            events: EventBatch { events: &happened, depth: 0 },
        };
        assert_eq!(store.commit_settings(METER, &change).unwrap(), Committed::ScrubPending);
        let state = store.load(METER).unwrap();
        let accounts: Vec<_> = state.active.credentials.iter().map(|c| c.account.as_str()).collect();
        assert_eq!((state.active.settings.as_str(), accounts), ("{}", vec!["USER2", "USER3"]));
        assert_eq!((state.records["epoch"].as_str(), state.events.next_number), ("2", 2));

        let long = "k".repeat(MAX_NAME + 1);
        let records = [(long.as_str(), "3")];
        change.settings = Some("[]");
        change.records = &records;
        assert!(matches!(store.commit_settings(METER, &change), Err(StoreError::TooLarge { .. })));
        let after = store.load(METER).unwrap();
        assert_eq!((after.active.settings, after.events.next_number), ("{}".to_owned(), 2));

        let plain = SettingsChange { settings: Some("[]"), ..SettingsChange::default() };
        assert_eq!(store.commit_settings(METER, &plain).unwrap(), Committed::Done);
        assert!(matches!(store.commit_settings(MeterId(4), &plain), Err(StoreError::NoSuchMeter(MeterId(4)))));
    }

    #[test]
    fn everything_has_a_bound() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let huge = "x".repeat(MAX_DOCUMENT + 1);
        let refused = store.commit_settings(METER, &SettingsChange { settings: Some(&huge), ..Default::default() });
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
        let many: Vec<_> = (0..=MAX_CREDENTIALS)
            .map(|n| CredentialChange::Set(credential(&format!("USER{n}"), marked(0, 8))))
            .collect();
        let change = |credentials| SettingsChange { credentials, ..SettingsChange::default() };
        assert!(matches!(store.commit_settings(METER, &change(&many)), Err(StoreError::TooLarge { .. })));
        assert!(store.commit_settings(METER, &change(&many[1..])).is_ok());
        let names: Vec<_> = (0..=MAX_RECORDS).map(|n| n.to_string()).collect();
        let records: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let energies: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let tick = |energies, records| {
            [Tick { meter: METER, energies, records, recorders: RecorderBatch::NONE, events: EventBatch::NONE }]
        };
        assert!(matches!(store.tick(&tick(&energies, &[])), Err(StoreError::TooLarge { .. })));
        assert!(matches!(store.tick(&tick(&[], &records)), Err(StoreError::TooLarge { .. })));
        assert!(store.tick(&tick(&energies[1..], &records[1..])).is_ok());
        for n in 0..=MAX_TRUSTED_KEYS {
            let key = TrustedKey { name: n.to_string(), public_key: "k".into() };
            let trusted = store.commit_device(METER, &[DeviceChange::Trust(key)], &[], EventBatch::NONE);
            assert_eq!(trusted.is_ok(), n < MAX_TRUSTED_KEYS);
        }
    }

    #[test]
    fn device_state_outlives_reopening() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let key = |public_key: &str| TrustedKey { name: "works".into(), public_key: public_key.into() };
        let happened = [event("trust", Keep::Always)];
        let batch = EventBatch { events: &happened, depth: DEPTH };
        for change in [
            DeviceChange::Trust(key("old")),
            DeviceChange::Trust(key("new")),
            DeviceChange::Floor(Some("4.40.1".into())),
        ] {
            store.commit_device(METER, &[change], &[], batch).unwrap();
        }
        drop(store);
        let mut store = bed.again();
        let state = store.load(METER).unwrap();
        assert_eq!((state.trust, state.floor.as_deref()), (vec![key("new")], Some("4.40.1")));
        assert_eq!(state.events.next_number, 4);
        let both = [DeviceChange::Revoke("works".into()), DeviceChange::Floor(None)];
        store.commit_device(METER, &both, &[("revoked", "[]")], batch).unwrap();
        let state = store.load(METER).unwrap();
        assert_eq!((state.trust, state.floor), (vec![], None));
        let unknown = store.commit_device(MeterId(3), &[DeviceChange::Floor(None)], &[], batch);
        assert!(matches!(unknown, Err(StoreError::NoSuchMeter(_))));
    }

    #[test]
    fn a_full_disk_is_its_own_error_and_changes_nothing() {
        let bed = Testbed::new();
        let mut store = bed.born(&[credential("USER1", marked(1, 8))]);
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages).unwrap();
        let large = "x".repeat(100_000);
        let change = SettingsChange { settings: Some(&large), ..SettingsChange::default() };
        let refused = store.commit_settings(METER, &change).err().unwrap();
        assert!(matches!(refused, StoreError::Full(_)), "{refused}");
        assert!(refused.to_string().contains("free some space, nothing was changed"));
        assert_eq!(store.load(METER).unwrap().active.settings, r#"{"mode":"standard"}"#);
        store.connection.pragma_update(None, "max_page_count", i64::from(u32::MAX - 1)).unwrap();
        assert_eq!(store.commit_settings(METER, &change).unwrap(), Committed::Done);
    }
}
