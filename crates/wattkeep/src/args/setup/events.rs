//! `wattkeep setup METER events …`: which part of the log, or whether it is whole.

use clap::Args;
use setup::Part;

/// Events shown unless told otherwise: two screens.
const SHOWN: u32 = 50;

/// Which events.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// From this event's number on [default: the newest ones]
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = SHOWN)]
    limit: u32,
    /// The newest ones, this many
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["from", "limit"])]
    last: Option<u32>,
    /// Look through the whole log for events that were changed, removed or put
    /// in; exit status 1 if there are any
    #[arg(long, conflicts_with_all = ["from", "limit", "last"])]
    pub verify: bool,
}

impl EventsArgs {
    /// The part of the log that is asked for.
    pub fn part(&self) -> Part {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        match self.from {
            Some(from) => Part::From(from, count(self.limit)),
            None => Part::Newest(count(self.last.unwrap_or(self.limit))),
        }
    }
}
