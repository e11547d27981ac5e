//! Firmware packages beside the database, named by their SHA-256 and never changed.
//!
//! A file stays as long as a slot runs from it or a meter has it staged. It knows nothing of signatures or of what is
//! inside: whether a package is any good is decided above, from its bytes. It must never hand out bytes that don't have
//! the digest they are named by.

use std::fmt;
use std::path::PathBuf;

use rusqlite::params;
use sha2::{Digest, Sha256};

use crate::error::{During, StoreError};
use crate::files;
use crate::reserve::Room;
use crate::state_dir::{PACKAGES, StateDir};
use crate::store::{MeterId, Store, is_there};
use crate::turn::{Turn, Turns};
use crate::unfinished::{StoredFile, Unfinished};

/// Largest package, in bytes. The shipped ones are far below 1 MiB.
pub const MAX_PACKAGE_BYTES: u64 = 64 * 1024 * 1024;
/// Packages that one meter may have waiting.
pub const MAX_STAGED_PACKAGES: usize = 8;
/// Bytes that one meter's waiting packages may take together.
pub const MAX_STAGED_BYTES: u64 = 128 * 1024 * 1024;

/// Bytes of a package that are held at once while it is read.
pub const PACKAGE_PIECE: usize = 64 * 1024;

const EXTENSION: &str = ".upg";

/// A package's name: the SHA-256 of its bytes, 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(String);

impl PackageId {
    /// Takes 64 hexadecimal digits in either case.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let digits = 2 * <Sha256 as Digest>::output_size();
        if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(StoreError::NotAPackageId);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::named_by(Sha256::new_with_prefix(bytes))
    }

    /// The name of a file, which is read in pieces.
    fn of_file(size: u64, read_at: impl Fn(u64, usize) -> Result<Vec<u8>, StoreError>) -> Result<Self, StoreError> {
        let mut digest = Sha256::new();
        let mut at = 0;
        while at < size {
            let piece = read_at(at, PACKAGE_PIECE)?;
            digest.update(&piece);
            at += piece.len() as u64;
        }
        Ok(Self::named_by(digest))
    }

    fn named_by(digest: Sha256) -> Self {
        Self(hex::encode(digest.finalize()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A package that waits to be planned with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedPackage {
    /// Its name.
    pub id: PackageId,
    /// Its size.
    pub bytes: u64,
}

/// Where packages come in, one at a time, beside the store: receiving one never holds the meter up.
#[derive(Debug, Clone)]
pub struct PackageInbox {
    pub(crate) dir: PathBuf,
    pub(crate) room: Room,
    pub(crate) turns: Turns,
}

/// A package that is coming in. Dropped, it is gone, unless it was announced: then somebody may go on with it.
pub struct IncomingPackage {
    pub(crate) file: Unfinished,
    pub(crate) room: Room,
    pub(crate) turn: Turn,
    /// The most there will be of it.
    pub(crate) limit: u64,
}

/// A package that has come in whole and is on the disk, but isn't staged. Dropped, it is gone.
pub struct ReceivedPackage {
    file: Unfinished,
    id: PackageId,
    _turn: Turn,
}

impl PackageInbox {
    /// Takes the inbox for one package.
    pub fn receive(&self) -> Result<IncomingPackage, StoreError> {
        let turn = self.turn()?;
        self.room.for_more(0)?;
        let file = Unfinished::create(&self.dir, 0)?;
        Ok(IncomingPackage { file, room: self.room.clone(), turn, limit: MAX_PACKAGE_BYTES })
    }

    pub(crate) fn turn(&self) -> Result<Turn, StoreError> {
        self.turns.take().ok_or(StoreError::PackageComing)
    }
}

impl IncomingPackage {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// Writes at an offset, while there is room beside the reserve; at most [`MAX_PACKAGE_BYTES`] in all, or as many as
    /// were announced.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.limit {
            return Err(StoreError::TooLarge { what: "this package (bytes)", limit: self.limit });
        }
        self.room.for_more(end.saturating_sub(self.size()))?;
        self.file.write_at(offset, bytes)
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.file.read_at(offset, length)
    }

    /// On the disk, and named by what is there.
    pub fn finish(mut self) -> Result<ReceivedPackage, StoreError> {
        self.file.sync()?;
        self.file.last_chance();
        let id = PackageId::of_file(self.file.size(), |offset, length| self.file.read_at(offset, length))?;
        Ok(ReceivedPackage { file: self.file, id, _turn: self.turn })
    }
}

impl ReceivedPackage {
    /// Its name.
    pub fn id(&self) -> &PackageId {
        &self.id
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.file.read_at(offset, length)
    }
}

impl Store {
    /// Where this state's packages come in. There is one, whoever asks.
    pub fn package_inbox(&self) -> PackageInbox {
        self.inbox.clone()
    }

    /// Whether a package of so many bytes may wait with those that wait already, perhaps instead of one of them.
    pub fn room_for_package(
        &self,
        meter: MeterId,
        id: &PackageId,
        bytes: u64,
        instead_of: Option<&PackageId>,
    ) -> Result<(), StoreError> {
        let mut staged = self.staged_packages(meter)?;
        staged.retain(|staged| staged.id != *id && Some(&staged.id) != instead_of);
        if staged.len() >= MAX_STAGED_PACKAGES {
            return Err(StoreError::PackageQuota("too many are waiting"));
        }
        let taken: u64 = staged.iter().map(|package| package.bytes).sum();
        if taken.saturating_add(bytes) > MAX_STAGED_BYTES {
            return Err(StoreError::PackageQuota("those that are waiting take too much room"));
        }
        Ok(())
    }

    /// Stages a package that has come in, perhaps instead of one that waits, which is dropped. Staging the same bytes
    /// again is fine, and mends a damaged file.
    pub fn stage_package(
        &mut self,
        meter: MeterId,
        mut package: ReceivedPackage,
        instead_of: Option<&PackageId>,
    ) -> Result<StagedPackage, StoreError> {
        let bytes = package.file.size();
        self.room_for_package(meter, &package.id, bytes, instead_of)?;
        package.file.publish(&path_of(&self.dir, &package.id))?;
        let id = package.id.clone();
        let recorded = self.transact(|transaction| {
            transaction
                .execute(
                    "INSERT INTO staged (meter, package, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    params![meter.0, id.as_str(), bytes],
                )
                .during("staging a package")?;
            let goes = instead_of.filter(|other| **other != id).map(PackageId::as_str);
            transaction
                .execute("DELETE FROM staged WHERE meter = ?1 AND package = ?2", params![meter.0, goes])
                .during("staging a package")
        });
        // The file that nobody needs goes, whichever it is; opening sweeps again.
        let _ = self.sweep_packages();
        recorded?;
        Ok(StagedPackage { id, bytes })
    }

    /// Opens a package's file. Whoever uses what is in it asks [`StoredFile::has_name`] first.
    pub fn open_package(&self, id: &PackageId) -> Result<StoredFile, StoreError> {
        StoredFile::open(&path_of(&self.dir, id))?.ok_or_else(|| StoreError::NoSuchPackage(id.to_string()))
    }

    /// The packages that wait for a meter, by name.
    pub fn staged_packages(&self, meter: MeterId) -> Result<Vec<StagedPackage>, StoreError> {
        let doing = "listing packages";
        if !is_there(&self.connection, meter)? {
            return Err(StoreError::NoSuchMeter(meter));
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT package, bytes FROM staged WHERE meter = ?1 ORDER BY package")
            .during(doing)?;
        let rows = statement
            .query_map([meter.0], |row| Ok(StagedPackage { id: PackageId(row.get(0)?), bytes: row.get(1)? }))
            .during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }

    /// Forgets a waiting package; its file goes when nobody else needs it.
    pub fn drop_package(&mut self, meter: MeterId, id: &PackageId) -> Result<(), StoreError> {
        let dropped = self.transact(|transaction| {
            transaction
                .execute("DELETE FROM staged WHERE meter = ?1 AND package = ?2", params![meter.0, id.as_str()])
                .during("dropping a package")
        })?;
        if dropped == 0 {
            return Err(StoreError::NoSuchPackage(id.to_string()));
        }
        self.sweep_packages()
    }

    /// Removes the files that no slot runs from and no meter has staged: what a cut left between file and commit.
    pub(crate) fn sweep_packages(&self) -> Result<(), StoreError> {
        let doing = "looking for packages";
        let dir = self.dir.join(PACKAGES);
        let names = files::names(&dir)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut needed = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM staged WHERE package = ?1)
                     OR EXISTS (SELECT 1 FROM slot WHERE package = ?1)",
            )
            .during(doing)?;
        for name in names {
            let Some(id) = name.strip_suffix(EXTENSION).and_then(|digits| PackageId::parse(digits).ok()) else {
                continue;
            };
            let needed: bool = needed.query_row([id.as_str()], |row| row.get(0)).during(doing)?;
            if !needed {
                files::remove_if_there(&dir.join(name))?;
            }
        }
        Ok(())
    }
}

impl StoredFile {
    /// Whether a package's file has the bytes that its name says; fails if it hasn't. Takes a second for the
    /// largest, so no lock is held meanwhile.
    pub fn has_name(&self, id: &PackageId) -> Result<(), StoreError> {
        if PackageId::of_file(self.size(), |offset, length| self.read_at(offset, length))? == *id {
            return Ok(());
        }
        Err(StoreError::Damaged(format!("package {id} has other bytes than its name says")))
    }
}

/// The one inbox of a state directory.
pub(crate) fn inbox(dir: &StateDir, room: Room) -> PackageInbox {
    PackageInbox { dir: dir.join(PACKAGES), room, turns: Turns::default() }
}

/// Refuses to point at a package that isn't there.
pub(crate) fn require(dir: &StateDir, id: &PackageId) -> Result<(), StoreError> {
    if path_of(dir, id).is_file() { Ok(()) } else { Err(StoreError::NoSuchPackage(id.to_string())) }
}

fn path_of(dir: &StateDir, id: &PackageId) -> PathBuf {
    dir.join(PACKAGES).join(format!("{id}{EXTENSION}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testbed::{METER, Testbed, meter, slot};
    use crate::{Committed, Confirmed, EventBatch, NewSlot};

    fn stage(store: &mut Store, meter: MeterId, bytes: &[u8]) -> Result<StagedPackage, StoreError> {
        let mut coming = store.package_inbox().receive()?;
        coming.write_at(0, bytes)?;
        let received = coming.finish()?;
        assert_eq!(received.size(), bytes.len() as u64);
        assert_eq!(received.read_at(0, bytes.len()).unwrap(), bytes);
        store.stage_package(meter, received, None)
    }

    /// The bytes of a stored package, which are those that its name says.
    fn package(store: &Store, id: &PackageId) -> Result<Vec<u8>, StoreError> {
        let file = store.open_package(id)?;
        file.has_name(id)?;
        file.read_at(0, usize::MAX)
    }

    fn on_disk(bed: &Testbed) -> usize {
        files::names(&bed.path.join(PACKAGES)).unwrap().len()
    }

    #[test]
    fn a_package_is_named_by_its_bytes_and_comes_back_whole() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let staged = stage(&mut store, METER, &bytes).unwrap();
        assert_eq!(staged, StagedPackage { id: PackageId::of(&bytes), bytes: 200_000 });
        assert_eq!(stage(&mut store, METER, &bytes).unwrap(), staged, "again is fine");
        assert_eq!(store.staged_packages(METER).unwrap(), std::slice::from_ref(&staged));
        assert_eq!(package(&store, &staged.id).unwrap(), bytes);
        let path = path_of(&store.dir, &staged.id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(on_disk(&bed), 1);
        fs::write(&path, &bytes[1..]).unwrap();
        assert!(matches!(package(&store, &staged.id), Err(StoreError::Damaged(_))));
        stage(&mut store, METER, &bytes).unwrap();
        assert_eq!(package(&store, &staged.id).unwrap(), bytes, "staging again mends it");
        store.drop_package(METER, &staged.id).unwrap();
        assert!(matches!(package(&store, &staged.id), Err(StoreError::NoSuchPackage(_))));
        assert!(matches!(store.drop_package(METER, &staged.id), Err(StoreError::NoSuchPackage(_))));
        assert_eq!(on_disk(&bed), 0);
    }

    #[test]
    fn names_are_digests_and_nothing_else() {
        let digits = "0123456789abcdef".repeat(4);
        assert_eq!(PackageId::parse(&digits.to_uppercase()).unwrap().as_str(), digits);
        for bad in ["", "../../etc/passwd", &digits[1..], &format!("{digits}0"), &digits.replace('0', "/")] {
            assert!(matches!(PackageId::parse(bad), Err(StoreError::NotAPackageId)), "{bad}");
        }
        assert_eq!(PackageId::of(b"").as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn quotas_hold_and_leave_nothing_behind() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let mut coming = store.package_inbox().receive().unwrap();
        coming.write_at(MAX_PACKAGE_BYTES - 1, b"x").unwrap();
        for (offset, bytes) in [(MAX_PACKAGE_BYTES, 1), (u64::MAX, 1), (0, MAX_PACKAGE_BYTES as usize + 1)] {
            assert!(matches!(coming.write_at(offset, &vec![0; bytes]), Err(StoreError::TooLarge { .. })));
        }
        assert!(matches!(store.package_inbox().receive(), Err(StoreError::PackageComing)), "one at a time");
        drop(coming);
        assert_eq!(on_disk(&bed), 0);
        for n in 0..MAX_STAGED_PACKAGES {
            stage(&mut store, METER, &[n as u8]).unwrap();
        }
        assert!(matches!(stage(&mut store, METER, b"x"), Err(StoreError::PackageQuota(_))));
        assert_eq!(on_disk(&bed), MAX_STAGED_PACKAGES);
        let instead = |store: &mut Store, bytes: &[u8], of: &[u8]| {
            let mut coming = store.package_inbox().receive().unwrap();
            coming.write_at(0, bytes).unwrap();
            store.stage_package(METER, coming.finish().unwrap(), Some(&PackageId::of(of)))
        };
        instead(&mut store, b"x", &[0]).unwrap();
        instead(&mut store, b"x", b"x").unwrap();
        assert!(store.open_package(&PackageId::of(&[0])).is_err() && store.open_package(&PackageId::of(b"x")).is_ok());
        assert!(matches!(instead(&mut store, b"y", b"not there"), Err(StoreError::PackageQuota(_))));
        assert_eq!(on_disk(&bed), MAX_STAGED_PACKAGES);
        assert!(matches!(stage(&mut store, MeterId(5), b"x"), Err(StoreError::NoSuchMeter(_))));
    }

    #[test]
    fn a_file_stays_as_long_as_a_slot_or_a_meter_needs_it() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        store.add_meter(MeterId(2), &meter(&[])).unwrap();
        let first = stage(&mut store, METER, b"first").unwrap().id;
        stage(&mut store, MeterId(2), b"first").unwrap();
        let change = |store: &mut Store, id: &PackageId| {
            let new = NewSlot { package: Some(id), ..slot("4.40.1", &[]) };
            store.begin_trial(METER, &new, "{}", EventBatch::NONE)
        };
        change(&mut store, &first).unwrap();
        assert_eq!(store.load(METER).unwrap().active.package.as_ref(), Some(&first));
        let _: Committed = store.revert_trial(METER, "{}", &[], EventBatch::NONE).unwrap();
        assert_eq!(store.staged_packages(METER).unwrap().len(), 1, "still staged after a revert");
        change(&mut store, &first).unwrap();
        let _: Committed = store.confirm_trial(METER, "{}", &Confirmed::default(), EventBatch::NONE).unwrap();
        assert!(store.staged_packages(METER).unwrap().is_empty(), "active, no longer staged");
        store.drop_package(MeterId(2), &first).unwrap();
        assert!(package(&store, &first).is_ok(), "a slot runs from it");
        let second = stage(&mut store, METER, b"second").unwrap().id;
        change(&mut store, &second).unwrap();
        let _: Committed = store.confirm_trial(METER, "{}", &Confirmed::default(), EventBatch::NONE).unwrap();
        assert!(matches!(package(&store, &first), Err(StoreError::NoSuchPackage(_))), "nobody needs it any more");
        assert!(matches!(change(&mut store, &first), Err(StoreError::NoSuchPackage(_))));
    }

    #[test]
    fn what_a_cut_left_is_swept_and_foreign_files_are_not() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let staged = stage(&mut store, METER, b"needed").unwrap().id;
        let orphan = PackageId::of(b"orphan");
        let dir = bed.path.join(PACKAGES);
        for name in [format!("{orphan}.upg"), "incoming.tmp".into(), "notes.txt".into()] {
            fs::write(dir.join(name), "orphan").unwrap();
        }
        drop(store);
        let store = bed.again();
        assert!(package(&store, &staged).is_ok());
        let mut expected = vec![format!("{staged}.upg"), "notes.txt".into()];
        expected.sort();
        assert_eq!(files::names(&dir).unwrap(), expected);
    }
}
