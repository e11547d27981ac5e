//! Interval Energy module: by how much an energy counter has grown in the last complete interval of a timer.
//!
//! It takes the difference of two readings of the counter, in whole micro-kWh, so intervals that follow one another add
//! up to what the counter has grown by in them, exactly. What it grows by outside any is in none: a timer whose period
//! is changed leaves the interval that ran, and begins anew. A counter's reading is a double: below 4 · 10⁹ kWh, which
//! is as far as a sum of counters goes, its step is at most half a micro-kWh, so none is lost in one. A module that
//! comes in the middle of an interval waits for the next: what it hasn't seen is not available.

use serde::{Deserialize, Serialize};

use crate::interval::{Beat, Recorded};
use crate::kind::{Kind, Module, OutputRegister, SAME_AS_SOURCE, Tick};
use crate::memory::Kept;
use crate::template::{ModuleName, ModuleSetup};

/// The kind's name.
pub const NAME: &str = "Interval Energy";
/// The energy of the last complete interval.
pub const ENERGY: &str = "Interval Energy";

const MICRO: f64 = 1e6;
/// Where counters start again from 0: 10⁹ kWh, in micro-kWh.
const ROLLOVER: i64 = 1_000_000_000_000_000;
/// The greatest sum of counters is one of four.
const GREATEST: f64 = 4.0 * ROLLOVER as f64;

/// The Interval Energy module.
pub struct IntervalEnergy;

impl Kind for IntervalEnergy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        20
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["Source", "Trigger"]
    }

    fn trigger(&self) -> Option<&'static str> {
        Some("Trigger")
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        vec![OutputRegister { name: ENERGY.to_owned(), unit: SAME_AS_SOURCE, decimals: 3 }]
    }

    fn start(&self, _: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running(Growth::default()))
    }
}

/// What a counter was when the interval began, and what it grew by in the last one; in micro-kWh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Growth {
    began_at: Option<i64>,
    last: Option<i64>,
}

impl Growth {
    /// The same, in an interval whose beginning no reading belongs to.
    pub(crate) fn begun_anew(self) -> Self {
        Self { began_at: None, ..self }
    }
}

struct Running(Growth);

/// A counter's reading in micro-kWh; none of what is no counter's.
fn micro(reading: f64) -> Option<i64> {
    let micro = (reading * MICRO).round();
    (micro.abs() <= GREATEST).then_some(micro as i64)
}

/// From one reading to the next. A counter that rolls over, or one of those that a sum or a difference is made of,
/// changes the reading by 10⁹ kWh, which no interval's energy is anywhere near.
fn grown(from: i64, to: i64) -> i64 {
    let grown = (to - from).rem_euclid(ROLLOVER);
    if grown > ROLLOVER / 2 { grown - ROLLOVER } else { grown }
}

impl Module for Running {
    fn on_beat(&mut self, _: ModuleName, inputs: &[Option<f64>], beat: &Beat) -> Option<Recorded> {
        let now = inputs.first().copied().flatten().and_then(micro);
        if beat.ended.is_some() {
            self.0.last = self.0.began_at.zip(now).map(|(from, to)| grown(from, to));
        }
        if beat.begins {
            self.0.began_at = now;
        }
        None
    }

    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill(self.0.last.map_or(f64::NAN, |micro| micro as f64 / MICRO));
    }

    fn remembers(&self) -> bool {
        true
    }

    fn keep(&self) -> Option<Kept> {
        Some(Kept::Growth(self.0))
    }

    fn resume(&mut self, kept: Option<&Kept>) {
        self.0 = match kept {
            Some(Kept::Growth(growth)) => *growth,
            _ => Growth::default(),
        };
    }
}
