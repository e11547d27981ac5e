//! Settings: all that a change of release takes and gives. Registers, links and labels of every
//! module, and of each credential its kind; never a secret, a record or what belongs to the device.

use std::collections::BTreeMap;

use framework::dcf::{self, Dcf, SecuritySection, UserSection};
use framework::modules::security_options::{self as options, Service};
use framework::modules::security_user;
use framework::{Framework, ModuleSetup, RegisterName, Template, TemplateError, Value};
use security::ssh_key::MAX_KEYS;
use security::{Account, AccountId, CredentialKind, Fingerprint, Mode, Policy, PublicKey, Right, UserId};
use serde::{Deserialize, Serialize};

use crate::release::{ModbusStandardWrite, Release, WebPages};

/// A meter's settings under one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Every module, those of security included.
    pub template: Template,
    /// What kind of credential each account has; all seventeen are always there.
    pub credentials: BTreeMap<AccountId, CredentialKind>,
    /// The SSH keys that open an account besides its password; accounts without one aren't there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<AccountId, Vec<PublicKey>>,
}

/// Why settings can't be those of a meter under its release.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A register, link or label.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The release doesn't offer the mode.
    #[error("release {release} has no security mode \"{mode}\": it offers {offered}")]
    Mode {
        /// The release.
        release: String,
        /// The mode asked for.
        mode: String,
        /// The modes it offers.
        offered: String,
    },
    /// The release has no such register.
    #[error("release {release} has no register \"{register}\"")]
    Unknown {
        /// The release.
        release: String,
        /// The register asked for.
        register: String,
    },
    /// Two services on one port.
    #[error("{0} and {1} can't share port {2}")]
    PortTaken(&'static str, &'static str, u16),
    /// Keys for a release without SSH.
    #[error("release {0} has no SSH, so its accounts can't have SSH keys")]
    KeysUnknown(String),
    /// More keys than an account can have.
    #[error("{0} can have at most {MAX_KEYS} SSH keys: remove one first")]
    TooManyKeys(AccountId),
    /// A user beyond those that the release has.
    #[error("release {release} has {users} users, so {user} can't be active")]
    NoSuchUser {
        /// The release.
        release: String,
        /// How many it has.
        users: u8,
        /// Who should be active.
        user: UserId,
    },
    /// Setup would be turned off.
    #[error("Setup can be turned off only at the meter itself")]
    SetupOff,
}

impl Settings {
    /// A factory-new meter of this release with this template.
    pub fn factory(release: &Release, template: &Dcf) -> Self {
        let mut template = template.template();
        template.modules.insert(
            options::module(),
            ModuleSetup { setup: release.security_options.clone(), ..ModuleSetup::default() },
        );
        for user in UserId::all() {
            template.modules.insert(security_user::module(user), security_user::setup(security_user::as_shipped(user)));
        }
        let credentials = AccountId::all().map(|account| (account, CredentialKind::Factory)).collect();
        Self { template, credentials, keys: BTreeMap::new() }
    }

    /// The value of a Security Options register.
    pub fn option(&self, register: &str) -> Option<&Value> {
        self.template.modules.get(&options::module())?.setup.get(register)
    }

    /// Sets a Security Options register without asking whether the release has it; `None` drops it.
    pub(crate) fn set_option(&mut self, register: &str, value: Option<Value>) {
        let module = self.template.modules.entry(options::module()).or_default();
        match value {
            Some(value) => module.setup.insert(register.to_owned(), value),
            None => module.setup.remove(register),
        };
    }

    /// Whether a Security Options switch is there and on.
    pub fn is_on(&self, register: &str) -> bool {
        self.option(register) == Some(&Value::Flag(true))
    }

    /// The number in a Security Options register, or its factory value where the release lacks it.
    pub fn option_number(&self, register: &'static str) -> f64 {
        match self.option(register) {
            Some(Value::Number(number)) => *number,
            _ => match options::module().kind().setup().iter().find(|known| known.name == register) {
                Some(known) => match Value::from(known.factory) {
                    Value::Number(number) => number,
                    _ => 0.0,
                },
                None => 0.0,
            },
        }
    }

    /// The security mode. Settings without a readable one count as the most closed.
    pub fn mode(&self) -> Mode {
        match self.option(options::MODE) {
            Some(Value::Text(text)) => text.parse().unwrap_or(Mode::Advanced),
            _ => Mode::Advanced,
        }
    }

    /// Whether a service is on; `None` where it isn't part of the release.
    pub fn service(&self, service: Service) -> Option<bool> {
        match self.option(service.switch())? {
            Value::Flag(on) => Some(*on),
            _ => None,
        }
    }

    /// The port of a service.
    pub fn port(&self, service: Service) -> Option<u16> {
        match self.option(service.port())? {
            // The register's range ends at 65535.
            Value::Number(port) => Some(*port as u16),
            _ => None,
        }
    }

    /// A user's account.
    pub fn user(&self, user: UserId) -> Account {
        self.template.modules.get(&security_user::module(user)).map(security_user::account).unwrap_or_default()
    }

    /// Replaces a user's account.
    pub fn set_user(&mut self, user: UserId, account: Account) {
        let module = self.template.modules.entry(security_user::module(user)).or_default();
        module.setup = security_user::setup(account).setup;
    }

    /// What kind of credential an account has.
    pub fn credential(&self, account: AccountId) -> CredentialKind {
        self.credentials.get(&account).copied().unwrap_or(CredentialKind::Factory)
    }

    /// The SSH keys of an account.
    pub fn keys_of(&self, account: AccountId) -> &[PublicKey] {
        self.keys.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Gives an account a key. One that it has already takes over the new comment.
    pub fn add_key(&mut self, account: AccountId, key: PublicKey) {
        let keys = self.keys.entry(account).or_default();
        match keys.iter_mut().find(|known| known.fingerprint() == key.fingerprint()) {
            Some(known) => *known = key,
            None => keys.push(key),
        }
    }

    /// Takes a key from an account; false if it has none with this fingerprint.
    pub fn remove_key(&mut self, account: AccountId, fingerprint: &Fingerprint) -> bool {
        let Some(keys) = self.keys.get_mut(&account) else { return false };
        let before = keys.len();
        keys.retain(|key| key.fingerprint() != *fingerprint);
        let removed = keys.len() < before;
        if keys.is_empty() {
            self.keys.remove(&account);
        }
        removed
    }

    /// The accounts that can log in somewhere, in this mode: the front panel's, and under Advanced
    /// the active users'.
    pub fn live_accounts(&self) -> impl Iterator<Item = AccountId> {
        AccountId::all().filter(|account| match account {
            AccountId::FrontPanel => true,
            AccountId::User(user) => self.mode() == Mode::Advanced && self.user(*user).active,
        })
    }

    /// Whether somebody can log in with the factory password `0`.
    pub fn factory_password(&self) -> bool {
        self.live_accounts().any(|account| self.credential(account) == CredentialKind::Factory)
    }

    /// All that these settings say about access.
    pub fn policy(&self, release: &Release) -> Policy {
        let mut users = [Account::default(); UserId::COUNT as usize];
        for (slot, user) in users.iter_mut().zip(UserId::all()) {
            *slot = self.user(user);
        }
        Policy {
            mode: self.mode(),
            users,
            web_login: release.web_pages == WebPages::Login,
            web_read: self.is_on(options::WEB_ACCESS_READ),
            web_configure: self.is_on(options::WEB_CONFIGURATION),
            modbus_map: self.is_on(options::MODBUS_MAP),
            modbus_programming: self.is_on(options::MODBUS_PROGRAMMING),
            modbus_needs_password: release.modbus_standard_write == ModbusStandardWrite::WhilePasswordZero
                && self.credential(AccountId::FrontPanel) != CredentialKind::Factory,
            panel_programming: self.is_on(options::PANEL_PROGRAMMING),
        }
    }

    /// Checks that a meter of this release can have these settings, and brings values to their own
    /// spelling.
    pub fn check(&mut self, release: &Release) -> Result<(), SettingsError> {
        self.template.check()?;
        let named = || release.release.to_string();
        let options = self.template.modules.get(&options::module()).map(|module| &module.setup);
        let given = options.into_iter().flatten().map(|(register, _)| register);
        let missing = release.security_options.keys().filter(|register| self.option(register).is_none());
        if let Some(register) =
            given.filter(|register| !release.security_options.contains_key(*register)).chain(missing).next()
        {
            return Err(SettingsError::Unknown { release: named(), register: register.clone() });
        }
        if !release.modes.contains(&self.mode()) {
            let offered: Vec<_> = release.modes.iter().map(|mode| mode.name()).collect();
            return Err(SettingsError::Mode {
                release: named(),
                mode: self.mode().to_string(),
                offered: offered.join(" and "),
            });
        }
        if self.service(Service::Setup) != Some(true) {
            return Err(SettingsError::SetupOff);
        }
        let beyond = |user: &UserId| !release.has_account(AccountId::User(*user));
        if let Some(user) = UserId::all().find(|user| beyond(user) && self.user(*user).active) {
            return Err(SettingsError::NoSuchUser { release: named(), users: release.users, user });
        }
        self.check_ports()?;
        self.check_keys(release)?;
        Framework::build(&self.template)?;
        Ok(())
    }

    /// Services that are on need ports of their own; SSH and SFTP share theirs by design.
    fn check_ports(&self) -> Result<(), SettingsError> {
        let mut taken: BTreeMap<u16, Service> = BTreeMap::new();
        for service in Service::ALL.into_iter().filter(|service| self.service(*service) == Some(true)) {
            let Some(port) = self.port(service) else { continue };
            if let Some(other) = taken.insert(port, service).filter(|other| other.port() != service.port()) {
                return Err(SettingsError::PortTaken(other.title(), service.title(), port));
            }
        }
        Ok(())
    }

    fn check_keys(&self, release: &Release) -> Result<(), SettingsError> {
        if !self.keys.is_empty() && !release.has_ssh_keys() {
            return Err(SettingsError::KeysUnknown(release.release.to_string()));
        }
        let too_many = self.keys.iter().find(|(_, keys)| keys.len() > MAX_KEYS);
        too_many.map_or(Ok(()), |(account, _)| Err(SettingsError::TooManyKeys(*account)))
    }

    /// The settings as a template file; the security section, and registers that take Security Config, only when
    /// asked for.
    pub fn to_dcf(&self, release: &Release, with_security: WithSecurity) -> Dcf {
        let modules = self.template.modules.iter().filter(|(module, _)| !module.is_security());
        let file = Dcf {
            format: dcf::FORMAT,
            model: dcf::MODEL.to_owned(),
            release: release.release.to_string(),
            security: Some(self.security_section()),
            modules: modules.map(|(name, module)| (*name, module.clone())).collect(),
        };
        match with_security {
            WithSecurity::Yes => file,
            WithSecurity::No => file.without_security(),
        }
    }

    fn security_section(&self) -> SecuritySection {
        let options = self.template.modules.get(&options::module()).map(|module| module.setup.clone());
        let mut options = options.unwrap_or_default();
        options.remove(options::MODE);
        let users = UserId::all().map(|user| {
            let Account { active, rights } = self.user(user);
            let credential = self.credential(AccountId::User(user));
            (user, UserSection { active, rights: rights.iter().collect(), credential })
        });
        SecuritySection {
            mode: self.mode(),
            front_panel: self.credential(AccountId::FrontPanel),
            options,
            users: users.collect(),
        }
    }

    /// These settings with what a template file says in their place. Without a security section the
    /// security setup stays, and so do registers that take Security Config and aren't in the file. Credentials are
    /// never taken from a file.
    pub fn with_dcf(&self, file: &Dcf) -> Self {
        let mut settings = self.clone();
        settings.template.modules.retain(|module, _| module.is_security());
        settings.template.modules.extend(file.modules.clone());
        for (name, register, value) in self.template.registers() {
            if register.right == Right::SecurityConfig
                && let Some(module) = settings.template.modules.get_mut(&name.module)
            {
                module.setup.entry(name.register).or_insert_with(|| value.clone());
            }
        }
        settings.template.complete();
        match &file.security {
            Some(security) => settings.with_security(security),
            None => settings,
        }
    }

    /// These settings with what a security section says in their place. Credentials are never taken from one.
    #[must_use]
    pub fn with_security(mut self, security: &SecuritySection) -> Self {
        self.set_option(options::MODE, Some(Value::Text(security.mode.name().to_owned())));
        for (register, value) in &security.options {
            self.set_option(register, Some(value.clone()));
        }
        for (user, section) in &security.users {
            let rights = section.rights.iter().copied().collect();
            self.set_user(*user, Account { active: section.active, rights });
        }
        self
    }

    /// The settings of a meter that doesn't exist, as a template file describes it: a rehearsal's
    /// way in. Here the kinds of credentials come from the file.
    pub fn described(file: &Dcf, release: &Release, template: &Dcf) -> Result<Self, SettingsError> {
        let mut settings = Self::factory(release, template).with_dcf(file);
        if let Some(security) = &file.security {
            settings.credentials.insert(AccountId::FrontPanel, security.front_panel);
            let users = security.users.iter().map(|(user, section)| (AccountId::User(*user), section.credential));
            settings.credentials.extend(users);
        }
        settings.check(release)?;
        Ok(settings)
    }

    /// Every set-up register in which two settings differ: name, before, after.
    pub fn differences<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (RegisterName, Option<&'a Value>, Option<&'a Value>)> {
        let names = |settings: &'a Self| settings.template.registers().map(|(name, _, _)| name);
        let all: std::collections::BTreeSet<_> = names(self).chain(names(after)).collect();
        all.into_iter().filter_map(move |name| {
            let change = (self.template.get(&name), after.template.get(&name));
            (change.0 != change.1).then_some((name, change.0, change.1))
        })
    }

    /// Every key that one of two settings has and the other hasn't: whose, which, and whether it is there
    /// afterwards.
    pub fn key_differences<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (AccountId, &'a PublicKey, KeyChange)> {
        fn lacks(settings: &Settings, account: AccountId, key: &PublicKey) -> bool {
            settings.keys_of(account).iter().all(|known| known.fingerprint() != key.fingerprint())
        }
        let all = |settings: &'a Self| {
            settings.keys.iter().flat_map(|(account, keys)| keys.iter().map(|key| (*account, key)))
        };
        let removed = all(self).filter(|(account, key)| lacks(after, *account, key));
        let added = all(after).filter(|(account, key)| lacks(self, *account, key));
        let named = |change| move |(account, key)| (account, key, change);
        removed.map(named(KeyChange::Removed)).chain(added.map(named(KeyChange::Added)))
    }

    /// Whether an account could edit security, from somewhere, if it logged in.
    pub fn someone_can_edit_security(&self) -> bool {
        self.mode() != Mode::Advanced
            || UserId::all().map(|user| self.user(user)).any(|account| {
                account.active && account.rights.has(Right::Read) && account.rights.has(Right::SecurityConfig)
            })
    }
}

/// What has become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// It is there now.
    Added,
    /// It is there no more.
    Removed,
}

/// Whether a template file carries the security section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithSecurity {
    /// With it: whoever asks has Security Config.
    Yes,
    /// Without it, and without any register that takes Security Config.
    No,
}
