//! x
use crate::args::release::ReleaseCommand;
use crate::exit::Status;
use crate::failure::Failure;
use crate::screen::Screen;
/// x
pub fn run(_: ReleaseCommand, _screen: &mut Screen<'_>) -> Result<Status, Failure> {
    Ok(Status::Done)
}
