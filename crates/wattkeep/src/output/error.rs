//! A failure: one sentence on standard error.

use owo_colors::OwoColorize;

use crate::failure::Failure;
use crate::screen::Screen;

/// Says why a command failed.
pub fn failure(screen: &mut Screen<'_>, failure: &Failure) {
    sentence(screen, &failure.to_string());
}

/// Says what went wrong.
pub fn sentence(screen: &mut Screen<'_>, sentence: &str) {
    // Where errors can't be shown either, the exit status is all that is left to tell.
    let _ = writeln!(screen.err, "{} {sentence}", "error:".style(super::style::DANGER));
}
