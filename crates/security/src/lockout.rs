//! Who has to wait after wrong passwords, and who is refused for a while: a state machine without a clock.
//!
//! Three things are kept apart, so that nobody can lock an owner out from elsewhere. A **lock-out** refuses
//! one account on one protocol from one source. **Pressure on an account**, bad tries from many sources,
//! only delays, and not where the account has logged in from before. A **penalty on a source** delays all
//! its tries a little. Everything is bounded; no table that is full ever refuses anyone.
//!
//! Times are milliseconds of one clock that never goes back, such as the time since start: a clock that is
//! set would end or prolong lock-outs. Nothing here outlives the process.

use std::collections::BTreeMap;

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
#[derive(Debug)]
pub struct Lockouts {
    limits: Limits,
    room: usize,
    tries: BTreeMap<Attempt, Tries>,
    accounts: BTreeMap<Option<AccountId>, Pressure>,
    sources: BTreeMap<Source, Pressure>,
    /// Of each account the sources it has logged in from, the latest last.
    remembered: BTreeMap<AccountId, Vec<Source>>,
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
        }
    }

    /// The registers have changed. Running lock-outs keep their end, unless there are to be none.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        if limits.attempts == 0 {
            self.tries.clear();
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
        self.tries.remove(&attempt);
        let Some(account) = attempt.account else { return };
        let sources = self.remembered.entry(account).or_default();
        sources.retain(|source| *source != attempt.source);
        // Only whoever has the password adds to this list, so nobody else can push a source out of it.
        if sources.len() >= MAX_REMEMBERED {
            sources.remove(0);
        }
        sources.push(attempt.source);
    }

    /// The account has a new password: where the old one was used says nothing any more.
    pub fn forget_sources_of(&mut self, account: AccountId) {
        self.remembered.remove(&account);
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::UserId;
    use crate::pressure::{ACCOUNT_MAX_MS, SOURCE_MAX_MS};

    fn user(n: u8) -> Option<AccountId> {
        UserId::new(n).map(AccountId::User)
    }

    fn from(account: Option<AccountId>, source: u32) -> Attempt {
        Attempt { account, path: Path::Setup, source: Source::V4(source.to_be_bytes()) }
    }

    fn lock(lockouts: &mut Lockouts, now: i64, attempt: Attempt) {
        for _ in 1..5 {
            assert!(matches!(lockouts.failed(now, attempt), Outcome::Counted { .. }));
        }
        assert!(matches!(lockouts.failed(now, attempt), Outcome::LockedOut { .. }));
    }

    #[test]
    fn the_fifth_bad_try_locks_one_user_one_protocol_and_one_source_for_15_minutes() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        let attempt = from(user(1), 1);
        for left in [4, 3, 2, 1] {
            assert_eq!(lockouts.failed(0, attempt), Outcome::Counted { left: Some(left) });
            assert!(lockouts.check(0, attempt).is_ok());
        }
        let until = 15 * MINUTE_MS;
        assert_eq!(lockouts.failed(0, attempt), Outcome::LockedOut { until });
        assert_eq!(lockouts.failed(0, attempt), Outcome::StillLocked);
        let refusal = lockouts.check(MINUTE_MS + 1, attempt).unwrap_err();
        assert_eq!(refusal, LockedUntil { until, minutes_left: 14 });
        assert!(refusal.to_string().contains("another 14 min"));
        assert_eq!(lockouts.locked(0).collect::<Vec<_>>(), [(attempt, until)]);
        for other in [from(user(2), 1), from(user(1), 2), Attempt { path: Path::Ssh, ..attempt }] {
            assert!(lockouts.check(0, other).is_ok(), "{other:?}");
        }
        assert!(lockouts.check(until - 1, attempt).is_err());
        assert!(lockouts.check(until, attempt).is_ok());
        assert_eq!(lockouts.failed(until, attempt), Outcome::Counted { left: Some(4) }, "it starts afresh");
    }

    #[test]
    fn a_right_password_or_time_forgets_bad_tries_and_zero_attempts_never_lock() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        let attempt = from(user(1), 1);
        for _ in 0..3 {
            for _ in 0..4 {
                lockouts.failed(0, attempt);
            }
            lockouts.succeeded(attempt);
        }
        lockouts.failed(0, attempt);
        assert_eq!(lockouts.failed(15 * MINUTE_MS, attempt), Outcome::Counted { left: Some(4) });
        lock(&mut lockouts, 60 * MINUTE_MS, attempt);
        lockouts.set_limits(Limits { attempts: 0, minutes: 15 });
        assert!(lockouts.check(60 * MINUTE_MS, attempt).is_ok());
        for _ in 0..300 {
            assert_eq!(lockouts.failed(60 * MINUTE_MS, attempt), Outcome::Counted { left: None });
        }
        assert!(lockouts.check(60 * MINUTE_MS, attempt).is_ok());
    }

    #[test]
    fn bad_tries_from_many_sources_delay_strangers_up_to_a_cap_and_the_owners_place_not_at_all() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        let (owner, stranger) = (from(user(1), 0), from(user(1), 999));
        lockouts.succeeded(owner);
        let mut delays = vec![];
        for source in 1..200 {
            delays.push(lockouts.check(0, stranger).unwrap().millis);
            lockouts.failed(0, from(user(1), source));
        }
        assert!(delays.is_sorted() && delays[10] == 0 && delays[11] == 250 && delays[12] == 500, "{delays:?}");
        assert_eq!(delays.last(), Some(&ACCOUNT_MAX_MS));
        assert_eq!(lockouts.check(0, owner).unwrap(), Delay { millis: 0, queue: Queue::Known });
        assert_eq!(lockouts.check(0, from(user(2), 999)).unwrap().millis, 0, "another user");
        assert_eq!(lockouts.check(17 * MINUTE_MS, stranger).unwrap().millis, 0, "it passes");
        lockouts.forget_sources_of(AccountId::User(UserId::new(1).unwrap()));
        assert_eq!(lockouts.check(0, owner).unwrap(), Delay { millis: ACCOUNT_MAX_MS, queue: Queue::Strangers });
    }

    #[test]
    fn a_source_that_tries_every_account_is_slowed_by_two_seconds_and_never_refused_elsewhere() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        for n in 1..=16 {
            for _ in 0..5 {
                lockouts.failed(0, from(user(n), 7));
            }
        }
        let neighbour = Attempt { path: Path::Ssh, ..from(Some(AccountId::FrontPanel), 7) };
        assert_eq!(lockouts.check(0, neighbour).unwrap().millis, SOURCE_MAX_MS);
        assert_eq!(lockouts.check(12 * MINUTE_MS, neighbour).unwrap().millis, 0);
    }

    #[test]
    fn names_that_are_nobodys_count_as_one_and_behave_like_any_other() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        lock(&mut lockouts, 0, from(None, 1));
        assert!(lockouts.check(0, from(None, 1)).is_err());
        lockouts.succeeded(from(None, 1));
        assert!(lockouts.remembered.is_empty());
    }

    #[test]
    fn a_full_table_drops_counts_before_lock_outs_and_of_these_the_one_that_ends_first() {
        let mut lockouts = Lockouts { room: 8, ..Lockouts::new(Limits::FACTORY) };
        for source in 0..4 {
            lock(&mut lockouts, i64::from(source), from(user(1), source));
        }
        for source in 100..1000 {
            lockouts.failed(10, from(user(1), source));
        }
        assert_eq!(lockouts.locked(10).count(), 4, "fresh counts push no lock-out out");
        for source in 4..8 {
            lock(&mut lockouts, i64::from(source) + 10, from(user(1), source));
        }
        assert_eq!(lockouts.locked(20).count(), 8);
        lockouts.failed(20, from(user(1), 9));
        assert!(lockouts.check(20, from(user(1), 0)).is_ok(), "the oldest lock-out made way");
        assert_eq!(lockouts.locked(20).count(), 7);
    }

    /// A few accounts, paths and sources, so that they meet.
    fn any_attempt() -> impl Strategy<Value = Attempt> {
        let path = prop_oneof![Just(Path::Setup), Just(Path::Ssh), Just(Path::Sftp)];
        (0u8..4, path, 0u32..40).prop_map(|(account, path, source)| Attempt { path, ..from(user(account), source) })
    }

    proptest! {
        #[test]
        fn a_place_used_before_is_never_refused_nor_slowed_by_failures_from_elsewhere(
            steps in proptest::collection::vec((any_attempt(), 0i64..MINUTE_MS), 0..400),
            attempts in 0u8..6,
        ) {
            let mut lockouts = Lockouts { room: 16, ..Lockouts::new(Limits { attempts, minutes: 15 }) };
            let owner = from(user(1), 1_000_000);
            lockouts.succeeded(owner);
            let mut now = 0;
            for (attempt, passed) in steps {
                now += passed;
                if lockouts.check(now, attempt).is_ok() {
                    lockouts.failed(now, attempt);
                }
                prop_assert_eq!(lockouts.check(now, owner), Ok(Delay { millis: 0, queue: Queue::Known }));
            }
        }

        #[test]
        fn memory_and_delays_are_bounded_at_any_time_even_by_a_mad_clock(
            steps in proptest::collection::vec((any_attempt(), any::<i64>(), any::<bool>()), 0..400),
            attempts: u8,
            minutes: u16,
        ) {
            let mut lockouts = Lockouts { room: 16, ..Lockouts::new(Limits { attempts, minutes }) };
            for (attempt, now, right) in steps {
                match lockouts.check(now, attempt) {
                    Ok(delay) => prop_assert!(delay.millis <= ACCOUNT_MAX_MS),
                    Err(locked) => prop_assert!(locked.until > now && attempts > 0),
                }
                if right {
                    lockouts.succeeded(attempt);
                } else {
                    lockouts.failed(now, attempt);
                }
                prop_assert!(lockouts.tries.len() <= 16 && lockouts.sources.len() <= 16);
                prop_assert!(lockouts.accounts.len() <= 18);
                prop_assert!(lockouts.remembered.values().all(|sources| sources.len() <= MAX_REMEMBERED));
            }
        }

        #[test]
        fn no_source_gets_more_tries_at_an_account_than_the_limit_while_a_lock_out_lasts(
            attempts in 1u8..10,
            gaps in proptest::collection::vec(0i64..1000, 1..60),
        ) {
            let mut lockouts = Lockouts::new(Limits { attempts, minutes: 15 });
            let (mut now, mut checked) = (0, 0);
            for gap in gaps {
                now += gap;
                if lockouts.check(now, from(user(1), 1)).is_ok() {
                    checked += 1;
                    lockouts.failed(now, from(user(1), 1));
                }
            }
            prop_assert!(checked <= u32::from(attempts));
        }
    }

    #[test]
    fn a_clock_that_jumps_right_back_ends_in_no_panic() {
        let mut lockouts = Lockouts::new(Limits { attempts: 1, minutes: 1440 });
        lockouts.failed(i64::MAX, from(None, 1));
        assert_eq!(lockouts.check(i64::MIN, from(None, 1)).unwrap_err().minutes_left, u32::MAX);
    }

    #[test]
    fn a_flood_of_sources_stays_within_the_named_bounds() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        for source in 0..u32::try_from(MAX_TRIES + 50).unwrap() {
            lockouts.failed(0, from(user(1), source));
        }
        assert_eq!((lockouts.tries.len(), lockouts.sources.len()), (MAX_TRIES, MAX_SOURCES));
        for source in 0..100 {
            lockouts.succeeded(from(user(1), source));
        }
        assert_eq!(lockouts.remembered.values().map(Vec::len).sum::<usize>(), MAX_REMEMBERED);
    }
}
