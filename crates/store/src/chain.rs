//! How the event log gets its chain: the store asks whoever has the key, inside the transaction that writes the
//! events, and writes what it is told beside them. It holds no key and makes no hash itself.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::error::{During, StoreError};
use crate::events::NewEvent;
use crate::store::{MeterId, Store, bound_name};

/// The record that keeps the head; no other record may have this key.
const HEAD: &str = "event-chain";

/// Seals events.
pub trait Chain: Send {
    /// Seals the events of one commit, which are written as they are given here. `depth` is how many ordinary ones
    /// stay afterwards.
    fn seal(&self, log: LogEnd<'_>, events: &[NewEvent], depth: u32) -> Sealed;
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd<'a> {
    /// Whose log.
    pub meter: MeterId,
    /// The head as the last sealing gave it.
    pub head: Option<&'a str>,
    /// No event has this number or a higher one.
    pub next: u64,
    /// Whether any event has a chain value.
    pub chained: bool,
}

/// Events as they are to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The number of the first; the others follow it. At least [`LogEnd::next`].
    pub first: u64,
    /// The chain value of each.
    pub values: Vec<Vec<u8>>,
    /// The head from now on.
    pub head: String,
}

/// A transaction, and what seals the events in it.
pub(crate) struct Writing<'a> {
    pub transaction: &'a Transaction<'a>,
    pub chain: Option<&'a dyn Chain>,
}

impl<'a> std::ops::Deref for Writing<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        self.transaction
    }
}

impl Store {
    /// From now on, events are sealed with this. A log that has been sealed takes no others.
    pub fn seal_with(&mut self, chain: Box<dyn Chain>) {
        self.chain = Some(chain);
    }

    /// The head of a meter's log, as the last sealing gave it.
    pub fn event_head(&self, meter: MeterId) -> Result<Option<String>, StoreError> {
        head(&self.connection, meter)
    }

    /// Whether any event of a meter has a chain value.
    pub fn is_chained(&self, meter: MeterId) -> Result<bool, StoreError> {
        chained(&self.connection, meter)
    }
}

/// The number of the first of some events, and the chain value of each.
pub(crate) fn seal(
    writing: &Writing<'_>,
    meter: MeterId,
    next: u64,
    events: &[NewEvent],
    depth: u32,
) -> Result<Option<Sealed>, StoreError> {
    let doing = "sealing events";
    let stored = head(writing, meter)?;
    let Some(chain) = writing.chain else {
        return if stored.is_some() { Err(StoreError::Unsealed) } else { Ok(None) };
    };
    // Somebody may have put in events by hand: these are found, and must not keep the meter from logging.
    let highest: Option<u64> = writing
        .prepare_cached("SELECT max(number) FROM event WHERE meter = ?1")
        .and_then(|mut statement| statement.query_row([meter.0], |row| row.get(0)))
        .during(doing)?;
    let next = next.max(highest.map_or(0, |highest| highest.saturating_add(1)));
    let chained = stored.is_some() || chained(writing, meter)?;
    let sealed = chain.seal(LogEnd { meter, head: stored.as_deref(), next, chained }, events, depth);
    bound_head(&sealed.head)?;
    writing
        .prepare_cached(
            "INSERT INTO record (meter, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (meter, key) DO UPDATE SET value = excluded.value",
        )
        .and_then(|mut statement| statement.execute(params![meter.0, HEAD, sealed.head]))
        .during(doing)?;
    Ok(Some(sealed))
}

/// A head is a line of a few numbers and hashes; twice a name is room enough.
fn bound_head(head: &str) -> Result<(), StoreError> {
    let (one, other) = head.split_at(head.floor_char_boundary(head.len() / 2));
    bound_name(one).and_then(|()| bound_name(other))
}

fn head(connection: &rusqlite::Connection, meter: MeterId) -> Result<Option<String>, StoreError> {
    connection
        .prepare_cached("SELECT value FROM record WHERE meter = ?1 AND key = ?2")
        .and_then(|mut statement| statement.query_row(params![meter.0, HEAD], |row| row.get(0)).optional())
        .during("reading the log's head")
}

fn chained(connection: &rusqlite::Connection, meter: MeterId) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM event WHERE meter = ?1 AND chain IS NOT NULL)")
        .and_then(|mut statement| statement.query_row([meter.0], |row| row.get(0)))
        .during("reading the log's head")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{METER, Testbed, event};
    use crate::{EventBatch, Keep, Tick};

    /// Counts instead of hashing: a chain value says what the head was before.
    struct Counting;

    impl Chain for Counting {
        fn seal(&self, log: LogEnd<'_>, events: &[NewEvent], depth: u32) -> Sealed {
            let before = log.head.unwrap_or("begun");
            let values = events.iter().map(|event| format!("{before}, {}", event.effect.len()).into_bytes()).collect();
            Sealed { first: log.next, values, head: format!("{} {} {depth}", log.next, events.len()) }
        }
    }

    fn log(store: &mut Store, effects: &[&str], depth: u32) -> Result<(), StoreError> {
        let events: Vec<_> = effects.iter().map(|effect| event(effect, Keep::Ring)).collect();
        let events = EventBatch { events: &events, depth };
        store.tick(&[Tick::of(METER, events)])
    }

    fn values(store: &Store) -> Vec<(u64, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let events = store.events(METER, 0, 100).unwrap().into_iter();
        events.map(|event| (event.number, event.event.chain.map(text))).collect()
    }

    #[test]
    fn events_are_sealed_as_they_are_written_and_the_head_with_them() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        log(&mut store, &["before"], 9).unwrap();
        assert!(!store.is_chained(METER).unwrap());
        store.seal_with(Box::new(Counting));
        let long = "é".repeat(crate::MAX_EVENT_TEXT);
        log(&mut store, &["a", &long], 9).unwrap();
        log(&mut store, &["c"], 9).unwrap();
        // The text is sealed as it is stored: cut.
        let cut = store.events(METER, 3, 1).unwrap()[0].event.effect.len();
        assert!(cut <= crate::MAX_EVENT_TEXT);
        let expected =
            [(1, None), (2, Some("begun, 1".into())), (3, Some(format!("begun, {cut}"))), (4, Some("2 2 9, 1".into()))];
        assert_eq!(values(&store), expected);
        assert_eq!(store.event_head(METER).unwrap().as_deref(), Some("4 1 9"));
        // Nothing was logged: nothing is sealed.
        log(&mut store, &["dropped"], 0).unwrap();
        log(&mut store, &[], 9).unwrap();
        assert_eq!(store.event_head(METER).unwrap().as_deref(), Some("4 1 9"));
        assert!(store.is_chained(METER).unwrap());
    }

    #[test]
    fn a_sealed_log_takes_no_event_without_a_seal() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        store.seal_with(Box::new(Counting));
        log(&mut store, &["sealed"], 9).unwrap();
        drop(store);
        let mut store = bed.again();
        assert!(matches!(log(&mut store, &["not sealed"], 9), Err(StoreError::Unsealed)));
        assert_eq!(values(&store).len(), 1);
    }

    #[test]
    fn an_event_put_in_by_hand_keeps_nobody_from_logging() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        store.seal_with(Box::new(Counting));
        log(&mut store, &["one"], 9).unwrap();
        store
            .connection
            .execute("INSERT INTO event SELECT meter, 70, utc_ms, priority, user, path, cause, effect, kept, chain FROM event", [])
            .unwrap();
        log(&mut store, &["two"], 9).unwrap();
        assert_eq!(values(&store).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 70, 71]);
        assert_eq!(store.next_event(METER).unwrap(), 72);
    }
}
