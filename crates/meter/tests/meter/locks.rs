//! Lock-outs over a restart, under a clock that is set, seen and lifted by those who may.

use meter::{Caller, Denied, Gate, GateError, Now};
use metrology::EnergyIncrement;
use security::{Path, Refusal, Source, Verdict, Who};

use crate::bench::{NOW, account, open, open_at, set, set_password};

const MINUTE_MS: i64 = 60_000;

/// So much later, by both clocks.
fn later(ms: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + ms, up_ms: NOW.up_ms + ms }
}

/// A login on SSH, with a verdict instead of a check.
fn try_login(gate: &Gate, now: Now, name: &str, peer: &str, verdict: Verdict) -> Result<Who, Denied> {
    let peer = Some(format!("{peer}:4000").parse().unwrap());
    let challenge = gate.begin_login(now, Path::Ssh, name, peer)?;
    gate.finish_login(now, &challenge, verdict).map(|proved| proved.who)
}

fn lock(gate: &Gate, now: Now, name: &str, peer: &str) {
    for _ in 0..5 {
        try_login(gate, now, name, peer, Verdict::Wrong).unwrap_err();
    }
}

fn tick(gate: &Gate, now: Now) {
    gate.tick(now, None, &EnergyIncrement::default()).unwrap();
}

fn minutes_left(gate: &Gate, now: Now, name: &str, peer: &str) -> Option<u32> {
    let peer = Some(format!("{peer}:4000").parse().unwrap());
    match gate.begin_login(now, Path::Ssh, name, peer) {
        Err(Denied::Locked(locked)) => Some(locked.minutes_left),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

fn security(who: Who) -> Caller {
    Caller::on(Path::Setup, who, "192.0.2.200:5000".parse().unwrap())
}

#[test]
fn a_restart_neither_ends_nor_prolongs_a_lock_out_whatever_the_clock_was_set_to() {
    // Time that passes before the plug is pulled, by the process; what the wall clock then says at the next start;
    // and what is left of 15 minutes.
    let rows = [
        ("at once", 0, 1_000, Some(15)),
        ("after ten minutes", 10 * MINUTE_MS, 10 * MINUTE_MS, Some(5)),
        ("two of them off", 10 * MINUTE_MS, 12 * MINUTE_MS, Some(3)),
        ("the clock was set back an hour while off", 10 * MINUTE_MS, -60 * MINUTE_MS, Some(5)),
        ("the clock went on beyond it", 10 * MINUTE_MS, 16 * MINUTE_MS, None),
        ("it was over before", 15 * MINUTE_MS, 15 * MINUTE_MS, None),
    ];
    for (what, ran_ms, utc_ms, left) in rows {
        let dir = tempfile::tempdir().unwrap();
        let gate = open(dir.path(), Some("4.40.1"));
        lock(&gate, NOW, "8650", "192.0.2.1");
        tick(&gate, later(ran_ms));
        drop(gate);
        let now = Now { utc_ms: NOW.utc_ms + utc_ms, up_ms: 7_000 };
        let gate = open_at(dir.path(), None, now);
        assert_eq!(minutes_left(&gate, now, "8650", "192.0.2.1"), left, "{what}");
        assert_eq!(minutes_left(&gate, now, "8650", "192.0.2.2"), None, "{what}: elsewhere");
        // And once more, though nothing has happened since but a second.
        tick(&gate, Now { up_ms: 8_000, ..now });
        drop(gate);
        let gate = open_at(dir.path(), None, now);
        assert_eq!(minutes_left(&gate, now, "8650", "192.0.2.1"), left, "{what}: twice");
    }
}

#[test]
fn setting_the_clock_of_a_running_meter_neither_ends_nor_prolongs_a_lock_out() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    lock(&gate, NOW, "8650", "192.0.2.1");
    for utc_ms in [0, NOW.utc_ms - 86_400_000, NOW.utc_ms + 86_400_000] {
        let now = Now { utc_ms, up_ms: NOW.up_ms + 5 * MINUTE_MS };
        tick(&gate, now);
        assert_eq!(minutes_left(&gate, now, "8650", "192.0.2.1"), Some(10));
    }
    // The plug is pulled with the clock a day ahead; the next start knows the right time again.
    drop(gate);
    let gate = open_at(dir.path(), None, later(5 * MINUTE_MS));
    assert_eq!(minutes_left(&gate, later(5 * MINUTE_MS), "8650", "192.0.2.1"), Some(10), "off, by no clock");
}

#[test]
fn a_lock_out_is_stored_with_its_event_and_counts_with_the_next_second() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    tick(&gate, NOW);
    lock(&gate, NOW, "8650", "192.0.2.1");
    for _ in 0..4 {
        try_login(&gate, NOW, "8650", "192.0.2.2", Verdict::Wrong).unwrap_err();
    }
    try_login(&gate, NOW, "8650", "192.0.2.3", Verdict::Right).unwrap();
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(minutes_left(&gate, NOW, "8650", "192.0.2.1"), Some(15));
    assert!(gate.view().known_sources.contains(&"192.0.2.3".parse().unwrap()), "a source of success");
    for _ in 0..4 {
        try_login(&gate, NOW, "8650", "192.0.2.4", Verdict::Wrong).unwrap_err();
    }
    tick(&gate, later(1_000));
    drop(gate);
    let gate = open_at(dir.path(), None, later(1_000));
    try_login(&gate, later(1_000), "8650", "192.0.2.4", Verdict::Wrong).unwrap_err();
    assert_eq!(minutes_left(&gate, later(1_000), "8650", "192.0.2.4"), Some(15), "the fifth");
}

#[test]
fn a_scanner_with_other_names_locks_out_no_honest_user_behind_the_same_address() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set_password(&gate, "USER2", "def");
    set(&gate, "Mode", "advanced");
    for name in ["root", "admin", "USER3", "USER16", "8650", "USER2"] {
        lock(&gate, NOW, name, "192.0.2.1");
    }
    assert_eq!(minutes_left(&gate, NOW, "USER2", "192.0.2.1"), Some(15));
    assert!(try_login(&gate, NOW, "USER1", "192.0.2.1", Verdict::Right).is_ok());
    assert!(try_login(&gate, NOW, "USER2", "192.0.2.2", Verdict::Right).is_ok(), "the owner of a name, elsewhere");
}

fn lock_of_unknown(gate: &Gate) {
    for _ in 0..5 {
        let _ = try_login(gate, NOW, "nobody", "192.0.2.9", Verdict::Wrong);
    }
}

#[test]
fn lock_outs_are_seen_and_lifted_with_security_config_only_and_that_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let (owner, reader) = (security(account_of("USER1")), security(account_of("USER2")));
    lock(&gate, NOW, "USER2", "192.0.2.1");
    lock(&gate, NOW, "USER2", "192.0.2.2");
    lock_of_unknown(&gate);
    for caller in [reader, security(Who::Nobody)] {
        assert!(matches!(gate.lockouts(NOW, &caller), Err(GateError::Refused(_))));
        assert!(matches!(gate.lift(NOW, &caller, None, None), Err(GateError::Refused(_))));
    }
    let held = gate.lockouts(later(MINUTE_MS), &owner).unwrap();
    assert_eq!(held.len(), 3, "{held:?}");
    assert!(held.iter().all(|one| one.left_ms == 14 * MINUTE_MS && one.path == Path::Ssh));
    let user2 = Some(account("USER2"));
    let from: Source = "192.0.2.2".parse().unwrap();
    assert_eq!(gate.lift(NOW, &owner, user2, Some(from)).unwrap().len(), 1);
    assert_eq!(minutes_left(&gate, NOW, "USER2", "192.0.2.2"), None);
    assert_eq!(minutes_left(&gate, NOW, "USER2", "192.0.2.1"), Some(15));
    let again = gate.lift(NOW, &owner, user2, Some(from)).unwrap_err();
    assert_eq!(
        again.to_string(),
        "USER2 is not locked out from 192.0.2.2: `connections` shows the lock-outs there are"
    );
    assert_eq!(gate.lift(NOW, &owner, None, None).unwrap().len(), 1, "names that are nobody's");
    let newest = gate.events(&owner, gate.next_event().unwrap() - 1, 1).unwrap().remove(0);
    assert_eq!(
        (newest.user.as_str(), newest.cause.as_str(), newest.effect.as_str()),
        ("USER1", "lock-out of unknown user, ssh, 192.0.2.9 from 192.0.2.200", "lifted")
    );
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(minutes_left(&gate, NOW, "USER2", "192.0.2.2"), None, "lifted is lifted, after a restart too");
    assert_eq!(minutes_left(&gate, NOW, "USER2", "192.0.2.1"), Some(15));
}

fn account_of(login: &str) -> Who {
    match account(login) {
        security::AccountId::User(user) => Who::User(user),
        security::AccountId::FrontPanel => Who::Standard,
    }
}

#[test]
fn a_flood_of_bad_logins_writes_little_and_leaves_the_log_readable() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let before = gate.next_event().unwrap();
    // 500 a second for a minute, on the owner's name, from 6000 sources.
    for n in 0..30_000_i64 {
        let now = later(n * 2);
        let peer = format!("10.{}.{}.1", (n % 6000) / 200, n % 200);
        let _ = try_login(&gate, now, "8650", &peer, Verdict::Wrong);
        if n % 500 == 499 {
            tick(&gate, now);
        }
    }
    let logged = gate.next_event().unwrap() - before;
    assert!(logged < 100, "{logged} events");
    let events = gate.events(&Caller::meter(), before, 200).unwrap();
    assert!(events.iter().any(|event| event.cause == "logins" && event.effect.contains("more invalid")), "{events:?}");
    assert!(matches!(gate.lockouts(NOW, &security(Who::Nobody)), Err(GateError::Refused(Refusal::PasswordNeeded))));
}
