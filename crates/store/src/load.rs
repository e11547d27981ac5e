//! A meter as it stands on the disk, read whole at start.
//!
//! A meter on trial says so: a start with `trial` set means that the power went before the change was confirmed, and
//! whoever boots takes it back. Nothing here changes anything.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use crate::change::Credential;
use crate::error::{During, StoreError};
use crate::events;
use crate::packages::PackageId;
use crate::secret::Secret;
use crate::store::{MeterId, Store};

/// What a meter is and has.
#[derive(Clone)]
pub struct MeterState {
    /// Serial number.
    pub serial: String,
    /// When it was made.
    pub created_utc_ms: i64,
    /// What it runs with, on trial or not.
    pub active: SlotState,
    /// Set from beginning a version change until it is confirmed or reverted.
    pub trial: Option<Trial>,
    /// The report of the last version change, JSON of the rooms above.
    pub change_report: Option<String>,
    /// Old secrets may still lie about: call [`Store::scrub`].
    pub scrub_pending: bool,
    /// Energy registers.
    pub energies: BTreeMap<String, i64>,
    /// Records by key, JSON.
    pub records: BTreeMap<String, String>,
    /// Oldest release accepted.
    pub floor: Option<String>,
    /// Keys trusted to sign packages, by name.
    pub trust: Vec<TrustedKey>,
    /// Where the event log goes on.
    pub events: EventHead,
}

/// What a release runs with.
#[derive(Clone)]
pub struct SlotState {
    /// Firmware version.
    pub release: String,
    /// Settings, as they were written.
    pub settings: String,
    /// Credentials, by account.
    pub credentials: Vec<Credential>,
    /// The package it came in; none for a release built into the program.
    pub package: Option<PackageId>,
}

/// A version change that isn't confirmed.
#[derive(Clone)]
pub struct Trial {
    /// What reverting goes back to.
    pub previous: SlotState,
}

/// A public key that the meter takes packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// What people call it; unique in a meter.
    pub name: String,
    /// The key, as the rooms above write it.
    pub public_key: String,
}

/// Where the event log goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHead {
    /// The number the next event gets.
    pub next_number: u64,
    /// Chain value of the newest event.
    pub chain: Option<Vec<u8>>,
}

impl Store {
    /// One record of a meter; none where there is none of that key.
    pub fn record(&self, meter: MeterId, key: &str) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT value FROM record WHERE meter = ?1 AND key = ?2")
            .and_then(|mut statement| statement.query_row(params![meter.0, key], |row| row.get(0)).optional())
            .during("reading a record")
    }

    /// Reads a meter whole.
    pub fn load(&self, meter: MeterId) -> Result<MeterState, StoreError> {
        let doing = "reading the meter";
        let (serial, created_utc_ms, floor, active, trial, scrub_pending) = self
            .connection
            .query_row(
                "SELECT serial, created_utc_ms, floor, active, trial, scrub_pending FROM meter WHERE meter = ?1",
                [meter.0],
                |row| {
                    let active: String = row.get(3)?;
                    let trial: bool = row.get(4)?;
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, active, trial, row.get(5)?))
                },
            )
            .optional()
            .during(doing)?
            .ok_or(StoreError::NoSuchMeter(meter))?;
        let previous = if active == "A" { "B" } else { "A" };
        let trial = if trial { Some(Trial { previous: self.load_slot(meter, previous)? }) } else { None };
        let change_report = self
            .connection
            .query_row("SELECT report FROM change_report WHERE meter = ?1", [meter.0], |row| row.get(0))
            .optional()
            .during(doing)?;
        let chain = self
            .connection
            .query_row("SELECT chain FROM event WHERE meter = ?1 ORDER BY number DESC LIMIT 1", [meter.0], |row| {
                row.get(0)
            })
            .optional()
            .during(doing)?
            .flatten();
        Ok(MeterState {
            serial,
            created_utc_ms,
            active: self.load_slot(meter, &active)?,
            trial,
            change_report,
            scrub_pending,
            energies: self.pairs(meter, "SELECT register, value FROM energy WHERE meter = ?1")?,
            records: self.pairs(meter, "SELECT key, value FROM record WHERE meter = ?1")?,
            floor,
            trust: self
                .pairs(meter, "SELECT name, public_key FROM trust WHERE meter = ?1")?
                .into_iter()
                .map(|(name, public_key)| TrustedKey { name, public_key })
                .collect(),
            events: EventHead { next_number: events::next_number(&self.connection, meter)?, chain },
        })
    }

    /// The number that a meter's next event gets.
    pub fn next_event(&self, meter: MeterId) -> Result<u64, StoreError> {
        events::next_number(&self.connection, meter)
    }

    fn load_slot(&self, meter: MeterId, slot: &str) -> Result<SlotState, StoreError> {
        let doing = "reading settings";
        let (release, settings, package) = self
            .connection
            .query_row(
                "SELECT release, settings, package FROM slot WHERE meter = ?1 AND slot = ?2",
                params![meter.0, slot],
                |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?)),
            )
            .during(doing)?;
        let package = match package {
            Some(id) => Some(
                PackageId::parse(&id).map_err(|_| StoreError::Damaged(format!("{doing}: a package has no name")))?,
            ),
            None => None,
        };
        let mut statement = self
            .connection
            .prepare("SELECT account, stored FROM credential WHERE meter = ?1 AND slot = ?2 ORDER BY account")
            .during(doing)?;
        let rows = statement
            .query_map(params![meter.0, slot], |row| {
                Ok(Credential { account: row.get(0)?, stored: Secret::new(row.get(1)?) })
            })
            .during(doing)?;
        let credentials = rows.collect::<Result<_, _>>().during(doing)?;
        Ok(SlotState { release, settings, credentials, package })
    }

    fn pairs<V: rusqlite::types::FromSql>(
        &self,
        meter: MeterId,
        query: &str,
    ) -> Result<BTreeMap<String, V>, StoreError> {
        let doing = "reading the meter";
        let mut statement = self.connection.prepare(query).during(doing)?;
        let rows = statement.query_map([meter.0], |row| Ok((row.get(0)?, row.get(1)?))).during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }
}
