//! One conversation: banner, login, menu. Who somebody is comes from the site's login, what they may see
//! from the view at each choice; the session that keeps the time-out is the gate's, so that a changed
//! password, mode or release ends it here as it does everywhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framework::modules::security_options::SESSION_TIMEOUT;
use meter::{Caller, Denied, Proved, View};
use security::{Ask, Password, Path, Token};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{error::Elapsed, sleep, timeout};
use zeroize::Zeroizing;

use super::line::{Line, MAX_LINE};
use super::terminal::{Gone, Terminal};
use super::{commands, menu};
use crate::Site;
use crate::connections::Entry;
use crate::terminal::{Desk, Outcome, prompt};

/// Tries on one connection, as terminals of the trade allow them; lock-outs count across connections.
const TRIES: usize = 3;
/// How often a session is looked for while nothing is typed: a connection ends at most so much later than its session.
const LOOK: Duration = Duration::from_secs(5);
const OVER: &str = "the session is over: connect and log in again\n";
const IDLE: &str = "\nnothing was typed for too long: the session is over\n";

/// The time a conversation is given.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// From connecting to being logged in.
    pub login: Duration,
    /// From one choice to the next.
    pub idle: fn(&View) -> Duration,
}

impl Limits {
    /// A minute to type a name and a password, three times if need be, so that nobody holds a place that
    /// others wait for; then the meter's own time-out.
    pub const METER: Self = Self { login: Duration::from_secs(60), idle: session_timeout };
}

fn session_timeout(view: &View) -> Duration {
    // The register's range is 1 to 43200 minutes.
    Duration::from_secs(view.settings.option_number(SESSION_TIMEOUT) as u64 * 60)
}

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
}

/// A session at the gate, closed when the conversation ends, however it does.
struct Session<'a> {
    site: &'a Site,
    token: Token,
}

impl Session<'_> {
    fn holds(&self) -> bool {
        self.site.gate.session(self.site.now(), &self.token).is_some()
    }

    /// Returns when the session is over. Looking is not using.
    async fn ends(&self) {
        while self.site.gate.holds_session(self.site.now(), &self.token) {
            sleep(LOOK).await;
        }
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
    limits: Limits,
) -> End {
    let mut terminal = Terminal::new(stream);
    match talk(&site, &mut terminal, peer, &entry, limits).await {
        Ok(end) => end,
        Err(gone) => End::Gone(gone),
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send>(
    site: &Arc<Site>,
    terminal: &mut Terminal<S>,
    peer: SocketAddr,
    entry: &Entry,
    limits: Limits,
) -> Result<End, Gone> {
    let proved = match timeout(limits.login, log_in(site, terminal, peer)).await {
        Ok(Ok(Some(proved))) => proved,
        Ok(Ok(None)) => return Ok(End::NoLogin),
        Ok(Err(gone)) => return Err(gone),
        Err(Elapsed { .. }) => {
            terminal.say("\nnobody has logged in for too long: connect again\n").await?;
            return Ok(End::NoLogin);
        }
    };
    let token = match site.begin_session(Path::Telnet, peer, proved) {
        Ok(token) => token,
        Err(refused) => {
            terminal.say(&format!("{refused}\n")).await?;
            return Ok(End::NoLogin);
        }
    };
    entry.logged_in(proved.who);
    let caller = Caller::on(Path::Telnet, proved.who, peer);
    let session = Session { site, token };
    let Some(number) = site.session_number(&session.token) else {
        // It was ended as soon as it was begun.
        terminal.say(OVER).await?;
        return Ok(End::Over);
    };
    entry.in_session(Some(number));
    let desk = Desk::new(Arc::clone(site), Path::Telnet, Caller { session: Some(number), ..caller });
    let mut commanding = false;
    terminal.say(menu::MENU).await?;
    loop {
        let prompt = if commanding { prompt(&desk) } else { menu::PROMPT.to_owned() };
        terminal.say(&prompt).await?;
        let idle = (limits.idle)(&site.view());
        let line = tokio::select! {
            line = terminal.line_within(idle) => line,
            () = session.ends() => return over(terminal, &format!("\n{OVER}")).await,
        };
        let line = match line {
            Err(Gone::Idle) => return over(terminal, IDLE).await,
            line => line?,
        };
        if !session.holds() {
            return over(terminal, OVER).await;
        }
        let typed = match line {
            Line::Entered(typed) => typed,
            Line::TooLong => {
                terminal.say(&too_long()).await?;
                continue;
            }
            Line::Leave => return Ok(End::Goodbye),
        };
        match typed.trim_ascii() {
            line if commanding => {
                // A command that goes on, or waits for an answer, ends with its session.
                let ended = tokio::select! {
                    ended = commands::run(&desk, terminal, line, idle) => ended,
                    () = session.ends() => return over(terminal, &format!("\n{OVER}")).await,
                };
                let outcome = match ended {
                    Err(Gone::Idle) => return over(terminal, IDLE).await,
                    outcome => outcome?,
                };
                if outcome == Outcome::Exit {
                    commanding = false;
                    terminal.say(menu::MENU).await?;
                }
            }
            b"4" => {
                commanding = true;
                terminal.say(commands::HINT).await?;
            }
            b"x" | b"X" => {
                terminal.say("goodbye\n").await?;
                return Ok(End::Goodbye);
            }
            choice => terminal.say(&answer(site, &desk.caller, choice)).await?,
        }
    }
}

/// Says why it is over.
async fn over<S: AsyncRead + AsyncWrite + Unpin>(terminal: &mut Terminal<S>, sentence: &str) -> Result<End, Gone> {
    terminal.say(sentence).await?;
    Ok(End::Over)
}

fn answer(site: &Site, caller: &Caller, choice: &[u8]) -> String {
    let (view, who) = (site.view(), caller.who);
    if let Err(refusal) = view.may(Path::Telnet, who, Ask::Read) {
        return format!("{refusal}\n");
    }
    match choice {
        b"1" => menu::network(site, &view, caller) + menu::MENU,
        b"2" => menu::meter(site, &view, who) + menu::MENU,
        b"3" => menu::readings(&view) + menu::MENU,
        b"" | b"?" => menu::MENU.to_owned(),
        _ => menu::NO_CHOICE.to_owned(),
    }
}

fn too_long() -> String {
    format!("a line has at most {MAX_LINE} characters: this one was thrown away\n")
}

/// Who has logged in; nobody, if the client left or has used up its tries.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    site: &Site,
    terminal: &mut Terminal<S>,
    peer: SocketAddr,
) -> Result<Option<Proved>, Gone> {
    let view = site.view();
    terminal.say(&format!("wattkeep\n{}\n{}\n\n", view.release().device_type, view.identity.serial)).await?;
    let mut tries = 0;
    while tries < TRIES {
        terminal.say("login: ").await?;
        let name = match terminal.line().await? {
            Line::Entered(name) if name.trim_ascii().is_empty() => continue,
            Line::Entered(name) => name,
            Line::TooLong => {
                terminal.say(&too_long()).await?;
                continue;
            }
            Line::Leave => return Ok(None),
        };
        let password = match terminal.hidden("password: ", Duration::MAX).await? {
            Line::Entered(password) => password,
            Line::TooLong => {
                terminal.say(&too_long()).await?;
                continue;
            }
            Line::Leave => return Ok(None),
        };
        tries += 1;
        let name = String::from_utf8_lossy(name.trim_ascii());
        match check(site, &name, &password, peer).await {
            Ok(proved) => return Ok(Some(proved)),
            Err(denied) => terminal.say(&format!("{denied}\n")).await?,
        }
    }
    terminal.say("too many tries: connect again\n").await?;
    Ok(None)
}

async fn check(site: &Site, name: &str, typed: &Zeroizing<Vec<u8>>, peer: SocketAddr) -> Result<Proved, Denied> {
    // No release takes a password anywhere near this long, so what is cut off can't make it right.
    let typed = typed.get(..Password::MAX_BYTES).unwrap_or(typed);
    let password = Password::new(typed).map_err(|_| Denied::Busy)?;
    site.login(Path::Telnet, name, password, peer).await
}
