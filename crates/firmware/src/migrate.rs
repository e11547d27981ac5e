//! The one idea: a change of release is a pure function. Planning calls [`migrate`] and shows the
//! consequences; the act calls it and commits the settings. The plan can't be wrong, because it is
//! the act.

pub(crate) mod data_floor;
pub(crate) mod lines;
pub(crate) mod modbus;
pub(crate) mod records;
pub(crate) mod template;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use framework::Value;
use framework::modules::security_options as options;
use security::{AccountId, CredentialKind};
use serde::{Deserialize, Serialize};

use crate::consequence::Consequence;
use crate::digest::Sha256Digest;
use crate::release::{Choice, PasswordStorage, Release};
use crate::settings::Settings;
use crate::template::{ShippedTemplates, TemplateChoice};
use crate::version::Version;

/// What happens to an account's credential. The vault does it between accepting and committing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialAction {
    /// It stays as it is.
    Keep,
    /// The readable password is hashed.
    Hash,
    /// The password becomes the factory `0`.
    Reset,
    /// The operator gave a new one for the new release.
    Replace,
}

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer release.
    Upgrade,
    /// To an older one.
    Downgrade,
}

impl Direction {
    /// The way from one release to the other; `None` where they are the same.
    pub fn between(from: &Version, to: &Version) -> Option<Self> {
        match from.cmp(to) {
            std::cmp::Ordering::Less => Some(Self::Upgrade),
            std::cmp::Ordering::Greater => Some(Self::Downgrade),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// `upgrade` or `downgrade`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
        }
    }
}

/// What the operator has chosen about a change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// Accounts that get a new password with the change, instead of `0` (B21).
    #[serde(default)]
    pub new_passwords: BTreeSet<AccountId>,
    /// To do it even if nobody could edit security afterwards (B19). The plan is the same either way.
    #[serde(default)]
    pub force: bool,
    /// Whose template the meter has afterwards (B4).
    #[serde(default, skip_serializing_if = "TemplateChoice::keeps")]
    pub template: TemplateChoice,
    /// The backup that was taken before the change, for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Sha256Digest>,
    /// The meter's own, not the operator's: ports that it was made with, by register. A service that
    /// arrives listens there instead of where the release ships it.
    #[serde(skip)]
    pub ports: BTreeMap<String, u16>,
    /// The meter's own, not the operator's: the templates that the two releases come with.
    #[serde(skip)]
    pub shipped: ShippedTemplates,
    /// The meter's own, not the operator's: what its data recorders hold, by number.
    #[serde(skip)]
    pub recorders: BTreeMap<u8, RecorderHolds>,
}

/// What a data recorder of a meter holds before a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecorderHolds {
    /// Records of the epoch that records now.
    pub records: u64,
    /// Closed epochs that go if that one is closed now, because no more are kept.
    pub would_go: Vec<EpochHolds>,
}

/// What a closed epoch of a data recorder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochHolds {
    /// Its number.
    pub epoch: u32,
    /// The number of its oldest record.
    pub first: u64,
    /// The number of its newest record.
    pub last: u64,
}

/// A change of release, worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// The settings afterwards.
    pub settings: Settings,
    /// What happens to each account's credential.
    pub credentials: BTreeMap<AccountId, CredentialAction>,
    /// Each line of the plan.
    pub consequences: Vec<Consequence>,
}

/// Works out the change of a meter with these settings from one release to another.
///
/// Whether modules can stand as they come out, a merged or a given template among them, is for
/// [`Settings::check`], without which nothing is shown or done: [`plan_between`](crate::plan_between) calls it.
///
/// Derived from the two descriptions: which services, registers and modes there are, and what becomes
/// of passwords. Taken from the newer release of the pair: the choices of its makers.
pub fn migrate(before: &Settings, from: &Release, to: &Release, choices: &Choices) -> Migration {
    let made = made_choices(from, to);
    let (mut settings, conflicts) = choices.template.applied(before, &choices.shipped);
    carry_options(before, &mut settings, to, &choices.ports);
    let mode = to.nearest_mode(before.mode());
    settings.set_option(options::MODE, Some(Value::Text(mode.name().to_owned())));
    for choice in made.iter().filter(|choice| to.security_options.contains_key(&choice.register)) {
        settings.set_option(&choice.register, Some(choice.value.clone()));
    }
    // Dropped, not kept for later: a release that has SSH again must not find a key that nobody sees now.
    if !to.has_ssh_keys() {
        settings.keys.clear();
    }
    data_floor::drop_users(&mut settings, to);
    let credentials: BTreeMap<_, _> = AccountId::all()
        .map(|account| {
            let replaced = choices.new_passwords.contains(&account);
            let action = match before.credential(account) {
                _ if !to.has_account(account) => CredentialAction::Reset,
                _ if replaced => CredentialAction::Replace,
                kind => action(kind, to),
            };
            (account, action)
        })
        .collect();
    for (account, action) in &credentials {
        let kind = kind_after(before.credential(*account), *action, to);
        settings.credentials.insert(*account, kind);
    }
    let consequences = lines::all(&lines::Change {
        before,
        after: &settings,
        from,
        to,
        made,
        credentials: &credentials,
        choices,
        conflicts: &conflicts,
    });
    Migration { settings, credentials, consequences }
}

/// What the newer release's makers chose for this way between the two.
fn made_choices<'a>(from: &'a Release, to: &'a Release) -> &'a [Choice] {
    match Direction::between(&from.release, &to.release) {
        Some(Direction::Upgrade) => &to.upgrade,
        Some(Direction::Downgrade) => &from.downgrade,
        None => &[],
    }
}

/// Registers that both releases have keep their values, new ones arrive as shipped (ports as the meter
/// was made with), and the others are dropped.
fn carry_options(before: &Settings, settings: &mut Settings, to: &Release, ports: &BTreeMap<String, u16>) {
    let known: Vec<_> = options::module().kind().setup().iter().map(|register| register.name).collect();
    for register in known {
        let value = to.security_options.get(register).map(|shipped| {
            let made_with = || ports.get(register).map(|port| Value::Number(f64::from(*port)));
            before.option(register).cloned().or_else(made_with).unwrap_or_else(|| shipped.clone())
        });
        settings.set_option(register, value);
    }
}

/// What of necessity becomes of a credential: a readable one can be hashed, a hash can't be undone.
fn action(kind: CredentialKind, to: &Release) -> CredentialAction {
    match (kind, to.password_storage) {
        (CredentialKind::Readable, PasswordStorage::Hashed) => CredentialAction::Hash,
        (CredentialKind::Hashed, PasswordStorage::Readable) => CredentialAction::Reset,
        _ => CredentialAction::Keep,
    }
}

fn kind_after(before: CredentialKind, action: CredentialAction, to: &Release) -> CredentialKind {
    match action {
        CredentialAction::Keep => before,
        CredentialAction::Hash => CredentialKind::Hashed,
        CredentialAction::Reset => CredentialKind::Factory,
        CredentialAction::Replace => match to.password_storage {
            PasswordStorage::Readable => CredentialKind::Readable,
            PasswordStorage::Hashed => CredentialKind::Hashed,
        },
    }
}
