//! Opening a state directory: a meter that continues, or a blank one that is about to be born.
//!
//! A blank has its lock and its device key and waits for its first settings; the meter exists when these are
//! committed, not before. It must never make a meter by accident.

use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::packages;
use crate::schema;
use crate::state_dir::{Contents, DATABASE, DeviceKey, StateDir};
use crate::store::{MeterId, NewMeter, Store, insert_meter};

/// How to open.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Where the device key is; `device.key` in the directory if left out.
    pub device_key: Option<PathBuf>,
    /// Whether a directory that is empty or missing may become a meter's.
    pub create: bool,
}

/// What opening found.
pub enum Opened {
    /// No meter yet.
    New(Blank),
    /// A meter that continues.
    Existing(Box<Store>),
}

/// A state directory that is held and has its keys, but no meter yet.
pub struct Blank {
    dir: StateDir,
    device_key: DeviceKey,
}

impl Store {
    /// Opens a state directory and holds it until dropped. Refuses, each in a sentence: one that another process holds,
    /// one with other files, a foreign, a newer and a damaged database.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<Opened, StoreError> {
        let (dir, contents) = StateDir::open(dir, options.device_key.as_deref(), options.create)?;
        match contents {
            Contents::Meter => {
                let connection = schema::open(&dir.join(DATABASE))?;
                let device_key = dir.read_device_key();
                Self::new(connection, dir, device_key).map(|store| Opened::Existing(Box::new(store)))
            }
            Contents::Unborn => {
                let device_key = DeviceKey::Present(dir.make_device_key()?);
                Ok(Opened::New(Blank { dir, device_key }))
            }
        }
    }
}

impl Blank {
    /// The directory and the keys in it; write keys before [`Blank::create`].
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The secret that keys the password hashes; a blank has always one.
    pub fn device_key(&self) -> &DeviceKey {
        &self.device_key
    }

    /// Makes the meter with its first settings. A power cut before this returns leaves a blank or a whole meter.
    pub fn create(self, meter: MeterId, new: &NewMeter<'_>) -> Result<Store, StoreError> {
        if let Some(package) = new.slot.package {
            packages::require(&self.dir, package)?;
        }
        let connection = schema::create(&self.dir, |transaction| insert_meter(transaction, meter, new))?;
        Store::new(connection, self.dir, self.device_key)
    }
}
