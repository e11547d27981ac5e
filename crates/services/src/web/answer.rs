//! From a request to its answer: which page, for whom, with which status. Whether somebody may read is
//! the view's to decide; here it only becomes a status and a page with the refusal's own sentence.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use firmware::WebPages;
use meter::{Denied, View};
use security::{Ask, Path, Refusal, Who};
use tokio::sync::watch;

use super::login::{Remembered, challenge};
use super::{page, quantities};
use crate::Site;
use crate::connections::Entry;

/// The page that every release has, under the name that programs know.
pub(super) const OPERATION: &str = "/Operation.html";
/// The same readings for programs, on releases that ask for no login.
pub(super) const READINGS: &str = "/readings.json";

/// All that is served is read, so this is all that is allowed.
const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Seconds after which a busy meter is worth another try: its queue is worked off by then.
const BUSY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// One connection, as its requests see it.
pub(super) struct Visit {
    site: Arc<Site>,
    peer: SocketAddr,
    entry: Entry,
    remembered: Remembered,
    asked: watch::Sender<()>,
}

impl Visit {
    /// `asked` is told of each request.
    pub fn new(site: Arc<Site>, peer: SocketAddr, entry: Entry, asked: watch::Sender<()>) -> Arc<Self> {
        Arc::new(Self { site, peer, entry, remembered: Remembered::default(), asked })
    }

    /// The meter as of now, for a request that may read it, and who sent it.
    async fn admit(&self, headers: &HeaderMap) -> Result<(Arc<View>, Who), Refused> {
        self.entry.used(self.site.now());
        let view = self.site.view();
        // Most ask nobody who they are; and a login is not even looked at where it couldn't help.
        match view.may(Path::Web, Who::Nobody, Ask::Read) {
            Ok(()) => return Ok((view, Who::Nobody)),
            Err(refusal) if refusal.wants_login() => {}
            Err(refusal) => return Err(refusal.into()),
        }
        let who = self.remembered.who(&self.site, self.peer, &self.entry, headers).await?;
        let view = self.site.view();
        view.may(Path::Web, who, Ask::Read)?;
        Ok((view, who))
    }

    fn refuse(&self, refused: &Refused) -> Response {
        let (status, title) = refused.status();
        let mut answer = notice(&self.site.view(), status, title, &refused.to_string());
        match status {
            StatusCode::UNAUTHORIZED => {
                let serial = &self.site.view().identity.serial;
                answer.headers_mut().insert(WWW_AUTHENTICATE, challenge(serial));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                if let Refused::Login(Denied::Locked(locked)) = refused {
                    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(locked.minutes_left * 60));
                }
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                answer.headers_mut().insert(RETRY_AFTER, BUSY_SECONDS);
            }
            _ => {}
        }
        answer
    }
}

/// Why a page isn't shown, in the words of whoever decided.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Decision(#[from] Refusal),
    #[error(transparent)]
    Login(#[from] Denied),
}

impl Refused {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Decision(refusal) if refusal.wants_login() => (StatusCode::UNAUTHORIZED, "Login needed"),
            Self::Decision(_) => (StatusCode::FORBIDDEN, "Not allowed"),
            Self::Login(Denied::Verdict(_)) => (StatusCode::UNAUTHORIZED, "Login refused"),
            Self::Login(Denied::Locked(_)) => (StatusCode::TOO_MANY_REQUESTS, "Locked out"),
            Self::Login(Denied::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            Self::Login(Denied::Failed(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "Failed"),
        }
    }
}

/// The pages, for one connection.
pub(super) fn router(visit: Arc<Visit>) -> Router {
    Router::new()
        .route("/", get(home))
        .route(OPERATION, get(operation))
        .route(READINGS, get(readings))
        .fallback(nothing_here)
        .layer(from_fn_with_state(Arc::clone(&visit), guard))
        .with_state(visit)
}

/// Around every request: no method gets past here that could ask for a change (B14), and no answer leaves
/// without the headers that keep it out of caches and foreign pages.
async fn guard(State(visit): State<Arc<Visit>>, request: Request, next: Next) -> Response {
    visit.asked.send_replace(());
    let mut answer = if matches!(*request.method(), Method::GET | Method::HEAD) {
        next.run(request).await
    } else {
        let mut refused = method_refused(&visit.site.view());
        refused.headers_mut().insert(ALLOW, READING);
        refused
    };
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Nothing is loaded, run, framed or sent; the one style sheet in the page is let in by its digest.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = page::style_digest();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

async fn home() -> Redirect {
    Redirect::temporary(OPERATION)
}

async fn operation(State(visit): State<Arc<Visit>>, headers: HeaderMap) -> Response {
    match visit.admit(&headers).await {
        Ok((view, who)) => Html(page::operation(&view, who).into_string()).into_response(),
        Err(refused) => visit.refuse(&refused),
    }
}

async fn readings(State(visit): State<Arc<Visit>>, headers: HeaderMap) -> Response {
    if visit.site.view().release().web_pages != WebPages::ReadOnly {
        return no_page(&visit.site.view());
    }
    match visit.admit(&headers).await {
        Ok((view, _)) => match serde_json::to_string(&quantities::Document(&view)) {
            Ok(json) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
            Err(error) => {
                let sentence = format!("the readings can't be written: {error}");
                notice(&view, StatusCode::INTERNAL_SERVER_ERROR, "Failed", &sentence)
            }
        },
        Err(refused) => visit.refuse(&refused),
    }
}

async fn nothing_here(State(visit): State<Arc<Visit>>) -> Response {
    no_page(&visit.site.view())
}

fn no_page(view: &View) -> Response {
    let sentence = "this release has no such page: the readings are in Operation.html";
    notice(view, StatusCode::NOT_FOUND, "No such page", sentence)
}

fn method_refused(view: &View) -> Response {
    let sentence = "these pages can only be read: use Setup to change the meter";
    notice(view, StatusCode::METHOD_NOT_ALLOWED, "Read only", sentence)
}

fn notice(view: &View, status: StatusCode, title: &str, sentence: &str) -> Response {
    (status, Html(page::notice(view, title, sentence).into_string())).into_response()
}
