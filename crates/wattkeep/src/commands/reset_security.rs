//! Resets the security of a meter that doesn't run, for whoever holds its machine.

use super::asking::confirmed;
use crate::args::reset_security::ResetSecurityArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output;
use crate::screen::Screen;

/// Asks, resets, and shows what is different now.
///
/// # Errors
/// If the meter runs, or its state can't be read or written.
pub fn run(args: &ResetSecurityArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let question = format!(
        "Every password of the meter in {} becomes 0, and its users, rights and switches those of the factory.\n\
         Reset its security?",
        args.state.display()
    );
    if !args.yes && !confirmed(screen, &question, "security was not reset")? {
        return Ok(Status::NotAccepted);
    }
    let reset = host::reset_security(&args.state, args.device_key.clone())?;
    if args.json {
        screen.json(&output::reset::document(&reset))?;
    } else {
        output::reset::write(screen.out, &reset)?;
    }
    Ok(Status::Done)
}
