//! Sessions and lock-outs: who is logged in, who is not let in, and what ending the one or lifting the other did.

use security::Source;
use serde::{Deserialize, Serialize};

/// How all names that are nobody's are called, which are locked out as one.
pub const UNKNOWN_LOGIN: &str = "unknown";

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The number that it is ended by.
    pub number: u64,
    /// `USER1`, `8650`, or `-` where the meter asks nobody.
    pub user: String,
    /// By what road: `setup`, `ssh`…
    pub path: String,
    /// From where.
    pub peer: String,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
    /// For how many seconds it hasn't been used.
    pub idle_s: u64,
    /// How many connections it has at this moment.
    pub connections: usize,
    /// Whether it is the session that asks.
    pub own: bool,
}

/// A lock-out that holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockOut {
    /// `USER1`, `8650`, or [`UNKNOWN_LOGIN`].
    pub login: String,
    /// On what protocol: `setup`, `ssh`…
    pub path: String,
    /// From where: an address, or the /64 network of an IPv6 one.
    pub source: Source,
    /// How many minutes it still lasts, rounded up.
    pub minutes_left: u64,
}

/// A session that was ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub number: u64,
    /// Whose it was.
    pub user: String,
    /// By what road.
    pub path: String,
    /// From where.
    pub peer: String,
}

/// Lock-outs that were lifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lifted {
    /// Each of them, with the time it would still have lasted.
    pub lifted: Vec<LockOut>,
}
