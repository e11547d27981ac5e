//! The change of release on a real store: plan equals act, one transaction, nothing readable left.

use crate::bench::*;
use firmware::Choices;
use firmware::report::Outcome;
use meter::{Caller, Edit, Facing, GateError};
use metrology::EnergyRegister;
use security::{CredentialKind, Mode, Right, Rights, UserId, Verdict};

const SECRETS: [(&str, &str); 7] = [
    ("8650", "70415263"),
    ("USER1", "k1#pQz"),
    ("USER2", "w2@mLx"),
    ("USER3", "91827364"),
    ("USER4", "v4$tRn"),
    ("USER5", "h5%cBk"),
    ("USER6", "83726154"),
];

/// A legacy meter with six users and a front-panel password of its own.
fn legacy(dir: &std::path::Path, mode: Mode) -> meter::Gate {
    let gate = open(dir, Some("4.0.9"));
    for (login, secret) in SECRETS {
        let mut edits = vec![Edit::Password(account(login), credential(&gate, secret))];
        if let security::AccountId::User(user) = account(login) {
            edits.push(Edit::Active(user, true));
            if user.number() > 2 {
                edits.push(Edit::Rights(user, Rights::NONE.with(Right::Read)));
            }
        }
        edit(&gate, edits).unwrap();
    }
    set(&gate, "Mode", mode.name());
    gate
}

/// Whether somebody logs in over SFTP or Telnet, whichever the release has, with this password.
fn logs_in(gate: &meter::Gate, login: &str, secret: &str) -> bool {
    let challenge = gate.begin_login(NOW, security::Path::Setup, login, None).unwrap();
    let mut memory = security::HashMemory::new();
    let verdict = security::vault::verify(
        challenge.credential.as_deref(),
        &password(secret),
        challenge.key.as_deref(),
        &mut memory,
        challenge.work,
    );
    assert!(matches!(verdict, Verdict::Right | Verdict::Wrong));
    gate.finish_login(NOW, &challenge, verdict).is_ok()
}

#[test]
fn b16_after_an_upgrade_everyone_logs_in_as_before_and_no_password_can_be_found() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    count_energy(&gate, 5000);
    for (login, secret) in SECRETS {
        assert!(found_in_files(dir.path(), secret), "legacy stores {login}'s password readably");
    }
    let report = change(&gate, "4.40.1");
    assert_eq!((report.outcome, report.as_planned), (Outcome::Confirmed, true), "{report:#?}");
    for (login, secret) in SECRETS {
        assert!(!found_in_files(dir.path(), secret), "{login}'s password is still in the state");
        let expected = login != "8650";
        assert_eq!(logs_in(&gate, login, secret), expected, "{login} under Advanced");
        assert!(!logs_in(&gate, login, "0"));
    }
    assert_eq!(gate.view().energy.micro(EnergyRegister::WhDel), 5_000_000_000);
    let hashed = |login| gate.view().settings.credential(account(login)) == CredentialKind::Hashed;
    assert!(SECRETS.iter().all(|(login, _)| hashed(login)));
}

#[test]
fn b15_b18_under_standard_the_front_panel_password_goes_on_and_users_do_not_log_in() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Standard);
    assert!(change(&gate, "4.40.1").as_planned);
    assert_eq!(gate.view().settings.mode(), Mode::Standard);
    assert!(logs_in(&gate, "8650", "70415263"));
    assert!(!logs_in(&gate, "USER1", "k1#pQz"));
}

#[test]
fn b20_b21_a_downgrade_keeps_security_and_makes_every_password_zero() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    change(&gate, "4.40.1");
    let report = change(&gate, "4.0.9");
    assert!(report.as_planned, "{report:#?}");
    let view = gate.view();
    assert_eq!(view.settings.mode(), Mode::Advanced);
    assert!(view.settings.factory_password());
    for (login, secret) in SECRETS.iter().filter(|(login, _)| *login != "8650") {
        assert!(logs_in(&gate, login, "0") && !logs_in(&gate, login, secret), "{login}");
    }
    let user6 = view.settings.user(UserId::new(6).unwrap());
    assert!(user6.active && user6.rights == Rights::NONE.with(Right::Read));
}

#[test]
fn b21_new_passwords_come_with_the_downgrade() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    change(&gate, "4.40.1");
    let choices = Choices { new_passwords: [account("USER1"), account("8650")].into(), ..Choices::default() };
    let new = [("USER1", "fresh1"), ("8650", "1357")];
    let (ticket, made) = accept(&gate, request(&gate, "4.0.9", choices), &new);
    gate.commit_change(NOW, &ticket, made).unwrap();
    let report = gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert!(report.as_planned, "{report:#?}");
    assert!(logs_in(&gate, "USER1", "fresh1") && !logs_in(&gate, "USER1", "0"));
    assert!(logs_in(&gate, "USER2", "0"));
}

#[test]
fn b26_a_cut_before_confirming_comes_up_old_and_after_it_new() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    let before = gate.view();
    count_energy(&gate, 100);
    let (ticket, made) = accept(&gate, request(&gate, "4.40.1", Choices::default()), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert_eq!(gate.view().release().release.as_str(), "4.40.1");
    count_energy(&gate, 50);
    // The process ends here, with the change on trial.
    drop(gate);
    let gate = open(dir.path(), None);
    let view = gate.view();
    assert_eq!(view.release().release.as_str(), "4.0.9");
    assert_eq!((&view.settings, view.energy.micro(EnergyRegister::WhDel)), (&before.settings, 150_000_000));
    assert!(logs_in(&gate, "USER1", "k1#pQz"));
    let events = gate.events(&Caller::meter(), 0, 1000).unwrap();
    assert!(events.iter().any(|event| event.effect.contains("the meter is back on 4.0.9")), "{events:#?}");

    assert!(change(&gate, "4.40.1").as_planned);
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(gate.view().release().release.as_str(), "4.40.1");
    assert!(logs_in(&gate, "USER1", "k1#pQz"));
}

#[test]
fn a_face_that_does_not_come_up_takes_the_change_back() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    let before = gate.view();
    let (ticket, made) = accept(&gate, request(&gate, "4.40.1", Choices::default()), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    let facing = Facing { failures: vec!["SFTP can't listen".to_owned()], ..Facing::default() };
    let report = gate.end_trial(NOW, &ticket, &facing).unwrap();
    assert_eq!((report.outcome, report.as_planned), (Outcome::TakenBack, false));
    assert_eq!(gate.view().settings, before.settings);
    assert_eq!(gate.view().release().release.as_str(), "4.0.9");
    assert!(logs_in(&gate, "USER1", "k1#pQz"));
}

#[test]
fn b25_a_plan_that_has_changed_since_does_nothing_and_shows_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    let request = request(&gate, "4.40.1", Choices::default());
    let accepted = gate.plan(NOW, &Caller::meter(), &request).unwrap();
    set(&gate, "Web Server", "no");
    let before = gate.view();
    let refused = gate.accept(NOW, &Caller::meter(), request, &accepted.digest).err().unwrap();
    let GateError::PlanChanged(now) = refused else { panic!("{refused}") };
    assert_ne!(now.digest, accepted.digest);
    assert_eq!(gate.view().settings, before.settings);
    assert_eq!(gate.view().release().release.as_str(), "4.0.9");
}

#[test]
fn settings_stand_still_while_a_change_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Advanced);
    let (ticket, made) = accept(&gate, request(&gate, "4.40.1", Choices::default()), &[]);
    let edit_now = || edit(&gate, vec![Edit::Register("CT Prim".to_owned(), "800".to_owned())]);
    assert!(matches!(edit_now(), Err(GateError::Changing)));
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert!(matches!(edit_now(), Err(GateError::Changing)));
    gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert!(edit_now().is_ok());
}

#[test]
fn b26_on_trial_nothing_is_changed_by_any_path() {
    use security::{Path, Who};
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let (ticket, made) = accept(&gate, request(&gate, "4.0.9", Choices::default()), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert!(gate.view().on_trial);
    let peer = "192.0.2.7:4711".parse().unwrap();
    let before = gate.view();
    for path in Path::ALL {
        let caller = Caller::on(path, Who::Standard, peer);
        let edits = vec![Edit::Register("CT Prim".to_owned(), "800".to_owned())];
        let refused = gate.apply(NOW, &caller, meter::ChangeSet { edits, force: false }).err();
        assert!(matches!(refused, Some(GateError::Changing | GateError::Refused(_))), "{path}: {refused:?}");
        if matches!(path, Path::Setup | Path::Telnet | Path::Ftp) {
            assert!(matches!(refused, Some(GateError::Changing)), "{path}: {refused:?}");
        }
    }
    let setup = Caller::on(Path::Setup, Who::Standard, peer);
    assert!(matches!(gate.reset_demand(NOW, &setup), Err(GateError::Changing)));
    assert!(matches!(gate.set_clock(NOW, &setup, NOW.utc_ms), Err(GateError::Changing)));
    assert_eq!(gate.view().settings, before.settings);
    gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert!(!gate.view().on_trial);
}

#[test]
fn b25_the_report_says_who_from_where_when_and_which_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    let report = change(&gate, "4.40.1");
    let about = &report.about;
    assert_eq!((about.serial.as_str(), about.path.as_str(), &about.peer), ("MW-2611A001-01", "meter", &None));
    let releases = [&about.from, &about.to].map(|release| release.as_ref().unwrap().to_string());
    assert_eq!(releases, ["4.0.9", "4.40.1"]);
    assert_eq!((about.begun_utc_ms, about.committed_utc_ms), (Some(NOW.utc_ms), Some(NOW.utc_ms)));
    let saved = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap().to_text();
    let digest = firmware::digest::Sha256Digest::of(saved.as_bytes()).to_string();
    assert_eq!(about.template.as_deref(), Some(digest.as_str()), "that of the file that `save` writes");
    change(&gate, "4.0.9");
    drop(gate);
    let kept = open(dir.path(), None).reports(NOW, &Caller::meter()).unwrap();
    assert_eq!((kept.len(), &kept[1]), (2, &report));
}

#[test]
fn b27_the_meter_itself_refuses_a_package_that_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let gate = legacy(dir.path(), Mode::Standard);
    let package = firmware::shipped().unwrap().pop().unwrap().bytes;
    let before = gate.view();
    for (what, bytes) in [
        ("altered", {
            let mut altered = package.clone();
            altered[package.len() / 2] ^= 1;
            altered
        }),
        ("cut off", package[..package.len() - 1].to_vec()),
        ("foreign", b"MZ\x90\x00 some other program".to_vec()),
        ("empty", Vec::new()),
    ] {
        let refused = gate.stage(NOW, &Caller::meter(), &bytes).err();
        assert!(matches!(refused, Some(GateError::Package(_))), "{what}: {refused:?}");
    }
    assert_eq!(gate.view().settings, before.settings);
}
