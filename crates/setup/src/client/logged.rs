//! What of a client's work stands in [`SecurityLog`]: each action that touches security, whether it was
//! done or not. A log that can't be written is a warning, never a failed action.

use firmware::package::TrustedKey;
use security::AccountId;

use super::Client;
use crate::error::SetupError;
use crate::security_log::{Entry, SecurityLog};

/// A log, and the clock that its lines take their time from: UTC, in milliseconds since 1970.
pub(super) struct Logging {
    log: SecurityLog,
    utc_ms: fn() -> i64,
    /// The meter's serial number, once it has said it.
    serial: Option<String>,
    warning: Option<String>,
}

impl Client {
    /// Keeps a log of what this client does to security. `utc_ms` is the clock.
    pub fn keep_log(&mut self, log: SecurityLog, utc_ms: fn() -> i64) {
        self.logging = Some(Logging { log, utc_ms, serial: None, warning: None });
    }

    /// Why something isn't in the log; said once.
    pub fn log_warning(&mut self) -> Option<String> {
        self.logging.as_mut()?.warning.take()
    }

    /// Logs an action of whoever is logged in.
    pub(super) async fn note<T>(&mut self, action: &str, done: &Result<T, SetupError>) {
        let user = self.user.clone();
        self.note_as(&user, action, &outcome(done)).await;
    }

    /// Logs an action of somebody, and what came of it.
    pub(super) async fn note_as(&mut self, user: &str, action: &str, outcome: &str) {
        self.learn_serial().await;
        let Some(logging) = &mut self.logging else { return };
        let address = self.address.to_string();
        let serial = logging.serial.as_deref();
        let entry = Entry { utc_ms: (logging.utc_ms)(), serial, address: &address, user, action, outcome };
        if let Err(error) = logging.log.append(&entry) {
            logging.warning = Some(error.to_string());
        }
    }

    /// Asks the meter for its serial number, if a line will need it. Under Advanced it says it only to whoever
    /// is logged in.
    pub(super) async fn learn_serial(&mut self) {
        if self.logging.as_ref().is_none_or(|logging| logging.serial.is_some()) {
            return;
        }
        let serial = self.info().await.ok().map(|info| info.serial);
        if let Some(logging) = &mut self.logging {
            logging.serial = serial;
        }
    }
}

/// Done, or why not.
pub(super) fn outcome<T>(done: &Result<T, SetupError>) -> String {
    match done {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Registers and the values that were set. What was refused may be anything, a password put in the wrong
/// place too, so then it is the names alone.
pub(super) fn registers<T>(changes: &[(String, String)], done: &Result<T, SetupError>) -> String {
    let mut text = "set".to_owned();
    for (register, value) in changes {
        text.push(' ');
        text.push_str(register);
        if done.is_ok() {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

/// A key that signs releases, by its id; what is none isn't repeated.
pub(super) fn trusted(line: &str) -> String {
    let key = line.trim().parse::<TrustedKey>();
    key.map_or_else(|_| "something that is no key".to_owned(), |key| key.id().to_string())
}

/// A change of a user, as it was asked for; of a password that there is a new one.
pub(super) fn user(change: &api::UserRequest, with_password: bool) -> String {
    let mut text = format!("user {}", change.user);
    if let Some(active) = change.active {
        text.push_str(if active { " active=yes" } else { " active=no" });
    }
    if let Some(rights) = &change.rights {
        let rights: Vec<_> = rights.iter().map(|right| right.name()).collect();
        text.push_str(" rights=");
        text.push_str(&rights.join("+"));
    }
    if with_password {
        text.push_str(" with a new password");
    }
    text
}

/// New passwords of accounts, by their names.
pub(super) fn passwords<'a>(accounts: impl Iterator<Item = &'a AccountId>) -> String {
    let names: Vec<_> = accounts.map(|account| account.login()).collect();
    if names.is_empty() { String::new() } else { format!(" with new passwords of {}", names.join(" ")) }
}
