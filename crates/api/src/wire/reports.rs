//! Reports of changes of release, how a change goes, and a change that waits for its time.

use firmware::report::{Line, Report};
use firmware::{Plan, Version};
use serde::{Deserialize, Serialize};

use super::ChangeRequest;

/// The reports that a meter keeps, the newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reports {
    /// Each report.
    pub reports: Vec<Report>,
}

/// How the change goes that a session has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Progress {
    /// This session has begun none that came to a commit.
    Unknown,
    /// Passwords are made; nothing has been committed.
    Preparing,
    /// The new release runs, and proves its faces and its clock.
    OnTrial,
    /// It is over.
    Over {
        /// Plan and fact.
        report: Box<Report>,
    },
}

/// An accepted plan, to be carried out at a set time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRequest {
    /// What was accepted.
    pub change: ChangeRequest,
    /// When, by the meter's clock, UTC, in milliseconds since 1970.
    pub at_utc_ms: i64,
    /// How many seconds later it may still begin.
    pub window_s: u32,
}

/// The change that waits for its time, or what became of the last one that did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scheduled {
    /// None where nothing was ever scheduled, or it was dropped.
    pub schedule: Option<Schedule>,
}

/// A scheduled change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The release it was accepted on.
    pub from: Version,
    /// The release it goes to.
    pub to: Version,
    /// The digest of the plan that was accepted.
    pub plan: String,
    /// Who accepted it.
    pub user: String,
    /// By what road.
    pub path: String,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// When it was accepted, UTC, in milliseconds since 1970.
    pub accepted_utc_ms: i64,
    /// When it is to begin.
    pub at_utc_ms: i64,
    /// When it may begin at the latest.
    pub until_utc_ms: i64,
    /// How it stands.
    pub state: ScheduleState,
}

/// How a scheduled change stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum ScheduleState {
    /// Its time has not come.
    Waiting,
    /// It is being carried out.
    Begun,
    /// It was carried out: confirmed or taken back.
    Done {
        /// Plan and fact.
        report: Box<Report>,
    },
    /// The plan would have been another one, so nothing was done.
    PlanDiffers {
        /// The plan as it was then.
        plan: Box<Plan>,
        /// Its lines that the accepted plan has otherwise: accepted beside new.
        differing: Vec<Line>,
    },
    /// Its time went by.
    Missed {
        /// Why, in a sentence.
        reason: String,
    },
    /// It could not be carried out, so nothing was done.
    NotDone {
        /// Why, in a sentence.
        reason: String,
    },
}
