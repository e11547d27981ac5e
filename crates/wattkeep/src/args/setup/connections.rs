//! What can be done about those who are connected, and those who are not let in.

use std::str::FromStr;

use clap::Subcommand;
use security::{AccountId, Source};

/// What can be done about connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// End a session and every connection it has
    End {
        /// The session's number, as the list shows it
        #[arg(value_name = "NUMBER")]
        number: u64,
    },
    /// Lift the lock-outs of a login
    Lift {
        /// Whose: USER1 to USER16, 8650, or "unknown" for names that are nobody's
        #[arg(value_name = "USERn|8650|unknown")]
        whose: LockedLogin,
        /// Only the one from this address [default: all of them]
        #[arg(long, value_name = "IP")]
        source: Option<Source>,
    },
}

/// A login that can be locked out, in the words of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedLogin(pub String);

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a login is USER1 to USER16, 8650, or \"unknown\" for all names that are nobody's")]
pub struct NotALogin;

impl FromStr for LockedLogin {
    type Err = NotALogin;

    fn from_str(text: &str) -> Result<Self, NotALogin> {
        match (text, AccountId::from_login(text)) {
            (api::UNKNOWN_LOGIN, _) => Ok(Self(text.to_owned())),
            (_, Some(account)) => Ok(Self(account.login())),
            (_, None) => Err(NotALogin),
        }
    }
}
