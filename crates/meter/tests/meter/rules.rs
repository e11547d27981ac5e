//! The rules about security setup that go beyond a single access.

use crate::bench::*;
use meter::{Caller, ChangeSet, Edit, GateError};
use security::{Account, Right, Rights, UserId};

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
