//! Who is let in.

use super::*;

#[tokio::test]
async fn b24_legacy_pages_take_a_login_and_say_the_same_to_an_unknown_user_and_a_wrong_password() {
    let bench = Bench::new("4.0.9");
    bench.set_password("8650", "4711").await;
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    let asked = client.get(OPERATION).await;
    assert_eq!(asked.status, 401);
    assert_eq!(asked.header("www-authenticate"), Some("Basic realm=\"8650 meter MW-2611A001-01\", charset=\"UTF-8\""));
    assert!(asked.body.contains("this takes the front-panel password"), "{}", asked.body);
    let wrong = client.get_as("8650", "4712", OPERATION).await;
    let unknown = client.get_as("admin", "4711", OPERATION).await;
    let user = client.get_as("USER1", "0", OPERATION).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("the user name or the password is wrong"), "{}", wrong.body);
    assert_eq!((&wrong.body, wrong.status), (&unknown.body, unknown.status));
    assert_eq!(wrong.body, user.body);
    for hidden in ["4.0.9", "a test", "2026"] {
        assert!(!asked.body.contains(hidden) && !wrong.body.contains(hidden), "{hidden} takes a login");
    }
    assert_eq!(client.get_as("8650", "4711", OPERATION).await.status, 200);
    assert_eq!(client.get(OPERATION).await.status, 401, "a login is for the request that carries it");
    assert_eq!(client.get_as("8650", "4711", "/readings.json").await.status, 404, "legacy has no such page");
}

#[tokio::test]
async fn a_polling_client_is_checked_and_logged_once_and_its_rights_are_decided_each_time() {
    let bench = Bench::new("4.0.9");
    advanced(&bench).await;
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    for _ in 0..5 {
        let answer = client.get_as("user02", "xyz", OPERATION).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("Logged in as USER2"));
    }
    assert_eq!(logins(&bench), 1);
    let user2 = Who::User(UserId::new(2).unwrap());
    assert_eq!(bench.site.connections.list().iter().map(|one| one.who).collect::<Vec<_>>(), [user2]);
    assert_eq!(client.get_as("USER2", "wrong", OPERATION).await.status, 401);
    assert_eq!(client.get_as("USER2", "xyz", OPERATION).await.status, 200, "but a good one goes on");

    let rights = vec![Edit::Rights(UserId::new(2).unwrap(), Rights::NONE)];
    let change = ChangeSet { edits: rights, force: false };
    bench.site.gate.apply(bench.site.now(), &Caller::meter(), change).unwrap();
    let refused = client.get_as("USER2", "xyz", OPERATION).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("this takes the right &quot;"), "{}", refused.body);

    assert_eq!(client.get_as("USER1", "abc", OPERATION).await.status, 200);
    bench.set_password("USER1", "cba").await;
    assert_eq!(client.get_as("USER1", "abc", OPERATION).await.status, 401, "a changed password holds at once");
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 401, "8650 is no login under Advanced");
}

#[tokio::test]
async fn b24_web_access_read_off_is_403_with_the_refusals_sentence_before_any_login() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Web Access Read", "no")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    for answer in [client.get(OPERATION).await, client.get_as("8650", "0", OPERATION).await] {
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("Web Access Read&quot; is off"), "{}", answer.body);
    }
    assert_eq!(logins(&bench), 0);
    bench.set(&[("Web Access Read", "yes")]);
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 200);
}

#[tokio::test]
async fn b9_without_security_legacy_pages_ask_for_nothing() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Mode", "none")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    assert_eq!(client.get(OPERATION).await.status, 200);
    assert_eq!(client.get_as("8650", "anything", OPERATION).await.status, 200);
    assert_eq!(logins(&bench), 0);
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_a_source_out_and_say_for_how_long() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Invalid Attempts", "2")]);
    let mut client = Client::connect(bench.serve(face()).await).await;
    for _ in 0..2 {
        assert_eq!(client.get_as("8650", "1", OPERATION).await.status, 401);
    }
    let locked = client.get_as("8650", "0", OPERATION).await;
    assert_eq!((locked.status, locked.header("retry-after")), (429, Some("900")));
    assert!(locked.body.contains("locked out here for another 15 min"), "{}", locked.body);
    bench.clock.advance_ms(15 * 60_000);
    assert_eq!(client.get_as("8650", "0", OPERATION).await.status, 200);
}
