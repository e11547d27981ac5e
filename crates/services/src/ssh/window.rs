//! A client with a window: what it types goes through the line editor, what it is told has line ends of a
//! raw terminal. Somebody sits there who can be asked twice.

use std::sync::Arc;

use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::task::consume_budget;
use zeroize::Zeroizing;

use super::inbox::{Inbox, News};
use crate::terminal::editor::{Complete, Editor, Entered, Kind, Nothing, Wanted};
use crate::terminal::{Gone, Peer, plain, too_long};

/// What a client says of its window (RFC 4254, 6.2).
pub(super) struct Window {
    kind: Kind,
    columns: u32,
    rows: u32,
}

impl Window {
    pub(super) fn new(term: &str, columns: u32, rows: u32) -> Self {
        let kind = if matches!(term, "" | "dumb" | "unknown") { Kind::Dumb } else { Kind::Usual };
        Self { kind, columns, rows }
    }
}

/// The client.
pub(super) struct Screen<'a> {
    out: &'a ChannelWriteHalf<Msg>,
    inbox: Arc<Inbox>,
    editor: Editor,
}

impl<'a> Screen<'a> {
    pub(super) fn new(out: &'a ChannelWriteHalf<Msg>, inbox: Arc<Inbox>, window: &Window) -> Self {
        Self { out, inbox, editor: Editor::new(window.kind, window.columns, window.rows) }
    }

    /// What is entered next.
    pub(super) async fn enter(
        &mut self,
        wanted: Wanted,
        prompt: &str,
        complete: &(impl Fn() -> Box<dyn Complete + Send> + Sync),
    ) -> Result<Entered, Gone> {
        let mut out = Vec::new();
        self.take_size(false, &mut out);
        self.editor.ask(wanted, prompt, &mut out);
        loop {
            if !out.is_empty() {
                self.send(std::mem::take(&mut out)).await?;
            }
            match self.inbox.next().await {
                News::Window(columns, rows) => self.editor.resize(columns, rows, true, &mut out),
                News::Typed(mut piece) => {
                    let (taken, entered) = self.editor.take(piece.left(), &*complete(), &mut out);
                    piece.used(taken);
                    self.inbox.give_back(piece);
                    // Lines that say nothing are work too, and others have theirs to do.
                    consume_budget().await;
                    if let Some(entered) = entered {
                        self.send(out).await?;
                        return Ok(entered);
                    }
                }
                // What comes without end and isn't looked at is not worth a word but the bell's.
                News::Overflowed => out.push(7),
                News::Ended => {
                    self.editor.leave(&mut out);
                    self.send(out).await?;
                    return Ok(Entered::Ended);
                }
            }
        }
    }

    fn take_size(&mut self, asking: bool, out: &mut Vec<u8>) {
        if let Some((columns, rows)) = self.inbox.window() {
            self.editor.resize(columns, rows, asking, out);
        }
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.out.data_bytes(bytes).await.map_err(|_| Gone)
    }

    async fn ask(&mut self, wanted: Wanted, question: &str) -> Result<Option<Entered>, Gone> {
        // While it is asked, ctrl-C is the editor's.
        self.inbox.runs(false);
        let entered = self.enter(wanted, question, &|| Box::new(Nothing)).await?;
        self.inbox.runs(true);
        match entered {
            Entered::TooLong => {
                self.refuse(&format!("{}\n", too_long())).await?;
                Ok(None)
            }
            Entered::Interrupted | Entered::Ended => Ok(None),
            entered => Ok(Some(entered)),
        }
    }
}

impl Peer for Screen<'_> {
    fn columns(&self) -> Option<usize> {
        Some(self.editor.columns())
    }

    fn is_person(&self) -> bool {
        true
    }

    async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.send(plain::lines(text).replace('\n', "\r\n").into_bytes()).await?;
        // Whoever is told something next is told it for the window as it is then.
        self.take_size(false, &mut Vec::new());
        Ok(())
    }

    async fn refuse(&mut self, sentence: &str) -> Result<(), Gone> {
        self.say(sentence).await
    }

    async fn answer(&mut self, question: &str) -> Result<Option<String>, Gone> {
        Ok(match self.ask(Wanted::Answer, question).await? {
            Some(Entered::Line(line)) => Some(line),
            _ => None,
        })
    }

    async fn secret(&mut self, question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Gone> {
        Ok(match self.ask(Wanted::Secret, question).await? {
            Some(Entered::Secret(secret)) => Some(secret),
            _ => None,
        })
    }

    async fn interrupted(&mut self) -> Result<(), Gone> {
        self.inbox.interrupted().await;
        Ok(())
    }
}
