//! One meter: what it is, its one gate, its event log, boot and the change of release. It owns no
//! thread, no socket and no timer: the host tells it the time and feeds it, the faces ask its gate.
//!
//! Everything that changes a meter goes through [`Gate`]; everything that reads one takes a
//! [`View`], which is immutable and swapped in whole, after what it shows is on disk.

mod access;
mod backup;
mod boot;
mod chain;
mod change;
mod clock;
mod demand;
mod disk;
mod documents;
mod edit;
mod ended;
mod error;
mod events;
mod floor;
mod gate;
mod key_login;
mod locks;
mod login;
mod login_changes;
mod packages;
mod recorders;
mod refusals;
mod reports;
mod reset;
mod restore;
mod restored;
mod schedule;
mod security_file;
mod sessions;
mod state;
mod stored;
mod trial;
mod trust;
mod uploads;
mod verifying;
mod view;
mod wiring;

pub use backup::Backup;
pub use boot::{Birth, BootError, Booted, boot};
pub use change::{Facing, Request, Ticket};
pub use clock::utc_text;
pub use demand::{Demand, DemandMaximum, Demands};
pub use disk::Disk;
pub use documents::DocumentChange;
pub use edit::{ChangeSet, Edit, Edited};
pub use error::{Failure, GateError};
pub use events::EventEntry;
pub use floor::{Floor, FloorAtMachine, NewFloor, floor_at_machine};
pub use framework::Status;
pub use framework::interval::GAP_MS;
pub use gate::{Caller, Gate, Surroundings};
pub use locks::LockOut;
pub use login::{Challenge, Denied, Proved};
pub use packages::{MAX_PACKAGE_NAME, Packages, Staged, StagedRelease, Waiting};
pub use recorders::{Epoch, IntervalRecord, MAX_RECORDS_PER_READ, Recorder, Source};
pub use reports::{MAX_REPORTS, Progress};
pub use reset::{SecurityReset, reset_security};
pub use restore::{BackupUpload, Inspected, Restoring, ToMake};
pub use schedule::{Due, LONGEST_AHEAD_MS, MISSED, Schedule, ScheduleState, WINDOW_S};
pub use security_file::SecurityChange;
pub use store::{
    Beginning, DocumentError, DocumentPath, DocumentSpace, DocumentStat, DocumentWriter, Documents, MAX_DOCUMENT_NAME,
    MAX_PACKAGE_BYTES, MAX_STAGED_BYTES, MAX_STAGED_PACKAGES, PartialPackage, StoredFile,
};
pub use trial::TRIAL_SECONDS;
pub use uploads::{Announced, Announcement, MOVES_BYTES, Moving, PackageUpload, STANDS_STILL_MS};
pub use view::{Identity, View};

/// The two times that a meter is told: the wall clock's, which people set, and one that only runs
/// forward, by which waiting is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// Milliseconds since the process started; never goes back.
    pub up_ms: i64,
}
