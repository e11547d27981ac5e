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

impl Window {
    /// Whether the sub-intervals of another are as long.
    pub(crate) fn as_long_as(&self, other: &Self) -> bool {
        self.length_s == other.length_s
    }
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

    /// With one more reading. One that makes no number of the sum is a gap: a memory holds finite numbers alone.
    fn with(self, reading: f64) -> Self {
        let total = self.total + reading;
        if total.is_finite() { Self { total, seconds: self.seconds.saturating_add(1) } } else { self }
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

#[cfg(test)]
mod tests {
    use metrology::EnergyRegisters;

    use super::*;
    use crate::register::Value;

    /// A module with sub-intervals of so many seconds, and what it shows after readings at these times, in
    /// milliseconds: SWinDemand, PredDemand, Time Left, Interval End.
    fn shown(length_s: u32, count: u32, readings: &[(i64, Option<f64>)]) -> Vec<[f64; 4]> {
        let setup = [(LENGTH, length_s), (COUNT, count)];
        let setup = setup.map(|(name, value)| (name.to_owned(), Value::Number(f64::from(value))));
        let mut module = SlidingWindowDemand.start(&ModuleSetup { setup: setup.into(), ..ModuleSetup::default() });
        let energy = EnergyRegisters::default();
        let show = |(utc_ms, reading): &(i64, Option<f64>)| {
            let tick = Tick { utc_ms: *utc_ms, up_ms: 0, quantities: None, energy: &energy, energy_before: &energy };
            let mut outputs = [f64::NAN; 4];
            module.advance(&tick, &[*reading]);
            module.evaluate(&tick, &[*reading], &mut outputs);
            // "Not available" as a number that none of these readings makes.
            outputs.map(|output| if output.is_nan() { -1.0 } else { output })
        };
        readings.iter().map(show).collect()
    }

    #[track_caller]
    fn ends_with(length_s: u32, count: u32, readings: &[(i64, Option<f64>)], expected: [f64; 4]) {
        assert_eq!(shown(length_s, count, readings).last(), Some(&expected), "{readings:?}");
    }

    const NONE: f64 = -1.0;

    #[test]
    fn sub_intervals_lie_on_multiples_of_their_length_whenever_the_meter_starts() {
        // Started in the middle of 0 to 4 s: a short one of two seconds, then a whole one.
        let readings: Vec<_> = [3.0, 5.0, 8.0, 8.0, 6.0, 6.0, 1.0].into_iter().zip(3..).collect();
        let readings: Vec<_> = readings.into_iter().map(|(reading, second)| (second * 1000, Some(reading))).collect();
        assert_eq!(
            shown(4, 1, &readings),
            [
                [NONE, 3.0, 1.0, 0.0],
                [4.0, NONE, 4.0, 1.0],
                [4.0, 8.0, 3.0, 0.0],
                [4.0, 8.0, 2.0, 0.0],
                [4.0, 22.0 / 3.0, 1.0, 0.0],
                [7.0, NONE, 4.0, 1.0],
                [7.0, 1.0, 3.0, 0.0],
            ]
        );
    }

    #[test]
    fn a_window_slides_over_its_sub_intervals_and_is_predicted_as_documented() {
        let readings: Vec<_> = (1..=9).map(|second| (second * 1000, Some(second as f64))).collect();
        // 1 2 | 3 4 | 5 6 | 7 8 | 9: the last three are 3 to 8; 5 to 8 stay, and 9 is taken to hold for two seconds.
        ends_with(2, 3, &readings, [33.0 / 6.0, (26.0 + 18.0) / 6.0, 1.0, 0.0]);
    }

    #[test]
    fn gaps_make_short_and_are_never_filled() {
        let at = |seconds: &[(i64, f64)]| -> Vec<_> { seconds.iter().map(|(s, v)| (s * 1000, Some(*v))).collect() };
        // The source is lost for a second.
        ends_with(
            4,
            1,
            &[(1000, Some(2.0)), (2000, None), (3000, Some(4.0)), (4000, Some(6.0))],
            [4.0, NONE, 4.0, 1.0],
        );
        // One whole sub-interval without power counts for nothing in the window, and two push all else out of it.
        ends_with(2, 2, &at(&[(1, 5.0), (2, 5.0), (5, 1.0)]), [5.0, (1.0 + 1.0) / 2.0, 1.0, 1.0]);
        ends_with(2, 2, &at(&[(1, 5.0), (2, 5.0), (7, 1.0)]), [NONE, 1.0, 1.0, 1.0]);
        // The clock is set back: what ran ends.
        ends_with(4, 1, &at(&[(9, 5.0), (10, 7.0), (1, 1.0)]), [6.0, 1.0, 3.0, 1.0]);
    }

    #[test]
    fn a_second_belongs_to_the_sub_interval_that_most_of_it_lies_in() {
        let late = [(1300, Some(1.0)), (2300, Some(3.0)), (3300, Some(5.0))];
        ends_with(2, 1, &late[..2], [2.0, NONE, 1.7, 1.0]);
        ends_with(2, 1, &late, [2.0, 5.0, 0.7, 0.0]);
        let early = [(1800, Some(1.0)), (2800, Some(3.0))];
        ends_with(2, 1, &early, [1.0, 3.0, 1.2, 1.0]);
    }

    #[test]
    fn a_reading_that_makes_no_number_of_the_sum_is_a_gap() {
        let readings = [(1000, Some(f64::MAX)), (2000, Some(f64::MAX)), (3000, Some(f64::INFINITY))];
        ends_with(3, 1, &readings, [f64::MAX, NONE, 3.0, 1.0]);
    }

    #[test]
    fn no_time_is_out_of_range() {
        for utc_ms in [i64::MIN, -1, 0, i64::MAX] {
            shown(5940, 15, &[(utc_ms, Some(1.0)), (0, Some(1.0)), (utc_ms, None)]);
        }
    }
}
