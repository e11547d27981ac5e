//! The event log: what is told in it, by whom, and that nobody can change it without being found out.

use meter::{Caller, ChangeSet, Edit, EventEntry, Gate, GateError, Now};
use security::chain::Finding;
use security::{Ask, Path, Right, Token, UserId, Verdict, Who};

use crate::bench::*;

fn at(ms: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + ms, up_ms: NOW.up_ms + ms }
}

fn caller(who: Who) -> Caller {
    Caller::on(Path::Setup, who, "192.0.2.7:4711".parse().unwrap())
}

/// The log as lines: user, path, priority, cause, effect.
fn lines(gate: &Gate) -> Vec<String> {
    let line = |event: EventEntry| {
        let EventEntry { user, path, priority, cause, effect, .. } = event;
        format!("{user} {path} {priority} | {cause} | {effect}")
    };
    gate.events(&Caller::meter(), 0, 10_000).unwrap().into_iter().map(line).collect()
}

#[track_caller]
fn told(gate: &Gate, line: &str) {
    let lines = lines(gate);
    assert!(lines.iter().any(|told| told == line), "no \"{line}\" in {lines:#?}");
}

fn open_session(gate: &Gate, now: Now, byte: u8, who: Who) -> Token {
    let token = Token::new(&[byte; 32]);
    gate.open_session(now, &token, &caller(who));
    token
}

fn log_in(gate: &Gate, now: Now, name: &str, verdict: Verdict) -> Result<Who, meter::Denied> {
    let challenge = gate.begin_login(now, Path::Setup, name, caller(Who::Nobody).peer)?;
    gate.finish_login(now, &challenge, verdict).map(|proved| proved.who)
}

#[test]
fn every_login_is_told_valid_invalid_and_locked_out_and_tries_beyond_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    log_in(&gate, NOW, "8650", Verdict::Right).unwrap();
    log_in(&gate, NOW, "my secret typed as a name", Verdict::Wrong).unwrap_err();
    for _ in 0..5 {
        log_in(&gate, NOW, "8650", Verdict::Wrong).unwrap_err();
    }
    for _ in 0..7 {
        log_in(&gate, NOW, "8650", Verdict::Right).unwrap_err();
    }
    told(&gate, "8650 setup 20 | login from 192.0.2.7 | valid");
    told(&gate, "- setup 128 | login as unknown user from 192.0.2.7 | invalid");
    told(&gate, "- setup 128 | login as 8650 from 192.0.2.7 | invalid");
    told(&gate, "- setup 255 | login as 8650 from 192.0.2.7 | locked out for 15 min");
    told(&gate, "- setup 128 | login as 8650 from 192.0.2.7 | refused: locked out");
    assert_eq!(lines(&gate).iter().filter(|line| line.contains("refused: locked out")).count(), 1);
    log_in(&gate, at(60_000), "8650", Verdict::Right).unwrap_err();
    told(&gate, "- setup 128 | login as 8650 from 192.0.2.7 | refused: locked out (6 more since the last entry)");
    assert!(!lines(&gate).concat().contains("my secret"), "a name that is none is never repeated");
}

#[test]
fn every_end_of_a_session_is_told_with_who_and_how() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let closed = open_session(&gate, NOW, 1, Who::Standard);
    gate.close_session(NOW, &closed);
    gate.close_session(NOW, &closed);
    let idle = open_session(&gate, NOW, 2, Who::Standard);
    let over = at(15 * 60_000);
    assert!(gate.session(over, &idle).is_none());
    open_session(&gate, over, 3, Who::Standard);
    set_password(&gate, "8650", "4711");
    set_password(&gate, "USER1", "abc");
    set_password(&gate, "USER2", "def");
    open_session(&gate, NOW, 4, Who::Standard);
    set(&gate, "Mode", "advanced");
    open_session(&gate, NOW, 5, Who::User(UserId::new(2).unwrap()));
    let user1 = Who::User(UserId::new(1).unwrap());
    let off = ChangeSet { edits: vec![Edit::Active(UserId::new(2).unwrap(), false)], force: false };
    gate.apply(NOW, &caller(user1), off).unwrap();
    open_session(&gate, NOW, 6, user1);
    change(&gate, "4.0.9");
    for (number, who, how) in [
        (1, "8650", "closed"),
        (2, "8650", "timed out"),
        (3, "8650", "ended: the password was changed by -, meter"),
        (4, "8650", "ended: the security mode was changed by -, meter"),
        (5, "USER2", "ended: the user was deactivated by USER1, setup"),
        (6, "USER1", "ended: the release was changed by -, meter"),
    ] {
        told(&gate, &format!("{who} setup 25 | session {number} from 192.0.2.7 | {how}"));
    }
    let ends = lines(&gate).iter().filter(|line| line.contains("| session ")).count();
    assert_eq!(ends, 6, "each once: {:#?}", lines(&gate));
}

#[test]
fn a_table_that_is_full_tells_whose_session_gave_way() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    for byte in 0..=security::session::MAX_SESSIONS as u8 {
        open_session(&gate, NOW, byte, Who::Standard);
    }
    count_energy(&gate, 1);
    told(&gate, "8650 setup 25 | session 1 from 192.0.2.7 | ended: too many sessions");
}

#[test]
fn set_up_is_told_with_what_it_was_and_what_it_is_links_and_labels_too() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let by = caller(Who::Standard);
    let change = |edit| gate.apply(NOW, &by, ChangeSet { edits: vec![edit], force: false }).unwrap();
    change(Edit::Register("CT Prim".into(), "800".into()));
    change(Edit::Register("SSH".into(), "yes".into()));
    let mut file = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap();
    let power_meter = file.modules.get_mut(&"Power Meter 1".parse().unwrap()).unwrap();
    power_meter.label = Some("Feeder 7".into());
    let slave = file.modules.get_mut(&"Modbus Slave 1".parse().unwrap()).unwrap();
    slave.inputs.insert("Source 1".into(), "Power Meter 1/kW b".parse().unwrap());
    change(Edit::Template(Box::new(file)));
    told(&gate, "8650 setup 10 | Power Meter 1/CT Prim = 5 from 192.0.2.7 | 800");
    told(&gate, "8650 setup 10 | Security Options 1/SSH = no from 192.0.2.7 | yes");
    told(&gate, "8650 setup 10 | Power Meter 1 label = - from 192.0.2.7 | Feeder 7");
    let link = lines(&gate).into_iter().find(|line| line.contains("Modbus Slave 1/Source 1 link")).unwrap();
    assert!(link.starts_with("8650 setup 10 | ") && link.ends_with(" | Power Meter 1/kW b"), "{link}");
}

#[test]
fn what_is_refused_is_told_reads_of_somebody_too() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let user2 = caller(Who::User(UserId::new(2).unwrap()));
    gate.ask(NOW, &user2, Ask::ReadSecurity).unwrap_err();
    gate.ask(NOW, &user2, Ask::Do(Right::DemandReset)).unwrap_err();
    gate.ask(NOW, &caller(Who::Nobody), Ask::Read).unwrap_err();
    told(
        &gate,
        "USER2 setup 25 | read security from 192.0.2.7 | refused: this takes the right \"Security Config\": a user with \
         Security Config can grant it",
    );
    let refused = lines(&gate).iter().filter(|line| line.contains("refused: ")).count();
    assert_eq!(refused, 2, "that nobody may read is no event: {:#?}", lines(&gate));
}

#[test]
fn changes_of_the_log_itself_and_of_security_are_kept_whatever_depth_and_cutoff_say() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set(&gate, "Cutoff", "255");
    set(&gate, "Event Log Controller 1/Depth", "0");
    set(&gate, "CT Prim", "800");
    set(&gate, "Lock-out Priority", "200");
    set(&gate, "Event Log Controller 1/Depth", "10");
    set_password(&gate, "8650", "4711");
    change(&gate, "4.0.9");
    let lines = lines(&gate);
    for kept in [
        "Event Log Controller 1/Cutoff = 5 | 255",
        "Event Log Controller 1/Depth = 5000 | 0",
        "Security Options 1/Lock-out Priority = 255 | 200",
        "Event Log Controller 1/Depth = 0 | 10",
        "front panel | new password",
        "change of release | 4.40.1 to 4.0.9 confirmed",
    ] {
        assert!(lines.iter().any(|line| line.ends_with(kept)), "no \"{kept}\" in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("CT Prim")), "{lines:#?}");
}

#[test]
fn the_log_is_chained_from_the_first_event_on_and_verifies_whatever_the_ring_drops() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set(&gate, "Event Log Controller 1/Depth", "20");
    for round in 0..40 {
        set(&gate, "CT Prim", &(100 + round).to_string());
        if round % 7 == 0 {
            set(&gate, "Invalid Attempts", &(5 + round).to_string());
        }
    }
    set(&gate, "Event Log Controller 1/Depth", "7");
    set(&gate, "CT Prim", "5");
    let verified = gate.verify_log(NOW, &Caller::meter()).unwrap();
    assert_eq!((verified.findings.as_slice(), verified.unchained, verified.begins), (&[][..], 0, Some(1)));
    assert_eq!(verified.checked as usize, lines(&gate).len());
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(gate.verify_log(NOW, &Caller::meter()).unwrap().findings, []);
    let refused = gate.verify_log(NOW, &caller(Who::Nobody)).unwrap_err();
    assert!(matches!(refused, GateError::Refused(_)), "it takes the right to read security");
}

#[test]
fn a_log_from_before_the_key_says_from_where_on_it_is_chained() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), Some("4.40.1")));
    // As a meter was made before there was a chain.
    let state = dir.path().join("state");
    std::fs::remove_file(state.join("chain.key")).unwrap();
    sql(&state, "UPDATE event SET chain = NULL; DELETE FROM record WHERE key = 'event-chain';");
    let gate = open(dir.path(), None);
    told(
        &gate,
        "- meter 30 | event log | chained from this event on: `events --verify` vouches for it and those after it",
    );
    let verified = gate.verify_log(NOW, &Caller::meter()).unwrap();
    assert_eq!((verified.findings.as_slice(), verified.unchained, verified.begins), (&[][..], 3, Some(4)));
    drop(gate);
    let again = open(dir.path(), None);
    assert_eq!(lines(&again).iter().filter(|line| line.contains("event log")).count(), 1, "said once");
}

#[test]
fn a_lost_key_or_head_is_said_and_never_forgotten() {
    for damage in ["key", "head", "head changed"] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), Some("4.40.1")));
        let state = dir.path().join("state");
        match damage {
            "key" => std::fs::remove_file(state.join("chain.key")).unwrap(),
            "head" => sql(&state, "DELETE FROM record WHERE key = 'event-chain';"),
            _ => sql(&state, "UPDATE record SET value = replace(value, 'first', 'other') WHERE key = 'event-chain';"),
        }
        drop(open(dir.path(), None));
        let gate = open(dir.path(), None);
        let findings = gate.verify_log(NOW, &Caller::meter()).unwrap().findings;
        assert!(findings.contains(&Finding::BegunAgain(4)), "{damage}: {findings:?}");
        assert_eq!(findings.len(), if damage == "key" { 4 } else { 1 }, "{damage}: {findings:?}");
        assert!(lines(&gate).iter().any(|line| line.contains("begun again")), "{damage}");
    }
}

#[test]
fn settings_from_before_there_was_syslog_have_it_off() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), Some("4.40.1")));
    let known = r#","Syslog":false,"Syslog Host":"","Syslog Port":514"#;
    sql(&dir.path().join("state"), &format!("UPDATE slot SET settings = replace(settings, '{known}', '');"));
    let database = rusqlite::Connection::open(dir.path().join("state/meter.db")).unwrap();
    let left: i64 =
        database.query_row("SELECT sum(instr(settings, 'Syslog')) FROM slot", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "none of them is known any more");
    drop(database);
    let gate = open(dir.path(), None);
    set(&gate, "Syslog", "yes");
    told(&gate, "- meter 10 | Event Log Controller 1/Syslog = no | yes");
}

/// Whoever has the machine, and the database in hand.
fn sql(state: &std::path::Path, statements: &str) {
    rusqlite::Connection::open(state.join("meter.db")).unwrap().execute_batch(statements).unwrap();
}
