//! The meter's own time: that of the machine it runs on, and by how much somebody has set it to differ. It
//! reads no clock: the machine's time is an argument. The difference outlives every release, and each
//! setting is an event with the time before and after.

use std::sync::atomic::{AtomicI64, Ordering};

use security::{Ask, Right};
use store::MeterState;

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::{GateError, Now, demand};

/// The record that the difference is kept in: a number of milliseconds.
const RECORD: &str = "clock";
/// 2000-01-01 and 2100-01-01, UTC, in milliseconds: what is outside is a slip of somebody's fingers.
const RANGE_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// By how much the meter's time is ahead of the machine's, in milliseconds; shared with readers.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicI64);

impl Ahead {
    pub fn of(stored: &MeterState) -> Result<Self, GateError> {
        let kept = stored.records.get(RECORD).map(|record| serde_json::from_str::<i64>(record)).transpose();
        let kept = kept.map_err(|error| GateError::Unreadable(error.to_string()))?;
        Ok(Self(AtomicI64::new(kept.unwrap_or(0))))
    }

    pub fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The meter's time at a time of the machine's.
    pub fn now(&self, machine: Now) -> Now {
        Now { utc_ms: machine.utc_ms.saturating_add(self.ms()), ..machine }
    }
}

/// A time as people are shown it, in UTC to the second. Before the first reading there is none.
pub fn utc_text(utc_ms: i64) -> Option<String> {
    let time = (utc_ms != 0).then(|| jiff::Timestamp::from_millisecond(utc_ms).ok()).flatten()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

impl Gate {
    /// The meter's time at a time of the machine's.
    pub fn meter_time(&self, machine: Now) -> Now {
        self.ahead.now(machine)
    }

    /// By how much the meter's time is ahead of the machine's, in milliseconds; 0 while nobody has set it.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead.ms()
    }

    /// Sets the meter's time, in UTC milliseconds since 1970. Waiting and time-outs are not touched by it.
    pub fn set_clock(&self, machine: Now, caller: &Caller, utc_ms: i64) -> Result<(), GateError> {
        let mut state = self.state();
        let state = &mut *state;
        let now = self.ahead.now(machine);
        decide(state, now, caller, Ask::Do(Right::TimeSync))?;
        stands_still(state)?;
        if !RANGE_MS.contains(&utc_ms) {
            return Err(GateError::ClockRange);
        }
        let ahead_ms = utc_ms - machine.utc_ms;
        let record = ahead_ms.to_string();
        // What runs in its interval is told, in the same commit.
        state.framework.clock_set();
        let memory = state.framework.memory();
        let remembered = demand::record(&state.memory, &memory);
        let mut records = vec![(RECORD, record.as_str())];
        records.extend(remembered.iter().map(|memory| (demand::RECORD, memory.as_str())));
        let log = state.log_setup();
        let register = |ms: i64| format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000));
        let cause = format!("Clock 1/UNIX Time = {}", register(now.utc_ms));
        let events = log.take(now, caller, vec![Draft::ordinary(priority::SETUP, cause, register(utc_ms))]);
        let change =
            store::SettingsChange { records: &records, events: log.batch(&events), ..store::SettingsChange::default() };
        let id = state.id;
        if let Err(error) = state.store.commit_settings(id, &change) {
            state.framework.resume(&state.memory);
            return Err(error.into());
        }
        state.memory = memory;
        self.ahead.0.store(ahead_ms, Ordering::Relaxed);
        Ok(())
    }
}
