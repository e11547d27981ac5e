//! A simulated three-phase, four-wire grid with a load that lives through the day: the source of a meter that has no
//! wires. The same seed gives the same samples on every run. It reads waveforms from one-cycle tables; a sine for each
//! sample would cost a hundred times as much.

use std::f64::consts::{SQRT_2, TAU};

use crate::random::SplitMix64;
use crate::{Channel, Nominal, SampleRate, Samples, Source};

/// The voltages a building is served with, line to neutral / line to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// 120/208 V.
    V120_208,
    /// 230/400 V.
    V230_400,
    /// 277/480 V.
    V277_480,
    /// 347/600 V.
    V347_600,
}

impl Service {
    /// Line to neutral, V.
    pub fn volts(self) -> f64 {
        match self {
            Self::V120_208 => 120.0,
            Self::V230_400 => 230.0,
            Self::V277_480 => 277.0,
            Self::V347_600 => 347.0,
        }
    }

    /// `277/480 V`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V120_208 => "120/208 V",
            Self::V230_400 => "230/400 V",
            Self::V277_480 => "277/480 V",
            Self::V347_600 => "347/600 V",
        }
    }
}

/// What the simulated grid is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GridSetup {
    /// 50 or 60 Hz.
    pub nominal: Nominal,
    /// Voltages.
    pub service: Service,
    /// Active power of all phases at the busiest hour, kW.
    pub peak_kw: u16,
}

impl Default for GridSetup {
    /// 60 Hz, 277/480 V, 100 kW.
    fn default() -> Self {
        Self { nominal: Nominal::Hz60, service: Service::V277_480, peak_kw: 100 }
    }
}

/// Samples in a nominal cycle.
const SAMPLES_PER_CYCLE: f64 = 128.0;

/// Load by the hour, as a share of the peak: an office building with a kitchen.
const DAY: [f64; 24] = [
    0.34, 0.32, 0.31, 0.31, 0.33, 0.38, 0.48, 0.62, 0.78, 0.88, 0.93, 0.97, 1.00, 0.98, 0.97, 0.95, 0.90, 0.82, 0.72,
    0.64, 0.56, 0.48, 0.41, 0.37,
];

/// Harmonic order, share of the fundamental, phase in radians.
type Harmonic = (f64, f64, f64);
const VOLTAGE_SHAPE: [Harmonic; 4] = [(1.0, 1.0, 0.0), (3.0, 0.005, 0.3), (5.0, 0.015, 2.8), (7.0, 0.010, 0.9)];
const CURRENT_SHAPE: [Harmonic; 4] = [(1.0, 1.0, 0.0), (3.0, 0.080, 3.0), (5.0, 0.050, 2.9), (7.0, 0.030, 0.2)];

/// Noise, as a share of the channel's amplitude.
const NOISE: f64 = 2e-4;
/// The grid's frequency stays within this of nominal, Hz.
const FREQUENCY_BAND: f64 = 0.04;

/// One cycle of a waveform whose fundamental has an RMS of 1.
struct Cycle {
    /// One more than a power of two: the last is the first again, so that reading between two needs no wrap.
    table: Vec<f64>,
}

impl Cycle {
    const BITS: u32 = 10;

    fn new(shape: &[Harmonic]) -> Self {
        let len = 1_u32 << Self::BITS;
        let at = |i: u32| {
            let angle = TAU * f64::from(i) / f64::from(len);
            SQRT_2 * shape.iter().map(|(order, share, phase)| share * (order * angle + phase).cos()).sum::<f64>()
        };
        Self { table: (0..=len).map(at).collect() }
    }

    /// The value at a phase, 2³² being a whole cycle; linear between two entries (off by 2·10⁻⁵ at most).
    fn at(&self, phase: u32) -> f64 {
        let index = (phase >> (32 - Self::BITS)) as usize;
        let between = f64::from(phase << Self::BITS) / 4_294_967_296.0;
        let pair = &self.table[index..index + 2];
        pair[0] + (pair[1] - pair[0]) * between
    }
}

/// What sets one phase apart from the others, drawn from the seed.
#[derive(Clone, Copy)]
struct Phase {
    /// Share of the nominal voltage.
    volts: f64,
    /// Share of a third of the load.
    load: f64,
    /// How much more the current lags than the average, radians.
    lag: f64,
}

/// The simulated grid.
pub struct Grid {
    seed: u64,
    setup: GridSetup,
    random: SplitMix64,
    voltage: Cycle,
    current: Cycle,
    phases: [Phase; 3],
    /// Where in its cycle phase a is; 2⁶⁴ is a whole cycle.
    angle: u64,
    /// Deviation from the nominal frequency, Hz.
    wander: f64,
    /// Deviation of the load from the day's curve, a share.
    drift: f64,
}

impl Grid {
    /// A grid; the same seed and setup give the same samples.
    pub fn new(seed: u64, setup: GridSetup) -> Self {
        let mut random = SplitMix64::new(seed);
        let phases = std::array::from_fn(|_| Phase {
            volts: 1.0 + 0.004 * random.symmetric(),
            load: 1.0 + 0.06 * random.symmetric(),
            lag: 0.04 * random.symmetric(),
        });
        Self {
            seed,
            setup,
            voltage: Cycle::new(&VOLTAGE_SHAPE),
            current: Cycle::new(&CURRENT_SHAPE),
            phases,
            angle: random.next(),
            random,
            wander: 0.0,
            drift: 0.0,
        }
    }

    /// The share of the peak load that the day's curve has at a second of the day.
    fn day_load(second: u32) -> f64 {
        let second = second % 86_400;
        let hour = (second / 3600) as usize;
        let (from, to) = (DAY[hour], DAY[(hour + 1) % 24]);
        from + (to - from) * f64::from(second % 3600) / 3600.0
    }
}

/// An angle as a share of 2³², wrapping.
fn turns(radians: f64) -> u32 {
    // Through i64, so that a negative angle wraps instead of stopping at 0.
    (radians / TAU * 4_294_967_296.0).round() as i64 as u32
}

impl Source for Grid {
    fn sample_rate(&self) -> SampleRate {
        SampleRate::new(self.setup.nominal.hertz() * SAMPLES_PER_CYCLE).expect("6400 and 7680 Hz are within the limits")
    }

    fn nominal(&self) -> Nominal {
        self.setup.nominal
    }

    fn describe(&self) -> String {
        let GridSetup { nominal, service, peak_kw } = self.setup;
        format!("simulated grid, {}, {} Hz, {peak_kw} kW peak, seed {}", service.name(), nominal.hertz(), self.seed)
    }

    fn fill(&mut self, block: &mut Samples, count: usize, local_second_of_day: u32) {
        // Both wander like a slow random walk that is drawn back to 0.
        self.wander = (0.98 * self.wander + 0.004 * self.random.symmetric()).clamp(-FREQUENCY_BAND, FREQUENCY_BAND);
        self.drift = (0.95 * self.drift + 0.006 * self.random.symmetric()).clamp(-0.03, 0.03);
        let load = Self::day_load(local_second_of_day) * (1.0 + self.drift);
        let hertz = self.setup.nominal.hertz() + self.wander;
        let step = (hertz / self.sample_rate().hertz() * 18_446_744_073_709_551_616.0) as u64; // a share of 2⁶⁴
        // A building lags more when its motors run light.
        let lag = 0.32 + 0.18 * (1.0 - load);
        let waves: [(f64, u32, f64, u32); 3] = std::array::from_fn(|p| {
            let phase = self.phases[p];
            let order = -TAU * p as f64 / 3.0;
            // Cables drop a little more than 1 % at full load.
            let volts = self.setup.service.volts() * phase.volts * (1.0 - 0.012 * load);
            let watts = f64::from(self.setup.peak_kw) * 1e3 / 3.0 * load * phase.load;
            let lag = lag + phase.lag;
            (volts, turns(order), watts / (self.setup.service.volts() * lag.cos()), turns(order - lag))
        });
        block.clear();
        for _ in 0..count {
            let phase = (self.angle >> 32) as u32;
            self.angle = self.angle.wrapping_add(step);
            let mut bits = self.random.next();
            // Ten fresh bits for each of six channels.
            let mut noise = || {
                let value = (bits & 0x3FF) as f64 / 511.5 - 1.0;
                bits >>= 10;
                NOISE * value
            };
            let mut values = [0.0; Channel::COUNT];
            for (p, (volts, voltage_turn, amperes, current_turn)) in waves.iter().enumerate() {
                values[p] = volts * (self.voltage.at(phase.wrapping_add(*voltage_turn)) + noise());
                values[p + 3] = amperes * (self.current.at(phase.wrapping_add(*current_turn)) + noise());
            }
            // What the phases don't return among themselves comes back through the neutral.
            values[Channel::I4 as usize] = -(values[3] + values[4] + values[5]);
            block.push(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Analyzer, Quantities};

    fn second(grid: &mut Grid, second_of_day: u32) -> Samples {
        let mut block = Samples::new();
        let count = grid.sample_rate().due_in(0);
        grid.fill(&mut block, count, second_of_day);
        assert_eq!(block.len(), count);
        block
    }

    fn measured(seed: u64, setup: GridSetup, second_of_day: u32) -> Quantities {
        let mut grid = Grid::new(seed, setup);
        let mut analyzer = Analyzer::new(grid.sample_rate(), grid.nominal());
        for _ in 0..2 {
            analyzer.feed(&second(&mut grid, second_of_day));
        }
        analyzer.take_reading().quantities.expect("two seconds hold a window")
    }

    #[test]
    fn the_same_seed_gives_the_same_samples() {
        let [mut one, mut same, mut other] = [1, 1, 2].map(|seed| Grid::new(seed, GridSetup::default()));
        for of_day in [0, 1, 40_000, 86_399, u32::MAX] {
            let block = second(&mut one, of_day);
            assert_eq!(block, second(&mut same, of_day));
            assert_ne!(block, second(&mut other, of_day));
        }
    }

    #[test]
    fn how_the_samples_are_asked_for_only_moves_the_wander() {
        // The waveform itself goes on where it stopped: no jump at a block's edge.
        let mut grid = Grid::new(5, GridSetup { peak_kw: 0, ..GridSetup::default() });
        let mut all = Samples::new();
        for of_day in 0..3 {
            let block = second(&mut grid, of_day);
            all.extend_from(&block, 0..block.len());
        }
        let volts = all.column(Channel::Va);
        let largest = volts.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        // The steepest step of 277 V at 128 samples a cycle, with room for harmonics and noise.
        assert!(largest < 277.0 * SQRT_2 * TAU / 128.0 * 1.3, "{largest} V");
    }

    #[test]
    fn it_measures_as_it_was_set_up() {
        for seed in 0..8 {
            let noon = measured(seed, GridSetup::default(), 12 * 3600);
            let night = measured(seed, GridSetup::default(), 3 * 3600);
            assert!(noon.vln.iter().all(|v| (v / 277.0 - 1.0).abs() < 0.02), "{noon:?}");
            assert!(noon.vll.iter().all(|v| (v / 480.0 - 1.0).abs() < 0.02), "{noon:?}");
            assert!((noon.power_total.active / 1e5 - 1.0).abs() < 0.1, "{noon:?}");
            assert!(night.power_total.active < 0.45 * noon.power_total.active, "{night:?}");
            assert!((noon.frequency - 60.0).abs() < 0.05 && !noon.phase_reversed, "{noon:?}");
            assert!(noon.power_total.lags() && (85.0..99.0).contains(&noon.power_total.factor()), "{noon:?}");
            assert!((noon.voltage_distortion[0].total - 1.87).abs() < 0.05, "{noon:?}");
            assert!((noon.current_distortion[0].total - 9.9).abs() < 0.1, "{noon:?}");
            assert!(noon.current_4 > 1.0, "{noon:?}");
        }
        let fifty = GridSetup { nominal: Nominal::Hz50, service: Service::V230_400, peak_kw: 40 };
        let noon = measured(1, fifty, 12 * 3600);
        assert!((noon.frequency - 50.0).abs() < 0.05 && (noon.vll[0] / 400.0 - 1.0).abs() < 0.02, "{noon:?}");
        assert_eq!(Grid::new(1, fifty).describe(), "simulated grid, 230/400 V, 50 Hz, 40 kW peak, seed 1");
    }

    #[test]
    fn the_day_has_no_steps() {
        let jumps = (0..86_400).map(|s| (Grid::day_load(s + 1) - Grid::day_load(s)).abs());
        assert!(jumps.fold(0.0, f64::max) < 1e-4);
    }
}
