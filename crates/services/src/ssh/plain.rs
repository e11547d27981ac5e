//! A client without a window: a script, a pipe. Lines come in, what was done goes to standard output and
//! what wasn't to standard error; nothing is echoed, prompted or folded.

use std::sync::Arc;

use russh::ChannelWriteHalf;
use russh::server::Msg;
use zeroize::Zeroizing;

use super::channel::STDERR;
use super::inbox::{Inbox, News};
use crate::terminal::{Gone, LONGEST_LINE, Peer, plain};

/// A line that came in.
pub(super) enum Read {
    /// Its bytes, without its end.
    Line(Zeroizing<Vec<u8>>),
    /// More than [`LONGEST_LINE`] bytes; they are gone.
    TooLong,
    /// Lines were lost, because they came faster than they were carried out.
    Lost,
    /// There are no more.
    Ended,
}

/// The client.
pub(super) struct Pipe<'a> {
    out: &'a ChannelWriteHalf<Msg>,
    inbox: Arc<Inbox>,
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
}

impl<'a> Pipe<'a> {
    pub(super) fn new(out: &'a ChannelWriteHalf<Msg>, inbox: Arc<Inbox>) -> Self {
        Self { out, inbox, line: Self::room(), too_long: false }
    }

    /// All the room at once: a vector that grows leaves unwiped copies behind.
    fn room() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Vec::with_capacity(LONGEST_LINE))
    }

    /// The next line. The last one may lack its end.
    pub(super) async fn read(&mut self) -> Read {
        loop {
            match self.inbox.next().await {
                News::Window(..) => {}
                News::Overflowed => return Read::Lost,
                News::Ended if self.line.is_empty() && !self.too_long => return Read::Ended,
                News::Ended => return self.end(),
                News::Typed(bytes) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    if self.line.len() + part.len() > LONGEST_LINE {
                        self.line.clear();
                        self.too_long = true;
                    } else if !self.too_long {
                        self.line.extend_from_slice(part);
                    }
                    if let Some(end) = end {
                        self.inbox.give_back(&bytes[end + 1..]);
                        return self.end();
                    }
                }
            }
        }
    }

    fn end(&mut self) -> Read {
        let mut line = std::mem::replace(&mut self.line, Self::room());
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if std::mem::take(&mut self.too_long) { Read::TooLong } else { Read::Line(line) }
    }
}

impl Peer for Pipe<'_> {
    fn columns(&self) -> Option<usize> {
        None
    }

    fn is_person(&self) -> bool {
        false
    }

    async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.out.data_bytes(plain::lines(text).into_bytes()).await.map_err(|_| Gone)
    }

    async fn refuse(&mut self, sentence: &str) -> Result<(), Gone> {
        self.out.extended_data_bytes(STDERR, plain::lines(sentence).into_bytes()).await.map_err(|_| Gone)
    }

    async fn answer(&mut self, _: &str) -> Result<Option<String>, Gone> {
        Ok(self.secret("").await?.and_then(|line| String::from_utf8(line.to_vec()).ok()))
    }

    async fn secret(&mut self, _: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Gone> {
        Ok(match self.read().await {
            Read::Line(line) => Some(line),
            Read::TooLong | Read::Lost | Read::Ended => None,
        })
    }

    async fn interrupted(&mut self) -> Result<(), Gone> {
        self.inbox.interrupted().await;
        Ok(())
    }
}
