//! A meter's files as one tree, the same over SFTP and FTP: logs and configuration, made when they are
//! opened and unchanged for as long as they stay open. Nothing in it lies on a disk and nothing can be
//! written; what a session may read is asked of the meter, file by file.

mod content;
mod path;
mod tree;

use std::sync::Arc;

use meter::{Caller, GateError};
use security::Refusal;
use tokio::sync::Semaphore;

pub use content::Snapshot;
pub use path::normalise;
pub use tree::{Kind, Stat, Tree};

use crate::Site;

/// Opened files of one face hold at most this much memory together. The largest event log in the field
/// is some 10 MiB.
pub const OPEN_BYTES: usize = 256 << 20;
/// Memory is counted in pieces of this size.
const PIECE: usize = 1 << 10;

/// The files of a meter, for all sessions of one face.
pub struct Files {
    site: Arc<Site>,
    room: Arc<Semaphore>,
    /// A file far larger than any that a meter has, for tests of transfer.
    #[cfg(test)]
    pub(crate) large: Option<bytes::Bytes>,
}

impl Files {
    /// The files of this meter.
    pub fn new(site: Arc<Site>) -> Self {
        Self {
            site,
            room: Arc::new(Semaphore::new(OPEN_BYTES / PIECE)),
            #[cfg(test)]
            large: None,
        }
    }

    /// The meter whose files these are.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The tree as somebody sees it.
    pub fn tree(self: &Arc<Self>, caller: Caller) -> Tree {
        Tree::new(Arc::clone(self), caller)
    }
}

/// Why a file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing of that name, or nothing that this caller may know of.
    #[error("there is no \"{0}\" on this meter")]
    NotThere(String),
    /// A directory where a file is wanted.
    #[error("\"{0}\" is a directory")]
    IsDirectory(String),
    /// A file where a directory is wanted.
    #[error("\"{0}\" is not a directory")]
    NotDirectory(String),
    /// A write of any kind.
    #[error("the meter's files are read-only here: change set-up with Setup")]
    ReadOnly,
    /// A right or a login is missing.
    #[error(transparent)]
    Denied(#[from] Refusal),
    /// [`OPEN_BYTES`] are open.
    #[error("too much is open on this meter at the moment: close some files and try again")]
    Full,
    /// The meter couldn't.
    #[error(transparent)]
    Gate(GateError),
}

impl From<GateError> for FileError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Refused(refusal) => Self::Denied(refusal),
            other => Self::Gate(other),
        }
    }
}
