//! A document that is being written, within what there is room for. It is a file of its own beside the documents, and
//! becomes one of them when it is kept.

use std::sync::Arc;

use super::{DocumentError, DocumentPath, Documents};
use crate::unfinished::Unfinished;

/// A document that is being written. Dropped before [`Documents::keep`], it was never there.
pub struct DocumentWriter {
    pub(super) documents: Arc<Documents>,
    pub(super) path: DocumentPath,
    pub(super) file: Unfinished,
    /// What all others take, as of the beginning.
    pub(super) others: u64,
    /// What of it stands in the ledger.
    pub(super) entered: u64,
    pub(super) utc_ms: Option<i64>,
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
        self.documents.room.for_more(growth)?;
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
