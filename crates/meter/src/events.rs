//! The event log: what is logged, with which priority, and what is kept whatever the log's own
//! settings say. Secrets never get here: causes and effects are registers and their values.

use firmware::Settings;
use framework::RegisterName;
use framework::modules::event_log;
use security::unseen::is_unseen;
use store::{EventBatch, Keep, MAX_EVENT_TEXT, NewEvent};

use crate::{Caller, Now};

/// Priorities of events that no register sets, as the field has them.
pub(crate) mod priority {
    pub const SETUP: u8 = 10;
    pub const INFORMATION: u8 = 25;
    pub const WARNING: u8 = 30;
    pub const ERROR: u8 = 255;
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
    /// For what is always kept, where no settings are known yet.
    pub const KEPT: Self = Self { depth: 0, cutoff: u8::MAX };

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

    /// The events that the log takes, ready for the store: with who caused them, by what road and from where.
    pub fn take(self, now: Now, caller: &Caller, drafts: Vec<Draft>) -> Vec<NewEvent> {
        let taken = |draft: &Draft| draft.keep == Keep::Always || (self.depth > 0 && draft.priority > self.cutoff);
        // Last, so that nothing that somebody typed can pass for it.
        let source = caller.peer.map_or_else(String::new, |peer| format!(" from {}", peer.ip()));
        drafts
            .into_iter()
            .filter(taken)
            .map(|draft| NewEvent {
                utc_ms: now.utc_ms,
                priority: draft.priority,
                user: caller.who.to_string(),
                path: caller.path_name().to_owned(),
                cause: clean(cut(draft.cause, MAX_EVENT_TEXT - source.len()) + &source),
                effect: clean(cut(draft.effect, MAX_EVENT_TEXT)),
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

/// Cuts a text to at most so many bytes, at a character's boundary.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// What somebody typed (a label, an owner's name) stands in the log as it is, but for characters that could make a
/// line of a log, a terminal or a CSV file say something else: controls, line separators, changes of direction.
fn clean(text: String) -> String {
    // A question mark, as one byte, never makes a text longer than it was.
    if text.contains(is_unseen) { text.replace(is_unseen, "?") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use security::{Path, Who};

    const NOW: Now = Now { utc_ms: 0, up_ms: 0 };

    fn taken(log: LogSetup, caller: &Caller, draft: Draft) -> Option<NewEvent> {
        log.take(NOW, caller, vec![draft]).pop()
    }

    #[test]
    fn only_what_is_above_the_cutoff_is_taken_or_what_is_always_kept() {
        let meter = Caller::meter();
        for (depth, cutoff, priority, expected) in [(5000, 5, 6, true), (5000, 5, 5, false), (0, 5, 255, false)] {
            let log = LogSetup { depth, cutoff };
            let said = (depth, cutoff, priority);
            assert_eq!(taken(log, &meter, Draft::ordinary(priority, "a", "b")).is_some(), expected, "{said:?}");
            assert!(taken(log, &meter, Draft::kept(0, "a", "b")).is_some(), "{said:?}");
        }
    }

    #[test]
    fn who_by_what_road_and_from_where() {
        let caller = Caller::on(Path::Setup, Who::Standard, "[2001:db8::7]:4711".parse().unwrap());
        let event = taken(LogSetup::KEPT, &caller, Draft::kept(10, "PT Prim = 120", "14400")).unwrap();
        let said = [event.user, event.path, event.cause, event.effect];
        assert_eq!(said, ["8650", "setup", "PT Prim = 120 from 2001:db8::7", "14400"]);
        let event = taken(LogSetup::KEPT, &Caller::meter(), Draft::kept(10, "power", "power up")).unwrap();
        assert_eq!([event.user, event.path, event.cause], ["-", "meter", "power"]);
    }

    #[test]
    fn what_somebody_typed_can_not_pass_for_another_line_and_not_push_its_source_out() {
        let caller = Caller::on(Path::Setup, Who::Standard, "192.0.2.7:1".parse().unwrap());
        let long = format!("Owner = a\r\n7,power,\u{1b}[2J\u{202e}{} from 10.0.0.1", "é".repeat(MAX_EVENT_TEXT));
        let event = taken(LogSetup::KEPT, &caller, Draft::kept(10, long.clone(), long)).unwrap();
        assert!(event.cause.starts_with("Owner = a??7,power,?[2J?é") && event.cause.ends_with("é from 192.0.2.7"));
        assert!(event.cause.len() <= MAX_EVENT_TEXT && event.effect.len() <= MAX_EVENT_TEXT);
    }
}
