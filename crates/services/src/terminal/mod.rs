//! The command engine of the terminals: a line in, text and an outcome out, the same over SSH and Telnet.
//! It knows nothing of channels, and holds no rule about rights: what a caller may do is asked of the gate.
//!
//! `table` has every command, `commands` does them, `desk` is where, `peer` is who is talked to, `editor`
//! is the line that people type on, `complete` what Tab finds, `plain` what may reach a terminal at all; `inbox`
//! is what has been typed, `screen` brings it to the editor, `shell` runs one command after the other.

mod commands;
mod complete;
mod desk;
pub mod editor;
mod greeting;
pub(crate) mod inbox;
mod peer;
pub mod plain;
mod registers;
pub(crate) mod screen;
pub(crate) mod shell;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use commands::log::page as event_page;
pub(crate) use commands::show::registers_of;
pub use complete::Completer;
pub use desk::Desk;
pub use greeting::{greeting, prompt};
pub use peer::Gone;
pub(crate) use peer::Peer;

use meter::GateError;
use security::Refusal;

use crate::Site;
use crate::change::ChangeError;
use crate::disk::noted;
use crate::vault::MakeError;

/// A command line is at most this long.
pub const LONGEST_LINE: usize = 1024;
/// The columns for which sentences are folded where there is no window.
const USUAL_COLUMNS: usize = 80;
/// A sentence repeats at most this much of what was typed.
const REPEATED: usize = 60;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Refused, or not understood, or given up.
    Failed,
    /// A plan was not accepted, or is another one by now: nothing was done.
    NotAccepted,
    /// No more commands are wanted.
    Exit,
}

/// Why a command wasn't done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The sentence that says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The same of a plan that wasn't accepted.
    #[error("{0}")]
    NotAccepted(String),
    /// There is nobody to tell.
    #[error(transparent)]
    Gone(#[from] Gone),
}

macro_rules! refused_by {
    ($($error:ty),*) => {
        $(impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self::Refused(error.to_string())
            }
        })*
    };
}
refused_by!(Refusal, MakeError, words::OpenQuote);

impl From<ChangeError> for Failed {
    fn from(error: ChangeError) -> Self {
        match error {
            // It was another plan that was accepted.
            ChangeError::Gate(GateError::PlanChanged(_)) => Self::NotAccepted(error.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<GateError> for Failed {
    fn from(error: GateError) -> Self {
        Self::Refused(noted(error).to_string())
    }
}

impl From<String> for Failed {
    fn from(sentence: String) -> Self {
        Self::Refused(sentence)
    }
}

impl From<&str> for Failed {
    fn from(sentence: &str) -> Self {
        Self::Refused(sentence.to_owned())
    }
}

/// Runs one command line and says what comes of it.
///
/// # Errors
/// If there is nobody to say it to.
pub(crate) async fn run<P: Peer + Send>(desk: &Desk, peer: &mut P, line: &str) -> Result<Outcome, Gone> {
    let (sentence, outcome) = match carry_out(desk, peer, line).await {
        Ok(outcome) => return Ok(outcome),
        Err(Failed::Refused(sentence)) => (sentence, Outcome::Failed),
        Err(Failed::NotAccepted(sentence)) => (sentence, Outcome::NotAccepted),
        Err(Failed::Gone(gone)) => return Err(gone),
    };
    peer.refuse(&plain::hanging("", &sentence, peer.columns().unwrap_or(usize::MAX))).await?;
    Ok(outcome)
}

async fn carry_out<P: Peer + Send>(desk: &Desk, peer: &mut P, line: &str) -> Result<Outcome, Failed> {
    if line.len() > LONGEST_LINE {
        return Err(too_long().into());
    }
    let words = words::split(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((name, rest)) = words.split_first() else {
        return Err(format!("no command was given: {}", table::usage("")).into());
    };
    let name = name.to_ascii_lowercase();
    let prose = peer.columns().unwrap_or(USUAL_COLUMNS);
    let text = match (name.as_str(), rest) {
        ("exit" | "quit" | "logout", []) => return Ok(Outcome::Exit),
        ("help" | "?", []) => table::help(prose),
        ("help" | "?", [command, ..]) => match table::find(command) {
            Some(command) => table::help_on(command, prose),
            None => return Err(unknown(command).into()),
        },
        ("info", []) => commands::info::info(desk, peer.columns())?,
        ("show", names) => commands::show::show(desk, names, peer.columns())?,
        ("set", words) => commands::set::set(desk, words).await?,
        ("users", words) => commands::users::users(desk, words, peer.columns()).await?,
        ("rights", words) => commands::users::rights(desk, words).await?,
        ("passwd", words) => commands::passwd::passwd(desk, peer, words).await?,
        ("events", ["--follow" | "-f"]) => commands::log::follow(desk, peer).await?,
        ("events", words) => commands::log::events(desk, words, peer.columns()).await?,
        ("log", words) => commands::records::log(desk, words, peer.columns()).await?,
        ("connections", words) => commands::connections::connections(desk, words, peer.columns()).await?,
        ("clock", words) => commands::clock::clock(desk, words, peer.columns()).await?,
        ("demand", words) => commands::demand::demand(desk, words, peer.columns()).await?,
        ("upgrade", words) => commands::upgrade::upgrade(desk, peer, words).await?,
        (known, _) if table::find(known).is_some() => return Err(table::usage(known).into()),
        _ => return Err(unknown(&name).into()),
    };
    peer.say(&text).await?;
    Ok(Outcome::Done)
}

fn unknown(name: &str) -> String {
    format!("there is no command \"{}\": {}", repeated(name), table::usage(""))
}

/// What is said of a line that there is no room for.
pub fn too_long() -> String {
    format!("a command has at most {LONGEST_LINE} bytes: this one was not run")
}

/// What was typed, as a sentence repeats it.
fn repeated(typed: &str) -> String {
    typed.chars().map(plain::printable).take(REPEATED).collect()
}
