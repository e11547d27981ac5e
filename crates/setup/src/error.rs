//! Why something could not be done, each in one sentence, and which exit status it ends with.

use std::io;

use firmware::Plan;
use firmware::digest::Sha256Digest;

use crate::address::Address;
use crate::bundle::BundleError;
use crate::known::KnownError;

/// What kind of failure it is; the numbers are the program's exit statuses. Do not reorder or renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// It could not be done.
    Failed = 1,
    /// What was asked for makes no sense here.
    Usage = 2,
    /// A hash, a signature or a certificate is not the one it should be.
    Untrusted = 3,
    /// A login or a right is missing.
    Denied = 4,
    /// The meter can't be reached.
    Unreachable = 5,
    /// The plan is no longer the one that was accepted.
    PlanChanged = 6,
}

impl Kind {
    /// The exit status.
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// Why Setup could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The meter said no, in its own words.
    #[error("{}", .0.message)]
    Meter(Box<api::Error>),
    /// The accepted plan is no longer the one that would be carried out.
    #[error("the plan is no longer the one that was accepted, so nothing was done; look at the plan as it is now")]
    PlanChanged(Box<Plan>),
    /// Nothing answers there.
    #[error("the meter at {address} can't be reached: {}", plainly(.source))]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// Something answers, but not as a meter does.
    #[error("what answers at {address} does not speak Setup's protocol (TLS 1.3): {}", plainly(.source))]
    NotAMeter {
        /// Where.
        address: Address,
        /// What went wrong.
        source: io::Error,
    },
    /// It took too long.
    #[error("the meter at {0} did not answer in time")]
    Timeout(Address),
    /// The connection went away.
    #[error("the connection to {0} was lost before the answer came")]
    Lost(Address),
    /// The connection went away while a change of release was being carried out.
    #[error(
        "the connection to {0} was lost while the change was carried out; the meter finishes or takes it back by \
         itself: `setup {0} info` shows which"
    )]
    ChangeLost(Address),
    /// The connection went away before the change came to anything.
    #[error(
        "the connection to {0} was lost, and the change came to nothing before: the meter has the release and the \
         settings it had"
    )]
    NothingChanged(Address),
    /// Another certificate than the one that was pinned at first contact.
    #[error(
        "the meter at {address} shows another certificate (sha256:{found}) than the one known for it \
         (sha256:{known}). Somebody may be posing as this meter, or its keys were made anew: nothing was sent. If you \
         know why it changed, `wattkeep setup {address} forget` drops the old one"
    )]
    CertificateChanged {
        /// Where.
        address: Address,
        /// The one that is known.
        known: Sha256Digest,
        /// The one that was shown.
        found: Sha256Digest,
    },
    /// Another certificate than the one demanded.
    #[error(
        "the meter at {address} shows the certificate sha256:{found}, not the demanded sha256:{pinned}: nothing was sent"
    )]
    NotThePinned {
        /// Where.
        address: Address,
        /// The one demanded.
        pinned: Sha256Digest,
        /// The one that was shown.
        found: Sha256Digest,
    },
    /// The certificate of a first contact was not accepted.
    #[error("the certificate of the meter at {address} (sha256:{found}) was not accepted: nothing was sent")]
    NotAccepted {
        /// Where.
        address: Address,
        /// The one that was shown.
        found: Sha256Digest,
    },
    /// TLS can't be set up on this side.
    #[error("TLS can't be used here: {0}")]
    Tls(#[from] rustls::Error),
    /// An answer that makes no sense to this Setup.
    #[error("the meter's answer can't be read ({0}): a newer Setup may be needed")]
    Answer(String),
    /// A backup's file.
    #[error("the backup can't be read or written: {}", plainly(.0))]
    BackupFile(io::Error),
    /// The list of known certificates.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// The firmware file.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl SetupError {
    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Meter(error) => match error.failure {
                api::Failure::Failed => Kind::Failed,
                api::Failure::Untrusted => Kind::Untrusted,
                api::Failure::Denied => Kind::Denied,
                api::Failure::PlanChanged => Kind::PlanChanged,
                api::Failure::Usage => Kind::Usage,
            },
            Self::PlanChanged(_) => Kind::PlanChanged,
            Self::Unreachable { .. }
            | Self::NotAMeter { .. }
            | Self::Timeout(_)
            | Self::Lost(_)
            | Self::ChangeLost(_) => Kind::Unreachable,
            Self::CertificateChanged { .. } | Self::NotThePinned { .. } | Self::NotAccepted { .. } => Kind::Untrusted,
            Self::NothingChanged(_) | Self::Tls(_) | Self::Answer(_) | Self::BackupFile(_) | Self::Known(_) => {
                Kind::Failed
            }
            Self::Bundle(error) => error.kind(),
        }
    }

    /// Whether logging in (again) could help.
    pub fn wants_login(&self) -> bool {
        matches!(self, Self::Meter(error) if error.wants_login)
    }
}

/// An error of the system's in words, without the number that it has there.
pub fn plainly(error: &io::Error) -> String {
    let said = error.to_string();
    let worded = |code: i32| said.strip_suffix(&format!(" (os error {code})")).map(str::to_owned);
    error.raw_os_error().and_then(worded).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_numbers_are_in_no_sentence() {
        const REFUSED: i32 = 111;
        let refused = || io::Error::from_raw_os_error(REFUSED);
        let address: Address = "192.0.2.7".parse().unwrap();
        let file = || "known".to_owned();
        for (error, end) in [
            (
                SetupError::Unreachable { address: address.clone(), source: refused() },
                "can't be reached: Connection refused",
            ),
            (SetupError::NotAMeter { address, source: refused() }, "(TLS 1.3): Connection refused"),
            (SetupError::BackupFile(refused()), "written: Connection refused"),
            (BundleError::Io { file: file(), source: refused() }.into(), "can't be read: Connection refused"),
            (KnownError::Io { file: file(), source: refused() }.into(), "can't be used: Connection refused"),
        ] {
            assert!(error.to_string().ends_with(end), "{error}");
        }
        assert_eq!(plainly(&io::Error::other("it shows no certificate")), "it shows no certificate");
    }
}
