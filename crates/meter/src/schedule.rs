//! A change of release that was accepted and waits for its time. It is one record of the meter's, so it survives every
//! restart; at its time the plan is made again with the rights that whoever accepted it has then, and only the
//! accepted plan is carried out. Time is the meter's own clock: set forward past the window, the change is missed;
//! set back, it waits again; begun once, it is never begun again.

use std::net::SocketAddr;
use std::sync::Arc;

use firmware::report::{Outcome, Report};
use firmware::{Plan, Settings};
use security::{AccountId, Ask, Path, Source, Who};
use serde::{Deserialize, Serialize};
use store::MeterState;

use crate::change::{Acceptable, Request, Step, on_its_road};
use crate::clock::utc_text;
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, may_read};
use crate::state::State;
use crate::{GateError, Now, ended};

/// The record.
const RECORD: &str = "schedule";
/// What events call it.
const CAUSE: &str = "scheduled change";
/// How far ahead a change may be scheduled: what is accepted longer before is forgotten by whoever accepted it.
pub const LONGEST_AHEAD_MS: i64 = 90 * 24 * 3_600_000;
/// How many seconds after its time a change may still begin.
pub const WINDOW_S: std::ops::RangeInclusive<u32> = 1..=24 * 3_600;

/// Why a change is missed: what keeps a meter from seeing its time.
pub const MISSED: &str =
    "the meter was off, its clock was set, or another change was under way, past the time to begin";

/// A change that waits for its time, or what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Who accepted it.
    pub who: Who,
    /// By what road.
    pub path: Option<Path>,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// What was planned.
    pub request: Request,
    /// The plan that was accepted.
    pub plan: Plan,
    /// When it was accepted, UTC, in milliseconds since 1970.
    pub accepted_utc_ms: i64,
    /// When it is to begin.
    pub at_utc_ms: i64,
    /// How many seconds later it may still begin.
    pub window_s: u32,
    /// How it stands.
    pub state: ScheduleState,
}

/// How a scheduled change stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ScheduleState {
    /// Its time has not come.
    Waiting,
    /// It was begun, at this time.
    Begun(i64),
    /// It was carried out: confirmed or taken back.
    Done(Box<Report>),
    /// The plan would have been this one, so nothing was done.
    PlanDiffers(Box<Plan>),
    /// The time at which it might begin went by: see [`MISSED`].
    Missed,
    /// It could not be carried out; why.
    NotDone(String),
}

/// A change whose time has come.
#[derive(Debug, Clone)]
pub struct Due {
    /// Who accepted it, with whatever rights they have now.
    pub caller: Caller,
    /// What was planned.
    pub request: Request,
    /// The digest that was accepted.
    pub digest: String,
}

impl Schedule {
    /// When it may begin at the latest.
    pub fn until_utc_ms(&self) -> i64 {
        self.at_utc_ms.saturating_add(i64::from(self.window_s) * 1000)
    }

    /// Whether it will still need its package.
    pub(crate) fn needs(&self, package: &str) -> bool {
        self.is_open() && self.request.package == package
    }

    fn is_open(&self) -> bool {
        matches!(self.state, ScheduleState::Waiting | ScheduleState::Begun(_))
    }

    fn caller(&self) -> Caller {
        Caller { path: self.path, who: self.who, peer: self.peer, session: None }
    }

    /// Whether it waits for its time still.
    pub(crate) fn waits(&self) -> bool {
        self.state == ScheduleState::Waiting
    }

    /// What the log is told where it is dropped, or what became of it.
    pub(crate) fn dropped(&self) -> Draft {
        let what = if self.is_open() { "dropped" } else { "its outcome dropped" };
        Draft::kept(priority::WARNING, CAUSE, format!("{} to {} {what}", self.plan.from, self.plan.to))
    }

    /// What the log is told of how it stands.
    fn event(&self) -> Draft {
        Draft::kept(priority::WARNING, CAUSE, self.told())
    }

    fn told(&self) -> String {
        let plan = &self.plan;
        let what = format!("{} to {}", plan.from, plan.to);
        match &self.state {
            ScheduleState::Waiting | ScheduleState::Begun(_) => format!("{what} begun, plan {}", plan.digest),
            ScheduleState::Done(report) if report.outcome == Outcome::Confirmed => format!("{what} confirmed"),
            ScheduleState::Done(report) => {
                format!("{what} taken back: {}", report.reason.as_deref().unwrap_or("no reason was given"))
            }
            ScheduleState::PlanDiffers(now) => {
                format!("{what} not done: the plan would be another one, {}", now.digest)
            }
            ScheduleState::Missed => format!("{what} not done: {MISSED}"),
            ScheduleState::NotDone(why) => format!("{what} not done: {why}"),
        }
    }
}

/// The stored schedule. One that can't be read counts as none, and is told of by nobody but the log that has its
/// acceptance: a meter that doesn't start for it would be worse.
pub(crate) fn read(stored: &MeterState) -> Option<Arc<Schedule>> {
    stored.records.get(RECORD).and_then(|text| serde_json::from_str(text).ok()).map(Arc::new)
}

/// The record of no schedule.
pub(crate) const NONE: (&str, &str) = (RECORD, "null");

/// A schedule that ends with the login that accepted it, for the commit that ends the login.
pub(crate) struct Ended {
    pub schedule: Arc<Schedule>,
    record: String,
}

impl Ended {
    /// What the log is told.
    pub fn draft(&self) -> Draft {
        self.schedule.event()
    }

    /// The record to be written.
    pub fn record(&self) -> (&'static str, &str) {
        (RECORD, &self.record)
    }
}

impl State {
    /// What becomes of a change that waits, if a change of settings and passwords ends what its operator logged in for:
    /// whoever couldn't accept it any more as the same person must not have it carried out.
    pub(crate) fn schedule_ends(
        &self,
        before: &Settings,
        after: &Settings,
        passwords: &[AccountId],
    ) -> Result<Option<Ended>, GateError> {
        let waits = self.schedule.as_ref().filter(|schedule| schedule.waits());
        let Some(schedule) = waits.filter(|it| ended::why(before, after, passwords, it.who).is_some()) else {
            return Ok(None);
        };
        let why = "the login that accepted it has been changed or taken away since".to_owned();
        let schedule = Arc::new(Schedule { state: ScheduleState::NotDone(why), ..(**schedule).clone() });
        let record = serde_json::to_string(&*schedule).map_err(|error| GateError::Unreadable(error.to_string()))?;
        Ok(Some(Ended { schedule, record }))
    }

    /// Stores the schedule as it is from now on, in a commit with the event that tells of it.
    fn put_schedule(
        &mut self,
        now: Now,
        caller: &Caller,
        schedule: Option<Schedule>,
        event: Draft,
    ) -> Result<(), GateError> {
        let text = serde_json::to_string(&schedule).map_err(|error| GateError::Unreadable(error.to_string()))?;
        let log = self.log_setup();
        let events = log.take(now, caller, vec![event]);
        let records = [(RECORD, text.as_str())];
        self.store.tick(&[store::Tick { records: &records, ..store::Tick::of(self.id, log.batch(&events)) }])?;
        self.schedule = schedule.map(Arc::new);
        Ok(())
    }

    fn move_schedule(&mut self, now: Now, schedule: &Schedule, state: ScheduleState) -> Result<(), GateError> {
        let moved = Schedule { state, ..schedule.clone() };
        let event = moved.event();
        self.put_schedule(now, &schedule.caller(), Some(moved), event)
    }

    /// A change that was begun and is over has come to its own report; without one, to this.
    pub(crate) fn settle_schedule(&mut self, now: Now, without_report: ScheduleState) -> Result<(), GateError> {
        let Some(schedule) = self.schedule.clone() else { return Ok(()) };
        let ScheduleState::Begun(utc_ms) = schedule.state else { return Ok(()) };
        let its = |report: &&Report| {
            report.plan == schedule.plan.digest && report.about.begun_utc_ms.is_some_and(|begun| begun >= utc_ms)
        };
        let state = match self.reports.all().find(its) {
            Some(report) => ScheduleState::Done(Box::new(report.clone())),
            None => without_report,
        };
        self.move_schedule(now, &schedule, state)
    }
}

impl Gate {
    /// Accepts the plan with this digest, to be carried out at a time.
    pub fn schedule(
        &self,
        now: Now,
        caller: &Caller,
        request: Request,
        digest: &str,
        at_utc_ms: i64,
        window_s: u32,
    ) -> Result<(), GateError> {
        if !request.choices.new_passwords.is_empty() {
            return Err(GateError::SchedulePasswords);
        }
        let ahead = at_utc_ms.saturating_sub(now.utc_ms);
        if !(1..=LONGEST_AHEAD_MS).contains(&ahead) || !WINDOW_S.contains(&window_s) {
            return Err(GateError::ScheduleTime);
        }
        let Acceptable { mut state, planned, .. } = self.acceptable(now, caller, &request, digest)?;
        if state.schedule.as_ref().is_some_and(|schedule| schedule.is_open()) {
            return Err(GateError::ScheduleExists);
        }
        let plan = Plan { accepted: true, ..planned.plan };
        let at = utc_text(at_utc_ms).ok_or(GateError::ScheduleTime)?;
        let effect = format!("accepted {} to {} for {at} UTC, plan {digest}", plan.from, plan.to);
        let Caller { who, path, peer, .. } = *caller;
        let waiting = ScheduleState::Waiting;
        let schedule = Schedule {
            who,
            path,
            peer,
            request,
            plan,
            accepted_utc_ms: now.utc_ms,
            at_utc_ms,
            window_s,
            state: waiting,
        };
        let event = Draft::kept(priority::WARNING, CAUSE, effect);
        state.put_schedule(now, caller, Some(schedule), event)?;
        self.show(&state);
        Ok(())
    }

    /// The change that waits for its time, or what became of the last one, for whoever may read security.
    pub fn scheduled(&self, caller: &Caller) -> Result<Option<Arc<Schedule>>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::ReadSecurity)?;
        Ok(state.schedule.clone())
    }

    /// Drops it. Whoever has seen what became of it drops that too.
    pub fn drop_schedule(&self, now: Now, caller: &Caller) -> Result<(), GateError> {
        on_its_road(caller, Step::Beyond)?;
        let mut state = self.to_configure(now, caller)?;
        let Some(schedule) = state.schedule.clone() else { return Err(GateError::NoSchedule) };
        if matches!(schedule.state, ScheduleState::Begun(_)) {
            return Err(GateError::Changing);
        }
        state.put_schedule(now, caller, None, schedule.dropped())?;
        self.show(&state);
        Ok(())
    }

    /// The scheduled change, once its time has come and no other change is under way. From here on it counts as begun.
    pub fn due(&self, now: Now) -> Result<Option<Due>, GateError> {
        let mut state = self.state();
        let Some(schedule) = state.schedule.clone() else { return Ok(None) };
        if !schedule.waits() || now.utc_ms < schedule.at_utc_ms || state.under_way.is_some() {
            return Ok(None);
        }
        let ended = if now.utc_ms > schedule.until_utc_ms() {
            Some(ScheduleState::Missed)
        } else if locked_out(&state, now, &schedule) {
            Some(ScheduleState::NotDone(format!("{} is locked out", schedule.who)))
        } else {
            None
        };
        let goes_on = ended.is_none();
        state.move_schedule(now, &schedule, ended.unwrap_or(ScheduleState::Begun(now.utc_ms)))?;
        self.show(&state);
        let due = || Due {
            caller: schedule.caller(),
            request: schedule.request.clone(),
            digest: schedule.plan.digest.clone(),
        };
        Ok(goes_on.then(due))
    }

    /// Writes down what became of a change that was due: its report, whatever else is said of how it went, and without
    /// one this. Until that could be written the change counts as begun: it is to be tried again.
    pub fn end_schedule(&self, now: Now, without_report: ScheduleState) -> Result<(), GateError> {
        let mut state = self.state();
        state.settle_schedule(now, without_report)?;
        self.show(&state);
        Ok(())
    }
}

/// Whether whoever accepted a change couldn't log in to accept it now. A lock-out holds for a source: nobody else's bad
/// tries stop a change.
fn locked_out(state: &State, now: Now, schedule: &Schedule) -> bool {
    let account = match schedule.who {
        Who::Nobody => return false,
        Who::Standard => AccountId::FrontPanel,
        Who::User(user) => AccountId::User(user),
    };
    let source = schedule.peer.map(|peer| Source::from(peer.ip()));
    state.lockouts.locked(now.up_ms).any(|(attempt, _)| {
        attempt.account == Some(account) && Some(attempt.path) == schedule.path && Some(attempt.source) == source
    })
}
