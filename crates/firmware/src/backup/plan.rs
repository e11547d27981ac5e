//! What restoring a backup would do to a meter: lines that are shown, with a digest that accepts them. The act works the
//! lines out again and does nothing if they are others.

use serde::{Deserialize, Serialize};

use super::parts::{Form, Head};
use crate::consequence::{Consequence, Severity};
use crate::dangers::Danger;
use crate::digest::Sha256Digest;
use crate::version::Version;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// A set-up register; users, rights and the mode are registers too.
    Register,
    /// A module, link or label.
    Wiring,
    /// An account's password.
    Password,
    /// An SSH key.
    SshKey,
    /// The device key, by its name.
    DeviceKey,
    /// An energy counter, in micro-units.
    Energy,
    /// A maximum or the count of resets.
    Demand,
    /// A data recorder's records.
    Recorder,
    /// A row of the access table: who may do what on a path.
    Access,
}

impl LineKind {
    /// The heading that people see above such lines.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Register => "Registers",
            Self::Wiring => "Modules, links and labels",
            Self::Password => "Passwords",
            Self::SshKey => "SSH keys",
            Self::DeviceKey => "Device key",
            Self::Energy => "Energy",
            Self::Demand => "Demand",
            Self::Recorder => "Recorders",
            Self::Access => "Who may do what, where",
        }
    }

    /// Whether what is there before may go on changing while somebody reads the plan.
    fn runs_on(self) -> bool {
        matches!(self, Self::Energy | Self::Demand | Self::Recorder)
    }
}

/// One thing that a restore changes, or leaves as it is and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreLine {
    /// What it is about.
    pub kind: LineKind,
    /// Which one.
    pub subject: String,
    /// As it is.
    pub before: String,
    /// As it will be.
    pub after: String,
    /// How much it matters.
    pub severity: Severity,
}

/// Where a backup comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its SHA-256.
    pub sha256: Sha256Digest,
    /// Which form it has.
    pub form: Form,
    /// The meter it was taken from.
    pub serial: String,
    /// The release that ran there.
    pub release: Version,
    /// When it was taken, UTC, in milliseconds since 1970.
    pub taken_utc_ms: i64,
    /// By whom.
    pub taken_by: String,
    /// The number of the event after the last in its log, which stays in the backup.
    pub log_next: u64,
}

impl Source {
    /// What is said of the backup with this digest and head.
    pub fn of(sha256: Sha256Digest, head: &Head, log_next: u64) -> Self {
        Self {
            sha256,
            form: head.form,
            serial: head.serial.clone(),
            release: head.release.clone(),
            taken_utc_ms: head.taken_utc_ms,
            taken_by: head.taken_by.clone(),
            log_next,
        }
    }
}

/// What restoring a backup does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// `sha256:…` over the backup, the meter's release, and every line but for what goes on changing by itself.
    /// Accepting is naming it.
    pub digest: String,
    /// Whether it has been done.
    pub restored: bool,
    /// Which backup.
    pub backup: Source,
    /// The meter that is restored to.
    pub serial: String,
    /// The release that runs there and stays.
    pub release: Version,
    /// What the way from the backup's release to the meter's does to the backup's settings; empty where they are the
    /// same.
    #[serde(default)]
    pub consequences: Vec<Consequence>,
    /// Each line.
    pub lines: Vec<RestoreLine>,
    /// What is dangerous then and wasn't, or otherwise.
    #[serde(default)]
    pub dangers: Vec<Danger>,
    /// What else whoever does it should know.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl RestorePlan {
    /// The digest over what is done.
    pub fn named(backup: &Sha256Digest, serial: &str, release: &Version, lines: &[RestoreLine]) -> String {
        // A counter becomes the higher of the two, whichever that is by then: the backup's digest has said all of it.
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line.kind != LineKind::Energy)
            .map(|line| {
                let before = if line.kind.runs_on() { "" } else { line.before.as_str() };
                (line.kind, &line.subject, before, &line.after, line.severity)
            })
            .collect();
        let bytes = serde_json::to_vec(&("wattkeep restore 1", backup, serial, release, lines));
        Sha256Digest::of(&bytes.expect("tuples of text are always JSON")).prefixed()
    }

    /// Whether the meter is like that already.
    pub fn is_nothing(&self) -> bool {
        self.lines.iter().all(|line| line.before == line.after)
    }
}
