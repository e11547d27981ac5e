use firmware::{Choices, Kind, Severity};
use security::{AccountId, UserId};
use setup::{Bundle, HashCheck, Prepared, Sending};

use super::*;

async fn prepared(client: &mut Client, to: &str, choices: Choices) -> Prepared {
    let bundle = Bundle::open(to, HashCheck::Beside).unwrap();
    client.prepare(&bundle, choices, |_| {}).await.unwrap()
}

fn user(number: u8) -> AccountId {
    AccountId::User(UserId::new(number).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn b16_b21_there_and_back_as_planned_with_every_login_as_the_plan_said() {
    let meter = Meter::advanced("4.0.9").await;
    let mut client = meter.login(Some("USER1"), "abc1").await;
    let up = prepared(&mut client, "4.40.1", Choices::default()).await;
    assert_eq!((up.plan.from.as_str(), up.plan.to.as_str(), up.plan.accepted), ("4.0.9", "4.40.1", false));
    assert_eq!(up.unknown_notices, Vec::<String>::new());
    let done = client.carry_out(&up, &up.plan.digest, &[]).await.unwrap();
    assert!(done.report.as_planned && done.plan.accepted, "{:?}", done.report);
    assert_eq!((done.report.hash_check.as_str(), done.report.user.as_str()), ("built into this Setup", "USER1"));
    assert!(!client.logged_in(), "every session ends with the release");
    for (name, typed) in [("USER1", "abc1"), ("USER2", "abc2")] {
        meter.login(Some(name), typed).await;
    }
    assert_eq!(failed(meter.client().await.login(Some("8650"), &password("0")).await).0, 4);

    let mut client = meter.login(Some("USER1"), "abc1").await;
    assert_eq!(client.info().await.unwrap().release.as_str(), "4.40.1");
    let choices = Choices { new_passwords: [user(1)].into(), ..Choices::default() };
    let down = prepared(&mut client, "4.0.9", choices).await;
    let line = |account: &str| {
        down.plan.consequences.iter().find(|line| line.kind == Kind::Account && line.subject == account)
    };
    assert_eq!(line("USER2").map(|line| (line.after.as_str(), line.severity)), Some(("0", Severity::Danger)));
    let done = client.carry_out(&down, &down.plan.digest, &[(user(1), password("new1"))]).await.unwrap();
    assert!(done.report.as_planned, "{:?}", done.report);
    meter.login(Some("USER1"), "new1").await;
    meter.login(Some("USER2"), "0").await;
    assert_eq!(failed(meter.client().await.login(Some("USER2"), &password("abc2")).await).0, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn b25_a_plan_that_has_changed_since_is_not_carried_out_and_the_new_one_is_shown() {
    let meter = Meter::new("4.0.9").await;
    let mut client = meter.login(None, "0").await;
    let prepared = prepared(&mut client, "4.40.1", Choices::default()).await;
    client.set_security(&set(&[("Telnet", "no")], false)).await.unwrap();
    let error = client.carry_out(&prepared, &prepared.plan.digest, &[]).await.unwrap_err();
    assert_eq!(error.kind().status(), 6);
    let SetupError::PlanChanged(plan) = error else { panic!("{error}") };
    assert_ne!(plan.digest, prepared.plan.digest);
    assert_eq!(*plan, client.plan(&prepared.request).await.unwrap());
    assert_eq!(client.info().await.unwrap().release.as_str(), "4.0.9", "nothing was done");
    client.carry_out(&prepared, &plan.digest, &[]).await.unwrap();
    assert_eq!(client.info().await.unwrap().release.as_str(), "4.40.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn b21_new_passwords_are_those_of_the_plan_and_never_zero() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    let choices = Choices { new_passwords: [user(1)].into(), ..Choices::default() };
    let down = prepared(&mut client, "4.0.9", choices).await;
    let digest = &down.plan.digest;
    for given in [vec![], vec![(user(2), password("new2"))], vec![(user(1), password("a")), (user(2), password("b"))]] {
        let (status, message) = failed(client.carry_out(&down, digest, &given).await);
        assert_eq!((status, message.contains("accounts in the plan")), (1, true), "{message}");
    }
    for (typed, why) in [("0", "can't be the factory password"), ("sevenxx", "at most 6")] {
        let (status, message) = failed(client.carry_out(&down, digest, &[(user(1), password(typed))]).await);
        assert_eq!((status, message.contains(why)), (1, true), "{message}");
    }
    assert_eq!(client.info().await.unwrap().release.as_str(), "4.40.1", "nothing was done");
    client.set(&set(&[("PT Prim", "100")], false)).await.expect("settings may be changed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn b27_an_altered_truncated_or_foreign_package_is_refused_by_the_meter_itself() {
    let meter = Meter::new("4.0.9").await;
    let mut client = meter.login(None, "0").await;
    let whole = Bundle::open("4.40.1", HashCheck::Beside).unwrap().bytes().to_vec();
    let altered = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = whole.len() - 1;
    for bytes in [altered(0), altered(last / 2), altered(last), whole[..last].to_vec(), b"MZ".to_vec(), Vec::new()] {
        let (status, message) = failed(client.send_package(bytes.into(), "x.upg", |_| {}).await);
        assert_eq!(status, 3, "{message}");
    }
    // That nothing is no package needs no sending.
    let events = client.events(None, Some(5)).await.unwrap().events;
    let refused: Vec<_> = events.iter().filter(|event| event.effect.starts_with("refused")).collect();
    assert_eq!(refused.len(), 1, "the first is an event, the others of its minute are counted: {events:?}");
    let unknown =
        api::PlanRequest { package: "0".repeat(64), choices: Choices::default(), setup: setup::setup_version() };
    assert!(failed(client.plan(&unknown).await).1.contains("no staged package"));
}

#[tokio::test(flavor = "multi_thread")]
async fn b31_staging_and_planning_take_the_right_and_no_security_asks_nobody() {
    let meter = Meter::advanced("4.0.9").await;
    let mut reader = meter.login(Some("USER2"), "abc2").await;
    let bundle = Bundle::open("4.40.1", HashCheck::Beside).unwrap();
    assert_eq!(failed(reader.prepare(&bundle, Choices::default(), |_| {}).await).0, 4);

    let open = Meter::new("4.0.9").await;
    open.bench.set(&[("Mode", "none")]);
    let mut anyone = open.client().await;
    let up = prepared(&mut anyone, "4.40.1", Choices::default()).await;
    let done = anyone.carry_out(&up, &up.plan.digest, &[]).await.unwrap();
    assert!(done.report.as_planned, "{:?}", done.report);
    assert_eq!(anyone.info().await.unwrap().mode, security::Mode::Standard, "B10");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_tells_how_far_it_is() {
    let meter = Meter::new("4.0.9").await;
    let mut client = meter.login(None, "0").await;
    let bundle = Bundle::open("4.40.1", HashCheck::Beside).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let staged = client.stage(&bundle, move |sending| told.send(sending).unwrap()).await.unwrap();
    assert_eq!(staged.release.as_str(), "4.40.1");
    let total = bundle.bytes().len() as u64;
    let steps = heard.iter().map(|sending| match sending {
        Sending::Bytes(sent, of) => (sent, of),
        other => panic!("{other:?}"),
    });
    let steps: Vec<_> = steps.collect();
    assert_eq!(steps.last(), Some(&(total, total)));
    assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b27_keys_are_trusted_and_revoked_only_with_security_config() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.client().await;
    let secret = zeroize::Zeroizing::new([7; 32]);
    let key = firmware::package::SigningKey::from_random(&secret, "release desk").unwrap().public();
    let line = key.to_string();
    assert_eq!(failed(client.trust(&line).await).0, 4);
    client.login(None, &password("0")).await.unwrap();
    assert_eq!(client.trusted().await.unwrap().keys, []);
    let id = key.id().to_string();
    assert_eq!(client.trust(&line).await.unwrap().keys, [(id.clone(), "release desk".to_owned())]);
    assert_eq!(failed(client.trust("no key").await).0, 1);
    assert_eq!(client.revoke(&id).await.unwrap().keys, []);
    assert_eq!(failed(client.revoke(&id).await).0, 1);
}
