//! What looking through the event log has come to.

use serde::{Deserialize, Serialize};

/// Whether the log is as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogVerified {
    /// Whether nothing was found.
    pub whole: bool,
    /// Events whose seal was checked.
    pub checked: u64,
    /// Events from before the chain began, which nothing vouches for.
    pub unchained: u64,
    /// The number of the first chained event, where there is a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chained_from: Option<u64>,
    /// What was found, in the order of the log.
    pub findings: Vec<LogFinding>,
    /// How much more was found than is named.
    #[serde(default)]
    pub more: u64,
}

/// Something in the log that isn't as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogFinding {
    /// `altered`, `unsealed`, `unlinked`, `missing`, `put-back`, `begun-again` or `no-head`.
    pub kind: String,
    /// The event's number, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// A sentence about it.
    pub text: String,
}
