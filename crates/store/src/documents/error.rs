//! Why a document can't be had or written, each as one sentence that says what to do.

use super::{MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_NAME, MAX_DOCUMENT_WRITERS, MAX_DOCUMENTS};
use crate::error::StoreError;

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
    /// The disk; its path is in the source alone.
    #[error("{}", .0.told())]
    Store(#[from] StoreError),
}
