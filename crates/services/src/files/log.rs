//! The event log as CSV (RFC 4180), made page by page while it is read: however long the log, a reader holds three
//! pages of it at most.
//!
//! Opening goes through the log once, up to a known end, and remembers where each page begins: so the size is known
//! before anything is read, and it is what is read. New events come after that end. What they push out of the ring lies
//! in the oldest pages of the ring, which are held; a reader who is overtaken all the same is told so, and never gets
//! bytes of two moments.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use meter::{Caller, EventEntry, GateError};
use security::unseen::is_formula;
use tokio::sync::OwnedSemaphorePermit;

use super::{FileError, Files};
use crate::Site;

/// Events read at a time, so that the meter is never held up for the whole log.
const PAGE: usize = 500;
/// Pages that are held because the next events push out what is on them: a thousand events may come while a log is read.
const HELD: usize = 2;

const HEAD: &str = "Number,Time (UTC),Priority (0-255),User,Path,Cause,Effect\r\n";

/// The events up to a known end.
pub struct EventLog {
    site: Arc<Site>,
    caller: Caller,
    utc_ms: i64,
    pages: Vec<Page>,
    size: u64,
    /// The page that was read last.
    at_hand: Mutex<Option<(usize, Bytes)>>,
    _room: OwnedSemaphorePermit,
}

struct Page {
    /// The numbers of its first and last event.
    first: u64,
    last: u64,
    /// Where its text begins in the file, and how long it is.
    begins: u64,
    length: usize,
    held: Option<Bytes>,
}

impl EventLog {
    /// The log as of now.
    pub(super) fn index(files: &Files, caller: &Caller) -> Result<Self, FileError> {
        let site = &files.site;
        let end = site.gate.next_event()?;
        let endangered = site.gate.oldest_ring_event()?.unwrap_or(end);
        let (mut pages, mut size, mut from) = (Vec::new(), HEAD.len() as u64, 0);
        let mut held = 0;
        while let Some((first, last, text)) = page(site, caller, from, end)? {
            let is_held = last >= endangered && held < HELD;
            held += usize::from(is_held);
            let (length, begins) = (text.len(), size);
            pages.push(Page { first, last, begins, length, held: is_held.then_some(text) });
            size += length as u64;
            from = last + 1;
        }
        let room = files.room(pages.iter().filter_map(|page| page.held.as_ref()).map(Bytes::len).sum())?;
        let (site, utc_ms) = (Arc::clone(site), site.now().utc_ms);
        Ok(Self { site, caller: *caller, utc_ms, pages, size, at_hand: Mutex::default(), _room: room })
    }

    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// As of when.
    pub(super) fn utc_ms(&self) -> i64 {
        self.utc_ms
    }

    /// At most `length` bytes from `offset` on; fewer only at the end.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Bytes, FileError> {
        let end = offset.saturating_add(length as u64).min(self.size);
        let mut offset = offset;
        let mut bytes = BytesMut::new();
        while offset < end {
            let (begins, text) = match self.pages.partition_point(|page| page.begins <= offset).checked_sub(1) {
                None => (0, Bytes::from_static(HEAD.as_bytes())),
                Some(number) => (self.pages[number].begins, self.text(number)?),
            };
            // `offset` lies within this text, and a text is far below 4 GiB.
            let from = (offset - begins) as usize;
            let to = text.len().min((end - begins) as usize);
            bytes.extend_from_slice(&text[from..to]);
            offset = begins + to as u64;
        }
        Ok(bytes.freeze())
    }

    fn text(&self, number: usize) -> Result<Bytes, FileError> {
        let wanted = &self.pages[number];
        if let Some(held) = &wanted.held {
            return Ok(held.clone());
        }
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = at_hand.as_ref().filter(|(at_hand, _)| *at_hand == number) {
            return Ok(text.clone());
        }
        let again = page(&self.site, &self.caller, wanted.first, wanted.last + 1)?;
        let (_, _, text) = again.filter(|(.., text)| text.len() == wanted.length).ok_or(FileError::Overtaken)?;
        *at_hand = Some((number, text.clone()));
        Ok(text)
    }
}

/// A page of events from a number on and before another: the first and last of them, and their text.
fn page(site: &Site, caller: &Caller, from: u64, end: u64) -> Result<Option<(u64, u64, Bytes)>, GateError> {
    let mut events = site.gate.events(caller, from, PAGE)?;
    events.retain(|event| event.number < end);
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let text: String = events.iter().map(row).collect();
    Ok(Some((first.number, last.number, text.into())))
}

fn row(event: &EventEntry) -> String {
    // A time that no calendar has is shown as the number it is.
    let time = Timestamp::from_millisecond(event.utc_ms)
        .map_or_else(|_| event.utc_ms.to_string(), |time| format!("{time:.3}"));
    format!(
        "{},{time},{},{},{},{},{}\r\n",
        event.number,
        event.priority,
        field(&event.user),
        field(&event.path),
        field(&event.cause),
        field(&event.effect),
    )
}

/// A field, quoted where it must be (RFC 4180, 2.6 and 2.7), and never a formula: what somebody called a meter is text
/// in a spreadsheet too.
fn field(text: &str) -> String {
    let text = if is_formula(text) { &format!("'{text}") } else { text };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn index(bench: &Bench) -> EventLog {
        EventLog::index(&Files::new(Arc::clone(&bench.site)), &Caller::meter()).unwrap()
    }

    fn text(log: &EventLog, piece: usize) -> Result<String, FileError> {
        let mut bytes = Vec::new();
        loop {
            let read = log.read(bytes.len() as u64, piece)?;
            if read.is_empty() {
                return Ok(String::from_utf8(bytes).unwrap());
            }
            bytes.extend_from_slice(&read);
        }
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
    fn no_field_is_a_formula() {
        for (text, expected) in [
            ("=HYPERLINK(\"http://x\",1)", "\"'=HYPERLINK(\"\"http://x\"\",1)\""),
            ("+1", "'+1"),
            ("-", "-"),
            ("-5", "-5"),
            ("-x", "'-x"),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(field(text), expected);
        }
    }

    #[test]
    fn a_log_of_many_pages_is_the_same_bytes_in_any_pieces_and_as_long_as_it_said() {
        let bench = Bench::new("4.40.1");
        happen(&bench, 0..4 * PAGE);
        let log = index(&bench);
        assert!(log.pages.len() > 4);
        let whole = text(&log, 10_000_000).unwrap();
        assert_eq!(whole.len() as u64, log.size());
        assert!(whole.starts_with(HEAD) && whole.ends_with(&format!(",owner {}\r\n", 4 * PAGE - 1)));
        assert_eq!(whole.lines().count(), log.pages.iter().map(|page| page.last).max().unwrap() as usize + 1);
        assert_eq!(text(&log, 999).unwrap(), whole);
        for beyond in [log.size(), u64::MAX] {
            assert!(log.read(beyond, usize::MAX).unwrap().is_empty());
        }
        happen(&bench, 0..3);
        assert_eq!(text(&log, 70_000).unwrap(), whole, "what happens meanwhile is in the next one");
        assert!(index(&bench).size() > log.size());
    }

    #[test]
    fn a_reader_of_a_full_ring_has_a_thousand_events_of_time_and_is_told_when_they_are_over() {
        let bench = Bench::new("4.40.1");
        let depth = 3 * PAGE;
        bench.set(&[("Event Log Controller 1/Depth", &depth.to_string())]);
        happen(&bench, 0..depth + 10);
        let log = index(&bench);
        let whole = text(&log, 100_000).unwrap();
        let log = index(&bench);
        happen(&bench, 0..900);
        assert_eq!(text(&log, 100_000).unwrap(), whole, "pushed out of the ring, but not out of what is held");
        let log = index(&bench);
        happen(&bench, 0..depth);
        assert!(matches!(text(&log, 100_000), Err(FileError::Overtaken)));
    }
}
