//! What can go wrong with a meter's files, each as one sentence that says what to do.
//!
//! No sentence holds a secret: SQLite's messages name statements and tables, never bound values.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::store::MeterId;

/// Why the store refused or failed. After an error of a write nothing of that write is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The lock of the directory is held.
    #[error("{} is in use by another wattkeep process{}; stop it first, or use another --state directory", .dir.display(), pid_text(*.pid))]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// Who holds it, when that could be read.
        pid: Option<u32>,
    },
    /// Another program (a database browser, say) has the database open.
    #[error("another program has meter.db open; close it and try again")]
    DatabaseInUse,
    /// The directory holds something that isn't a meter's state.
    #[error("{} holds other files ({found}) and no meter; name an empty or a new directory", .dir.display())]
    ForeignDirectory {
        /// The directory that was named.
        dir: PathBuf,
        /// One of the names found in it.
        found: String,
    },
    /// A file stands where the state directory should be.
    #[error("{} is not a directory; name a directory for the meter's state", .0.display())]
    NotADirectory(PathBuf),
    /// There is nothing to open, and making a meter wasn't asked for.
    #[error("there is no meter in {}; start one there with `wattkeep meter --state`", .0.display())]
    NoMeter(PathBuf),
    /// `meter.db` belongs to another program.
    #[error("{} is not a meter's database; name another --state directory", .0.display())]
    ForeignDatabase(PathBuf),
    /// The state was written by a newer program.
    #[error("{} was written by a newer wattkeep (state format {found}, this program knows {known}); use that one", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this program knows.
        known: i64,
    },
    /// The database or a file doesn't hold together.
    #[error("the meter's state is damaged ({0}); restore it from a backup")]
    Damaged(String),
    /// No space. Nothing was changed. (A file system's quota counts as this where files are written; SQLite tells it as a
    /// failed write.)
    #[error("the disk that holds the meter's state is full ({0}); free some space, nothing was changed")]
    Full(String),
    /// A file operation failed.
    #[error("{doing} {} failed: {source}", .path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite failed in a way that has no sentence of its own.
    #[error("{doing} failed in meter.db: {reason}")]
    Database {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// SQLite's fixed text for its code, one line; `source` may quote a statement.
        reason: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Somebody reads the database, so the journal with the old secrets can't be cut off.
    #[error("old passwords could not be erased yet, because another program reads meter.db; close it and try again")]
    ScrubBusy,
    /// No such meter in this file.
    #[error("there is no meter {0} in this state")]
    NoSuchMeter(MeterId),
    /// The number is taken.
    #[error("there is a meter {0} in this state already")]
    MeterExists(MeterId),
    /// Settings don't change between accepting and confirming a version change.
    #[error("a version change is not confirmed yet; try again when it is done")]
    TrialPending,
    /// Confirming or reverting when there is nothing to confirm or revert.
    #[error("no version change is waiting to be confirmed")]
    NoTrial,
    /// A record of a recorder that is off.
    #[error("recorder {0} is off, so it has no record")]
    NoRecording(u8),
    /// Whoever writes must seal what it logs.
    #[error("this meter's event log is sealed, and an event without a seal would break its chain")]
    Unsealed,
    /// Something is larger than its bound.
    #[error("{what} is too large: at most {limit} are taken")]
    TooLarge {
        /// What it is, with its unit.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A device file is written once and never replaced.
    #[error("{} exists already and is never overwritten", .0.display())]
    Exists(PathBuf),
    /// The device key's file doesn't hold a device key.
    #[error("{} is not a device key (64 hexadecimal digits); name another file with --device-key", .0.display())]
    NotADeviceKey(PathBuf),
    /// Not a SHA-256 in hexadecimal.
    #[error("this is not the name of a package (64 hexadecimal digits)")]
    NotAPackageId,
    /// No such package is stored.
    #[error("package {0} is not in the meter's store; stage it again")]
    NoSuchPackage(String),
    /// Too many or too large packages are waiting.
    #[error("no more packages can be staged ({0}); drop one first")]
    PackageQuota(&'static str),
    /// One package comes in at a time.
    #[error("the meter is receiving another package: try again when that one has come in")]
    PackageComing,
    /// One backup comes in at a time.
    #[error("the meter is receiving another backup: try again when that one has come in")]
    BackupComing,
    /// What adds to the disk doesn't fit beside the reserve.
    #[error(
        "there is not enough room on the meter's disk for this beside its reserve: {} more must be free, and nothing \
         was changed", mib(*.missing)
    )]
    NoRoom {
        /// Bytes.
        missing: u64,
    },
    /// The disk was full, so nothing that only adds is taken in.
    #[error(
        "the disk that holds the meter's state was full and its reserve is used, so the meter takes in nothing new: free \
         some space"
    )]
    OnReserve,
}

/// Bytes in MiB, rounded up to a tenth.
fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl StoreError {
    /// The sentence for whoever asks over a face: what failed and what to do, without the paths of the machine, which
    /// are in the error itself and for the meter's own output.
    pub fn told(&self) -> String {
        match self {
            Self::Io { source, .. } => {
                format!("the meter's disk could not be read or written ({}): see the meter's output", source.kind())
            }
            Self::Full(_) => {
                "the disk that holds the meter's state is full: free some space, nothing was changed".into()
            }
            Self::Database { reason, .. } => {
                format!("the meter's database could not be read or written ({reason}): see the meter's output")
            }
            Self::DatabaseInUse
            | Self::ScrubBusy
            | Self::NoSuchMeter(_)
            | Self::MeterExists(_)
            | Self::TrialPending
            | Self::NoTrial
            | Self::NoRecording(_)
            | Self::Unsealed
            | Self::TooLarge { .. }
            | Self::NotAPackageId
            | Self::NoSuchPackage(_)
            | Self::PackageQuota(_)
            | Self::PackageComing
            | Self::BackupComing
            | Self::NoRoom { .. }
            | Self::OnReserve => self.to_string(),
            Self::InUse { .. }
            | Self::ForeignDirectory { .. }
            | Self::NotADirectory(_)
            | Self::NoMeter(_)
            | Self::ForeignDatabase(_)
            | Self::Newer { .. }
            | Self::Damaged(_)
            | Self::Exists(_)
            | Self::NotADeviceKey(_) => "the meter's state can't be used as it is: see the meter's output".into(),
        }
    }

    /// A failed file operation; a full disk gets its own variant.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("{doing} {}", path.display()))
            }
            _ => Self::Io { doing, path: path.to_owned(), source },
        }
    }

    /// A failed statement. What can't be read as the tables and types it should be is damage, like a broken page.
    fn sqlite(doing: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let damaged = |how: &str| Self::Damaged(format!("{doing}: {how}"));
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => return Self::Full(doing.to_owned()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return damaged("a page makes no sense"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return Self::DatabaseInUse,
            _ => {}
        }
        match source {
            E::SqlInputError { .. } => damaged("a table is missing or not as it should be"),
            E::QueryReturnedNoRows => damaged("a row is missing"),
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => damaged("a value has the wrong form"),
            source => {
                let reason = match source.sqlite_error() {
                    Some(code) => code.to_string(),
                    None => "the database library refused".to_owned(),
                };
                Self::Database { doing, reason, source }
            }
        }
    }
}

/// Says what was being done when SQLite failed.
pub(crate) trait During<T> {
    fn during(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::sqlite(doing, source))
    }
}

/// Says what was being done, and to which file, when a file operation failed.
pub(crate) trait DuringFile<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> DuringFile<T> for io::Result<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::io(doing, path, source))
    }
}

#[cfg(test)]
mod told {
    use super::*;

    #[test]
    fn what_is_told_over_a_face_names_no_path() {
        let path = || PathBuf::from("/srv/secret/meter.db");
        let errors = [
            StoreError::io("opening", &path(), io::Error::from_raw_os_error(24)),
            StoreError::io("writing", &path(), io::ErrorKind::StorageFull.into()),
            StoreError::InUse { dir: path(), pid: None },
            StoreError::NoMeter(path()),
            StoreError::Exists(path()),
            StoreError::Damaged("/srv/secret/meter.db".into()),
        ];
        for error in errors {
            assert!(error.to_string().contains("/srv/secret"), "{error}");
            assert!(!error.told().contains("secret") && !error.told().contains('/'), "{}", error.told());
        }
    }
}
