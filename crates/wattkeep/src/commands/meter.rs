//! Runs one meter.

use crate::args::meter::MeterArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::screen::Screen;

/// Runs the meter until it is told to stop.
///
/// # Errors
/// If it can't be started.
pub fn run(_args: MeterArgs, _screen: &mut Screen<'_>) -> Result<Status, Failure> {
    Err(Failure::InTheWay("this build of wattkeep runs no meters yet".to_owned()))
}
