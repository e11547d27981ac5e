//! A client without a window: a script, a pipe. Lines come in, what was done goes to standard output and
//! what wasn't to standard error; nothing is echoed, prompted or folded.

use std::sync::Arc;

use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::task::consume_budget;
use zeroize::Zeroizing;

use super::channel::STDERR;
use crate::terminal::inbox::{Inbox, News, StopsBy};
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
    lines: Lines,
}

/// The lines of what a client sends.
struct Lines {
    inbox: Arc<Inbox>,
    /// The beginning of a line whose end is in another piece.
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
}

impl<'a> Pipe<'a> {
    pub(super) fn new(out: &'a ChannelWriteHalf<Msg>, inbox: Arc<Inbox>) -> Self {
        Self { out, lines: Lines::new(inbox) }
    }

    /// The next line. The last one may lack its end.
    pub(super) async fn read(&mut self) -> Read {
        self.lines.next().await
    }
}

impl Lines {
    fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, line: Zeroizing::default(), too_long: false }
    }

    /// All the room at once: a vector that grows leaves unwiped copies behind.
    fn room() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Vec::with_capacity(LONGEST_LINE))
    }

    async fn next(&mut self) -> Read {
        loop {
            // However many lines wait, and however little each of them asks for, others have their turn in between.
            consume_budget().await;
            match self.inbox.next().await {
                News::Window(..) | News::Terminal(_) => {}
                News::Overflowed => return Read::Lost,
                News::Ended if self.line.is_empty() && !self.too_long => return Read::Ended,
                News::Ended => return self.end(),
                News::Typed(mut piece) => {
                    let left = piece.left();
                    let end = left.iter().position(|byte| *byte == b'\n');
                    self.take(&left[..end.unwrap_or(left.len())]);
                    if let Some(end) = end {
                        piece.used(end + 1);
                        self.inbox.give_back(piece);
                        return self.end();
                    }
                }
            }
        }
    }

    fn take(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > LONGEST_LINE {
            self.line = Zeroizing::default();
            self.too_long = true;
        } else if !self.too_long && !part.is_empty() {
            if self.line.capacity() == 0 {
                self.line = Self::room();
            }
            self.line.extend_from_slice(part);
        }
    }

    fn end(&mut self) -> Read {
        let mut line = std::mem::take(&mut self.line);
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
        self.lines.inbox.interrupted(StopsBy::Key).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::inbox::TYPED_AHEAD;

    fn lines() -> Lines {
        Lines::new(Arc::default())
    }

    #[tokio::test]
    async fn a_line_is_one_in_however_many_pieces_it_comes() {
        let mut lines = lines();
        for piece in ["show", "\r\n\n# x\nset", " a 1\n", &"y".repeat(4096), &"y".repeat(4096), "\nshow"] {
            lines.inbox.typed(piece.as_bytes(), false);
        }
        for expected in ["show", "", "# x", "set a 1"] {
            let Read::Line(line) = lines.next().await else { panic!("{expected}") };
            assert_eq!(*line, expected.as_bytes());
        }
        assert!(matches!(lines.next().await, Read::TooLong));
    }

    /// On one thread, a task that never waits would let nobody else run; and lines that were copied once for each
    /// would take minutes.
    #[tokio::test(flavor = "current_thread")]
    async fn a_megabyte_of_empty_lines_leaves_others_their_turns() {
        let mut lines = lines();
        lines.inbox.typed(&vec![b'\n'; TYPED_AHEAD], false);
        let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..TYPED_AHEAD {
            assert!(matches!(lines.next().await, Read::Line(line) if line.is_empty()));
        }
        other.abort();
        // A task that is given its turn does a hundred or so small things in it.
        assert!(turns.load(std::sync::atomic::Ordering::Relaxed) > TYPED_AHEAD / 1000);
    }
}
