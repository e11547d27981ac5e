//! What each command does: calls a room, hands what it says to [`output`](crate::output).

mod asking;
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

use crate::args::Command;
use crate::exit::Status;
use crate::failure::Failure;
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

/// The runtime of commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
