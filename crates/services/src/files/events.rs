//! The event log as a CSV file.

use std::sync::Arc;

use api::csv::field;
use bytes::Bytes;
use meter::{Caller, EventEntry, GateError};

use super::log::{Entries, Extent, Lines, Log, PAGE};
use super::{FileError, Files};
use crate::Site;
use crate::records::iso_time;

const HEAD: &str = "Number,Time (UTC),Priority (0-255),User,Path,Cause,Effect\r\n";

struct Events {
    site: Arc<Site>,
    caller: Caller,
}

/// The log as of now.
pub(super) fn file(files: &Files, caller: &Caller) -> Result<Log, FileError> {
    let gate = &files.site.gate;
    let end = gate.next_event()?;
    let extent = Extent { from: 0, end, endangered: gate.oldest_ring_event()?.unwrap_or(end) };
    let events = Events { site: Arc::clone(&files.site), caller: *caller };
    Log::index(files, Bytes::from_static(HEAD.as_bytes()), extent, Box::new(events))
}

impl Entries for Events {
    fn page(&self, from: u64, end: u64) -> Result<Option<Lines>, GateError> {
        let mut events = self.site.gate.events(&self.caller, from, PAGE)?;
        events.retain(|event| event.number < end);
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
        let text = events.iter().map(row).collect::<String>().into();
        Ok(Some(Lines { first: first.number, last: last.number, text }))
    }
}

fn row(event: &EventEntry) -> String {
    format!(
        "{},{},{},{},{},{},{}\r\n",
        event.number,
        iso_time(event.utc_ms),
        event.priority,
        field(&event.user),
        field(&event.path),
        field(&event.cause),
        field(&event.effect),
    )
}

#[cfg(test)]
mod tests {
    use super::super::log::tests::text;
    use super::*;
    use crate::testbed::Bench;

    fn open(bench: &Bench) -> Log {
        file(&Files::new(Arc::clone(&bench.site)), &Caller::meter()).unwrap()
    }

    fn happen(bench: &Bench, events: std::ops::Range<usize>) {
        for number in events {
            bench.set(&[("Owner", &format!("owner {number}"))]);
        }
    }

    #[test]
    fn a_row_is_as_rfc_4180_has_it() {
        let event = EventEntry {
            number: 7,
            utc_ms: 1_767_225_600_005,
            priority: 10,
            user: "USER1".into(),
            path: "setup".into(),
            cause: "Factory 1/Owner = A \"B\", C".into(),
            effect: "line\nbreak".into(),
        };
        let expected =
            "7,2026-01-01T00:00:00.005Z,10,USER1,setup,\"Factory 1/Owner = A \"\"B\"\", C\",\"line\nbreak\"\r\n";
        assert_eq!(row(&event), expected);
        assert!(row(&EventEntry { utc_ms: i64::MAX, ..event }).starts_with("7,9223372036854775807,"));
    }

    #[test]
    fn what_happens_while_it_is_read_is_in_the_next_one() {
        let bench = Bench::new("4.40.1");
        happen(&bench, 0..4 * PAGE);
        let log = open(&bench);
        let whole = text(&log, 10_000_000).unwrap();
        assert_eq!(whole.len() as u64, log.size());
        assert!(whole.starts_with(HEAD) && whole.ends_with(&format!(",owner {}\r\n", 4 * PAGE - 1)));
        assert!(whole.lines().count() > 4 * PAGE);
        happen(&bench, 0..3);
        assert_eq!(text(&log, 70_000).unwrap(), whole, "what happens meanwhile is in the next one");
        assert!(open(&bench).size() > log.size());
    }

    #[test]
    fn a_reader_of_a_full_ring_has_a_thousand_events_of_time_and_is_told_when_they_are_over() {
        let bench = Bench::new("4.40.1");
        let depth = 3 * PAGE;
        bench.set(&[("Event Log Controller 1/Depth", &depth.to_string())]);
        happen(&bench, 0..depth + 10);
        let log = open(&bench);
        let whole = text(&log, 100_000).unwrap();
        let log = open(&bench);
        happen(&bench, 0..900);
        assert_eq!(text(&log, 100_000).unwrap(), whole, "pushed out of the ring, but not out of what is held");
        let log = open(&bench);
        happen(&bench, 0..depth);
        assert!(matches!(text(&log, 100_000), Err(FileError::Overtaken)));
    }
}
