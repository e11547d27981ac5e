//! The meter's side of the log's chain: it has the key, seals what the store is about to write, says in the log
//! where a chain begins, and looks through the whole log without keeping anybody waiting. What is hashed, and what
//! that can't see, stands in [`security::chain`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use security::Ask;
use security::chain::{ChainKey, Class, Head, Record, Verified, Verifier};
use store::{Chain, DeviceFile, Keep, LogEnd, MAX_KEPT_EVENTS, MeterId, NewEvent, Sealed, StateDir, Store, StoreError};

use crate::events::{Draft, LogSetup, priority};
use crate::gate::{Caller, Gate, decide};
use crate::{GateError, Now};

/// Events that are read with the gate's lock held: a millisecond or two, in which nothing else happens.
const PAGE: usize = 500;

/// The key of this meter's chain, made if it has none.
pub(crate) fn key(dir: &StateDir) -> Result<Arc<ChainKey>, StoreError> {
    let bytes = dir.device_files().random(DeviceFile::ChainKey, ChainKey::BYTES)?;
    Ok(Arc::new(ChainKey::new(bytes.expose())))
}

/// The newest event's number, for whoever waits for news of the log without asking the gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest(Arc<AtomicU64>);

impl Newest {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Seals events as the store asks.
pub(crate) struct Sealer {
    pub key: Arc<ChainKey>,
    pub newest: Newest,
}

impl Chain for Sealer {
    fn seal(&self, log: LogEnd<'_>, events: &[NewEvent], depth: u32) -> Sealed {
        let meter = log.meter.0;
        let mut head = match log.head.and_then(|text| Head::parse(&self.key, meter, text)) {
            Some(head) => head,
            None if log.chained => Head::begin_again(log.next),
            None => Head::begin(log.next),
        };
        let first = head.next().max(log.next);
        let numbered = (first..).zip(events);
        let values = numbered.map(|(number, event)| head.seal(&self.key, meter, &record(number, event)).to_bytes());
        let values = values.collect();
        for (keep, depth) in [(Keep::Ring, depth), (Keep::Always, MAX_KEPT_EVENTS)] {
            if events.iter().any(|event| event.keep == keep) {
                head.trim(class(keep), u64::from(depth));
            }
        }
        // Ahead of its commit by a moment, or for good if that fails: who looks finds nothing yet, and looks again.
        self.newest.0.fetch_max(head.next() - 1, Ordering::Release);
        Sealed { first, values, head: head.to_text(&self.key, meter) }
    }
}

fn class(keep: Keep) -> Class {
    match keep {
        Keep::Ring => Class::Ordinary,
        Keep::Always => Class::Kept,
    }
}

fn record(number: u64, event: &NewEvent) -> Record<'_> {
    let NewEvent { utc_ms, priority, keep, .. } = *event;
    let NewEvent { user, path, cause, effect, .. } = event;
    Record { number, utc_ms, priority, user, path, cause, effect, class: class(keep) }
}

/// Has a store's log sealed from now on. Where that begins a chain, the log says so, and why if there should have
/// been one: the sentence comes back for whoever starts the meter.
pub(crate) fn attach(
    store: &mut Store,
    meter: MeterId,
    key: &Arc<ChainKey>,
    newest: &Newest,
    now: Now,
) -> Result<Option<String>, StoreError> {
    store.seal_with(Box::new(Sealer { key: Arc::clone(key), newest: newest.clone() }));
    let head = store.event_head(meter)?;
    if head.as_ref().is_some_and(|text| Head::parse(key, meter.0, text).is_some()) {
        newest.0.fetch_max(store.next_event(meter)?.saturating_sub(1), Ordering::Release);
        return Ok(None);
    }
    let lost = head.is_some() || store.is_chained(meter)?;
    let (priority, effect, remark) = if lost {
        let effect =
            "its chain is begun again with this event: the head or the key of the one before is lost or not right";
        let remark = "the event log's chain was begun again: its head or its key was lost or isn't right; \
                      `setup METER events --verify` shows what can still be told";
        (priority::ERROR, effect, Some(remark.to_owned()))
    } else {
        (priority::WARNING, "chained from this event on: `events --verify` vouches for it and those after it", None)
    };
    // What is always kept needs no depth.
    let events = LogSetup::KEPT.take(now, &Caller::meter(), vec![Draft::kept(priority, "event log", effect)]);
    store.tick(&[store::Tick::of(meter, LogSetup::KEPT.batch(&events))])?;
    Ok(remark)
}

impl Gate {
    /// The number of the newest event, without waiting for anybody. An event is there a moment later at most.
    pub fn newest_event(&self) -> u64 {
        self.newest.get()
    }

    /// Looks through the whole log for what isn't as it was logged. It takes the right to read security.
    ///
    /// The log is read in pages of some hundred events; between two of them the meter goes on, and the log with it.
    pub fn verify_log(&self, now: Now, caller: &Caller) -> Result<Verified, GateError> {
        let (key, meter) = {
            let mut state = self.state();
            decide(&mut state, now, caller, Ask::ReadSecurity)?;
            (Arc::clone(&state.chain_key), state.id)
        };
        let mut verifier = Verifier::new(&key, meter.0);
        let mut from = 0;
        loop {
            let (page, head) = {
                let state = self.state();
                (state.store.events(meter, from, PAGE)?, state.store.event_head(meter)?)
            };
            let head = head.and_then(|text| Head::parse(&key, meter.0, &text));
            for store::Event { number, event } in &page {
                verifier.look(head.as_ref(), &record(*number, event), event.chain.as_deref());
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.number.saturating_add(1),
                _ => return Ok(verifier.finish(head.as_ref())),
            }
        }
    }
}
