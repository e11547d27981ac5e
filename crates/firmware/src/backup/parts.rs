//! The lines of a backup. Each is an object with one key, which says what it is; a field that isn't known here is
//! refused, so that nothing travels in a file that nobody looks at.

use std::collections::BTreeMap;

use framework::Memory;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::settings::Settings;
use crate::version::Version;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The first: whose backup this is.
    Backup(Head),
    /// Every module, register, link and label, the kinds of credentials, SSH public keys.
    Settings(Box<Settings>),
    /// Energy counters by register, in micro-units.
    Energy(BTreeMap<String, u64>),
    /// What demand modules remember: running demand, maxima, resets.
    Demand(Memory),
    /// A document that the meter held: its name alone.
    Document(BackedUpDocument),
    /// An epoch of a data recorder; its records follow.
    Recording(RecordingPart),
    /// A record of the epoch before it.
    Record(RecordPart),
    /// Where the event log stood; the events follow.
    Log(LogPart),
    /// An event with its seal.
    Event(LoggedEvent),
    /// What only the passphrase opens.
    Sealed(SealedPart),
    /// The last: a digest over every byte before it.
    End(Ending),
}

/// Whether a backup carries secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// No password, no hash, no key.
    SecretFree,
    /// Credentials and keys, under a passphrase.
    Sealed,
}

impl Form {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretFree => "secret-free",
            Self::Sealed => "sealed",
        }
    }
}

/// Whose backup it is, when and by whom it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`FORMAT`](super::FORMAT). First, so that every reader finds it.
    pub format: u32,
    /// The type of meter.
    pub model: String,
    /// Which of the two forms.
    pub form: Form,
    /// The meter's serial number.
    pub serial: String,
    /// The release it ran.
    pub release: Version,
    /// The SHA-256 of that release's package, where it came in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The oldest release it accepted. Told, never restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Ids of the keys that might sign its packages. Told, never restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_keys: Vec<String>,
    /// When, UTC, in milliseconds since 1970.
    pub taken_utc_ms: i64,
    /// Who, as events show it.
    pub taken_by: String,
}

/// A document by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackedUpDocument {
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// An epoch of a data recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingPart {
    /// n of Data Recorder n.
    pub recorder: u8,
    /// Its number among the recorder's.
    pub epoch: u32,
    /// Sources, timer and depth.
    pub definition: framework::modules::data_recorder::Definition,
    /// When it began, UTC, in milliseconds since 1970.
    pub opened_utc_ms: i64,
    /// When it was closed; none while it was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_utc_ms: Option<i64>,
    /// How many records it had when the backup began. A ring may have dropped the oldest before they were read.
    pub records: u64,
    /// Whether its records aren't in the backup, because newer ones of the meter fill it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
}

/// A record of an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordPart {
    /// Its number in the meter that recorded it.
    pub number: u64,
    /// The interval's end, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// Flags, as stored.
    pub status: u8,
    /// A value for each source; null is not available.
    pub values: Vec<Option<f64>>,
}

/// Where the event log stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPart {
    /// The meter's number in its state, which the seals are made with.
    pub meter: u32,
    /// The number of the event after the last.
    pub next: u64,
    /// The chain's head, with its own seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

/// An event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedEvent {
    /// Its number.
    pub number: u64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// 0 to 255.
    pub priority: u8,
    /// Who.
    pub user: String,
    /// By what road.
    pub path: String,
    /// Register and value.
    pub cause: String,
    /// Register and value.
    pub effect: String,
    /// Whether the ring may not drop it.
    pub kept: bool,
    /// Its link in the chain, in hexadecimal; none from before there was a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

/// Secrets under a passphrase ([`security::sealed`]), over the digest of every byte before this line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPart {
    /// How: there is one way, and readers refuse any other.
    pub cipher: String,
    /// The salt, in hexadecimal.
    pub salt: String,
    /// The sealed bytes, in hexadecimal.
    pub bytes: String,
}

impl SealedPart {
    /// The one way there is.
    pub const CIPHER: &str = "argon2id m=19456,t=24,p=1 chacha20-poly1305";
    /// Sealed bytes are at most as many: seventeen credentials and two keys are about 3 kB.
    pub const MAX_BYTES: usize = 64 * 1024;
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Lines before this one.
    pub lines: u64,
    /// Over every byte before this line: the backup's name wherever one is needed.
    pub sha256: Sha256Digest,
}

impl Part {
    /// Its place in the order. Records lie among recordings.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Backup(_) => 0,
            Self::Settings(_) => 1,
            Self::Energy(_) => 2,
            Self::Demand(_) => 3,
            Self::Document(_) => 4,
            Self::Recording(_) | Self::Record(_) => 5,
            Self::Log(_) => 6,
            Self::Event(_) => 7,
            Self::Sealed(_) => 8,
            Self::End(_) => 9,
        }
    }

    /// Whether there is exactly one of it in a backup (the sealed one only in that form).
    pub(super) fn is_single(&self) -> bool {
        !matches!(self, Self::Document(_) | Self::Recording(_) | Self::Record(_) | Self::Event(_))
    }
}
