//! `wattkeep floor`: the oldest release that a meter goes to.

use std::path::PathBuf;

use clap::Args;
use firmware::Version;

/// The floor, at the meter's own machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs no password: whoever holds the machine holds the meter. Over the network
a floor can only be raised (`setup METER floor`); here it can be lowered and
dropped too. Each change is an event that is always kept. The meter must not be
running. Whoever puts back an old copy of the state directory puts back its
floor as well: a floor doesn't protect against that.")]
pub struct FloorArgs {
    /// Where the meter's state lies
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Drop it: the meter goes to any release
    #[arg(long, conflicts_with = "set")]
    pub off: bool,
    /// Set it, wherever it was
    #[arg(long, value_name = "VERSION")]
    pub set: Option<Version>,
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
