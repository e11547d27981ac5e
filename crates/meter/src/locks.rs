//! Lock-outs as the meter keeps them: stored beside its energies, told of in the log without letting a flood push
//! everything else out of it, shown to whoever may read security, and lifted by whoever has Security Config.
//! The rules of when somebody is locked out are `security`'s.
//!
//! Times run by the process's own clock, so that setting the meter's clock neither ends nor prolongs a lock-out. Over a
//! restart what has passed is taken from the wall clock, if that went forward, and from nothing otherwise.

use std::collections::BTreeMap;

use security::lockout::saved::Saved;
use security::{AccountId, Ask, Attempt, Limits, Lockouts, Path, Right, Source};
use serde_json::json;

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide};
use crate::state::State;
use crate::{GateError, Now};

/// The record of lock-outs, counts and sources of success.
const LOCKOUTS: &str = "lockouts";
/// The record of when that was last known to hold: the two clocks, side by side.
const LOCKOUTS_AT: &str = "lockouts at";

/// Bad tries that are each told of before a flood is taken for one.
const TOLD_AT_ONCE: u32 = 20;
/// In a flood one bad try is told of in this time, so that the ring of 5000 lasts for hours.
const TELL_AGAIN_MS: i64 = 3_000;
/// In a flood one lock-out in this time is an event that is always kept, after the first 20; the others are ordinary.
/// The 50,000 events that are always kept would last a stranger who locks logins out without a pause for more
/// than five years.
const KEEP_AGAIN_MS: i64 = 3_600_000;
/// How often it is told how many were not told of.
const SUMMARY_MS: i64 = 60_000;

/// A lock-out that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOut {
    /// Whose login; none are all names that are nobody's.
    pub account: Option<AccountId>,
    /// On which protocol.
    pub path: Path,
    /// From where.
    pub source: Source,
    /// How long it still lasts.
    pub left_ms: i64,
}

impl LockOut {
    /// The login's name, as events have it.
    pub fn name(account: Option<AccountId>) -> String {
        account.map_or_else(|| "unknown user".to_owned(), AccountId::login)
    }
}

/// How soon a change of lock-outs must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// In the same commit as the event that tells of it.
    Urgent,
    /// With the next second.
    None,
}

/// What the log is told of a lock-out that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// An event that is always kept.
    Kept,
    /// An event of the ring.
    Ordinary,
    /// A number in the next summary, or nothing has begun.
    Counted,
}

/// What the log is told of a bad try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    pub bad_try: bool,
    pub lock_out: Told,
}

/// How far the disk and the log know of bad tries.
#[derive(Debug)]
pub(crate) struct LockKeeping {
    revision: u64,
    tries: Bucket,
    kept: Bucket,
    untold_tries: u32,
    untold_locks: u32,
    summary_ms: i64,
}

impl Default for LockKeeping {
    fn default() -> Self {
        let (tries, kept) = (Bucket::new(TELL_AGAIN_MS), Bucket::new(KEEP_AGAIN_MS));
        // No revision is the first one's, so that the first second stores what a restart has brought.
        Self { revision: u64::MAX, tries, kept, untold_tries: 0, untold_locks: 0, summary_ms: i64::MIN }
    }
}

/// Lets so many through at once, and then one each interval.
#[derive(Debug)]
struct Bucket {
    every_ms: i64,
    left: u32,
    since_ms: i64,
}

impl Bucket {
    fn new(every_ms: i64) -> Self {
        Self { every_ms, left: TOLD_AT_ONCE, since_ms: 0 }
    }

    fn admits(&mut self, up_ms: i64) -> bool {
        let due = (up_ms - self.since_ms).max(0) / self.every_ms;
        self.left = self.left.saturating_add(u32::try_from(due).unwrap_or(u32::MAX)).min(TOLD_AT_ONCE);
        self.since_ms += due * self.every_ms;
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

impl LockKeeping {
    /// A bad try, and whether it was one too many.
    pub fn tell(&mut self, now: Now, locked: bool) -> Telling {
        let bad_try = self.tries.admits(now.up_ms);
        self.untold_tries = self.untold_tries.saturating_add(u32::from(!bad_try));
        let lock_out = match (locked, locked && self.kept.admits(now.up_ms), bad_try) {
            (false, ..) => Told::Counted,
            (true, true, _) => Told::Kept,
            (true, false, true) => Told::Ordinary,
            (true, false, false) => {
                self.untold_locks = self.untold_locks.saturating_add(1);
                Told::Counted
            }
        };
        Telling { bad_try, lock_out }
    }

    /// What was not told of, once a minute.
    pub fn unlogged(&mut self, now: Now) -> Vec<Draft> {
        if self.untold_tries == 0 || now.up_ms < self.summary_ms.saturating_add(SUMMARY_MS) {
            return Vec::new();
        }
        self.summary_ms = now.up_ms;
        let (tries, locks) = (std::mem::take(&mut self.untold_tries), std::mem::take(&mut self.untold_locks));
        let effect = format!("{tries} more invalid, {locks} more lock-outs, not listed one by one");
        vec![Draft::ordinary(priority::WARNING, "logins", effect)]
    }

    /// The disk has these.
    pub fn stored(&mut self, records: LockRecords) {
        self.revision = records.revision;
    }
}

/// Records to be stored with the next commit.
pub(crate) struct LockRecords {
    revision: u64,
    records: Vec<(&'static str, String)>,
}

impl LockRecords {
    pub fn borrowed(&self) -> Vec<(&str, &str)> {
        self.records.iter().map(|(key, value)| (*key, value.as_str())).collect()
    }
}

/// What the disk doesn't know yet. While a lock-out or a count runs, the time at least.
pub(crate) fn records(lockouts: &Lockouts, keeping: &LockKeeping, now: Now) -> LockRecords {
    let revision = lockouts.revision();
    let mut records = Vec::new();
    if revision != keeping.revision {
        let saved = serde_json::to_string(&lockouts.saved(now.up_ms));
        records.extend(saved.ok().map(|saved| (LOCKOUTS, saved)));
    }
    if revision != keeping.revision || lockouts.is_running() {
        records.push((LOCKOUTS_AT, json!([now.up_ms, now.utc_ms]).to_string()));
    }
    LockRecords { revision, records }
}

/// Lock-outs as they were, less what has passed. What can't be read is forgotten: a meter that doesn't start for
/// it would be worse.
pub(crate) fn restored(records: &BTreeMap<String, String>, limits: Limits, now: Now) -> Lockouts {
    let read = || -> Option<(Saved, (i64, i64))> {
        let saved = serde_json::from_str(records.get(LOCKOUTS)?).ok()?;
        Some((saved, serde_json::from_str(records.get(LOCKOUTS_AT)?).ok()?))
    };
    let Some((saved, (up_ms, utc_ms))) = read() else { return Lockouts::new(limits) };
    let off_ms = now.utc_ms.saturating_sub(utc_ms).max(0);
    let shift = now.up_ms.saturating_sub(up_ms).saturating_sub(off_ms);
    Lockouts::restore(limits, saved, shift, now.up_ms)
}

/// The records of a meter that has forgotten every lock-out and every source.
pub(crate) fn forgotten() -> [(&'static str, &'static str); 2] {
    [(LOCKOUTS, r#"{"tries":[],"remembered":{}}"#), (LOCKOUTS_AT, "[0,0]")]
}

impl State {
    /// Commits events, and with them what they tell of if it can't wait for the next second.
    pub fn log_with_locks(
        &mut self,
        now: Now,
        caller: &Caller,
        drafts: Vec<Draft>,
        news: News,
    ) -> Result<(), store::StoreError> {
        if news == News::None {
            return self.log(now, caller, drafts);
        }
        let log = self.log_setup();
        let events = log.take(now, caller, drafts);
        let locks = records(&self.lockouts, &self.lock_keeping, now);
        let records = locks.borrowed();
        self.store.tick(&[store::Tick { records: &records, ..store::Tick::of(self.id, log.batch(&events)) }])?;
        drop(records);
        self.lock_keeping.stored(locks);
        Ok(())
    }
}

impl Gate {
    /// The lock-outs that hold, for whoever may read security.
    pub fn lockouts(&self, now: Now, caller: &Caller) -> Result<Vec<LockOut>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::ReadSecurity)?;
        Ok(running(&state, now).collect())
    }

    /// Lifts the lock-outs of a login, from one source or from all, and forgets its counts of bad tries. Takes
    /// Security Config. Gives those that were lifted.
    pub fn lift(
        &self,
        now: Now,
        caller: &Caller,
        account: Option<AccountId>,
        from: Option<Source>,
    ) -> Result<Vec<LockOut>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        let meant = |held: &LockOut| held.account == account && from.is_none_or(|source| source == held.source);
        let lifted: Vec<_> = running(&state, now).filter(meant).collect();
        if lifted.is_empty() {
            let from = from.map_or_else(String::new, |source| format!(" from {source}"));
            return Err(GateError::NotLockedOut(format!("{} is not locked out{from}", LockOut::name(account))));
        }
        let before = state.lockouts.clone();
        state.lockouts.lift(now.up_ms, account, from);
        let draft = |held: &LockOut| {
            let cause = format!("lock-out of {}, {}, {}", LockOut::name(held.account), held.path, held.source);
            Draft::kept(priority::WARNING, cause, "lifted")
        };
        let drafts = lifted.iter().map(draft).collect();
        // What isn't on the disk hasn't happened.
        if let Err(error) = state.log_with_locks(now, caller, drafts, News::Urgent) {
            state.lockouts = before;
            return Err(error.into());
        }
        Ok(lifted)
    }
}

fn running(state: &State, now: Now) -> impl Iterator<Item = LockOut> {
    state.lockouts.locked(now.up_ms).map(move |(Attempt { account, path, source }, until)| LockOut {
        account,
        path,
        source,
        left_ms: until.saturating_sub(now.up_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(up_ms: i64) -> Now {
        Now { utc_ms: 0, up_ms }
    }

    #[test]
    fn a_flood_of_bad_tries_is_twenty_entries_a_minute_and_a_sum() {
        let mut keeping = LockKeeping::default();
        let (mut told, mut kept, mut ordinary) = (0, 0, 0);
        for ms in 0..60_000 {
            let telling = keeping.tell(at(ms), ms % 5 == 4);
            told += u32::from(telling.bad_try);
            kept += u32::from(telling.lock_out == Told::Kept);
            ordinary += u32::from(telling.lock_out == Told::Ordinary);
        }
        assert_eq!((told, kept), (TOLD_AT_ONCE + 19, TOLD_AT_ONCE));
        assert!(ordinary <= 19, "{ordinary}");
        let [summary] = &keeping.unlogged(at(60_000))[..] else { panic!("one sum") };
        let untold = 12_000 - kept - ordinary;
        let expected = format!("{} more invalid, {untold} more lock-outs, not listed one by one", 60_000 - told);
        assert_eq!(summary.effect, expected);
        keeping.tell(at(60_001), false);
        keeping.untold_tries = 1;
        assert!(keeping.unlogged(at(60_001)).is_empty(), "not more often than once a minute");
        assert_eq!(keeping.unlogged(at(120_000)).len(), 1);
        assert!(keeping.unlogged(at(500_000)).is_empty(), "nothing more");
    }

    #[test]
    fn a_stranger_adds_one_kept_event_an_hour_and_so_needs_years_to_push_one_out() {
        const DAY_MS: i64 = 86_400_000;
        let mut keeping = LockKeeping::default();
        let lock_outs = (0..10 * DAY_MS).step_by(10_000).map(|ms| keeping.tell(at(ms), true).lock_out);
        let kept = lock_outs.filter(|told| *told == Told::Kept).count();
        assert_eq!(kept, TOLD_AT_ONCE as usize + 10 * 24 - 1);
        let years = i64::from(store::MAX_KEPT_EVENTS) * KEEP_AGAIN_MS / (365 * DAY_MS);
        assert_eq!(years, 5);
    }

    #[test]
    fn people_who_mistype_are_told_of_one_by_one() {
        let mut keeping = LockKeeping::default();
        assert!((0..100).all(|n| keeping.tell(at(n * TELL_AGAIN_MS), false).bad_try));
        assert!(keeping.unlogged(at(i64::MAX - SUMMARY_MS)).is_empty());
    }

    #[test]
    fn records_that_cannot_be_read_forget_and_stop_nothing() {
        for (lockouts, at_record) in
            [("{", "[0,0]"), ("{}", "[0,0]"), (forgotten()[0].1, "[]"), (forgotten()[0].1, "[0,0]")]
        {
            let records = [(LOCKOUTS, lockouts), (LOCKOUTS_AT, at_record)];
            let records = records.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            assert_eq!(restored(&records, Limits::FACTORY, at(0)).locked(0).count(), 0);
        }
    }
}
