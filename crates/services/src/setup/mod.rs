//! Setup's protocol: HTTP/1.1 and JSON over TLS 1.3, and over nothing else, on every release (B30).
//!
//! A request becomes a caller and a question to the gate, the
//! gate's answer becomes a document of [`api`]. The face holds no rule about rights, keeps no secret
//! longer than a request takes, and goes on through a change of release, which it carries out.

mod asked;
mod backup;
mod change;
mod edit;
mod floor;
mod keys;
mod packages;
mod read;
mod records;
mod refused;
mod remarks;
mod reports;
mod security_file;
mod session;
mod sessions;
mod verify;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use framework::modules::security_options::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use meter::{Caller, GateError};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use security::{Ask, Path};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::accept::{Door, Greeting, Keeps, accept};
use crate::connections::Entry;
use crate::keys::Keys;
use crate::{Site, Stop};
use refused::Refused;
pub(crate) use remarks::told as told_of_change;

/// Connections this face takes at once: far above the technicians and consoles of one meter.
pub const CONNECTIONS: usize = 32;
/// How long a client has for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client has for the head of a request, counted from the end of the one before: the idle
/// time-out as well. A client that thinks longer connects again; its session goes on.
const HEAD: Duration = Duration::from_secs(60);
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(30);
/// How long a connection lasts at most, so that a client which takes no answers can't hold one for ever.
const AGE: Duration = Duration::from_secs(60 * 60);
/// How long a request that is under way then may still take: a change of release at its longest.
const GRACE: Duration = Duration::from_secs(2 * 60);
/// The head of a request: its longest is that of a change with a new password for each of 17 accounts.
const LONGEST_HEAD: usize = 32 * 1024;
/// Header lines of a request.
const HEADERS: usize = 64;
/// A JSON document: an order of magnitude above the longest change that people type.
const LONGEST_JSON: usize = 64 * 1024;
/// What is read and thrown away of a body that is refused, so that a client still sending it gets to
/// read why.
const DISCARDED: usize = 1024 * 1024;

/// Serves Setup until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let acceptor = match tls(&site.keys) {
        Ok(config) => TlsAcceptor::from(Arc::new(config)),
        Err(error) => {
            tracing::error!(%error, "Setup can't be served: the meter's key or certificate is unusable");
            return;
        }
    };
    let door = Door {
        site: Arc::clone(&site),
        services: &[Service::Setup],
        places: CONNECTIONS,
        keeps: Keeps::LoggedIn,
        greeting: Greeting::KeyExchange,
    };
    accept(listener, door, stop, move |stream, peer, entry| {
        let connection = Connection { site: Arc::clone(&site), peer, entry };
        serve(acceptor.clone(), stream, connection)
    })
    .await;
}

/// TLS 1.3 with the meter's own certificate; the provider is named, never the process's default.
pub fn tls(keys: &Keys) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from(keys.tls_certificate.clone());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(keys.tls_key.to_vec()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![api::routes::ALPN.to_vec()];
    Ok(config)
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, connection: Connection) {
    let peer = connection.peer;
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "Setup: no TLS 1.3 handshake"),
        Err(_) => return tracing::debug!(%peer, "Setup: the TLS handshake took too long"),
    };
    converse(stream, connection).await;
}

/// One conversation inside TLS, over any stream.
async fn converse<S>(stream: S, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = connection.peer;
    let service = TowerToHyperService::new(router(Arc::new(connection)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LONGEST_HEAD).max_headers(HEADERS);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = match timeout(AGE, served.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "Setup connection ended");
    }
}

/// What a stranger says inside TLS, without a socket and without TLS: for fuzzers.
#[cfg(any(test, feature = "testbed"))]
pub(crate) async fn hear<S>(site: Arc<Site>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    converse(stream, Connection { site, peer, entry }).await;
}

/// One client's connection.
struct Connection {
    site: Arc<Site>,
    peer: SocketAddr,
    entry: Entry,
}

impl Connection {
    /// Whether somebody may read something. A refusal is the gate's, which logs it.
    async fn may(&self, caller: Caller, ask: Ask) -> Result<(), Refused> {
        match self.site.view().may(Path::Setup, caller.who, ask) {
            Ok(()) => Ok(()),
            Err(_) => self.gate(move |site| site.gate.ask(site.now(), &caller, ask)).await,
        }
    }

    /// Asks the gate for something that may wait for the disk, off the network's threads.
    async fn gate<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Site) -> Result<T, GateError> + Send + 'static,
    ) -> Result<T, Refused> {
        let site = Arc::clone(&self.site);
        let asked = tokio::task::spawn_blocking(move || ask(&site)).await;
        Ok(asked.map_err(|_| Refused::broken())??)
    }
}

fn router(connection: Arc<Connection>) -> Router {
    use api::routes::*;
    Router::new()
        .route(INFO, get(read::info))
        .route(SESSION, post(session::open).delete(session::close))
        .route(REGISTERS, get(read::registers))
        .route(SET, post(edit::set))
        .route(USERS, get(read::users).post(edit::user))
        .route(SECURITY, get(read::security).post(edit::set))
        .route(SECURITY_FILE, get(security_file::save).post(security_file::load))
        .route(PASSWORD, post(edit::password))
        .route(KEYS, get(keys::list).post(keys::add).delete(keys::remove))
        .route(EVENTS, get(read::events))
        .route(EVENTS_VERIFY, get(verify::events))
        .route(RECORDERS, get(records::recorders))
        .route(RECORDS, get(records::records))
        .route(CONNECTIONS, get(sessions::connections))
        .route(SESSIONS, delete(sessions::end))
        .route(LOCKOUTS, delete(sessions::lift))
        .route(BACKUP, get(backup::take).post(backup::restore))
        .route(TEMPLATE, get(read::template).post(edit::template))
        .route(PACKAGES, get(packages::list).post(packages::announce).delete(packages::drop_one))
        .route(PACKAGE_BYTES, post(packages::piece))
        .route(PACKAGE_FINISH, post(packages::finish))
        .route(PLAN, post(change::plan))
        .route(CHANGE, post(change::carry_out).get(reports::progress))
        .route(FLOOR, get(floor::show).post(floor::raise))
        .route(REPORTS, get(reports::list))
        .route(SCHEDULE, get(reports::scheduled).post(reports::schedule).delete(reports::drop_schedule))
        .route(TRUST, get(change::trusted).post(change::trust).delete(change::revoke))
        .fallback(async || Refused::no_such_route())
        .method_not_allowed_fallback(async || Refused::no_such_route())
        .with_state(connection)
}

#[cfg(test)]
mod tests;
