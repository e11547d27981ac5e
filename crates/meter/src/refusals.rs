//! What comes in floods, in the event log: the first of its kind at once, the others counted and told with the next
//! one. Whoever isn't let in must not be able to push everything else out of the log, nor to make the meter wait for
//! its disk; nor must a program that reads a page a second and logs in each time.

use std::collections::BTreeMap;

use security::{AccountId, Path, Right, Source, Who};

/// A kind is logged at most this often.
const QUIET_MS: i64 = 60_000;

/// Kinds that are counted; beyond that, those of which a minute has passed without one more are forgotten.
const MOST_KINDS: usize = 1024;

/// What was refused, or comes again and again. There are some hundred kinds, but for the addresses that logins come
/// from.
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
    /// A package that isn't believed, on which path, from whom.
    Package(Option<Path>, Who),
    /// A valid login with a request for a page, from there.
    Page(Who, Source),
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
    /// Counts one. `Some` says that it is to be logged, and how many of its kind weren't.
    pub fn count(&mut self, up_ms: i64, kind: Kind) -> Option<u32> {
        if self.kinds.len() >= MOST_KINDS {
            self.kinds.retain(|_, counted| up_ms - counted.logged_ms < QUIET_MS);
        }
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

    #[test]
    fn addresses_are_forgotten_when_there_are_too_many() {
        let mut refusals = Refusals::default();
        for number in 0..3 * MOST_KINDS as u32 {
            let source = Source::V4(number.to_be_bytes());
            assert_eq!(refusals.count(i64::from(number) * QUIET_MS, Kind::Page(Who::Standard, source)), Some(0));
        }
        assert!(refusals.kinds.len() <= MOST_KINDS);
    }
}
