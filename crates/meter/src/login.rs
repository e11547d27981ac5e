//! Logins: begun under the lock, checked outside it (a hash takes 20 ms), finished under it again.
//! An unknown user, an inactive one and a wrong password are alike in words, work and time.

use std::net::SocketAddr;
use std::sync::Arc;

use firmware::PasswordStorage;
use framework::modules::security_options as options;
use security::{
    AccountId, Attempt, Credential, Delay, DeviceKey, LockedUntil, Mode, Outcome, Path, Source, Verdict, Who, Work,
};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate};
use crate::locks::{News, Told};
use crate::refusals::{Kind, unlogged_text};
use crate::state::State;
use crate::{GateError, Now};

/// A login that waits for its check.
pub struct Challenge {
    attempt: Attempt,
    peer: Option<SocketAddr>,
    who: Option<Who>,
    /// What the password is checked against; none is an account that doesn't exist or isn't active.
    pub credential: Option<Arc<Credential>>,
    /// The meter's key, unless it is lost.
    pub key: Option<Arc<DeviceKey>>,
    /// How much work a check is on this release.
    pub work: Work,
    /// How long to wait before the check, and in which queue.
    pub delay: Delay,
}

/// Who has proved to be whom. It opens a session only until the next change of password, keys, users, mode or
/// release: what that would have ended never begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    /// Who.
    pub who: Who,
    logins_ended: u64,
}

impl Proved {
    pub(crate) fn now(state: &State, who: Who) -> Self {
        Self { who, logins_ended: state.logins_ended }
    }

    pub(crate) fn holds(self, state: &State) -> bool {
        self.logins_ended == state.logins_ended
    }
}

/// Why a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Wrong, or the key is missing; in the vault's words.
    #[error("{0}")]
    Verdict(&'static str),
    /// Locked out.
    #[error(transparent)]
    Locked(#[from] LockedUntil),
    /// Too many logins wait for their check.
    #[error("the meter is busy with other logins: try again in a few seconds")]
    Busy,
    /// The log couldn't be written.
    #[error(transparent)]
    Failed(#[from] GateError),
}

impl Gate {
    /// Whether a path asks for a login at all in the present mode: legacy's No security never does.
    pub fn open_to_all(&self) -> bool {
        self.view().policy.mode == Mode::None
    }

    /// Who somebody is where nothing is ever asked: under No security `8650` logs in with any password. It is
    /// logged all the same. `None` in every other mode and for every other name.
    pub fn admit(&self, now: Now, path: Path, name: &str, peer: Option<SocketAddr>) -> Result<Option<Proved>, Denied> {
        let mut state = self.state();
        let admitted = state.policy.mode == Mode::None && AccountId::from_login(name) == Some(AccountId::FrontPanel);
        if !admitted {
            return Ok(None);
        }
        let caller = Caller { path: Some(path), who: Who::Standard, peer, session: None };
        valid(&mut state, now, &caller, News::None)?;
        Ok(Some(Proved::now(&state, Who::Standard)))
    }

    /// Begins a login. Nothing has been checked when it returns.
    pub fn begin_login(&self, now: Now, path: Path, name: &str, peer: Option<SocketAddr>) -> Result<Challenge, Denied> {
        let mut state = self.state();
        let claimed = AccountId::from_login(name);
        let source = peer.map_or(Source::Local, |peer| Source::from(peer.ip()));
        let attempt = Attempt { account: claimed, path, source };
        let delay = match state.lockouts.check(now.up_ms, attempt) {
            Ok(delay) => delay,
            Err(locked) => {
                locked_try(&mut state, now, &attempt, peer)?;
                return Err(locked.into());
            }
        };
        let live = claimed.filter(|account| is_live(&state, *account));
        let who = live.map(who_is);
        Ok(Challenge {
            attempt,
            peer,
            who,
            credential: live.and_then(|account| state.credentials.get(&account).cloned()),
            key: state.device_key.clone(),
            work: match state.carried.release.password_storage {
                PasswordStorage::Hashed => Work::Hashing,
                PasswordStorage::Readable => Work::Plain,
            },
            delay,
        })
    }

    /// Whether a login may be checked now that its turn has come: others of the same kind may have
    /// failed meanwhile.
    pub fn may_still_check(&self, now: Now, challenge: &Challenge) -> Result<(), Denied> {
        self.state().lockouts.check(now.up_ms, challenge.attempt)?;
        Ok(())
    }

    /// Ends a login with what the check has found, and logs it.
    pub fn finish_login(&self, now: Now, challenge: &Challenge, verdict: Verdict) -> Result<Proved, Denied> {
        let mut state = self.state();
        let Challenge { attempt, peer, who, .. } = challenge;
        let name = named(attempt);
        let caller = Caller { path: Some(attempt.path), who: Who::Nobody, peer: *peer, session: None };
        // A password that was changed or a mode that was switched while the check waited or ran: what was
        // checked must still be what the meter keeps.
        let live = attempt.account.filter(|account| is_live(&state, *account));
        let live = live.filter(|account| match (state.credentials.get(account), &challenge.credential) {
            (Some(kept), Some(checked)) => Arc::ptr_eq(kept, checked),
            (kept, checked) => kept.is_none() && checked.is_none(),
        });
        let verdict = if verdict == Verdict::Right && live.is_none() { Verdict::Wrong } else { verdict };
        let (Some(who), None) = (who, verdict.refusal()) else {
            let outcome = verdict.counts_as_bad_try().then(|| state.lockouts.failed(now.up_ms, *attempt));
            bad_try(&mut state, now, &caller, &name, outcome)?;
            return Err(Denied::Verdict(verdict.refusal().unwrap_or("the user name or the password is wrong")));
        };
        let before = state.lockouts.revision();
        state.lockouts.succeeded(*attempt);
        let news = if state.lockouts.revision() == before { News::None } else { News::Urgent };
        let caller = Caller { who: *who, ..caller };
        valid(&mut state, now, &caller, news)?;
        Ok(Proved::now(&state, *who))
    }
}

/// Logs a bad try, unless a flood of them is under way: then it is counted, and told of once a minute.
fn bad_try(
    state: &mut State,
    now: Now,
    caller: &Caller,
    name: &str,
    outcome: Option<Outcome>,
) -> Result<(), GateError> {
    let locked = matches!(outcome, Some(Outcome::LockedOut { .. }));
    let told = state.lock_keeping.tell(now, locked);
    let mut drafts = Vec::new();
    if told.bad_try {
        drafts.push(invalid(state, name));
    }
    match told.lock_out {
        Told::Kept => drafts.push(locked_out(state, name, store::Keep::Always)),
        Told::Ordinary => drafts.push(locked_out(state, name, store::Keep::Ring)),
        Told::Counted => {}
    }
    // What isn't told at once isn't stored at once either: the next second's commit takes it.
    let news = if locked && told.bad_try { News::Urgent } else { News::None };
    Ok(state.log_with_locks(now, caller, drafts, news)?)
}

/// Whether an account logs in over the network in the present mode: `8650` under Standard, active
/// users under Advanced (B18).
pub(crate) fn is_live(state: &State, account: AccountId) -> bool {
    match (state.settings.mode(), account) {
        (Mode::Standard | Mode::None, AccountId::FrontPanel) => true,
        (Mode::Advanced, AccountId::User(user)) => state.settings.user(user).active,
        _ => false,
    }
}

/// Who has logged in to an account.
pub(crate) fn who_is(account: AccountId) -> Who {
    match account {
        AccountId::FrontPanel => Who::Standard,
        AccountId::User(user) => Who::User(user),
    }
}

/// Logs a valid login. Programs log in with each page that they ask for: of those from one address the first is told
/// at once, and the others once a minute.
fn valid(state: &mut State, now: Now, caller: &Caller, news: News) -> Result<(), GateError> {
    let priority = level(state, options::VALID_LOGIN_PRIORITY);
    let unlogged = match (caller.path, caller.peer) {
        (Some(Path::Web), Some(peer)) => {
            state.refusals.count(now.up_ms, Kind::Page(caller.who, Source::from(peer.ip())))
        }
        _ => Some(0),
    };
    let draft = |unlogged| Draft::ordinary(priority, "login", format!("valid{}", unlogged_text(unlogged)));
    Ok(state.log_with_locks(now, caller, unlogged.map(draft).into_iter().collect(), news)?)
}

pub(crate) fn level(state: &State, register: &'static str) -> u8 {
    state.settings.option_number(register) as u8
}

/// The account that somebody claims to be. A name that is none is never repeated: it may be a password.
fn named(attempt: &Attempt) -> String {
    attempt.account.map_or_else(|| "unknown user".to_owned(), AccountId::login)
}

/// Logs that somebody tried while locked out: the first try at once, the others counted.
fn locked_try(state: &mut State, now: Now, attempt: &Attempt, peer: Option<SocketAddr>) -> Result<(), GateError> {
    let Some(unlogged) = state.refusals.count(now.up_ms, Kind::Locked(attempt.path, attempt.account)) else {
        return Ok(());
    };
    let caller = Caller { path: Some(attempt.path), who: Who::Nobody, peer, session: None };
    let (cause, effect) =
        (format!("login as {}", named(attempt)), format!("refused: locked out{}", unlogged_text(unlogged)));
    let priority = level(state, options::INVALID_LOGIN_PRIORITY);
    Ok(state.log(now, &caller, vec![Draft::ordinary(priority, cause, effect)])?)
}

fn invalid(state: &State, name: &str) -> Draft {
    Draft::ordinary(level(state, options::INVALID_LOGIN_PRIORITY), format!("login as {name}"), "invalid")
}

fn locked_out(state: &State, name: &str, keep: store::Keep) -> Draft {
    let effect = format!("locked out for {} min", state.settings.option_number(options::LOCKOUT_MINUTES));
    let cause = format!("login as {name}");
    let priority = level(state, options::LOCKOUT_PRIORITY).max(priority::WARNING);
    Draft { keep, ..Draft::ordinary(priority, cause, effect) }
}
