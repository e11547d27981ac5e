//! Periodic Timer module: intervals of one length, on multiples of it since 1970, UTC, whenever the meter was started.
//!
//! A second belongs to the interval that most of it lies in, so an interval ends with the second that ends nearest to
//! its boundary. The meter stood still, or the clock was set, and time goes on in another interval: then the one that
//! ran has ended at its own boundary, before the second that shows it. Intervals in which no second passed never end:
//! they have not been.
//!
//! What is said of an interval: *short* if a part of it was not measured (it was begun late, left early, or has a gap),
//! *outage* if the meter was not running or the source had a gap in it, and of the first interval after a start,
//! *clock set* if the clock was set in it or jumped by half a second or more.

use security::Right;
use serde::{Deserialize, Serialize};

use crate::interval::{Beat, Ended, GAP_MS, Status};
use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::memory::Kept;
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Periodic Timer";
/// An interval's length, in seconds.
pub const PERIOD: &str = "Period";
/// 1 in the second in which an interval has ended, otherwise 0.
pub const TRIGGER: &str = "Trigger";

const FACTORY_PERIOD_S: u32 = 900;
/// Half a second: what a second's end may be away from a boundary, and by what two clocks may differ.
const HALF_SECOND_MS: i64 = 500;
const SECOND_MS: i64 = 1000;

/// The Periodic Timer module.
pub struct PeriodicTimer;

static SETUP: [SetupRegister; 1] = [SetupRegister {
    name: PERIOD,
    unit: "s",
    // A day at most: a longer interval would begin on another day than people expect.
    range: Range::whole(1, 86_400),
    factory: Factory::Number(FACTORY_PERIOD_S as f64),
    right: Right::FullConfig,
}];

/// The period that a set-up says, in seconds.
pub fn period_s(setup: &ModuleSetup) -> u32 {
    // The register's range ends at 86 400.
    setup.number(PERIOD).map_or(FACTORY_PERIOD_S, |period| period as u32)
}

impl Kind for PeriodicTimer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        10
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        vec![OutputRegister { name: TRIGGER.to_owned(), unit: "", decimals: 0 }]
    }

    fn start(&self, setup: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running { period_s: period_s(setup), interval: None, beat: Beat::default(), triggers: false })
    }
}

/// The interval that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    period_s: u32,
    /// Which one, counted since 1970.
    number: i64,
    /// Whether a second of it has passed.
    begun: bool,
    status: Status,
    /// Whether the clock was set since the last second.
    clock_set: bool,
    /// The last second's end, by the meter's clock.
    last_utc_ms: i64,
    /// The same by the clock that never goes back; none after a start, which is how one is told.
    #[serde(skip)]
    last_up_ms: Option<i64>,
}

impl Interval {
    /// Whether the intervals of another timer are as long.
    pub(crate) fn as_long_as(&self, other: &Self) -> bool {
        self.period_s == other.period_s
    }
}

/// How a second lies to the one before it.
struct Step {
    /// The meter was started in between.
    started: bool,
    /// Time is missing in between.
    missing: bool,
    /// The clock was set in between.
    clock_set: bool,
    /// And forward, so that there is time that never was.
    skipped: bool,
}

impl Interval {
    fn step(&self, tick: &Tick<'_>) -> Step {
        let by_utc = tick.utc_ms.saturating_sub(self.last_utc_ms);
        let Some(last_up_ms) = self.last_up_ms else {
            return Step { started: true, missing: true, clock_set: self.clock_set || by_utc < 0, skipped: false };
        };
        let by_up = tick.up_ms.saturating_sub(last_up_ms);
        let jumped = by_utc.saturating_sub(by_up);
        let clock_set = self.clock_set || !(-HALF_SECOND_MS..HALF_SECOND_MS).contains(&jumped);
        Step { started: false, missing: by_up > GAP_MS, clock_set, skipped: jumped >= HALF_SECOND_MS }
    }
}

struct Running {
    period_s: u32,
    interval: Option<Interval>,
    beat: Beat,
    /// Whether an interval has ended in this second.
    triggers: bool,
}

impl Running {
    fn period_ms(&self) -> i64 {
        i64::from(self.period_s.max(1)) * SECOND_MS
    }

    fn start_ms(&self, number: i64) -> i64 {
        number.saturating_mul(self.period_ms())
    }

    /// The interval of a time.
    fn number(&self, utc_ms: i64) -> i64 {
        utc_ms.div_euclid(self.period_ms())
    }

    /// The interval of the second that ends at a time, and of the one that follows.
    fn around(&self, utc_ms: i64) -> [i64; 2] {
        [-HALF_SECOND_MS, HALF_SECOND_MS].map(|half| self.number(utc_ms.saturating_add(half)))
    }

    /// An interval begins to run.
    fn begin(&mut self, number: i64, status: Status, tick: &Tick<'_>) {
        self.interval = Some(Interval {
            period_s: self.period_s,
            number,
            begun: false,
            status,
            clock_set: false,
            last_utc_ms: tick.utc_ms,
            last_up_ms: Some(tick.up_ms),
        });
        self.beat.begins = true;
    }

    fn end(&mut self, number: i64, status: Status) {
        self.beat.ended = Some(Ended { utc_ms: self.start_ms(number.saturating_add(1)), status });
        self.triggers = true;
    }

    /// The running interval goes on after whatever lies between its last second and this one.
    fn go_on(interval: &mut Interval, step: &Step) {
        if step.missing {
            interval.status = interval.status.with(Status::OUTAGE).with(Status::SHORT);
        }
        if step.clock_set {
            interval.status = interval.status.with(Status::CLOCK_SET);
        }
        if step.skipped {
            interval.status = interval.status.with(Status::SHORT);
        }
    }

    /// The running interval was left; `number` is where time goes on.
    fn leave(&mut self, left: &Interval, number: i64, step: &Step, tick: &Tick<'_>) {
        // With its last second it would have ended: it is never whole.
        let mut status = left.status;
        if step.missing || step.clock_set {
            status = status.with(Status::SHORT);
        }
        if step.missing {
            status = status.with(Status::OUTAGE);
        }
        let set = if step.clock_set { Status::CLOCK_SET } else { Status::COMPLETE };
        if left.begun {
            self.end(left.number, status.with(set));
        }
        // After a start this moment is the first; otherwise the second before it counts.
        let since = tick.utc_ms.saturating_sub(if step.started { 0 } else { SECOND_MS });
        let whole = since < self.start_ms(number).saturating_add(HALF_SECOND_MS);
        let mut status = set;
        if !whole {
            status = status.with(Status::SHORT);
        }
        if step.started || (step.missing && !whole) {
            status = status.with(Status::OUTAGE);
        }
        self.begin(number, status, tick);
    }
}

impl Module for Running {
    fn catch_up(&mut self, tick: &Tick<'_>) -> Beat {
        self.beat = Beat::default();
        self.triggers = false;
        let [this, next] = self.around(tick.utc_ms);
        match self.interval.take() {
            // The first interval of all has whatever is left of it.
            None => {
                let whole = tick.utc_ms < self.start_ms(next).saturating_add(HALF_SECOND_MS);
                self.begin(next, if whole { Status::COMPLETE } else { Status::SHORT }, tick);
            }
            Some(mut interval) => {
                let step = interval.step(tick);
                if [this, next].contains(&interval.number) {
                    Self::go_on(&mut interval, &step);
                    self.interval = Some(interval);
                } else {
                    self.leave(&interval, if step.started { next } else { this }, &step, tick);
                }
            }
        }
        self.beat
    }

    fn advance(&mut self, tick: &Tick<'_>, _: &[Option<f64>]) {
        self.beat = Beat::default();
        let [_, next] = self.around(tick.utc_ms);
        let Some(interval) = &mut self.interval else { return };
        interval.begun = true;
        interval.clock_set = false;
        interval.last_utc_ms = tick.utc_ms;
        interval.last_up_ms = Some(tick.up_ms);
        if tick.quantities.is_none() {
            interval.status = interval.status.with(Status::OUTAGE).with(Status::SHORT);
        }
        let (number, status) = (interval.number, interval.status);
        if number != next {
            self.end(number, status);
            self.begin(next, Status::COMPLETE, tick);
        }
    }

    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill(if self.triggers { 1.0 } else { 0.0 });
    }

    fn beat(&self) -> Beat {
        self.beat
    }

    fn clock_set(&mut self) {
        if let Some(interval) = &mut self.interval {
            interval.clock_set = true;
        }
    }

    fn keep(&self) -> Option<Kept> {
        self.interval.clone().map(Kept::Interval)
    }

    /// Intervals of another length are none of this module's.
    fn resume(&mut self, kept: Option<&Kept>) {
        self.beat = Beat::default();
        self.triggers = false;
        self.interval = match kept {
            Some(Kept::Interval(interval)) if interval.period_s == self.period_s => Some(interval.clone()),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use metrology::{EnergyRegisters, Quantities};

    use super::*;
    use crate::register::Value;

    /// What comes to a timer of ten-second intervals.
    #[derive(Clone, Copy)]
    enum Come {
        /// Seconds that end from here to there, in milliseconds of UTC; the other clock agrees.
        Seconds(i64, i64),
        /// The same, with the source lost.
        Lost(i64, i64),
        /// Somebody sets the clock. The seconds after it say to what.
        Set,
        /// The clock jumps by so much, and nobody says so.
        Jump(i64),
        /// The meter goes off and comes on.
        Restart,
    }
    use Come::{Jump, Lost, Restart, Seconds, Set};

    fn timer() -> Box<dyn Module> {
        let setup = [(PERIOD.to_owned(), Value::Number(10.0))].into();
        PeriodicTimer.start(&ModuleSetup { setup, ..ModuleSetup::default() })
    }

    /// The ends in milliseconds, each with its status, in the order in which they came.
    fn ended(comes: &[Come]) -> Vec<String> {
        let energy = EnergyRegisters::default();
        let quantities = Quantities::default();
        let mut module = timer();
        let (mut ends, mut off_ms, mut last_ms) = (Vec::new(), 0, None);
        for come in comes {
            let (from, to, measured) = match *come {
                Seconds(from, to) => (from, to, Some(&quantities)),
                Lost(from, to) => (from, to, None),
                Set => {
                    module.clock_set();
                    last_ms = None;
                    continue;
                }
                Jump(by_ms) => {
                    off_ms += by_ms;
                    continue;
                }
                Restart => {
                    let kept = serde_json::to_string(&module.keep()).unwrap();
                    module = timer();
                    module.resume(serde_json::from_str::<Option<Kept>>(&kept).unwrap().as_ref());
                    continue;
                }
            };
            // After the clock is set, one second passes by the other clock.
            if let Some(last_ms) = last_ms.replace(to) {
                assert!(from >= last_ms, "use Set or Jump");
            }
            for utc_ms in (from..=to).step_by(1000) {
                let up_ms = if matches!(come, Seconds(..) | Lost(..)) { utc_ms - off_ms } else { 0 };
                let tick = Tick { utc_ms, up_ms, quantities: measured, energy: &energy, energy_before: &energy };
                let before = module.catch_up(&tick).ended;
                module.advance(&tick, &[]);
                let with = module.beat().ended;
                let mut shown = [f64::NAN];
                module.evaluate(&tick, &[], &mut shown);
                assert_eq!(shown[0] == 1.0, before.or(with).is_some(), "the Trigger at {utc_ms}");
                ends.extend(before.iter().chain(&with).map(|end| format!("{}: {}", end.utc_ms, end.status)));
            }
        }
        ends
    }

    #[test]
    fn intervals_end_with_the_second_nearest_to_their_boundary() {
        for (comes, expected) in [
            // Begun at a boundary, and in the middle.
            (&[Seconds(0, 30_000)][..], &["10000: complete", "20000: complete", "30000: complete"][..]),
            (&[Seconds(4_000, 20_000)], &["10000: short", "20000: complete"]),
            // Up to half a second late or early, it is the same.
            (&[Seconds(499, 20_499)], &["10000: complete", "20000: complete"]),
            (&[Seconds(-500, 19_500)], &["10000: complete", "20000: complete"]),
            (&[Seconds(-500, 9_400)], &[]),
            (&[Seconds(500, 9_499)], &[]),
            (&[Seconds(500, 9_500)], &["10000: short"]),
            // A second too early for the boundary, and the next too late: the interval ended before it.
            (&[Seconds(499, 9_499), Seconds(10_501, 19_501)], &["10000: complete", "20000: complete"]),
            // Two seconds near the boundary end it once.
            (
                &[Seconds(500, 9_500), Seconds(10_499, 19_499), Seconds(19_501, 19_501)],
                &["10000: short", "20000: complete"],
            ),
        ] {
            assert_eq!(ended(comes), expected);
        }
    }

    #[test]
    fn gaps_are_flagged_and_never_filled() {
        for (comes, expected) in [
            // The source is lost for one second, the last one too.
            (
                &[Seconds(0, 3000), Lost(4000, 4000), Seconds(5000, 20_000)][..],
                &["10000: short, outage", "20000: complete"][..],
            ),
            (
                &[Seconds(0, 9000), Lost(10_000, 10_000), Seconds(11_000, 20_000)],
                &["10000: short, outage", "20000: complete"],
            ),
            // Late by less than a second, nothing is missing; two seconds are.
            (&[Seconds(0, 3000), Seconds(4899, 10_000)], &["10000: complete"]),
            (&[Seconds(0, 3000), Seconds(5000, 10_000)], &["10000: short, outage"]),
            // The machine sleeps from one interval into the next, and over whole ones.
            (&[Seconds(0, 7000), Seconds(13_000, 20_000)], &["10000: short, outage", "20000: short, outage"]),
            (&[Seconds(0, 7000), Seconds(63_000, 70_000)], &["10000: short, outage", "70000: short, outage"]),
            // Off and on in one interval, into another, from its end on, and at a boundary.
            (&[Seconds(0, 3000), Restart, Seconds(7000, 20_000)], &["10000: short, outage", "20000: complete"]),
            (
                &[Seconds(0, 3000), Restart, Seconds(67_000, 80_000)],
                &["10000: short, outage", "70000: short, outage", "80000: complete"],
            ),
            (&[Seconds(0, 10_000), Restart, Seconds(67_000, 70_000)], &["10000: complete", "70000: short, outage"]),
            (
                &[Seconds(0, 10_000), Restart, Seconds(60_000, 80_000)],
                &["10000: complete", "70000: outage", "80000: complete"],
            ),
            // Twice in one interval; nothing of the one that never ran.
            (
                &[Seconds(0, 3000), Restart, Seconds(33_000, 34_000), Restart, Seconds(55_000, 60_000)],
                &["10000: short, outage", "40000: short, outage", "60000: short, outage"],
            ),
        ] {
            assert_eq!(ended(comes), expected);
        }
    }

    #[test]
    fn a_clock_that_is_set_is_flagged_where_it_left_and_where_it_goes_on() {
        for (comes, expected) in [
            // Within the interval: by nothing to speak of, back, forward.
            (&[Seconds(0, 3000), Set, Seconds(4000, 20_000)][..], &["10000: clock set", "20000: complete"][..]),
            (&[Seconds(0, 7000), Set, Jump(-5000), Seconds(3000, 10_000)], &["10000: clock set"]),
            (
                &[Seconds(0, 3000), Set, Jump(3000), Seconds(7000, 20_000)],
                &["10000: short, clock set", "20000: complete"],
            ),
            // Out of it, forward and back.
            (
                &[Seconds(0, 3000), Set, Jump(60_000), Seconds(64_000, 80_000)],
                &["10000: short, clock set", "70000: short, clock set", "80000: complete"],
            ),
            (
                &[Seconds(0, 23_000), Set, Jump(-20_000), Seconds(4000, 20_000)],
                &[
                    "10000: complete",
                    "20000: complete",
                    "30000: short, clock set",
                    "10000: short, clock set",
                    "20000: complete",
                ],
            ),
            // Right after an interval has ended: it isn't ended again.
            (
                &[Seconds(0, 10_000), Set, Jump(-2000), Seconds(9000, 10_000)],
                &["10000: complete", "10000: short, clock set"],
            ),
            // A jump that nobody told of, and one too small to be one.
            (&[Seconds(0, 3000), Jump(500), Set, Seconds(4500, 10_500)], &["10000: short, clock set"]),
            (&[Seconds(0, 3000), Jump(400), Seconds(4400, 10_400)], &["10000: complete"]),
            (
                &[Seconds(0, 3000), Jump(60_000), Seconds(64_000, 70_000)],
                &["10000: short, clock set", "70000: short, clock set"],
            ),
            // Set while the meter is off: time has gone back.
            (
                &[Seconds(0, 23_000), Set, Restart, Seconds(4000, 10_000)],
                &[
                    "10000: complete",
                    "20000: complete",
                    "30000: short, outage, clock set",
                    "10000: short, outage, clock set",
                ],
            ),
        ] {
            assert_eq!(ended(comes), expected);
        }
    }

    #[test]
    fn another_period_begins_anew() {
        let energy = EnergyRegisters::default();
        let tick = Tick { utc_ms: 4000, up_ms: 0, quantities: None, energy: &energy, energy_before: &energy };
        let mut ten = timer();
        ten.catch_up(&tick);
        ten.advance(&tick, &[]);
        let kept = ten.keep();
        let setup = [(PERIOD.to_owned(), Value::Number(20.0))].into();
        let mut twenty = PeriodicTimer.start(&ModuleSetup { setup, ..ModuleSetup::default() });
        twenty.resume(kept.as_ref());
        assert_eq!(twenty.keep(), None);
        ten.resume(kept.as_ref());
        assert_eq!(ten.keep(), kept);
    }

    #[test]
    fn no_time_is_out_of_range() {
        let energy = EnergyRegisters::default();
        let mut module = timer();
        for utc_ms in [i64::MIN, -1, 0, i64::MAX, i64::MIN] {
            let tick = Tick { utc_ms, up_ms: utc_ms, quantities: None, energy: &energy, energy_before: &energy };
            module.catch_up(&tick);
            module.advance(&tick, &[]);
        }
    }
}
