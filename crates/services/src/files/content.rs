//! An open file, for reading. It stays as it was when it was opened, and its size is what can be read of it.

use bytes::Bytes;
use meter::{GateError, StoredFile};
use tokio::sync::OwnedSemaphorePermit;

use super::FileError;
use super::log::Log;

/// A file's content as of one moment.
pub enum Content {
    /// Made whole.
    #[doc(hidden)]
    Made { bytes: Bytes, utc_ms: i64, _room: OwnedSemaphorePermit },
    /// Made while it is read.
    #[doc(hidden)]
    Log(Log),
    /// A document or a package.
    #[doc(hidden)]
    Stored { file: StoredFile, _place: OwnedSemaphorePermit },
}

impl Content {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Made { bytes, .. } => bytes.len() as u64,
            Self::Log(log) => log.size(),
            Self::Stored { file, .. } => file.size(),
        }
    }

    /// When it was made or written, UTC, in milliseconds since 1970.
    pub fn utc_ms(&self) -> i64 {
        match self {
            Self::Made { utc_ms, .. } => *utc_ms,
            Self::Log(log) => log.utc_ms(),
            Self::Stored { file, .. } => file.utc_ms(),
        }
    }

    /// At most `length` bytes from `offset` on; fewer only at the end, none beyond it. May wait for the disk.
    pub fn read(&self, offset: u64, length: usize) -> Result<Bytes, FileError> {
        match self {
            Self::Made { bytes, .. } => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..from.saturating_add(length).min(bytes.len())))
            }
            Self::Log(log) => log.read(offset, length),
            Self::Stored { file, .. } => Ok(file.read_at(offset, length).map_err(GateError::from)?.into()),
        }
    }
}
