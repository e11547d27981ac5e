//! The bytes of one channel. A task of its own takes every message that comes and puts data into a wide
//! pipe; what works on the data sits at the other end, and its output is sent from there.
//!
//! That the three run side by side is not a matter of speed. The library's session hands messages to
//! channels in a bounded queue: if whoever takes them also waits for the client to make room for output,
//! the session waits for it, never reads that there is room, and all stands still.
//!
//! What waits is bounded for a channel, and what waits to be sent for the face as well: however many channels there
//! are whose clients take nothing, they hold [`crate::files::ANSWER_BYTES`] together, and one answer each.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, SimplexStream, duplex, simplex, split};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How much of a client's data waits to be worked on: eight thousand read requests, those for a quarter of a gigabyte.
const PIPE: usize = 256 << 10;
/// Output is sent in pieces of at most this much.
const PIECE: usize = 64 << 10;
/// Answers of one channel that wait to be sent, and their bytes.
const ANSWERS: usize = 16;
const ANSWER_BYTES: usize = 2 << 20;
/// An answer shorter than this is sent with its neighbours.
const SMALL: usize = 4 << 10;
/// Extended data of this kind is standard error (RFC 4254, 5.2).
pub(super) const STDERR: u32 = 1;

/// What a channel says before it is closed.
pub(super) struct Last {
    pub(super) stderr: String,
    pub(super) exit_status: u32,
}

/// Where a channel's answers wait to be sent.
#[derive(Clone)]
pub(super) struct Answers {
    queue: mpsc::Sender<Answer>,
    /// The bytes of this channel.
    own: Arc<Semaphore>,
    /// The bytes of all channels.
    face: Arc<Semaphore>,
    /// One answer of each channel waits outside the bytes of all: whatever the others do, it goes on.
    one: Arc<Semaphore>,
}

/// An answer and the room it takes.
struct Answer {
    packet: Bytes,
    _room: [OwnedSemaphorePermit; 2],
}

impl Answers {
    fn new(face: &Arc<Semaphore>) -> (Self, mpsc::Receiver<Answer>) {
        let (queue, waiting) = mpsc::channel(ANSWERS);
        let (own, one) = (Arc::new(Semaphore::new(ANSWER_BYTES)), Arc::new(Semaphore::new(1)));
        (Self { queue, own, face: Arc::clone(face), one }, waiting)
    }

    /// Puts an answer with those that wait, as soon as there is room; gives false when nobody takes them any more.
    pub(super) async fn send(&self, packet: Bytes) -> bool {
        // No answer is longer than all its channel's room.
        let bytes = u32::try_from(packet.len().min(ANSWER_BYTES)).unwrap_or(u32::MAX);
        let room = async {
            let own = Arc::clone(&self.own).acquire_many_owned(bytes).await.ok()?;
            let shared = tokio::select! {
                biased;
                face = Arc::clone(&self.face).acquire_many_owned(bytes) => face.ok()?,
                one = Arc::clone(&self.one).acquire_owned() => one.ok()?,
            };
            Some([own, shared])
        };
        let Some(room) = room.await else { return false };
        self.queue.send(Answer { packet, _room: room }).await.is_ok()
    }
}

/// Runs `work` on a channel's data until it ends, or until the client closes the channel. What it answers goes packet
/// by packet, each as it is, without being copied into a pipe. `work` gives the exit status.
pub(super) async fn run<W, F>(channel: Channel<Msg>, face: Arc<Semaphore>, work: W)
where
    W: FnOnce(ReadHalf<SimplexStream>, Answers) -> F,
    F: Future<Output = u32>,
{
    let (messages, out) = channel.split();
    let (requests, input) = simplex(PIPE);
    let (answers, waiting) = Answers::new(&face);
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
async fn send_packets(mut waiting: mpsc::Receiver<Answer>, out: &ChannelWriteHalf<Msg>) {
    // Room is given back when the packet has been sent.
    while let Some(Answer { mut packet, _room }) = waiting.recv().await {
        if packet.len() < SMALL && !waiting.is_empty() {
            let mut together = BytesMut::from(packet);
            while together.len() < PIECE
                && let Ok(next) = waiting.try_recv()
            {
                together.extend_from_slice(&next.packet);
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

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    /// As many answers as are taken before `send` waits.
    async fn fill(answers: &Answers, packet: &Bytes) -> usize {
        let mut sent = 0;
        while timeout(Duration::from_secs(1), answers.send(packet.clone())).await.is_ok() {
            sent += 1;
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn answers_nobody_takes_are_bounded_for_a_channel_and_for_the_face_and_each_channel_goes_on() {
        let face = Arc::new(Semaphore::new(crate::files::ANSWER_BYTES));
        let packet = Bytes::from(vec![0; 256 << 10]);
        let mut channels = Vec::new();
        let mut bytes = 0;
        for _ in 0..128 {
            let (answers, waiting) = Answers::new(&face);
            let sent = fill(&answers, &packet).await;
            assert!((1..=ANSWER_BYTES / packet.len()).contains(&sent), "{sent}");
            bytes += sent * packet.len();
            channels.push((answers, waiting));
        }
        assert!(bytes <= crate::files::ANSWER_BYTES + 128 * packet.len(), "{bytes}");
        // The last one has nothing but the one answer, and goes on as that is taken.
        let (answers, mut waiting) = channels.pop().unwrap();
        for _ in 0..3 {
            assert_eq!(waiting.recv().await.unwrap().packet.len(), packet.len());
            assert_eq!(fill(&answers, &packet).await, 1);
        }
        // What a channel held is free when it ends.
        channels.clear();
        assert_eq!(fill(&answers, &packet).await, ANSWER_BYTES / packet.len() - 1);
    }
}
