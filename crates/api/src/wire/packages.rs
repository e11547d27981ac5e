//! Packages on their way in and those that wait: what is announced, what the meter has of it, and the list.

use firmware::Version;
use serde::{Deserialize, Serialize};

use super::Staged;

/// A package that somebody wants to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its SHA-256, in hex.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// What it is called: a file's name, without a path.
    pub name: String,
}

/// What the meter has of an announced package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// The number that its pieces are sent under; none if nothing is to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<u64>,
    /// Bytes that the meter has: the next piece begins there.
    pub bytes: u64,
    /// The package, if all of it waits already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Staged>,
}

/// What the meter has after a piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Bytes that the meter has.
    pub bytes: u64,
}

/// All packages of a meter, and how much room there is for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Packages {
    /// Those that wait, and the one that the meter runs from.
    pub packages: Vec<Package>,
    /// Those of which a part has come in.
    pub partial: Vec<Partial>,
    /// The one that comes in at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
    /// How many may wait.
    pub most_packages: usize,
    /// How many bytes they may take together.
    pub most_bytes: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// The largest package.
    pub largest_bytes: u64,
}

/// What a package is to the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// It waits to be planned with.
    Waiting,
    /// The meter runs from it, on trial.
    OnTrial,
    /// The meter runs from it.
    Running,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// What it is called.
    pub name: String,
    /// Its SHA-256, in hex.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// What it is to the meter.
    #[serde(rename = "use")]
    pub used: Use,
    /// Since when it waits, UTC, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_utc_ms: Option<i64>,
    /// The release it brings, if the meter believes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_by: Option<String>,
    /// Why the meter doesn't believe it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A part of a package, kept for whoever goes on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// Its announced SHA-256, in hex.
    pub package: String,
    /// Bytes that are here.
    pub bytes: u64,
    /// Its announced size.
    pub size: u64,
    /// When the last of them came, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// An upload that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moving {
    /// What it is called, where it was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its announced SHA-256, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Bytes so far.
    pub bytes: u64,
    /// Its announced size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who sends it: `USER1`, `8650`, or `-` for nobody.
    pub user: String,
    /// By what road.
    pub path: String,
    /// From where.
    pub peer: String,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
    /// For how long nothing has come, in seconds.
    pub still_s: u64,
}

/// A package that was dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// What it was called; for a part of one, its digest.
    pub dropped: String,
}
