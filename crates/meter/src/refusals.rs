//! Refused writes in the event log: the first of its kind at once, the others counted and told with the next
//! one. Whoever isn't let in must not be able to push everything else out of the log, nor to make the
//! meter wait for its disk.

use std::collections::BTreeMap;

use security::{AccountId, Path, Right, Who};

/// A kind is logged at most this often.
const QUIET_MS: i64 = 60_000;

/// What was refused. There are some hundred kinds, so the table is bounded by what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// On which path, to whom, for want of which right.
    Right(Path, Who, Right),
    /// On which path, in whose name: a write that wasn't its client's own.
    Foreign(Path, Who),
    /// A login while its account is locked out; none is an unknown user.
    Locked(Path, Option<AccountId>),
    /// SSH keys that opened nothing.
    Keys(Path),
}

/// What an entry says of those that were only counted.
pub(crate) fn unlogged_text(unlogged: u32) -> String {
    if unlogged == 0 { String::new() } else { format!(" ({unlogged} more since the last entry)") }
}

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kinds: BTreeMap<Kind, Counted>,
}

#[derive(Debug)]
struct Counted {
    logged_ms: i64,
    unlogged: u32,
}

impl Refusals {
    /// Counts a refusal. `Some` says that it is to be logged, and how many of its kind weren't.
    pub fn count(&mut self, up_ms: i64, kind: Kind) -> Option<u32> {
        let Some(counted) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, Counted { logged_ms: up_ms, unlogged: 0 });
            return Some(0);
        };
        if up_ms - counted.logged_ms < QUIET_MS {
            counted.unlogged = counted.unlogged.saturating_add(1);
            return None;
        }
        counted.logged_ms = up_ms;
        Some(std::mem::take(&mut counted.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_one_entry_a_minute_that_counts_the_others() {
        let mut refusals = Refusals::default();
        let kind = Kind::Right(Path::Modbus, Who::Nobody, Right::FullConfig);
        assert_eq!(refusals.count(0, kind), Some(0));
        assert!((1..5000).all(|ms| refusals.count(ms, kind).is_none()));
        assert_eq!(refusals.count(QUIET_MS, kind), Some(4999));
        assert_eq!(refusals.count(QUIET_MS, Kind::Right(Path::Setup, Who::Nobody, Right::FullConfig)), Some(0));
    }
}
