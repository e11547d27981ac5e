//! A meter's files as one tree, the same over SFTP and FTP. `logs/`, `COMTRADE/`, `web/` and `config/` are made from
//! the meter when they are looked at; `documents/` is what people keep in it; what is put into `upgrade/` is staged.
//! What a session may do is asked of the meter, file by file: no rule about rights stands here.
//!
//! `path` and `place` say what a path means, `made` makes files, `log` those that are as long as a log, of which there
//! are `events` and `recordings`; `content` is an open one, `writing` one that is being written, and `tree` is all of it as one session sees it. Nothing here touches a disk: that is the store's.

mod content;
mod events;
mod log;
mod made;
mod path;
mod place;
mod recordings;
mod tree;
mod writing;

use std::sync::Arc;

use meter::{Caller, DocumentError, GateError};
use security::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use content::Content;
pub use path::normalise;
pub use tree::{Kind, Stat, Tree};
pub use writing::{Change, How, Writing};

use crate::Site;
use crate::disk::noted;

/// Files that were made for the sessions of one face hold at most this much memory together. The largest, a template,
/// is some 200 KiB; a log of any length holds three pages.
pub const MADE_BYTES: usize = 64 << 20;
/// Stored files that the sessions of one face have open together, to read or to write: each takes a descriptor, and a
/// process has about a thousand for everything.
pub const OPEN_FILES: usize = 128;
/// Bytes read for the clients of one face that wait to be sent.
pub const ANSWER_BYTES: usize = 32 << 20;
/// Memory is counted in pieces of this size.
const PIECE: usize = 1 << 10;

/// The files of a meter, for all sessions of one face.
pub struct Files {
    site: Arc<Site>,
    room: Arc<Semaphore>,
    open: Arc<Semaphore>,
    /// Bytes that wait to be sent to clients.
    answers: Arc<Semaphore>,
}

impl Files {
    /// The files of this meter.
    pub fn new(site: Arc<Site>) -> Self {
        let (room, open) = (Semaphore::new(MADE_BYTES / PIECE), Semaphore::new(OPEN_FILES));
        let answers = Semaphore::new(ANSWER_BYTES);
        Self { site, room: Arc::new(room), open: Arc::new(open), answers: Arc::new(answers) }
    }

    /// The meter whose files these are.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Room for bytes that wait to be sent, one permit each.
    pub fn answers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.answers)
    }

    /// The tree as somebody sees it.
    pub fn tree(self: &Arc<Self>, caller: Caller) -> Tree {
        Tree::new(Arc::clone(self), caller)
    }

    /// A place among the stored files that are open, until the permit is dropped. It is taken before the file is opened.
    fn place(&self) -> Result<OwnedSemaphorePermit, FileError> {
        Arc::clone(&self.open).try_acquire_owned().map_err(|_| FileError::TooManyOpen)
    }

    /// Room for so many bytes, until the permit is dropped.
    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, FileError> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).map_err(|_| FileError::Full)?;
        Arc::clone(&self.room).try_acquire_many_owned(pieces).map_err(|_| FileError::Full)
    }
}

/// Why a file can't be had or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing of that name, or nothing that this caller may know of.
    #[error("there is no \"{0}\" on this meter")]
    NotThere(String),
    /// A file where there is one already.
    #[error("there is a \"{0}\" already")]
    Exists(String),
    /// A directory where a file is wanted.
    #[error("\"{0}\" is a directory")]
    IsDirectory(String),
    /// A file where a directory is wanted.
    #[error("\"{0}\" is not a directory")]
    NotDirectory(String),
    /// A write where nothing can be written.
    #[error(
        "this is read-only here: only documents/ takes files, and upgrade/ where there is one; set-up is changed with Setup"
    )]
    ReadOnly,
    /// A package is written from its beginning to its end.
    #[error("a package is sent whole: remove the one that is there and send it again")]
    PackageInPieces,
    /// A file from one part of the tree to another.
    #[error("a file can't be moved from one part of the meter to another: copy it")]
    Across,
    /// A right or a login is missing.
    #[error(transparent)]
    Denied(#[from] Refusal),
    /// A transfer that begins behind the end.
    #[error("there are only {0} bytes of this file: begin there, or at its beginning")]
    Beyond(u64),
    /// A log that has lost its oldest entries while it was read.
    #[error("the oldest entries have been dropped from this log since it was opened: get it again")]
    Overtaken,
    /// A write of it has failed before.
    #[error("nothing of this file was kept, because a part of it could not be written: send it again")]
    Spoiled,
    /// It was closed.
    #[error("this file has been closed")]
    Closed,
    /// [`MADE_BYTES`] are held.
    #[error("too much is open on this meter at the moment: close some files and try again")]
    Full,
    /// [`OPEN_FILES`] are open.
    #[error("at most {OPEN_FILES} files can be open on this face of the meter at once: close some and try again")]
    TooManyOpen,
    /// The meter couldn't.
    #[error(transparent)]
    Gate(GateError),
}

/// What kind of failure it is: what a protocol needs for its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is there.
    NotThere,
    /// A right is missing, or nobody may.
    Denied,
    /// Anything else.
    Failed,
}

impl FileError {
    /// What kind of failure it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::NotThere(_)
            | Self::Gate(GateError::NoPackage(_) | GateError::Document(DocumentError::NotThere(_))) => {
                Failure::NotThere
            }
            Self::ReadOnly | Self::Denied(_) => Failure::Denied,
            _ => Failure::Failed,
        }
    }
}

impl From<GateError> for FileError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Refused(refusal) => Self::Denied(refusal),
            other => Self::Gate(noted(other)),
        }
    }
}

impl From<DocumentError> for FileError {
    fn from(error: DocumentError) -> Self {
        GateError::from(error).into()
    }
}

/// A name as messages show it, cut to a length that can't flood them.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}
