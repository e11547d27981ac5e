//! One open state: the connection, the lock, and the rules that every write keeps.
//!
//! A write is one transaction and one sync: it is on the disk when it returns, or nothing of it is. There is one
//! writer, `&mut Store`; whoever holds it decides what is written when. It must never let an unbounded text in.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Params, Transaction, TransactionBehavior, params};

use crate::backups::{self, BackupInbox};
use crate::chain::{Chain, Writing};
use crate::change::{self, Credential};
use crate::error::{During, StoreError};
use crate::events::{self, EventBatch};
use crate::load::TrustedKey;
use crate::packages::{self, PackageId, PackageInbox};
use crate::reserve::Room;
use crate::schema;
use crate::state_dir::{DeviceKey, StateDir};

/// Largest settings, change report or record, in bytes. A full template is about 200 kB.
pub const MAX_DOCUMENT: usize = 8 * 1024 * 1024;
/// Largest name (account, register, key, serial, release) and public key, in bytes.
pub const MAX_NAME: usize = 256;
/// Largest stored form of a credential, in bytes. An Argon2id PHC string is about 100.
pub const MAX_STORED_SECRET: usize = 1024;
/// Credentials of one slot: sixteen users, the front panel, and room.
pub const MAX_CREDENTIALS: usize = 64;
/// Energy registers, and likewise records, of one meter.
pub const MAX_RECORDS: usize = 4096;
/// Keys that a meter trusts to sign packages.
pub const MAX_TRUSTED_KEYS: usize = 64;

/// Which meter of a file. A file may hold thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId(pub u32);

impl MeterId {
    /// The meter of a file that holds one.
    pub const ONLY: Self = Self(1);
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a meter is born with.
#[derive(Clone, Copy)]
pub struct NewMeter<'a> {
    /// Serial number, as on the plate.
    pub serial: &'a str,
    /// When it was made.
    pub created_utc_ms: i64,
    /// Release, settings and credentials as made.
    pub slot: NewSlot<'a>,
    /// Oldest release it accepts.
    pub floor: Option<&'a str>,
    /// Keys it trusts to sign packages.
    pub trust: &'a [TrustedKey],
    /// First records, key and JSON.
    pub records: &'a [(&'a str, &'a str)],
    /// First events.
    pub events: EventBatch<'a>,
}

/// What a release runs with: all that a version change replaces at once.
#[derive(Clone, Copy)]
pub struct NewSlot<'a> {
    /// Firmware version.
    pub release: &'a str,
    /// Canonical JSON that the rooms above own. Holds no secret.
    pub settings: &'a str,
    /// Every credential, complete: nothing comes over from the old slot by itself.
    pub credentials: &'a [Credential],
    /// The package it came in; none for a release built into the program.
    pub package: Option<&'a PackageId>,
}

/// An open state. Dropping it closes the database and lets the lock go.
pub struct Store {
    // The order of dropping: first the database, then the lock.
    pub(crate) connection: Connection,
    pub(crate) dir: StateDir,
    pub(crate) device_key: DeviceKey,
    /// What seals the event log.
    pub(crate) chain: Option<Box<dyn Chain>>,
    pub(crate) inbox: PackageInbox,
    pub(crate) backups: BackupInbox,
    pub(crate) document_bytes: u64,
    pub(crate) room: Room,
}

impl Store {
    pub(crate) fn new(
        connection: Connection,
        dir: StateDir,
        device_key: DeviceKey,
        chain: Option<Box<dyn Chain>>,
        document_bytes: u64,
        reserve_bytes: u64,
    ) -> Result<Self, StoreError> {
        let room = Room::of(&dir, reserve_bytes);
        let (inbox, backups) = (packages::inbox(&dir, room.clone()), backups::inbox(&dir, room.clone()));
        let store = Self { connection, dir, device_key, chain, inbox, backups, document_bytes, room };
        store.sweep_packages()?;
        Ok(store)
    }

    /// The directory and the keys in it.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The secret that keys the password hashes, or why there is none.
    pub fn device_key(&self) -> &DeviceKey {
        &self.device_key
    }

    /// The meters in this file, in order.
    pub fn meters(&self) -> Result<Vec<MeterId>, StoreError> {
        let doing = "listing the meters";
        let mut statement = self.connection.prepare_cached("SELECT meter FROM meter ORDER BY meter").during(doing)?;
        let rows = statement.query_map([], |row| row.get(0).map(MeterId)).during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }

    /// Adds a meter to a file that has one already, in one transaction.
    pub fn add_meter(&mut self, meter: MeterId, new: &NewMeter<'_>) -> Result<(), StoreError> {
        let dir = &self.dir;
        if let Some(package) = new.slot.package {
            packages::require(dir, package)?;
        }
        transact(&mut self.connection, self.chain.as_deref(), |writing| insert_meter(writing, meter, new))
    }

    pub(crate) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        transact(&mut self.connection, self.chain.as_deref(), work)
    }

    /// The same for what must be stored even when the disk is full: the reserve is given up for it, and it is tried again
    /// at once.
    pub(crate) fn transact_on_reserve<T>(
        &mut self,
        work: impl Fn(&Writing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.transact(&work) {
            Err(full @ StoreError::Full(_)) => {
                // That it couldn't be given up is no news: the disk is full either way.
                if self.room.give_up().unwrap_or(false) { self.transact(work) } else { Err(full) }
            }
            done => done,
        }
    }
}

/// One transaction: all of `work` or nothing.
fn transact<T>(
    connection: &mut Connection,
    chain: Option<&dyn Chain>,
    work: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let doing = "committing";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(doing)?;
    let done = work(&Writing { transaction: &transaction, chain })?;
    match transaction.commit().during(doing) {
        Ok(()) => Ok(done),
        Err(e) => {
            // The journal may hold pieces of what was refused, new secrets among them; opening tries again.
            let _ = schema::cut_journal(connection);
            Err(e)
        }
    }
}

pub(crate) fn insert_meter(transaction: &Writing<'_>, meter: MeterId, new: &NewMeter<'_>) -> Result<(), StoreError> {
    let doing = "adding a meter";
    if is_there(transaction, meter)? {
        return Err(StoreError::MeterExists(meter));
    }
    bound_name(new.serial)?;
    if let Some(floor) = new.floor {
        bound_name(floor)?;
    }
    transaction
        .execute(
            "INSERT INTO meter (meter, serial, created_utc_ms, floor, active, trial, scrub_pending, next_event)
             VALUES (?1, ?2, ?3, ?4, 'A', 0, 0, 1)",
            params![meter.0, new.serial, new.created_utc_ms, new.floor],
        )
        .during(doing)?;
    insert_slot(transaction, meter, "A", &new.slot)?;
    for key in new.trust {
        change::trust(transaction, meter, key)?;
    }
    change::put_records(transaction, meter, new.records)?;
    events::append(transaction, meter, new.events)
}

/// Writes a slot that isn't there, with its credentials.
pub(crate) fn insert_slot(
    transaction: &Transaction<'_>,
    meter: MeterId,
    slot: &str,
    new: &NewSlot<'_>,
) -> Result<(), StoreError> {
    let doing = "writing settings";
    bound_name(new.release)?;
    bound_document(new.settings)?;
    transaction
        .prepare_cached("INSERT INTO slot (meter, slot, release, settings, package) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut statement| {
            statement.execute(params![meter.0, slot, new.release, new.settings, new.package.map(PackageId::as_str)])
        })
        .during(doing)?;
    for credential in new.credentials {
        change::put_credential(transaction, meter, slot, credential)?;
    }
    Ok(())
}

pub(crate) fn is_there(connection: &Connection, meter: MeterId) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM meter WHERE meter = ?1")
        .and_then(|mut statement| statement.query_row([meter.0], |_| Ok(())).optional())
        .during("looking for a meter")
        .map(|row| row.is_some())
}

/// The slot that counts, and whether it is on trial.
pub(crate) fn active_slot(connection: &Connection, meter: MeterId) -> Result<(String, bool), StoreError> {
    connection
        .prepare_cached("SELECT active, trial FROM meter WHERE meter = ?1")
        .and_then(|mut statement| statement.query_row([meter.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .during("looking for a meter")?
        .ok_or(StoreError::NoSuchMeter(meter))
}

pub(crate) fn bound_name(text: &str) -> Result<(), StoreError> {
    bound(text, MAX_NAME, "a name (bytes)")
}

pub(crate) fn bound_document(text: &str) -> Result<(), StoreError> {
    bound(text, MAX_DOCUMENT, "a document (bytes)")
}

pub(crate) fn bound(text: &str, limit: usize, what: &'static str) -> Result<(), StoreError> {
    if text.len() > limit { Err(StoreError::TooLarge { what, limit: limit as u64 }) } else { Ok(()) }
}

/// Refuses when there are more than `limit` rows; counted after writing, so the commit never happens.
pub(crate) fn bound_rows(
    transaction: &Transaction<'_>,
    count: &'static str,
    of: impl Params,
    limit: usize,
    what: &'static str,
) -> Result<(), StoreError> {
    let rows: i64 = transaction
        .prepare_cached(count)
        .and_then(|mut statement| statement.query_row(of, |row| row.get(0)))
        .during("counting")?;
    if rows > limit as i64 { Err(StoreError::TooLarge { what, limit: limit as u64 }) } else { Ok(()) }
}
