//! The event log on disk: a ring of ordinary events, and those that are always kept.
//!
//! Numbers grow by one and are never used twice, whatever has been dropped. What counts as ordinary, and the cutoff,
//! are decided above. An event is written in the transaction of what it reports, never in one of its own.

use rusqlite::{Connection, Row, Transaction, params};

use crate::chain::{self, Writing};
use crate::error::{During, StoreError};
use crate::store::{MeterId, Store, is_there};

/// Longest text of one field, in bytes; a longer one is cut with an ellipsis, so that no change fails for its event.
pub const MAX_EVENT_TEXT: usize = 1024;
/// Kept events of one meter, the oldest beyond are dropped: ten security changes a day for more than ten years.
pub const MAX_KEPT_EVENTS: u32 = 50_000;
/// Events that one read returns at most.
pub const MAX_EVENTS_PER_READ: usize = 10_000;
/// Largest chain value, in bytes: two SHA-256 and some numbers.
const MAX_CHAIN: usize = 128;

const ALL_EVENTS: &str = "SELECT number, utc_ms, priority, user, path, cause, effect, kept, chain FROM event
    WHERE meter = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";
/// By the index of the class: a walk over all numbers would look at every kept event on its way.
const RING_EVENTS: &str = "SELECT number, utc_ms, priority, user, path, cause, effect, kept, chain FROM event
    INDEXED BY event_by_class WHERE meter = ?1 AND kept = 0 AND number >= ?2 ORDER BY number LIMIT ?3";

/// Whether the ring may drop an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Ordinary: `Depth` bounds how many there are.
    Ring,
    /// Security and version changes, floor overrides, changes of the log itself: kept whatever `Depth` says.
    Always,
}

/// An event before it has its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// When, UTC, to the millisecond.
    pub utc_ms: i64,
    /// 0–255.
    pub priority: u8,
    /// `USER1` … `USER16`, `8650`, or `-` for nobody.
    pub user: String,
    /// Front panel, setup, terminal, web, Modbus…
    pub path: String,
    /// Register and value.
    pub cause: String,
    /// Register and value.
    pub effect: String,
    /// Whether the ring may drop it.
    pub keep: Keep,
    /// Links it to the one before; made and checked above (`Chain`). At most 128 bytes.
    pub chain: Option<Vec<u8>>,
}

/// Events of one commit, and the depth of the ring they go into.
#[derive(Debug, Clone, Copy)]
pub struct EventBatch<'a> {
    /// In order.
    pub events: &'a [NewEvent],
    /// Ordinary events that stay; 0 writes none (and drops none).
    pub depth: u32,
}

impl EventBatch<'_> {
    /// No event.
    pub const NONE: Self = Self { events: &[], depth: 0 };
}

impl Default for EventBatch<'_> {
    fn default() -> Self {
        Self::NONE
    }
}

/// An event as logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counts from 1; gaps are events that the ring dropped.
    pub number: u64,
    /// What happened.
    pub event: NewEvent,
}

impl Store {
    /// The number of the oldest event that the ring may drop; none when there is none.
    pub fn oldest_ring_event(&self, meter: MeterId) -> Result<Option<u64>, StoreError> {
        self.connection
            .prepare_cached("SELECT min(number) FROM event WHERE meter = ?1 AND kept = 0")
            .and_then(|mut statement| statement.query_row([meter.0], |row| row.get(0)))
            .during("reading events")
    }

    /// Events from number `from` on, in order, at most `limit` and at most [`MAX_EVENTS_PER_READ`].
    pub fn events(&self, meter: MeterId, from: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read_events(ALL_EVENTS, meter, from, limit)
    }

    /// The same of those that the ring may drop alone. However many are always kept, they cost nothing here.
    pub fn ring_events(&self, meter: MeterId, from: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read_events(RING_EVENTS, meter, from, limit)
    }

    fn read_events(&self, query: &str, meter: MeterId, from: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let doing = "reading events";
        if !is_there(&self.connection, meter)? {
            return Err(StoreError::NoSuchMeter(meter));
        }
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let limit = limit.min(MAX_EVENTS_PER_READ) as i64;
        let mut statement = self.connection.prepare_cached(query).during(doing)?;
        let rows = statement.query_map(params![meter.0, from, limit], read_event).during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let kept: bool = row.get(7)?;
    Ok(Event {
        number: row.get(0)?,
        event: NewEvent {
            utc_ms: row.get(1)?,
            priority: row.get(2)?,
            user: row.get(3)?,
            path: row.get(4)?,
            cause: row.get(5)?,
            effect: row.get(6)?,
            keep: if kept { Keep::Always } else { Keep::Ring },
            chain: row.get(8)?,
        },
    })
}

/// Appends events and drops what has become too old, inside the transaction of what they report.
pub(crate) fn append(writing: &Writing<'_>, meter: MeterId, batch: EventBatch<'_>) -> Result<(), StoreError> {
    let doing = "logging events";
    let stays = |event: &&NewEvent| event.keep == Keep::Always || batch.depth > 0;
    let mut events: Vec<NewEvent> = batch.events.iter().filter(stays).map(cut_texts).collect();
    if events.is_empty() {
        return Ok(());
    }
    let next = next_number(writing, meter)?;
    let first = match chain::seal(writing, meter, next, &events, batch.depth)? {
        Some(sealed) => {
            for (event, value) in events.iter_mut().zip(sealed.values) {
                event.chain = Some(value);
            }
            sealed.first
        }
        None => next,
    };
    for (number, event) in (first..).zip(&events) {
        if event.chain.as_ref().is_some_and(|chain| chain.len() > MAX_CHAIN) {
            return Err(StoreError::TooLarge { what: "an event's chain value (bytes)", limit: MAX_CHAIN as u64 });
        }
        writing
            .prepare_cached(
                "INSERT INTO event (meter, number, utc_ms, priority, user, path, cause, effect, kept, chain)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    meter.0,
                    number,
                    event.utc_ms,
                    event.priority,
                    event.user,
                    event.path,
                    event.cause,
                    event.effect,
                    event.keep == Keep::Always,
                    event.chain,
                ])
            })
            .during(doing)?;
    }
    let next = first + events.len() as u64;
    writing
        .prepare_cached("UPDATE meter SET next_event = ?2 WHERE meter = ?1")
        .and_then(|mut statement| statement.execute(params![meter.0, next]))
        .during(doing)?;
    for (class, depth) in [(Keep::Ring, batch.depth), (Keep::Always, MAX_KEPT_EVENTS)] {
        if events.iter().any(|event| event.keep == class) {
            prune(writing, meter, class, depth)?;
        }
    }
    Ok(())
}

/// The number that the next event of a meter gets.
pub(crate) fn next_number(connection: &Connection, meter: MeterId) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT next_event FROM meter WHERE meter = ?1")
        .and_then(|mut statement| statement.query_row([meter.0], |row| row.get(0)))
        .during("logging events")
}

fn prune(transaction: &Transaction<'_>, meter: MeterId, class: Keep, depth: u32) -> Result<(), StoreError> {
    let doing = "dropping old events";
    let class = class == Keep::Always;
    let count: i64 = transaction
        .prepare_cached("SELECT count(*) FROM event WHERE meter = ?1 AND kept = ?2")
        .and_then(|mut statement| statement.query_row(params![meter.0, class], |row| row.get(0)))
        .during(doing)?;
    let excess = count - i64::from(depth);
    if excess <= 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "DELETE FROM event WHERE meter = ?1 AND number IN
             (SELECT number FROM event WHERE meter = ?1 AND kept = ?2 ORDER BY number LIMIT ?3)",
        )
        .and_then(|mut statement| statement.execute(params![meter.0, class, excess]))
        .during(doing)
        .map(drop)
}

fn cut_texts(event: &NewEvent) -> NewEvent {
    let NewEvent { user, path, cause, effect, .. } = event;
    let [user, path, cause, effect] = [user, path, cause, effect].map(|text| cut(text).into_owned());
    NewEvent { user, path, cause, effect, chain: event.chain.clone(), ..*event }
}

fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    if text.len() <= MAX_EVENT_TEXT {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_EVENT_TEXT - ELLIPSIS.len());
    format!("{}{ELLIPSIS}", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Tick;
    use crate::testbed::{METER, Testbed, event};

    fn log(store: &mut Store, events: &[NewEvent], depth: u32) {
        let events = EventBatch { events, depth };
        store.tick(&[Tick::of(METER, events)]).unwrap();
    }

    fn numbers(store: &Store) -> Vec<u64> {
        store.events(METER, 0, usize::MAX).unwrap().into_iter().map(|event| event.number).collect()
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let full = NewEvent { priority: 255, chain: Some(vec![0, 255]), ..event("PT Prim 14400", Keep::Always) };
        log(&mut store, &[event("kW tot", Keep::Ring), full.clone()], 10);
        assert_eq!(store.load(METER).unwrap().events.chain, full.chain);
        let read = store.events(METER, 1, 10).unwrap();
        assert_eq!(read[0], Event { number: 1, event: event("kW tot", Keep::Ring) });
        assert_eq!(read[1], Event { number: 2, event: full });
        assert_eq!(store.events(METER, 2, 10).unwrap().len(), 1);
        assert_eq!(store.events(METER, 1, 1).unwrap()[0].number, 1);
        assert!(store.events(METER, u64::MAX, 10).unwrap().is_empty());
        assert!(matches!(store.events(MeterId(7), 1, 1), Err(StoreError::NoSuchMeter(_))));
    }

    #[test]
    fn ring_events_are_found_without_a_look_at_the_kept_ones() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let kept = |n| if n % 3 == 0 { Keep::Ring } else { Keep::Always };
        let events: Vec<_> = (1..10).map(|n| event("x", kept(n))).collect();
        log(&mut store, &events, 10);
        let numbers = |from, limit| -> Vec<u64> {
            store.ring_events(METER, from, limit).unwrap().into_iter().map(|event| event.number).collect()
        };
        assert_eq!((numbers(0, 9), numbers(4, 1), numbers(10, 1)), (vec![3, 6, 9], vec![6], vec![]));
        let plan = format!("EXPLAIN QUERY PLAN {RING_EVENTS}");
        let plan: String = store.connection.query_row(&plan, params![METER.0, 0, 1], |row| row.get("detail")).unwrap();
        assert!(plan.contains("event_by_class (meter=? AND kept=? AND number>?)"), "{plan}");
        assert!(matches!(store.ring_events(MeterId(7), 1, 1), Err(StoreError::NoSuchMeter(_))));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_a_long_chain_refused() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        log(&mut store, &[event(&"é".repeat(MAX_EVENT_TEXT), Keep::Ring)], 10);
        let effect = store.events(METER, 1, 1).unwrap().remove(0).event.effect;
        assert!(effect.len() <= MAX_EVENT_TEXT && effect.ends_with("é…"), "{} bytes", effect.len());
        let chained = [NewEvent { chain: Some(vec![0; MAX_CHAIN + 1]), ..event("x", Keep::Ring) }];
        let events = EventBatch { events: &chained, depth: 10 };
        let refused = store.tick(&[Tick::of(METER, events)]);
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    }

    #[test]
    fn depth_0_writes_nothing_ordinary_and_drops_nothing() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        log(&mut store, &[event("a", Keep::Ring), event("b", Keep::Ring)], 5);
        log(&mut store, &[event("lost", Keep::Ring), event("kept", Keep::Always)], 0);
        assert_eq!(numbers(&store), [1, 2, 3]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// The log is the kept events and the newest ordinary ones; numbers count on over reopening and dropping.
        #[test]
        fn the_ring_keeps_the_newest_and_what_must_be_kept(
            batches in proptest::collection::vec((proptest::collection::vec(any::<bool>(), 0..6), 1..8u32), 1..20),
        ) {
            let bed = Testbed::new();
            let mut store = bed.born(&[]);
            let mut expected: Vec<(u64, bool)> = Vec::new();
            let mut next = 1;
            for (batch, depth) in batches {
                let events: Vec<_> =
                    batch.iter().map(|kept| event("x", if *kept { Keep::Always } else { Keep::Ring })).collect();
                log(&mut store, &events, depth);
                for kept in &batch {
                    expected.push((next, *kept));
                    next += 1;
                }
                if batch.contains(&false) {
                    let ordinary = expected.iter().filter(|(_, kept)| !kept).count();
                    let mut drop = ordinary.saturating_sub(depth as usize);
                    expected.retain(|(_, kept)| {
                        let stays = *kept || drop == 0;
                        drop -= usize::from(!stays);
                        stays
                    });
                }
                prop_assert_eq!(numbers(&store), expected.iter().map(|(number, _)| *number).collect::<Vec<_>>());
                prop_assert_eq!(store.load(METER).unwrap().events.next_number, next);
            }
            drop(store);
            prop_assert_eq!(bed.again().load(METER).unwrap().events.next_number, next);
        }
    }
}
