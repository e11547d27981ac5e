//! The lines of a plan, written from what [`super::migrate`] worked out: one per mode, service,
//! account, row of the access table, setting and log. Nothing is decided here.

use std::collections::BTreeMap;

use framework::modules::security_options::{self as options, Service};
use framework::modules::{integrator, power_meter};
use framework::{RegisterName, Value};
use security::{AccountId, CredentialKind, Mode, Path};

use super::{Choices, CredentialAction, data_floor, records, template};
use crate::access;
use crate::consequence::{Consequence, Kind, Severity};
use crate::dangers::{STORAGE, storage_text};
use crate::release::{Choice, PasswordStorage, Release, WebPages};
use crate::settings::Settings;
use crate::template::Conflicts;

/// A change, as the lines see it.
pub(super) struct Change<'a> {
    pub before: &'a Settings,
    pub after: &'a Settings,
    pub from: &'a Release,
    pub to: &'a Release,
    /// What the newer release's makers chose.
    pub made: &'a [Choice],
    pub credentials: &'a BTreeMap<AccountId, CredentialAction>,
    pub choices: &'a Choices,
    /// What had to be decided about the template.
    pub conflicts: &'a Conflicts,
}

/// What stays as it is.
pub(crate) const KEPT: &str = "kept";
/// What a password becomes that the operator gives with the change.
pub(crate) const NEW_PASSWORD: &str = "new password";
/// What becomes of SSH keys where the new release has no SSH.
const DELETED: &str = "deleted";
/// What stands behind an account's name where a line is about its SSH keys.
const KEYS: &str = " SSH keys";
pub(crate) const ENERGY: &str = "energy";
pub(crate) const DEMAND: &str = "demand";
pub(crate) const EVENT_LOG: &str = "event log";
pub(crate) const CLOCK: &str = "clock";
pub(crate) const RATIOS: &str = "PT/CT";
pub(crate) const LOCK_OUT: &str = "lock-out";
pub(crate) const USERS: &str = "users and rights";
const NOT_PART: &str = "not part of the release";
/// Stands for no value, no link, no label.
pub(crate) const NOTHING: &str = "-";

/// Every line, in the order in which people read a plan.
pub(super) fn all(change: &Change<'_>) -> Vec<Consequence> {
    let mut lines = vec![mode(change)];
    lines.extend(Service::ALL.into_iter().filter_map(|service| change.service(service)));
    let (held, beyond): (Vec<_>, Vec<_>) = AccountId::all().partition(|account| change.to.has_account(*account));
    let account = |account| Some(data_floor::with_rules(change, account, change.account(account)?));
    lines.extend(held.iter().copied().filter_map(account));
    lines.extend(beyond.into_iter().filter_map(|account| data_floor::dropped(change, account)));
    lines.extend(held.into_iter().filter_map(|account| change.keys(account)));
    lines.extend(data_floor::no_editor(change));
    lines.extend(storage(change));
    lines.extend(rights(change));
    lines.extend(settings(change));
    lines.extend(kept(change));
    lines.extend(recommended_setup(change));
    lines
}

fn mode(change: &Change<'_>) -> Consequence {
    let (before, after) = (change.before.mode(), change.after.mode());
    let line = |clause, severity, text| {
        Consequence::new(clause, Kind::Mode, "security mode", (before.name(), after.name()), severity, text)
    };
    if before == after {
        let clause = if change.from.release < change.to.release { "B15" } else { "B20" };
        return line(clause, Severity::Info, format!("The meter stays in {after} security."));
    }
    let release = &change.to.release;
    let gone = format!("{release} has no security mode \"{before}\": the meter comes up in {after}.");
    if after != Mode::Standard {
        return line("B10", Severity::Warning, gone);
    }
    if change.after.credential(AccountId::FrontPanel) == CredentialKind::Factory {
        let text = format!("{gone} The front-panel password is kept, and it is 0: anyone can log in with it.");
        line("B10", Severity::Danger, text)
    } else {
        line("B10", Severity::Warning, format!("{gone} The front-panel password is kept; it is not 0."))
    }
}

/// The account whose SSH keys a line is about, if it is about any.
pub(crate) fn account_of_keys(subject: &str) -> Option<AccountId> {
    subject.strip_suffix(KEYS)?.parse().ok()
}

/// An account's SSH keys in words.
pub(crate) fn keys(settings: &Settings, account: AccountId) -> String {
    match settings.keys_of(account) {
        [] => DELETED.to_owned(),
        keys => keys.iter().map(|key| key.fingerprint().to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// A service's switch in words.
pub(crate) fn state(on: Option<bool>) -> &'static str {
    match on {
        None => NOT_PART,
        Some(true) => "enabled",
        Some(false) => "disabled",
    }
}

impl Change<'_> {
    /// The choice of the makers that set a register, where the new release has the register.
    fn choice(&self, register: &str) -> Option<&Choice> {
        self.made.iter().find(|choice| choice.register == register && self.after.option(register).is_some())
    }

    fn service(&self, service: Service) -> Option<Consequence> {
        let (before, after) = (self.before.service(service), self.after.service(service));
        if before.is_none() && after.is_none() {
            return None;
        }
        let (name, release) = (service.title(), &self.to.release);
        let line = |clause, severity, text: String| {
            Consequence::new(clause, Kind::Service, service.name(), (state(before), state(after)), severity, text)
        };
        if let Some(choice) = self.choice(service.switch()).filter(|_| before != after) {
            let mut line = line(&choice.clause, choice.severity, choice.text.clone());
            line.notice = choice.notice.clone();
            return Some(line);
        }
        // What arrives or goes of necessity: file transfer and terminals of the newer release.
        let clause = if self.from.release < self.to.release { "B17" } else { "B22" };
        Some(match (before, after) {
            (Some(was_on), None) => {
                let severity = if was_on { Severity::Warning } else { Severity::Info };
                let text = if was_on {
                    format!("{name} is not part of {release}: programs that use it will stop.")
                } else {
                    format!("{name} is not part of {release}; it was off.")
                };
                line(clause, severity, text)
            }
            (None, Some(on)) => {
                let how = if on { "on" } else { "off" };
                let port = self.after.port(service).map_or_else(String::new, |port| format!(" (port {port})"));
                let severity = if on { Severity::Warning } else { Severity::Info };
                line(clause, severity, format!("{name}{port} comes with {release} and is {how}, as shipped."))
            }
            (_, Some(on)) => {
                let how = if on { "on" } else { "off" };
                let kept = if self.from.release < self.to.release { "B17" } else { "B20" };
                let clause = self.choice(service.switch()).map_or(kept, |choice| choice.clause.as_str());
                line(clause, Severity::Info, format!("{name} stays {how}."))
            }
            (None, None) => return None,
        })
    }

    /// A line for the front panel, each active user, and whoever else has a credential to lose.
    fn account(&self, account: AccountId) -> Option<Consequence> {
        let (before, after) = (self.before.credential(account), self.after.credential(account));
        let active = match account {
            AccountId::FrontPanel => true,
            AccountId::User(user) => self.before.user(user).active,
        };
        if !active && before == CredentialKind::Factory && after == CredentialKind::Factory {
            return None;
        }
        let who = match account {
            AccountId::FrontPanel => "The front-panel password".to_owned(),
            AccountId::User(user) => format!("{user}'s password"),
        };
        let line = |clause, change: (&str, &str), severity, text: String| {
            Consequence::new(clause, Kind::Account, account.to_string(), change, severity, text)
        };
        let kinds = (before.name(), after.name());
        let clause = if self.before.mode() == Mode::Advanced { "B16" } else { "B15" };
        Some(match self.credentials.get(&account).copied().unwrap_or(CredentialAction::Keep) {
            CredentialAction::Hash => {
                line(clause, kinds, Severity::Info, format!("{who} stays the same and is stored hashed."))
            }
            CredentialAction::Reset => {
                let text = format!("{who} becomes 0: until it is changed, {}.", self.exposure(account));
                line("B21", (before.name(), "0"), Severity::Danger, text)
            }
            CredentialAction::Replace => {
                let text = format!("{who} becomes the new one given with the change.");
                line("B21", (before.name(), NEW_PASSWORD), Severity::Info, text)
            }
            CredentialAction::Keep if before == CredentialKind::Factory => {
                let text = format!("{who} is 0 and stays 0: {}.", self.exposure(account));
                // Where every password is 0 afterwards, each is said as loudly as the others.
                let all_reset = self.storage() == (PasswordStorage::Hashed, PasswordStorage::Readable);
                let clause = if all_reset { "B21" } else { clause };
                let severity = if all_reset || self.lets_in(account) { Severity::Danger } else { Severity::Info };
                line(clause, ("0", "0"), severity, text)
            }
            CredentialAction::Keep => line(clause, kinds, Severity::Info, format!("{who} is kept.")),
        })
    }

    /// How passwords are kept before and after.
    fn storage(&self) -> (PasswordStorage, PasswordStorage) {
        (self.from.password_storage, self.to.password_storage)
    }

    /// A line for each account that has SSH keys: which it loses, by their fingerprints (B20).
    fn keys(&self, account: AccountId) -> Option<Consequence> {
        if self.before.keys_of(account).is_empty() {
            return None;
        }
        let line = |clause, severity, text: String| {
            let change = (keys(self.before, account), keys(self.after, account));
            Consequence::new(clause, Kind::Account, format!("{account}{KEYS}"), change, severity, text)
        };
        let whose = match account {
            AccountId::FrontPanel => "The SSH keys of 8650".to_owned(),
            AccountId::User(user) => format!("{user}'s SSH keys"),
        };
        Some(if self.after.keys_of(account).is_empty() {
            let text = format!(
                "{whose} are deleted, because {} has no SSH. A later upgrade doesn't bring them back.",
                self.to.release
            );
            line("B20", Severity::Warning, text)
        } else {
            line("B16", Severity::Info, format!("{whose} are kept."))
        })
    }

    /// Whether somebody gets in with an account's password in the mode the meter will be in.
    fn lets_in(&self, account: AccountId) -> bool {
        match account {
            AccountId::FrontPanel => true,
            AccountId::User(user) => self.after.mode() == Mode::Advanced && self.after.user(user).active,
        }
    }

    /// What a password `0` on an account means in the mode the meter will be in.
    fn exposure(&self, account: AccountId) -> String {
        match (account, self.after.mode()) {
            (AccountId::FrontPanel, Mode::Advanced) => "anyone at the front panel can use it".to_owned(),
            (AccountId::FrontPanel, _) => "anyone can log in with it, as 8650".to_owned(),
            (AccountId::User(user), _) if !self.after.user(user).active => "the user is inactive".to_owned(),
            (AccountId::User(_), Mode::Standard) => format!("under Advanced, anyone could log in as {account}"),
            (AccountId::User(user), _) => format!("anyone can log in as {user}"),
        }
    }
}

/// Whether passwords are readable from now on, where that changes.
fn storage(change: &Change<'_>) -> Option<Consequence> {
    let (before, after) = change.storage();
    let line = |clause, severity, text: String| {
        let kinds = (before.kind().name(), after.kind().name());
        Consequence::new(clause, Kind::Setting, STORAGE, kinds, severity, text)
    };
    match (before, after) {
        (PasswordStorage::Hashed, PasswordStorage::Readable) => {
            Some(line("B21", Severity::Warning, storage_text(change.to)))
        }
        (PasswordStorage::Readable, PasswordStorage::Hashed) => {
            let text = "Passwords are stored as keyed hashes, and no readable one is left in the meter's storage.";
            Some(line("B16", Severity::Info, text.to_owned()))
        }
        _ => None,
    }
}

/// The difference of the two access tables. What opens is a danger.
fn rights(change: &Change<'_>) -> Vec<Consequence> {
    let before = access::table(change.before, change.from);
    let after = access::table(change.after, change.to);
    let line = |row: access::Difference| {
        let words = (row.before.as_str(), row.after.as_str());
        let clause = right_clause(row.path, change);
        Consequence::new(clause, Kind::Right, row.subject(), words, row.severity(), row.text())
    };
    access::differences(&before, &after).into_iter().map(line).collect()
}

/// A register's value in words.
pub(crate) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| NOT_PART.to_owned(), Value::to_string)
}

fn right_clause(path: Path, change: &Change<'_>) -> &'static str {
    match (path, change.to.web_pages) {
        (Path::Web, WebPages::ReadOnly) => "B14",
        (Path::Web, WebPages::Login) => "B24",
        (Path::Ssh | Path::Sftp | Path::Telnet | Path::Ftp, _) if change.from.release < change.to.release => "B17",
        (Path::Ssh | Path::Sftp, _) => "B22",
        (Path::Telnet | Path::Ftp, _) => "B23",
        _ => "B9",
    }
}

/// Security Options registers other than the switches of services and the mode, which have lines of
/// their own: what is set, what is dropped, what arrives, and the ports that are kept.
fn settings(change: &Change<'_>) -> Vec<Consequence> {
    let switches: Vec<&str> = Service::ALL.iter().map(|service| service.switch()).collect();
    let registers = options::module().kind().setup().iter().map(|register| register.name);
    let mut lines = Vec::new();
    for register in registers.filter(|register| *register != options::MODE && !switches.contains(register)) {
        let (before, after) = (change.before.option(register), change.after.option(register));
        let line = |clause: &str, severity, text: String| {
            Consequence::new(clause, Kind::Setting, register, (shown(before), shown(after)), severity, text)
        };
        let chosen = |choice: &Choice| {
            let mut line = line(&choice.clause, choice.severity, choice.text.clone());
            line.notice = choice.notice.clone();
            line
        };
        let clause = if change.from.release < change.to.release { "B17" } else { "B20" };
        let release = &change.to.release;
        lines.push(match (before, after) {
            (None, None) => continue,
            (Some(was), Some(will)) if was == will => match change.choice(register) {
                Some(choice) => line(&choice.clause, Severity::Info, format!("{register} is {will} and stays so.")),
                None if register.ends_with("Port") => {
                    line(clause, Severity::Info, format!("{register} {will} is kept."))
                }
                None => continue,
            },
            (Some(_), Some(will)) => match change.choice(register) {
                Some(choice) => chosen(choice),
                None => line(clause, Severity::Warning, format!("{register} becomes {will}.")),
            },
            (Some(_), None) => {
                line(clause, Severity::Info, format!("{register} is not part of {release} and is dropped."))
            }
            (None, Some(will)) => {
                let text = format!("{register} comes with {release} and is {will}.");
                match change.choice(register) {
                    Some(choice) => chosen(choice),
                    None => line(clause, Severity::Info, text),
                }
            }
        });
    }
    lines
}

/// What no change of release touches, as far as this meter has it.
fn kept(change: &Change<'_>) -> Vec<Consequence> {
    let clause = if change.from.release < change.to.release { "B17" } else { "B20" };
    let line =
        |kind, subject: &str, text: &str| Consequence::new(clause, kind, subject, (KEPT, KEPT), Severity::Info, text);
    let has =
        |settings: &Settings| settings.template.modules.keys().any(|module| module.kind().name() == integrator::NAME);
    let mut lines = Vec::new();
    if has(change.before) || has(change.after) {
        lines.push(line(Kind::Log, ENERGY, "Every energy counter goes on from where it is."));
    }
    lines.extend(records::lines(change));
    lines.push(line(Kind::Log, EVENT_LOG, "The event log is kept, and the change is logged in it."));
    lines.push(line(Kind::Setting, CLOCK, "The clock and its set-up are kept."));
    if let Some((before, after)) = ratios(change.before).zip(ratios(change.after)) {
        let (severity, text) = if before == after {
            (Severity::Info, "The transformer ratios are kept.")
        } else {
            (Severity::Warning, "The transformer ratios change, and with them everything that is measured and billed.")
        };
        lines.push(Consequence::new(clause, Kind::Setting, RATIOS, (before, after), severity, text));
    }
    lines.push(Consequence::new(
        clause,
        Kind::Setting,
        LOCK_OUT,
        (lock_out(change.before), lock_out(change.after)),
        Severity::Info,
        "The lock-out settings are kept.",
    ));
    lines.push(line(Kind::Setting, USERS, &data_floor::users_kept(change)));
    lines.extend(template::lines(change));
    lines
}

/// The lock-out settings in words.
pub(crate) fn lock_out(settings: &Settings) -> String {
    let number = |register| settings.option_number(register);
    format!("{} tries, {} min", number(options::INVALID_ATTEMPTS), number(options::LOCKOUT_MINUTES))
}

/// The transformer ratios in words.
pub(crate) fn ratios(settings: &Settings) -> Option<String> {
    let value = |register: &str| {
        let name: RegisterName = format!("{} 1/{register}", power_meter::NAME).parse().ok()?;
        settings.template.get(&name).map(Value::to_string)
    };
    let [pt_prim, pt_sec, ct_prim, ct_sec] =
        [power_meter::PT_PRIM, power_meter::PT_SEC, power_meter::CT_PRIM, power_meter::CT_SEC].map(value);
    Some(format!("PT {}:{}, CT {}:{}", pt_prim?, pt_sec?, ct_prim?, ct_sec?))
}

/// B5: an upgrade may recommend a Setup. Whether the Setup in use is older is for the Setup to say.
fn recommended_setup(change: &Change<'_>) -> Option<Consequence> {
    let recommended = change.to.recommended_setup.as_ref().filter(|_| change.from.release < change.to.release)?;
    let named = recommended.to_string();
    let text = format!("Setup {named} or later is recommended for {}.", change.to.release);
    Some(Consequence::new("B5", Kind::Notice, "Setup", (named.clone(), named), Severity::Info, text))
}
