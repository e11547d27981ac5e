//! The command line, typed: one file for each command. Nothing is read or done here.

pub mod backup;
pub mod floor;
pub mod meter;
pub mod rehearse;
pub mod release;
pub mod reset_security;
pub mod setup;
pub mod verify;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default());

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  failed
  2  the command line makes no sense
  3  a hash or signature is wrong, or the file is not in the list
  4  denied: a login or a right is missing
  5  the meter can't be reached
  6  the plan was not accepted, or had changed since
  7  done, but the meter is not what the plan said";

/// A software revenue meter of the 8650 class, and the tools that set it up
#[derive(Debug, Parser)]
#[command(name = "wattkeep", version, styles = STYLES, after_help = EXIT_STATUS, term_width = crate::output::WIDTH)]
#[command(propagate_version = false, disable_help_subcommand = true)]
pub struct Cli {
    /// Which command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one meter, in the foreground
    Meter(meter::MeterArgs),
    /// Reset a meter's security to factory, at its own machine: a lost password
    ResetSecurity(reset_security::ResetSecurityArgs),
    /// The oldest release that a meter goes to, at its own machine
    Floor(floor::FloorArgs),
    /// Check whether files are what was published
    Verify(verify::VerifyArgs),
    /// The releases we know; make a bundle
    Release(release::ReleaseArgs),
    /// Show the plan of a change of release, with no meter at all
    Rehearse(rehearse::RehearseArgs),
    /// Show what is in a backup, with no meter at all
    Backup(backup::BackupArgs),
    /// Set up a meter, and change its release
    Setup(Box<setup::SetupArgs>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
