//! Changes of settings: registers, users, passwords, a whole template. What a change set names is decided before
//! anything of it is tried, so that an answer tells nobody what the meter has. Then it is checked as a whole,
//! stored in one commit with the events that tell of it, and put to work.

use std::sync::Arc;

use firmware::{Danger, KeyChange, Settings, WithSecurity, dangers};
use framework::dcf::SecuritySection;
use framework::{Dcf, RegisterName};
use security::{
    Account, AccountId, Ask, Credential, CredentialKind, Fingerprint, Mode, Password, PublicKey, Right, Rights, UserId,
};

use crate::access::{self, Force};
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide};
use crate::login_changes::{Endings, NewCredentials};
use crate::recorders::Redefined;
use crate::state::State;
use crate::stored::serialised;
use crate::{GateError, Now, wiring};

/// One wish of a change set.
pub enum Edit {
    /// A set-up register (its name alone, or `Module/Register`) to a value as typed.
    Register(String, String),
    /// A set-up register, already found, to a value.
    Value(RegisterName, framework::Value),
    /// A user to be active or not. A user that is deactivated loses its SSH keys, each with an event, whatever
    /// deactivates it (a security file and a template do as well); a change of mode takes none away.
    Active(UserId, bool),
    /// A user's rights: the whole set. Security Config brings Full Meter Config with it.
    Rights(UserId, Rights),
    /// A new password, already in the form the release stores (see [`Gate::check_password`]).
    Password(AccountId, Credential),
    /// An SSH key that opens an account besides its password.
    AddKey(AccountId, PublicKey),
    /// An account's SSH key with this fingerprint to be gone, and the account's sessions with it.
    RemoveKey(AccountId, Fingerprint),
    /// Mode, Security Options and users as a security file has them.
    Security(Box<SecuritySection>),
    /// All modules, and the security section if the file has one.
    Template(Box<Dcf>),
}

/// What is to be changed, all or nothing.
#[derive(Default)]
pub struct ChangeSet {
    /// The wishes, applied in order.
    pub edits: Vec<Edit>,
    /// Whether it is to be done even if nobody could edit security afterwards (B19).
    pub force: bool,
}

/// What a change did: full register name, before, after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    /// Each register that is different now.
    pub registers: Vec<(String, String, String)>,
    /// The accounts that have a new password.
    pub passwords: Vec<AccountId>,
    /// What is dangerous now and wasn't, or otherwise.
    pub dangers: Vec<Danger>,
    /// Records of data recorders that are erased for it, a sentence for each epoch.
    pub erased: Vec<String>,
}

impl Gate {
    /// Whether an account may get this password from this caller, before anything is hashed.
    pub fn check_password(
        &self,
        now: Now,
        caller: &Caller,
        account: AccountId,
        password: &Password,
    ) -> Result<(), GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        let rules = &state.carried.release.password_rules;
        rules.check(account, password).map_err(|error| GateError::Password(account, error))
    }

    /// Changes settings: decided, checked as a whole, committed, logged, shown.
    pub fn apply(&self, now: Now, caller: &Caller, change: ChangeSet) -> Result<Edited, GateError> {
        let mut state = self.state();
        let checked = checked(&mut state, now, caller, change)?;
        let done = carry_out(self, &mut state, now, caller, checked);
        // Whatever comes of it: what has been committed is in force.
        self.show(&state);
        done
    }

    /// The same, if the meter is still as the caller was shown it: nothing is overwritten that somebody else has set
    /// meanwhile. `generation` is that of the [`View`](crate::View) that was shown.
    ///
    /// # Errors
    /// [`GateError::SettingsChanged`] if it isn't, for whoever may make the change.
    pub fn apply_as_of(
        &self,
        now: Now,
        caller: &Caller,
        generation: u64,
        change: ChangeSet,
    ) -> Result<Edited, GateError> {
        let mut state = self.state();
        let checked = checked(&mut state, now, caller, change)?;
        if state.generation != generation {
            return Err(GateError::SettingsChanged);
        }
        let done = carry_out(self, &mut state, now, caller, checked);
        self.show(&state);
        done
    }

    /// What a change would do, checked in the same way but for the ports, with nothing done.
    pub fn preview(&self, now: Now, caller: &Caller, change: ChangeSet) -> Result<Edited, GateError> {
        let mut state = self.state();
        let checked = checked(&mut state, now, caller, change)?;
        let (passwords, dangers) = (checked.passwords(), checked.dangers(&state));
        let erased = state.recorders.redefined(&checked.after.template, now.utc_ms)?.erased;
        Ok(Edited { registers: checked.registers, passwords, dangers, erased })
    }

    /// The settings as a template file. The security section takes the right to read it.
    pub fn template(&self, now: Now, caller: &Caller, with_security: WithSecurity) -> Result<Dcf, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::ReadSetup)?;
        if with_security == WithSecurity::Yes {
            decide(&mut state, now, caller, Ask::ReadSecurity)?;
        }
        Ok(state.settings.to_dcf(&state.carried.release, with_security))
    }
}

/// A change that may be made.
pub(crate) struct Checked {
    pub after: Settings,
    pub registers: Vec<(String, String, String)>,
    pub credentials: NewCredentials,
}

impl Checked {
    /// The accounts that get a new password.
    pub fn passwords(&self) -> Vec<AccountId> {
        self.credentials.accounts()
    }

    /// What the change endangers.
    pub fn dangers(&self, state: &State) -> Vec<Danger> {
        dangers::brought(&state.settings, &self.after, &state.carried.release, !self.credentials.is_empty())
    }
}

pub(crate) fn checked(state: &mut State, now: Now, caller: &Caller, change: ChangeSet) -> Result<Checked, GateError> {
    let force = if change.force { Force::Yes } else { Force::No };
    let before = Arc::clone(&state.settings);
    let mut asks: Vec<Ask> = change.edits.iter().flat_map(|edit| named(&before, edit)).collect();
    if asks.is_empty() {
        asks.push(Ask::Do(Right::FullConfig));
    }
    allowed(state, now, caller, asks)?;
    let mut after = (*before).clone();
    let mut credentials = NewCredentials::default();
    for edit in change.edits {
        wish(&mut after, &mut credentials, edit)?;
    }
    // However a user is deactivated, its keys go: they must not open the account to whoever gets it next.
    for user in UserId::all() {
        if before.user(user).active && !after.user(user).active {
            after.keys.remove(&AccountId::User(user));
        }
    }
    allowed(state, now, caller, changed(&before, &after))?;
    // A password that was made for the release before: a change of release was faster.
    let stored = state.carried.release.password_storage.kind();
    let fits = |kind| [CredentialKind::Factory, stored].contains(&kind);
    if state.under_way.is_some() || !credentials.kinds().all(fits) {
        return Err(GateError::Changing);
    }
    after.check(&state.carried.release)?;
    access::check(&before, &after, force)?;
    let registers = differences(&before, &after);
    Ok(Checked { after, registers, credentials })
}

/// Each register that differs: full name, before, after.
pub(crate) fn differences(before: &Settings, after: &Settings) -> Vec<(String, String, String)> {
    let shown = |value: Option<&framework::Value>| value.map_or_else(|| "-".to_owned(), ToString::to_string);
    before.differences(after).map(|(name, before, after)| (name.to_string(), shown(before), shown(after))).collect()
}

/// Commits a change that may be made, and puts it to work.
pub(crate) fn carry_out(
    gate: &Gate,
    state: &mut State,
    now: Now,
    caller: &Caller,
    checked: Checked,
) -> Result<Edited, GateError> {
    let before = Arc::clone(&state.settings);
    let (passwords, dangers) = (checked.passwords(), checked.dangers(state));
    let rewired = rewired(&before, &checked.after);
    if checked.registers.is_empty() && passwords.is_empty() && before.keys == checked.after.keys && !rewired {
        return Ok(Edited::default());
    }
    gate.make_room(&before, &checked.after)?;
    let endings = Endings::of(state, now, &checked.after, &passwords)?;
    let redefined = state.recorders.redefined(&checked.after.template, now.utc_ms)?;
    let erased = redefined.erased.clone();
    let committed = commit(state, now, caller, &before, &checked, redefined, &endings)?;
    let Checked { after, registers, credentials } = checked;
    credentials.take_effect(state, caller);
    endings.take_effect(state);
    state.adopt(after)?;
    let recorders = state.load_recorders();
    // What is stored is in force; only then is what it replaced erased.
    if committed == store::Committed::ScrubPending {
        state.scrub_or_try_again()?;
    }
    recorders?;
    Ok(Edited { registers, passwords, dangers, erased })
}

fn wish(after: &mut Settings, credentials: &mut NewCredentials, edit: Edit) -> Result<(), GateError> {
    match edit {
        Edit::Register(typed, value) => {
            let name = after.template.find(&typed)?;
            let register = name.describe().ok_or_else(|| framework::TemplateError::NoSuchRegister(name.to_string()))?;
            let value = register
                .parse(&value)
                .map_err(|source| framework::TemplateError::Value { module: name.module, source })?;
            after.template.set(&name, &value)?;
        }
        Edit::Value(name, value) => after.template.set(&name, &value)?,
        Edit::Active(user, active) => {
            let account = after.user(user);
            after.set_user(user, Account { active, ..account });
        }
        Edit::Rights(user, rights) => {
            let account = after.user(user);
            let rights = if rights.has(Right::SecurityConfig) { rights.with(Right::FullConfig) } else { rights };
            after.set_user(user, Account { rights, ..account });
        }
        Edit::Password(account, credential) => {
            after.credentials.insert(account, credential.kind());
            credentials.push(account, Arc::new(credential));
        }
        Edit::AddKey(account, key) => after.add_key(account, key),
        Edit::RemoveKey(account, fingerprint) => {
            if !after.remove_key(account, &fingerprint) {
                return Err(GateError::Key(format!(
                    "{} has no SSH key {fingerprint}: `users keys {} list` shows those it has",
                    account.login(),
                    account.login()
                )));
            }
        }
        Edit::Security(section) => *after = after.clone().with_security(&section),
        Edit::Template(file) => *after = after.with_dcf(&file),
    }
    Ok(())
}

/// What an edit takes by what it names, whatever the meter has there.
fn named(settings: &Settings, edit: &Edit) -> Vec<Ask> {
    let register = |name: Option<&RegisterName>| match name.and_then(RegisterName::describe) {
        Some(register) => Ask::Do(register.right),
        // Which registers there are is for whoever may read set-up.
        None => Ask::ReadSetup,
    };
    match edit {
        Edit::Register(typed, _) => vec![register(settings.template.find(typed).ok().as_ref())],
        Edit::Value(name, _) => vec![register(Some(name))],
        Edit::Active(..)
        | Edit::Rights(..)
        | Edit::Password(..)
        | Edit::AddKey(..)
        | Edit::RemoveKey(..)
        | Edit::Security(_) => vec![Ask::Do(Right::SecurityConfig)],
        Edit::Template(file) => {
            let secured = file.security.is_some() || file.names_security_registers();
            let asks = [Some(Right::FullConfig), secured.then_some(Right::SecurityConfig)];
            asks.into_iter().flatten().map(Ask::Do).collect()
        }
    }
}

/// What a change takes by what it does, beyond what it names: a template that leaves out a module changes all that
/// was in it. Modules, links and labels are set-up of their own.
fn changed(before: &Settings, after: &Settings) -> Vec<Ask> {
    let registers = before.differences(after).filter_map(|(name, _, _)| name.describe().map(|register| register.right));
    registers.chain(rewired(before, after).then_some(Right::FullConfig)).map(Ask::Do).collect()
}

fn allowed(state: &mut State, now: Now, caller: &Caller, mut asks: Vec<Ask>) -> Result<(), GateError> {
    asks.sort_unstable();
    asks.dedup();
    asks.into_iter().try_for_each(|ask| decide(state, now, caller, ask))
}

fn commit(
    state: &mut State,
    now: Now,
    caller: &Caller,
    before: &Settings,
    Checked { after, registers, credentials }: &Checked,
    mut redefined: Redefined,
    endings: &Endings,
) -> Result<store::Committed, GateError> {
    let log = state.log_setup();
    let mut drafts: Vec<Draft> = registers.iter().map(setup_change).collect();
    drafts.extend(rewirings(before, after));
    drafts.append(&mut redefined.drafts);
    drafts.extend(credentials.drafts());
    drafts.extend(key_changes(before, after));
    if let Some(draft) = mode_change(before.mode(), after.mode()) {
        drafts.push(draft);
    }
    drafts.extend(endings.drafts());
    let mut events = log.take(now, caller, drafts);
    events.extend(endings.events(log, now, caller));
    let settings = serialised(after)?;
    let records: Vec<_> = endings.records().collect();
    let change = store::SettingsChange {
        settings: Some(&settings),
        credentials: &credentials.rows(),
        records: &records,
        recordings: &redefined.changes(),
        events: log.batch(&events),
    };
    Ok(state.store.commit_settings(state.id, &change)?)
}

pub(crate) fn rewirings(before: &Settings, after: &Settings) -> impl Iterator<Item = Draft> {
    let changes = wiring::changes(&before.template, &after.template).into_iter();
    changes.map(|(cause, effect)| Draft::ordinary(priority::SETUP, cause, effect))
}

/// What the log tells of another template that comes with a change of release. Of security's registers the change
/// itself tells.
pub(crate) fn template_changes(before: &Settings, after: &Settings) -> Vec<Draft> {
    let is_open = |name: &str| name.parse::<RegisterName>().is_ok_and(|name| !name.module.is_security());
    let registers = differences(before, after).into_iter().filter(|(name, _, _)| is_open(name));
    registers.map(|register| setup_change(&register)).chain(rewirings(before, after)).collect()
}

/// Whether two settings differ in anything but the values of registers: modules, links, labels.
fn rewired(before: &Settings, after: &Settings) -> bool {
    !wiring::changes(&before.template, &after.template).is_empty()
}

/// Security setup's own changes are kept in the log whatever its settings say.
pub(crate) fn setup_change((register, before, after): &(String, String, String)) -> Draft {
    let cause = format!("{register} = {before}");
    let security = register
        .parse::<RegisterName>()
        .ok()
        .and_then(|name| name.describe())
        .is_none_or(|register| register.right == Right::SecurityConfig);
    if security { Draft::kept(priority::SETUP, cause, after) } else { Draft::ordinary(priority::SETUP, cause, after) }
}

/// Keys that come and go, by their fingerprints.
pub(crate) fn key_changes(before: &Settings, after: &Settings) -> Vec<Draft> {
    let draft = |(account, key, change): (AccountId, &PublicKey, KeyChange)| {
        let what = if change == KeyChange::Added { "added" } else { "removed" };
        let cause = format!("SSH key {} ({})", key.fingerprint(), key.algorithm().name());
        Draft::kept(priority::SETUP, cause, format!("{what}: {}", account.login()))
    };
    before.key_differences(after).map(draft).collect()
}

pub(crate) fn mode_change(before: Mode, after: Mode) -> Option<Draft> {
    (before != after).then(|| Draft::kept(priority::WARNING, "security mode", format!("{before} becomes {after}")))
}
