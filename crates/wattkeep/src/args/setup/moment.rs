//! A time on the command line, one way of reading it for every option that takes one.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Characters of a date.
const DATE: usize = "2026-01-31".len();

/// A moment. Written without an offset it is UTC, as all times are that this program shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

/// Something that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time looks like \"2026-01-31 12:00:00\", in UTC, or like 2026-01-31T12:00:00+01:00")]
pub struct NotATime;

impl FromStr for Moment {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let with_offset = text.parse::<Timestamp>().ok();
        // A zone by its name, or an offset of a mere date, would be read over.
        let bare = !text.get(DATE..).unwrap_or_default().contains(['+', '-', '[', 'Z', 'z']);
        let civil = text.parse::<DateTime>().ok().filter(|_| bare);
        let utc = || civil?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
        with_offset.or_else(utc).map(Self).ok_or(NotATime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_utc_or_has_its_offset() {
        for (text, expected) in [
            ("1970-01-01 00:00:01", Some(1000)),
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01 00:15", Some(900_000)),
            ("1970-01-01T00:15", Some(900_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:00:00.250Z", Some(250)),
            ("2027-01-31T02:00:00+01:00", Some(1_801_357_200_000)),
            ("2027-13-01 02:00", None),
            ("2027-01-31T02:00:00+01:00[Europe/Berlin]", Some(1_801_357_200_000)),
            ("2027-01-31T02:00:00[Europe/Berlin]", None),
            ("2027-01-31+01:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = text.parse().ok().map(|Moment(time)| time.as_millisecond());
            assert_eq!(read, expected, "{text}");
        }
    }
}
