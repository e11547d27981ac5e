//! The documents. Keys are stable: a key that is there keeps its meaning, and readers ignore keys
//! they don't know.

mod events;
mod floor;
mod keys;
mod packages;
mod records;
mod reports;
mod security_file;
mod sessions;

use std::collections::BTreeMap;

pub use self::sessions::{Ended, Lifted, LockOut, Session, UNKNOWN_LOGIN};

use firmware::{Choices, Danger, Plan, Version, report::Report};
use security::{AccountId, Fingerprint, Grade, Mode, Right, UserId};
use serde::{Deserialize, Serialize};

pub use self::floor::{Floor, FloorRequest};
pub use self::keys::{AccountKey, KeyRequest, Keys};
pub use self::packages::{Announced, Announcement, Dropped, Moving, Package, Packages, Partial, Received, Use};
pub use self::records::{Ends, Epoch, MOST_RECORDS, Record, RecordSource, Recorder, Recorders, Records};
pub use self::reports::{Progress, Reports, Schedule, ScheduleRequest, ScheduleState, Scheduled};
pub use self::security_file::{AccessChange, SecurityPlan};
pub use events::{LogFinding, LogVerified};

/// A service as anyone may see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Whether it is part of the meter's release.
    pub available: bool,
    /// Whether its switch is on.
    pub enabled: bool,
    /// Where it is, or would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether it accepts connections at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<bool>,
    /// Why an enabled service isn't listening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Web: whether its pages can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<bool>,
    /// Web: whether its pages ask for a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<bool>,
    /// Web: whether its pages can change set-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<bool>,
}

/// A user, for whoever may read security setup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// `USER1` to `USER16`.
    pub user: UserId,
    /// Whether the user can log in.
    pub active: bool,
    /// What the user may do.
    pub rights: Vec<Right>,
    /// Whether the password is still the factory `0`.
    pub factory_password: bool,
    /// The SSH keys that the user may log in with besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<Fingerprint>,
}

/// What a meter is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The serial number, as on the plate.
    pub serial: String,
    /// `8650`.
    pub model: String,
    /// The firmware release.
    pub release: Version,
    /// What the release calls itself, as in `8650V409`.
    pub device_type: String,
    /// The security mode.
    pub mode: Mode,
    /// Whether somebody can log in with `0`; only for whoever may read security setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_password: Option<bool>,
    /// Each service by its name.
    pub services: BTreeMap<String, Service>,
    /// The users; only for whoever may read security setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// The oldest release that the meter goes to, where there is a floor; only for whoever may read security setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Version>,
    /// What the meter measures: a recording's name, or the simulated grid.
    pub source: String,
    /// UTC of the last reading, in milliseconds since 1970.
    pub utc_ms: i64,
    /// What lets somebody in, or lets passwords be read; all of it only for whoever may read security setup.
    #[serde(default)]
    pub dangers: Vec<Danger>,
    /// Things a technician should know: sag/swell off, a lost device key, ports moved for this run.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// What meters of this class have and this one doesn't.
    pub not_built: Vec<String>,
}

/// The value of a register, with its unit beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// A number, yes or no, or text; null where there is none at the moment.
    pub value: serde_json::Value,
    /// The unit, or nothing.
    pub unit: String,
    /// How many decimals people are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
}

/// Registers by name, in the meter's order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Readings {
    /// Name and reading.
    pub registers: Vec<(String, Reading)>,
}

/// Set-up registers to change, all or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetRequest {
    /// Register (its name alone, or `Module/Register`) and value as typed.
    pub changes: Vec<(String, String)>,
    /// Whether to do it even if nobody could edit security afterwards (B19).
    #[serde(default)]
    pub force: bool,
}

/// One register that a change has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedRegister {
    /// Its full name.
    pub register: String,
    /// What it held.
    pub before: String,
    /// What it holds.
    pub after: String,
}

/// A new password for an account; the password travels in its own header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasswordRequest {
    /// `8650` for the front panel's, or a user.
    pub account: AccountId,
}

/// What a change of settings did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SetAnswer {
    /// The registers that are different now.
    pub changed: Vec<ChangedRegister>,
    /// The accounts that have a new password.
    #[serde(default)]
    pub passwords: Vec<String>,
    /// What each new password is worth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strengths: Vec<PasswordStrength>,
    /// What lets somebody in, or lets passwords be read, since this change or still after it; among it what Advanced
    /// still shows (B9).
    #[serde(default)]
    pub dangers: Vec<Danger>,
    /// What else whoever did it should know.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// What a new password is worth to whoever has to guess it; of the password itself it says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasswordStrength {
    /// Whose: `front panel`, `USER1`.
    pub account: String,
    /// In one word.
    pub grade: Grade,
    /// Bits of the smallest search that is sure to find it; 0 if it needs no search.
    pub bits: u8,
    /// The most bits that the release's rules allow this account.
    pub best_bits: u8,
    /// In words for people.
    pub text: String,
}

/// A change to a user. A new password travels in its own header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRequest {
    /// Which.
    pub user: UserId,
    /// Whether the user can log in.
    #[serde(default)]
    pub active: Option<bool>,
    /// What the user may do: the whole set.
    #[serde(default)]
    pub rights: Option<Vec<Right>>,
    /// Whether to do it even if nobody could edit security afterwards (B19).
    #[serde(default)]
    pub force: bool,
}

/// Security setup, for whoever may read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Security {
    /// The security mode.
    pub mode: Mode,
    /// Whether the front-panel password is still the factory `0`.
    pub front_panel_factory_password: bool,
    /// Each Security Options register and its value.
    pub options: BTreeMap<String, String>,
    /// The users.
    pub users: Vec<User>,
    /// The SSH keys, those of `8650` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<AccountKey>,
    /// The access table: path and login to what it gets.
    pub access: BTreeMap<String, String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; none is ever used twice.
    pub number: u64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// 0 to 255.
    pub priority: u8,
    /// `USER1`, `8650`, or `-` for nobody.
    pub user: String,
    /// By what road.
    pub path: String,
    /// Register and value.
    pub cause: String,
    /// Register and value.
    pub effect: String,
}

/// Events, the oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Events {
    /// The events.
    pub events: Vec<Event>,
    /// The number to go on from.
    pub next: u64,
}

/// Somebody connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The service.
    pub service: String,
    /// From where.
    pub peer: String,
    /// `USER1`, `8650`, or `-` for nobody.
    pub user: String,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
    /// The session that it is used under, if somebody has logged in on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// For how many seconds nobody has used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_s: Option<u64>,
}

/// Who is connected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Each connection, the oldest first.
    pub connections: Vec<Connection>,
    /// How many each service takes at most.
    pub limits: BTreeMap<String, usize>,
    /// Each session, the oldest first, those without a connection at this moment too.
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// The lock-outs that hold; only for whoever may read security setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockouts: Option<Vec<LockOut>>,
}

/// A new session. Its token is in the answer's [`SESSION_TOKEN`](crate::login::SESSION_TOKEN) header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Who has logged in: `USER1`, `8650`, or `-` where the meter asks nobody.
    pub user: String,
    /// After how many idle minutes it ends.
    pub timeout_minutes: u16,
}

/// A package that the meter has verified and keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    /// Its SHA-256, in hex.
    pub package: String,
    /// The release it carries.
    pub release: Version,
    /// Who vouches for it.
    pub trusted_by: String,
}

/// What is planned, and what the plan must name to be accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The SHA-256 of a staged package.
    pub package: String,
    /// The operator's choices.
    #[serde(default)]
    pub choices: Choices,
    /// The Setup that asks (B6).
    pub setup: Version,
}

/// An accepted plan. New passwords travel in their own headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRequest {
    /// What was planned.
    pub plan: PlanRequest,
    /// The digest of the plan that was accepted.
    pub accept: String,
    /// What Setup did about the hash list, for the report (B2).
    pub hash_check: String,
}

/// A change that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The plan that was carried out.
    pub plan: Plan,
    /// Plan and fact.
    pub report: Report,
}

/// Keys that may sign releases for this meter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Trusted {
    /// Each key: its id and its comment.
    pub keys: Vec<(String, String)>,
}

/// What kind of failure an error is. The numbers are Setup's exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The meter couldn't, or the request makes no sense to it.
    Failed,
    /// What is asked for would be no change at all.
    Usage,
    /// A hash or a signature is wrong.
    Untrusted,
    /// A login or a right.
    Denied,
    /// The plan has changed since.
    PlanChanged,
}

/// A refusal or a failure, in one sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// What kind it is.
    pub failure: Failure,
    /// The sentence.
    pub message: String,
    /// Whether logging in could help.
    #[serde(default)]
    pub wants_login: bool,
    /// The plan as it is now, where it has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<Plan>>,
}
