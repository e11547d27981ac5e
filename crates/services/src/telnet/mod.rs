//! The Telnet face of legacy releases: a banner, a login and a small menu. Passwords cross the wire in
//! clear, which Setup says; from 4.40.1 on there is no Telnet.
//!
//! `filter` takes the protocol out of the bytes and `line` makes lines of them, both without I/O;
//! `terminal` owns the stream, `session` the conversation, `menu` what is shown, and `commands` is the way
//! to the engine that the SSH terminal uses too.

mod commands;
mod filter;
mod line;
mod menu;
mod session;
mod terminal;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use framework::modules::security_options::Service;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::accept::{Door, Greeting, Keeps, accept};
use crate::connections::Entry;
use crate::{Site, Stop};

/// Connections this face takes at once. People use it, one at a time as a rule; whoever holds a place
/// without logging in loses it within a minute.
pub const CONNECTIONS: usize = 4;

/// Serves terminals until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let door = Door {
        site: Arc::clone(&site),
        services: &[Service::Telnet],
        places: CONNECTIONS,
        keeps: Keeps::LoggedIn,
        greeting: Greeting::Free,
    };
    accept(listener, door, stop, |stream, peer, entry| serve(Arc::clone(&site), stream, peer, entry)).await;
}

/// One conversation, over any stream.
pub(crate) async fn serve<S>(site: Arc<Site>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let end = session::converse(site, stream, peer, entry, session::Limits::METER).await;
    tracing::debug!(%peer, %end, "Telnet connection ended");
}

/// What a client's bytes come to, without I/O: for fuzzers.
#[cfg(any(test, feature = "testbed"))]
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// Lines entered, those too long among them.
    pub lines: usize,
    /// Bytes of answers to the protocol's own requests.
    pub replied: usize,
    /// Whether the connection was ended.
    pub ended: bool,
}

/// Takes a client's bytes in pieces.
#[cfg(any(test, feature = "testbed"))]
pub fn hear(pieces: &[&[u8]]) -> Heard {
    let (mut filter, mut editor) = (filter::Filter::default(), line::Editor::default());
    let (mut data, mut reply) = (Vec::new(), Vec::new());
    let ended = pieces.iter().any(|piece| filter.take(piece, &mut data, &mut reply).is_err());
    let lines = data.iter().filter_map(|byte| editor.take(*byte)).count();
    Heard { lines, replied: reply.len(), ended }
}
