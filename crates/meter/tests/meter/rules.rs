//! The rules about security setup that go beyond a single access.

use crate::bench::*;
use meter::{Caller, ChangeSet, Edit, GateError, Now};
use security::{Account, Path, Right, Rights, UserId, Who};

fn user(number: u8) -> UserId {
    UserId::new(number).unwrap()
}

fn with_security(rights: &[Right]) -> Rights {
    rights.iter().copied().collect()
}

#[test]
fn b32_advanced_needs_somebody_who_can_edit_security_with_a_password_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let advanced = || edit(&gate, vec![Edit::Register("Mode".into(), "advanced".into())]);
    assert!(matches!(advanced(), Err(GateError::NoAdvancedEditor)), "USER1 still has 0");
    set_password(&gate, "USER1", "abc123".get(..6).unwrap());
    assert!(advanced().is_ok());
    let standard = || edit(&gate, vec![Edit::Register("Mode".into(), "standard".into())]);
    assert!(matches!(standard(), Err(GateError::PanelPasswordZero)));
    set_password(&gate, "8650", "4711");
    assert!(standard().is_ok());
}

#[test]
fn b10_no_security_can_not_be_chosen_on_4_40_1_by_any_path() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let refused = edit(&gate, vec![Edit::Register("Mode".into(), "none".into())]).unwrap_err().to_string();
    assert_eq!(refused, "release 4.40.1 has no security mode \"none\": it offers standard and advanced");
    let template = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::Yes).unwrap();
    let text = template.to_text().replace("mode = \"standard\"", "mode = \"none\"");
    let file = framework::Dcf::parse(text.as_bytes()).unwrap();
    assert!(edit(&gate, vec![Edit::Template(Box::new(file))]).is_err());
}

#[test]
fn b19_a_user_may_change_its_own_rights_but_not_leave_nobody_to_edit_security() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set(&gate, "Mode", "advanced");
    let caller = Caller::on(security::Path::Setup, security::Who::User(user(1)), "127.0.0.1:9".parse().unwrap());
    let by_user1 = |edits, force| gate.apply(NOW, &caller, ChangeSet { edits, force });
    let own = |rights: &[Right]| vec![Edit::Rights(user(1), with_security(rights))];
    by_user1(own(&[Right::Read, Right::SecurityConfig]), false).unwrap();
    let rights = gate.view().settings.user(user(1)).rights;
    assert!(rights.has(Right::FullConfig), "Security Config brings Full Meter Config");
    for edits in [own(&[Right::Read]), vec![Edit::Active(user(1), false)], own(&[Right::SecurityConfig])] {
        assert!(matches!(by_user1(edits, false), Err(GateError::LastEditor)));
    }
    by_user1(own(&[Right::Read]), true).unwrap();
    assert!(!gate.view().settings.someone_can_edit_security());
}

#[test]
fn activating_a_user_needs_a_new_password() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let refused = edit(&gate, vec![Edit::Active(user(5), true)]).unwrap_err();
    assert_eq!(refused.to_string(), "USER5 has the factory password 0: give a new password to activate it");
    edit(&gate, vec![Edit::Password(account("USER5"), credential(&gate, "new5")), Edit::Active(user(5), true)])
        .unwrap();
    assert_eq!(gate.view().settings.user(user(5)), Account { active: true, rights: Rights::NONE });
}

#[test]
fn a_refused_change_changes_nothing_and_an_accepted_one_is_logged_without_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    let before = gate.view();
    let edits = vec![Edit::Register("CT Prim".into(), "800".into()), Edit::Register("Modbus Port".into(), "80".into())];
    let refused = edit(&gate, edits).unwrap_err().to_string();
    assert_eq!(refused, "Web server and Modbus can't share port 80");
    assert_eq!(gate.view().settings, before.settings);
    set_password(&gate, "USER2", "s3cr3t");
    set(&gate, "CT Prim", "800");
    let events = gate.events(&Caller::meter(), 0, 100).unwrap();
    let told = |cause: &str, effect: &str| events.iter().any(|event| event.cause == cause && event.effect == effect);
    assert!(told("Power Meter 1/CT Prim = 5", "800"), "{events:#?}");
    assert!(told("USER2", "new password"));
    assert!(!format!("{events:?}").contains("s3cr3t"));
}

#[test]
fn a_login_that_waited_while_its_password_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    set_password(&gate, "8650", "1111");
    let waiting = gate.begin_login(NOW, security::Path::Setup, "8650", None).unwrap();
    set_password(&gate, "8650", "2222");
    assert!(gate.finish_login(NOW, &waiting, security::Verdict::Right).is_err());
    let fresh = gate.begin_login(NOW, security::Path::Setup, "8650", None).unwrap();
    assert!(gate.finish_login(NOW, &fresh, security::Verdict::Right).is_ok());
}

/// The moment between a login and its session is as good as any to take the account away.
#[test]
fn a_login_opens_no_session_after_what_would_have_ended_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set_password(&gate, "USER3", "def");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB one";
    let key: security::PublicKey = key.parse().unwrap();
    let add = || Edit::AddKey(account("USER3"), key.clone());
    edit(&gate, vec![Edit::Active(user(3), true), add()]).unwrap();
    set(&gate, "Mode", "advanced");
    let path = security::Path::Ssh;
    let peer = "127.0.0.1:9".parse().unwrap();
    let by_password = || {
        let challenge = gate.begin_login(NOW, path, "USER3", Some(peer)).unwrap();
        gate.finish_login(NOW, &challenge, security::Verdict::Right).unwrap()
    };
    let by_key = || gate.login_with_key(NOW, path, "USER3", Some(peer), &key.fingerprint()).unwrap();
    let token = security::Token::new(&[7; 32]);
    let begins = |proved| gate.begin_session(NOW, &token, path, peer, proved);
    type Step<'a> = &'a dyn Fn();
    let changes: [(Step<'_>, Step<'_>); 3] = [
        (&|| set_password(&gate, "USER3", "ghi"), &|| ()),
        (&|| drop(edit(&gate, vec![Edit::RemoveKey(account("USER3"), key.fingerprint())]).unwrap()), &|| {
            drop(edit(&gate, vec![add()]).unwrap());
        }),
        (&|| drop(edit(&gate, vec![Edit::Active(user(3), false)]).unwrap()), &|| {
            drop(edit(&gate, vec![Edit::Active(user(3), true), add()]).unwrap());
        }),
    ];
    // Other settings end nobody's login.
    let proved = by_password();
    set(&gate, "CT Prim", "800");
    begins(proved).unwrap();
    gate.close_session(NOW, &token);
    for (change, back) in changes {
        for proved in [by_password(), by_key()] {
            begins(proved).unwrap();
            gate.close_session(NOW, &token);
        }
        let proved = [by_password(), by_key()];
        change();
        for proved in proved {
            assert!(matches!(begins(proved), Err(GateError::Refused(security::Refusal::SessionOver))));
            assert!(!gate.holds_session(NOW, &token));
        }
        back();
    }
}

#[test]
fn what_a_session_began_is_refused_once_the_session_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let token = security::Token::new(&[7; 32]);
    let peer = "127.0.0.1:9".parse().unwrap();
    gate.open_session(NOW, &token, &Caller::on(security::Path::Setup, security::Who::Standard, peer));
    let caller = Caller::in_session(&gate.session(NOW, &token).unwrap());
    let owner = |value: &str| {
        let edits = vec![Edit::Register("Owner".into(), value.into())];
        gate.apply(NOW, &caller, ChangeSet { edits, force: false })
    };
    assert!(owner("me").is_ok());
    set_password(&gate, "8650", "4711");
    let refused = owner("an intruder").unwrap_err();
    assert_eq!(refused.to_string(), "this session is over: log in again");
    assert!(refused.wants_login());
}

#[test]
fn relinking_takes_full_meter_config_and_is_logged_whatever_else_a_template_changes() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let text = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap().to_text();
    let text = text
        .replace("Owner = \"\"", "Owner = \"me\"")
        .replace("Integrand = \"Power Meter 1/kW tot\"", "Integrand = \"Power Meter 1/kVA tot\"");
    let file = framework::Dcf::parse(text.as_bytes()).unwrap();
    edit(&gate, vec![Edit::Template(Box::new(file))]).unwrap();
    let events = gate.events(&Caller::meter(), 0, 100).unwrap();
    assert!(events.iter().any(|event| event.cause == "Factory 1/Owner = "), "{events:#?}");
    let linked = "Integrator 1/Integrand link = Power Meter 1/kW tot";
    assert!(events.iter().any(|event| event.cause == linked && event.effect == "Power Meter 1/kVA tot"), "{events:#?}");
}

#[test]
fn b31_planning_and_changing_take_security_config() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    let request = request(&gate, "4.40.1", firmware::Choices::default());
    let digest = gate.plan(NOW, &Caller::meter(), &request).unwrap().digest;
    let package = firmware::shipped().unwrap().pop().unwrap().bytes;
    let peer = "127.0.0.1:9".parse().unwrap();
    let nobody = Caller::on(security::Path::Setup, security::Who::Nobody, peer);
    set_password(&gate, "USER1", "one1");
    set(&gate, "Mode", "advanced");
    let reader = Caller::on(security::Path::Setup, security::Who::User(user(2)), peer);
    for caller in [nobody, reader] {
        assert!(matches!(gate.stage(NOW, &caller, &package), Err(GateError::Refused(_))));
        assert!(matches!(gate.plan(NOW, &caller, &request), Err(GateError::Refused(_))));
        assert!(matches!(gate.accept(NOW, &caller, request.clone(), &digest), Err(GateError::Refused(_))));
    }
    let editor = Caller::on(security::Path::Setup, security::Who::User(user(1)), peer);
    assert!(gate.plan(NOW, &editor, &request).is_ok());
}

#[test]
fn b25_no_plan_is_shown_that_could_not_be_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    set(&gate, "Modbus Port", "22");
    let request = request(&gate, "4.40.1", firmware::Choices::default());
    let refused = gate.plan(NOW, &Caller::meter(), &request).unwrap_err().to_string();
    assert_eq!(refused, "SFTP and Modbus can't share port 22");
}

#[test]
fn the_clock_is_set_within_reason_by_whoever_may_and_stays_set_when_the_power_goes() {
    let dir = tempfile::tempdir().unwrap();
    let peer = "127.0.0.1:9".parse().unwrap();
    let standard = Caller::on(Path::Ssh, Who::Standard, peer);
    let later = |ms| Now { utc_ms: NOW.utc_ms + ms, up_ms: NOW.up_ms + ms };
    {
        let gate = open(dir.path(), Some("4.40.1"));
        assert_eq!(gate.meter_time(NOW), NOW);
        for utc_ms in [0, i64::MIN, i64::MAX, 4_102_444_800_000] {
            let refused = gate.set_clock(NOW, &standard, utc_ms);
            assert!(matches!(refused, Err(GateError::ClockRange)), "{utc_ms}: {refused:?}");
        }
        let nobody = Caller::on(Path::Ssh, Who::Nobody, peer);
        assert!(matches!(gate.set_clock(NOW, &nobody, NOW.utc_ms), Err(GateError::Refused(_))));
        gate.set_clock(NOW, &standard, NOW.utc_ms + 90_000).unwrap();
        gate.set_clock(later(10), &standard, NOW.utc_ms + 60_000).unwrap();
        assert_eq!(gate.meter_time(later(10)), Now { utc_ms: NOW.utc_ms + 60_000, up_ms: 10 });
        let events = gate.events(&Caller::meter(), 0, 100).unwrap();
        let last = events.last().unwrap();
        assert_eq!(
            (last.cause.as_str(), last.effect.as_str()),
            ("Clock 1/UNIX Time = 1767225690.010 from 127.0.0.1", "1767225660.000")
        );
        assert_eq!((last.user.as_str(), last.priority, last.utc_ms), ("8650", 10, NOW.utc_ms + 90_010));
    }
    let gate = open(dir.path(), None);
    assert_eq!(gate.ahead_ms(), 59_990);
    let power_up = gate.events(&Caller::meter(), 0, 100).unwrap().pop().unwrap();
    assert_eq!((power_up.cause.as_str(), power_up.utc_ms), ("power", NOW.utc_ms + 59_990));
}

#[test]
fn a_template_without_security_shows_none_of_its_registers_and_changes_none() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "one1");
    set_password(&gate, "USER3", "two2");
    let rights = security::Rights::NONE.with(Right::Read).with(Right::FullConfig);
    edit(&gate, vec![Edit::Active(user(3), true), Edit::Rights(user(3), rights)]).unwrap();
    for (register, value) in
        [("Mode", "advanced"), ("Event Log Controller 1/Depth", "777"), ("Host Name", "substation-7"), ("Owner", "me")]
    {
        set(&gate, register, value);
    }
    let who = security::Who::User(user(3));
    let caller = Caller::on(security::Path::Setup, who, "127.0.0.1:9".parse().unwrap());
    let text = gate.template(NOW, &caller, firmware::WithSecurity::No).unwrap().to_text();
    for hidden in ["Cutoff", "Syslog", "777", "Host Name", "substation-7", "[security]"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let load = |text: &str| {
        let file = Box::new(framework::Dcf::parse(text.as_bytes()).unwrap());
        gate.apply(NOW, &caller, ChangeSet { edits: vec![Edit::Template(file)], force: false })
    };
    let before = gate.view().settings.clone();
    assert_eq!(load(&text).unwrap(), meter::Edited::default());
    let owner = "Factory 1/Owner".to_owned();
    let done = load(&text.replace("Owner = \"me\"", "Owner = \"you\"")).unwrap().registers;
    assert_eq!(done, [(owner, "me".to_owned(), "you".to_owned())]);
    let kept = |settings: &firmware::Settings| {
        let of = |name: &str| settings.template.get(&name.parse().unwrap()).cloned();
        (of("Event Log Controller 1/Depth"), of("Event Log Controller 1/Syslog"), of("Ethernet 1/Host Name"))
    };
    assert_eq!(kept(&gate.view().settings), kept(&before));
    // Whoever names one, with the meter's own value or another, changes security.
    for depth in [777, 778] {
        let named = format!("{text}\n[modules.\"Event Log Controller 1\".setup]\nDepth = {depth}\n");
        let named = named.replacen("[modules.\"Event Log Controller 1\"]\n", "", 1);
        let refused = load(&named).unwrap_err();
        assert!(
            matches!(refused, GateError::Refused(security::Refusal::RightMissing(Right::SecurityConfig))),
            "{refused}"
        );
    }
    let all = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::Yes).unwrap().to_text();
    assert!(all.contains("Depth = 777") && all.contains("substation-7"), "{all}");
}
