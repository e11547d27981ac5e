//! `wattkeep reset-security`: a lost password.

use std::path::PathBuf;

use clap::Args;

/// Security back to the factory state, at the meter's own machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs no password: whoever holds the machine holds the meter. Mode, switches,
users, rights and lock-outs become those the meter's release ships with, and
every password becomes 0. Energy, logs, clock, all other set-up, the keys that
may sign releases and the ports stay; the reset is an event that is always kept.
The meter must not be running.")]
pub struct ResetSecurityArgs {
    /// Where the meter's state lies
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The file of the device key, if it doesn't lie with the state
    #[arg(long, value_name = "FILE")]
    pub device_key: Option<PathBuf>,
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
    /// One JSON document instead of words
    #[arg(long)]
    pub json: bool,
}
