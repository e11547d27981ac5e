//! The clock's part of a trial: seconds that were measured, as before the change, and committed since the new release
//! was, with time going on from one to the next. The faces' part is the host's, which has the sockets.

use framework::Memory;
use framework::interval::GAP_MS;

use crate::Now;
use crate::change::{Stage, Ticket, UnderWay, under_way};
use crate::demand;
use crate::gate::Gate;
use crate::state::State;

/// Measured seconds, one right after the other, that prove the clock: with two, time has gone on once.
pub const TRIAL_SECONDS: u32 = 2;
/// By how much the meter's clock may run ahead of or behind the one that only runs forward, between two seconds: what a
/// clock that is being adjusted does, and far below one that is set.
const JUMP_MS: i64 = 250;

/// A release on trial.
pub(crate) struct Trial {
    begun: Now,
    /// Whether the meter measured before: one whose source is dead may still change its release.
    measures: bool,
    /// What the modules remembered before: the new release's may forget it.
    memory: Memory,
    last: Option<Now>,
    seconds: u32,
}

impl Trial {
    pub fn begun(now: Now, measures: bool, memory: Memory) -> Self {
        Self { begun: now, measures, memory, last: None, seconds: 0 }
    }

    /// The record of what the modules remembered before.
    pub fn memory_before(&self) -> Option<String> {
        demand::text(&self.memory)
    }

    pub fn begun_utc_ms(&self) -> i64 {
        self.begun.utc_ms
    }

    /// A second was committed. After a gap or a jump it counts as the first one.
    fn second(&mut self, now: Now, measured: bool) {
        let goes_on = |last: Now| {
            let (up, utc) = (now.up_ms - last.up_ms, now.utc_ms - last.utc_ms);
            (1..=GAP_MS).contains(&up) && (utc - up).abs() <= JUMP_MS
        };
        let before = if self.last.is_some_and(goes_on) { self.seconds } else { 0 };
        self.seconds = if measured || !self.measures { before.saturating_add(1) } else { 0 };
        self.last = Some(now);
    }
}

impl State {
    /// The trial that is under way.
    pub(crate) fn trial(&self) -> Option<&Trial> {
        match &self.under_way.as_ref()?.stage {
            Stage::OnTrial(trial) => Some(trial),
            Stage::Preparing => None,
        }
    }

    /// A second was committed.
    pub(crate) fn tried(&mut self, now: Now, measured: bool) {
        self.measures = measured;
        if let Some(UnderWay { stage: Stage::OnTrial(trial), .. }) = &mut self.under_way {
            trial.second(now, measured);
        }
    }
}

impl Gate {
    /// How many seconds have been measured and committed, one right after the other, since this change is on trial.
    pub fn seconds_on_trial(&self, ticket: &Ticket) -> u32 {
        let state = self.state();
        let trial = under_way(&state, ticket, true).ok().and_then(|()| state.trial());
        trial.map_or(0, |trial| trial.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b26_only_measured_seconds_without_a_gap_or_a_jump_prove_the_clock() {
        let second = |up_ms: i64, ahead: i64| Now { utc_ms: 1_000_000 + up_ms + ahead, up_ms };
        for (what, seconds, proved) in [
            ("one", vec![(second(1000, 0), true)], false),
            ("two", vec![(second(1000, 0), true), (second(2000, 0), true)], true),
            ("nothing measured", vec![(second(1000, 0), false), (second(2000, 0), false)], false),
            ("measured once", vec![(second(1000, 0), true), (second(2000, 0), false)], false),
            ("a clock that stands still", vec![(second(1000, 0), true), (second(2000, -1000), true)], false),
            ("a clock that jumps", vec![(second(1000, 0), true), (second(2000, 60_000), true)], false),
            ("adjusted", vec![(second(1000, 0), true), (second(2000, 200), true)], true),
            ("a gap", vec![(second(1000, 0), true), (second(1000 + GAP_MS + 1, 0), true)], false),
            (
                "a jump, then going on",
                vec![(second(1000, 0), true), (second(2000, 9000), true), (second(3000, 9000), true)],
                true,
            ),
        ] {
            let proves = |measures| {
                let mut trial = Trial::begun(second(0, 0), measures, Memory::default());
                seconds.iter().for_each(|(now, measured)| trial.second(*now, *measured));
                trial.seconds >= TRIAL_SECONDS
            };
            assert_eq!(proves(true), proved, "{what}");
            let dead = seconds.iter().any(|(_, measured)| !measured);
            assert_eq!(proves(false), proved || dead, "{what}, where nothing was measured before");
        }
    }
}
