//! A release as data: what one firmware version offers, how it ships, and what its makers chose to
//! do to a meter that comes to it or leaves it. `release.toml` is read here and nowhere else.
//!
//! What follows of necessity between two releases is derived from their two descriptions by
//! [`migrate`](crate::migrate()); only free choices are written down, in the newer release of the pair
//! and for both directions, because an old release can't describe the future.

use std::collections::BTreeMap;

use framework::Value;
use framework::modules::security_options::{self, Service};
use security::{CredentialKind, Mode, PasswordRules, UserId};
use serde::{Deserialize, Serialize};

use crate::consequence::Severity;
use crate::version::Version;

/// The only format of `release.toml` so far.
pub const FORMAT: u32 = 1;
/// The type of meter that releases are for.
pub const MODEL: &str = "8650";

/// How a release keeps passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordStorage {
    /// Reversibly: whoever has the storage has the passwords.
    Readable,
    /// As keyed Argon2id hashes.
    Hashed,
}

impl PasswordStorage {
    /// What kind of credential a password that somebody has chosen becomes.
    pub fn kind(self) -> CredentialKind {
        match self {
            Self::Readable => CredentialKind::Readable,
            Self::Hashed => CredentialKind::Hashed,
        }
    }
}

/// What a release's web pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebPages {
    /// Behind a login (HTTP Basic), with two switches of their own.
    Login,
    /// Read-only, without a login.
    ReadOnly,
}

/// When Modbus may write under Standard security, Modbus programming being allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModbusStandardWrite {
    /// Whenever it is allowed.
    Allowed,
    /// Only while the front-panel password is `0`, since Modbus can't send one.
    WhilePasswordZero,
}

/// A choice of the release's makers about a meter that comes to the release or leaves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The clause of the mission that says so.
    pub clause: String,
    /// The Security Options register that is set.
    pub register: String,
    /// What it is set to, whatever it was before.
    pub value: Value,
    /// How much it matters where it changes something.
    pub severity: Severity,
    /// What the operator is told where it changes something.
    pub text: String,
    /// The notice that tells of it, if not every Setup does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// Something that a Setup must show, and the first one that does (B6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Notice {
    /// The name that choices refer to.
    pub id: String,
    /// The first Setup that shows it.
    pub since_setup: Version,
}

/// One firmware version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// [`FORMAT`].
    pub format: u32,
    /// [`MODEL`].
    pub model: String,
    /// The version.
    pub release: Version,
    /// What people call it.
    pub name: String,
    /// The day of its publication.
    pub published: String,
    /// What its terminals call themselves, as in `8650V409`.
    pub device_type: String,
    /// The security modes it offers.
    pub modes: Vec<Mode>,
    /// How it keeps passwords.
    pub password_storage: PasswordStorage,
    /// What its web pages are.
    pub web_pages: WebPages,
    /// When Modbus may write under Standard.
    pub modbus_standard_write: ModbusStandardWrite,
    /// The Setup recommended for changing to it (B5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended_setup: Option<Version>,
    /// How many users it has, from USER1 on.
    #[serde(default = "all_users")]
    pub users: u8,
    /// Which passwords it takes.
    pub password_rules: PasswordRules,
    /// Every Security Options register it has, as shipped. A service that isn't here isn't part of it.
    pub security_options: BTreeMap<String, Value>,
    /// What it needs shown.
    #[serde(default, rename = "notice")]
    pub notices: Vec<Notice>,
    /// What coming to it from an older release does.
    #[serde(default, rename = "upgrade")]
    pub upgrade: Vec<Choice>,
    /// What leaving it for an older release does.
    #[serde(default, rename = "downgrade")]
    pub downgrade: Vec<Choice>,
}

/// Why a description of a release can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Not TOML of the right shape.
    #[error("release.toml: {0}")]
    Syntax(String),
    /// A format or a meter that isn't this program's.
    #[error("release.toml is for meter {model} in format {format}; this program knows {MODEL} in format {FORMAT}")]
    Foreign {
        /// The model it names.
        model: String,
        /// The format it names.
        format: u32,
    },
    /// A register or value that doesn't exist.
    #[error("release.toml: {0}")]
    Register(String),
    /// No security mode, or a factory mode that isn't offered.
    #[error("release.toml: the factory mode must be one of the modes the release offers")]
    Modes,
    /// A number of users that no meter has.
    #[error("release.toml: a release has 1 to {} users", UserId::COUNT)]
    Users,
    /// A choice names a notice that isn't described.
    #[error("release.toml: the notice \"{0}\" is named but not described")]
    Notice(String),
}

impl Release {
    /// Reads `release.toml` and checks every register, value and reference in it.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            model: String,
        }
        let syntax = |error: toml::de::Error| ReleaseError::Syntax(error.message().to_owned());
        let head: Head = toml::from_str(text).map_err(syntax)?;
        if head.format != FORMAT || head.model != MODEL {
            return Err(ReleaseError::Foreign { model: head.model, format: head.format });
        }
        let mut release: Self = toml::from_str(text).map_err(syntax)?;
        for (register, value) in &mut release.security_options {
            *value = checked(register, value)?;
        }
        if !release.modes.contains(&release.factory_mode().ok_or(ReleaseError::Modes)?) {
            return Err(ReleaseError::Modes);
        }
        if !(1..=UserId::COUNT).contains(&release.users) {
            return Err(ReleaseError::Users);
        }
        let notices = &release.notices;
        for choice in release.upgrade.iter_mut().chain(&mut release.downgrade) {
            choice.value = checked(&choice.register, &choice.value)?;
            if let Some(id) = choice.notice.as_ref().filter(|id| !notices.iter().any(|known| known.id == **id)) {
                return Err(ReleaseError::Notice(id.clone()));
            }
        }
        Ok(release)
    }

    /// Whether the service is part of this release.
    pub fn has(&self, service: Service) -> bool {
        self.security_options.contains_key(service.switch())
    }

    /// Whether its accounts may have SSH keys: where there is no SSH they would open nothing.
    pub fn has_ssh_keys(&self) -> bool {
        self.has(Service::Ssh) || self.has(Service::Sftp)
    }

    /// The security mode as shipped.
    pub fn factory_mode(&self) -> Option<Mode> {
        match self.security_options.get(security_options::MODE)? {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The mode a meter in `mode` comes up in: the same, or the nearest that is at least as closed,
    /// or, where there is none, the most closed one offered.
    pub fn nearest_mode(&self, mode: Mode) -> Mode {
        let at_least = self.modes.iter().copied().filter(|offered| *offered >= mode).min();
        at_least.or_else(|| self.modes.iter().copied().max()).unwrap_or(Mode::Advanced)
    }
}

/// Most releases have all the users that there can be.
fn all_users() -> u8 {
    UserId::COUNT
}

fn checked(register: &str, value: &Value) -> Result<Value, ReleaseError> {
    let known = security_options::module().kind().setup().iter().find(|known| known.name == register);
    let known = known.ok_or_else(|| ReleaseError::Register(format!("there is no register \"{register}\"")))?;
    known.check(value).map_err(|error| ReleaseError::Register(error.to_string()))
}

/// The inputs that a release is made from, as they lie in `releases/VERSION/`.
#[derive(Debug, Clone, Copy)]
pub struct Sources {
    /// `release.toml`.
    pub release_toml: &'static str,
    /// `template.dcf`.
    pub template_dcf: &'static str,
    /// `whats-new.md`.
    pub notes_md: &'static str,
}

macro_rules! shipped {
    ($($version:literal),+) => {
        /// The releases built into this program, oldest first.
        pub const SHIPPED: &[Sources] = &[$(Sources {
            release_toml: include_str!(concat!("../../../releases/", $version, "/release.toml")),
            template_dcf: include_str!(concat!("../../../releases/", $version, "/template.dcf")),
            notes_md: include_str!(concat!("../../../releases/", $version, "/whats-new.md")),
        }),+];
    };
}
shipped!("4.0.9", "4.40.1");
