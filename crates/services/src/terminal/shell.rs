//! Commands one after the other, the same on every terminal: before each it is asked whether the login is
//! still worth anything, and ctrl-C is the command's while it runs.

use super::editor::{Entered, Wanted};
use super::inbox::Inbox;
use super::screen::{Out, Screen};
use super::{Completer, Desk, Gone, Outcome, Peer, prompt, run, too_long};

/// What commands are run under.
pub(crate) trait Session {
    /// Uses it for one command, or says why not.
    fn uses(&self) -> Result<(), String>;

    /// The sentence that it is over, once it is. Asking is not using.
    fn over(&self) -> Option<&'static str>;
}

/// How the last command of a shell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// As asked; or there was none.
    Done,
    /// Refused, or not understood.
    Failed,
    /// A plan was not accepted.
    NotAccepted,
    /// Given up with ctrl-C, before it was entered.
    Interrupted,
}

/// Carries a command out, if the session is still worth it.
pub(crate) async fn carry_out<P: Peer + Send>(
    peer: &mut P,
    inbox: &Inbox,
    desk: &Desk,
    session: &(impl Session + Sync),
    line: &[u8],
) -> Result<Outcome, Gone> {
    if let Err(sentence) = session.uses() {
        peer.refuse(&format!("{sentence}\n")).await?;
        return Ok(Outcome::Failed);
    }
    let Ok(line) = std::str::from_utf8(line) else {
        peer.refuse("a command is text in UTF-8\n").await?;
        return Ok(Outcome::Failed);
    };
    inbox.runs(true);
    let outcome = run(desk, peer, line).await;
    inbox.runs(false);
    outcome
}

/// Commands from a screen, until no more are wanted or the session is over.
pub(crate) async fn on_screen<O: Out + Send + Sync>(
    screen: &mut Screen<O>,
    desk: &Desk,
    session: &(impl Session + Sync),
) -> Result<Last, Gone> {
    let mut last = Last::Done;
    loop {
        let complete = || Box::new(Completer::new(desk)) as Box<_>;
        match screen.enter(Wanted::Command, &prompt(desk), &complete).await? {
            Entered::Line(line) if line.trim().is_empty() => continue,
            Entered::Line(line) => {
                let inbox = screen.inbox();
                match carry_out(screen, &inbox, desk, session, line.as_bytes()).await? {
                    Outcome::Done => last = Last::Done,
                    Outcome::Failed => last = Last::Failed,
                    Outcome::NotAccepted => last = Last::NotAccepted,
                    Outcome::Exit => return Ok(last),
                }
            }
            Entered::TooLong => {
                screen.refuse(&format!("{}\n", too_long())).await?;
                last = Last::Failed;
            }
            Entered::Interrupted => last = Last::Interrupted,
            Entered::Ended | Entered::Secret(_) => return Ok(last),
        }
        if let Some(sentence) = session.over() {
            screen.refuse(&format!("{sentence}\n")).await?;
            return Ok(last);
        }
    }
}
