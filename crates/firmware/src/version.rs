//! Versions of firmware and of Setup, and the one place where two of them are compared.
//!
//! The order decides what is an upgrade and what a downgrade, what lies below a meter's floor, and which Setup
//! is recent enough. It goes number by number; no other code may compare versions, least of all as text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most numbers a version has: Setup's have four (3.2.30377.02).
const MAX_NUMBERS: usize = 4;

/// The most digits of one number: nine always fit a `u32`.
const MAX_DIGITS: usize = 9;

/// A version of two to four dotted numbers: `4.0.9`, `4.40.1`, `3.2.30377.02`.
///
/// Shown as it was published, compared by its numbers: `3.2.30377.02` and `3.2.30377.2` are equal,
/// and so are `4.40` and `4.40.0`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    published: String,
    /// A number that was left out counts as 0.
    numbers: [u32; MAX_NUMBERS],
}

impl Version {
    /// The version as published, leading zeros included.
    pub fn as_str(&self) -> &str {
        &self.published
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.numbers.hash(state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.published)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.published)
    }
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Fewer than two numbers, or more than four.
    #[error("a version has two to four numbers with dots between them, like 4.40.1; this has {0}")]
    Count(usize),
    /// A part that is empty, has other characters than digits, or is too long.
    #[error("number {0} of this version is not made of one to {MAX_DIGITS} digits; a version looks like 4.40.1")]
    Number(usize),
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(s: &str) -> Result<Self, VersionError> {
        let count = s.split('.').count();
        if !(2..=MAX_NUMBERS).contains(&count) {
            return Err(VersionError::Count(count));
        }
        let mut numbers = [0; MAX_NUMBERS];
        for (index, (part, number)) in s.split('.').zip(&mut numbers).enumerate() {
            let plain = (1..=MAX_DIGITS).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            *number = part.parse().ok().filter(|_| plain).ok_or(VersionError::Number(index + 1))?;
        }
        Ok(Self { published: s.to_owned(), numbers })
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.published
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn b5_four_part_versions_are_compared_number_by_number() {
        let ascending = [
            ("4.0.9", "4.40.1"),
            ("4.9", "4.40"),
            ("4.40.1", "4.40.1.1"),
            ("3.2.20218.01", "3.2.30377.02"),
            ("3.2.30377.2", "3.2.30377.10"),
            ("3.2.30377.02", "3.2.30377.03"),
            ("9.9.9.9", "10.0"),
            ("4.40.1", "4.040.2"),
        ];
        for (older, newer) in ascending {
            assert!(v(older) < v(newer), "{older} is older than {newer}");
            assert!(v(newer) > v(older), "{newer} is newer than {older}");
            assert_ne!(v(older), v(newer));
        }
        for (one, same) in [("3.2.30377.02", "3.2.30377.2"), ("4.40", "4.40.0.0"), ("4.040.1", "4.40.01")] {
            assert_eq!(v(one), v(same));
            assert_eq!(v(one).cmp(&v(same)), Ordering::Equal);
            assert_eq!(HashSet::from([v(one), v(same)]).len(), 1, "equal versions hash alike");
        }
    }

    #[test]
    fn a_version_is_shown_as_published() {
        assert_eq!(v("3.2.30377.02").to_string(), "3.2.30377.02");
        assert_eq!(serde_json::to_string(&v("3.2.30377.02")).unwrap(), "\"3.2.30377.02\"");
        assert_eq!(serde_json::from_str::<Version>("\"4.0.9\"").unwrap().as_str(), "4.0.9");
        assert_eq!(format!("[{:>8}]", v("4.0.9")), "[   4.0.9]");
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for (text, error) in [
            ("", VersionError::Count(1)),
            ("4", VersionError::Count(1)),
            ("1.2.3.4.5", VersionError::Count(5)),
            ("4..1", VersionError::Number(2)),
            ("v4.40", VersionError::Number(1)),
            ("4.40.1 ", VersionError::Number(3)),
            ("4.+4", VersionError::Number(2)),
            ("4.-1", VersionError::Number(2)),
            ("4.4٠", VersionError::Number(2)),
            ("4.1234567890", VersionError::Number(2)),
        ] {
            assert_eq!(text.parse::<Version>(), Err(error), "{text:?}");
        }
        assert!(serde_json::from_str::<Version>("\"four\"").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in "[0-9.v ]{0,24}|.{0,40}") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn the_order_is_the_numbers_order(a in prop::array::uniform4(0u32..120), b in prop::array::uniform4(0u32..120)) {
            let dotted = |n: [u32; 4]| v(&format!("{}.{}.{}.{:02}", n[0], n[1], n[2], n[3]));
            prop_assert_eq!(dotted(a).cmp(&dotted(b)), a.cmp(&b));
            prop_assert_eq!(dotted(a) == dotted(b), a == b);
        }
    }
}
