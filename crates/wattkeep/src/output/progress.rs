//! Progress for work that takes a person's time, on standard error and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::screen::{Progress, Screen};

/// How often a spinner turns: fast enough to be seen alive.
const TURN: Duration = Duration::from_millis(120);

/// Bytes on their way, with rate and time left.
pub fn bytes(screen: &Screen<'_>, what: &'static str, total: u64) -> ProgressBar {
    if screen.progress == Progress::Hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Something whose length nobody knows.
pub fn spinner(screen: &Screen<'_>, what: &'static str) -> ProgressBar {
    if screen.progress == Progress::Hidden {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(TURN);
    spinner
}
