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
use tokio::net::{TcpListener, TcpStream};

use crate::accept::accept;
use crate::{Site, Stop};

/// Connections this face takes at once. People use it, one at a time as a rule; whoever holds a place
/// without logging in loses it within a minute.
pub const CONNECTIONS: usize = 4;

/// Serves terminals until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    accept(listener, CONNECTIONS, stop, |stream, peer| serve(Arc::clone(&site), stream, peer)).await;
}

async fn serve(site: Arc<Site>, stream: TcpStream, peer: SocketAddr) {
    let entry = site.connections.enter(Service::Telnet, peer, site.now().utc_ms);
    let end = session::converse(site, stream, peer, entry, session::Limits::METER).await;
    tracing::debug!(%peer, %end, "Telnet connection ended");
}
