//! A file while it comes in: written at any offset, then synced and given its name, or gone.
//!
//! It owns one file with a name that nothing reads, and removes it when it is dropped before it was published, unless
//! somebody is to go on with it; what a power cut leaves is swept at the next start. It must never be taken for the
//! file it is going to be.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::error::{DuringFile, StoreError};
use crate::files;

/// A file that isn't whole yet.
pub(crate) struct Unfinished {
    path: PathBuf,
    file: File,
    size: u64,
    /// Whether its bytes stay when it is dropped.
    stays: bool,
}

impl Unfinished {
    /// An empty one, in a directory that is made if it is missing. `number` tells it from its neighbours.
    pub(crate) fn create(dir: &Path, number: u64) -> Result<Self, StoreError> {
        files::make_private_dir(dir)?;
        let path = files::unfinished_name(&dir.join(format!("incoming-{number}")));
        files::remove_if_there(&path)?;
        let file = files::create_unfinished(&path)?;
        Ok(Self { path, file, size: 0, stays: false })
    }

    /// One of this name that somebody may go on with: what is there of it already, or an empty one. Dropped, it stays.
    pub(crate) fn go_on(path: &Path) -> Result<Self, StoreError> {
        files::make_private_dir(&files::parent_of(path))?;
        let file = files::open_or_create(path)?;
        let size = file.metadata().during("reading", path)?.len();
        Ok(Self { path: path.to_owned(), file, size, stays: true })
    }

    /// Nobody will go on with it: dropped before it is published, it goes.
    pub(crate) fn last_chance(&mut self) {
        self.stays = false;
    }

    /// Bytes so far, those never written between others included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Writes at an offset. The caller has bounded it.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, offset).during("writing", &self.path)?;
        self.size = self.size.max(offset.saturating_add(bytes.len() as u64));
        Ok(())
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        read_at(&self.file, self.size, offset, length).during("reading", &self.path)
    }

    /// Cuts it, or fills it up with zeros. The caller has bounded it.
    pub(crate) fn set_size(&mut self, size: u64) -> Result<(), StoreError> {
        self.file.set_len(size).during("writing", &self.path)?;
        self.size = size;
        Ok(())
    }

    /// Gives it a time, UTC in milliseconds since 1970.
    pub(crate) fn set_modified(&self, utc_ms: i64) -> Result<(), StoreError> {
        set_modified(&self.file, utc_ms).during("dating", &self.path)
    }

    /// On the disk when it returns.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().during("syncing", &self.path)
    }

    /// Gives it its name, whole and durable; it has been synced.
    pub(crate) fn publish(&mut self, path: &Path) -> Result<(), StoreError> {
        files::publish(&self.path, path)?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.stays {
            // What can't be removed now is swept at the next start.
            let _ = files::remove_if_there(&self.path);
        }
    }
}

/// A stored file that is open for reading. It stays as it is, whatever happens to its name.
#[derive(Debug)]
pub struct StoredFile {
    file: File,
    path: PathBuf,
    size: u64,
    utc_ms: i64,
}

impl StoredFile {
    /// Opens a regular file; `None` if there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some((file, found)) = files::open_to_read(path)? else { return Ok(None) };
        Ok(Some(Self { file, path: path.to_owned(), size: found.len(), utc_ms: modified(&found) }))
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was written, UTC, in milliseconds since 1970.
    pub fn utc_ms(&self) -> i64 {
        self.utc_ms
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        read_at(&self.file, self.size, offset, length).during("reading", &self.path)
    }
}

fn read_at(file: &File, size: u64, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(left)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Gives an open file a time; one before 1970 becomes 1970.
pub(crate) fn set_modified(file: &File, utc_ms: i64) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + Duration::from_millis(u64::try_from(utc_ms).unwrap_or(0)))
}

/// When a file was written, UTC, in milliseconds since 1970; one from before is from 1970.
pub(crate) fn modified(found: &std::fs::Metadata) -> i64 {
    let since = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_in_any_order_it_is_one_file_and_dropped_it_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = Unfinished::create(dir.path(), 7).unwrap();
        for (offset, bytes) in [(4, b"5678"), (0, b"1234")] {
            file.write_at(offset, bytes).unwrap();
        }
        assert_eq!((file.size(), file.read_at(2, 100).unwrap()), (8, b"345678".to_vec()));
        assert!(file.read_at(u64::MAX, 1).unwrap().is_empty());
        file.set_size(6).unwrap();
        file.set_modified(1_767_225_600_000).unwrap();
        let path = dir.path().join("whole");
        assert!(StoredFile::open(&path).unwrap().is_none());
        file.publish(&path).unwrap();
        drop(file);
        let stored = StoredFile::open(&path).unwrap().unwrap();
        assert_eq!((stored.size(), stored.utc_ms()), (6, 1_767_225_600_000));
        assert_eq!(stored.read_at(0, 100).unwrap(), b"123456");
        drop(Unfinished::create(dir.path(), 8).unwrap());
        assert_eq!(files::names(dir.path()).unwrap(), ["whole"]);
    }
}
