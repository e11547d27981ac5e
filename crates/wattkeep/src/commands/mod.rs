//! What each command does: calls a room, hands what it says to [`output`](crate::output).

pub mod backup;
pub mod floor;
pub mod live;
pub mod meter;
pub mod rehearse;
pub mod release;
pub mod reset_security;
pub mod setup;
mod template;
pub mod verify;

use std::io::IsTerminal;

use crate::args::Command;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output;
use crate::screen::Screen;

/// Does what was asked for.
///
/// # Errors
/// Whatever stood in the way, with its exit status.
pub fn run(command: Command, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    match command {
        Command::Meter(args) => meter::run(args, screen),
        Command::ResetSecurity(args) => reset_security::run(&args, screen),
        Command::Floor(args) => floor::run(&args, screen),
        Command::Verify(args) => verify::run(&args, screen),
        Command::Release(args) => release::run(args.command, screen),
        Command::Rehearse(args) => rehearse::run(&args, screen),
        Command::Backup(args) => backup::run(args, screen),
        Command::Setup(args) => setup::run(*args, screen),
    }
}

/// Asks for a yes on the terminal; `unless` says what didn't happen without one.
fn asked(question: &str, unless: &str, screen: &mut Screen<'_>) -> Result<bool, Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        output::error::sentence(screen, &format!("{unless}: there is no terminal to ask on, so say --yes"));
        return Ok(false);
    }
    write!(screen.err, "{question}")?;
    screen.err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !yes {
        output::error::sentence(screen, unless);
    }
    Ok(yes)
}

/// The runtime of commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
