//! What of lock-outs outlives a restart: those that run, counts of bad tries, and the sources of success. Delays are
//! not kept: they are short, and a restart is no way to be rid of a lock-out. Bounded like everything here, and a
//! document that was damaged can only forget, never lock anybody out for longer than the registers say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attempt, Limits, Lockouts, MAX_REMEMBERED, Tries};
use crate::account::AccountId;
use crate::decide::Path;
use crate::source::Source;

/// Lock-outs and counts that are kept over a restart: about 60 kB of JSON at most. Beyond, the counts go first, and of
/// the lock-outs those that end first.
pub const MAX_SAVED: usize = 512;

/// What is kept, with the times of the process that kept it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    /// Lock-outs and counts.
    pub tries: Vec<SavedTries>,
    /// Of each account the sources it has logged in from, the latest last.
    pub remembered: BTreeMap<AccountId, Vec<Source>>,
}

/// One account on one protocol from one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTries {
    /// The account; none are all names that are nobody's.
    pub account: Option<AccountId>,
    /// The protocol.
    pub path: Path,
    /// The source.
    pub source: Source,
    /// Bad tries.
    pub bad: u8,
    /// When the last one was.
    pub last_ms: i64,
    /// When the lock-out ends, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

impl Lockouts {
    /// What should outlive the process.
    pub fn saved(&self, now: i64) -> Saved {
        let mut tries: Vec<_> = self
            .tries
            .iter()
            .filter(|(_, tries)| !tries.is_over(now, self.limits))
            .map(|(attempt, tries)| {
                let Attempt { account, path, source } = *attempt;
                let Tries { bad, last: last_ms, locked_until: until_ms } = *tries;
                SavedTries { account, path, source, bad, last_ms, until_ms }
            })
            .collect();
        // Lock-outs first, the one that ends last in front; then counts, the newest in front.
        tries.sort_unstable_by_key(|one| std::cmp::Reverse((one.until_ms, one.last_ms)));
        tries.truncate(MAX_SAVED);
        Saved { tries, remembered: self.remembered.clone() }
    }

    /// Whether anything runs out by time, so that it matters when the process ends.
    pub fn is_running(&self) -> bool {
        !self.tries.is_empty()
    }

    /// Goes on from what was kept. `shift` is added to its times to make them this process's; whatever it is, no
    /// lock-out lasts longer from now than the registers say.
    pub fn restore(limits: Limits, saved: Saved, shift: i64, now: i64) -> Self {
        let mut lockouts = Self::new(limits);
        let latest = now.saturating_add(limits.lasting_ms());
        for SavedTries { account, path, source, bad, last_ms, until_ms } in saved.tries.into_iter().take(MAX_SAVED) {
            let tries = Tries {
                bad,
                last: last_ms.saturating_add(shift).min(now),
                locked_until: until_ms.map(|until| until.saturating_add(shift).min(latest)),
            };
            if limits.attempts > 0 && !tries.is_over(now, limits) {
                lockouts.tries.insert(Attempt { account, path, source }, tries);
            }
        }
        lockouts.remembered = saved.remembered;
        lockouts.remembered.values_mut().for_each(|sources| sources.truncate(MAX_REMEMBERED));
        lockouts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::UserId;
    use crate::lockout::{Delay, Outcome, Queue};

    const MINUTE_MS: i64 = 60_000;

    fn from(user: u8, source: u32) -> Attempt {
        let account = UserId::new(user).map(AccountId::User);
        Attempt { account, path: Path::Ssh, source: Source::V4(source.to_be_bytes()) }
    }

    fn fail(lockouts: &mut Lockouts, now: i64, attempt: Attempt, times: usize) -> Option<Outcome> {
        (0..times).map(|_| lockouts.failed(now, attempt)).last()
    }

    #[test]
    fn lock_outs_counts_and_sources_of_success_go_on_with_the_time_that_is_left() {
        let mut before = Lockouts::new(Limits::FACTORY);
        before.succeeded(from(1, 9));
        fail(&mut before, 0, from(1, 1), 5);
        fail(&mut before, 0, from(2, 1), 4);
        // Saved at 60 s, gone on 30 s later at 2 s of another clock: 13.5 of 15 minutes are left.
        let saved = before.saved(MINUTE_MS);
        assert_eq!((saved.tries.len(), saved.remembered.len()), (2, 1));
        let mut after = Lockouts::restore(Limits::FACTORY, saved, 2_000 - 90_000, 2_000);
        assert_eq!(after.locked(2_000).collect::<Vec<_>>(), [(from(1, 1), 2_000 + 27 * MINUTE_MS / 2)]);
        assert!(matches!(after.failed(2_000, from(2, 1)), Outcome::LockedOut { .. }), "the fifth bad try");
        assert_eq!(after.check(2_000, from(1, 9)), Ok(Delay { millis: 0, queue: Queue::Known }));
    }

    #[test]
    fn what_is_over_is_not_kept_and_of_too_many_the_lock_outs_that_end_last_are() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        fail(&mut lockouts, 0, from(1, 1), 5);
        assert!(lockouts.saved(15 * MINUTE_MS).tries.is_empty());
        for source in 0..u32::try_from(MAX_SAVED).unwrap() + 20 {
            fail(&mut lockouts, 1, from(1, source), if source % 2 == 0 { 5 } else { 1 });
        }
        let saved = lockouts.saved(2);
        assert_eq!(saved.tries.len(), MAX_SAVED);
        let locked = saved.tries.iter().filter(|one| one.until_ms.is_some()).count();
        assert_eq!(locked, lockouts.locked(2).count());
    }

    #[test]
    fn every_change_that_should_outlive_the_process_is_counted_and_no_other() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        let mut seen = lockouts.revision();
        let mut changed = |lockouts: &Lockouts| std::mem::replace(&mut seen, lockouts.revision()) != seen;
        lockouts.failed(0, from(1, 1));
        assert!(changed(&lockouts));
        lockouts.succeeded(from(1, 1));
        assert!(changed(&lockouts));
        lockouts.succeeded(from(1, 1));
        assert!(!changed(&lockouts), "the same place again");
        fail(&mut lockouts, 0, from(1, 1), 5);
        assert!(changed(&lockouts));
        assert_eq!(lockouts.lift(0, from(1, 1).account, None), [from(1, 1)]);
        assert!(changed(&lockouts) && lockouts.check(0, from(1, 1)).is_ok());
        assert!(lockouts.lift(0, from(1, 1).account, None).is_empty());
        assert!(!changed(&lockouts));
    }

    #[test]
    fn lifting_is_for_one_account_and_if_wanted_for_one_source() {
        let mut lockouts = Lockouts::new(Limits::FACTORY);
        for attempt in [from(1, 1), from(1, 2), from(2, 1), from(0, 1)] {
            fail(&mut lockouts, 0, attempt, 5);
        }
        assert_eq!(lockouts.lift(0, from(1, 1).account, Some(from(1, 2).source)), [from(1, 2)]);
        assert_eq!(lockouts.lift(0, from(1, 1).account, None), [from(1, 1)]);
        assert_eq!(lockouts.lift(0, None, None), [from(0, 1)], "names that are nobody's");
        assert_eq!(lockouts.locked(0).map(|(attempt, _)| attempt).collect::<Vec<_>>(), [from(2, 1)]);
    }

    proptest! {
        #[test]
        fn no_document_and_no_shift_lock_out_for_longer_than_the_registers_say(
            bad: u8, last_ms: i64, until_ms: Option<i64>, shift: i64, now: i64, attempts: u8, minutes in 1u16..=1440,
        ) {
            let Attempt { account, path, source } = from(1, 1);
            let saved = Saved {
                tries: vec![SavedTries { account, path, source, bad, last_ms, until_ms }],
                remembered: BTreeMap::new(),
            };
            let limits = Limits { attempts, minutes };
            let lockouts = Lockouts::restore(limits, saved, shift, now);
            if let Err(locked) = lockouts.check(now, from(1, 1)) {
                prop_assert!(attempts > 0 && locked.until <= now.saturating_add(limits.lasting_ms()));
            }
        }
    }
}
