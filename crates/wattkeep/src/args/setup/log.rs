//! `wattkeep setup METER log …`: which records of which recorder.

use std::path::PathBuf;

use clap::Args;
use setup::Wanted;

use super::moment::Moment;

/// Records shown unless told otherwise: a screen, and six hours of quarter-hours.
const SHOWN: u64 = 24;

/// Which records.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// n of Data Recorder n: 1 is the Revenue Log [default: list the recorders]
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    recorder: Option<u8>,
    /// The newest ones, this many [default: 24, or all that --from, --to or
    /// --csv asks for]
    #[arg(long, value_name = "COUNT", requires = "recorder", conflicts_with_all = ["all", "from", "to"])]
    last: Option<u64>,
    /// All of them
    #[arg(long, requires = "recorder")]
    all: bool,
    /// Whose interval ends at this time or later: 2026-01-31 12:00:00 in UTC, or
    /// with its offset, 2026-01-31T12:00:00+01:00
    #[arg(long, value_name = "TIME", requires = "recorder")]
    from: Option<Moment>,
    /// Whose interval ends at this time or earlier
    #[arg(long, value_name = "TIME", requires = "recorder")]
    to: Option<Moment>,
    /// Of this closed epoch: what was recorded before the recorder was changed
    #[arg(long, value_name = "NUMBER", requires = "recorder")]
    epoch: Option<u32>,
    /// As CSV into this file, which must not be there yet, or to standard
    /// output (-)
    #[arg(long, value_name = "FILE", requires = "recorder")]
    pub csv: Option<PathBuf>,
}

impl LogArgs {
    /// The records that are asked for; none, where it is the recorders.
    pub fn wanted(&self) -> Option<Wanted> {
        let bounded = self.all || self.from.is_some() || self.to.is_some() || self.csv.is_some();
        Some(Wanted {
            recorder: self.recorder?,
            epoch: self.epoch,
            last: self.last.or((!bounded).then_some(SHOWN)),
            since_utc_ms: self.from.map(|Moment(time)| time.as_millisecond()),
            until_utc_ms: self.to.map(|Moment(time)| time.as_millisecond()),
        })
    }
}
