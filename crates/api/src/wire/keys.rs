//! The SSH keys of accounts, for whoever may read security setup.

use security::{AccountId, Fingerprint};
use serde::{Deserialize, Serialize};

/// An SSH key that opens an account besides its password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountKey {
    /// Whose.
    pub account: AccountId,
    /// Its type, as SSH names it.
    pub algorithm: String,
    /// What people compare.
    pub fingerprint: Fingerprint,
    /// What its owner calls it; may be empty.
    pub comment: String,
}

/// SSH keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Keys {
    /// Each key, by account.
    pub keys: Vec<AccountKey>,
}

/// A key for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRequest {
    /// Whose.
    pub account: AccountId,
    /// Its line, as it stands in a `.pub` file.
    pub key: String,
}
