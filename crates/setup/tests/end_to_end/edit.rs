use firmware::WithSecurity;
use security::{AccountId, Right, UserId};
use setup::Load;

use super::*;

fn user(number: u8) -> UserId {
    UserId::new(number).unwrap()
}

fn change(number: u8) -> api::UserRequest {
    api::UserRequest { user: user(number), active: None, rights: None, force: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_under_standard_reading_is_free_and_writing_takes_the_front_panel_password() {
    let meter = Meter::new("4.40.1").await;
    meter.bench.set_password("8650", "4711").await;
    let mut client = meter.client().await;
    let refused = client.set(&set(&[("PT Prim", "100")], false)).await.unwrap_err();
    assert!(refused.wants_login(), "{refused}");
    for (name, typed) in [(None, "0"), (Some("8650"), "47110"), (Some("USER1"), "0"), (Some("root"), "4711")] {
        let wrong = failed(client.login(name, &password(typed)).await);
        assert_eq!(wrong, (4, "the user name or the password is wrong".to_owned()), "{name:?}");
    }
    client.login(None, &password("4711")).await.unwrap();
    let done = client.set(&set(&[("pt prim", "100"), ("CT Prim", "800")], false)).await.unwrap();
    let changed: Vec<_> = done.changed.iter().map(|one| (one.register.as_str(), one.after.as_str())).collect();
    assert_eq!(changed, [("Power Meter 1/CT Prim", "800"), ("Power Meter 1/PT Prim", "100")]);
    let refused = failed(client.set(&set(&[("PT Prim", "200"), ("CT Prim", "-1")], false)).await);
    assert_eq!(refused.0, 1);
    let ratio = client.registers(&["PT Prim"]).await.unwrap();
    assert_eq!(ratio.registers[0].1.value.as_f64(), Some(100.0), "all or nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_right_is_told_which_one() {
    let meter = Meter::advanced("4.40.1").await;
    let mut reader = meter.login(Some("USER2"), "abc2").await;
    let (status, message) = failed(reader.set(&set(&[("PT Prim", "100")], false)).await);
    assert_eq!(status, 4);
    assert!(message.contains("Full Meter Config"), "{message}");
    let (status, message) = failed(reader.set_password(AccountId::User(user(2)), &password("abc3")).await);
    assert_eq!((status, message.contains("Security Config")), (4, true), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_activated_only_with_a_password_of_its_own() {
    let meter = Meter::advanced("4.40.1").await;
    let mut owner = meter.login(Some("USER1"), "abc1").await;
    let wish =
        api::UserRequest { active: Some(true), rights: Some(vec![Right::Read, Right::SecurityConfig]), ..change(5) };
    for refused in [owner.set_user(&wish, None).await, owner.set_user(&wish, Some(&password("0"))).await] {
        let (status, message) = failed(refused);
        assert_eq!((status, message.contains("factory password 0")), (1, true), "{message}");
    }
    assert!(failed(owner.set_user(&wish, Some(&password("toolong"))).await).1.contains("at most 6"));
    let done = owner.set_user(&wish, Some(&password("new5"))).await.unwrap();
    assert_eq!(done.passwords, ["USER5"]);
    let user5 = owner.users().await.unwrap().into_iter().find(|one| one.user == user(5)).unwrap();
    assert!(user5.active && user5.rights.contains(&Right::FullConfig), "Security Config brings it along");
    meter.login(Some("USER5"), "new5").await.users().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b19_the_last_account_that_can_edit_security_goes_only_by_force() {
    let meter = Meter::advanced("4.40.1").await;
    let mut owner = meter.login(Some("USER1"), "abc1").await;
    let template = owner.template(WithSecurity::Yes).await.unwrap();
    let wish = api::UserRequest { rights: Some(vec![Right::Read]), ..change(1) };
    let (status, message) = failed(owner.set_user(&wish, None).await);
    assert_eq!(status, 1);
    assert!(message.contains("only a reset at the meter"), "{message}");
    let by_register = set(&[("Security User 1/Active", "no")], false);
    assert_eq!(failed(owner.set(&by_register).await).1, message);
    let by_file = template.replace("\"security-config\"", "\"test-mode\"");
    assert_ne!(by_file, template);
    assert_eq!(failed(owner.load_template(&by_file, Load::Apply).await).1, message);
    owner.set_user(&api::UserRequest { force: true, ..wish }, None).await.unwrap();
    assert_eq!(failed(owner.users().await).0, 4, "it has given the right away");
}

#[tokio::test(flavor = "multi_thread")]
async fn b32_advanced_needs_an_editor_and_standard_a_front_panel_password() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    let (status, message) = failed(client.set_security(&set(&[("Mode", "advanced")], false)).await);
    assert_eq!(status, 1);
    assert!(message.contains("Security Config and a password other than 0"), "{message}");
    client.set_password(AccountId::User(user(1)), &password("abc1")).await.unwrap();
    let done = client.set_security(&set(&[("Mode", "advanced")], false)).await.unwrap();
    // B9: what still shows without a login is listed.
    assert!(
        done.dangers.iter().any(|danger| danger.text.contains("Without a login") && danger.text.contains("modbus")),
        "{done:?}"
    );
    assert!(client.info().await.unwrap_err().wants_login(), "the session has ended with the mode");
    client.login(Some("USER1"), &password("abc1")).await.unwrap();
    let (_, message) = failed(client.set_security(&set(&[("Mode", "standard")], false)).await);
    assert!(message.contains("front-panel password other than 0"), "{message}");
    let (_, message) = failed(client.set_security(&set(&[("Mode", "none")], false)).await);
    assert!(message.contains("none"), "B10: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_the_pages_are_listed_among_what_advanced_still_shows_if_they_are_on() {
    let meter = Meter::new("4.40.1").await;
    meter.bench.set_password("USER1", "abc1").await;
    let mut client = meter.login(None, "0").await;
    let done = client.set_security(&set(&[("Web Server", "yes"), ("Mode", "advanced")], false)).await.unwrap();
    assert!(done.dangers.iter().any(|danger| danger.text.contains("web (")), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b30_legacy_says_that_passwords_lie_and_travel_in_the_clear() {
    let meter = Meter::new("4.0.9").await;
    let mut client = meter.login(None, "0").await;
    let done = client.set_password(AccountId::FrontPanel, &password("4711")).await.unwrap();
    let said: String = done.dangers.iter().map(|danger| danger.text.as_str()).collect();
    assert!(said.contains("keeps passwords readable") && said.contains("Telnet") && said.contains("FTP"), "{said}");
    assert!(!said.contains("4711"));
    assert!(failed(client.info().await).1.contains("log in again"), "a new password ends the old one's sessions");
    assert_eq!(failed(client.login(None, &password("0")).await).0, 4);
    client.login(None, &password("4711")).await.unwrap();
    let quiet =
        client.set_security(&set(&[("Telnet", "no"), ("FTP", "no"), ("Web Server", "no")], false)).await.unwrap();
    assert_eq!((quiet.dangers.len(), quiet.remarks.len()), (0, 0), "{quiet:?}");
    let loud = client.set_security(&set(&[("Telnet", "yes")], false)).await.unwrap();
    let said: Vec<_> = loud.dangers.iter().map(|danger| danger.text.as_str()).collect();
    assert_eq!(said, ["Passwords cross the network in the clear over Telnet."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_can_be_looked_at_before_it_is_loaded() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    let old = client.template(WithSecurity::No).await.unwrap();
    client.set(&set(&[("CT Prim", "800")], false)).await.unwrap();
    let new = client.template(WithSecurity::No).await.unwrap();
    let seen = client.load_template(&old, Load::Preview).await.unwrap();
    assert_eq!((seen.changed[0].before.as_str(), seen.changed.len()), ("800", 1));
    assert_eq!(client.template(WithSecurity::No).await.unwrap(), new, "nothing was done");
    assert_eq!(client.load_template(&old, Load::Apply).await.unwrap(), seen);
    assert_eq!(client.template(WithSecurity::No).await.unwrap(), old);
    assert!(failed(client.load_template("format = 1", Load::Apply).await).1.contains("not a template"));
    client.logout().await.unwrap();
    assert_eq!(failed(client.load_template(&new, Load::Preview).await).0, 4, "who may not change may not preview");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_used_it_for_its_time() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.client().await;
    let opened = client.login(None, &password("0")).await.unwrap();
    assert_eq!((opened.user.as_str(), opened.timeout_minutes), ("8650", 15));
    meter.bench.clock.advance_ms(14 * 60_000);
    client.users().await.unwrap();
    meter.bench.clock.advance_ms(15 * 60_000 + 1);
    let over = client.users().await.unwrap_err();
    assert!(over.wants_login() && over.kind().status() == 4, "{over}");
}
