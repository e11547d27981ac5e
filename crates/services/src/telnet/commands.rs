//! The command line behind the menu: the same engine as over SSH, on a terminal that shows and edits its
//! lines itself. Over Telnet all of it crosses the wire in clear, new passwords too.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::line::Line;
use super::terminal::{Gone, Terminal};
use crate::terminal::{self, Desk, Outcome, Peer};

/// What is said when the command line begins.
pub(super) const HINT: &str = "\ntype help for the commands, exit for the menu\n";
/// A Telnet client doesn't say how wide its window is.
const COLUMNS: usize = 80;

/// Runs a line; whoever is asked something has so long to answer.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    desk: &Desk,
    terminal: &mut Terminal<S>,
    line: &[u8],
    idle: Duration,
) -> Result<Outcome, Gone> {
    if line.is_empty() {
        return Ok(Outcome::Done);
    }
    let Ok(line) = std::str::from_utf8(line) else {
        terminal.say("a command is text in UTF-8\n").await?;
        return Ok(Outcome::Failed);
    };
    let mut client = Client { terminal, idle, gone: None };
    let ended = terminal::run(desk, &mut client, line).await;
    match (ended, client.gone) {
        (Ok(outcome), None) => Ok(outcome),
        (_, Some(gone)) => Err(gone),
        (Err(terminal::Gone), None) => Err(Gone::Closed),
    }
}

/// The client, and why it is gone.
struct Client<'a, S> {
    terminal: &'a mut Terminal<S>,
    /// How long an answer may take.
    idle: Duration,
    gone: Option<Gone>,
}

impl<S> Client<'_, S> {
    fn kept<T>(&mut self, result: Result<T, Gone>) -> Result<T, terminal::Gone> {
        result.map_err(|gone| {
            self.gone = Some(gone);
            terminal::Gone
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Peer for Client<'_, S> {
    fn columns(&self) -> Option<usize> {
        Some(COLUMNS)
    }

    fn is_person(&self) -> bool {
        true
    }

    async fn say(&mut self, text: &str) -> Result<(), terminal::Gone> {
        let said = self.terminal.say(text).await;
        self.kept(said)
    }

    async fn refuse(&mut self, sentence: &str) -> Result<(), terminal::Gone> {
        self.say(sentence).await
    }

    async fn answer(&mut self, question: &str) -> Result<Option<String>, terminal::Gone> {
        self.say(question).await?;
        let line = self.terminal.line_within(self.idle).await;
        Ok(match self.kept(line)? {
            Line::Entered(line) => String::from_utf8(line.to_vec()).ok(),
            Line::TooLong | Line::Leave => None,
        })
    }

    async fn secret(&mut self, question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, terminal::Gone> {
        let line = self.terminal.hidden(question, self.idle).await;
        Ok(match self.kept(line)? {
            Line::Entered(line) => Some(line),
            Line::TooLong | Line::Leave => None,
        })
    }

    /// Any line that is entered.
    async fn interrupted(&mut self) -> Result<(), terminal::Gone> {
        let line = self.terminal.line().await;
        self.kept(line).map(drop)
    }
}
