//! Packages that have come in only in part, kept so that whoever sent them can go on where the link broke.
//!
//! A partial file's name carries the announced digest and size, so that it means the same after a restart; its time is
//! when a piece of it last came. Nothing reads it but whoever goes on with it, and it is no package until all of it has
//! the digest. It must never be kept for longer than it may still be wanted.

use crate::error::StoreError;
use crate::files;
use crate::packages::{IncomingPackage, MAX_PACKAGE_BYTES, PackageId, PackageInbox};
use crate::unfinished::{Unfinished, modified};

/// Packages that may wait in part: one that moves, and one that was interrupted by it.
pub const MAX_PARTIAL_PACKAGES: usize = 2;
/// How long what has come in of a package is kept for whoever sent it, in milliseconds: a day, in which people find out
/// why their link is down.
pub const PARTIAL_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

const EXTENSION: &str = ".part";

/// What has come in of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialPackage {
    /// The digest it was announced with.
    pub id: PackageId,
    /// The size it was announced with.
    pub size: u64,
    /// Bytes of it that are here.
    pub bytes: u64,
    /// When the last of them came, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

impl PartialPackage {
    fn file_name(id: &PackageId, size: u64) -> String {
        format!("{id}-{size}{EXTENSION}")
    }

    /// What a file's name says; nothing if it is none of these.
    fn named(name: &str) -> Option<(PackageId, u64)> {
        let (digest, size) = name.strip_suffix(EXTENSION)?.split_once('-')?;
        let (id, size) = (PackageId::parse(digest).ok()?, size.parse().ok()?);
        // Only as it would be written: one file, one meaning.
        (Self::file_name(&id, size) == name).then_some((id, size))
    }
}

impl PackageInbox {
    /// Takes the inbox for an announced package, with what has come in of it already. Its place is made: partial packages
    /// that have waited longest go.
    pub fn go_on(&self, id: &PackageId, size: u64, utc_ms: i64) -> Result<IncomingPackage, StoreError> {
        if size > MAX_PACKAGE_BYTES {
            return Err(StoreError::TooLarge { what: "a package (bytes)", limit: MAX_PACKAGE_BYTES });
        }
        let turn = self.turn()?;
        let mut others = self.partial()?;
        let here = others.iter().position(|other| other.id == *id && other.size == size).map(|at| others.remove(at));
        others.sort_by_key(|other| other.utc_ms);
        while others.len() >= MAX_PARTIAL_PACKAGES {
            self.remove(&others.remove(0))?;
        }
        self.room.for_more(size.saturating_sub(here.map_or(0, |here| here.bytes)))?;
        let mut file = Unfinished::go_on(&self.dir.join(PartialPackage::file_name(id, size)))?;
        if file.size() > size {
            file.set_size(0)?;
        }
        file.set_modified(utc_ms)?;
        Ok(IncomingPackage { file, room: self.room.clone(), turn, limit: size })
    }

    /// The packages that are here in part, by name.
    pub fn partial(&self) -> Result<Vec<PartialPackage>, StoreError> {
        let mut partial = Vec::new();
        for name in files::names(&self.dir)? {
            if let Some((id, size)) = PartialPackage::named(&name)
                && let Some(found) = files::look(&self.dir.join(&name))?.filter(std::fs::Metadata::is_file)
            {
                partial.push(PartialPackage { id, size, bytes: found.len(), utc_ms: modified(&found) });
            }
        }
        Ok(partial)
    }

    /// Drops what has come in of a package; says whether there was anything.
    pub fn drop_partial(&self, id: &PackageId) -> Result<bool, StoreError> {
        let found: Vec<_> = self.partial()?.into_iter().filter(|partial| partial.id == *id).collect();
        found.iter().try_for_each(|partial| self.remove(partial))?;
        Ok(!found.is_empty())
    }

    /// Drops what nobody has gone on with for [`PARTIAL_KEPT_MS`], or, where room is wanted, all of it. A clock that was
    /// set back by more than that counts alike; what comes in at this moment isn't dropped for its age.
    pub fn sweep_partial(&self, utc_ms: i64, room_is_wanted: bool) -> Result<(), StoreError> {
        let comes = self.turns.is_taken();
        let over =
            |partial: &PartialPackage| !comes && partial.utc_ms.abs_diff(utc_ms) > PARTIAL_KEPT_MS.unsigned_abs();
        let gone: Vec<_> = self.partial()?.into_iter().filter(|partial| room_is_wanted || over(partial)).collect();
        gone.iter().try_for_each(|partial| self.remove(partial))
    }

    fn remove(&self, partial: &PartialPackage) -> Result<(), StoreError> {
        files::remove_if_there(&self.dir.join(PartialPackage::file_name(&partial.id, partial.size)))
    }
}

impl IncomingPackage {
    /// Says when the last piece of it came, UTC in milliseconds since 1970.
    pub fn came(&self, utc_ms: i64) -> Result<(), StoreError> {
        self.file.set_modified(utc_ms)
    }

    /// Nobody goes on with it: it goes.
    pub fn discard(mut self) {
        self.file.last_chance();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::state_dir::PACKAGES;
    use crate::testbed::{METER, Testbed};

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn what_came_in_is_gone_on_with_after_a_break_and_after_a_restart() {
        let bed = Testbed::new();
        let store = bed.born(&[]);
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let (id, size) = (PackageId::of(&bytes), bytes.len() as u64);
        let mut coming = store.package_inbox().go_on(&id, size, NOW).unwrap();
        coming.write_at(0, &bytes[..40_000]).unwrap();
        coming.came(NOW).unwrap();
        assert!(matches!(store.package_inbox().go_on(&id, size, NOW), Err(StoreError::PackageComing)));
        drop(coming);
        let partial = PartialPackage { id: id.clone(), size, bytes: 40_000, utc_ms: NOW };
        assert_eq!(store.package_inbox().partial().unwrap(), [partial]);
        drop(store);
        let mut store = bed.again();
        let mut coming = store.package_inbox().go_on(&id, size, NOW + 1).unwrap();
        assert_eq!(coming.size(), 40_000);
        coming.write_at(40_000, &bytes[40_000..]).unwrap();
        assert!(matches!(coming.write_at(size, b"x"), Err(StoreError::TooLarge { .. })), "no more than announced");
        let received = coming.finish().unwrap();
        assert_eq!(received.id(), &id);
        store.stage_package(METER, received, None).unwrap();
        assert_eq!(store.open_package(&id).unwrap().read_at(0, usize::MAX).unwrap(), bytes);
        assert!(store.package_inbox().partial().unwrap().is_empty());
    }

    #[test]
    fn what_was_finished_and_not_staged_is_gone_and_so_is_what_is_discarded() {
        let bed = Testbed::new();
        let inbox = bed.born(&[]).package_inbox();
        let id = PackageId::of(b"other bytes");
        let mut coming = inbox.go_on(&id, 4, NOW).unwrap();
        coming.write_at(0, b"lies").unwrap();
        let received = coming.finish().unwrap();
        assert_ne!(received.id(), &id);
        drop(received);
        assert!(inbox.partial().unwrap().is_empty());
        inbox.go_on(&id, 4, NOW).unwrap().discard();
        assert!(inbox.partial().unwrap().is_empty());
        drop(inbox.go_on(&id, 4, NOW).unwrap());
        assert!(inbox.drop_partial(&id).unwrap() && !inbox.drop_partial(&id).unwrap());
    }

    #[test]
    fn a_thousand_announcements_leave_two_partial_files() {
        let bed = Testbed::new();
        let store = bed.born(&[]);
        for n in 0..1000u32 {
            let id = PackageId::of(&n.to_be_bytes());
            let mut coming = store.package_inbox().go_on(&id, u64::from(n) + 1, NOW + i64::from(n)).unwrap();
            coming.write_at(0, b"x").unwrap();
            coming.came(NOW + i64::from(n)).unwrap();
        }
        let left = store.package_inbox().partial().unwrap();
        assert_eq!(left.len(), MAX_PARTIAL_PACKAGES);
        assert!(left.iter().all(|partial| partial.size >= 999), "the newest: {left:?}");
        assert!(matches!(
            store.package_inbox().go_on(&PackageId::of(b""), MAX_PACKAGE_BYTES + 1, NOW),
            Err(StoreError::TooLarge { .. })
        ));
    }

    #[test]
    fn after_a_day_and_where_room_is_wanted_they_go() {
        let bed = Testbed::new();
        let inbox = bed.born(&[]).package_inbox();
        let id = PackageId::of(b"");
        for (later, wanted, left) in [
            (PARTIAL_KEPT_MS, false, 1),
            (-PARTIAL_KEPT_MS, false, 1),
            (PARTIAL_KEPT_MS + 1, false, 0),
            (-PARTIAL_KEPT_MS - 1, false, 0),
            (0, true, 0),
        ] {
            drop(inbox.go_on(&id, 10, NOW).unwrap());
            inbox.sweep_partial(NOW + later, wanted).unwrap();
            assert_eq!(inbox.partial().unwrap().len(), left, "{later} ms later");
        }
    }

    #[test]
    fn other_names_are_no_partial_packages_and_a_longer_file_begins_again() {
        let bed = Testbed::new();
        let inbox = bed.born(&[]).package_inbox();
        let digits = "a".repeat(64);
        let dir = bed.path.join(PACKAGES);
        fs::create_dir_all(&dir).unwrap();
        let names =
            ["x.part", "-.part", &format!("{digits}.part"), &format!("{digits}-010.part"), &format!("{digits}-1")];
        for name in names {
            fs::write(dir.join(name), "x").unwrap();
        }
        fs::create_dir(dir.join(format!("{digits}-5.part"))).unwrap();
        assert!(inbox.partial().unwrap().is_empty());
        let id = PackageId::parse(&digits).unwrap();
        assert!(inbox.go_on(&id, 5, NOW).is_err(), "a directory is in the way");
        fs::write(dir.join(format!("{digits}-7.part")), "longer than announced").unwrap();
        assert_eq!(inbox.go_on(&id, 7, NOW).unwrap().size(), 0);
    }
}
