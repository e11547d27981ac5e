//! A client's end of the line: bytes of a connection become lines, text becomes bytes. It owns the stream
//! and its deadlines for writing; it knows nothing of meters.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::filter::{Endless, Filter};
use super::line::{Editor, Line};

/// How long a client may leave an answer untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Read at once; with it, lines that wait for their turn are bounded: one a byte at most.
const INPUT: usize = 512;

/// Why there is no more to read or write.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error("the client closed the connection")]
    Closed,
    #[error("nothing was typed for too long")]
    Idle,
    #[error("the client did not take its answer")]
    Stuck,
    #[error(transparent)]
    Endless(#[from] Endless),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A conversation by lines.
pub(super) struct Terminal<S> {
    stream: S,
    filter: Filter,
    editor: Editor,
    entered: VecDeque<Line>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, filter: Filter::default(), editor: Editor::default(), entered: VecDeque::new() }
    }

    /// The next line. Dropping the future loses nothing that was typed.
    pub async fn line(&mut self) -> Result<Line, Gone> {
        loop {
            if let Some(line) = self.entered.pop_front() {
                return Ok(line);
            }
            let mut input = Zeroizing::new([0; INPUT]);
            let count = self.stream.read(&mut *input).await?;
            if count == 0 {
                return Err(Gone::Closed);
            }
            let mut data = Zeroizing::new(Vec::with_capacity(INPUT));
            let mut reply = Vec::new();
            let taken = self.filter.take(&input[..count], &mut data, &mut reply);
            self.entered.extend(data.iter().filter_map(|byte| self.editor.take(*byte)));
            if !reply.is_empty() {
                self.send(&reply).await?;
            }
            taken?;
        }
    }

    /// The next line, if it comes in time.
    pub async fn line_within(&mut self, idle: Duration) -> Result<Line, Gone> {
        timeout(idle, self.line()).await.map_err(|_| Gone::Idle)?
    }

    /// Writes text. Lines end as Telnet's do, and what isn't printable ASCII, a name somebody chose say,
    /// becomes a question mark: nothing in it can be a command to the client's terminal.
    pub async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.send(on_the_wire(text).as_bytes()).await
    }

    /// Asks for a line that isn't shown while it is typed.
    pub async fn hidden(&mut self, prompt: &str, idle: Duration) -> Result<Line, Gone> {
        let hide = self.filter.hide();
        self.send(&hide).await?;
        self.say(prompt).await?;
        let line = self.line_within(idle).await?;
        let show = self.filter.show();
        self.send(&show).await?;
        // The client hasn't shown the end of the line either.
        self.say("\n").await?;
        Ok(line)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        timeout(WRITE_DEADLINE, self.stream.write_all(bytes)).await.map_err(|_| Gone::Stuck)??;
        Ok(())
    }
}

fn on_the_wire(text: &str) -> String {
    let mut wire = String::with_capacity(text.len() + text.len() / 16);
    for character in text.chars() {
        match character {
            '\n' => wire.push_str("\r\n"),
            ' '..='~' => wire.push(character),
            _ => wire.push('?'),
        }
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_command_to_the_client() {
        assert_eq!(on_the_wire("Zähler\u{1b}[2J\n\u{ff}\t~\r"), "Z?hler?[2J\r\n??~?");
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_one_line_and_two_lines_at_once_are_two() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut terminal = Terminal::new(server);
        for piece in [&b"ab"[..], &[255], &[251], &[31, b'c'], b"\r", b"\nde\r\n"] {
            client.write_all(piece).await.unwrap();
        }
        assert_eq!(terminal.line().await.unwrap(), Line::Entered(Zeroizing::new(b"abc".to_vec())));
        assert_eq!(terminal.line().await.unwrap(), Line::Entered(Zeroizing::new(b"de".to_vec())));
        let mut answer = [0; 3];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [255, 254, 31]);
        drop(client);
        assert!(matches!(terminal.line().await, Err(Gone::Closed)));
    }
}
