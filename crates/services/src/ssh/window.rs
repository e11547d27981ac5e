//! A client's window as SSH has it, and the way to the client through a channel.

use russh::ChannelWriteHalf;
use russh::server::Msg;

use crate::terminal::Gone;
use crate::terminal::editor::Kind;
use crate::terminal::screen::Out;

/// What a client says of its window (RFC 4254, 6.2).
pub(super) struct Window {
    pub(super) kind: Kind,
    pub(super) size: (u32, u32),
}

impl Window {
    pub(super) fn new(term: &str, columns: u32, rows: u32) -> Self {
        Self { kind: Kind::of(term), size: (columns, rows) }
    }
}

impl Out for &ChannelWriteHalf<Msg> {
    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.data_bytes(bytes).await.map_err(|_| Gone)
    }
}
