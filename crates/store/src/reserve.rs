//! The reserve: a file beside the database that takes room, so that there is some to give up when the disk is full and
//! energy must go on being stored.
//!
//! It owns one file whose blocks are really allocated, and answers whether there is room for what only adds. It must
//! never be given up for anything but the meter's own records and settings, and never stand in the way of a start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::StoreError;
use crate::files;
use crate::state_dir::StateDir;
use crate::store::Store;

/// Bytes of the reserve. The journal takes 1.1 MiB at its longest, once; beside it, a day of seconds lets the database
/// grow by 16 KiB of the factory template's records, until its recorder is full after 35 days. What remains are events, for
/// as long as it takes somebody to come. `a_day_of_seconds_fits_into_the_reserve_several_times`, among the meter's tests,
/// measures both.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// What stays free beside the reserve when something is added: as much as the journal takes at its longest, twice, so
/// that the next seconds don't need the reserve at once.
pub const WORKING_BYTES: u64 = 2 * 1024 * 1024;

/// The reserve's name in the state directory.
pub(crate) const RESERVE: &str = "reserve";

/// How the reserve stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// This state was opened without one.
    NotKept,
    /// It takes its room.
    Held,
    /// The disk was full: its room has been given to the database.
    GivenUp,
}

/// What is asked whether there is room, beside the store and its lock.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    dir: PathBuf,
    /// Bytes of the reserve; none is kept where this is 0.
    reserve: u64,
    held: Arc<AtomicBool>,
}

impl Room {
    /// The room of a directory whose reserve, if it keeps one, is made if it isn't there. That it can't be made doesn't
    /// keep a meter from starting.
    pub fn of(dir: &StateDir, reserve: u64) -> Self {
        let room = Self { dir: dir.path().to_owned(), reserve, held: Arc::default() };
        if reserve > 0 {
            let there = files::allocated(&room.path()).is_ok_and(|bytes| bytes >= reserve);
            room.held.store(there || room.make().is_ok_and(|made| made), Ordering::Release);
        }
        room
    }

    fn path(&self) -> PathBuf {
        self.dir.join(RESERVE)
    }

    pub fn reserve(&self) -> Reserve {
        match (self.reserve, self.held.load(Ordering::Acquire)) {
            (0, _) => Reserve::NotKept,
            (_, true) => Reserve::Held,
            (_, false) => Reserve::GivenUp,
        }
    }

    /// Whether so many bytes more fit beside the reserve, with some left for the meter's own work.
    pub fn for_more(&self, bytes: u64) -> Result<(), StoreError> {
        match self.reserve() {
            Reserve::NotKept => Ok(()),
            Reserve::GivenUp => Err(StoreError::OnReserve),
            Reserve::Held => fits(bytes.saturating_add(WORKING_BYTES), files::free_bytes(&self.dir)?),
        }
    }

    /// Makes the reserve, if it fits with some room to work; says whether it did.
    fn make(&self) -> Result<bool, StoreError> {
        if fits(self.reserve.saturating_add(WORKING_BYTES), files::free_bytes(&self.dir)?).is_err() {
            return Ok(false);
        }
        let path = self.path();
        let unfinished = files::unfinished_name(&path);
        files::create_allocated(&unfinished, self.reserve)?;
        files::publish(&unfinished, &path)?;
        Ok(true)
    }

    /// Gives the reserve up; says whether there was one to give.
    pub fn give_up(&self) -> Result<bool, StoreError> {
        if !self.held.load(Ordering::Acquire) {
            return Ok(false);
        }
        // One that can't be removed now, as on a file system that needs room for that, may be the next time.
        files::remove_if_there(&self.path())?;
        self.held.store(false, Ordering::Release);
        Ok(true)
    }
}

/// Before anything of a new meter is made: whether all of it would fit.
pub(crate) fn room_for_a_meter(dir: &Path, reserve: u64) -> Result<(), StoreError> {
    /// Keys, and a database with a factory template: some 400 KiB.
    const NEW_METER: u64 = 1024 * 1024;
    if reserve == 0 {
        return Ok(());
    }
    let mut there = dir.to_owned();
    while !there.exists() {
        there = files::parent_of(&there);
    }
    fits(reserve + WORKING_BYTES + NEW_METER, files::free_bytes(&there)?)
}

fn fits(needed: u64, free: u64) -> Result<(), StoreError> {
    if needed <= free { Ok(()) } else { Err(StoreError::NoRoom { missing: needed - free }) }
}

impl Store {
    /// How the reserve stands.
    pub fn reserve(&self) -> Reserve {
        self.room.reserve()
    }

    /// Makes a reserve again that was given up, if there is room for it; says whether it is there now.
    pub fn restore_reserve(&mut self) -> Result<bool, StoreError> {
        if self.room.reserve() == Reserve::GivenUp && self.room.make()? {
            self.room.held.store(true, Ordering::Release);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the commit of a version change fits beside the reserve: the new settings in the journal and in the
    /// database, the credentials written anew, the report.
    pub fn room_for_change(&self, settings: usize) -> Result<(), StoreError> {
        self.room.for_more((settings as u64).saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::testbed::{METER, Testbed, meter};
    use crate::{OpenOptions, Opened};

    const SMALL: u64 = 256 * 1024;

    fn open(bed: &Testbed) -> Store {
        let options = OpenOptions { create: true, reserve_bytes: SMALL, ..OpenOptions::default() };
        match Store::open(&bed.path, &options).unwrap() {
            Opened::New(blank) => blank.create(METER, &meter(&[])).unwrap(),
            Opened::Existing(store) => *store,
        }
    }

    #[test]
    fn it_takes_real_room_and_is_given_up_and_made_again() {
        let bed = Testbed::new();
        let mut store = open(&bed);
        let path = bed.path.join(RESERVE);
        let found = fs::metadata(&path).unwrap();
        assert!(found.blocks() * 512 >= SMALL && found.permissions().mode() & 0o777 == 0o600);
        assert_eq!(store.reserve(), Reserve::Held);
        assert!(!store.restore_reserve().unwrap(), "it is there");
        store.room.for_more(1).unwrap();
        assert!(store.room.give_up().unwrap() && !path.exists());
        assert!(!store.room.give_up().unwrap(), "once");
        assert_eq!(store.reserve(), Reserve::GivenUp);
        assert!(matches!(store.room.for_more(1), Err(StoreError::OnReserve)));
        assert!(matches!(store.room_for_change(1), Err(StoreError::OnReserve)));
        assert!(store.restore_reserve().unwrap() && path.exists());
        assert_eq!(store.reserve(), Reserve::Held);
        // Somebody has made room by hand.
        fs::remove_file(&path).unwrap();
        assert!(store.room.give_up().unwrap());
        assert_eq!(store.reserve(), Reserve::GivenUp);
    }

    #[test]
    fn once_it_is_given_up_nothing_more_comes_in() {
        let bed = Testbed::new();
        let store = open(&bed);
        let mut package = store.package_inbox().receive().unwrap();
        let mut backup = store.backup_inbox().receive().unwrap();
        package.write_at(0, b"one").unwrap();
        backup.append(b"one").unwrap();
        store.room.give_up().unwrap();
        assert!(matches!(package.write_at(3, b"two"), Err(StoreError::OnReserve)));
        assert!(matches!(backup.append(b"two"), Err(StoreError::OnReserve)));
        assert_eq!((package.size(), backup.size()), (3, 3));
        drop((package, backup));
        assert!(matches!(store.package_inbox().receive(), Err(StoreError::OnReserve)));
        assert!(matches!(store.backup_inbox().receive(), Err(StoreError::OnReserve)));
    }

    #[test]
    fn a_start_makes_it_whole_whatever_is_left_of_it() {
        let bed = Testbed::new();
        drop(open(&bed));
        let path = bed.path.join(RESERVE);
        for spoil in [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "short").unwrap()] {
            spoil(&path);
            fs::write(files::unfinished_name(&path), "what a cut left").unwrap();
            assert_eq!(open(&bed).reserve(), Reserve::Held);
            assert!(files::allocated(&path).unwrap() >= SMALL);
            assert!(!files::unfinished_name(&path).exists());
        }
    }

    #[test]
    fn what_does_not_fit_beside_it_is_refused_with_what_is_missing() {
        let bed = Testbed::new();
        let store = open(&bed);
        let Err(StoreError::NoRoom { missing }) = store.room.for_more(u64::MAX / 2) else { panic!("it fits") };
        assert!(missing > 0);
        assert!(matches!(room_for_a_meter(&bed.path.join("a/b"), u64::MAX / 2), Err(StoreError::NoRoom { .. })));
        room_for_a_meter(&bed.path.join("a/b"), SMALL).unwrap();
    }

    #[test]
    fn a_state_without_one_asks_for_no_room() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        assert_eq!(store.reserve(), Reserve::NotKept);
        assert!(store.room.for_more(u64::MAX).is_ok() && !store.restore_reserve().unwrap());
        assert!(!bed.path.join(RESERVE).exists());
    }
}
