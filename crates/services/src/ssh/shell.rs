//! Commands on a channel: one (`ssh meter show "kW tot"`), or one after the other, with a window or
//! without. The exit status is the last command's, as with any shell.

use std::sync::Arc;

use framework::modules::security_options::Service;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, Sig};

use super::channel::finish;
use super::login::{ENDED, Login};
use super::plain::{Pipe, Read};
use super::window::Window;
use crate::terminal::inbox::{Inbox, TYPED_AHEAD};
use crate::terminal::screen::{Out, Screen};
use crate::terminal::shell::{self, Last, Session, carry_out};
use crate::terminal::{self, Gone, Outcome, Peer};

/// Exit status of a command that was done.
const DONE: u32 = 0;
/// Of one that wasn't.
pub(super) const FAILED: u32 = 1;
/// Of one whose plan was not accepted, or has changed since it was shown: Setup's for the same.
const NOT_ACCEPTED: u32 = 6;
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
                let mut screen = Screen::new(&out, Arc::clone(&inbox), window.kind, window.size);
                match work {
                    Work::Shell => on_screen(&mut screen, &login).await,
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
        () = fill(&inbox, messages, keys) => {}
        () = worked => {}
    }
}

async fn one<P: Peer + Send>(peer: &mut P, login: &Login, inbox: &Inbox, command: &[u8]) -> Result<u32, Gone> {
    Ok(match carry_out(peer, inbox, &login.desk(), login, command).await? {
        Outcome::Done | Outcome::Exit => DONE,
        Outcome::Failed => FAILED,
        Outcome::NotAccepted => NOT_ACCEPTED,
    })
}

/// Takes every message of a channel until the client closes it.
async fn fill(inbox: &Inbox, mut messages: ChannelReadHalf, has_keyboard: bool) {
    while let Some(message) = messages.wait().await {
        match message {
            ChannelMsg::Data { data } => inbox.typed(&data, has_keyboard),
            ChannelMsg::WindowChange { col_width, row_height, .. } => inbox.resized(col_width, row_height),
            ChannelMsg::Signal { signal: Sig::INT } => inbox.interrupt(),
            ChannelMsg::Eof => inbox.end(),
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

impl Session for Login {
    fn uses(&self) -> Result<(), String> {
        Login::uses(self, Service::Ssh)
    }

    fn over(&self) -> Option<&'static str> {
        (!self.lives()).then_some(ENDED)
    }
}

async fn on_screen<O: Out + Send + Sync>(screen: &mut Screen<O>, login: &Login) -> Result<u32, Gone> {
    let desk = login.desk();
    let columns = screen.columns().unwrap_or_default();
    screen.say(&terminal::greeting(&desk, columns)).await?;
    Ok(match shell::on_screen(screen, &desk, login).await? {
        Last::Done => DONE,
        Last::Failed => FAILED,
        Last::NotAccepted => NOT_ACCEPTED,
        Last::Interrupted => INTERRUPTED,
    })
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
            Read::Line(line) => match carry_out(pipe, inbox, &login.desk(), login, &line).await? {
                Outcome::Done => status = DONE,
                Outcome::Failed => status = FAILED,
                Outcome::NotAccepted => status = NOT_ACCEPTED,
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
