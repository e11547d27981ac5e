//! The only room that touches a meter's files: database, packages, keys.
//!
//! It owns the state directory: who may open it, what lies in it, and that each change is wholly there or wholly
//! not there after a power cut. It knows no rule of the meter: settings, records and reports are text that the rooms
//! above write and read. It must never interpret them, never wait for a clock, and never say a secret in an error.
//!
//! Direct file work stands in `files` and `unfinished` alone; everything else goes through SQLite (`schema`).

mod backups;
mod chain;
mod change;
mod device_files;
mod documents;
mod error;
mod events;
mod files;
mod load;
mod opened;
mod packages;
mod partial;
mod recordings;
mod reserve;
mod restore;
mod schema;
mod scrub;
mod secret;
mod state_dir;
mod store;
#[cfg(test)]
mod testbed;
mod trial;
mod turn;
mod unfinished;

pub use backups::{BackupInbox, IncomingBackup, ReceivedBackup};
pub use chain::{Chain, LogEnd, Sealed};
pub use change::{Committed, Credential, CredentialChange, DeviceChange, SettingsChange, Tick};
pub use device_files::{DeviceFile, DeviceFiles, MAX_DEVICE_FILE};
pub use documents::{
    Beginning, DocumentError, DocumentPath, DocumentSpace, DocumentStat, DocumentWriter, Documents, MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_NAME, MAX_DOCUMENT_WRITERS, MAX_DOCUMENTS,
};
pub use error::StoreError;
pub use events::{Event, EventBatch, Keep, MAX_EVENT_TEXT, MAX_EVENTS_PER_READ, MAX_KEPT_EVENTS, NewEvent};
pub use load::{EventHead, MeterState, SlotState, Trial, TrustedKey};
pub use opened::{Blank, OpenOptions, Opened};
pub use packages::{
    IncomingPackage, MAX_PACKAGE_BYTES, MAX_STAGED_BYTES, MAX_STAGED_PACKAGES, PACKAGE_PIECE, PackageId, PackageInbox,
    ReceivedPackage, StagedPackage,
};
pub use partial::{MAX_PARTIAL_PACKAGES, PARTIAL_KEPT_MS, PartialPackage};
pub use recordings::{
    IntervalRecord, MAX_CLOSED_RECORDINGS, MAX_DEFINITION, MAX_RECORD_VALUES, MAX_RECORDERS, MAX_RECORDING_DEPTH,
    MAX_RECORDS_PER_READ, NewIntervalRecord, NewRecording, RecorderBatch, Recording, RecordingChange,
};
pub use reserve::{RESERVE_BYTES, Reserve, WORKING_BYTES};
pub use restore::{Restore, Restored};
pub use secret::{Secret, SecretBytes};
pub use state_dir::{DEVICE_KEY_BYTES, DeviceKey, StateDir};
pub use store::{
    MAX_CREDENTIALS, MAX_DOCUMENT, MAX_NAME, MAX_RECORDS, MAX_STORED_SECRET, MAX_TRUSTED_KEYS, MeterId, NewMeter,
    NewSlot, Store,
};
pub use trial::Confirmed;
pub use unfinished::StoredFile;
