//! A log as a file of lines, made page by page while it is read: however long the log, a reader holds three pages of it
//! at most.
//!
//! Opening goes through the log once, up to a known end, and remembers where each page begins: so the size is known
//! before anything is read, and it is what is read. New entries come after that end. What they push out of the ring lies
//! in the oldest pages of the ring, which are held; a reader who is overtaken all the same is told so, and never gets
//! bytes of two moments.

use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use meter::GateError;
use tokio::sync::OwnedSemaphorePermit;

use super::{FileError, Files};

/// Entries read at a time, so that the meter is never held up for the whole log.
pub(super) const PAGE: usize = 500;
/// Pages that are held because the next entries push out what is on them: a thousand may come while a log is read.
const HELD: usize = 2;

/// Where the entries of a log come from.
pub(super) trait Entries: Send + Sync {
    /// At most [`PAGE`] entries from a number on and before another, as lines; none if there is none.
    fn page(&self, from: u64, end: u64) -> Result<Option<Lines>, GateError>;
}

/// Entries of a log, as the lines of a file.
pub(super) struct Lines {
    /// The numbers of the first and last entry.
    pub first: u64,
    pub last: u64,
    pub text: Bytes,
}

/// Which entries a file is made of.
pub(super) struct Extent {
    /// The first number that may be in it.
    pub from: u64,
    /// The number after the last one.
    pub end: u64,
    /// The number of the entry that the next new one pushes out.
    pub endangered: u64,
}

/// The entries up to a known end.
pub struct Log {
    entries: Box<dyn Entries>,
    head: Bytes,
    end: u64,
    utc_ms: i64,
    pages: Vec<Page>,
    size: u64,
    /// The page that was read last.
    at_hand: Mutex<Option<(usize, Bytes)>>,
    _room: OwnedSemaphorePermit,
}

struct Page {
    /// The number of its first entry.
    first: u64,
    /// Where its text begins in the file, and how long it is.
    begins: u64,
    length: usize,
    held: Option<Bytes>,
}

impl Log {
    /// A log as of now, under a head.
    pub(super) fn index(
        files: &Files,
        head: Bytes,
        extent: Extent,
        entries: Box<dyn Entries>,
    ) -> Result<Self, FileError> {
        let Extent { mut from, end, endangered } = extent;
        let (mut pages, mut size) = (Vec::new(), head.len() as u64);
        let mut held = 0;
        while let Some(Lines { first, last, text }) = entries.page(from, end)? {
            let is_held = last >= endangered && held < HELD;
            held += usize::from(is_held);
            let (length, begins) = (text.len(), size);
            pages.push(Page { first, begins, length, held: is_held.then_some(text) });
            size += length as u64;
            from = last + 1;
        }
        let held = pages.iter().filter_map(|page| page.held.as_ref()).map(Bytes::len).sum::<usize>();
        let room = files.room(head.len() + held)?;
        let utc_ms = files.site.now().utc_ms;
        Ok(Self { entries, head, end, utc_ms, pages, size, at_hand: Mutex::default(), _room: room })
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
                None => (0, self.head.clone()),
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
        let end = self.pages.get(number + 1).map_or(self.end, |next| next.first);
        let again = self.entries.page(wanted.first, end)?.map(|lines| lines.text);
        let text = again.filter(|text| text.len() == wanted.length).ok_or(FileError::Overtaken)?;
        *at_hand = Some((number, text.clone()));
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All of a log, read in pieces of a size.
    pub fn text(log: &Log, piece: usize) -> Result<String, FileError> {
        let mut bytes = Vec::new();
        loop {
            let read = log.read(bytes.len() as u64, piece)?;
            if read.is_empty() {
                return Ok(String::from_utf8(bytes).unwrap());
            }
            bytes.extend_from_slice(&read);
        }
    }

    #[test]
    fn a_log_of_many_pages_is_the_same_bytes_in_any_pieces_and_as_long_as_it_said() {
        use crate::testbed::Bench;
        use std::sync::Arc;

        struct Numbers;

        impl Entries for Numbers {
            fn page(&self, from: u64, end: u64) -> Result<Option<Lines>, GateError> {
                let numbers: Vec<u64> = (from..end).take(PAGE).collect();
                let text = numbers.iter().map(|number| format!("{number}\r\n")).collect::<String>().into();
                Ok(numbers.first().zip(numbers.last()).map(|(first, last)| Lines { first: *first, last: *last, text }))
            }
        }

        let bench = Bench::new("4.40.1");
        let files = Files::new(Arc::clone(&bench.site));
        let extent = Extent { from: 7, end: 4 * PAGE as u64, endangered: 900 };
        let log = Log::index(&files, Bytes::from_static(b"Number\r\n"), extent, Box::new(Numbers)).unwrap();
        assert_eq!(log.pages.iter().map(|page| page.held.is_some()).collect::<Vec<_>>(), [false, true, true, false]);
        let whole = text(&log, 10_000_000).unwrap();
        assert_eq!(whole.len() as u64, log.size());
        assert!(whole.starts_with("Number\r\n7\r\n") && whole.ends_with("\r\n1999\r\n"), "{whole}");
        for piece in [1, 7, 999] {
            assert_eq!(text(&log, piece).unwrap(), whole);
        }
        for beyond in [log.size(), u64::MAX] {
            assert!(log.read(beyond, usize::MAX).unwrap().is_empty());
        }
    }
}
