//! Commands on a channel: one (`ssh meter show "kW tot"`), or one after the other, with a window or
//! without. Before each it is asked whether the login is still worth anything; the exit status is the last
//! command's, as with any shell.

use std::sync::Arc;

use framework::modules::security_options::Service;
use russh::Channel;
use russh::server::Msg;

use super::channel::finish;
use super::inbox::{Inbox, TYPED_AHEAD};
use super::login::{ENDED, Login};
use super::plain::{Pipe, Read};
use super::window::{Screen, Window};
use crate::terminal::editor::{Entered, Wanted};
use crate::terminal::{self, Completer, Gone, Outcome, Peer};

/// Exit status of a command that was done.
const DONE: u32 = 0;
/// Of one that wasn't.
pub(super) const FAILED: u32 = 1;
/// Of one that was given up with ctrl-C, as shells have it: 128 and the signal's number.
const INTERRUPTED: u32 = 130;
/// What begins with it is for the readers of a script.
const COMMENT: &[u8] = b"#";

/// What a channel is for.
pub(super) enum Work {
    /// Commands, as they are typed.
    Shell,
    /// This command.
    Command(Vec<u8>),
}

/// Works on a channel until the work is done or the client closes it.
pub(super) async fn run(channel: Channel<Msg>, login: Arc<Login>, window: Option<Window>, work: Work) {
    let (messages, out) = channel.split();
    let inbox = Arc::new(Inbox::default());
    let keys = window.is_some();
    let worked = async {
        let status = match window {
            Some(window) => {
                let mut screen = Screen::new(&out, Arc::clone(&inbox), &window);
                match work {
                    Work::Shell => on_screen(&mut screen, &login, &inbox).await,
                    Work::Command(command) => one(&mut screen, &login, &inbox, &command).await,
                }
            }
            None => {
                let mut pipe = Pipe::new(&out, Arc::clone(&inbox));
                match work {
                    Work::Shell => on_pipe(&mut pipe, &login, &inbox).await,
                    Work::Command(command) => one(&mut pipe, &login, &inbox, &command).await,
                }
            }
        };
        // Whoever is gone needs no status.
        if let Ok(status) = status {
            finish(&out, status).await;
        }
    };
    tokio::select! {
        () = inbox.fill(messages, keys) => {}
        () = worked => {}
    }
}

async fn one<P: Peer + Send>(peer: &mut P, login: &Login, inbox: &Inbox, command: &[u8]) -> Result<u32, Gone> {
    Ok(match carry_out(peer, login, inbox, command).await? {
        Outcome::Done | Outcome::Exit => DONE,
        Outcome::Failed => FAILED,
    })
}

/// Carries a command out, if the login is still worth it.
async fn carry_out<P: Peer + Send>(peer: &mut P, login: &Login, inbox: &Inbox, line: &[u8]) -> Result<Outcome, Gone> {
    if let Err(sentence) = login.uses(Service::Ssh) {
        peer.refuse(&format!("{sentence}\n")).await?;
        return Ok(Outcome::Failed);
    }
    let Ok(line) = std::str::from_utf8(line) else {
        peer.refuse("a command is text in UTF-8\n").await?;
        return Ok(Outcome::Failed);
    };
    inbox.runs(true);
    let outcome = terminal::run(&login.desk(), peer, line).await;
    inbox.runs(false);
    outcome
}

async fn on_screen(screen: &mut Screen<'_>, login: &Login, inbox: &Inbox) -> Result<u32, Gone> {
    let desk = login.desk();
    let columns = screen.columns().unwrap_or_default();
    screen.say(&terminal::greeting(&desk, columns)).await?;
    let mut status = DONE;
    loop {
        let complete = || Box::new(Completer::new(&desk)) as Box<_>;
        match screen.enter(Wanted::Command, &terminal::prompt(&desk), &complete).await? {
            Entered::Line(line) if line.trim().is_empty() => continue,
            Entered::Line(line) => match carry_out(screen, login, inbox, line.as_bytes()).await? {
                Outcome::Done => status = DONE,
                Outcome::Failed => status = FAILED,
                Outcome::Exit => return Ok(status),
            },
            Entered::TooLong => {
                screen.refuse(&format!("{}\n", terminal::too_long())).await?;
                status = FAILED;
            }
            Entered::Interrupted => status = INTERRUPTED,
            Entered::Ended | Entered::Secret(_) => return Ok(status),
        }
        if !login.lives() {
            screen.refuse(&format!("{ENDED}\n")).await?;
            return Ok(status);
        }
    }
}

async fn on_pipe(pipe: &mut Pipe<'_>, login: &Login, inbox: &Inbox) -> Result<u32, Gone> {
    let mut status = DONE;
    loop {
        match pipe.read().await {
            // No command, and yet not for nothing: it is work for the meter.
            Read::Line(line) if line.trim_ascii().is_empty() || line.trim_ascii().starts_with(COMMENT) => {
                if let Err(sentence) = login.goes_on(Service::Ssh) {
                    pipe.refuse(&format!("{sentence}\n")).await?;
                    return Ok(FAILED);
                }
            }
            Read::Line(line) => match carry_out(pipe, login, inbox, &line).await? {
                Outcome::Done => status = DONE,
                Outcome::Failed => status = FAILED,
                Outcome::Exit => return Ok(status),
            },
            Read::TooLong => {
                pipe.refuse(&format!("{}\n", terminal::too_long())).await?;
                status = FAILED;
            }
            Read::Lost => {
                let sentence = format!(
                    "more than {} KiB of commands came faster than they were carried out, and some are lost: \
                     the rest is not run\n",
                    TYPED_AHEAD >> 10
                );
                pipe.refuse(&sentence).await?;
                return Ok(FAILED);
            }
            Read::Ended => return Ok(status),
        }
    }
}
