//! Who has to wait after wrong passwords, and who is refused for a while: a state machine without a clock.
//!
//! Three things are kept apart, so that nobody can lock an owner out from elsewhere. A **lock-out** refuses
//! one account on one protocol from one source. **Pressure on an account**, bad tries from many sources,
//! only delays, and not where the account has logged in from before. A **penalty on a source** delays all
//! its tries a little. Everything is bounded; no table that is full ever refuses anyone.
//!
//! Times are milliseconds of one clock that never goes back, such as the time since start: a clock that is
//! set would end or prolong lock-outs. What of it outlives the process is in [`saved`].

pub mod saved;

use std::collections::{BTreeMap, BTreeSet};

use crate::account::AccountId;
use crate::decide::Path;
use crate::pressure::{ACCOUNT_LEVEL_MAX, Pressure, SOURCE_LEVEL_MAX, account_delay, source_delay};
use crate::source::Source;

/// How many lock-outs and counts of bad tries are kept at once. A flood of fresh sources costs a bad try
/// for each entry, and so gains nobody more tries than those sources have anyway.
pub const MAX_TRIES: usize = 4096;
/// How many source networks are kept under a penalty at once.
pub const MAX_SOURCES: usize = 4096;
/// How many sources of success are remembered for each account: the places one person works from.
pub const MAX_REMEMBERED: usize = 16;

const MINUTE_MS: i64 = 60_000;

/// What a try is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The account claimed. All names that are no account's count as one, so that inventing names takes no room.
    pub account: Option<AccountId>,
    /// The protocol.
    pub path: Path,
    /// Where it comes from.
    pub source: Source,
}

/// The meter's two lock-out registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bad tries before a lock-out; 0 never locks out.
    pub attempts: u8,
    /// How long a lock-out lasts, and how long after the last bad try they are forgotten.
    pub minutes: u16,
}

impl Limits {
    /// As shipped.
    pub const FACTORY: Self = Self { attempts: 5, minutes: 15 };

    fn lasting_ms(self) -> i64 {
        i64::from(self.minutes) * MINUTE_MS
    }
}

/// How long to wait before the check, and in which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// Milliseconds; 0 as a rule.
    pub millis: u32,
    /// Which queue the check waits in.
    pub queue: Queue,
}

/// Checks wait for one of the few places to hash in one of two queues, each served in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Of those from a source that the account has logged in from: strangers can't fill it.
    Known,
    /// Of everyone else.
    Strangers,
}

/// The try is refused unchecked: this account is locked out on this protocol from this source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many wrong passwords: this login is locked out here for another {minutes_left} min, wait or log in from another place"
)]
pub struct LockedUntil {
    /// When it ends, in the caller's milliseconds.
    pub until: i64,
    /// How long that is from now, rounded up.
    pub minutes_left: u32,
}

/// What a bad try has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Counted; `left` more and there is a lock-out, unless there never is one.
    Counted {
        /// Tries left, if tries are limited.
        left: Option<u8>,
    },
    /// This one was too many: a lock-out begins, which is an event.
    LockedOut {
        /// When it ends.
        until: i64,
    },
    /// It had begun while this one was being checked.
    StillLocked,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    bad: u8,
    last: i64,
    locked_until: Option<i64>,
}

impl Tries {
    fn locked(&self, now: i64) -> Option<i64> {
        self.locked_until.filter(|until| *until > now)
    }

    /// Nothing in it matters any more.
    fn is_over(&self, now: i64, limits: Limits) -> bool {
        match self.locked_until {
            Some(until) => until <= now,
            None => now.saturating_sub(self.last) >= limits.lasting_ms(),
        }
    }
}

/// All that a meter knows about bad tries.
#[derive(Debug, Clone)]
pub struct Lockouts {
    limits: Limits,
    room: usize,
    tries: BTreeMap<Attempt, Tries>,
    accounts: BTreeMap<Option<AccountId>, Pressure>,
    sources: BTreeMap<Source, Pressure>,
    /// Of each account the sources it has logged in from, the latest last.
    remembered: BTreeMap<AccountId, Vec<Source>>,
    /// Counts changes of what outlives the process.
    revision: u64,
}

impl Lockouts {
    /// No bad tries yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            room: MAX_TRIES,
            tries: BTreeMap::new(),
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            remembered: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Changes whenever something does that should outlive the process.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The registers have changed. Running lock-outs keep their end, unless there are to be none.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        if limits.attempts == 0 && !self.tries.is_empty() {
            self.tries.clear();
            self.revision += 1;
        }
    }

    /// Whether this try may be checked, and after what delay.
    ///
    /// Ask when the try arrives, wait, and ask again when its turn to be hashed comes: tries that arrived
    /// together would otherwise all be checked before the first has failed.
    ///
    /// # Errors
    /// While the account is locked out on this protocol from this source.
    pub fn check(&self, now: i64, attempt: Attempt) -> Result<Delay, LockedUntil> {
        if let Some(until) = self.tries.get(&attempt).and_then(|tries| tries.locked(now)) {
            let minutes = until.abs_diff(now).div_ceil(MINUTE_MS.unsigned_abs());
            return Err(LockedUntil { until, minutes_left: u32::try_from(minutes).unwrap_or(u32::MAX) });
        }
        let penalty = self.sources.get(&attempt.source).map_or(0, |source| source_delay(source.level(now)));
        if self.remembers(attempt) {
            return Ok(Delay { millis: penalty, queue: Queue::Known });
        }
        let pressure = self.accounts.get(&attempt.account).map_or(0, |account| account_delay(account.level(now)));
        Ok(Delay { millis: pressure.max(penalty), queue: Queue::Strangers })
    }

    /// The password was wrong.
    pub fn failed(&mut self, now: i64, attempt: Attempt) -> Outcome {
        self.penalise(now, attempt.source);
        if !self.remembers(attempt) {
            self.accounts.entry(attempt.account).or_default().raise(now, ACCOUNT_LEVEL_MAX);
        }
        let limits = self.limits;
        if limits.attempts == 0 {
            return Outcome::Counted { left: None };
        }
        if self.tries.get(&attempt).is_some_and(|tries| tries.is_over(now, limits)) {
            self.tries.remove(&attempt);
        }
        if !self.tries.contains_key(&attempt) {
            self.make_room(now);
        }
        let tries = self.tries.entry(attempt).or_insert(Tries { bad: 0, last: now, locked_until: None });
        if tries.locked(now).is_some() {
            return Outcome::StillLocked;
        }
        self.revision += 1;
        tries.bad = tries.bad.saturating_add(1);
        tries.last = now;
        if tries.bad < limits.attempts {
            return Outcome::Counted { left: Some(limits.attempts - tries.bad) };
        }
        let until = now.saturating_add(limits.lasting_ms());
        tries.locked_until = Some(until);
        Outcome::LockedOut { until }
    }

    /// The password was right: earlier bad tries of this attempt are forgotten, and its source is remembered.
    pub fn succeeded(&mut self, attempt: Attempt) {
        self.revision += u64::from(self.tries.remove(&attempt).is_some());
        if let Some(account) = attempt.account {
            self.remember(account, attempt.source);
        }
    }

    /// An account has logged in from a source. Bad tries and lock-outs stay as they are.
    pub fn remember(&mut self, account: AccountId, source: Source) {
        let sources = self.remembered.entry(account).or_default();
        if sources.last() == Some(&source) {
            return;
        }
        self.revision += 1;
        sources.retain(|known| *known != source);
        // Only whoever has the password or a key adds to this list, so nobody else can push a source out of it.
        if sources.len() >= MAX_REMEMBERED {
            sources.remove(0);
        }
        sources.push(source);
    }

    /// The account has a new password: where the old one was used says nothing any more.
    pub fn forget_sources_of(&mut self, account: AccountId) {
        self.revision += u64::from(self.remembered.remove(&account).is_some());
    }

    /// Lifts the lock-outs of an account, from this source or from all, and forgets its counts of bad tries.
    /// Delays go on draining by themselves. Gives the lock-outs that held.
    pub fn lift(&mut self, now: i64, account: Option<AccountId>, from: Option<Source>) -> Vec<Attempt> {
        let meant =
            |attempt: &Attempt| attempt.account == account && from.is_none_or(|source| source == attempt.source);
        let lifted = self.tries.extract_if(.., |attempt, _| meant(attempt));
        let lifted: Vec<_> = lifted.map(|(attempt, tries)| (attempt, tries.locked(now).is_some())).collect();
        self.revision += u64::from(!lifted.is_empty());
        lifted.into_iter().filter_map(|(attempt, held)| held.then_some(attempt)).collect()
    }

    /// Every source that some account has logged in from.
    pub fn known_sources(&self) -> BTreeSet<Source> {
        self.remembered.values().flatten().copied().collect()
    }

    /// The lock-outs that hold now, with their end.
    pub fn locked(&self, now: i64) -> impl Iterator<Item = (Attempt, i64)> {
        self.tries.iter().filter_map(move |(attempt, tries)| Some((*attempt, tries.locked(now)?)))
    }

    fn remembers(&self, attempt: Attempt) -> bool {
        let sources = attempt.account.and_then(|account| self.remembered.get(&account));
        sources.is_some_and(|sources| sources.contains(&attempt.source))
    }

    fn penalise(&mut self, now: i64, source: Source) {
        if !self.sources.contains_key(&source) && self.sources.len() >= self.room.min(MAX_SOURCES) {
            self.sources.retain(|_, pressure| pressure.level(now) > 0);
            if self.sources.len() >= self.room.min(MAX_SOURCES) {
                // The mildest goes, and of these the oldest.
                let mildest = self.sources.iter().min_by_key(|(_, p)| (p.level(now), p.since)).map(|(s, _)| *s);
                mildest.map(|source| self.sources.remove(&source));
            }
        }
        self.sources.entry(source).or_default().raise(now, SOURCE_LEVEL_MAX);
    }

    /// Room for one more entry. What is over goes first, then the oldest count that isn't a lock-out: a live
    /// lock-out never makes way for fresh entries while there is any count to drop. When there are only
    /// lock-outs, the one that ends first goes. Whoever has filled the table has spent `attempts` bad tries
    /// on each of them; each further lock-out costs him as many, and frees one source early.
    fn make_room(&mut self, now: i64) {
        if self.tries.len() < self.room {
            return;
        }
        let limits = self.limits;
        self.tries.retain(|_, tries| !tries.is_over(now, limits));
        if self.tries.len() < self.room {
            return;
        }
        let least = self
            .tries
            .iter()
            .min_by_key(|(_, tries)| match tries.locked_until {
                None => (false, tries.last),
                Some(until) => (true, until),
            })
            .map(|(attempt, _)| *attempt);
        least.map(|attempt| self.tries.remove(&attempt));
    }
}

#[cfg(test)]
mod tests;
