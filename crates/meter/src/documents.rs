//! What people keep in the meter: whoever may read the meter may read it, whoever has Full Meter Config may change it,
//! and each change is an event. The bytes go past the meter, straight to the store's own place for them; the gate's
//! lock is held for deciding and for the event alone.

use std::sync::Arc;

use security::{Ask, Right};
use store::{Beginning, DocumentPath, DocumentWriter, Documents};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, may_read};
use crate::{GateError, Now};

/// A change of the documents that isn't writing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentChange {
    /// Removes a document.
    Remove(DocumentPath),
    /// Makes a directory.
    MakeDir(DocumentPath),
    /// Removes an empty directory.
    RemoveDir(DocumentPath),
    /// Moves a document or directory.
    Rename {
        /// From here…
        from: DocumentPath,
        /// …to here;
        to: DocumentPath,
        /// a document that is there gives way.
        replace: bool,
    },
    /// Gives it another time, UTC in milliseconds since 1970. This alone is no event.
    Date(DocumentPath, i64),
}

impl DocumentChange {
    /// What the log says of it.
    fn effect(&self) -> Option<String> {
        match self {
            Self::Remove(path) => Some(format!("removed {path}")),
            Self::MakeDir(path) => Some(format!("made directory {path}")),
            Self::RemoveDir(path) => Some(format!("removed directory {path}")),
            Self::Rename { from, to, .. } => Some(format!("moved {from} to {to}")),
            Self::Date(..) => None,
        }
    }
}

impl Gate {
    /// The documents, for whoever may read the meter. They are changed through the gate.
    pub fn documents(&self, caller: &Caller) -> Result<&Arc<Documents>, GateError> {
        may_read(&self.state(), caller, Ask::Read)?;
        Ok(self.documents_of_anybody())
    }

    /// Begins to write a document.
    pub fn write_document(
        &self,
        now: Now,
        caller: &Caller,
        path: &DocumentPath,
        beginning: Beginning,
    ) -> Result<DocumentWriter, GateError> {
        self.ask(now, caller, Ask::Do(Right::FullConfig))?;
        Ok(self.documents_of_anybody().write(path, beginning)?)
    }

    /// Keeps a document that has been written, whole. The right is looked at again: a transfer may take long.
    pub fn keep_document(&self, now: Now, caller: &Caller, writer: DocumentWriter) -> Result<(), GateError> {
        self.ask(now, caller, Ask::Do(Right::FullConfig))?;
        let effect = format!("wrote {} ({} bytes)", writer.path(), writer.size());
        self.documents_of_anybody().keep(writer, now.utc_ms)?;
        self.log_document(now, caller, effect)
    }

    /// Changes the documents.
    pub fn change_documents(&self, now: Now, caller: &Caller, change: &DocumentChange) -> Result<(), GateError> {
        self.ask(now, caller, Ask::Do(Right::FullConfig))?;
        let documents = self.documents_of_anybody();
        match change {
            DocumentChange::Remove(path) => documents.remove(path)?,
            DocumentChange::MakeDir(path) => documents.make_dir(path)?,
            DocumentChange::RemoveDir(path) => documents.remove_dir(path)?,
            DocumentChange::Rename { from, to, replace } => documents.rename(from, to, *replace)?,
            DocumentChange::Date(path, utc_ms) => documents.set_modified(path, *utc_ms)?,
        }
        change.effect().map_or(Ok(()), |effect| self.log_document(now, caller, effect))
    }

    fn log_document(&self, now: Now, caller: &Caller, effect: String) -> Result<(), GateError> {
        Ok(self.state().log(now, caller, vec![Draft::ordinary(priority::SETUP, "documents", effect)])?)
    }
}
