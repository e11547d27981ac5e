//! Sliding Window Demand module: the average of its source over the last complete sub-intervals.
//!
//! Sub-intervals lie on multiples of their length since 1970, UTC, whenever the meter was started. The average is over
//! the seconds that were measured: a gap (power off, source lost, clock set forward) makes a sub-interval shorter and is
//! never filled, and one without a measured second counts for nothing. Setting the clock back out of a sub-interval
//! ends it.
//!
//! PredDemand is what SWinDemand will be at the end of the running sub-interval if its average so far holds until then:
//! (S + p·(n + t)) / (N + n + t), with S and N the sum and the seconds of the complete sub-intervals that will still be
//! in the window, n and p the seconds and the average of the running one, and t the Time Left.

use security::Right;
use serde::{Deserialize, Serialize};

use crate::kind::{Kind, Module, OutputRegister, SAME_AS_SOURCE, Tick};
use crate::memory::Kept;
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Sliding Window Demand";
/// A sub-interval's length, in seconds.
pub const LENGTH: &str = "Sub Intvl";
/// How many sub-intervals the window has.
pub const COUNT: &str = "#Sub Intvls";
/// The demand: the average over the window.
pub const DEMAND: &str = "SWinDemand";
/// The demand at the end of the running sub-interval, as it looks now.
pub const PREDICTED: &str = "PredDemand";
/// Seconds until the running sub-interval ends.
pub const TIME_LEFT: &str = "Time Left";
/// 1 in the second in which a sub-interval has ended, otherwise 0.
pub const INTERVAL_END: &str = "Interval End";

/// A second's reading is of the second that ends with it: its middle lies this long before.
const HALF_SECOND_MS: i64 = 500;

/// The Sliding Window Demand module.
pub struct SlidingWindowDemand;

static SETUP: [SetupRegister; 2] = [
    SetupRegister {
        name: LENGTH,
        unit: "s",
        // The field's own bounds: 99 minutes, 15 sub-intervals.
        range: Range::whole(1, 5940),
        factory: Factory::Number(900.0),
        right: Right::FullConfig,
    },
    SetupRegister {
        name: COUNT,
        unit: "",
        range: Range::whole(1, 15),
        factory: Factory::Number(1.0),
        right: Right::FullConfig,
    },
];

impl Kind for SlidingWindowDemand {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        10
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["Source"]
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        let output = |name: &str, unit, decimals| OutputRegister { name: name.to_owned(), unit, decimals };
        vec![
            output(DEMAND, SAME_AS_SOURCE, 3),
            output(PREDICTED, SAME_AS_SOURCE, 3),
            output(TIME_LEFT, "s", 0),
            output(INTERVAL_END, "", 0),
        ]
    }

    fn start(&self, setup: &ModuleSetup) -> Box<dyn Module> {
        // The registers' ranges end at 5940 and 15.
        let length_s = setup.number(LENGTH).map_or(900, |length| length as u32);
        let count = setup.number(COUNT).map_or(1, |count| count as usize);
        Box::new(Running { window: Window { length_s, ..Window::default() }, count, ended: false })
    }
}

/// The sub-intervals of a module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Window {
    length_s: u32,
    /// Which sub-interval runs, counted since 1970; none before the first second.
    number: Option<i64>,
    running: Sum,
    /// The complete ones of the window, oldest first.
    complete: Vec<Sum>,
}

/// What was measured in a sub-interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sum {
    /// Of the readings, one a second, in the source's unit.
    total: f64,
    seconds: u32,
}

impl Sum {
    fn average(self) -> Option<f64> {
        (self.seconds > 0).then(|| self.total / f64::from(self.seconds))
    }

    fn with(self, reading: f64) -> Self {
        Self { total: self.total + reading, seconds: self.seconds.saturating_add(1) }
    }
}

fn all(sums: &[Sum]) -> Sum {
    sums.iter().fold(Sum::default(), |all, sum| Sum {
        total: all.total + sum.total,
        seconds: all.seconds.saturating_add(sum.seconds),
    })
}

struct Running {
    window: Window,
    count: usize,
    ended: bool,
}

impl Running {
    fn length_ms(&self) -> i64 {
        i64::from(self.window.length_s.max(1)) * 1000
    }

    /// How long the running sub-interval still takes; none if a time doesn't lie in it.
    fn left_ms(&self, utc_ms: i64) -> Option<i64> {
        let start = self.window.number?.saturating_mul(self.length_ms());
        let since = utc_ms.saturating_sub(start);
        (0..self.length_ms()).contains(&since).then(|| self.length_ms() - since)
    }

    /// Ends the running sub-interval, unless it is the one with this number.
    fn run(&mut self, number: i64) {
        let window = &mut self.window;
        let before = window.number.replace(number);
        let Some(before) = before.filter(|before| *before != number) else { return };
        let ended = std::mem::take(&mut window.running);
        if before < number || ended.seconds > 0 {
            window.complete.push(ended);
            self.ended = true;
        }
        // Those in which nothing ran push what is older out of the window.
        let missed = usize::try_from(number.saturating_sub(before).saturating_sub(1)).unwrap_or(0);
        window.complete.extend(std::iter::repeat_n(Sum::default(), missed.min(self.count)));
        window.complete.drain(..window.complete.len().saturating_sub(self.count));
    }

    fn predicted(&self, utc_ms: i64) -> Option<f64> {
        let left = self.left_ms(utc_ms)? as f64 / 1000.0;
        let (running, average) = (self.window.running, self.window.running.average()?);
        let leaving = (self.window.complete.len() + 1).saturating_sub(self.count);
        let stay = all(&self.window.complete[leaving..]);
        let rest = f64::from(running.seconds) + left;
        Some((stay.total + average * rest) / (f64::from(stay.seconds) + rest))
    }
}

impl Module for Running {
    fn advance(&mut self, tick: &Tick<'_>, inputs: &[Option<f64>]) {
        self.ended = false;
        let length_ms = self.length_ms();
        if self.left_ms(tick.utc_ms).is_none() {
            self.run(tick.utc_ms.saturating_sub(HALF_SECOND_MS).div_euclid(length_ms));
        }
        if let Some(reading) = inputs.first().copied().flatten() {
            self.window.running = self.window.running.with(reading);
        }
        if self.left_ms(tick.utc_ms).is_none() {
            self.run(tick.utc_ms.div_euclid(length_ms));
        }
    }

    fn evaluate(&self, tick: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        let left = self.left_ms(tick.utc_ms).map(|left| left as f64 / 1000.0);
        let values = [
            all(&self.window.complete).average(),
            self.predicted(tick.utc_ms),
            left,
            Some(if self.ended { 1.0 } else { 0.0 }),
        ];
        for (output, value) in outputs.iter_mut().zip(values) {
            *output = value.unwrap_or(f64::NAN);
        }
    }

    fn remembers(&self) -> bool {
        true
    }

    fn keep(&self) -> Option<Kept> {
        Some(Kept::Window(self.window.clone()))
    }

    /// Sub-intervals of another length are none of this module's.
    fn resume(&mut self, kept: Option<&Kept>) {
        let length_s = self.window.length_s;
        self.ended = false;
        self.window = match kept {
            Some(Kept::Window(window)) if window.length_s == length_s => window.clone(),
            _ => Window { length_s, ..Window::default() },
        };
        let complete = &mut self.window.complete;
        complete.drain(..complete.len().saturating_sub(self.count));
    }
}
