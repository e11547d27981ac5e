//! What people keep in a meter: files and directories below `documents/`, bounded in bytes, number and depth.
//!
//! It works beside the store, so that a transfer never holds the meter up. A document appears whole or not at all: it
//! is written under a name that nothing reads, synced, and renamed; who may write is decided above. It must never
//! follow a link, and never reach anything that isn't below its own directory.

mod error;
mod path;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::DuringFile;
use crate::files;
use crate::reserve::Room;
use crate::state_dir::{DOCUMENTS, INCOMING};
use crate::store::{MeterId, Store};
use crate::unfinished::{StoredFile, Unfinished, modified, set_modified};
pub use error::DocumentError;
use path::may_be_called;
pub use path::{DocumentPath, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_NAME};
pub use writer::DocumentWriter;

/// Bytes of one meter's documents together: manuals, photographs and wiring plans of one metering point.
pub const MAX_DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Files and directories of one meter's documents.
pub const MAX_DOCUMENTS: usize = 256;
/// Documents written at once.
pub const MAX_DOCUMENT_WRITERS: usize = 32;
/// Copied at a time when a document is changed in place.
const CHUNK: usize = 256 * 1024;

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
    room: Room,
    ledger: Mutex<Ledger>,
}

/// What is being written. Holding it, nobody else publishes, moves or removes.
#[derive(Default)]
struct Ledger {
    writers: usize,
    bytes: u64,
    next: u64,
}

impl Store {
    /// A meter's documents, to be used beside the store.
    pub fn documents(&self, meter: MeterId) -> Arc<Documents> {
        let dir = self.dir.join(DOCUMENTS).join(meter.to_string());
        let incoming = self.dir.join(INCOMING);
        let (quota, room) = (self.document_bytes, self.room.clone());
        Arc::new(Documents { dir, incoming, quota, room, ledger: Mutex::default() })
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
        self.room.for_more(0)?;
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
        self.room.for_more(0)?;
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
        if let Some(there) = self.look(to)?
            && (!replace || moved.directory || there.is_dir())
        {
            return Err(DocumentError::Exists(to.to_string()));
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

fn is_kept(found: &Metadata) -> bool {
    found.is_file() || found.is_dir()
}

fn stat(found: &Metadata) -> DocumentStat {
    let size = if found.is_dir() { 0 } else { found.len() };
    DocumentStat { directory: found.is_dir(), size, utc_ms: modified(found) }
}
