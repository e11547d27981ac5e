//! The event log: what is logged, with which priority, and what is kept whatever the log's own
//! settings say. Secrets never get here: causes and effects are registers and their values.

use firmware::Settings;
use framework::RegisterName;
use framework::modules::event_log;
use store::{EventBatch, Keep, MAX_EVENT_TEXT, NewEvent};

use crate::{Caller, Now};

/// Priorities of events that no register sets, as the field has them.
pub(crate) mod priority {
    pub const SETUP: u8 = 10;
    pub const INFORMATION: u8 = 25;
    pub const WARNING: u8 = 30;
}

/// An event as readers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// Its number; none is ever used twice.
    pub number: u64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// 0 to 255.
    pub priority: u8,
    /// `USER1`, `8650`, or `-` for nobody.
    pub user: String,
    /// By what road.
    pub path: String,
    /// Register and value.
    pub cause: String,
    /// Register and value.
    pub effect: String,
}

/// An event about to be logged.
pub(crate) struct Draft {
    pub priority: u8,
    pub keep: Keep,
    pub cause: String,
    pub effect: String,
}

impl Draft {
    /// Something security or a change of release logs: it is always kept.
    pub fn kept(priority: u8, cause: impl Into<String>, effect: impl Into<String>) -> Self {
        Self { priority, keep: Keep::Always, cause: cause.into(), effect: effect.into() }
    }

    /// Something that the log's own settings may drop.
    pub fn ordinary(priority: u8, cause: impl Into<String>, effect: impl Into<String>) -> Self {
        Self { priority, keep: Keep::Ring, cause: cause.into(), effect: effect.into() }
    }
}

/// How the log is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSetup {
    depth: u32,
    cutoff: u8,
}

impl LogSetup {
    pub fn of(settings: &Settings) -> Self {
        let register = |register: &str| -> Option<f64> {
            let name: RegisterName = format!("{} 1/{register}", event_log::NAME).parse().ok()?;
            match settings.template.get(&name)? {
                framework::Value::Number(number) => Some(*number),
                _ => None,
            }
        };
        // A meter without the module logs as one that ships with it.
        let depth = register(event_log::DEPTH).unwrap_or(5000.0) as u32;
        let cutoff = register(event_log::CUTOFF).unwrap_or(5.0) as u8;
        Self { depth, cutoff }
    }

    /// The events that the log takes, ready for the store.
    pub fn take(self, now: Now, caller: &Caller, drafts: Vec<Draft>) -> Vec<NewEvent> {
        let taken = |draft: &Draft| draft.keep == Keep::Always || (self.depth > 0 && draft.priority > self.cutoff);
        drafts
            .into_iter()
            .filter(taken)
            .map(|draft| NewEvent {
                utc_ms: now.utc_ms,
                priority: draft.priority,
                user: caller.who.to_string(),
                path: caller.path_name().to_owned(),
                cause: cut(draft.cause),
                effect: cut(draft.effect),
                keep: draft.keep,
                chain: None,
            })
            .collect()
    }

    /// A batch of such events.
    pub fn batch(self, events: &[NewEvent]) -> EventBatch<'_> {
        EventBatch { events, depth: self.depth }
    }
}

/// Cuts a text to what an event holds, at a character's boundary.
fn cut(mut text: String) -> String {
    if text.len() > MAX_EVENT_TEXT {
        let mut end = MAX_EVENT_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
