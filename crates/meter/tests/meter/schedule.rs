//! A change that waits for its time: whose rights count, what it survives, and when nothing is done.

use crate::bench::*;
use firmware::Choices;
use meter::{Caller, Edit, Gate, GateError, Now, ScheduleState};
use security::{Path, Right, Rights, UserId, Who};

const AT_MS: i64 = NOW.utc_ms + 60_000;
const WINDOW_S: u32 = 600;

fn later(ms: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + ms, up_ms: ms }
}

fn user1() -> Caller {
    Caller::on(Path::Setup, Who::User(UserId::new(1).unwrap()), "192.0.2.7:4711".parse().unwrap())
}

/// A meter under Advanced where USER1 has scheduled the upgrade.
fn scheduled(dir: &std::path::Path) -> Gate {
    let gate = open(dir, Some("4.0.9"));
    set_password(&gate, "USER1", "k1#pQz");
    set_password(&gate, "USER2", "w2@mLx");
    set(&gate, "Mode", "advanced");
    let request = request(&gate, "4.40.1", Choices::default());
    let plan = gate.plan(NOW, &user1(), &request).unwrap();
    gate.schedule(NOW, &user1(), request, &plan.digest, AT_MS, WINDOW_S).unwrap();
    gate
}

fn state(gate: &Gate) -> ScheduleState {
    gate.scheduled(&Caller::meter()).unwrap().unwrap().state.clone()
}

fn kept_events(gate: &Gate) -> Vec<String> {
    let events = gate.events(&Caller::meter(), 0, 1000).unwrap();
    events.into_iter().filter(|event| event.cause.starts_with("scheduled change")).map(|event| event.effect).collect()
}

#[test]
fn b25_it_is_due_at_its_time_once_and_for_whoever_accepted_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = scheduled(dir.path());
    assert!(gate.due(later(59_999)).unwrap().is_none());
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(state(&gate), ScheduleState::Waiting, "it survives a restart");
    let due = gate.due(later(60_000)).unwrap().unwrap();
    assert_eq!((due.caller.who, due.caller.path), (user1().who, Some(Path::Setup)));
    assert!(gate.accept(later(60_000), &due.caller, due.request, &due.digest).is_ok());
    assert!(gate.due(later(60_001)).unwrap().is_none(), "begun once, it is never begun again");
    assert!(gate.due(later(30_000)).unwrap().is_none(), "whatever the clock is set to");
    drop(gate);
    let gate = open(dir.path(), None);
    assert!(matches!(state(&gate), ScheduleState::NotDone(why) if why.contains("before its commit")));
}

#[test]
fn a_restart_on_trial_and_one_after_it_find_the_report_of_a_change_that_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let gate = scheduled(dir.path());
    let due = gate.due(later(60_000)).unwrap().unwrap();
    let (ticket, made) = {
        let ticket = gate.accept(later(60_000), &due.caller, due.request, &due.digest).unwrap();
        let mut memory = security::HashMemory::new();
        let hash = |(account, credential): (security::AccountId, std::sync::Arc<security::Credential>)| {
            let security::Credential::Readable(secret) = &*credential else { panic!("nothing to hash") };
            let key = ticket.key.clone().unwrap();
            (account, security::vault::hash(secret, [1; 16], &key, &mut memory))
        };
        let made = ticket.to_hash().into_iter().map(hash).collect();
        (ticket, made)
    };
    gate.commit_change(later(61_000), &ticket, made).unwrap();
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(gate.view().release().release.as_str(), "4.0.9");
    let ScheduleState::Done(report) = state(&gate) else { panic!("{:?}", state(&gate)) };
    assert_eq!((report.outcome, report.user.as_str()), (firmware::report::Outcome::TakenBack, "USER1"));
    assert_eq!(report.about.peer.as_deref(), Some("192.0.2.7"));
    assert!(report.reason.as_deref().is_some_and(|why| why.contains("power failed")));
    assert!(gate.view().taken_back.as_deref().is_some_and(|news| news.contains("4.40.1 was taken back")));
    assert_eq!(gate.reports(NOW, &Caller::meter()).unwrap(), [*report]);
}

#[test]
fn what_was_confirmed_is_done_whatever_came_of_erasing() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let meter = Caller::meter();
    let request = request(&gate, "4.0.9", Choices::default());
    let plan = gate.plan(NOW, &meter, &request).unwrap();
    gate.schedule(NOW, &meter, request, &plan.digest, AT_MS, WINDOW_S).unwrap();
    let due = gate.due(later(60_000)).unwrap().unwrap();
    let ticket = gate.accept(later(60_000), &due.caller, due.request, &due.digest).unwrap();
    gate.commit_change(later(61_000), &ticket, std::collections::BTreeMap::new()).unwrap();
    let report = gate.end_trial(later(62_000), &ticket, &as_settings_say(&gate)).unwrap();
    let said = "the change is done, but old passwords could not be erased yet".to_owned();
    gate.end_schedule(later(63_000), ScheduleState::NotDone(said)).unwrap();
    assert_eq!(state(&gate), ScheduleState::Done(Box::new(report)));
    assert!(kept_events(&gate).last().unwrap().ends_with("4.40.1 to 4.0.9 confirmed"));
}

#[test]
fn past_its_window_it_is_missed_and_within_it_done_at_the_start() {
    let last = 60_000 + i64::from(WINDOW_S) * 1000;
    for (at, due) in [(last, true), (last + 1, false)] {
        let dir = tempfile::tempdir().unwrap();
        drop(scheduled(dir.path()));
        let gate = open_at(dir.path(), None, later(at));
        assert_eq!(gate.due(later(at)).unwrap().is_some(), due, "{at}");
        assert_eq!(state(&gate) == ScheduleState::Missed, !due);
        let told = kept_events(&gate).last().unwrap().clone();
        assert_eq!(told.ends_with(&format!("not done: {}", meter::MISSED)), !due, "{told}");
    }
}

#[test]
fn rights_are_those_of_its_time() {
    for (what, ends, edits) in [
        ("inactive", true, vec![Edit::Active(UserId::new(1).unwrap(), false)]),
        ("no Security Config", false, vec![Edit::Rights(UserId::new(1).unwrap(), Rights::NONE.with(Right::Read))]),
        ("another mode", true, vec![Edit::Register("Mode".to_owned(), "none".to_owned())]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let gate = scheduled(dir.path());
        let owner = vec![Edit::Rights(UserId::new(2).unwrap(), Rights::ALL)];
        edit(&gate, owner).unwrap();
        edit(&gate, edits).unwrap();
        let due = gate.due(later(60_000)).unwrap();
        // With the login that accepted it, what it accepted is over, whoever has that login next.
        assert_eq!(due.is_none(), ends, "{what}");
        let Some(due) = due else {
            assert!(matches!(state(&gate), ScheduleState::NotDone(_)), "{what}");
            assert!(kept_events(&gate).iter().any(|event| event.contains("not done: the login that accepted it")));
            continue;
        };
        let refused = gate.accept(later(60_000), &due.caller, due.request, &due.digest).err();
        let told = matches!(refused, Some(GateError::Refused(_) | GateError::PlanChanged(_)));
        assert!(told, "{what}: {refused:?}");
        assert_eq!(gate.view().release().release.as_str(), "4.0.9");
    }
}

#[test]
fn a_new_password_of_whoever_accepted_it_ends_it_over_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let gate = scheduled(dir.path());
    set_password(&gate, "USER1", "fresh");
    drop(gate);
    let gate = open_at(dir.path(), None, later(60_000));
    assert!(gate.due(later(60_000)).unwrap().is_none());
    assert!(matches!(state(&gate), ScheduleState::NotDone(_)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let meter = Caller::meter();
    let given = Choices { new_passwords: [account("USER1")].into(), ..Choices::default() };
    let with_passwords = request(&gate, "4.0.9", given);
    let plain = request(&gate, "4.0.9", Choices::default());
    let plan = gate.plan(NOW, &meter, &plain).unwrap();
    let schedule = |request: &meter::Request, at, window| {
        gate.schedule(NOW, &meter, request.clone(), &plan.digest, at, window).map_err(|error| error.to_string())
    };
    assert!(schedule(&with_passwords, AT_MS, 600).unwrap_err().contains("can't wait"));
    for (at, window) in [
        (NOW.utc_ms, 600),
        (NOW.utc_ms - 1, 600),
        (NOW.utc_ms + meter::LONGEST_AHEAD_MS + 1, 600),
        (i64::MAX, 600),
        (i64::MIN, 600),
        (AT_MS, 0),
        (AT_MS, u32::MAX),
    ] {
        assert!(schedule(&plain, at, window).unwrap_err().contains("90 days"), "{at} {window}");
    }
    assert!(matches!(
        gate.schedule(NOW, &meter, plain.clone(), "sha256:00", AT_MS, 600),
        Err(GateError::PlanChanged(_))
    ));
    assert!(matches!(gate.drop_schedule(NOW, &meter), Err(GateError::NoSchedule)));
    schedule(&plain, AT_MS, 600).unwrap();
    assert!(schedule(&plain, AT_MS, 600).unwrap_err().contains("scheduled already"));
    let reader = Caller { who: Who::Nobody, ..user1() };
    assert!(gate.scheduled(&reader).is_err() && gate.drop_schedule(NOW, &reader).is_err());
}

#[test]
fn its_package_is_not_dropped_and_dropping_it_frees_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let gate = scheduled(dir.path());
    let meter = Caller::meter();
    let name = gate.staged(&meter).unwrap()[0].name.clone();
    assert!(matches!(gate.drop_staged(NOW, &meter, &name), Err(GateError::ScheduledPackage)));
    assert_eq!(gate.staged(&meter).unwrap().len(), 1);
    gate.drop_schedule(NOW, &meter).unwrap();
    assert_eq!(gate.scheduled(&meter).unwrap(), None);
    gate.drop_staged(NOW, &meter, &name).unwrap();
    drop(gate);
    assert_eq!(open(dir.path(), None).scheduled(&meter).unwrap(), None);
}

#[test]
fn a_lock_out_of_its_own_source_stops_it_and_nobody_elses_does() {
    for (from, due) in [("192.0.2.7:1", false), ("192.0.2.8:1", true)] {
        let dir = tempfile::tempdir().unwrap();
        let gate = scheduled(dir.path());
        for _ in 0..5 {
            let challenge = gate.begin_login(later(59_000), Path::Setup, "USER1", Some(from.parse().unwrap())).unwrap();
            let _ = gate.finish_login(later(59_000), &challenge, security::Verdict::Wrong);
        }
        assert_eq!(gate.due(later(60_000)).unwrap().is_some(), due, "{from}");
    }
}
