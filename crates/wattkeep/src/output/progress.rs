//! Progress for work that takes a person's time, on standard error and only on a terminal.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use setup::Sending;

use super::setup::packages::so_far;
use crate::screen::{Progress, Screen};

/// How often a spinner turns: fast enough to be seen alive.
const TURN: Duration = Duration::from_millis(120);
/// What is sent, a bar, bytes, rate and time left: 78 columns at their longest.
const BYTES: &str = "{msg:21!} {bar:16} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>11} {eta:>4}";

/// The bars of several pieces of work at once.
pub struct Bars(MultiProgress);

/// Bytes on their way to one meter.
pub struct Bytes {
    bar: ProgressBar,
    /// What a line about it begins with.
    whose: String,
}

/// Whether it turned out that nothing had to be sent.
#[derive(Clone, Default)]
pub struct WasThere(Arc<AtomicBool>);

impl WasThere {
    /// Whether it did.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Room for bars.
pub fn several(screen: &Screen<'_>) -> Bars {
    let hidden = screen.progress == Progress::Hidden;
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    Bars(MultiProgress::with_draw_target(target))
}

/// A bar alone: bytes with rate and time left.
pub fn bytes(screen: &Screen<'_>, what: &str, total: u64) -> Bytes {
    several(screen).bytes(what, total)
}

impl Bars {
    /// One more bar: bytes with rate and time left.
    pub fn bytes(&self, what: &str, total: u64) -> Bytes {
        let bar = ProgressBar::new(total).with_message(what.to_owned());
        let bar = match ProgressStyle::with_template(BYTES) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Bytes { bar: self.0.add(bar), whose: what.to_owned() }
    }

    /// Takes them off the screen.
    pub fn clear(&self) {
        let _ = self.0.clear();
    }
}

impl Bytes {
    /// Shows how sending goes. A lost link is said whether or not there is a terminal.
    pub fn sending(&self) -> (impl FnMut(Sending) + Send + 'static, WasThere) {
        let was_there = WasThere::default();
        let (bar, whose, there) = (self.bar.clone(), self.whose.clone(), was_there.clone());
        let mut began = false;
        let told = move |sending| match sending {
            Sending::Bytes(sent, _) => {
                bar.set_position(sent);
                if !std::mem::replace(&mut began, true) {
                    // What the meter had before is not what the line carries.
                    bar.reset_eta();
                }
            }
            Sending::LinkLost(here, total) | Sending::TurnedAway(here, total) => {
                began = false;
                let here = so_far(here, Some(total));
                let said = match sending {
                    Sending::TurnedAway(..) => {
                        format!("{whose}: the meter takes no more of it now, asking again at {here}")
                    }
                    _ => format!("{whose}: link lost, going on at {here}"),
                };
                if bar.is_hidden() {
                    let _ = writeln!(std::io::stderr(), "{said}");
                } else {
                    bar.println(said);
                }
            }
            Sending::There => there.0.store(true, Ordering::Relaxed),
        };
        (told, was_there)
    }

    /// Shows how many bytes are on their way.
    pub fn counting(&self) -> impl FnMut(u64, u64) + Send + 'static {
        let bar = self.bar.clone();
        move |sent, _| bar.set_position(sent)
    }

    /// It is over.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
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
