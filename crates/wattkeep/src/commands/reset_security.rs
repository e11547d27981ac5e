//! Resets the security of a meter that doesn't run, for whoever holds its machine.

use std::io::IsTerminal;

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
    if !args.yes && !asked(args, screen)? {
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

fn asked(args: &ResetSecurityArgs, screen: &mut Screen<'_>) -> Result<bool, Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let sentence = "security was not reset: there is no terminal to ask on, so say --yes";
        output::error::sentence(screen, sentence);
        return Ok(false);
    }
    write!(
        screen.err,
        "Every password of the meter in {} becomes 0, and its users, rights and switches those of the factory.\n\
         Reset its security? [y/N] ",
        args.state.display()
    )?;
    screen.err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !yes {
        output::error::sentence(screen, "security was not reset");
    }
    Ok(yes)
}
