//! A client's end of the line: takes what it sends out of the connection and into the inbox, and what it is told
//! onto the wire. It owns the stream and the deadline for writing; it knows nothing of meters.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::filter::{Endless, Filter, Heard};
use super::options::IAC;
use crate::terminal::Gone;
use crate::terminal::inbox::Inbox;
use crate::terminal::screen::Out;

/// How long a client may leave an answer untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Read at once.
const INPUT: usize = 512;
/// What nobody has taken yet is left in the network from here on, unless a command runs: some dozen lines typed ahead.
const TYPED_AHEAD: usize = 16 << 10;

/// Why no more is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Endless(#[from] Endless),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the client did not take its answer")]
    Stuck,
}

/// The way to a client, for whoever answers it and for the protocol itself.
pub(super) struct Wire<W>(Mutex<W>);

impl<W: AsyncWrite + Unpin> Wire<W> {
    pub fn new(stream: W) -> Self {
        Self(Mutex::new(stream))
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), Broken> {
        if bytes.is_empty() {
            return Ok(());
        }
        let write = async { self.0.lock().await.write_all(bytes).await };
        Ok(timeout(WRITE_DEADLINE, write).await.map_err(|_| Broken::Stuck)??)
    }
}

impl<W: AsyncWrite + Unpin + Send> Out for &Wire<W> {
    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.write(&as_data(&bytes)).await.map_err(|broken| {
            tracing::debug!(%broken, "a Telnet client is gone");
            Gone
        })
    }
}

/// Text as data among commands: an IAC is doubled, and a return that no line feed follows has a NUL after it
/// (RFC 854).
fn as_data(bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for (at, byte) in bytes.iter().enumerate() {
        data.push(*byte);
        match byte {
            &IAC => data.push(IAC),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => data.push(0),
            _ => {}
        }
    }
    data
}

/// Offers the client what there is, and puts all it sends into the inbox. After it has sent its last, this waits:
/// what it asked for is still answered.
pub(super) async fn fill<R, W>(mut stream: R, wire: &Wire<W>, inbox: &Inbox) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut filter, opening) = Filter::open();
    wire.write(&opening).await?;
    loop {
        inbox.has_room(TYPED_AHEAD).await;
        // Whatever is typed may be a password.
        let mut input = Zeroizing::new([0; INPUT]);
        let count = stream.read(&mut *input).await?;
        if count == 0 {
            inbox.hang_up();
            return std::future::pending().await;
        }
        let mut reply = Vec::new();
        let mut typed = Zeroizing::new(Vec::with_capacity(INPUT));
        let taken = filter.take(&input[..count], &mut reply, &mut |heard| match heard {
            Heard::Typed(byte) => typed.push(byte),
            Heard::Window(columns, rows) => inbox.resized(columns.into(), rows.into()),
            Heard::Terminal(kind) => {
                // What was typed before it was typed on the terminal as it was.
                inbox.typed(&typed, true);
                typed.clear();
                inbox.terminal(kind);
            }
        });
        inbox.typed(&typed, true);
        wire.write(&reply).await?;
        taken?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{DO, ECHO, TERMINAL_TYPE, WILL};
    use super::*;
    use crate::terminal::inbox::{News, StopsBy};

    #[test]
    fn text_is_data_and_never_a_command() {
        assert_eq!(as_data(b"a\r\nb\rc\xff\r"), b"a\r\nb\r\0c\xff\xff\r\0");
    }

    #[tokio::test]
    async fn what_is_typed_ahead_is_bounded_and_the_rest_waits_in_the_network() {
        let (mut client, server) = tokio::io::duplex(64);
        let (read, write) = tokio::io::split(server);
        let (wire, inbox) = (Wire::new(write), Inbox::default());
        let all = 4 * TYPED_AHEAD;
        let writing = async {
            let mut opening = [0; 12];
            client.read_exact(&mut opening).await.unwrap();
            client.write_all(&vec![b'x'; all]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let reading = async {
            let (mut heard, mut most) = (0, 0);
            loop {
                for _ in 0..1000 {
                    tokio::task::yield_now().await;
                }
                match inbox.next().await {
                    News::Typed(piece) => {
                        most = most.max(piece.left().len());
                        heard += piece.left().len();
                    }
                    News::Ended => return (heard, most),
                    _ => {}
                }
            }
        };
        let (heard, most) = tokio::select! {
            broken = fill(read, &wire, &inbox) => panic!("{broken:?}"),
            (_, heard) = async { tokio::join!(writing, reading) } => heard,
        };
        assert_eq!(heard, all);
        assert!(most <= TYPED_AHEAD + INPUT, "{most}");
    }

    #[tokio::test]
    async fn what_nobody_takes_is_bounded_whatever_the_client_says_of_its_terminal() {
        /// The room of a piece with one byte in it.
        const PIECE: usize = 512;
        let named = [IAC, 250, TERMINAL_TYPE, 0, IAC, 240];
        let between = [&named[..], b"x"].concat();
        for (flood, most) in [(&named[..], 0), (&between[..], TYPED_AHEAD + INPUT.div_ceil(between.len()) * PIECE)] {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            let (read, write) = tokio::io::split(server);
            let (wire, inbox) = (Wire::new(write), Inbox::default());
            client.write_all(&[IAC, DO, ECHO, IAC, WILL, TERMINAL_TYPE]).await.unwrap();
            client.write_all(&flood.repeat(9_000)).await.unwrap();
            let looking = async {
                for _ in 0..10_000 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                broken = fill(read, &wire, &inbox) => panic!("{broken:?}"),
                () = looking => {}
            }
            assert!(inbox.held() <= most, "{} of {most}", inbox.held());
            assert_eq!(inbox.held() > TYPED_AHEAD / 2, most > 0);
        }
    }

    #[tokio::test]
    async fn whatever_was_typed_ahead_a_command_that_runs_can_be_stopped() {
        let line = StopsBy::Line { after_return: false };
        for (last, by) in [(&b"\x03"[..], StopsBy::Key), (b"\r\n", line), (b"", StopsBy::Key)] {
            for ahead in [TYPED_AHEAD - 1, 2 * TYPED_AHEAD, 3 << 20] {
                let (mut client, server) = tokio::io::duplex(4 << 20);
                let (read, write) = tokio::io::split(server);
                let (wire, inbox) = (Wire::new(write), Inbox::default());
                client.write_all(&vec![b'x'; ahead]).await.unwrap();
                client.write_all(last).await.unwrap();
                if last.is_empty() {
                    client.shutdown().await.unwrap();
                }
                inbox.runs(true);
                tokio::select! {
                    broken = fill(read, &wire, &inbox) => panic!("{broken:?}"),
                    stopped = timeout(Duration::from_secs(30), inbox.interrupted(by)) => stopped.unwrap(),
                }
            }
        }
    }
}
