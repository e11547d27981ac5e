//! What the protocol's outer skin must survive: any bytes at any route. What the routes do is tested from
//! the client's side, in `setup`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use api::login;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use framework::modules::security_options::Service;
use http_body_util::BodyExt;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use meter::{Caller, ChangeSet, Edit, GateError};
use proptest::prelude::*;
use security::{AccountId, Credential, Password, Path, Token, Who};
use tokio::runtime::Runtime;

use super::{Connection, router};
use crate::testbed::Bench;

const ROUTES: [&str; 22] = [
    api::routes::INFO,
    api::routes::SESSION,
    api::routes::REGISTERS,
    api::routes::SET,
    api::routes::USERS,
    api::routes::SECURITY,
    api::routes::PASSWORD,
    api::routes::EVENTS,
    api::routes::CONNECTIONS,
    api::routes::SESSIONS,
    api::routes::LOCKOUTS,
    api::routes::TEMPLATE,
    api::routes::BACKUP,
    api::routes::PACKAGES,
    api::routes::PACKAGE_BYTES,
    api::routes::PACKAGE_FINISH,
    api::routes::PLAN,
    api::routes::CHANGE,
    api::routes::FLOOR,
    api::routes::REPORTS,
    api::routes::SCHEDULE,
    api::routes::TRUST,
];

struct Desk {
    runtime: Runtime,
    service: TowerToHyperService<axum::Router>,
    token: Token,
    bench: Bench,
}

impl Desk {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bench = Bench::new("4.40.1");
        let peer = "127.0.0.1:9".parse().unwrap();
        let site = Arc::clone(&bench.site);
        let token = site.open_session(&Caller::on(Path::Setup, Who::Standard, peer));
        let entry = site.connections.enter(Service::Setup, peer, site.now());
        let connection = Connection { site, peer, entry };
        Self { runtime, service: TowerToHyperService::new(router(Arc::new(connection))), token, bench }
    }

    fn ask(&self, request: Request<Body>) -> StatusCode {
        self.runtime.block_on(self.service.call(request)).unwrap().status()
    }

    /// What is answered to whoever has this token.
    fn answer<T: serde::de::DeserializeOwned>(&self, method: Method, route: &str, token: &Token, body: Body) -> T {
        let session = login::session(token);
        let request = Request::builder().method(method).uri(route).header(login::AUTHORIZATION, session.as_str());
        let answer = self.runtime.block_on(async {
            let answer = self.service.call(request.body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{route}");
            answer.into_body().collect().await.unwrap().to_bytes()
        });
        serde_json::from_slice(&answer).unwrap()
    }

    fn package(&self, release: &str) -> Vec<u8> {
        let shipped = self.bench.site.gate.shipped();
        shipped.iter().find(|it| it.carried.release.release.to_string() == release).unwrap().bytes.clone()
    }
}

/// Documents that look like the protocol's own, and others.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("user".to_owned()),
        Just("USER3".to_owned()),
        Just("Mode".to_owned()),
        Just("advanced".to_owned()),
        Just("none".to_owned()),
        Just("PT Prim".to_owned()),
        Just("8650".to_owned()),
        "\\PC{0,8}",
        "[0-9.-]{1,6}",
    ];
    let near = (word.clone(), word.clone(), any::<bool>(), word.clone()).prop_map(|(one, two, flag, three)| {
        let choices = if flag { serde_json::json!({}) } else { serde_json::json!({ "template": { "file": one } }) };
        serde_json::json!({
            "changes": [[one, two]], "force": flag, "user": "USER3", "active": flag, "rights": [three],
            "account": three, "package": "00", "choices": choices, "setup": two, "plan": {"package": one, "setup": "3.2"},
            "accept": two, "hash_check": three,
        })
        .to_string()
        .into_bytes()
    });
    prop_oneof![
        2 => near,
        1 => (word.clone(), word).prop_map(|(key, value)| serde_json::json!({ key: [value, null, 1e308] }).to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => (1..3000_usize).prop_map(|deep| "[".repeat(deep).into_bytes()),
    ]
}

#[test]
fn no_route_breaks_down_on_any_request() {
    let desk = Desk::new();
    let seen = RefCell::new(BTreeSet::new());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    let authorization = login::session(&desk.token);
    let header = prop_oneof![
        4 => Just(Some(authorization.as_bytes().to_vec())),
        1 => Just(None),
        1 => prop::collection::vec(32..127_u8, 0..40).prop_map(Some),
    ];
    let method = prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::DELETE), Just(Method::PUT)];
    let query = prop_oneof![
        Just(String::new()),
        "\\?(register|from|limit|dry|force|key|security|upload|offset|package)=[a-z0-9%+&=]{0,12}"
    ];
    let new_password = prop::option::of(prop::collection::vec(32..127_u8, 0..40));
    let request = (prop::sample::select(&ROUTES[..]), method, query, header, new_password, document());
    runner
        .run(&request, |(route, method, query, header, new_password, body)| {
            // The session goes on: whatever came after its end would be refused for that alone.
            prop_assume!(method != Method::DELETE || route != api::routes::SESSION);
            let mut request = Request::builder().method(method).uri(format!("{route}{query}"));
            if let Some(header) = header {
                request = request.header(login::AUTHORIZATION, header);
            }
            if let Some(header) = new_password {
                request = request.header(login::NEW_PASSWORD, header);
            }
            let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
            let status = desk.ask(request);
            prop_assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
            seen.borrow_mut().insert(status.as_u16());
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    assert!(
        [200, 400, 401, 422].iter().all(|status| seen.contains(status)),
        "requests of every fate were made: {seen:?}"
    );
}

#[test]
fn what_is_asked_wrongly_has_the_status_that_says_so() {
    let desk = Desk::new();
    let post = |path: &str, authorization: Option<&str>, body: &str| {
        let mut request = Request::post(path);
        if let Some(header) = authorization {
            request = request.header(login::AUTHORIZATION, header);
        }
        desk.ask(request.body(Body::from(body.to_owned())).unwrap())
    };
    let session = login::session(&desk.token);
    let over = login::session(&Token::new(&[1; Token::BYTES]));
    let set = r#"{"changes":[["PT Prim","100"]]}"#;
    assert_eq!(post(api::routes::SET, Some(&session), set), StatusCode::OK);
    assert_eq!(post(api::routes::SET, None, set), StatusCode::UNAUTHORIZED);
    assert_eq!(post(api::routes::SET, Some(&over), set), StatusCode::UNAUTHORIZED);
    assert_eq!(post(api::routes::SET, Some("Bearer x"), set), StatusCode::BAD_REQUEST);
    assert_eq!(post(api::routes::SET, Some(&session), "{"), StatusCode::BAD_REQUEST);
    assert_eq!(
        post(api::routes::SET, Some(&session), r#"{"changes":[["PT Prim","x"]]}"#),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let announced = r#"{"package":"00","bytes":7,"name":"x"}"#;
    assert_eq!(post(api::routes::PACKAGES, Some(&session), announced), StatusCode::SERVICE_UNAVAILABLE);
    let bytes = |query: &str| post(&format!("{}{query}", api::routes::PACKAGE_BYTES), Some(&session), "bytes");
    assert_eq!(bytes("?upload=7&offset=0"), StatusCode::CONFLICT);
    assert_eq!(bytes(&format!("?upload=7&offset={}", u64::MAX)), StatusCode::CONFLICT);
    assert_eq!(bytes("?upload=7"), StatusCode::BAD_REQUEST);
    assert_eq!(bytes("?offset=0&upload=-1"), StatusCode::BAD_REQUEST);
    assert_eq!(post("/v2/info", Some(&session), ""), StatusCode::NOT_FOUND);
    assert_eq!(post(api::routes::SESSION, None, ""), StatusCode::UNAUTHORIZED);
}

#[test]
fn of_what_may_be_long_nothing_is_read_before_the_right_is_asked() {
    let desk = Desk::new();
    let session = login::session(&desk.token);
    for route in [
        api::routes::PLAN,
        api::routes::CHANGE,
        api::routes::SCHEDULE,
        api::routes::TEMPLATE,
        api::routes::SECURITY_FILE,
    ] {
        let ask = |authorization: Option<&str>| {
            let mut request = Request::post(route);
            if let Some(header) = authorization {
                request = request.header(login::AUTHORIZATION, header);
            }
            desk.ask(request.body(Body::from("{")).unwrap())
        };
        assert_eq!(ask(None), StatusCode::UNAUTHORIZED, "{route}");
        assert!(matches!(ask(Some(&session)).as_u16(), 400 | 422), "{route}");
    }
}

#[test]
fn the_package_that_runs_is_on_trial_while_it_is_and_never_again() {
    let desk = Desk::new();
    let (site, bytes, caller) = (&desk.bench.site, desk.package("4.0.9"), Caller::meter());
    let package = site.gate.stage(site.now(), &caller, &bytes).unwrap().package;
    let setup = "3.2.30377.02".parse().unwrap();
    let choices = firmware::Choices::default();
    let request = meter::Request { package: package.clone(), choices, setup, hash_check: String::new() };
    let digest = site.gate.plan(site.now(), &caller, &request).unwrap().digest;
    let used = || {
        let token = site.open_session(&Caller::on(Path::Setup, Who::Standard, "127.0.0.1:9".parse().unwrap()));
        let listed: api::Packages = desk.answer(Method::GET, api::routes::PACKAGES, &token, Body::empty());
        listed.packages.into_iter().filter(|one| one.package == package).map(|one| one.used).collect::<Vec<_>>()
    };
    assert_eq!(used(), [api::Use::Waiting]);
    let change = crate::change::carry_through(Arc::clone(site), caller, request, digest, Vec::new());
    let change = desk.runtime.spawn(change);
    while !site.view().on_trial {
        assert!(!change.is_finished());
        std::thread::yield_now();
    }
    assert_eq!(used(), [api::Use::OnTrial]);
    let done = desk.runtime.block_on(async {
        desk.bench.goes_on();
        change.await.unwrap()
    });
    assert_eq!(done.unwrap().1.outcome, firmware::report::Outcome::Confirmed);
    assert_eq!(used(), [api::Use::Running]);
    site.gate.stage(site.now(), &caller, &bytes).unwrap();
    assert_eq!(used(), [api::Use::Running], "staged again");
}

#[test]
fn b16_a_password_made_for_another_release_is_not_stored() {
    let bench = Bench::new("4.40.1");
    let readable = Credential::readable(Password::new("abc1").unwrap()).unwrap();
    let edits = vec![Edit::Password(AccountId::FrontPanel, readable)];
    let refused = bench.site.gate.apply(bench.site.now(), &Caller::meter(), ChangeSet { edits, force: false });
    assert!(matches!(refused, Err(GateError::Changing)), "{refused:?}");
}

#[test]
fn the_exchange_that_a_quantum_computer_does_not_undo_comes_first() {
    let config = super::tls(&crate::Keys::new("MW-2611A001-01").unwrap()).unwrap();
    assert_eq!(config.crypto_provider().kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
}
