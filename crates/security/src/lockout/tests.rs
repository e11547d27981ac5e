//! The rules of lock-outs, pressure and penalties, and the laws that no sequence of tries may break.

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
