//! The web face: pages of readings and set-up; on releases whose pages ask for no login the readings as JSON as well,
//! on those that ask for one forms to change set-up with.
//!
//! `pages` and `forms` are the lists of what there is; `answer` turns a request into an answer and asks the view
//! whether it may; `login` is HTTP Basic, for releases that want it; `page` and `form_page` write HTML. `write` is the
//! only way to a change, past `own`, which tells a client's own wish from what another page makes its browser send.
//! This module owns the sockets and their limits.

mod answer;
mod fields;
mod form_page;
mod forms;
mod login;
mod own;
mod page;
mod pages;
mod quantities;
mod refused;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use framework::modules::security_options::Service;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use meter::View;
use security::{Path, Who};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accept::{Door, Greeting, Keeps, accept};
use crate::connections::Entry;
use crate::site::random;
use crate::{Site, Stop};
use own::Seal;
pub(crate) use pages::Page;

/// Connections this face takes at once: fifty polling programs and a few browsers, which open six each.
pub const CONNECTIONS: usize = 64;
/// A connection that asked for something within this time keeps its place when all are taken.
const KEEP: Duration = Duration::from_secs(10);
/// A request's line and headers together; beyond it the answer is 431. A browser sends under 2 KiB.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request; beyond it the answer is 431.
const HEADERS: usize = 64;

/// The time a connection is given.
#[derive(Clone, Copy)]
struct Limits {
    /// From opening, or from the last answer, to the end of the next request's head. So it is also how
    /// long an idle connection is kept.
    head: Duration,
    /// From one request to the next, answer included: it ends the connection of a client that asks and
    /// doesn't take its answers.
    request: Duration,
}

impl Limits {
    /// Longer than a page's own refresh, and than most programs' polling.
    const METER: Self = Self { head: Duration::from_secs(30), request: Duration::from_secs(90) };
}

/// A page as it is now: for those who read it as a file.
pub(crate) fn page_as_file(view: &View, page: Page) -> String {
    page::page(view, page, None).into_string()
}

/// The same readings for programs.
pub(crate) fn readings_document(view: &View) -> String {
    // Readings are names and numbers: they can always be written.
    serde_json::to_string(&quantities::Document(view)).unwrap_or_default()
}

/// The status of the answer to a stranger who asks for a page.
pub(crate) fn status_for_strangers(view: &View, page: Page) -> u16 {
    let allowed = view.may(Path::Web, Who::Nobody, page.ask());
    allowed.map_or_else(|refusal| refused::Refused::from(refusal).status().0, |()| StatusCode::OK).as_u16()
}

/// Serves the pages until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let door = Door {
        site: Arc::clone(&site),
        services: &[Service::Web],
        places: CONNECTIONS,
        keeps: Keeps::UsedWithin(KEEP),
        greeting: Greeting::Free,
    };
    let seal = Arc::new(Seal::new(random()));
    accept(listener, door, stop, |stream, peer, entry| {
        serve((Arc::clone(&site), Arc::clone(&seal)), stream, peer, entry, Limits::METER)
    })
    .await;
}

/// One conversation, over any stream.
async fn serve<S>((site, seal): (Arc<Site>, Arc<Seal>), stream: S, peer: SocketAddr, entry: Entry, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (asked, requests) = watch::channel(());
    let router = answer::router(answer::Visit::new(site, seal, peer, entry, asked));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        ended = connection => match ended {
            Ok(()) => {}
            Err(error) => tracing::debug!(%peer, %error, "web connection ended"),
        },
        () = silence(requests, limits.request) => tracing::debug!(%peer, "web connection closed: no further request"),
    }
}

/// What a stranger says, without a socket: for fuzzers.
#[cfg(any(test, feature = "testbed"))]
pub(crate) async fn hear<S>(site: Arc<Site>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve((site, Arc::new(Seal::new(random()))), stream, peer, entry, Limits::METER).await;
}

/// Returns when no request has come for so long.
async fn silence(mut requests: watch::Receiver<()>, limit: Duration) {
    while let Ok(Ok(())) = timeout(limit, requests.changed()).await {}
}
