//! The bytes of one channel. A task of its own takes every message that comes and puts data into a wide
//! pipe; what works on the data sits at the other end, and its output is sent from there.
//!
//! That the three run side by side is not a matter of speed. The library's session hands messages to
//! channels in a bounded queue: if whoever takes them also waits for the client to make room for output,
//! the session waits for it, never reads that there is room, and all stands still.

use bytes::{Bytes, BytesMut};
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, SimplexStream, duplex, simplex, split};
use tokio::sync::mpsc;

/// How much of a client's data waits to be worked on: over a hundred thousand read requests.
const PIPE: usize = 4 << 20;
/// Output is sent in pieces of at most this much.
const PIECE: usize = 64 << 10;
/// Answers that wait to be sent: with the longest there are, 4 MiB.
const ANSWERS: usize = 16;
/// An answer shorter than this is sent with its neighbours.
const SMALL: usize = 4 << 10;
/// Extended data of this kind is standard error (RFC 4254, 5.2).
pub(super) const STDERR: u32 = 1;

/// What a channel says before it is closed.
pub(super) struct Last {
    pub(super) stderr: String,
    pub(super) exit_status: u32,
}

/// Runs `work` on a channel's data until it ends, or until the client closes the channel. What it answers goes packet
/// by packet, each as it is, without being copied into a pipe. `work` gives the exit status.
pub(super) async fn run<W, F>(channel: Channel<Msg>, work: W)
where
    W: FnOnce(ReadHalf<SimplexStream>, mpsc::Sender<Bytes>) -> F,
    F: Future<Output = u32>,
{
    let (messages, out) = channel.split();
    let (requests, input) = simplex(PIPE);
    let (answers, waiting) = mpsc::channel(ANSWERS);
    let work = async {
        let (exit_status, ()) = tokio::join!(work(requests, answers), send_packets(waiting, &out));
        finish(&out, exit_status).await;
    };
    tokio::select! {
        () = drain(messages, input) => {}
        () = work => {}
    }
}

/// Says something and closes the channel; what the client sends meanwhile is thrown away.
pub(super) async fn say(channel: Channel<Msg>, last: Last) {
    let (messages, out) = channel.split();
    let (near, _far) = duplex(1);
    let (_, input) = split(near);
    let speak = async {
        let _ = out.extended_data_bytes(STDERR, last.stderr.into_bytes()).await;
        finish(&out, last.exit_status).await;
    };
    tokio::select! {
        () = drain(messages, input) => {}
        () = speak => {}
    }
}

/// Takes every message until the client closes the channel. Data nobody takes any more is dropped.
async fn drain(mut messages: ChannelReadHalf, mut input: impl AsyncWrite + Unpin) {
    while let Some(message) = messages.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let _ = input.write_all(&data).await;
            }
            ChannelMsg::Eof => {
                let _ = input.shutdown().await;
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Sends packets until there are no more, or nobody to take them. Small ones that wait together go together.
async fn send_packets(mut waiting: mpsc::Receiver<Bytes>, out: &ChannelWriteHalf<Msg>) {
    while let Some(mut packet) = waiting.recv().await {
        if packet.len() < SMALL && !waiting.is_empty() {
            let mut together = BytesMut::from(packet);
            while together.len() < PIECE
                && let Ok(next) = waiting.try_recv()
            {
                together.extend_from_slice(&next);
            }
            packet = together.freeze();
        }
        if out.data_bytes(packet).await.is_err() {
            return;
        }
    }
}

/// Exit status, end of data, close. Errors say that the connection is gone, and so is whoever would hear.
pub(super) async fn finish(out: &ChannelWriteHalf<Msg>, exit_status: u32) {
    let _ = out.exit_status(exit_status).await;
    let _ = out.eof().await;
    let _ = out.close().await;
}
