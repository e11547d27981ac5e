//! Data recorders: what there is of them, and their records, a page at a time.

use serde::{Deserialize, Serialize};

/// Records that one answer holds at most: with sixteen sources, some 200 kilobytes.
pub const MOST_RECORDS: usize = 500;

/// The data recorders of a meter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorders {
    /// By module.
    pub recorders: Vec<Recorder>,
}

/// A data recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorder {
    /// n of Data Recorder n.
    pub recorder: u8,
    /// The label a user gave it, or its name.
    pub label: String,
    /// How many records its open epoch keeps; 0 where it is off.
    pub depth: u32,
    /// Oldest first; the open one, if there is one, last.
    pub epochs: Vec<Epoch>,
}

/// One definition of a recorder with its records. A change of the recorder closes it; its records stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number among the recorder's.
    pub epoch: u32,
    /// Whether it records now.
    pub open: bool,
    /// The length of an interval.
    pub period_s: u32,
    /// How many records there are.
    pub records: u64,
    /// The number of the oldest record, and the end of its interval, UTC, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Ends>,
    /// The same of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Ends>,
    /// When it began, UTC, in milliseconds since 1970.
    pub opened_utc_ms: i64,
    /// When it was closed; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_utc_ms: Option<i64>,
    /// What each record has a value of, in this order.
    pub sources: Vec<RecordSource>,
}

/// A record, by its number and the end of its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Its number.
    pub number: u64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSource {
    /// Its label.
    pub label: String,
    /// The output register.
    pub register: String,
    /// The unit, or nothing.
    pub unit: String,
    /// How many decimals people are shown.
    pub decimals: u8,
}

/// Records of one epoch of a recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// n of Data Recorder n.
    pub recorder: u8,
    /// The label a user gave it, or its name.
    pub label: String,
    /// The epoch that they are of.
    pub epoch: u32,
    /// Whether it records now.
    pub open: bool,
    /// The length of an interval.
    pub period_s: u32,
    /// What each record has a value of, in this order.
    pub sources: Vec<RecordSource>,
    /// In the order of their numbers.
    pub records: Vec<Record>,
    /// Where the next page begins; none behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What was recorded of one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number; no other record of the recorder ever has it.
    pub number: u64,
    /// The interval's end, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// What is to be said of it: `short`, `outage`, `clock set`. Nothing, if it is complete.
    pub status: Vec<String>,
    /// A value for each source; null is not available.
    pub values: Vec<Option<f64>>,
}
