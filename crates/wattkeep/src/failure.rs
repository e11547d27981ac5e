//! Why a command failed: one sentence for people, one status for scripts.

use std::io;
use std::path::{Path, PathBuf};

use firmware::bundle::BundleError;
use firmware::hashlist::HashListError;
use firmware::package::{KeyError, PackageError};
use firmware::{CarriedError, PlanError, SettingsError};

use crate::exit::Status;
use crate::passwords::{NewPasswordsError, PasswordSourceError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file or folder can't be read.
    #[error("{} can't be read: {}", .0.display(), plainly(.1))]
    Read(PathBuf, io::Error),
    /// A file or folder can't be written.
    #[error("{} can't be written: {}", .0.display(), plainly(.1))]
    Write(PathBuf, io::Error),
    /// A file is longer than what it should be can be.
    #[error("{} is too long to be {what}: at most {max} bytes are read", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        what: &'static str,
        /// The most that is read, in bytes.
        max: usize,
    },
    /// A file that should be text isn't.
    #[error("{} is not text in UTF-8", .0.display())]
    NotText(PathBuf),
    /// What standard output leads to is full or broken.
    #[error("the output can't be written: {}", plainly(.0))]
    Output(#[from] io::Error),
    /// The arguments are well-formed and still make no sense.
    #[error("{0}")]
    Usage(String),
    /// Something stands in the way; the sentence says what.
    #[error("{0}")]
    InTheWay(String),
    /// A file isn't what it was taken for.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, Box<Failure>),
    /// A hash list.
    #[error(transparent)]
    HashList(#[from] HashListError),
    /// A release folder.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// What a package or a release's sources hold.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Settings that no meter of the release can have.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A plan of what no meter of the release can have.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A password can't be had.
    #[error(transparent)]
    Password(#[from] PasswordSourceError),
    /// A meter that doesn't start.
    #[error(transparent)]
    Start(#[from] host::StartError),
    /// A meter, or the way to it.
    #[error(transparent)]
    Setup(#[from] setup::SetupError),
    /// A backup.
    #[error(transparent)]
    Backup(#[from] firmware::backup::BackupError),
    /// The sealed part of one.
    #[error(transparent)]
    Sealed(#[from] firmware::backup::SecretsError),
    /// A security file.
    #[error(transparent)]
    SecurityFile(#[from] framework::ScfError),
    /// An SSH key.
    #[error(transparent)]
    SshKey(#[from] security::ssh_key::KeyError),
    /// A file of new passwords.
    #[error(transparent)]
    NewPasswords(#[from] NewPasswordsError),
}

impl Failure {
    /// This failure, of this file.
    pub fn of(path: &Path) -> impl FnOnce(Self) -> Self + '_ {
        |failure| Self::File(path.to_owned(), Box::new(failure))
    }

    /// What scripts are told.
    pub fn status(&self) -> Status {
        match self {
            Self::Usage(_) => Status::Usage,
            Self::File(_, failure) => failure.status(),
            Self::Package(error) => match error {
                PackageError::NotAPackage
                | PackageError::UnknownFormat { .. }
                | PackageError::TooLarge { .. }
                | PackageError::NotText { .. } => Status::Failed,
                _ => Status::Untrusted,
            },
            Self::Backup(error) if error.is_damage() => Status::Untrusted,
            Self::Sealed(firmware::backup::SecretsError::NotOpened(_)) => Status::Denied,
            Self::Password(PasswordSourceError::NoTerminal { .. }) => Status::Denied,
            Self::Setup(error) => match error.kind() {
                setup::Kind::Failed => Status::Failed,
                setup::Kind::Untrusted => Status::Untrusted,
                setup::Kind::Denied => Status::Denied,
                setup::Kind::Unreachable => Status::Unreachable,
                setup::Kind::Usage => Status::Usage,
                setup::Kind::PlanChanged => Status::NotAccepted,
            },
            _ => Status::Failed,
        }
    }
}

/// The common errors in words that need no knowledge of the system's.
pub fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it isn't there".to_owned(),
        io::ErrorKind::PermissionDenied => "this user has no permission".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is not a folder".to_owned(),
        io::ErrorKind::AlreadyExists => "it is there already".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => setup::plainly(error),
    }
}
