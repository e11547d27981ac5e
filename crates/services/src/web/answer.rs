//! From a request to its answer: which page, for whom, with which status. Whether somebody may read is
//! the view's to decide; here it only becomes a status and a page with the refusal's own sentence.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use firmware::WebPages;
use meter::View;
use security::{Ask, Path, Who};
use tokio::sync::watch;

use super::forms::Form;
use super::login::Remembered;
use super::own::Seal;
use super::page::{Forms, policy};
use super::pages::Page;
use super::refused::Refused;
use super::{page, quantities, write};
use crate::Site;
use crate::connections::Entry;

/// The same readings for programs, on releases that ask for no login.
pub(super) const READINGS: &str = "/readings.json";

/// Keeps a page from being loaded into others as an image or a script (Fetch, 3.7), whatever its login.
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// What is allowed where everything is read.
const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// What is allowed where there is a form.
const WRITING: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

/// One connection, as its requests see it.
pub(super) struct Visit {
    pub site: Arc<Site>,
    pub seal: Arc<Seal>,
    pub peer: SocketAddr,
    entry: Entry,
    remembered: Remembered,
    asked: watch::Sender<()>,
}

impl Visit {
    /// `asked` is told of each request.
    pub fn new(
        site: Arc<Site>,
        seal: Arc<Seal>,
        peer: SocketAddr,
        entry: Entry,
        asked: watch::Sender<()>,
    ) -> Arc<Self> {
        Arc::new(Self { site, seal, peer, entry, remembered: Remembered::default(), asked })
    }

    /// The meter as of now, for a request that may read so much of it, and who sent it.
    pub async fn admit(&self, headers: &HeaderMap, ask: Ask) -> Result<(Arc<View>, Who), Refused> {
        let view = self.site.view();
        // Most ask nobody who they are; and a login is not even looked at where it couldn't help.
        match view.may(Path::Web, Who::Nobody, ask) {
            Ok(()) => {
                self.entry.used(self.site.now());
                return Ok((view, Who::Nobody));
            }
            Err(refusal) if refusal.wants_login() => {}
            Err(refusal) => return Err(refusal.into()),
        }
        let who = self.remembered.who(&self.site, self.peer, &self.entry, headers).await?;
        let view = self.site.view();
        view.may(Path::Web, who, ask)?;
        // Only now: whoever is refused keeps no place that others wait for.
        self.entry.used(self.site.now());
        Ok((view, who))
    }
}

/// The pages, for one connection.
pub(super) fn router(visit: Arc<Visit>) -> Router {
    let mut router = Router::new().route("/", get(home)).route(READINGS, get(readings)).fallback(nothing_here);
    for page in Page::ALL {
        let show = move |State(visit), headers: HeaderMap| show(page, visit, headers);
        router = router.route(page.path(), get(show));
    }
    for form in Form::ALL {
        let show = move |State(visit), headers: HeaderMap| write::show(form, visit, headers);
        let submit = move |State(visit), request: Request| write::submit(form, visit, request);
        router = router.route(form.path(), get(show).post(submit));
    }
    router.layer(from_fn_with_state(Arc::clone(&visit), guard)).with_state(visit)
}

/// Around every request: no method gets past here that could ask for a change, but to a form of a release that has
/// forms (B14); and no answer leaves without the headers that keep it out of caches and foreign pages.
async fn guard(State(visit): State<Arc<Visit>>, request: Request, next: Next) -> Response {
    visit.asked.send_replace(());
    let view = visit.site.view();
    let form = behind_login(&view) && Form::at(request.uri().path()).is_some();
    let mut answer = match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        Method::POST if form => next.run(request).await,
        _ => {
            let mut refused = method_refused(&view);
            refused.headers_mut().insert(ALLOW, if form { WRITING } else { READING });
            refused
        }
    };
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| policy(&view, Forms::Nowhere));
    // Other sites aren't told where somebody comes from; the meter is, or browsers would tell it of no origin either.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    // For browsers that don't know frame-ancestors.
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

async fn home() -> Redirect {
    Redirect::temporary(Page::Operation.path())
}

async fn show(page: Page, visit: Arc<Visit>, headers: HeaderMap) -> Response {
    match visit.admit(&headers, page.ask()).await {
        Ok((view, who)) => Html(page::page(&view, page, Some(who)).into_string()).into_response(),
        Err(refused) => refused.answer(&visit.site.view()),
    }
}

async fn readings(State(visit): State<Arc<Visit>>, headers: HeaderMap) -> Response {
    if behind_login(&visit.site.view()) {
        return no_page(&visit.site.view());
    }
    match visit.admit(&headers, Ask::Read).await {
        Ok((view, _)) => match serde_json::to_string(&quantities::Document(&view)) {
            Ok(json) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
            Err(error) => {
                let sentence = format!("the readings can't be written: {error}");
                notice(&view, StatusCode::INTERNAL_SERVER_ERROR, "Failed", &sentence)
            }
        },
        Err(refused) => refused.answer(&visit.site.view()),
    }
}

async fn nothing_here(State(visit): State<Arc<Visit>>) -> Response {
    no_page(&visit.site.view())
}

/// Whether the pages of a meter's release ask for a login. Only those have forms, and only the others the JSON.
pub(super) fn behind_login(view: &View) -> bool {
    view.release().web_pages == WebPages::Login
}

pub(super) fn no_page(view: &View) -> Response {
    let sentence = "this release has no such page: the readings are in Operation.html";
    notice(view, StatusCode::NOT_FOUND, "No such page", sentence)
}

fn method_refused(view: &View) -> Response {
    let sentence = "this can only be read here: use Setup to change the meter";
    notice(view, StatusCode::METHOD_NOT_ALLOWED, "Read only", sentence)
}

/// A page with nothing but a sentence.
pub(super) fn notice(view: &View, status: StatusCode, title: &str, sentence: &str) -> Response {
    (status, Html(page::notice(view, title, sentence).into_string())).into_response()
}
