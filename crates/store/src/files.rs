//! Every direct file operation of the store, in one place.
//!
//! A file appears whole or not at all: written beside its name, synced, renamed, and the directory synced. A key
//! that exists is never replaced. (SQLite does its own file work; a laboratory that cuts the power watches
//! these few functions and SQLite's.)

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{DuringFile, StoreError};
use crate::secret::SecretBytes;

/// What a file is called until it is whole. Leftovers of a power cut bear it and are swept at the next start.
pub(crate) const UNFINISHED: &str = ".tmp";

/// Only the owner reads and writes.
const PRIVATE_FILE: u32 = 0o600;
/// Only the owner enters.
const PRIVATE_DIR: u32 = 0o700;

/// Makes `path` a directory of its owner's own, with those above it that are missing, so that it survives a cut.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_DIR)).during("making private", path);
    }
    let parent = parent_of(path);
    if !parent.exists() {
        make_private_dir(&parent)?;
    }
    DirBuilder::new().mode(PRIVATE_DIR).create(path).during("creating", path)?;
    sync_dir(&parent)
}

/// Opens for writing, creating it privately, without emptying it: the lock file. Its name is on the disk before anything
/// else is made beside it, because a directory with our files and without it is taken for somebody else's.
pub(crate) fn open_lock(path: &Path) -> Result<File, StoreError> {
    let there = path.try_exists().during("looking for", path)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(path)
        .during("opening", path)?;
    if !there {
        sync_dir(&parent_of(path))?;
    }
    Ok(file)
}

/// An empty private file, emptied if it is there: SQLite gives its journal the same permissions.
pub(crate) fn create_empty(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE_FILE)
        .open(path)
        .map(drop)
        .during("creating", path)
}

/// Writes a file that isn't there yet: private, whole or not at all, durable on return.
/// The directory is locked meanwhile, so that two processes can't both make the same key.
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let parent = parent_of(path);
    let directory = File::open(&parent).during("opening", &parent)?;
    directory.lock().during("locking", &parent)?;
    if path.try_exists().during("looking for", path)? {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let unfinished = unfinished_name(path);
    remove_if_there(&unfinished)?;
    let mut file = create_unfinished(&unfinished)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).during("writing", &unfinished)?;
    fs::rename(&unfinished, path).during("naming", path)?;
    directory.sync_all().during("syncing", &parent)
}

/// Gives a finished and synced file its name, durable on return. Whatever had the name before is replaced.
pub(crate) fn publish(unfinished: &Path, path: &Path) -> Result<(), StoreError> {
    rename(unfinished, path)
}

/// Moves a file or directory, durable on return. A file that had the name before is replaced.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).during("naming", to)?;
    let (left, entered) = (parent_of(from), parent_of(to));
    if left != entered {
        sync_dir(&left)?;
    }
    sync_dir(&entered)
}

/// What lies at a path, itself: a link is a link. `None` if there is nothing.
pub(crate) fn look(path: &Path) -> Result<Option<fs::Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(StoreError::io("looking for", path, e)),
    }
}

/// Opens a regular file for reading, never through a link; `None` if there is no such file.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<(File, fs::Metadata)>, StoreError> {
    let Some(seen) = look(path)?.filter(fs::Metadata::is_file) else { return Ok(None) };
    let file = File::open(path).during("opening", path)?;
    let opened = file.metadata().during("opening", path)?;
    // Whoever put a link here between the two has another file opened than the one that was looked at.
    let same = (seen.dev(), seen.ino()) == (opened.dev(), opened.ino());
    Ok(same.then_some((file, opened)))
}

/// Removes a file, durable on return.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).during("removing", path)?;
    sync_dir(&parent_of(path))
}

/// Removes an empty directory, durable on return.
pub(crate) fn remove_dir(path: &Path) -> Result<(), StoreError> {
    fs::remove_dir(path).during("removing", path)?;
    sync_dir(&parent_of(path))
}

/// Reads a whole file of at most `limit` bytes; `None` if there is none. The bytes are wiped on drop.
pub(crate) fn read_bounded(path: &Path, limit: u64, what: &'static str) -> Result<Option<SecretBytes>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("opening", path, e)),
    };
    let length = file.metadata().during("reading", path)?.len();
    if length > limit {
        return Err(StoreError::TooLarge { what, limit });
    }
    // Room for all and one more, so that reading never moves the bytes and leaves an unwiped copy.
    let room = usize::try_from(length).map_or(0, |length| length.saturating_add(1));
    let mut bytes = Vec::with_capacity(room);
    let read = file.take(length).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    read.during("reading", path)?;
    Ok(Some(bytes))
}

/// The first bytes of a file, at most as many as `buffer` holds; how many there were.
pub(crate) fn read_start(path: &Path, buffer: &mut [u8]) -> Result<usize, StoreError> {
    let mut file = File::open(path).during("opening", path)?;
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(StoreError::io("reading", path, e)),
        }
    }
    Ok(filled)
}

/// The names in a directory, sorted; none if there is no such directory. A name that isn't text is shown as it can be.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(StoreError::NotADirectory(dir.to_owned())),
        Err(e) => return Err(StoreError::io("listing", dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.during("listing", dir)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Removes a file; that it isn't there is fine.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("removing", path, e)),
        _ => Ok(()),
    }
}

/// The name a file bears until it is whole.
pub(crate) fn unfinished_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Opens a private file to read and write, made if it isn't there, as it is; never through a link.
pub(crate) fn open_or_create(path: &Path) -> Result<File, StoreError> {
    if look(path)?.is_some_and(|found| !found.is_file()) {
        return Err(StoreError::Exists(path.to_owned()));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(path)
        .during("opening", path)
}

pub(crate) fn create_unfinished(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE_FILE).open(path).during("creating", path)
}

/// A private file of so many bytes whose blocks are the file system's promise: nobody else can have them any more. Synced,
/// and under its unfinished name.
pub(crate) fn create_allocated(path: &Path, bytes: u64) -> Result<(), StoreError> {
    remove_if_there(path)?;
    let file = create_unfinished(path)?;
    let allocated = loop {
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Err(rustix::io::Errno::INTR) => {}
            // A file system that can't promise blocks gives them to whoever writes.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => break write_zeros(&file, bytes),
            done => break done.map_err(io::Error::from),
        }
    };
    let done = allocated.and_then(|()| file.sync_all()).during("writing", path);
    if done.is_err() {
        // The blocks that it did get are needed elsewhere; what can't be removed is swept at the next start.
        let _ = remove_if_there(path);
    }
    done
}

fn write_zeros(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(bytes), &mut file).map(drop)
}

/// Bytes of a file that really lie on the disk; none if there is no such file.
pub(crate) fn allocated(path: &Path) -> Result<u64, StoreError> {
    /// The unit of `st_blocks`, whatever the file system's own blocks are.
    const BLOCK: u64 = 512;
    Ok(look(path)?.filter(fs::Metadata::is_file).map_or(0, |found| found.blocks().saturating_mul(BLOCK)))
}

/// Bytes that the file system of an existing path has left for this user.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let found = rustix::fs::statvfs(path).map_err(io::Error::from).during("asking for the room beside", path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).during("syncing", dir)
}

pub(crate) fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_written_once_privately_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(unfinished_name(&path), "half a key from before a power cut").unwrap();
        write_once(&path, b"first").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(matches!(write_once(&path, b"second"), Err(StoreError::Exists(p)) if p == path));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(dir.path()).unwrap(), ["key"], "nothing unfinished stays");
    }

    #[test]
    fn a_link_is_never_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_to_read(&file).unwrap().is_some());
        assert!(open_to_read(&link).unwrap().is_none());
        assert!(open_to_read(dir.path()).unwrap().is_none(), "nor a directory");
        assert!(open_to_read(&file.join("below")).unwrap().is_none());
    }

    #[test]
    fn a_file_larger_than_its_bound_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, vec![1; 101]).unwrap();
        assert!(matches!(read_bounded(&path, 100, "a test (bytes)"), Err(StoreError::TooLarge { .. })));
        assert_eq!(read_bounded(&path, 101, "a test (bytes)").unwrap().unwrap().expose().len(), 101);
        assert!(read_bounded(&dir.path().join("none"), 1, "a test (bytes)").unwrap().is_none());
    }

    #[test]
    fn directories_are_private_all_the_way_down_and_become_so() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        make_private_dir(&deep).unwrap();
        assert_eq!((mode(&dir.path().join("a")), mode(&deep)), (0o700, 0o700));
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o755)).unwrap();
        make_private_dir(&deep).unwrap();
        assert_eq!(mode(&deep), 0o700);
    }
}
