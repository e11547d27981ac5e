//! The measuring chain: samples in, a reading a second out. It owns the samples of the window that is being filled,
//! the frequency it follows, and the energy not yet handed on. Every sample belongs to exactly one window, however the
//! stream was cut into blocks; a gap is flagged, never filled.

use crate::energy::EnergyIntegrator;
use crate::frequency::{self, Reference};
use crate::spectrum::SpectrumAnalyzer;
use crate::window::WindowSums;
use crate::{Channel, Distortion, EnergyIncrement, Nominal, Quantities, SampleRate, Samples};

/// How far the followed frequency moves in a window, Hz: a grid's own inertia is slower, a disturbed window is not
/// followed far.
const MAX_SLEW: f64 = 0.5;

/// What one second came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// `None` if no window was completed since the last reading.
    pub quantities: Option<Quantities>,
    /// Energy of the windows completed since the last reading. It belongs to the counters even if `gap` is set.
    pub energy: EnergyIncrement,
    /// Windows this reading is made of: five as a rule.
    pub windows: u32,
    /// Samples were missing or not numbers, and were left out.
    pub gap: bool,
}

/// Measures one meter's samples.
pub struct Analyzer {
    rate: SampleRate,
    nominal: Nominal,
    /// Samples not yet measured, fewer than a window (while the frequency isn't known: than the longest window).
    pending: Samples,
    /// The frequency followed, Hz; `None` until it is found and after it was lost.
    hertz: Option<f64>,
    reference: Reference,
    spectrum: SpectrumAnalyzer,
    integrator: EnergyIntegrator,
    sums: WindowSums,
    windows: u32,
    distortion: [Distortion; 6],
    gap: bool,
}

impl Analyzer {
    /// An analyzer for samples at `rate` from a grid of `nominal` frequency.
    pub fn new(rate: SampleRate, nominal: Nominal) -> Self {
        Self {
            rate,
            nominal,
            pending: Samples::new(),
            hertz: None,
            reference: Reference::default(),
            spectrum: SpectrumAnalyzer::default(),
            integrator: EnergyIntegrator::default(),
            sums: WindowSums::default(),
            windows: 0,
            distortion: [Distortion::default(); 6],
            gap: false,
        }
    }

    /// Takes the next samples of the stream. Blocks may be of any length, 0 included.
    pub fn feed(&mut self, block: &Samples) {
        let mut from = 0;
        loop {
            let wanted = self.samples_wanted();
            let take = wanted.saturating_sub(self.pending.len()).min(block.len() - from);
            self.pending.extend_from(block, from..from + take);
            from += take;
            if self.pending.len() < wanted {
                return;
            }
            self.measure_window();
        }
    }

    /// Says that samples are missing between the last block and the next. The window begun is dropped, the frequency
    /// is looked for again, and the next reading is flagged.
    pub fn gap(&mut self) {
        self.pending.clear();
        self.hertz = None;
        self.gap = true;
    }

    /// What the windows completed since the last call come to. Call it once a second, after [`Self::feed`].
    pub fn take_reading(&mut self) -> Reading {
        let [va, vb, vc, ia, ib, ic] = self.distortion;
        let reading = Reading {
            quantities: (self.windows > 0).then(|| Quantities::new(&self.sums, [va, vb, vc], [ia, ib, ic])),
            energy: self.integrator.take(),
            windows: self.windows,
            gap: self.gap,
        };
        self.sums = WindowSums::default();
        self.windows = 0;
        self.gap = false;
        reading
    }

    fn window_len(&self, hertz: f64) -> usize {
        frequency::cycles_len(self.rate, self.nominal.cycles(), hertz)
    }

    /// How many samples the next step needs: the window's, or the longest window's while the frequency is unknown.
    fn samples_wanted(&self) -> usize {
        self.window_len(self.hertz.unwrap_or(self.nominal.range().0))
    }

    /// Measures the window at the front of the pending samples and removes it.
    fn measure_window(&mut self) {
        let cycles = self.nominal.cycles();
        let followed =
            self.hertz.or_else(|| frequency::acquire(&self.pending.front(usize::MAX), self.rate, self.nominal, cycles));
        // Without a frequency (dead voltages) there still are currents to measure: in nominal windows.
        let len = self.window_len(followed.unwrap_or(self.nominal.hertz()));
        self.reference.set(len, cycles);
        let columns = self.pending.front(len);
        let voltages = Channel::VOLTAGES.map(|channel| columns[channel as usize]);
        let (lowest, highest) = self.nominal.range();
        let measured = self
            .reference
            .turn(voltages)
            .map(|turn| turn * cycles as f64 * self.rate.hertz() / len as f64)
            .filter(|hertz| (lowest..=highest).contains(hertz));
        let Some(window) = WindowSums::measure(&columns, &self.reference, measured) else {
            self.gap = true;
            self.hertz = None;
            self.pending.drop_front(len);
            return;
        };
        if self.windows == 0 {
            // Once a reading is enough for distortion, and a fifth of the work.
            self.distortion = std::array::from_fn(|i| self.spectrum.measure(columns[i], cycles));
        }
        self.integrator.add_window(window.total(), window.samples, self.rate);
        self.sums.add(&window);
        self.windows = self.windows.saturating_add(1);
        self.hertz = measured.map(|measured| {
            let followed = followed.unwrap_or(measured);
            followed + (measured - followed).clamp(-MAX_SLEW, MAX_SLEW)
        });
        self.pending.drop_front(len);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{SQRT_2, TAU};

    use proptest::prelude::*;

    use super::*;
    use crate::random::SplitMix64;
    use crate::{EnergyRegister, EnergyRegisters, Quantity};

    /// A grid whose figures can be worked out on paper: in each phase 230 V with 5 % third and 3 % DC, 10 A lagging by
    /// `lag` degrees with 20 % third in phase with that of the voltage and 10 % fifth that no voltage answers.
    struct Paper {
        hertz: f64,
        lag: f64,
    }

    const VOLTS: f64 = 230.0;
    const AMPERES: f64 = 10.0;

    impl Paper {
        fn samples(&self, rate: SampleRate, range: std::ops::Range<usize>) -> Samples {
            let mut block = Samples::new();
            for i in range {
                let turn = self.hertz * i as f64 / rate.hertz();
                let mut values = [0.0; Channel::COUNT];
                for p in 0..3 {
                    let angle = TAU * (turn - p as f64 / 3.0).fract();
                    values[p] = VOLTS * (SQRT_2 * (angle.cos() + 0.05 * (3.0 * angle).cos()) + 0.03);
                    values[p + 3] = AMPERES
                        * SQRT_2
                        * ((angle - self.lag.to_radians()).cos()
                            + 0.2 * (3.0 * angle).cos()
                            + 0.1 * (5.0 * angle + 1.0).sin());
                }
                values[6] = 2.0;
                block.push(values);
            }
            block
        }

        /// Active, reactive and apparent power of one phase.
        fn phase(&self) -> [f64; 3] {
            let s1 = VOLTS * AMPERES;
            let (sin, cos) = self.lag.to_radians().sin_cos();
            let volts = VOLTS * (1.0_f64 + 0.0025 + 0.0009).sqrt();
            let amperes = AMPERES * (1.0_f64 + 0.04 + 0.01).sqrt();
            [s1 * cos + s1 * 0.05 * 0.2, s1 * sin, volts * amperes]
        }
    }

    fn rate(hertz: f64) -> SampleRate {
        SampleRate::new(hertz).unwrap()
    }

    #[track_caller]
    fn close(found: f64, want: f64, relative: f64) {
        assert!((found - want).abs() <= relative * want.abs().max(1e-3), "{found} instead of {want}");
    }

    #[test]
    fn a_waveform_on_paper_measures_as_on_paper_in_all_quadrants() {
        for (lag, sign, register) in [
            (30.0, -1.0, EnergyRegister::VarhQ1),
            (150.0, 1.0, EnergyRegister::VarhQ2),
            (-150.0, -1.0, EnergyRegister::VarhQ3),
            (-30.0, 1.0, EnergyRegister::VarhQ4),
        ] {
            let paper = Paper { hertz: 50.0, lag };
            let mut analyzer = Analyzer::new(rate(6400.0), Nominal::Hz50);
            analyzer.feed(&paper.samples(rate(6400.0), 0..6400));
            let reading = analyzer.take_reading();
            let quantities = reading.quantities.unwrap();
            assert_eq!((reading.windows, reading.gap), (5, false));
            let [p, q, s] = paper.phase();
            for power in quantities.power {
                close(power.active, p, 1e-9);
                close(power.reactive, q, 1e-9);
                close(power.apparent, s, 1e-9);
                close(power.factor_signed(), sign * 100.0 * p.abs() / s, 1e-9);
            }
            // Equal phases: the total is three times one of them, distortion included.
            for (name, want) in [
                ("kW tot", 3e-3 * p),
                ("kVAR tot", 3e-3 * q),
                ("kVA tot", 3e-3 * s),
                ("PF sign tot", sign * 100.0 * p.abs() / s),
                ("Freq", 50.0),
                ("Phase Rev", 0.0),
                ("Vln avg", VOLTS * 1.0034_f64.sqrt()),
                // DC and third harmonics are the same in all phases, and vanish between them.
                ("Vll ca", VOLTS * 3_f64.sqrt()),
                ("I b", AMPERES * 1.05_f64.sqrt()),
                ("I 4", 2.0),
                ("V unbal", 0.0),
                ("V2 THD", 5.0),
                ("V2 even THD", 0.0),
                ("I3 odd THD", 100.0 * 0.05_f64.sqrt()),
                ("I1 K", (1.0 + 0.04 * 9.0 + 0.01 * 25.0) / 1.05),
            ] {
                close((Quantity::named(name).unwrap().get)(&quantities), want, 1e-7);
            }
            // Five windows are the whole second.
            let moved: Vec<_> = EnergyRegister::ALL.into_iter().filter(|r| reading.energy.micro(*r) > 0).collect();
            assert!(moved.len() == 3 && moved[1] == register, "{moved:?}");
            for (register, power) in moved.into_iter().zip([p, q, s]) {
                close(reading.energy.micro(register) as f64, 3.0 * power.abs() / 3600.0 * 1e6, 1e-6);
            }
        }
    }

    #[test]
    fn a_thousand_seconds_are_billed_to_the_last_microwatthour() {
        let paper = Paper { hertz: 60.0, lag: 30.0 };
        let rate = rate(1920.0);
        let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
        let mut registers = EnergyRegisters::default();
        // Whole cycles a second: each second is the same block.
        let block = paper.samples(rate, 0..1920);
        for _ in 0..1000 {
            analyzer.feed(&block);
            registers.add(&analyzer.take_reading().energy);
        }
        let [p, q, s] = paper.phase();
        for (register, power) in [(EnergyRegister::WhDel, p), (EnergyRegister::VarhQ1, q), (EnergyRegister::VahDel, s)]
        {
            let exact = 3.0 * power * 1000.0 / 3600.0 * 1e6;
            let found = registers.micro(register) as f64;
            assert!((found - exact).abs() <= 1.0, "{register:?}: {found} instead of {exact}");
        }
    }

    #[test]
    fn windows_follow_the_frequency() {
        let rate = rate(7680.0);
        for hertz in [52.0, 59.9, 60.0, 61.3, 68.0] {
            let paper = Paper { hertz, lag: 30.0 };
            let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
            for second in 0..2 {
                analyzer.feed(&paper.samples(rate, second * 7680..(second + 1) * 7680));
                let quantities = analyzer.take_reading().quantities.unwrap();
                close(quantities.frequency, hertz, 1e-5);
                close(quantities.power_total.active, 3.0 * paper.phase()[0], 1e-3);
                close(quantities.vln[1], VOLTS * 1.0034_f64.sqrt(), 1e-3);
            }
        }
        // A change of 1.3 Hz is caught up with within the second it comes in.
        let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
        analyzer.feed(&Paper { hertz: 60.0, lag: 0.0 }.samples(rate, 0..7680));
        let faster = Paper { hertz: 61.3, lag: 0.0 };
        analyzer.feed(&faster.samples(rate, 0..7680));
        analyzer.take_reading();
        analyzer.feed(&faster.samples(rate, 7680..15_360));
        let quantities = analyzer.take_reading().quantities.unwrap();
        close(quantities.frequency, 61.3, 1e-4);
        // In one phase: what a wrong window adds to one it takes from the others. Windows are whole samples, so 12 cycles
        // are short by up to half of 1503, which is 0.03 %; windows that stayed at 60 Hz would be wrong by 0.22 %.
        close(quantities.power[0].active, Paper { hertz: 61.3, lag: 0.0 }.phase()[0], 1e-3);
    }

    #[test]
    fn without_voltage_the_currents_are_still_measured() {
        let rate = rate(7680.0);
        let mut block = Samples::new();
        for i in 0..7680 {
            let ampere = 10.0 * (TAU * 60.0 * f64::from(i) / 7680.0).cos();
            block.push([0.0, 0.0, 0.0, ampere, 0.0, 0.0, 0.0]);
        }
        let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
        analyzer.feed(&block);
        let reading = analyzer.take_reading();
        let quantities = reading.quantities.unwrap();
        close(quantities.current[0], 10.0 / SQRT_2, 1e-9);
        assert_eq!((quantities.frequency, quantities.power_total.factor_signed()), (0.0, 100.0));
        assert!(reading.energy.is_zero() && !reading.gap);
        let unreadable: Vec<_> = crate::QUANTITIES.iter().filter(|q| !(q.get)(&quantities).is_finite()).collect();
        assert!(unreadable.is_empty(), "{unreadable:?}");
        // And the voltage is found again when it comes back.
        analyzer.feed(&Paper { hertz: 57.0, lag: 0.0 }.samples(rate, 0..7680));
        analyzer.take_reading();
        analyzer.feed(&Paper { hertz: 57.0, lag: 0.0 }.samples(rate, 7680..15_360));
        close(analyzer.take_reading().quantities.unwrap().frequency, 57.0, 1e-5);
    }

    #[test]
    fn a_gap_is_flagged_and_never_filled() {
        let paper = Paper { hertz: 60.0, lag: 0.0 };
        let rate = rate(7680.0);
        let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
        let energy_of = |windows: f64| 3.0 * paper.phase()[0] * windows * 0.2 / 3600.0 * 1e6;
        // Two windows and three quarters of one.
        analyzer.feed(&paper.samples(rate, 0..2 * 1536 + 1152));
        analyzer.gap();
        analyzer.feed(&paper.samples(rate, 0..1000));
        let reading = analyzer.take_reading();
        assert_eq!((reading.windows, reading.gap), (2, true));
        close(reading.energy.micro(EnergyRegister::WhDel) as f64, energy_of(2.0), 1e-6);
        // What comes after a gap may have another frequency: it is looked for again, not crept up to.
        let mut moved = Analyzer::new(rate, Nominal::Hz60);
        moved.feed(&paper.samples(rate, 0..7680));
        moved.gap();
        moved.take_reading();
        moved.feed(&Paper { hertz: 66.0, lag: 0.0 }.samples(rate, 0..1900));
        close(moved.take_reading().quantities.unwrap().frequency, 66.0, 1e-5);
        // The flag belongs to one reading.
        analyzer.feed(&paper.samples(rate, 1000..7680));
        let reading = analyzer.take_reading();
        assert_eq!((reading.windows, reading.gap), (5, false));
        close(reading.energy.micro(EnergyRegister::WhDel) as f64, energy_of(5.0), 1e-6);
        let nothing = analyzer.take_reading();
        assert!(nothing.quantities.is_none() && nothing.energy.is_zero() && !nothing.gap);
    }

    #[test]
    fn what_is_not_a_number_is_left_out_and_flagged() {
        let paper = Paper { hertz: 60.0, lag: 0.0 };
        let rate = rate(7680.0);
        let good = paper.samples(rate, 0..7680);
        let mut broken = Samples::new();
        broken.extend_from(&good, 0..2000);
        broken.push([f64::NAN; Channel::COUNT]);
        broken.extend_from(&good, 2001..7680);
        let mut analyzer = Analyzer::new(rate, Nominal::Hz60);
        analyzer.feed(&broken);
        let reading = analyzer.take_reading();
        assert_eq!((reading.windows, reading.gap), (4, true));
        let quantities = reading.quantities.unwrap();
        close(quantities.power_total.active, 3.0 * paper.phase()[0], 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However the stream is cut into blocks, the same windows come out.
        #[test]
        fn chopping_changes_nothing(
            seed in any::<u64>(),
            hertz in 51.5_f64..68.5,
            cuts in proptest::collection::vec(0_usize..4000, 0..12),
        ) {
            let rate = rate(2000.5);
            let mut stream = Paper { hertz, lag: 40.0 }.samples(rate, 0..6000);
            let mut random = SplitMix64::new(seed);
            let mut noise = Samples::new();
            (0..3000).for_each(|_| noise.push(std::array::from_fn(|_| 300.0 * random.symmetric())));
            stream.extend_from(&noise, 0..3000);
            let mut whole = Analyzer::new(rate, Nominal::Hz60);
            whole.feed(&stream);
            let mut chopped = Analyzer::new(rate, Nominal::Hz60);
            let mut from = 0;
            for cut in cuts.into_iter().chain([usize::MAX / 2]) {
                let mut block = Samples::new();
                block.extend_from(&stream, from..from + cut);
                from += cut;
                chopped.feed(&block);
            }
            prop_assert_eq!(whole.take_reading(), chopped.take_reading());
        }

        /// Reading more or less often neither makes nor loses energy.
        #[test]
        fn readings_add_up(every in proptest::collection::vec(1_usize..3000, 1..20)) {
            let rate = rate(2000.5);
            let stream = Paper { hertz: 60.2, lag: -70.0 }.samples(rate, 0..10_000);
            let mut once = Analyzer::new(rate, Nominal::Hz60);
            let mut often = Analyzer::new(rate, Nominal::Hz60);
            let [mut want, mut found] = [EnergyRegisters::default(); 2];
            let mut windows = 0;
            let mut from = 0;
            for count in every {
                let mut block = Samples::new();
                block.extend_from(&stream, from..from + count);
                from += count;
                once.feed(&block);
                often.feed(&block);
                let reading = often.take_reading();
                found.add(&reading.energy);
                windows += reading.windows;
            }
            let reading = once.take_reading();
            want.add(&reading.energy);
            prop_assert_eq!((want, reading.windows), (found, windows));
        }
    }
}
