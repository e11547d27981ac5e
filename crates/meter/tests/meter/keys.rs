//! SSH keys: who may give them, whom they let in, and what stops them.

use meter::{Caller, ChangeSet, Denied, Edit, Gate, GateError, Now};
use security::lockout::Queue;
use security::{Fingerprint, Path, PublicKey, UserId, Verdict, Who};

use crate::bench::*;

const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB one";
const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC two";

fn key(line: &str) -> PublicKey {
    line.parse().unwrap()
}

fn print(line: &str) -> Fingerprint {
    key(line).fingerprint()
}

fn user(number: u8) -> UserId {
    UserId::new(number).unwrap()
}

/// Advanced; USER1 has key ONE, USER3 key TWO and is active, the front panel has key TWO as well.
fn advanced(dir: &std::path::Path) -> Gate {
    let gate = open(dir, Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set_password(&gate, "USER3", "def");
    let edits = vec![
        Edit::Active(user(3), true),
        Edit::AddKey(account("USER1"), key(ONE)),
        Edit::AddKey(account("USER3"), key(TWO)),
        Edit::AddKey(account("8650"), key(TWO)),
        Edit::Register("Mode".into(), "advanced".into()),
    ];
    edit(&gate, edits).unwrap();
    gate
}

fn logs_in(gate: &Gate, name: &str, line: &str) -> bool {
    let offered = gate.has_key(name, &print(line));
    let in_fact = gate.login_with_key(NOW, Path::Ssh, name, None, &print(line)).is_ok();
    assert_eq!(offered, in_fact, "what is said of an offer is what the login does");
    in_fact
}

#[test]
fn a_key_opens_its_own_account_in_every_spelling_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    for (name, line, opens) in [
        ("USER1", ONE, true),
        ("user01", ONE, true),
        ("USER3", TWO, true),
        ("USER1", TWO, false),
        ("USER3", ONE, false),
        ("8650", TWO, false),
        ("USER2", ONE, false),
        ("USER9", ONE, false),
        ("root", ONE, false),
        ("", ONE, false),
    ] {
        assert_eq!(logs_in(&gate, name, line), opens, "{name}");
    }
    let valid: Vec<_> = gate.events(&Caller::meter(), 0, 100).unwrap();
    let by_key: Vec<_> = valid.iter().filter(|event| event.effect == "valid, by SSH key").collect();
    assert!(by_key.iter().any(|event| event.user == "USER1" && event.path == "ssh" && event.cause == "login"));
    let reader = Caller::on(Path::Setup, Who::User(user(2)), "127.0.0.1:9".parse().unwrap());
    let seen = gate.events(&reader, 0, 100).unwrap();
    assert!(!seen.is_empty() && !seen.iter().any(|event| event.effect.contains("SHA256:")), "{seen:#?}");
}

#[test]
fn deactivating_a_user_or_another_mode_stops_its_keys_and_a_new_password_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    set_password(&gate, "USER3", "ghi");
    assert!(logs_in(&gate, "USER3", TWO), "a password has nothing to do with it");
    edit(&gate, vec![Edit::Active(user(3), false)]).unwrap();
    assert!(!logs_in(&gate, "USER3", TWO));
    set_password(&gate, "8650", "4711");
    set(&gate, "Mode", "standard");
    assert!(!logs_in(&gate, "USER1", ONE));
    assert!(logs_in(&gate, "8650", TWO));
    // Factory passwords are no matter of keys either.
    edit(&gate, vec![Edit::RemoveKey(account("8650"), print(TWO))]).unwrap();
    assert!(!logs_in(&gate, "8650", TWO));
}

#[test]
fn keys_take_security_config_are_events_and_stay_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    edit(&gate, vec![Edit::Rights(user(3), security::Rights::ALL)]).unwrap();
    let reader = Caller::on(Path::Setup, Who::User(user(2)), "127.0.0.1:9".parse().unwrap());
    let by = |caller: &Caller, edit| gate.apply(NOW, caller, ChangeSet { edits: vec![edit], force: false });
    let add = || Edit::AddKey(account("USER1"), key(TWO));
    assert!(matches!(by(&reader, add()), Err(GateError::Refused(_))));
    let editor = Caller::on(Path::Setup, Who::User(user(3)), "127.0.0.1:9".parse().unwrap());
    by(&editor, add()).unwrap();
    by(&editor, Edit::RemoveKey(account("USER1"), print(ONE))).unwrap();
    let gone = by(&editor, Edit::RemoveKey(account("USER1"), print(ONE))).unwrap_err().to_string();
    assert!(gone.starts_with("USER1 has no SSH key SHA256:"), "{gone}");
    let events = gate.events(&Caller::meter(), 0, 100).unwrap();
    for (line, effect) in [(TWO, "added: USER1"), (ONE, "removed: USER1")] {
        let cause = format!("SSH key {} (ssh-ed25519) from 127.0.0.1", print(line));
        let found = events.iter().any(|event| event.cause == cause && event.effect == effect && event.user == "USER3");
        assert!(found, "{effect}: {events:#?}");
    }
    drop(gate);
    let gate = open(dir.path(), None);
    assert!(logs_in(&gate, "USER1", TWO) && !logs_in(&gate, "USER1", ONE));
}

#[test]
fn removing_a_key_ends_the_sessions_of_its_account() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let token = |byte| security::Token::new(&[byte; 32]);
    for (number, byte) in [(1, 1), (3, 3)] {
        let caller = Caller::on(Path::Ssh, Who::User(user(number)), "127.0.0.1:9".parse().unwrap());
        gate.open_session(NOW, &token(byte), &caller);
    }
    edit(&gate, vec![Edit::AddKey(account("USER3"), key(ONE))]).unwrap();
    assert!(gate.holds_session(NOW, &token(3)), "one key more ends nothing");
    edit(&gate, vec![Edit::RemoveKey(account("USER3"), print(TWO))]).unwrap();
    assert!(!gate.holds_session(NOW, &token(3)));
    assert!(gate.holds_session(NOW, &token(1)));
}

#[test]
fn a_lock_out_of_passwords_refuses_no_key_and_is_not_lifted_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let peer = Some("192.0.2.7:1".parse().unwrap());
    let wrong = || {
        let challenge = gate.begin_login(NOW, Path::Ssh, "USER1", peer)?;
        gate.finish_login(NOW, &challenge, Verdict::Wrong)
    };
    for _ in 0..5 {
        assert!(matches!(wrong(), Err(Denied::Verdict(_))));
    }
    assert!(matches!(wrong(), Err(Denied::Locked(_))));
    assert!(gate.login_with_key(NOW, Path::Ssh, "USER1", peer, &print(ONE)).is_ok());
    assert!(matches!(wrong(), Err(Denied::Locked(_))), "the key gives a guesser no new tries");
}

/// Whoever gets the account next is not the one who had the key.
#[test]
fn a_user_that_is_deactivated_in_whatever_way_loses_its_keys_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let without_user3 = || {
        let file = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::Yes).unwrap();
        let mut section = file.security.clone().unwrap();
        section.users.get_mut(&user(3)).unwrap().active = false;
        (file, section)
    };
    let ways: [&dyn Fn() -> Edit; 3] =
        [&|| Edit::Active(user(3), false), &|| Edit::Security(Box::new(without_user3().1)), &|| {
            let (mut file, section) = without_user3();
            file.security = Some(section);
            Edit::Template(Box::new(file))
        }];
    let token = security::Token::new(&[3; 32]);
    for way in ways {
        let before = gate.next_event().unwrap();
        gate.open_session(NOW, &token, &Caller::on(Path::Ssh, Who::User(user(3)), "127.0.0.1:9".parse().unwrap()));
        assert!(logs_in(&gate, "USER3", TWO));
        edit(&gate, vec![way()]).unwrap();
        let events: Vec<_> =
            gate.events(&Caller::meter(), before, 99).unwrap().into_iter().map(|event| event.effect).collect();
        assert!(events.contains(&"removed: USER3".to_owned()), "{events:#?}");
        assert!(events.contains(&"ended: the user was deactivated by -, meter".to_owned()), "{events:#?}");
        edit(&gate, vec![Edit::Active(user(3), true)]).unwrap();
        assert!(gate.view().settings.keys_of(account("USER3")).is_empty() && !logs_in(&gate, "USER3", TWO));
        edit(&gate, vec![Edit::AddKey(account("USER3"), key(TWO))]).unwrap();
    }
    set_password(&gate, "8650", "4711");
    set(&gate, "Mode", "standard");
    set(&gate, "Mode", "advanced");
    assert!(logs_in(&gate, "USER3", TWO), "a change of mode takes no key away");
}

#[test]
fn where_a_key_has_opened_an_account_is_remembered_over_a_restart_and_undoes_no_bad_try() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let peer = Some("192.0.2.7:1".parse().unwrap());
    let queue = |gate: &Gate| gate.begin_login(NOW, Path::Ssh, "USER1", peer).unwrap().delay.queue;
    for _ in 0..4 {
        let challenge = gate.begin_login(NOW, Path::Ssh, "USER1", peer).unwrap();
        gate.finish_login(NOW, &challenge, Verdict::Wrong).unwrap_err();
    }
    assert_eq!(queue(&gate), Queue::Strangers);
    gate.login_with_key(NOW, Path::Ssh, "USER1", peer, &print(ONE)).unwrap();
    assert_eq!(queue(&gate), Queue::Known);
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(queue(&gate), Queue::Known);
    let challenge = gate.begin_login(NOW, Path::Ssh, "USER1", peer).unwrap();
    gate.finish_login(NOW, &challenge, Verdict::Wrong).unwrap_err();
    assert!(gate.begin_login(NOW, Path::Ssh, "USER1", peer).is_err(), "the fifth bad try is still the fifth");
}

#[test]
fn keys_that_open_nothing_are_no_bad_tries_and_one_event_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let peer = "192.0.2.7:1".parse().unwrap();
    let before = gate.next_event().unwrap();
    for _ in 0..1000 {
        assert!(!gate.has_key("USER1", &print(TWO)));
        gate.keys_refused(NOW, Path::Ssh, peer, 6).unwrap();
    }
    assert_eq!(gate.next_event().unwrap(), before + 1);
    let later = Now { up_ms: 60_000, ..NOW };
    gate.keys_refused(later, Path::Ssh, peer, 6).unwrap();
    let events = gate.events(&Caller::meter(), before, 9).unwrap();
    assert_eq!(events[0].effect, "invalid: SSH keys offered 6, none taken");
    assert!(events[1].effect.ends_with("(999 more since the last entry)"), "{events:#?}");
    assert!(gate.begin_login(later, Path::Ssh, "USER1", Some(peer)).unwrap().delay.millis == 0);
}

#[test]
fn b20_a_downgrade_deletes_keys_and_an_upgrade_brings_none_back() {
    let dir = tempfile::tempdir().unwrap();
    let gate = advanced(dir.path());
    let report = change(&gate, "4.0.9");
    assert!(report.as_planned, "{report:#?}");
    assert!(gate.view().settings.keys.is_empty());
    assert!(!found_in_files(dir.path(), "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEB"), "nor anywhere on the disk");
    let refused = edit(&gate, vec![Edit::AddKey(account("USER1"), key(ONE))]).unwrap_err().to_string();
    assert_eq!(refused, "release 4.0.9 has no SSH, so its accounts can't have SSH keys");
    change(&gate, "4.40.1");
    assert!(!logs_in(&gate, "USER1", ONE) && !logs_in(&gate, "USER3", TWO));
}
