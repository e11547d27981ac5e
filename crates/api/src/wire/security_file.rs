//! Loading a security file: what it would do, and that it has been done.

use firmware::{Danger, Severity};
use serde::{Deserialize, Serialize};

use super::{ChangedRegister, PasswordStrength};

/// What a security file changes in this meter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityPlan {
    /// Over all that it changes. Accepting is naming it.
    pub digest: String,
    /// Whether it has been done.
    pub loaded: bool,
    /// Each register that is different afterwards; users and their rights are registers too.
    pub changed: Vec<ChangedRegister>,
    /// The accounts that get a new password with it.
    #[serde(default)]
    pub passwords: Vec<String>,
    /// What each of them is worth.
    #[serde(default)]
    pub strengths: Vec<PasswordStrength>,
    /// Each row of the access table that is different afterwards.
    pub access: Vec<AccessChange>,
    /// What lets somebody in, or lets passwords be read, since this change or still after it; among it what Advanced
    /// still shows (B9).
    #[serde(default)]
    pub dangers: Vec<Danger>,
    /// What else whoever did it should know.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// A row of the access table: who may do what on a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessChange {
    /// Path and login: `modbus: anyone`.
    pub subject: String,
    /// What is allowed before.
    pub before: String,
    /// What is allowed afterwards.
    pub after: String,
    /// `danger` where an access opens.
    pub severity: Severity,
    /// The sentence for people.
    pub text: String,
}
