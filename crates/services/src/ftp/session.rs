//! One conversation: greeting, login, then one command after the other. Who somebody is comes from the site's login;
//! the session that keeps the time-out is the gate's, so that a changed password, mode or release ends it here as it
//! does everywhere, and a transfer under way with it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use framework::modules::security_options::{SESSION_TIMEOUT, Service};
use meter::{Denied, Proved, View};
use security::{Password, Path};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{error::Elapsed, sleep, timeout};

use super::client::{Client, Gone};
use super::command::{self, Answer, Command, FEATURES};
use super::line::{Line, MAX_LINE};
use super::work::Work;
use crate::connections::Entry;
use crate::files::Files;
use crate::ssh::login::{ENDED, Login};

/// Tries on one connection, as on the other legacy faces; lock-outs count across connections.
const TRIES: usize = 3;
/// From connecting to being logged in: nobody holds a place that others wait for.
const LOGIN_GRACE: Duration = Duration::from_secs(60);
/// How often a session is looked for while nothing is asked: a connection ends at most so much later than its session.
const LOOK: Duration = Duration::from_secs(5);

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
    #[error("the FTP library can't go on: {0}")]
    Library(std::io::Error),
}

/// From whom to whom a connection goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The address of the meter that the client has found.
    pub local: IpAddr,
    pub peer: SocketAddr,
}

fn session_timeout(view: &View) -> Duration {
    // The register's range is 1 to 43200 minutes.
    Duration::from_secs(view.settings.option_number(SESSION_TIMEOUT) as u64 * 60)
}

/// Returns when the session is over. Looking is not using.
pub(super) async fn ends(login: &Login) {
    while login.lives() {
        sleep(LOOK).await;
    }
}

/// Talks with one client until either has had enough.
pub(super) async fn converse<S>(files: Arc<Files>, stream: S, ends: Ends, entry: Entry) -> Result<End, End>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut client = Client::new(stream);
    let proved = match timeout(LOGIN_GRACE, log_in(&files, &mut client, ends.peer)).await {
        Ok(Ok(Some(proved))) => proved,
        Ok(Ok(None)) => return Ok(End::NoLogin),
        Ok(Err(gone)) => return Err(gone.into()),
        Err(Elapsed { .. }) => {
            client.say(&Answer::new(421, "nobody has logged in for too long: connect again")).await?;
            return Ok(End::NoLogin);
        }
    };
    let login = match Login::new(Arc::clone(files.site()), Path::Ftp, ends.peer, proved) {
        Ok(login) => Arc::new(login),
        Err(refused) => {
            client.say(&Answer::new(421, refused.to_string())).await?;
            return Ok(End::NoLogin);
        }
    };
    entry.logged_in(proved.who);
    entry.in_session(Some(login.number));
    let tree = files.tree(login.caller(Path::Ftp));
    let mut work = match Work::begin(tree, Arc::clone(&login), ends).await {
        Ok(work) => work,
        Err(error) => {
            client.say(&Answer::new(421, "the meter can't serve files just now: connect again")).await?;
            return Err(End::Library(error));
        }
    };
    client.say(&Answer::new(230, format!("logged in as {}", login.who))).await?;
    let end = serve(&files, &mut client, &mut work, &login).await;
    if let Err(End::Over) = end {
        client.say(&Answer::new(421, ENDED)).await?;
    }
    end
}

/// One command after the other, for as long as the session lasts.
async fn serve<S>(files: &Files, client: &mut Client<S>, work: &mut Work, login: &Login) -> Result<End, End>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        let idle = session_timeout(&files.site().view());
        let line = tokio::select! {
            line = timeout(idle, client.line()) => line.map_err(|_| End::Over)??,
            () = ends(login) => return Err(End::Over),
        };
        if let Err(sentence) = login.uses(Service::Ftp) {
            client.say(&Answer::new(421, sentence)).await?;
            return Ok(End::Over);
        }
        let line = match line {
            Line::Sent(line) => line,
            Line::TooLong => {
                client.say(&too_long()).await?;
                continue;
            }
        };
        match command::parse(&line) {
            Ok(Command::Quit) => {
                client.say(&goodbye()).await?;
                return Ok(End::Goodbye);
            }
            Ok(Command::User(_) | Command::Pass(_)) => {
                client.say(&Answer::new(503, "you are logged in: to be somebody else, connect again")).await?;
            }
            Ok(Command::Say(answer)) | Err(answer) => client.say(&answer).await?,
            Ok(Command::Features) => features(client).await?,
            Ok(command) => work.carry_out(client, command).await?,
        }
    }
}

/// Who has logged in; nobody, if the client left or has used up its tries.
async fn log_in<S>(files: &Files, client: &mut Client<S>, peer: SocketAddr) -> Result<Option<Proved>, Gone>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let view = files.site().view();
    let greeting = format!("{} {}; log in", view.release().device_type, view.identity.serial);
    client.say(&Answer::new(220, greeting)).await?;
    let (mut name, mut tries) = (None, 0);
    while tries < TRIES {
        let line = match client.line().await? {
            Line::Sent(line) => line,
            Line::TooLong => {
                client.say(&too_long()).await?;
                continue;
            }
        };
        match command::parse(&line) {
            Ok(Command::User(user)) => {
                name = Some(user);
                client.say(&Answer::new(331, "and the password")).await?;
            }
            Ok(Command::Pass(from)) => {
                let Some(name) = name.take() else {
                    client.say(&Answer::new(503, "say who you are first: USER")).await?;
                    continue;
                };
                tries += 1;
                match check(files, &name, &line[from..], peer).await {
                    Ok(proved) => return Ok(Some(proved)),
                    Err(denied) => client.say(&Answer::new(530, denied.to_string())).await?,
                }
            }
            Ok(Command::Quit) => {
                client.say(&goodbye()).await?;
                return Ok(None);
            }
            Ok(Command::Say(answer)) => client.say(&answer).await?,
            Ok(Command::Features) => features(client).await?,
            Ok(_) => client.say(&Answer::new(530, "log in first: USER, then PASS")).await?,
            Err(answer) => client.say(&answer).await?,
        }
    }
    client.say(&Answer::new(421, "too many tries: connect again")).await?;
    Ok(None)
}

async fn check(files: &Files, name: &str, typed: &[u8], peer: SocketAddr) -> Result<Proved, Denied> {
    // No release takes a password anywhere near this long, so what is cut off can't make it right.
    let typed = typed.get(..Password::MAX_BYTES).unwrap_or(typed);
    let password = Password::new(typed).map_err(|_| Denied::Busy)?;
    files.site().login(Path::Ftp, name, password, peer).await
}

async fn features<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> Result<(), Gone> {
    let lines: String = FEATURES.iter().map(|feature| format!(" {feature}\r\n")).collect();
    client.send(format!("211-what else there is:\r\n{lines}211 that is all\r\n").as_bytes()).await
}

fn goodbye() -> Answer {
    Answer::new(221, "goodbye")
}

fn too_long() -> Answer {
    Answer::new(500, format!("a line has at most {MAX_LINE} bytes: this one was thrown away"))
}
