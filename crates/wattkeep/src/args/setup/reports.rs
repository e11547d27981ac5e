//! Reports of changes of release, and changes that wait for their time.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::moment::Moment;

/// Which report, and where it goes.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which: 1 is the newest [default: list them, and show the newest]
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub number: Option<u8>,
    /// The newest alone
    #[arg(long, conflicts_with = "number")]
    pub last: bool,
    /// Write it to this file as a page for browsers and paper
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write it to this file as text
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
}

/// What can be done about a change that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ScheduleCommand {
    /// Drop it, or what became of it
    Drop,
}

/// When a change is carried out, and where its report goes.
#[derive(Debug, Args)]
pub struct LaterArgs {
    /// Accept the plan now, and have the meter carry it out then, by its own
    /// clock: "2027-01-31 02:00" in UTC, or with its offset,
    /// 2027-01-31T02:00:00+01:00
    #[arg(long, value_name = "TIME", conflicts_with = "new_passwords")]
    pub at: Option<Moment>,
    /// How long after that time it may still begin: 90m, 2h
    #[arg(long, value_name = "DURATION", requires = "at", default_value = "1h")]
    pub window: Window,
    /// Write the report to this new file: .html, .txt or .json
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    pub report: Option<PathBuf>,
}

/// So many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub u32);

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse::<SignedDuration>().ok().and_then(|window| u32::try_from(window.as_secs()).ok());
        let seconds = seconds.filter(|seconds| (1..=24 * 3_600).contains(seconds));
        seconds.map(Self).ok_or_else(|| "a window is 1s to 24h: 90m, 2h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn what_is_understood_and_what_makes_no_sense() {
        for (line, understood) in [
            ("upgrade --to 4.40.1 --report FILE.html", true),
            ("upgrade --to 4.40.1 --at 2027-01-31T02:00:00Z --window 90m --yes", true),
            ("upgrade --to 4.40.1 --at 2027-01-31~02:00", true),
            ("report", true),
            ("report 3 --html F.html --text F.txt", true),
            ("report --last --json", true),
            ("schedule", true),
            ("schedule drop --json", true),
            ("upgrade --to F --window 1h", false),
            ("upgrade --to F --at noon", false),
            ("upgrade --to F --at 2027-01-31T02:00:00Z --report F.html", false),
            ("downgrade --to F --at 2027-01-31T02:00:00Z --new-passwords F", false),
            ("report 0", false),
            ("report 3 --last", false),
        ] {
            let words = line.split(' ').map(|word| word.replace('~', " "));
            let line = ["wattkeep", "setup", "m"].map(str::to_owned).into_iter().chain(words);
            assert_eq!(Cli::try_parse_from(line.clone()).is_ok(), understood, "{:?}", line.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_window_is_at_most_a_day() {
        assert_eq!("90m".parse(), Ok(Window(5400)));
        assert_eq!("2h".parse(), Ok(Window(7200)));
        for text in ["", "0s", "-1h", "25h", "soon"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
