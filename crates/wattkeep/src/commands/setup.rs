//! Says to a meter what a technician wants of it.

use crate::args::setup::SetupArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::screen::Screen;

/// Asks the meter and shows what it answers.
///
/// # Errors
/// Whatever the meter or the way to it says.
pub fn run(_args: SetupArgs, _screen: &mut Screen<'_>) -> Result<Status, Failure> {
    Err(Failure::InTheWay("this build of wattkeep talks to no meters yet".to_owned()))
}
