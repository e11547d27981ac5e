//! A client with somebody before it: what is typed goes through the line editor, what is told has line ends of
//! a raw terminal. The same over SSH and Telnet; how bytes reach the client is the faces' business.

use std::sync::Arc;

use tokio::task::consume_budget;
use zeroize::Zeroizing;

use super::editor::{Complete, Editor, Entered, Kind, Nothing, Wanted};
use super::inbox::{Inbox, News, StopsBy};
use super::{Gone, Peer, plain, too_long};

/// What is said before a password where the client shows what is typed.
const SEEN: &str = "What is typed next is shown: this client has not agreed to hide it.\n";
/// Clears a terminal's window and goes to its upper left corner.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// The way to a client.
pub(crate) trait Out {
    /// Sends bytes as they are.
    fn send(&self, bytes: Vec<u8>) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// The client.
pub(crate) struct Screen<O> {
    out: O,
    inbox: Arc<Inbox>,
    editor: Editor,
}

impl<O: Out + Send + Sync> Screen<O> {
    /// A client with a window of this size, as far as is known; 0 where it isn't.
    pub(crate) fn new(out: O, inbox: Arc<Inbox>, kind: Kind, (columns, rows): (u32, u32)) -> Self {
        Self { out, inbox, editor: Editor::new(kind, columns, rows) }
    }

    /// What has come from the client.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Clears the window, where there is one that can be.
    pub(crate) async fn clear(&mut self) -> Result<(), Gone> {
        if self.editor.kind() == Kind::Usual { self.out.send(CLEAR.to_vec()).await } else { Ok(()) }
    }

    /// What is entered next.
    pub(crate) async fn enter(
        &mut self,
        wanted: Wanted,
        prompt: &str,
        complete: &(impl Fn() -> Box<dyn Complete + Send> + Sync),
    ) -> Result<Entered, Gone> {
        let mut out = Vec::new();
        self.take_size(false, &mut out);
        if wanted == Wanted::Secret && self.editor.kind() == Kind::Lines {
            out.extend(on_the_wire(SEEN));
        }
        self.editor.ask(wanted, prompt, &mut out);
        loop {
            if !out.is_empty() {
                self.out.send(std::mem::take(&mut out)).await?;
            }
            match self.inbox.next().await {
                News::Window(columns, rows) => self.editor.resize(columns, rows, true, &mut out),
                News::Terminal(kind) => self.editor.turn(kind, &mut out),
                News::Typed(mut piece) => {
                    let (taken, entered) = self.editor.take(piece.left(), &*complete(), &mut out);
                    piece.used(taken);
                    self.inbox.give_back(piece);
                    // Lines that say nothing are work too, and others have theirs to do.
                    consume_budget().await;
                    if let Some(entered) = entered {
                        self.out.send(out).await?;
                        return Ok(entered);
                    }
                }
                // What comes without end and isn't looked at is not worth a word but the bell's.
                News::Overflowed => out.push(7),
                News::Ended => {
                    self.editor.leave(&mut out);
                    self.out.send(out).await?;
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

impl<O: Out + Send + Sync> Peer for Screen<O> {
    fn columns(&self) -> Option<usize> {
        Some(self.editor.columns())
    }

    fn is_person(&self) -> bool {
        true
    }

    async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.out.send(on_the_wire(text)).await?;
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
        let by = match self.editor.kind() {
            Kind::Lines => StopsBy::Line { after_return: self.editor.after_return() },
            Kind::Usual | Kind::Dumb => StopsBy::Key,
        };
        self.inbox.interrupted(by).await;
        Ok(())
    }
}

/// A text as a raw terminal shows it.
fn on_the_wire(text: &str) -> Vec<u8> {
    plain::lines(text).replace('\n', "\r\n").into_bytes()
}
