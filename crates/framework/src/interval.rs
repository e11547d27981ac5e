//! Intervals of time as a timer makes them and recorders keep them: what one is worth (its status), and the beat by
//! which a timer tells the modules linked to it that one has ended.
//!
//! Which second an interval gets is decided in [`crate::modules::periodic_timer`] alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::template::ModuleName;

/// More than this between two seconds is a gap: the machine slept, or was too busy to measure. A second may come
/// nearly another one late without anything missing.
pub const GAP_MS: i64 = 1_900;

/// What is to be said of an interval; nothing, if all of it was measured by an undisturbed clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Status(u8);

impl Status {
    /// All of it was measured by an undisturbed clock.
    pub const COMPLETE: Self = Self(0);
    /// Less than all of it was measured.
    pub const SHORT: Self = Self(1);
    /// For a part of it the meter wasn't running or its source had a gap.
    pub const OUTAGE: Self = Self(2);
    /// The clock was set in it; or set back before it, so that an interval with the same end was recorded already.
    pub const CLOCK_SET: Self = Self(4);

    /// Each flag with its word. The bits are stored: do not reorder.
    const WORDS: [(Self, &'static str); 3] =
        [(Self::SHORT, "short"), (Self::OUTAGE, "outage"), (Self::CLOCK_SET, "clock set")];

    /// As it is stored.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// A stored status; none if it has a flag that doesn't exist.
    pub fn from_bits(bits: u8) -> Option<Self> {
        let known = Self::WORDS.iter().fold(0, |known, (flag, _)| known | flag.0);
        (bits & !known == 0).then_some(Self(bits))
    }

    /// Whether all of these flags are set.
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With these flags as well.
    #[must_use]
    pub fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// The words of its flags, in their order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, word)| word)
    }
}

impl fmt::Display for Status {
    /// `complete`, or the words of its flags: `short, outage`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::COMPLETE {
            return f.write_str("complete");
        }
        for (at, word) in self.words().enumerate() {
            write!(f, "{}{word}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What a timer tells in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beat {
    /// The interval that has ended. Its last second is the last one taken in.
    pub ended: Option<Ended>,
    /// Whether an interval begins with the next second; another one may have ended or not.
    pub begins: bool,
}

/// An interval that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its end, UTC, in milliseconds since 1970: a boundary, whenever the meter noticed.
    pub utc_ms: i64,
    /// What is to be said of it.
    pub status: Status,
}

/// What a recorder has recorded of an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The recorder.
    pub module: ModuleName,
    /// The interval.
    pub interval: Ended,
    /// The linked sources in the order of the inputs; NaN is not available.
    pub values: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_words_and_its_bits_read_back() {
        for (status, words) in [
            (Status::COMPLETE, "complete"),
            (Status::SHORT, "short"),
            (Status::SHORT.with(Status::OUTAGE), "short, outage"),
            (Status::CLOCK_SET.with(Status::SHORT), "short, clock set"),
            (Status(7), "short, outage, clock set"),
        ] {
            assert_eq!(status.to_string(), words);
            assert_eq!(Status::from_bits(status.bits()), Some(status));
        }
        assert_eq!((Status::from_bits(8), Status::from_bits(255)), (None, None));
        assert!(Status(7).has(Status::OUTAGE) && !Status::SHORT.has(Status(3)));
    }
}
