//! What is in the files: the event log as CSV (RFC 4180), the template and the security setup as TOML.
//! Each is made whole, as of one moment, and doesn't change while it is open.

use std::collections::VecDeque;

use bytes::Bytes;
use firmware::WithSecurity;
use jiff::Timestamp;
use meter::{Caller, EventEntry, GateError};
use security::Ask;
use tokio::sync::OwnedSemaphorePermit;

use crate::Site;

/// The event log as a file is at most this large; beyond, the oldest events are left out, which the
/// numbers of those that stay show.
pub(super) const LARGEST_LOG: usize = 32 << 20;
/// Events read at a time, so that the meter is never held up for the whole log.
const PAGE: usize = 500;

const EVENTS_HEAD: &str = "Number,Time (UTC),Priority (0-255),User,Path,Cause,Effect\r\n";

/// A file's content as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The bytes.
    pub bytes: Bytes,
    /// When it was made, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Snapshot {
    /// At most `length` bytes from `offset` on; empty at and beyond the end.
    pub fn read(&self, offset: u64, length: usize) -> Bytes {
        let end = self.bytes.len();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(end);
        self.bytes.slice(from..from.saturating_add(length).min(end))
    }
}

/// The template; with the security section for whoever may read it.
pub(super) fn template(site: &Site, caller: &Caller) -> Result<String, GateError> {
    let with_security = if may_read_security(site, caller) { WithSecurity::Yes } else { WithSecurity::No };
    Ok(site.gate.template(site.now(), caller, with_security)?.to_text())
}

/// The security setup.
pub(super) fn security(site: &Site, caller: &Caller) -> Result<String, GateError> {
    crate::security_file::text(site, caller)
}

pub(super) fn may_read_security(site: &Site, caller: &Caller) -> bool {
    caller.path.is_none_or(|path| site.view().may(path, caller.who, Ask::ReadSecurity).is_ok())
}

/// The events up to the one with the number `end`, which isn't among them.
pub(super) fn events(site: &Site, caller: &Caller, end: u64) -> Result<Vec<u8>, GateError> {
    let mut rows = VecDeque::new();
    let mut size = EVENTS_HEAD.len();
    let mut from = 0;
    while from < end {
        let page = site.gate.events(caller, from, PAGE)?;
        let Some(last) = page.last() else { break };
        from = last.number + 1;
        for event in page.iter().filter(|event| event.number < end) {
            let row = row(event);
            size += row.len();
            rows.push_back(row);
        }
        while size > LARGEST_LOG
            && let Some(oldest) = rows.pop_front()
        {
            size -= oldest.len();
        }
    }
    let mut file = Vec::with_capacity(size);
    file.extend_from_slice(EVENTS_HEAD.as_bytes());
    rows.iter().for_each(|row| file.extend_from_slice(row.as_bytes()));
    Ok(file)
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

/// A field, quoted where it must be (RFC 4180, 2.6 and 2.7).
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn reading_beyond_the_end_gives_nothing_and_never_overflows() {
        let snapshot = Snapshot { bytes: Bytes::from_static(b"0123456789"), utc_ms: 0, _room: None };
        assert_eq!(&snapshot.read(0, 4)[..], b"0123");
        assert_eq!(&snapshot.read(8, usize::MAX)[..], b"89");
        assert!(snapshot.read(10, 1).is_empty());
        assert!(snapshot.read(u64::MAX, usize::MAX).is_empty());
    }
}
