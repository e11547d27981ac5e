//! A file that is being written: a document, or a package on its way to being staged. Only the session that writes it
//! sees it; it is a file for everybody when it is closed, and nothing at all if it never is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use meter::{Beginning, DocumentChange, DocumentWriter, PackageUpload};
use security::{Ask, Right};
use tokio::sync::OwnedSemaphorePermit;

use super::place::Place;
use super::tree::{Kind, Stat, Tree};
use super::{FileError, shown};
use crate::Site;

/// How a file is opened to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct How {
    /// It may be made if it isn't there.
    pub create: bool,
    /// It may not be there yet.
    pub new: bool,
    /// What is in it goes.
    pub empty: bool,
    /// Everything is written at its end.
    pub append: bool,
}

/// What is changed of a file besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Its size: cut, or filled up with zeros.
    pub size: Option<u64>,
    /// Its time, UTC in milliseconds since 1970.
    pub utc_ms: Option<i64>,
}

/// A file that is being written. Dropped before it is closed, it was never there.
pub struct Writing {
    append: bool,
    began_utc_ms: i64,
    sink: Mutex<Sink>,
    _open: OwnedSemaphorePermit,
}

enum Sink {
    Document(DocumentWriter),
    Package(PackageUpload, String, Arc<Site>),
    /// A write has failed: what there is of it is gone, and closing won't make a file of it.
    Spoiled,
    Closed,
}

impl Writing {
    /// What it is so far.
    pub fn stat(&self) -> Result<Stat, FileError> {
        let (size, utc_ms) = match &*self.sink() {
            Sink::Document(writer) => (writer.size(), writer.utc_ms()),
            Sink::Package(upload, ..) => (upload.size(), None),
            Sink::Spoiled => return Err(FileError::Spoiled),
            Sink::Closed => return Err(FileError::Closed),
        };
        Ok(Stat { kind: Kind::File, size, utc_ms: utc_ms.unwrap_or(self.began_utc_ms), writable: true })
    }

    /// Writes at an offset, while there is room. Waits for the disk. After a failure nothing of the file is kept.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.sink().unless_spoiled(|sink| match sink {
            Sink::Document(writer) => {
                let offset = if self.append { writer.size() } else { offset };
                Ok(writer.write_at(offset, bytes)?)
            }
            Sink::Package(upload, _, site) => Ok(upload.write_at(site.now(), offset, bytes)?),
            Sink::Spoiled => Err(FileError::Spoiled),
            Sink::Closed => Err(FileError::Closed),
        })
    }

    /// At most `length` bytes of what has been written. Waits for the disk.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FileError> {
        match &*self.sink() {
            Sink::Document(writer) => Ok(writer.read_at(offset, length)?),
            Sink::Package(upload, ..) => Ok(upload.read_at(offset, length)?),
            Sink::Spoiled => Err(FileError::Spoiled),
            Sink::Closed => Err(FileError::Closed),
        }
    }

    /// Changes what it is going to be. A package keeps its own time.
    pub fn set(&self, change: Change) -> Result<(), FileError> {
        self.sink().unless_spoiled(|sink| match sink {
            Sink::Document(writer) => {
                change.size.map_or(Ok(()), |size| writer.set_size(size))?;
                change.utc_ms.into_iter().for_each(|utc_ms| writer.set_modified(utc_ms));
                Ok(())
            }
            Sink::Package(upload, ..) if change.size.is_none_or(|size| size == upload.size()) => Ok(()),
            Sink::Package(..) => Err(FileError::PackageInPieces),
            Sink::Spoiled => Err(FileError::Spoiled),
            Sink::Closed => Err(FileError::Closed),
        })
    }

    /// What has been written is on the disk when it returns. A package is put there when it is closed.
    pub fn sync(&self) -> Result<(), FileError> {
        match &*self.sink() {
            Sink::Document(writer) => Ok(writer.sync()?),
            Sink::Package(..) => Ok(()),
            Sink::Spoiled => Err(FileError::Spoiled),
            Sink::Closed => Err(FileError::Closed),
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Does something with it; if that fails, what there is of the file goes.
    fn unless_spoiled(&mut self, work: impl FnOnce(&mut Self) -> Result<(), FileError>) -> Result<(), FileError> {
        work(self).inspect_err(|_| {
            if !matches!(self, Self::Closed) {
                *self = Self::Spoiled;
            }
        })
    }
}

impl Tree {
    /// Opens a file to be written.
    pub fn create(&self, path: &str, how: How) -> Result<Arc<Writing>, FileError> {
        self.may(Ask::Read)?;
        let (place, path) = match self.place(path) {
            // A name below what can't be written.
            Err(FileError::NotThere(_)) => return Err(FileError::ReadOnly),
            place => place?,
        };
        let there = match self.stat(&path) {
            Ok(stat) => Some(stat),
            Err(error) if error.failure() == super::Failure::NotThere => None,
            Err(error) => return Err(error),
        };
        match there {
            _ if matches!(place, Place::Made(_)) => return Err(FileError::ReadOnly),
            Some(Stat { kind: Kind::Directory, .. }) => return Err(FileError::IsDirectory(shown(&path))),
            Some(_) if how.new => return Err(FileError::Exists(shown(&path))),
            None if !how.create => return Err(FileError::NotThere(shown(&path))),
            _ => {}
        }
        let open = self.files.place()?;
        let (now, caller) = (self.now(), &self.caller);
        let sink = match place {
            Place::Document(document) => {
                let beginning = if how.empty { Beginning::Empty } else { Beginning::AsItIs };
                Sink::Document(self.gate().write_document(now, caller, &document, beginning)?)
            }
            Place::Package(_) if there.is_some() && !how.empty => return Err(FileError::PackageInPieces),
            Place::Package(name) => {
                Sink::Package(self.gate().receive_package(now, caller)?, name, Arc::clone(self.files.site()))
            }
            Place::Directory(_) | Place::Made(_) => return Err(FileError::ReadOnly),
        };
        let writing = Writing { append: how.append, began_utc_ms: now.utc_ms, sink: Mutex::new(sink), _open: open };
        let writing = Arc::new(writing);
        let mut all = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, writing| writing.strong_count() > 0);
        all.insert(path, Arc::downgrade(&writing));
        Ok(writing)
    }

    /// Closes a file that has been written: a document is there from now on, a package is verified and staged. After a
    /// refusal there is nothing of it. Waits for the disk.
    pub fn close(&self, writing: &Writing) -> Result<(), FileError> {
        let sink = std::mem::replace(&mut *writing.sink(), Sink::Closed);
        // Another one of the same name that this session opened later stays.
        let is_this = |other: &Weak<Writing>| std::ptr::eq(other.as_ptr(), writing);
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, other| !is_this(other));
        let (now, caller) = (self.now(), &self.caller);
        match sink {
            Sink::Document(writer) => self.gate().keep_document(now, caller, writer)?,
            Sink::Package(upload, name, _) => {
                self.gate().stage_upload(now, caller, upload, Some(&name))?;
            }
            Sink::Spoiled => return Err(FileError::Spoiled),
            Sink::Closed => return Err(FileError::Closed),
        }
        Ok(())
    }

    /// Changes a file that isn't open, or that this session is writing.
    pub fn set(&self, path: &str, change: Change) -> Result<(), FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        if let Some(writing) = self.written(&path) {
            return writing.set(change);
        }
        let stat = self.stat(&path)?;
        match place {
            Place::Document(document) => {
                if let Some(size) = change.size.filter(|size| *size != stat.size) {
                    if stat.kind == Kind::Directory {
                        return Err(FileError::IsDirectory(shown(&path)));
                    }
                    let _open = self.files.place()?;
                    let (now, caller) = (self.now(), &self.caller);
                    let mut writer = self.gate().write_document(now, caller, &document, Beginning::AsItIs)?;
                    writer.set_size(size)?;
                    self.gate().keep_document(now, caller, writer)?;
                }
                // Whatever else a client sets is asked for the right as well, and has no effect.
                let utc_ms = change.utc_ms.unwrap_or(self.stat(&path)?.utc_ms);
                self.change(&DocumentChange::Date(document, utc_ms))
            }
            // When it was staged is when it was staged.
            Place::Package(_) if change.size.is_none_or(|size| size == stat.size) => {
                Ok(self.gate().ask(self.now(), &self.caller, Ask::Do(Right::SecurityConfig))?)
            }
            Place::Package(_) => Err(FileError::PackageInPieces),
            Place::Directory(_) | Place::Made(_) => Err(FileError::ReadOnly),
        }
    }

    /// What this session is writing under a path.
    pub(super) fn written(&self, path: &str) -> Option<Arc<Writing>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).get(path).and_then(Weak::upgrade)
    }

    /// Everything that this session is writing.
    pub(super) fn all_written(&self) -> Vec<(String, Arc<Writing>)> {
        let all = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(|(path, writing)| Some((path.clone(), writing.upgrade()?))).collect()
    }
}
