//! Questions to whoever sits at the terminal: asked on standard error, answered on standard input. Where nobody sits,
//! nothing is asked, and what was not said with an option is not done.

use std::io::{self, IsTerminal, Write};

use firmware::digest::Sha256Digest;

use crate::failure::Failure;
use crate::output;
use crate::screen::Screen;

/// Whether there is somebody to ask.
pub(super) fn on_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A question that only "yes" says yes to.
pub(super) fn asked(err: &mut dyn Write, question: &str) -> io::Result<bool> {
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks for a yes where there was no `--yes`; `unless` says what didn't happen without it.
pub(super) fn confirmed(screen: &mut Screen<'_>, question: &str, unless: &str) -> Result<bool, Failure> {
    if !on_a_terminal() {
        output::error::sentence(screen, &format!("{unless}: there is no terminal to ask on, so say --yes"));
        return Ok(false);
    }
    let yes = asked(screen.err, question)?;
    if !yes {
        output::error::sentence(screen, unless);
    }
    Ok(yes)
}

/// The digest that is accepted: the given one, the shown one's by `--yes` or by a person, or none, which `unless` says.
pub(super) fn accepted(
    screen: &mut Screen<'_>,
    accept: Option<&Sha256Digest>,
    yes: bool,
    shown: &str,
    question: &str,
    unless: &str,
) -> Result<Option<String>, Failure> {
    if let Some(digest) = accept {
        return Ok(Some(digest.prefixed()));
    }
    if yes || on_a_terminal() && asked(screen.err, question)? {
        return Ok(Some(shown.to_owned()));
    }
    let how = if on_a_terminal() { "" } else { ": accept it with --accept and its digest, or with --yes" };
    output::error::sentence(screen, &format!("{unless}, so nothing was done{how}"));
    Ok(None)
}
