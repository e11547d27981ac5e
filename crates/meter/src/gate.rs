//! The one gate: each access to a meter is decided here, each change is stored in one commit, logged,
//! and then shown. Faces hold a shared [`Gate`]; reading one is lock-free.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use firmware::Settings;
use metrology::{EnergyIncrement, Quantities};
use security::{Ask, DeviceKey, Path, Refusal, Right, Session, Token, Who};
use store::{Documents, PackageInbox, StoreError};

use crate::chain::Newest;
use crate::clock::Ahead;
use crate::ended::{self, Ended};
use crate::events::{Draft, EventEntry, priority};
use crate::login::Proved;
use crate::refusals::{Kind, unlogged_text};
use crate::state::State;
use crate::uploads::Uploads;
use crate::view::View;
use crate::{GateError, Now};

/// Who asks, and by what road.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The road; none is the meter itself.
    pub path: Option<Path>,
    /// Who, as proved by a login.
    pub who: Who,
    /// From where; none at the meter itself.
    pub peer: Option<SocketAddr>,
    /// The session that proves who it is, where there is one: once it is over, nothing is allowed any
    /// more that it was begun for.
    pub session: Option<u64>,
}

impl Caller {
    /// The meter itself.
    pub fn meter() -> Self {
        Self { path: None, who: Who::Nobody, peer: None, session: None }
    }

    /// Somebody on a path.
    pub fn on(path: Path, who: Who, peer: SocketAddr) -> Self {
        Self { path: Some(path), who, peer: Some(peer), session: None }
    }

    /// Whoever a session belongs to.
    pub fn in_session(session: &Session) -> Self {
        Self { path: Some(session.path), who: session.who, peer: session.peer, session: Some(session.number) }
    }

    /// The road's name in events.
    pub fn path_name(&self) -> &'static str {
        self.path.map_or("meter", Path::name)
    }
}

/// What a meter lives in: it has the sockets, and it is told whenever the meter looks different.
pub trait Surroundings: Send + Sync {
    /// Whether the services that these settings turn on can listen. Called with the gate's lock held,
    /// before the settings are committed; a sentence refuses them.
    fn make_room(&self, before: &Settings, after: &Settings) -> Result<(), String>;

    /// The meter looks like this from now on.
    fn show(&self, view: &Arc<View>);
}

/// A meter's gate.
pub struct Gate {
    state: Mutex<State>,
    view: ArcSwap<View>,
    pub(crate) ahead: Ahead,
    surroundings: Arc<dyn Surroundings>,
    pub(crate) newest: Newest,
    /// What is transferred goes here, beside the state and its lock.
    documents: Arc<Documents>,
    inbox: PackageInbox,
    pub(crate) uploads: Arc<Uploads>,
}

impl Gate {
    pub(crate) fn new(state: State, ahead: Ahead, surroundings: Arc<dyn Surroundings>) -> Self {
        let view = ArcSwap::from_pointee(state.view());
        surroundings.show(&view.load());
        let newest = state.newest.clone();
        let (documents, inbox) = (state.store.documents(state.id), state.store.package_inbox());
        Self { state: Mutex::new(state), view, ahead, surroundings, newest, documents, inbox, uploads: Arc::default() }
    }

    /// The meter as of now.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The key that passwords are hashed with, unless it is lost.
    pub fn device_key(&self) -> Option<Arc<DeviceKey>> {
        self.state().device_key.clone()
    }

    /// Whether the services that settings turn on can listen.
    pub(crate) fn make_room(&self, before: &Settings, after: &Settings) -> Result<(), GateError> {
        self.surroundings.make_room(before, after).map_err(GateError::NoRoom)
    }

    /// The documents, whoever asks.
    pub(crate) fn documents_of_anybody(&self) -> &Arc<Documents> {
        &self.documents
    }

    /// Where packages come in.
    pub(crate) fn inbox(&self) -> &PackageInbox {
        &self.inbox
    }

    /// Whoever panicked with the lock has committed or hasn't: what is stored is whole either way.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state as it is now. Callers have committed it.
    pub(crate) fn show(&self, state: &State) {
        let view = Arc::new(state.view());
        self.view.store(Arc::clone(&view));
        self.surroundings.show(&view);
    }

    /// One second's measuring: committed first, shown afterwards. `None` is a gap in the source.
    ///
    /// # Errors
    /// The disk's. Nothing has been counted then: the caller adds the increment to that of the next second, where it is
    /// known to be energy from before.
    pub fn tick(&self, now: Now, measured: Option<&Quantities>, increment: &EnergyIncrement) -> Result<(), StoreError> {
        // Before the disk is looked after: what nobody sends any more is nobody's to hold.
        self.uploads.leave_still(now);
        let mut state = self.state();
        let ticked = state.tick(now, measured, increment);
        // Shown after a failure as well: the same readings, and that the disk is full.
        self.show(&state);
        ticked
    }

    /// Decides, and logs a refused write.
    pub fn ask(&self, now: Now, caller: &Caller, ask: Ask) -> Result<(), GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, ask)
    }

    /// The state, for whoever has Security Config, while no change of release is under way.
    pub(crate) fn to_configure(&self, now: Now, caller: &Caller) -> Result<MutexGuard<'_, State>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        stands_still(&state)?;
        Ok(state)
    }

    /// Logs a write that is refused before it is anybody's wish: its request was another's than its client's own. Told
    /// of as refused writes are.
    pub fn note_foreign(&self, now: Now, caller: &Caller, ask: Ask, why: &str) -> Result<(), StoreError> {
        let Some(path) = caller.path else { return Ok(()) };
        log_refused(&mut self.state(), now, caller, ask, Kind::Foreign(path, caller.who), why)
    }

    /// The events from a number on, at most `limit`: fewer only where the log ends, or where there are more than one
    /// read of the store gives. Those that are always kept, which security and changes of release have logged,
    /// only for whoever may read security.
    pub fn events(&self, caller: &Caller, from: u64, limit: usize) -> Result<Vec<EventEntry>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::Read)?;
        let entries = match may_read(&state, caller, Ask::ReadSecurity) {
            Ok(()) => state.store.events(state.id, from, limit)?,
            Err(_) => state.store.ring_events(state.id, from, limit)?,
        };
        Ok(entries
            .into_iter()
            .map(|store::Event { number, event }| EventEntry {
                number,
                utc_ms: event.utc_ms,
                priority: event.priority,
                user: event.user,
                path: event.path,
                cause: event.cause,
                effect: event.effect,
            })
            .collect())
    }

    /// The number that the next event will have.
    pub fn next_event(&self) -> Result<u64, GateError> {
        let state = self.state();
        Ok(state.store.next_event(state.id)?)
    }

    /// The number of the oldest event that new ones may push out of the log.
    pub fn oldest_ring_event(&self) -> Result<Option<u64>, GateError> {
        let state = self.state();
        Ok(state.store.oldest_ring_event(state.id)?)
    }

    /// Logs that the meter is stopped.
    pub fn power_down(&self, now: Now) -> Result<(), StoreError> {
        self.state().log(now, &Caller::meter(), vec![Draft::ordinary(priority::WARNING, "power", "power down")])
    }

    /// Logs how something of the meter's own goes, as a warning.
    pub fn note(&self, now: Now, cause: &str, effect: String) -> Result<(), StoreError> {
        self.state().log(now, &Caller::meter(), vec![Draft::ordinary(priority::WARNING, cause, effect)])
    }

    /// Opens a session for whoever has logged in. `token` is random and new.
    ///
    /// # Errors
    /// [`Refusal::SessionOver`] if settings have changed since the login: it is to be proved again.
    pub fn begin_session(
        &self,
        now: Now,
        token: &Token,
        path: Path,
        peer: SocketAddr,
        proved: Proved,
    ) -> Result<(), GateError> {
        let mut state = self.state();
        if !proved.holds(&state) {
            return Err(Refusal::SessionOver.into());
        }
        begin(&mut state, now, token, path, &Caller::on(path, proved.who, peer));
        Ok(())
    }

    /// Opens a session for somebody who needn't prove anything at this moment. After a login it is
    /// [`begin_session`](Self::begin_session) that opens one.
    pub fn open_session(&self, now: Now, token: &Token, caller: &Caller) {
        let Some(path) = caller.path else { return };
        begin(&mut self.state(), now, token, path, caller);
    }

    /// The session of a token, used now.
    pub fn session(&self, now: Now, token: &Token) -> Option<Session> {
        let mut state = self.state();
        state.reap(now);
        state.sessions.touch(token, now.up_ms)
    }

    /// Whether a token has a session now, without using it.
    pub fn holds_session(&self, now: Now, token: &Token) -> bool {
        self.state().sessions.holds(token, now.up_ms)
    }

    /// Ends a session. The log tells of it with the next commit: whoever hangs up waits for no disk.
    pub fn close_session(&self, now: Now, token: &Token) {
        let mut state = self.state();
        if let Some(closed) = state.sessions.close(token) {
            let event = ended::event(state.log_setup(), now, &closed, Ended::Closed);
            state.waiting.push(event);
        }
    }
}

fn begin(state: &mut State, now: Now, token: &Token, path: Path, caller: &Caller) {
    state.reap(now);
    if let (_, Some(gave_way)) = state.sessions.open(token, caller.who, path, caller.peer, now.up_ms) {
        let event = ended::event(state.log_setup(), now, &gave_way, Ended::GaveWay);
        state.waiting.push(event);
    }
}

/// While a change of release is under way, nothing else changes.
pub(crate) fn stands_still(state: &State) -> Result<(), GateError> {
    if state.under_way.is_some() { Err(GateError::Changing) } else { Ok(()) }
}

/// Decides about a read that faces make at every turn, and that is no event when it is refused. A session that has
/// timed out counts as over once a second has passed.
pub(crate) fn may_read(state: &State, caller: &Caller, ask: Ask) -> Result<(), GateError> {
    let Some(path) = caller.path else { return Ok(()) };
    if caller.session.is_some_and(|session| !state.sessions.is_kept(session)) {
        return Err(Refusal::SessionOver.into());
    }
    Ok(security::decide(&state.policy, path, caller.who, ask)?)
}

/// Decides for a caller; the meter itself may do anything. A refused write is an event, and so is a refused read of
/// somebody who has logged in; that nobody may read is what a client learns when it asks without a login.
pub(crate) fn decide(state: &mut State, now: Now, caller: &Caller, ask: Ask) -> Result<(), GateError> {
    let Some(path) = caller.path else { return Ok(()) };
    if caller.session.is_some_and(|session| !state.sessions.is_open(session, now.up_ms)) {
        return Err(Refusal::SessionOver.into());
    }
    let Err(refusal) = security::decide(&state.policy, path, caller.who, ask) else { return Ok(()) };
    if matches!(ask, Ask::Do(_)) || caller.who != Who::Nobody {
        let kind = Kind::Right(path, caller.who, ask.right());
        log_refused(state, now, caller, ask, kind, &refusal.to_string())?;
    }
    Err(refusal.into())
}

/// Logs a refusal, unless one of its kind was logged a moment ago: then it is counted.
fn log_refused(
    state: &mut State,
    now: Now,
    caller: &Caller,
    ask: Ask,
    kind: Kind,
    why: &str,
) -> Result<(), StoreError> {
    let Some(unlogged) = state.refusals.count(now.up_ms, kind) else { return Ok(()) };
    let effect = format!("refused: {why}{}", unlogged_text(unlogged));
    state.log(now, caller, vec![Draft::ordinary(priority::INFORMATION, ask.name(), effect)])
}
