//! The change of release, as one transaction that no power cut can split.
//!
//! Staged, planned, accepted by its digest; then the vault makes the new credentials while settings
//! stand still; then one commit writes the new release beside the old one, on trial. When the faces
//! match, a second commit confirms it and the old secrets are erased. A cut before confirming comes
//! up old. Everything was decided in the plan: nothing is left to decide here.

mod ending;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use firmware::package::{KeyChanges, PackageError, TrustedBy};
use firmware::report::{Outcome, Report};
use firmware::{
    Carried, Choices, CredentialAction, Direction, KeyRing, Migration, Plan, Planned, Settings, Version, plan_between,
};
use framework::Memory;
use framework::modules::security_options::Service;
use metrology::EnergyRegisters;
use security::{AccountId, Ask, Credential, CredentialKind, DeviceKey, Password, Path, Right};
use serde::{Deserialize, Serialize};
use store::{NewSlot, PackageId};

use self::ending::{Told, confirm, take_back};
use crate::access::{Force, keeps_an_editor};
use crate::ended::{self, Ended, Why};
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::recorders::Recorder;
use crate::reports;
use crate::state::{Credentials, State, stored_credentials};
use crate::trial::Trial;
use crate::{GateError, Now, edit, floor, stored, verifying};

/// What is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The SHA-256 of a staged package.
    pub package: String,
    /// The operator's choices.
    pub choices: Choices,
    /// The Setup that asks (B6).
    pub setup: Version,
    /// What Setup did about the hash list, for the report (B2).
    pub hash_check: String,
}

/// A change that is under way: settings stand still until it is over.
pub(crate) struct UnderWay {
    ticket: u64,
    /// Whose session may ask how it goes.
    pub receipt: Option<String>,
    pub stage: Stage,
}

/// How far a change under way is.
pub(crate) enum Stage {
    /// The vault makes the new credentials.
    Preparing,
    /// The new release is committed beside the old one.
    OnTrial(Trial),
}

/// An accepted change, to be carried through.
pub struct Ticket {
    number: u64,
    caller: Caller,
    request: Request,
    plan: Plan,
    migration: Migration,
    to: Arc<Carried>,
    package: PackageId,
    /// The keys that the meter trusts once the change is confirmed.
    keys: KeyRing,
    before: Before,
    begun_utc_ms: i64,
    receipt: Option<String>,
    /// The meter's key, where passwords can be hashed.
    pub key: Option<Arc<DeviceKey>>,
}

/// What a meter has before a change, to go back to and to compare with.
struct Before {
    carried: Arc<Carried>,
    package: Option<PackageId>,
    settings: Arc<Settings>,
    credentials: Credentials,
    energy: EnergyRegisters,
    memory: Memory,
    recorders: Arc<Vec<Recorder>>,
    next_event: u64,
    /// By how much the meter's clock was ahead of the machine's.
    ahead_ms: i64,
}

/// What the faces are found to be after the commit.
#[derive(Debug, Clone, Default)]
pub struct Facing {
    /// Whether each service that this program has a face for accepts connections.
    pub listening: BTreeMap<Service, bool>,
    /// Why a service that should listen doesn't.
    pub failures: Vec<String>,
}

impl Ticket {
    /// The passwords that must be hashed for the new release.
    pub fn to_hash(&self) -> Vec<(AccountId, Arc<Credential>)> {
        let actions = self.migration.credentials.iter();
        let accounts = actions.filter(|(_, action)| **action == CredentialAction::Hash).map(|(account, _)| *account);
        accounts.filter_map(|account| Some((account, Arc::clone(self.before.credentials.get(&account)?)))).collect()
    }

    /// The plan that is carried out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a new password fits the release that the meter will have.
    pub fn check_password(&self, account: AccountId, password: &Password) -> Result<(), GateError> {
        if password.is_factory() {
            return Err(GateError::NewPasswordZero(account));
        }
        let rules = &self.to.release.password_rules;
        rules.check(account, password).map_err(|error| GateError::Password(account, error))
    }

    /// How the release that the meter will have stores passwords.
    pub fn storage(&self) -> firmware::PasswordStorage {
        self.to.release.password_storage
    }
}

impl Gate {
    /// The plan of a change, as it would be carried out now.
    pub fn plan(&self, now: Now, caller: &Caller, request: &Request) -> Result<Plan, GateError> {
        on_its_road(caller, Step::Beyond)?;
        let opened = self.open_staged(now, caller, request)?;
        let mut state = self.state();
        allowed(&mut state, now, caller, request)?;
        Ok(planned(&state, request, &opened)?.0.plan)
    }

    /// Reads and verifies the package of a plan. It may be as large as a package can be, so the meter goes on
    /// meanwhile.
    fn open_staged(&self, now: Now, caller: &Caller, request: &Request) -> Result<OpenedPackage, GateError> {
        let (id, believed, file) = {
            let mut state = self.state();
            allowed(&mut state, now, caller, request)?;
            let id = PackageId::parse(&request.package).map_err(|_| no_package(request))?;
            still_staged(&state, request, &id)?;
            (id.clone(), state.believed(), state.store.open_package(&id)?)
        };
        let verified = verifying::stored(&id, &file, &believed)?;
        let to = Arc::new(Carried::read(&verified)?);
        Ok(OpenedPackage { id, trusted_by: verified.trusted_by(), keys: verified.key_changes().clone(), to })
    }

    /// Accepts the plan with this digest. From here on settings stand still until the change is
    /// confirmed, taken back or abandoned.
    pub fn accept(&self, now: Now, caller: &Caller, request: Request, digest: &str) -> Result<Ticket, GateError> {
        let Acceptable { mut state, planned, keys, opened } = self.acceptable(now, caller, &request, digest)?;
        let Planned { mut plan, migration } = planned;
        let OpenedPackage { id: package, to, .. } = opened;
        plan.accepted = true;
        self.make_room(&state.settings, &migration.settings)?;
        state.store.room_for_change(stored::serialised(&migration.settings)?.len())?;
        let before = Before {
            carried: Arc::clone(&state.carried),
            package: state.package.clone(),
            settings: Arc::clone(&state.settings),
            credentials: state.credentials.clone(),
            energy: state.energy,
            memory: state.memory.clone(),
            recorders: Arc::clone(&state.recorders.list),
            next_event: state.store.next_event(state.id)?,
            ahead_ms: self.ahead_ms(),
        };
        let number = state.generation;
        let effect = format!("accepted {} to {}, plan {digest}", plan.from, plan.to);
        state.log(now, caller, vec![Draft::kept(priority::WARNING, "change of release", effect)])?;
        let token = caller.session.and_then(|session| state.sessions.token_digest(session));
        let receipt = token.as_ref().map(reports::receipt);
        state.under_way = Some(UnderWay { ticket: number, receipt: receipt.clone(), stage: Stage::Preparing });
        let key = state.device_key.clone();
        self.show(&state);
        let begun_utc_ms = now.utc_ms;
        Ok(Ticket {
            number,
            caller: *caller,
            request,
            plan,
            migration,
            to,
            package,
            keys,
            before,
            begun_utc_ms,
            receipt,
            key,
        })
    }

    /// The plan with this digest, if whoever asks may accept it now and it is still the plan.
    pub(crate) fn acceptable(
        &self,
        now: Now,
        caller: &Caller,
        request: &Request,
        digest: &str,
    ) -> Result<Acceptable<'_>, GateError> {
        on_its_road(caller, Step::Beyond)?;
        let opened = self.open_staged(now, caller, request)?;
        let mut state = self.state();
        allowed(&mut state, now, caller, request)?;
        stands_still(&state)?;
        let (planned, keys) = planned(&state, request, &opened)?;
        if planned.plan.digest != digest {
            return Err(GateError::PlanChanged(Box::new(planned.plan)));
        }
        let force = if request.choices.force { Force::Yes } else { Force::No };
        keeps_an_editor(&state.settings, &planned.migration.settings, force)?;
        Ok(Acceptable { state, planned, keys, opened })
    }

    /// Writes the new release beside the old one and runs it on trial. `made` has the credentials
    /// that the vault made: hashed ones, and the operator's new passwords.
    pub fn commit_change(
        &self,
        now: Now,
        ticket: &Ticket,
        mut made: BTreeMap<AccountId, Credential>,
    ) -> Result<(), GateError> {
        let mut state = self.state();
        under_way(&state, ticket, false)?;
        let mut credentials = Credentials::new();
        for (account, action) in &ticket.migration.credentials {
            let credential = match action {
                CredentialAction::Keep => ticket.before.credentials.get(account).cloned(),
                CredentialAction::Reset => Some(Arc::new(Credential::Factory)),
                CredentialAction::Hash | CredentialAction::Replace => made.remove(account).map(Arc::new),
            };
            let planned = ticket.migration.settings.credential(*account);
            let credential = credential.filter(|credential| credential.kind() == planned);
            let missing = || GateError::Unreadable(format!("the new credential of {account} is not as planned"));
            credentials.insert(*account, credential.ok_or_else(missing)?);
        }
        let release = ticket.to.release.release.to_string();
        let log = state.log_setup();
        let effect = format!("release {release} on trial");
        let mut drafts = vec![Draft::kept(priority::WARNING, "change of release", effect)];
        if !ticket.request.choices.template.keeps() {
            drafts.extend(edit::template_changes(&ticket.before.settings, &ticket.migration.settings));
        }
        let mut events = log.take(now, &ticket.caller, drafts);
        events.extend(sessions_end(&state, now, &ticket.caller));
        let slot = NewSlot {
            release: &release,
            settings: &stored::serialised(&ticket.migration.settings)?,
            credentials: &stored_credentials(&credentials),
            package: Some(&ticket.package),
        };
        let id = state.id;
        // What a start after a cut tells of it is stored with it.
        let trial = Trial::begun(now, state.measures, state.memory.clone());
        let told = Told { outcome: Outcome::TakenBack, reason: None, lines: Vec::new(), template: None };
        let on_trial = state.reports.with_trial(ticket.entry(now, &state, Some(&trial), told));
        state.store.begin_trial(id, &slot, &on_trial.to_text()?, log.batch(&events))?;
        state.reports = on_trial;
        let receipt = ticket.receipt.clone();
        state.under_way = Some(UnderWay { ticket: ticket.number, receipt, stage: Stage::OnTrial(trial) });
        run_with(
            &mut state,
            Arc::clone(&ticket.to),
            Some(ticket.package.clone()),
            credentials,
            ticket.migration.settings.clone(),
        )?;
        self.show(&state);
        Ok(())
    }

    /// Ends a change on trial. If every face that should listen does, it is confirmed, the old release
    /// and its secrets are erased, and the report compares the meter with the plan; otherwise it is
    /// taken back.
    pub fn end_trial(&self, now: Now, ticket: &Ticket, facing: &Facing) -> Result<Report, GateError> {
        let mut state = self.state();
        under_way(&state, ticket, true)?;
        let report = if facing.failures.is_empty() {
            confirm(&mut state, now, ticket, facing)?
        } else {
            take_back(&mut state, now, ticket, facing.failures.join("; "))?
        };
        // Committed either way: settings may change again, whatever erasing comes to.
        state.under_way = None;
        self.show(&state);
        state.scrub_or_try_again()?;
        Ok(report)
    }

    /// Gives up an accepted change. Before its commit nothing has happened; after it, the meter goes
    /// back to what it had.
    pub fn abandon_change(&self, now: Now, ticket: &Ticket, why: &str) -> Result<(), GateError> {
        let mut state = self.state();
        if under_way(&state, ticket, true).is_ok() {
            take_back(&mut state, now, ticket, why.to_owned())?;
            state.under_way = None;
            self.show(&state);
            return state.scrub_or_try_again();
        }
        under_way(&state, ticket, false)?;
        state.under_way = None;
        let draft = Draft::kept(priority::WARNING, "change of release", format!("abandoned: {why}"));
        state.log(now, &ticket.caller, vec![draft])?;
        self.show(&state);
        Ok(())
    }
}

/// How far a change of release goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Stage,
    Beyond,
}

/// B31: the roads of a change of release are Setup and the SSH terminal; over SFTP packages are only staged.
pub(crate) fn on_its_road(caller: &Caller, step: Step) -> Result<(), GateError> {
    match caller.path {
        None | Some(Path::Setup | Path::Ssh) => Ok(()),
        Some(Path::Sftp) if step == Step::Stage => Ok(()),
        Some(path) => Err(GateError::OtherRoad(path)),
    }
}

/// B31. Another template is set-up like any other besides.
fn allowed(state: &mut State, now: Now, caller: &Caller, request: &Request) -> Result<(), GateError> {
    decide(state, now, caller, Ask::Do(Right::SecurityConfig))?;
    if request.choices.template.keeps() { Ok(()) } else { decide(state, now, caller, Ask::Do(Right::FullConfig)) }
}

pub(crate) fn under_way(state: &State, ticket: &Ticket, on_trial: bool) -> Result<(), GateError> {
    let is = |under_way: &UnderWay| {
        under_way.ticket == ticket.number && matches!(under_way.stage, Stage::OnTrial(_)) == on_trial
    };
    if state.under_way.as_ref().is_some_and(is) { Ok(()) } else { Err(GateError::ChangeOver) }
}

/// What may be accepted, under the gate's lock.
pub(crate) struct Acceptable<'a> {
    pub state: MutexGuard<'a, State>,
    pub planned: Planned,
    keys: KeyRing,
    opened: OpenedPackage,
}

/// A staged package as it was read and verified outside the lock.
pub(crate) struct OpenedPackage {
    id: PackageId,
    trusted_by: TrustedBy,
    keys: KeyChanges,
    to: Arc<Carried>,
}

fn no_package(request: &Request) -> GateError {
    GateError::NoPackage(request.package.chars().take(64).collect())
}

fn still_staged(state: &State, request: &Request, id: &PackageId) -> Result<(), GateError> {
    let staged = state.store.staged_packages(state.id)?;
    if staged.iter().any(|package| package.id == *id) { Ok(()) } else { Err(no_package(request)) }
}

/// The plan of a change, and the keys that the meter trusts afterwards.
fn planned(state: &State, request: &Request, opened: &OpenedPackage) -> Result<(Planned, KeyRing), GateError> {
    still_staged(state, request, &opened.id)?;
    // Verified with the keys as they were a moment ago: the one that vouches for it must still be trusted.
    if let TrustedBy::Key(key) = opened.trusted_by
        && !state.keys.trusts(key)
    {
        return Err(PackageError::Stranger { keys: vec![key] }.into());
    }
    let to = &opened.to;
    let from = &state.carried.release;
    if Direction::between(&from.release, &to.release.release).is_none() {
        return Err(GateError::SameRelease(to.release.release.clone()));
    }
    floor::allows(state, &to.release.release)?;
    let (keys, device) = state.keys.changed_by(&opened.keys, opened.trusted_by)?;
    let recorders = state.recorders.holds();
    let choices = Choices { ports: state.ports.clone(), recorders, ..request.choices.clone() };
    let mut planned = plan_between(&state.settings, &state.carried, to, choices, device)?;
    planned.plan.mark_told(&request.setup, [from, &to.release]);
    let makes_hashes = |(account, action): (&AccountId, &CredentialAction)| {
        let kind = planned.migration.settings.credential(*account);
        *action != CredentialAction::Keep && kind == CredentialKind::Hashed
    };
    if let Some(lost) = state.identity.lost_key.clone()
        && planned.migration.credentials.iter().any(makes_hashes)
    {
        return Err(GateError::KeyLost(lost));
    }
    Ok((planned, keys))
}

/// Puts a release with its settings and credentials to work; they have been committed.
fn run_with(
    state: &mut State,
    carried: Arc<Carried>,
    package: Option<PackageId>,
    credentials: Credentials,
    settings: Settings,
) -> Result<(), GateError> {
    state.carried = carried;
    state.package = package;
    state.credentials = credentials;
    state.sessions.close_all();
    state.logins_ended += 1;
    state.adopt(settings)
}

/// What the log says of the sessions that end with a release: all of them.
fn sessions_end(state: &State, now: Now, caller: &Caller) -> Vec<store::NewEvent> {
    let (log, how) = (state.log_setup(), Ended::By(Why::Release, caller.who, caller.path));
    state.sessions.list(now.up_ms).filter_map(|session| ended::event(log, now, session, how)).collect()
}
