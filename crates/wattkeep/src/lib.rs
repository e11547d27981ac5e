//! The command line: reads arguments, calls the rooms, shows what they say.
//!
//! Owns the look of every screen and the exit statuses. It decides nothing about meters, releases or
//! rights, and never shows a password. Each command writes to a [`Screen`], so that
//! tests see exactly what people see.

pub mod args;
pub mod commands;
pub mod exit;
pub mod failure;
pub mod files;
pub mod live;
mod new_file;
pub mod output;
pub mod passwords;
pub mod releases;
pub mod screen;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Status;
use crate::failure::Failure;
use crate::screen::{Pipe, Progress, Screen};

/// Runs one command on the process's own streams.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let progress = if std::io::stderr().is_terminal() { Progress::Shown } else { Progress::Hidden };
    // Both streams drop colour where it isn't wanted: no terminal, `NO_COLOR`, `TERM=dumb`.
    let mut out = Pipe::new(anstream::AutoStream::auto(std::io::stdout()));
    let mut err = Pipe::new(anstream::AutoStream::auto(std::io::stderr()));
    run(arguments, &mut Screen { out: &mut out, err: &mut err, progress }).into()
}

/// Runs one command on this screen.
pub fn run(arguments: impl IntoIterator<Item = OsString>, screen: &mut Screen<'_>) -> Status {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&error, screen),
    };
    let status = commands::run(cli.command, screen).unwrap_or_else(|failure| {
        output::error::failure(screen, &failure);
        failure.status()
    });
    match screen.out.flush() {
        Ok(()) => status,
        Err(error) => {
            output::error::sentence(screen, &Failure::Output(error).to_string());
            Status::Failed
        }
    }
}

/// Help and version go to standard output and are no failure; a usage error goes to standard error.
fn not_a_command(error: &clap::Error, screen: &mut Screen<'_>) -> Status {
    let text = error.render();
    let (stream, status): (&mut dyn Write, _) =
        if error.use_stderr() { (&mut *screen.err, Status::Usage) } else { (&mut *screen.out, Status::Done) };
    match write!(stream, "{}", text.ansi()).and_then(|()| stream.flush()) {
        Ok(()) => status,
        Err(_) => Status::Failed,
    }
}
