//! What people keep in a meter: files and directories below `documents/`, bounded in bytes, number and depth.
//!
//! It works beside the store, so that a transfer never holds the meter up. A document appears whole or not at all: it
//! is written under a name that nothing reads, synced, and renamed; who may write is decided above. It must never
//! follow a link, and never reach anything that isn't below its own directory.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{DuringFile, StoreError};
use crate::files;
use crate::state_dir::{DOCUMENTS, INCOMING};
use crate::store::{MeterId, Store};
use crate::unfinished::{StoredFile, Unfinished, modified, set_modified};

/// Bytes of one meter's documents together: manuals, photographs and wiring plans of one metering point.
pub const MAX_DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Files and directories of one meter's documents.
pub const MAX_DOCUMENTS: usize = 256;
/// How deep they lie: three directories and a file.
pub const MAX_DOCUMENT_DEPTH: usize = 4;
/// Longest name of a document or directory, in bytes: every file system takes it, with a suffix too.
pub const MAX_DOCUMENT_NAME: usize = 128;
/// Documents written at once.
pub const MAX_DOCUMENT_WRITERS: usize = 32;
/// Copied at a time when a document is changed in place.
const CHUNK: usize = 256 * 1024;

/// Why a document can't be had or written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Nothing of that name.
    #[error("there is no \"{0}\" among the documents")]
    NotThere(String),
    /// The name is taken.
    #[error("there is a \"{0}\" among the documents already")]
    Exists(String),
    /// A directory where a file is wanted.
    #[error("\"{0}\" is a directory")]
    IsDirectory(String),
    /// A file where a directory is wanted.
    #[error("\"{0}\" is not a directory")]
    NotDirectory(String),
    /// A directory that isn't empty.
    #[error("\"{0}\" is not empty: remove what is in it first")]
    NotEmpty(String),
    /// A name that none may have.
    #[error(
        "a document can't be called that: a name is text of at most {MAX_DOCUMENT_NAME} bytes without control \
         characters, slashes or backslashes"
    )]
    Name,
    /// Too deep.
    #[error("documents lie at most {MAX_DOCUMENT_DEPTH} deep: put it higher up")]
    TooDeep,
    /// A directory into itself, and the like.
    #[error("\"{0}\" can't be moved there")]
    Misplaced(String),
    /// The bytes are used up.
    #[error("the documents are full: together they take at most {} MiB, so remove some first", .0 / 1024 / 1024)]
    Full(u64),
    /// The number is used up.
    #[error(
        "there are too many documents: at most {MAX_DOCUMENTS} files and directories are kept, so remove some first"
    )]
    TooMany,
    /// Others are being written.
    #[error("at most {MAX_DOCUMENT_WRITERS} documents can be written at once: try again in a minute")]
    Busy,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a document lies, as the names from `documents/` on; none for `documents/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DocumentPath(Vec<String>);

impl DocumentPath {
    /// Takes names separated by single slashes; empty is `documents/` itself.
    pub fn parse(path: &str) -> Result<Self, DocumentError> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let names: Vec<String> = path.split('/').take(MAX_DOCUMENT_DEPTH + 1).map(str::to_owned).collect();
        if !names.iter().all(|name| may_be_called(name)) {
            return Err(DocumentError::Name);
        }
        if names.len() > MAX_DOCUMENT_DEPTH { Err(DocumentError::TooDeep) } else { Ok(Self(names)) }
    }

    /// Whether this is `documents/` itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Whether a document may have a name: text that every client's system can write down.
fn may_be_called(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | char::REPLACEMENT_CHARACTER);
    !matches!(name, "" | "." | "..") && name.len() <= MAX_DOCUMENT_NAME && !name.contains(odd)
}

/// What is known of a document or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentStat {
    /// Whether it is a directory.
    pub directory: bool,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When it was written, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// How much room there is, and how much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentSpace {
    /// Bytes there are.
    pub bytes: u64,
    /// Bytes taken.
    pub used_bytes: u64,
    /// Files and directories there may be.
    pub entries: usize,
    /// Files and directories there are.
    pub used_entries: usize,
}

/// What a document that is to be written begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Empty.
    Empty,
    /// As it is, if it is there.
    AsItIs,
}

/// One meter's documents.
pub struct Documents {
    dir: PathBuf,
    incoming: PathBuf,
    quota: u64,
    ledger: Mutex<Ledger>,
}

/// What is being written. Holding it, nobody else publishes, moves or removes.
#[derive(Default)]
struct Ledger {
    writers: usize,
    bytes: u64,
    next: u64,
}

/// A document that is being written. Dropped before [`Documents::keep`], it was never there.
pub struct DocumentWriter {
    documents: Arc<Documents>,
    path: DocumentPath,
    file: Unfinished,
    /// What all others take, as of the beginning.
    others: u64,
    /// What of it stands in the ledger.
    entered: u64,
    utc_ms: Option<i64>,
}

impl Store {
    /// A meter's documents, to be used beside the store.
    pub fn documents(&self, meter: MeterId) -> Arc<Documents> {
        let dir = self.dir.join(DOCUMENTS).join(meter.to_string());
        let incoming = self.dir.join(INCOMING);
        Arc::new(Documents { dir, incoming, quota: self.document_bytes, ledger: Mutex::default() })
    }
}

impl Documents {
    /// What there is at a path.
    pub fn stat(&self, path: &DocumentPath) -> Result<DocumentStat, DocumentError> {
        if path.is_root() {
            let made = files::look(&self.dir)?.map_or(0, |found| modified(&found));
            return Ok(DocumentStat { directory: true, size: 0, utc_ms: made });
        }
        Ok(stat(&self.look(path)?.ok_or_else(|| DocumentError::NotThere(path.to_string()))?))
    }

    /// What lies in a directory, by name. Whatever is neither file nor directory isn't there.
    pub fn list(&self, path: &DocumentPath) -> Result<Vec<(String, DocumentStat)>, DocumentError> {
        if !self.stat(path)?.directory {
            return Err(DocumentError::NotDirectory(path.to_string()));
        }
        let dir = self.at(path);
        let mut entries = Vec::new();
        for name in files::names(&dir)?.into_iter().filter(|name| may_be_called(name)).take(MAX_DOCUMENTS) {
            if let Some(found) = files::look(&dir.join(&name))?.filter(is_kept) {
                entries.push((name, stat(&found)));
            }
        }
        Ok(entries)
    }

    /// Opens a document.
    pub fn read(&self, path: &DocumentPath) -> Result<StoredFile, DocumentError> {
        if self.stat(path)?.directory {
            return Err(DocumentError::IsDirectory(path.to_string()));
        }
        StoredFile::open(&self.at(path))?.ok_or_else(|| DocumentError::NotThere(path.to_string()))
    }

    /// Begins to write a document, whose directory is there. Nothing is seen of it until it is kept.
    pub fn write(self: &Arc<Self>, path: &DocumentPath, beginning: Beginning) -> Result<DocumentWriter, DocumentError> {
        let before = self.place(path)?;
        let used = self.used(&self.dir, 0)?;
        if before.is_none() && used.entries >= MAX_DOCUMENTS {
            return Err(DocumentError::TooMany);
        }
        let others = used.bytes.saturating_sub(before.map_or(0, |before| before.size));
        let number = {
            let mut ledger = self.ledger();
            if ledger.writers >= MAX_DOCUMENT_WRITERS {
                return Err(DocumentError::Busy);
            }
            let number = ledger.next;
            ledger.next += 1;
            ledger.writers += 1;
            number
        };
        let file = Unfinished::create(&self.incoming, number).inspect_err(|_| self.ledger().writers -= 1)?;
        let mut writer =
            DocumentWriter { documents: Arc::clone(self), path: path.clone(), file, others, entered: 0, utc_ms: None };
        if beginning == Beginning::AsItIs && before.is_some() {
            let from = self.read(path)?;
            while writer.size() < from.size() {
                let piece = from.read_at(writer.size(), CHUNK)?;
                writer.write_at(writer.size(), &piece)?;
            }
        }
        Ok(writer)
    }

    /// Gives a document its name, whole and durable. Unless the writer was given a time, it has this one.
    pub fn keep(&self, mut writer: DocumentWriter, utc_ms: i64) -> Result<(), DocumentError> {
        writer.file.set_modified(writer.utc_ms.unwrap_or(utc_ms))?;
        writer.file.sync()?;
        let _alone = self.ledger();
        let before = self.place(&writer.path)?;
        let used = self.used(&self.dir, 0)?;
        let others = used.bytes.saturating_sub(before.map_or(0, |before| before.size));
        if others.saturating_add(writer.size()) > self.quota {
            return Err(DocumentError::Full(self.quota));
        }
        if before.is_none() && used.entries >= MAX_DOCUMENTS {
            return Err(DocumentError::TooMany);
        }
        files::make_private_dir(&self.dir)?;
        Ok(writer.file.publish(&self.at(&writer.path))?)
    }

    /// Removes a document.
    pub fn remove(&self, path: &DocumentPath) -> Result<(), DocumentError> {
        let _alone = self.ledger();
        if self.stat(path)?.directory {
            return Err(DocumentError::IsDirectory(path.to_string()));
        }
        Ok(files::remove(&self.at(path))?)
    }

    /// Makes a directory in one that is there.
    pub fn make_dir(&self, path: &DocumentPath) -> Result<(), DocumentError> {
        let _alone = self.ledger();
        self.parent(path)?;
        if path.is_root() || self.look(path)?.is_some() {
            return Err(DocumentError::Exists(path.to_string()));
        }
        if self.used(&self.dir, 0)?.entries >= MAX_DOCUMENTS {
            return Err(DocumentError::TooMany);
        }
        Ok(files::make_private_dir(&self.at(path))?)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, path: &DocumentPath) -> Result<(), DocumentError> {
        let _alone = self.ledger();
        if !self.stat(path)?.directory {
            return Err(DocumentError::NotDirectory(path.to_string()));
        }
        if path.is_root() || !files::names(&self.at(path))?.is_empty() {
            return Err(DocumentError::NotEmpty(path.to_string()));
        }
        Ok(files::remove_dir(&self.at(path))?)
    }

    /// Moves a document or a directory. With `replace`, a document that has the new name gives way.
    pub fn rename(&self, from: &DocumentPath, to: &DocumentPath, replace: bool) -> Result<(), DocumentError> {
        let _alone = self.ledger();
        let moved = self.stat(from)?;
        self.parent(to)?;
        if from.is_root() || to.is_root() || (to.0.len() > from.0.len() && to.0.starts_with(&from.0)) {
            return Err(DocumentError::Misplaced(from.to_string()));
        }
        if let Some(there) = self.look(to)? {
            if !replace || moved.directory || there.is_dir() {
                return Err(DocumentError::Exists(to.to_string()));
            }
        }
        let height = if moved.directory { self.used(&self.at(from), from.0.len())?.height } else { 0 };
        if to.0.len() + height > MAX_DOCUMENT_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        Ok(files::rename(&self.at(from), &self.at(to))?)
    }

    /// Gives a document or directory another time, UTC in milliseconds since 1970.
    pub fn set_modified(&self, path: &DocumentPath, utc_ms: i64) -> Result<(), DocumentError> {
        self.stat(path)?;
        let at = self.at(path);
        let file = File::open(&at).during("opening", &at)?;
        Ok(set_modified(&file, utc_ms).during("dating", &at)?)
    }

    /// How much room there is.
    pub fn space(&self) -> Result<DocumentSpace, DocumentError> {
        let used = self.used(&self.dir, 0)?;
        Ok(DocumentSpace {
            bytes: self.quota,
            used_bytes: used.bytes,
            entries: MAX_DOCUMENTS,
            used_entries: used.entries,
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, path: &DocumentPath) -> PathBuf {
        path.0.iter().fold(self.dir.clone(), |at, name| at.join(name))
    }

    /// What lies at a path, reached through directories alone.
    fn look(&self, path: &DocumentPath) -> Result<Option<Metadata>, DocumentError> {
        let mut at = self.dir.clone();
        let mut found = None;
        for (depth, name) in path.0.iter().enumerate() {
            at.push(name);
            found = files::look(&at)?.filter(is_kept);
            match &found {
                None => return Ok(None),
                Some(found) if depth + 1 < path.0.len() && !found.is_dir() => return Ok(None),
                Some(_) => {}
            }
        }
        Ok(found)
    }

    /// The directory that something is to lie in is there.
    fn parent(&self, path: &DocumentPath) -> Result<(), DocumentError> {
        let Some((_, above)) = path.0.split_last() else { return Ok(()) };
        let above = DocumentPath(above.to_vec());
        if self.stat(&above)?.directory { Ok(()) } else { Err(DocumentError::NotDirectory(above.to_string())) }
    }

    /// What has the name that a document is to have; its directory is there.
    fn place(&self, path: &DocumentPath) -> Result<Option<DocumentStat>, DocumentError> {
        self.parent(path)?;
        let before = if path.is_root() { Some(self.stat(path)?) } else { self.look(path)?.map(|found| stat(&found)) };
        match before {
            Some(before) if before.directory => Err(DocumentError::IsDirectory(path.to_string())),
            before => Ok(before),
        }
    }

    /// What lies below a directory. More than may be there is not counted further.
    fn used(&self, dir: &Path, depth: usize) -> Result<Used, DocumentError> {
        let mut used = Used::default();
        if depth >= MAX_DOCUMENT_DEPTH {
            return Ok(used);
        }
        for name in files::names(dir)? {
            let path = dir.join(name);
            let Some(found) = files::look(&path)?.filter(is_kept) else { continue };
            used.entries += 1;
            used.height = used.height.max(1);
            if found.is_dir() {
                let below = self.used(&path, depth + 1)?;
                used.entries += below.entries;
                used.bytes = used.bytes.saturating_add(below.bytes);
                used.height = used.height.max(below.height + 1);
            } else {
                used.bytes = used.bytes.saturating_add(found.len());
            }
            if used.entries > MAX_DOCUMENTS {
                break;
            }
        }
        Ok(used)
    }
}

#[derive(Default)]
struct Used {
    entries: usize,
    bytes: u64,
    height: usize,
}

impl DocumentWriter {
    /// Where it will lie.
    pub fn path(&self) -> &DocumentPath {
        &self.path
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// The time it was given.
    pub fn utc_ms(&self) -> Option<i64> {
        self.utc_ms
    }

    /// Writes at an offset, while there is room.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DocumentError> {
        self.grow(offset.saturating_add(bytes.len() as u64).max(self.size()))?;
        Ok(self.file.write_at(offset, bytes)?)
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, DocumentError> {
        Ok(self.file.read_at(offset, length)?)
    }

    /// Cuts it, or fills it up with zeros.
    pub fn set_size(&mut self, size: u64) -> Result<(), DocumentError> {
        self.grow(size)?;
        self.file.set_size(size)?;
        let mut ledger = self.documents.ledger();
        ledger.bytes = ledger.bytes.saturating_sub(self.entered - size);
        self.entered = size;
        Ok(())
    }

    /// The time it is to have, UTC in milliseconds since 1970.
    pub fn set_modified(&mut self, utc_ms: i64) {
        self.utc_ms = Some(utc_ms);
    }

    /// What has been written is on the disk when it returns, though nobody sees it yet.
    pub fn sync(&self) -> Result<(), DocumentError> {
        Ok(self.file.sync()?)
    }

    /// Enters growth in the ledger, if it fits: beside what is kept, and beside what else is being written.
    fn grow(&mut self, size: u64) -> Result<(), DocumentError> {
        let quota = self.documents.quota;
        if self.others.saturating_add(size) > quota {
            return Err(DocumentError::Full(quota));
        }
        let growth = size.saturating_sub(self.entered);
        let mut ledger = self.documents.ledger();
        if ledger.bytes.saturating_add(growth) > quota {
            return Err(DocumentError::Full(quota));
        }
        ledger.bytes += growth;
        self.entered += growth;
        Ok(())
    }
}

impl Drop for DocumentWriter {
    fn drop(&mut self) {
        let mut ledger = self.documents.ledger();
        ledger.writers -= 1;
        ledger.bytes = ledger.bytes.saturating_sub(self.entered);
    }
}

fn is_kept(found: &Metadata) -> bool {
    found.is_file() || found.is_dir()
}

fn stat(found: &Metadata) -> DocumentStat {
    let size = if found.is_dir() { 0 } else { found.len() };
    DocumentStat { directory: found.is_dir(), size, utc_ms: modified(found) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::OpenOptions;
    use crate::testbed::{METER, Testbed};

    fn path(text: &str) -> DocumentPath {
        DocumentPath::parse(text).unwrap()
    }

    fn put(documents: &Arc<Documents>, name: &str, bytes: &[u8]) -> Result<(), DocumentError> {
        let mut writer = documents.write(&path(name), Beginning::Empty)?;
        writer.write_at(0, bytes)?;
        documents.keep(writer, 1_767_225_600_000)
    }

    fn names(documents: &Documents, dir: &str) -> Vec<String> {
        documents.list(&path(dir)).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    fn text(documents: &Documents, name: &str) -> String {
        String::from_utf8(documents.read(&path(name)).unwrap().read_at(0, 1000).unwrap()).unwrap()
    }

    #[test]
    fn a_document_is_whole_or_not_there() {
        let bed = Testbed::new();
        let documents = bed.born(&[]).documents(METER);
        assert!(names(&documents, "").is_empty());
        put(&documents, "plan.txt", b"old").unwrap();
        let mut writer = documents.write(&path("plan.txt"), Beginning::AsItIs).unwrap();
        writer.write_at(3, b"er").unwrap();
        assert_eq!(text(&documents, "plan.txt"), "old", "nobody sees what isn't whole");
        let open = documents.read(&path("plan.txt")).unwrap();
        documents.keep(writer, 5).unwrap();
        assert_eq!(text(&documents, "plan.txt"), "older");
        assert_eq!(open.read_at(0, 9).unwrap(), b"old", "what is open stays as it was");
        drop(documents.write(&path("cut.txt"), Beginning::Empty).unwrap());
        assert_eq!(names(&documents, ""), ["plan.txt"]);
        assert!(files::names(&bed.path.join(INCOMING)).unwrap().is_empty());
    }

    #[test]
    fn what_a_power_cut_left_half_written_is_gone_at_the_next_start() {
        let bed = Testbed::new();
        let documents = bed.born(&[]).documents(METER);
        let mut writer = documents.write(&path("cut.txt"), Beginning::Empty).unwrap();
        writer.write_at(0, b"half").unwrap();
        std::mem::forget(writer);
        let store = bed.again();
        assert!(names(&store.documents(METER), "").is_empty());
        assert!(files::names(&bed.path.join(INCOMING)).unwrap().is_empty());
    }

    #[test]
    fn names_reach_nothing_outside_and_go_only_so_deep() {
        let long = "n".repeat(MAX_DOCUMENT_NAME + 1);
        for bad in ["..", ".", "a/../b", "/etc", "a//b", "a/", "a\\b", "a\0b", "a\nb", "\u{fffd}", &long] {
            assert!(matches!(DocumentPath::parse(bad), Err(DocumentError::Name)), "{bad:?}");
        }
        assert!(matches!(DocumentPath::parse("a/b/c/d/e"), Err(DocumentError::TooDeep)));
        assert_eq!(path("a/b/c/ä b.txt").to_string(), "a/b/c/ä b.txt");
    }

    #[test]
    fn links_and_devices_are_not_there() {
        let bed = Testbed::new();
        let documents = bed.born(&[]).documents(METER);
        put(&documents, "real.txt", b"x").unwrap();
        let dir = bed.path.join(DOCUMENTS).join("1");
        fs::write(bed.path.join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(bed.path.join("secret"), dir.join("file")).unwrap();
        std::os::unix::fs::symlink(&bed.path, dir.join("dir")).unwrap();
        assert_eq!(names(&documents, ""), ["real.txt"]);
        for name in ["file", "dir", "dir/secret", "dir/lock"] {
            assert!(matches!(documents.read(&path(name)), Err(DocumentError::NotThere(_))), "{name}");
        }
        let through = documents.write(&path("dir/new"), Beginning::Empty);
        assert!(matches!(through.err(), Some(DocumentError::NotThere(_))));
        put(&documents, "file", b"mine").unwrap();
        assert_eq!(fs::read_to_string(bed.path.join("secret")).unwrap(), "secret", "the link gave way");
        assert!(matches!(documents.make_dir(&path("dir/new")), Err(DocumentError::NotThere(_))));
    }

    #[test]
    fn directories_are_made_moved_and_removed_within_the_bounds() {
        let bed = Testbed::new();
        let documents = bed.born(&[]).documents(METER);
        for dir in ["a", "a/b", "a/b/c", "z"] {
            documents.make_dir(&path(dir)).unwrap();
        }
        put(&documents, "a/b/c/deep.txt", b"x").unwrap();
        put(&documents, "top.txt", b"y").unwrap();
        let rename = |from, to, replace| documents.rename(&path(from), &path(to), replace);
        assert!(matches!(rename("a", "z/a", false), Err(DocumentError::TooDeep)));
        assert!(matches!(rename("a", "a/b/x", false), Err(DocumentError::Misplaced(_))));
        assert!(matches!(rename("top.txt", "a/b/c/deep.txt", false), Err(DocumentError::Exists(_))));
        assert!(matches!(rename("top.txt", "a", true), Err(DocumentError::Exists(_))));
        assert!(matches!(rename("top.txt", "no/x", true), Err(DocumentError::NotThere(_))));
        rename("top.txt", "a/b/c/deep.txt", true).unwrap();
        assert_eq!(text(&documents, "a/b/c/deep.txt"), "y");
        rename("a/b", "z/b", false).unwrap();
        assert_eq!(text(&documents, "z/b/c/deep.txt"), "y");
        assert!(matches!(documents.remove_dir(&path("z")), Err(DocumentError::NotEmpty(_))));
        assert!(matches!(documents.remove_dir(&path("")), Err(DocumentError::NotEmpty(_))));
        assert!(matches!(documents.remove_dir(&path("z/b/c/deep.txt")), Err(DocumentError::NotDirectory(_))));
        assert!(matches!(documents.remove(&path("a")), Err(DocumentError::IsDirectory(_))));
        assert!(matches!(documents.make_dir(&path("a")), Err(DocumentError::Exists(_))));
        documents.remove_dir(&path("a")).unwrap();
        documents.set_modified(&path("z/b/c/deep.txt"), 1_000_000).unwrap();
        assert_eq!(documents.stat(&path("z/b/c/deep.txt")).unwrap().utc_ms, 1_000_000);
        documents.remove(&path("z/b/c/deep.txt")).unwrap();
        assert_eq!(names(&documents, "z/b/c"), Vec::<String>::new());
    }

    #[test]
    fn quotas_hold_over_what_is_kept_and_what_is_being_written() {
        let bed = Testbed::new();
        drop(bed.born(&[]));
        let options = OpenOptions { document_bytes: Some(1000), ..OpenOptions::default() };
        let crate::Opened::Existing(store) = Store::open(&bed.path, &options).unwrap() else { panic!("no meter") };
        let documents = store.documents(METER);
        put(&documents, "one", &[1; 600]).unwrap();
        assert!(matches!(put(&documents, "two", &[2; 401]), Err(DocumentError::Full(1000))));
        put(&documents, "one", &[3; 1000]).unwrap();
        let space = documents.space().unwrap();
        assert_eq!((space.used_bytes, space.used_entries), (1000, 1));
        documents.remove(&path("one")).unwrap();
        let mut first = documents.write(&path("first"), Beginning::Empty).unwrap();
        let mut second = documents.write(&path("second"), Beginning::Empty).unwrap();
        first.write_at(0, &[1; 700]).unwrap();
        assert!(matches!(second.write_at(0, &[2; 301]), Err(DocumentError::Full(_))));
        assert!(matches!(second.write_at(u64::MAX, &[2]), Err(DocumentError::Full(_))), "nor far away");
        assert!(matches!(second.set_size(u64::MAX), Err(DocumentError::Full(_))));
        first.set_size(10).unwrap();
        second.write_at(0, &[2; 990]).unwrap();
        drop((first, second));
        for n in 0..MAX_DOCUMENT_WRITERS {
            std::mem::forget(documents.write(&path(&n.to_string()), Beginning::Empty).unwrap());
        }
        assert!(matches!(documents.write(&path("x"), Beginning::Empty).err(), Some(DocumentError::Busy)));
    }

    #[test]
    fn so_many_and_no_more() {
        let bed = Testbed::new();
        let documents = bed.born(&[]).documents(METER);
        for n in 0..MAX_DOCUMENTS {
            documents.make_dir(&path(&n.to_string())).unwrap();
        }
        assert!(matches!(documents.make_dir(&path("more")), Err(DocumentError::TooMany)));
        assert!(matches!(put(&documents, "more", b"x"), Err(DocumentError::TooMany)));
        put(&documents, "0/more", b"x").unwrap_err();
        documents.remove_dir(&path("7")).unwrap();
        put(&documents, "0/more", b"x").unwrap();
    }
}
