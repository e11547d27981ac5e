//! The Telnet face of legacy releases: a banner, a login and the menus of the old terminal. Passwords cross the wire
//! in clear, which Setup says; from 4.40.1 on there is no Telnet.
//!
//! `options` and `filter` take the protocol out of the bytes, without I/O; `wire` owns the stream, `session` the
//! conversation, `menu` what can be chosen and `pages` what is shown. Lines, keys and commands are the terminal's
//! ([`crate::terminal`]), as over SSH.

mod filter;
mod menu;
mod options;
mod pages;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use framework::modules::security_options::Service;
use socket2::SockRef;
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
    accept(listener, door, stop, |stream, peer, entry| {
        // The mark of a SYNCH is urgent data, and would be missing from the stream.
        let _ = SockRef::from(&stream).set_out_of_band_inline(true);
        serve(Arc::clone(&site), stream, peer, entry)
    })
    .await;
}

/// One conversation, over any stream.
pub(crate) async fn serve<S>(site: Arc<Site>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let end = session::converse(site, stream, peer, entry).await;
    tracing::debug!(%peer, %end, "Telnet connection ended");
}

/// What a client's bytes come to, without I/O: for fuzzers.
#[cfg(any(test, feature = "testbed"))]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Lines, keys and passwords entered, those too long among them.
    pub entered: usize,
    /// Bytes of answers to the protocol's own requests.
    pub replied: usize,
    /// Whether the connection was ended.
    pub ended: bool,
}

#[cfg(any(test, feature = "testbed"))]
impl Heard {
    /// Bytes of answers at most, to so many bytes.
    pub fn longest_reply(bytes: usize) -> usize {
        bytes * filter::LONGEST_ANSWER
    }
}

/// Takes a client's bytes in pieces, asking for one thing after the other.
#[cfg(any(test, feature = "testbed"))]
pub fn hear(pieces: &[&[u8]]) -> Heard {
    use crate::terminal::editor::{Editor, Kind, Nothing, Wanted};

    const ASKED: [Wanted; 4] = [Wanted::Answer, Wanted::Secret, Wanted::Key, Wanted::Command];
    let (mut filter, _) = filter::Filter::open();
    let mut editor = Editor::new(Kind::Lines, 0, 0);
    let (mut entered, mut reply, mut shown) = (0, Vec::new(), Vec::new());
    editor.ask(ASKED[0], "login: ", &mut shown);
    let mut take = |heard| match heard {
        filter::Heard::Typed(byte) => {
            if editor.take(&[byte], &Nothing, &mut shown).1.is_some() {
                entered += 1;
                shown.clear();
                editor.ask(ASKED[entered % ASKED.len()], "choice: ", &mut shown);
            }
        }
        filter::Heard::Terminal(kind) => editor.turn(kind, &mut shown),
        filter::Heard::Window(columns, rows) => editor.resize(columns.into(), rows.into(), true, &mut shown),
    };
    let ended = pieces.iter().any(|piece| filter.take(piece, &mut reply, &mut take).is_err());
    Heard { entered, replied: reply.len(), ended }
}
