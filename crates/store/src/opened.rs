//! Opening a state directory: a meter that continues, or a blank one that is about to be born.
//!
//! A blank has its lock and its device key and waits for its first settings; the meter exists when these are
//! committed, not before. It must never make a meter by accident.

use std::path::{Path, PathBuf};

use crate::chain::{Chain, Writing};
use crate::documents::MAX_DOCUMENT_BYTES;
use crate::error::StoreError;
use crate::packages;
use crate::reserve::room_for_a_meter;
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
    /// Bytes that the documents may take, if not [`MAX_DOCUMENT_BYTES`]: transfers are measured with larger ones.
    pub document_bytes: Option<u64>,
    /// Bytes of the reserve that is given up when the disk is full ([`RESERVE_BYTES`](crate::RESERVE_BYTES)); none is
    /// kept if 0.
    pub reserve_bytes: u64,
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
    chain: Option<Box<dyn Chain>>,
    document_bytes: u64,
    reserve_bytes: u64,
}

impl Store {
    /// Opens a state directory and holds it until dropped. Refuses, each in a sentence: one that another process holds,
    /// one with other files, a foreign, a newer and a damaged database.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<Opened, StoreError> {
        let document_bytes = options.document_bytes.unwrap_or(MAX_DOCUMENT_BYTES);
        let reserve_bytes = options.reserve_bytes;
        if options.create && !dir.join(DATABASE).exists() {
            room_for_a_meter(dir, reserve_bytes)?;
        }
        let (dir, contents) = StateDir::open(dir, options.device_key.as_deref(), options.create)?;
        match contents {
            Contents::Meter => {
                let connection = schema::open(&dir.join(DATABASE))?;
                let device_key = dir.read_device_key();
                Self::new(connection, dir, device_key, None, document_bytes, reserve_bytes)
                    .map(|store| Opened::Existing(Box::new(store)))
            }
            Contents::Unborn => {
                let device_key = DeviceKey::Present(dir.make_device_key()?);
                Ok(Opened::New(Blank { dir, device_key, chain: None, document_bytes, reserve_bytes }))
            }
        }
    }
}

impl Opened {
    /// The directory that is held.
    pub fn dir(&self) -> &StateDir {
        match self {
            Self::New(blank) => blank.dir(),
            Self::Existing(store) => store.dir(),
        }
    }
}

impl Blank {
    /// The directory and the device key in it.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The secret that keys the password hashes; a blank has always one.
    pub fn device_key(&self) -> &DeviceKey {
        &self.device_key
    }

    /// The meter's events are sealed with this, from the first one on.
    pub fn seal_with(&mut self, chain: Box<dyn Chain>) {
        self.chain = Some(chain);
    }

    /// Makes the meter with its first settings. A power cut before this returns leaves a blank or a whole meter.
    pub fn create(self, meter: MeterId, new: &NewMeter<'_>) -> Result<Store, StoreError> {
        if let Some(package) = new.slot.package {
            packages::require(&self.dir, package)?;
        }
        let connection = schema::create(&self.dir, |transaction| {
            insert_meter(&Writing { transaction, chain: self.chain.as_deref() }, meter, new)
        })?;
        Store::new(connection, self.dir, self.device_key, self.chain, self.document_bytes, self.reserve_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;
    use crate::testbed::{METER, Testbed, credential, marked, meter};
    use crate::{DeviceFile, EventBatch, NewSlot, PackageId, RecorderBatch, Tick};

    #[test]
    fn a_meter_is_born_private_and_continues() {
        let bed = Testbed::new();
        let Opened::New(blank) = bed.open().unwrap() else { panic!("there was a meter") };
        blank.dir().device_files().write_once(DeviceFile::TlsKey, b"key").unwrap();
        let DeviceKey::Present(key) = blank.device_key() else { panic!("a blank has a key") };
        let key = key.expose().to_vec();
        let store = blank.create(METER, &meter(&[credential("8650", marked(1, 8))])).unwrap();
        let mode = |name: &str| fs::metadata(bed.path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(""), 0o700);
        for name in crate::files::names(&bed.path).unwrap() {
            assert_eq!(mode(&name), 0o600, "{name}");
        }
        drop(store);
        let store = bed.again();
        let state = store.load(METER).unwrap();
        assert_eq!((state.serial.as_str(), state.created_utc_ms), ("MW-2611A001-01", 1_800_000_000_000));
        assert_eq!((state.active.release.as_str(), state.active.credentials.len()), ("4.0.9", 1));
        assert_eq!((state.events.next_number, state.scrub_pending), (1, false));
        assert!(matches!(store.device_key(), DeviceKey::Present(again) if again.expose() == key));
        assert_eq!(store.dir().device_files().read(DeviceFile::TlsKey).unwrap().unwrap().expose(), b"key");
        assert!(matches!(store.load(MeterId(2)), Err(StoreError::NoSuchMeter(_))));
    }

    #[test]
    fn a_blank_that_never_became_a_meter_is_a_blank_again_with_the_same_key() {
        let bed = Testbed::new();
        let Opened::New(blank) = bed.open().unwrap() else { panic!("there was a meter") };
        let DeviceKey::Present(key) = blank.device_key() else { panic!("a blank has a key") };
        let key = key.expose().to_vec();
        let missing = PackageId::of(b"not there");
        let template = meter(&[]);
        let new = NewMeter { slot: NewSlot { package: Some(&missing), ..template.slot }, ..template };
        assert!(matches!(blank.create(METER, &new), Err(StoreError::NoSuchPackage(_))));
        let Opened::New(blank) = bed.open().unwrap() else { panic!("a meter without settings") };
        assert!(matches!(blank.device_key(), DeviceKey::Present(again) if again.expose() == key));
    }

    #[test]
    fn nothing_is_made_unless_asked() {
        let bed = Testbed::new();
        let refused = Store::open(&bed.path, &OpenOptions::default()).err().unwrap();
        assert!(matches!(refused, StoreError::NoMeter(_)));
        assert!(!bed.path.exists());
    }

    #[test]
    fn b29_a_lost_device_key_is_said_and_the_meter_goes_on() {
        let bed = Testbed::new();
        drop(bed.born(&[]));
        fs::remove_file(bed.path.join("device.key")).unwrap();
        let mut store = bed.again();
        assert!(matches!(store.device_key(), DeviceKey::Lost(why) if why.contains("put it back")));
        let tick = Tick {
            meter: METER,
            energies: &[("kWh del", 1)],
            records: &[],
            recorders: RecorderBatch::NONE,
            events: EventBatch::NONE,
        };
        store.tick(&[tick]).unwrap();
        assert!(!bed.path.join("device.key").exists(), "no new key is made under old hashes");
    }

    #[test]
    fn a_number_is_given_once() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        assert!(matches!(store.add_meter(METER, &meter(&[])), Err(StoreError::MeterExists(METER))));
    }

    #[test]
    fn another_program_in_the_database_is_a_sentence() {
        let bed = Testbed::new();
        drop(bed.born(&[]));
        let reader = rusqlite::Connection::open(bed.path.join(DATABASE)).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM meter;").unwrap();
        let refused = bed.open().err().unwrap();
        assert!(matches!(refused, StoreError::DatabaseInUse), "{refused}");
        drop(reader);
        bed.again();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

        /// Broken bytes anywhere, or a file cut short: an error of one line or a value, never a panic.
        #[test]
        fn a_damaged_database_never_panics(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
            cut in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let bed = Testbed::new();
            drop(bed.born(&[credential("8650", marked(1, 900)), credential("USER1", marked(1, 900))]));
            let path = bed.path.join(DATABASE);
            let mut bytes = fs::read(&path).unwrap();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            fs::write(&path, bytes).unwrap();
            let used = bed.open().and_then(|opened| {
                let Opened::Existing(mut store) = opened else { return Ok(()) };
                store.load(METER)?;
                store.events(METER, 0, 10)?;
                store.tick(&[Tick { meter: METER, energies: &[("a", 1)], records: &[], recorders: RecorderBatch::NONE, events: EventBatch::NONE }])?;
                store.scrub().map(drop)
            });
            if let Err(e) = used {
                prop_assert!(!e.to_string().contains('\n'), "{}", e);
            }
        }
    }

    #[test]
    fn a_database_of_noise_is_said_to_be_damaged() {
        let bed = Testbed::new();
        drop(bed.born(&[]));
        let path = bed.path.join(DATABASE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100..].fill(0xA5);
        fs::write(&path, bytes).unwrap();
        let said = bed.open().map(drop).unwrap_err();
        assert!(matches!(said, StoreError::Damaged(_)), "{said}");
        assert!(said.to_string().contains("restore it from a backup"));
    }
}
