//! Sessions: seen by whoever may read the meter, ended by their own or by Security Config.

use meter::{Caller, ChangeSet, Edit, Gate, GateError, Now};
use security::{AccountId, Path, Refusal, Token, Verdict, Who};

use crate::bench::{NOW, account, credential, open, set, set_password};

fn session(gate: &Gate, login: &str, path: Path, number: u8) -> (Token, Caller) {
    let AccountId::User(user) = account(login) else { panic!("a user's name") };
    let caller = Caller::on(path, Who::User(user), "192.0.2.7:4711".parse().unwrap());
    let token = Token::new(&[number; Token::BYTES]);
    gate.open_session(NOW, &token, &caller);
    let caller = Caller::in_session(&gate.session(NOW, &token).unwrap());
    (token, caller)
}

#[test]
fn a_session_is_ended_by_its_own_or_by_security_config_and_nothing_goes_on_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let (_, owner) = session(&gate, "USER1", Path::Setup, 1);
    let (token, reader) = session(&gate, "USER2", Path::Ssh, 2);
    let (_, other) = session(&gate, "USER2", Path::Sftp, 3);
    let listed = gate.sessions(Now { up_ms: NOW.up_ms + 9, ..NOW }, &reader).unwrap();
    let seen: Vec<_> = listed.iter().map(|one| (one.who.to_string(), one.path, one.since)).collect();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1], ("USER2".to_owned(), Path::Ssh, NOW.up_ms));
    let number = |caller: &Caller| caller.session.unwrap();
    assert!(matches!(gate.end_session(NOW, &reader, number(&owner)), Err(GateError::Refused(_))));
    assert!(matches!(gate.end_session(NOW, &reader, number(&other)), Err(GateError::Refused(_))), "not even a twin");
    assert_eq!(gate.end_session(NOW, &other, number(&other)).unwrap().path, Path::Sftp, "one's own");
    gate.end_session(NOW, &owner, number(&reader)).unwrap();
    assert!(gate.session(NOW, &token).is_none());
    assert!(matches!(gate.sessions(NOW, &reader), Err(GateError::Refused(security::Refusal::SessionOver))));
    assert!(matches!(gate.end_session(NOW, &owner, number(&reader)), Err(GateError::NoSuchSession(_))));
    let newest = gate.events(&owner, gate.next_event().unwrap() - 1, 1).unwrap().remove(0);
    assert_eq!(
        (newest.user.as_str(), newest.path.as_str(), newest.cause.as_str(), newest.effect.as_str()),
        ("USER1", "setup", "session 2 of USER2, ssh from 192.0.2.7", "ended")
    );
    let nobody = Caller::on(Path::Ssh, Who::Nobody, "192.0.2.7:1".parse().unwrap());
    assert!(matches!(gate.sessions(NOW, &nobody), Err(GateError::Refused(_))));
}

#[test]
fn nothing_is_read_under_a_session_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let (token, closed) = session(&gate, "USER1", Path::Sftp, 1);
    gate.close_session(NOW, &token);
    let (_, timed_out) = session(&gate, "USER1", Path::Sftp, 2);
    let later = Now { up_ms: NOW.up_ms + 24 * 3_600_000, ..NOW };
    gate.tick(later, None, &metrology::EnergyIncrement::default()).unwrap();
    let (_, open) = session(&gate, "USER1", Path::Sftp, 3);
    for (caller, over) in [(closed, true), (timed_out, true), (open, false)] {
        let reads = [
            ("events", gate.events(&caller, 0, 10).err()),
            ("staged", gate.staged(&caller).err()),
            ("documents", gate.documents(&caller).err()),
        ];
        for (what, refused) in reads {
            let is_over = matches!(refused, Some(GateError::Refused(Refusal::SessionOver)));
            assert_eq!((is_over, refused.is_some()), (over, over), "{what}: {refused:?}");
        }
        let staged = gate.read_staged(&caller, "none.upg").err();
        assert_eq!(matches!(staged, Some(GateError::Refused(Refusal::SessionOver))), over, "{staged:?}");
    }
}

#[test]
fn what_the_disk_does_not_take_has_not_happened() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), Some("4.40.1")));
    let refuses = "CREATE TRIGGER full BEFORE INSERT ON event WHEN NEW.effect IN ('ended', 'lifted')
         BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;";
    rusqlite::Connection::open(dir.path().join("state/meter.db")).unwrap().execute_batch(refuses).unwrap();
    let gate = open(dir.path(), None);
    let token = Token::new(&[1; Token::BYTES]);
    let peer = "192.0.2.7:4711".parse().unwrap();
    gate.open_session(NOW, &token, &Caller::on(Path::Setup, Who::Standard, peer));
    assert!(matches!(gate.end_session(NOW, &Caller::meter(), 1), Err(GateError::Store(_))));
    assert!(gate.holds_session(NOW, &token), "a session that no event has ended");
    let panel = Some(account("8650"));
    for _ in 0..5 {
        let challenge = gate.begin_login(NOW, Path::Ssh, "8650", Some(peer)).unwrap();
        gate.finish_login(NOW, &challenge, Verdict::Wrong).unwrap_err();
    }
    assert!(matches!(gate.lift(NOW, &Caller::meter(), panel, None), Err(GateError::Store(_))));
    assert_eq!(gate.lockouts(NOW, &Caller::meter()).unwrap().len(), 1, "a lock-out that no event has lifted");
    assert!(gate.begin_login(NOW, Path::Ssh, "8650", Some(peer)).is_err());
}

#[test]
fn a_new_password_makes_strangers_of_all_sources_but_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let log_in = |from: &str| {
        let peer = format!("{from}:4000").parse().unwrap();
        let challenge = gate.begin_login(NOW, Path::Setup, "8650", Some(peer)).unwrap();
        gate.finish_login(NOW, &challenge, Verdict::Right).unwrap();
        Caller::on(Path::Setup, Who::Standard, peer)
    };
    log_in("192.0.2.1");
    let owner = log_in("192.0.2.2");
    let edits = vec![Edit::Password(account("8650"), credential(&gate, "483726"))];
    gate.apply(NOW, &owner, ChangeSet { edits, force: false }).unwrap();
    let queue = |from: &str| {
        let peer = format!("{from}:4000").parse().unwrap();
        gate.begin_login(NOW, Path::Setup, "8650", Some(peer)).unwrap().delay.queue
    };
    assert_eq!(queue("192.0.2.1"), security::Queue::Strangers);
    assert_eq!(queue("192.0.2.2"), security::Queue::Known);
}
