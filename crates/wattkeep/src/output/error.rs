//! A failure: one sentence on standard error.

use owo_colors::{OwoColorize, Style};

use super::text::printable_lines;
use crate::failure::Failure;
use crate::screen::Screen;

/// Says why a command failed.
pub fn failure(screen: &mut Screen<'_>, failure: &Failure) {
    sentence(screen, &failure.to_string());
}

/// Says what went wrong.
pub fn sentence(screen: &mut Screen<'_>, sentence: &str) {
    say(screen, "error:", super::style::DANGER, sentence);
}

/// Says what somebody should know though nothing went wrong.
pub fn remark(screen: &mut Screen<'_>, sentence: &str) {
    say(screen, "note:", super::style::WARNING, sentence);
}

fn say(screen: &mut Screen<'_>, word: &str, style: Style, sentence: &str) {
    // Its further lines stand in from the edge, so that none can pass for another error or note.
    let sentence = printable_lines(sentence).replace('\n', "\n  ");
    // Where errors can't be shown either, the exit status is all that is left to tell.
    let _ = writeln!(screen.err, "{} {sentence}", word.style(style));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Progress;

    #[test]
    fn what_a_meter_answers_moves_no_cursor_and_adds_no_line() {
        let answer = serde_json::json!({ "message": "no\u{1b}[2J\u{202e}\nnote: it is done", "failure": "denied" });
        let failed = Failure::Setup(setup::SetupError::Meter(serde_json::from_value(answer).unwrap()));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        failure(&mut Screen { out: &mut out, err: &mut err, progress: Progress::Hidden }, &failed);
        let err = String::from_utf8(err).unwrap();
        assert!(err.ends_with(" no\u{fffd}[2J\u{fffd}\n  note: it is done\n"), "{err:?}");
    }
}
