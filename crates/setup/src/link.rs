//! One connection to a meter: TCP, TLS 1.3, HTTP/1.1. Nothing is sent over one whose certificate is not
//! the expected one: the handshake fails before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use firmware::digest::Sha256Digest;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::error::SetupError;
use crate::tls::Verifier;
use crate::upload::Upload;

/// How long a meter has to accept a connection, and again for the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest answer that is read: a template of 1 MiB is the longest that a meter gives.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// A connection.
pub(crate) struct Link {
    requests: SendRequest<Upload>,
    driver: tokio::task::JoinHandle<()>,
}

/// An answer.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no answer.
pub(crate) enum NoAnswer {
    /// The connection was gone before anything was sent.
    NotSent,
    /// The connection went away afterwards.
    Lost,
    /// It took too long.
    Timeout,
    /// Longer than any answer.
    TooLong,
}

/// Why a download ended early.
pub(crate) enum Broken {
    /// On the way.
    There(NoAnswer),
    /// What came could not be kept.
    Here(io::Error),
}

impl From<NoAnswer> for Broken {
    fn from(none: NoAnswer) -> Self {
        Self::There(none)
    }
}

/// The certificate that a meter shows, to whoever asks and sends nothing.
pub(crate) async fn shown_by(address: &Address) -> Result<Sha256Digest, SetupError> {
    let verifier = Verifier::new(None);
    drop(Link::open(address, &verifier).await?);
    verifier.shown().ok_or_else(|| not_a_meter(address, io::Error::other("it shows no certificate")))
}

fn not_a_meter(address: &Address, source: io::Error) -> SetupError {
    SetupError::NotAMeter { address: address.clone(), source }
}

impl Link {
    /// Connects. The verifier keeps what was shown, also when it isn't what was expected.
    pub async fn open(address: &Address, verifier: &Arc<Verifier>) -> Result<Self, SetupError> {
        let connected = timeout(CONNECT, TcpStream::connect((address.host(), address.port()))).await;
        let connected = connected.map_err(|_| SetupError::Timeout(address.clone()))?;
        let stream = connected.map_err(|source| SetupError::Unreachable { address: address.clone(), source })?;
        // Small requests must not wait for one another.
        let _ = stream.set_nodelay(true);
        // Never checked and never sent: the certificate is pinned, not named.
        let name = ServerName::try_from("meter").map_err(|error| not_a_meter(address, io::Error::other(error)))?;
        let connector = TlsConnector::from(Arc::new(verifier.config()?));
        let stream = timeout(CONNECT, connector.connect(name, stream)).await;
        let stream = stream.map_err(|_| SetupError::Timeout(address.clone()))?;
        let stream = stream.map_err(|source| not_a_meter(address, source))?;
        let shaken = handshake(TokioIo::new(stream)).await;
        let (requests, connection) = shaken.map_err(|error| not_a_meter(address, io::Error::other(error)))?;
        // How it ends is told to whoever waits for an answer.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { requests, driver })
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&mut self, request: Request<Upload>, deadline: Duration) -> Result<Answer, NoAnswer> {
        timeout(deadline, self.ask_at_leisure(request)).await.unwrap_or(Err(NoAnswer::Timeout))
    }

    /// Sends a request and hands the answer's body over as it comes. A refusal comes back as an answer.
    pub async fn download(
        &mut self,
        request: Request<Upload>,
        stall: Duration,
        mut hand_over: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Answer, Broken> {
        let sent = async {
            self.requests.ready().await.map_err(|_| NoAnswer::NotSent)?;
            self.requests.send_request(request).await.map_err(|_| NoAnswer::Lost)
        };
        let response = timeout(stall, sent).await.map_err(|_| NoAnswer::Timeout)??;
        let (parts, mut body) = response.into_parts();
        let refused = !parts.status.is_success();
        let mut said = Vec::new();
        while let Some(frame) = timeout(stall, body.frame()).await.map_err(|_| NoAnswer::Timeout)? {
            let Ok(piece) = frame.map_err(|_| NoAnswer::Lost)?.into_data() else { continue };
            if !refused {
                hand_over(&piece).map_err(Broken::Here)?;
            } else if said.len() + piece.len() <= LONGEST_ANSWER {
                said.extend_from_slice(&piece);
            } else {
                return Err(NoAnswer::TooLong.into());
            }
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body: said })
    }

    async fn ask_at_leisure(&mut self, request: Request<Upload>) -> Result<Answer, NoAnswer> {
        self.requests.ready().await.map_err(|_| NoAnswer::NotSent)?;
        let response = self.requests.send_request(request).await;
        let (parts, body) = response
            .map_err(|error| if error.is_canceled() { NoAnswer::NotSent } else { NoAnswer::Lost })?
            .into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() { NoAnswer::TooLong } else { NoAnswer::Lost }
        })?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().into() })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
