//! One conversation: banner, login, menus. Who somebody is comes from the site's login, what they may see
//! from the view at each choice; the session that keeps the time-out is the gate's, so that a changed
//! password, mode or release ends it here as it does everywhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meter::{Caller, Proved};
use security::{Password, Path, Token};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{error::Elapsed, sleep, timeout};

use super::menu;
use super::wire::{Broken, Wire, fill};
use crate::Site;
use crate::connections::Entry;
use crate::terminal::editor::{Entered, Kind, Nothing, Wanted};
use crate::terminal::inbox::Inbox;
use crate::terminal::screen::{Out, Screen};
use crate::terminal::{Desk, Gone, LONGEST_LINE, Peer, shell};

/// From connecting to being logged in: a minute to type a name and a password, three times if need be, so that nobody
/// holds a place that others wait for.
const LOGIN: Duration = Duration::from_secs(60);
/// Tries on one connection, as terminals of the trade allow them; lock-outs count across connections.
const TRIES: usize = 3;
/// How often a session is looked for while nothing is typed: a connection ends at most so much later than its session.
const LOOK: Duration = Duration::from_secs(5);
const OVER: &str = "the session is over: connect and log in again";

/// How a conversation ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("said goodbye")]
    Goodbye,
    #[error("nobody logged in")]
    NoLogin,
    #[error("the session is over")]
    Over,
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A session at the gate, closed when the conversation ends, however it does.
struct Session<'a> {
    site: &'a Site,
    token: Token,
}

impl Session<'_> {
    /// Returns when the session is over. Looking is not using.
    async fn ends(&self) {
        while shell::Session::over(self).is_none() {
            sleep(LOOK).await;
        }
    }
}

impl shell::Session for Session<'_> {
    fn uses(&self) -> Result<(), String> {
        self.site.gate.session(self.site.now(), &self.token).map(drop).ok_or_else(|| OVER.to_owned())
    }

    fn over(&self) -> Option<&'static str> {
        (!self.site.gate.holds_session(self.site.now(), &self.token)).then_some(OVER)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.site.gate.close_session(self.site.now(), &self.token);
    }
}

/// Talks with one client until either has had enough.
pub(super) async fn converse(
    site: Arc<Site>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    peer: SocketAddr,
    entry: Entry,
) -> End {
    let (read, write) = tokio::io::split(stream);
    let (wire, inbox) = (Wire::new(write), Arc::new(Inbox::default()));
    // A client has lines until it says that it has keys.
    let mut screen = Screen::new(&wire, Arc::clone(&inbox), Kind::Lines, (0, 0));
    tokio::select! {
        // What is offered is said before the banner.
        biased;
        Err(broken) = fill(read, &wire, &inbox) => End::Broken(broken),
        end = talk(&site, &mut screen, peer, &entry) => end.unwrap_or_else(End::Gone),
    }
}

async fn talk<O: Out + Send + Sync>(
    site: &Arc<Site>,
    screen: &mut Screen<O>,
    peer: SocketAddr,
    entry: &Entry,
) -> Result<End, Gone> {
    let proved = match timeout(LOGIN, log_in(site, screen, peer)).await {
        Ok(Ok(Some(proved))) => proved,
        Ok(Ok(None)) => return Ok(End::NoLogin),
        Ok(Err(gone)) => return Err(gone),
        Err(Elapsed { .. }) => {
            screen.say("\nnobody has logged in for too long: connect again\n").await?;
            return Ok(End::NoLogin);
        }
    };
    let token = match site.begin_session(Path::Telnet, peer, proved) {
        Ok(token) => token,
        Err(refused) => {
            screen.say(&format!("{refused}\n")).await?;
            return Ok(End::NoLogin);
        }
    };
    entry.logged_in(proved.who);
    let session = Session { site, token };
    let number = site.session_number(&session.token);
    entry.in_session(number);
    let caller = Caller { session: number, ..Caller::on(Path::Telnet, proved.who, peer) };
    let desk = Desk::new(Arc::clone(site), Path::Telnet, caller);
    if number.is_some() {
        tokio::select! {
            left = menu::run(screen, &desk, &session) => left?,
            // A command that goes on, or waits for an answer, ends with its session.
            () = session.ends() => {}
        }
    }
    match shell::Session::over(&session) {
        None => Ok(End::Goodbye),
        Some(sentence) => {
            screen.say(&format!("\n{sentence}\n")).await?;
            Ok(End::Over)
        }
    }
}

/// Who has logged in; nobody, if the client left or has used up its tries.
async fn log_in<O: Out + Send + Sync>(
    site: &Site,
    screen: &mut Screen<O>,
    peer: SocketAddr,
) -> Result<Option<Proved>, Gone> {
    let view = site.view();
    screen.say(&format!("wattkeep\n{}\n{}\n\n", view.release().device_type, view.identity.serial)).await?;
    let mut tries = 0;
    while tries < TRIES {
        let name = match screen.enter(Wanted::Answer, "login: ", &|| Box::new(Nothing)).await? {
            Entered::Line(name) if name.trim().is_empty() => continue,
            Entered::Line(name) => name,
            Entered::TooLong => {
                screen.say(&too_long(LONGEST_LINE)).await?;
                continue;
            }
            Entered::Interrupted => continue,
            Entered::Ended | Entered::Secret(_) => return Ok(None),
        };
        let typed = match screen.enter(Wanted::Secret, "password: ", &|| Box::new(Nothing)).await? {
            Entered::Secret(typed) => typed,
            Entered::TooLong => {
                tries += 1;
                screen.say(&too_long(Password::MAX_BYTES)).await?;
                continue;
            }
            Entered::Interrupted => continue,
            Entered::Ended | Entered::Line(_) => return Ok(None),
        };
        tries += 1;
        // The editor takes no more than a password has.
        let Ok(password) = Password::new(&*typed) else { continue };
        match site.login(Path::Telnet, name.trim(), password, peer).await {
            Ok(proved) => return Ok(Some(proved)),
            Err(denied) => screen.say(&format!("{denied}\n")).await?,
        }
    }
    screen.say("too many tries: connect again\n").await?;
    Ok(None)
}

fn too_long(most: usize) -> String {
    format!("at most {most} bytes are taken here: this was thrown away\n")
}
