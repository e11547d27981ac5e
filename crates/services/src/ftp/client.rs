//! A client's end of the control connection: bytes become lines, answers become bytes. It owns the stream and its
//! deadlines for writing; it knows nothing of meters.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::command::Answer;
use super::line::{Line, Lines};

/// How long a client may leave an answer untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Read at once.
const INPUT: usize = 512;

/// Why there is no more to read or write.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error("the client closed the connection")]
    Closed,
    #[error("the client did not take its answer")]
    Stuck,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a client does while something is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// It wants it to end.
    Abort,
    /// It has gone.
    Gone,
}

/// The control connection.
pub(super) struct Client<S> {
    stream: S,
    lines: Lines,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, lines: Lines::default() }
    }

    /// The next line. Dropping the future loses nothing that was sent.
    pub(super) async fn line(&mut self) -> Result<Line, Gone> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line);
            }
            self.hear().await?;
        }
    }

    /// Returns when the client takes back what it asked for, or is gone. What else it sends keeps its turn; when too
    /// much of that waits it is heard no further.
    pub(super) async fn interrupts(&mut self) -> Interruption {
        loop {
            if self.lines.takes_back() {
                return Interruption::Abort;
            }
            if !self.lines.has_room() {
                std::future::pending::<()>().await;
            }
            if self.hear().await.is_err() {
                return Interruption::Gone;
            }
        }
    }

    async fn hear(&mut self) -> Result<(), Gone> {
        let mut input = Zeroizing::new([0; INPUT]);
        let count = self.stream.read(&mut *input).await?;
        if count == 0 {
            return Err(Gone::Closed);
        }
        input[..count].iter().for_each(|byte| self.lines.take(*byte));
        Ok(())
    }

    /// Answers in one line. What isn't printable in it, in a name somebody chose say, becomes a blank: no sentence can
    /// be two answers.
    pub(super) async fn say(&mut self, Answer(code, sentence): &Answer) -> Result<(), Gone> {
        let sentence: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.send(format!("{code} {sentence}\r\n").as_bytes()).await
    }

    /// Sends an answer as it is.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        Ok(timeout(WRITE_DEADLINE, sent).await.map_err(|_| Gone::Stuck)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_one_line_whatever_is_in_it() {
        let (near, mut far) = tokio::io::duplex(256);
        let mut client = Client::new(near);
        client.say(&Answer::new(550, "there is no \"a\r\n230 in\"")).await.unwrap();
        drop(client);
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "550 there is no \"a  230 in\"\r\n");
    }

    #[tokio::test]
    async fn an_interruption_is_heard_and_the_rest_keeps_its_turn() {
        let (near, mut far) = tokio::io::duplex(256);
        let mut client = Client::new(near);
        far.write_all(b"NOOP\r\nABOR\r\n").await.unwrap();
        assert_eq!(client.interrupts().await, Interruption::Abort);
        assert_eq!(client.line().await.unwrap(), Line::Sent(Zeroizing::new(b"NOOP".to_vec())));
        drop(far);
        assert_eq!(client.interrupts().await, Interruption::Gone);
        assert!(matches!(client.line().await, Err(Gone::Closed)));
    }
}
