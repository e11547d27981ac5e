//! Why the gate does not do what it is asked, each in one sentence that is the same on every face.

use firmware::backup::{BackupError, SecretsError};
use firmware::package::PackageError;
use firmware::{CarriedError, KeyRingError, Plan, SettingsError, Version};
use framework::TemplateError;
use framework::modules::data_recorder;
use security::{AccountId, PasswordError, Path, Refusal, UserId};
use store::{DocumentError, StoreError};

use crate::packages::MAX_PACKAGE_NAME;
use crate::uploads::{Moving, STANDS_STILL_MS};

/// What kind of failure it is: what a face needs to answer with the right status of its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The request makes no sense to this meter, or it couldn't be done.
    Failed,
    /// What is asked for would be no change at all.
    Usage,
    /// A hash or a signature is wrong.
    Untrusted,
    /// A login or a right is missing.
    Denied,
    /// The plan has changed since.
    PlanChanged,
}

/// Why the gate refuses.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The decision.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A register, a value, a link.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Settings that the release can't have.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A plan of what the new release can't have.
    #[error(transparent)]
    Plan(#[from] firmware::PlanError),
    /// A password that the release doesn't take.
    #[error("{0}: {1}")]
    Password(AccountId, PasswordError),
    /// A change of release is under way.
    #[error("a change of release is under way: settings can be changed when it is over")]
    Changing,
    /// B19.
    #[error(
        "after this nobody could edit security any more, and only a reset at the meter would get it back: \
         force it if that is what you want"
    )]
    LastEditor,
    /// B32, to Advanced.
    #[error(
        "Advanced needs an active user with Security Config and a password other than 0: \
         set one user's password first"
    )]
    NoAdvancedEditor,
    /// B32, back to Standard.
    #[error("Standard needs a front-panel password other than 0: set one first")]
    PanelPasswordZero,
    /// Users are to be activated with `0`.
    #[error("{}", activated_with_zero(.0))]
    ActivatedWithZero(Vec<UserId>),
    /// The same three, where a backup is restored that brings no password for them.
    #[error("{0}; a restore takes new passwords with it: --new-passwords FILE")]
    RestoredWithZero(Box<GateError>),
    /// The new password that is to come with a change of release is `0`.
    #[error("{0}: a new password can't be the factory password 0, which anyone knows: choose another one")]
    NewPasswordZero(AccountId),
    /// No such package here.
    #[error("the meter has no staged package {0}: send it first")]
    NoPackage(String),
    /// The name that a staged package is to have is another's.
    #[error("there is a staged package \"{0}\" already: remove it first")]
    PackageNamed(String),
    /// Another package is on its way.
    #[error("{moving}: try again when it has come in, or has stood still for {} s", STANDS_STILL_MS / 1000)]
    UploadUnderWay {
        /// Whose.
        moving: Box<Moving>,
    },
    /// The place of an upload is another's, or it is over.
    #[error("this upload is not under way any more: send the package again, which goes on where it can")]
    UploadOver,
    /// A piece that doesn't go on where the upload left off, or an end before the end.
    #[error("the meter has {0} bytes of this package: go on there")]
    UploadElsewhere(u64),
    /// Other bytes came than were announced.
    #[error("what has come in is not the package that was announced (its SHA-256 is another): nothing of it was kept")]
    OtherPackage,
    /// A name that no package can have.
    #[error("a package's name has 1 to {MAX_PACKAGE_NAME} bytes, and neither a path nor unseen characters in it")]
    PackageName,
    /// Too much waits already.
    #[error("{0}")]
    PackageQuota(String),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A package that isn't believed.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A verified package that can't be used.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// B31.
    #[error("a release can't be changed over {0}: use Setup, or the SSH terminal where there is one")]
    OtherRoad(Path),
    /// The release that runs already.
    #[error("the meter already has release {0}")]
    SameRelease(Version),
    /// B28, a release below the floor.
    #[error(
        "release {release} is below this meter's floor, {floor}, and the meter goes to none that is; \
         whoever holds its machine can lower the floor with `wattkeep floor`"
    )]
    BelowFloor {
        /// The release asked for.
        release: Version,
        /// The floor.
        floor: Version,
    },
    /// B28, over the network.
    #[error(
        "the floor is {0}, and over the network it can only be raised; \
         whoever holds the meter's machine can lower or drop it with `wattkeep floor`"
    )]
    FloorOnlyRises(Version),
    /// A floor that the meter itself would be below.
    #[error("the floor can't be above the release that the meter has: {floor} is, this is {runs}")]
    FloorAboveRelease {
        /// The floor asked for.
        floor: Version,
        /// The release that runs.
        runs: Version,
    },
    /// Trusted keys.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The plan isn't the accepted one any more.
    #[error("the plan is no longer the one that was accepted, so nothing was done; this is the plan now")]
    PlanChanged(Box<Plan>),
    /// A security file wouldn't do any more what was accepted.
    #[error("the meter's security has changed since this change was shown, so nothing was done: look at it again")]
    SecurityChanged,
    /// Settings wouldn't be changed any more from what was shown.
    #[error("the meter's settings have changed since they were shown, so nothing was done: look at them again")]
    SettingsChanged,
    /// Passwords don't wait on a disk.
    #[error(
        "new passwords can't wait in the meter for a scheduled change: change the release by hand, \
         or set them afterwards"
    )]
    SchedulePasswords,
    /// A time that nobody means.
    #[error("a change is scheduled for a time within the next 90 days, with a window of 1 second to 24 hours")]
    ScheduleTime,
    /// One at a time.
    #[error("a change is scheduled already: `schedule` shows it, `schedule drop` drops it")]
    ScheduleExists,
    /// Nothing to drop.
    #[error("no change is scheduled")]
    NoSchedule,
    /// A package is still needed.
    #[error("a scheduled change needs this package: `schedule drop` drops that first")]
    ScheduledPackage,
    /// The ticket is not of the change under way.
    #[error("this change of release is over")]
    ChangeOver,
    /// Passwords that the change would need to hash can't be, without the device key.
    #[error("passwords can't be stored without the meter's device key, which is missing: {0}")]
    KeyLost(String),
    /// A sealed backup carries every password.
    #[error("a sealed backup carries passwords, so it takes a login: log in, or take a secret-free one")]
    SealedByNobody,
    /// A backup whose reader is gone.
    #[error("whoever asked for this backup has hung up")]
    NobodyReads,
    /// A backup that can't be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The sealed part of a backup.
    #[error(transparent)]
    Sealed(#[from] SecretsError),
    /// A backup from a release that this meter knows nothing of.
    #[error(
        "the backup is of release {0}, which this meter knows nothing of, so it can't tell what becomes of its \
         settings: restore it on a meter that has that release, or with a program that ships it"
    )]
    NoSuchRelease(Version),
    /// The restore isn't the accepted one any more.
    #[error("the meter has changed since this restore was shown, so nothing was done: look at it again")]
    RestoreChanged,
    /// No session of this number.
    #[error("there is no session {0}: `connections` shows those there are")]
    NoSuchSession(u64),
    /// Nobody to lift a lock-out of.
    #[error("{0}: `connections` shows the lock-outs there are")]
    NotLockedOut(String),
    /// A service can't listen where the settings want it.
    #[error("{0}")]
    NoRoom(String),
    /// A time that nobody means.
    #[error("a meter's clock is set to a time from 2000 to 2099: check the year")]
    ClockRange,
    /// No maximum to reset.
    #[error("this meter's template has no Maximum module, so there is no demand to reset: load a template that has")]
    NoDemand,
    /// No such recorder or epoch.
    #[error("{}: `log` without a number lists the recorders and their epochs", no_records(*.recorder, *.epoch))]
    NoRecords {
        /// n of Data Recorder n.
        recorder: u8,
        /// The epoch; none is the open one.
        epoch: Option<u32>,
    },
    /// A key that is no key, or isn't there.
    #[error("{0}")]
    Key(String),
    /// The change stands, but what it replaced couldn't be erased yet.
    #[error("the change is done, but the old passwords could not be erased yet ({}); the meter goes on trying", .0.told())]
    NotErased(#[source] StoreError),
    /// The disk; its path is in the source alone.
    #[error("{}", .0.told())]
    Store(#[from] StoreError),
    /// What was stored can't be read back.
    #[error("the meter's state can't be read back: {0}")]
    Unreadable(String),
}

fn activated_with_zero(users: &[UserId]) -> String {
    let names: Vec<_> = users.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [one] => format!("{one} has the factory password 0: give a new password to activate it"),
        _ => format!("{} have the factory password 0: give new passwords to activate them", names.join(", ")),
    }
}

fn no_records(recorder: u8, epoch: Option<u32>) -> String {
    let recorder = data_recorder::name(recorder);
    match epoch {
        None => format!("{recorder} is off or isn't there"),
        Some(epoch) => format!("{recorder} has no epoch {epoch}"),
    }
}

impl GateError {
    /// What kind of failure it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused(_) | Self::OtherRoad(_) | Self::SealedByNobody => Failure::Denied,
            Self::Sealed(SecretsError::NotOpened(_)) => Failure::Denied,
            Self::Package(_) | Self::OtherPackage | Self::Keys(KeyRingError::NotSigned) => Failure::Untrusted,
            Self::Backup(error) if error.is_damage() => Failure::Untrusted,
            Self::PlanChanged(_) | Self::SecurityChanged | Self::RestoreChanged => Failure::PlanChanged,
            Self::SameRelease(_) => Failure::Usage,
            _ => Failure::Failed,
        }
    }

    /// What the disk or the database said, paths of the machine and all: for the meter's own output, and never for
    /// whoever asked.
    pub fn disk(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::NotErased(error) | Self::Document(DocumentError::Store(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether logging in could help.
    pub fn wants_login(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.wants_login())
    }
}
