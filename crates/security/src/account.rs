//! Modes, users and rights: the vocabulary that every other room speaks.
//!
//! Names and numbers are the field's: USER1 to USER16, `8650` for whoever knows the front-panel
//! password, and six rights that an account either has or hasn't.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a meter asks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Neither a user name nor a password is ever asked. Legacy releases only.
    None,
    /// Reading is free; writing takes the front-panel password and no user name.
    Standard,
    /// A user name and a password to read or to write.
    Advanced,
}

impl Mode {
    /// Every mode, from the most open to the most closed. "The nearest mode" that a release offers
    /// is the next one in this order: a change of release never opens a meter by its mode.
    pub const ALL: [Self; 3] = [Self::None, Self::Standard, Self::Advanced];

    /// The name used in registers, files and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Advanced => "advanced",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = NotAName;

    fn from_str(s: &str) -> Result<Self, NotAName> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == s)
            .ok_or(NotAName("a security mode (none, standard, advanced)"))
    }
}

/// A word that should have been one of a short list of names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not {0}")]
pub struct NotAName(pub &'static str);

/// One of the sixteen users, USER1 to USER16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(u8);

impl UserId {
    /// How many users a meter has.
    pub const COUNT: u8 = 16;

    /// The user with this number, 1 to 16.
    pub fn new(number: u8) -> Option<Self> {
        (1..=Self::COUNT).contains(&number).then_some(Self(number))
    }

    /// 1 to 16.
    pub fn number(self) -> u8 {
        self.0
    }

    /// USER1 to USER16, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=Self::COUNT).map(Self)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "USER{}", self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UserId {
    type Err = NotAName;

    /// `User1`, `User01`, `USER1` and `user1` are the same user (B18); nothing else is.
    fn from_str(s: &str) -> Result<Self, NotAName> {
        const WHAT: NotAName = NotAName("a user (USER1 to USER16)");
        let (word, digits) = s.split_at_checked(4).ok_or(WHAT)?;
        let plain = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit());
        if !word.eq_ignore_ascii_case("user") || !plain {
            return Err(WHAT);
        }
        digits.parse().ok().and_then(Self::new).ok_or(WHAT)
    }
}

/// Who owns a password: the front panel, or one of the users.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountId {
    /// The front-panel password, which is also what `8650` logs in with.
    FrontPanel,
    /// A user's own.
    User(UserId),
}

impl AccountId {
    /// The login name of whoever knows the front-panel password.
    pub const STANDARD_LOGIN: &'static str = "8650";

    /// The front panel, then USER1 to USER16.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::FrontPanel).chain(UserId::all().map(Self::User))
    }

    /// The account behind a login name: `8650`, or a user in any of the spellings of B18.
    pub fn from_login(name: &str) -> Option<Self> {
        if name == Self::STANDARD_LOGIN {
            return Some(Self::FrontPanel);
        }
        name.parse().ok().map(Self::User)
    }

    /// The name this account logs in with: `8650`, `USER1`.
    pub fn login(self) -> String {
        match self {
            Self::FrontPanel => Self::STANDARD_LOGIN.to_owned(),
            Self::User(user) => user.to_string(),
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrontPanel => f.write_str("front panel"),
            Self::User(user) => user.fmt(f),
        }
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AccountId {
    type Err = NotAName;

    fn from_str(s: &str) -> Result<Self, NotAName> {
        if s == "front panel" {
            return Ok(Self::FrontPanel);
        }
        s.parse().map(Self::User).map_err(|_| NotAName("an account (front panel, USER1 to USER16)"))
    }
}

crate::serde_by_name!(UserId, AccountId);

/// What a meter keeps of a password. The secret itself is the vault's business; whoever plans a
/// change of release needs to know only the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The factory password `0`: a state, not a secret.
    Factory,
    /// Stored reversibly, as legacy releases do.
    Readable,
    /// Stored as a keyed Argon2id hash.
    Hashed,
}

impl CredentialKind {
    /// The name used in files and plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Factory => "factory",
            Self::Readable => "readable",
            Self::Hashed => "hashed",
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an account may do. The order is the one people see; do not reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Everything but security setup; gates all the others except Time Sync.
    Read,
    /// Set the clock.
    TimeSync,
    /// Reset the peak demand.
    DemandReset,
    /// Enter TEST mode.
    TestMode,
    /// Full Meter Config: all set-up but security, demand reset and test mode.
    FullConfig,
    /// Security Config: users, rights, passwords, modes, services and ports, event priorities,
    /// lock-outs, version changes.
    SecurityConfig,
}

impl Right {
    /// Every right, in the order shown to people.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::TimeSync, Self::DemandReset, Self::TestMode, Self::FullConfig, Self::SecurityConfig];

    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::TimeSync => "time-sync",
            Self::DemandReset => "demand-reset",
            Self::TestMode => "test-mode",
            Self::FullConfig => "full-config",
            Self::SecurityConfig => "security-config",
        }
    }

    /// The name of the register in a Security User module, which is how technicians know it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::TimeSync => "Time Sync",
            Self::DemandReset => "Peak Demand Reset",
            Self::TestMode => "Test Mode",
            Self::FullConfig => "Full Meter Config",
            Self::SecurityConfig => "Security Config",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = NotAName;

    fn from_str(s: &str) -> Result<Self, NotAName> {
        Self::ALL
            .into_iter()
            .find(|right| right.name() == s)
            .ok_or(NotAName("a right (read, time-sync, demand-reset, test-mode, full-config, security-config)"))
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u8);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Every right.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `right` is in the set.
    pub fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// The set with `right` in it.
    #[must_use]
    pub fn with(self, right: Right) -> Self {
        Self(self.0 | (1 << right as u8))
    }

    /// The rights in the set, in the order shown to people.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Right::name).collect();
        f.write_str(if names.is_empty() { "none".to_owned() } else { names.join(", ") }.as_str())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A user as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// An inactive user can't log in.
    pub active: bool,
    /// What the user may do once logged in.
    pub rights: Rights,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b18_spellings_of_one_user_are_the_same_and_no_other_name_is_accepted() {
        let one = AccountId::User(UserId::new(1).unwrap());
        for name in ["User1", "User01", "USER1", "user1"] {
            assert_eq!(AccountId::from_login(name), Some(one), "{name}");
        }
        assert_eq!(AccountId::from_login("8650"), Some(AccountId::FrontPanel));
        for name in
            ["", "user", "user0", "user17", "user001", "USER 1", "user+1", "root", "86500", "üser1", "front panel"]
        {
            assert_eq!(AccountId::from_login(name), None, "{name}");
        }
    }
}
