//! The fundamental: its phasors in a window, and its frequency from how they turn within the window.
//!
//! Each channel is correlated with a cosine and a sine of the expected frequency, cycle by cycle. If the guess was
//! right the phasors stand still; if not, they turn, and the speed is the error of the guess. Whole cycles cancel DC
//! and harmonics, so nothing has to be filtered and no zero crossing has to be found.

use std::f64::consts::TAU;
use std::ops::Range;

use realfft::num_complex::Complex;

use crate::{Channel, Nominal, SampleRate};

/// Below this share of the fundamental in the voltages' AC power, there is no frequency to speak of: noise over a
/// window has a share of some 0.1 %, the worst grid one of over 90 %.
const MIN_FUNDAMENTAL_SHARE: f64 = 0.25;

/// Rounds of guess and correction until a strange frequency is found; each leaves less than a tenth of the error.
const ACQUIRE_ROUNDS: usize = 5;

/// Σ a·b. Eight partial sums, in an order that depends on the length alone: fast, and the same on every machine.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0; 8];
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// A cosine and a sine with a whole number of cycles in a window.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    cos: Vec<f64>,
    sin: Vec<f64>,
    cycles: usize,
}

impl Reference {
    /// Makes this the reference of `cycles` cycles in `len` samples; nothing is done if it is already.
    pub(crate) fn set(&mut self, len: usize, cycles: usize) {
        if self.cos.len() == len && self.cycles == cycles {
            return;
        }
        self.cycles = cycles;
        self.cos.clear();
        self.sin.clear();
        // Turning a unit vector step by step is ten times as fast as sin() and off by 1e-13 after 10⁵ steps.
        let (step_sin, step_cos) = (TAU * cycles as f64 / len as f64).sin_cos();
        let step = Complex::new(step_cos, step_sin);
        let mut turned = Complex::new(1.0, 0.0);
        for _ in 0..len {
            self.cos.push(turned.re);
            self.sin.push(turned.im);
            turned *= step;
        }
    }

    /// The samples of cycle `cycle`.
    fn span(&self, cycle: usize) -> Range<usize> {
        let at = |cycle: usize| cycle * self.cos.len() / self.cycles;
        at(cycle)..at(cycle + 1)
    }

    /// Σ x·e^(-jωt) over one cycle. `column` is as long as the reference.
    fn correlate(&self, column: &[f64], cycle: usize) -> Complex<f64> {
        let span = self.span(cycle);
        let x = &column[span.clone()];
        Complex::new(dot(x, &self.cos[span.clone()]), -dot(x, &self.sin[span]))
    }

    /// The RMS phasor of one column at the reference's frequency.
    pub(crate) fn phasor(&self, column: &[f64]) -> Complex<f64> {
        let sum: Complex<f64> = (0..self.cycles).map(|cycle| self.correlate(column, cycle)).sum();
        sum * (std::f64::consts::SQRT_2 / self.cos.len() as f64)
    }

    /// The true frequency, in turns of the reference (1.0: exactly that of the reference), from the voltages. `None`
    /// if they hold no fundamental to speak of, or fewer than two cycles.
    pub(crate) fn turn(&self, voltages: [&[f64]; 3]) -> Option<f64> {
        if self.cycles < 2 || self.cos.len() < 8 * self.cycles {
            return None;
        }
        let cycle_phasors =
            voltages.map(|column| (0..self.cycles).map(|cycle| self.correlate(column, cycle)).collect::<Vec<_>>());
        // Turning per cycle, first from each cycle to the next, which is unambiguous up to half a turn (far beyond the
        // range believed), then over twice the distance with twice the accuracy, and so on.
        let mut a_cycle = 0.0;
        let distances = std::iter::successors(Some(1), |distance| Some(distance * 2));
        for distance in distances.take_while(|distance| *distance <= self.cycles / 2) {
            let pairs = cycle_phasors.iter().flat_map(|phasors| phasors.iter().zip(&phasors[distance..]));
            let turned: Complex<f64> = pairs.map(|(from, to)| from.conj() * to).sum();
            a_cycle += (turned * Complex::from_polar(1.0, -a_cycle * distance as f64)).arg() / distance as f64;
        }
        // With the turning taken out all cycles point one way: what they add up to is the fundamental.
        let still = |phasors: &Vec<Complex<f64>>| -> f64 {
            let turned_back = |(cycle, phasor)| phasor * Complex::from_polar(1.0, -a_cycle * cycle as f64);
            phasors.iter().enumerate().map(turned_back).sum::<Complex<f64>>().norm_sqr()
        };
        let fundamental: f64 = cycle_phasors.iter().map(still).sum();
        let len = self.cos.len() as f64;
        let ac: f64 =
            voltages.iter().map(|column| dot(column, column) - column.iter().sum::<f64>().powi(2) / len).sum();
        let share = 2.0 * fundamental / len / ac;
        // NaN (no signal: 0 ÷ 0) is no fundamental either.
        if share.is_nan() || share < MIN_FUNDAMENTAL_SHARE {
            return None;
        }
        Some(1.0 + a_cycle / TAU)
    }
}

/// How many samples `cycles` cycles at `hertz` have, rounded.
pub(crate) fn cycles_len(rate: SampleRate, cycles: usize, hertz: f64) -> usize {
    (cycles as f64 * rate.hertz() / hertz).round() as usize
}

/// Finds the frequency, in Hz, of columns whose frequency isn't known, looking at `cycles` cycles at their front.
/// `None` if the voltages are dead, too short, or outside the grid's range.
pub(crate) fn acquire(
    columns: &[&[f64]; Channel::COUNT],
    rate: SampleRate,
    nominal: Nominal,
    cycles: usize,
) -> Option<f64> {
    let (lowest, highest) = nominal.range();
    let mut reference = Reference::default();
    let mut hertz = nominal.hertz();
    for _ in 0..ACQUIRE_ROUNDS {
        let len = cycles_len(rate, cycles, hertz).min(columns[0].len());
        reference.set(len, cycles);
        let voltages = Channel::VOLTAGES.map(|channel| &columns[channel as usize][..len]);
        let found = reference.turn(voltages)? * cycles as f64 * rate.hertz() / len as f64;
        if !(lowest..=highest).contains(&found) {
            return None;
        }
        hertz = found;
    }
    Some(hertz)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three phases with a 5th harmonic and DC, at `hertz`.
    fn columns(hertz: f64, rate: SampleRate, len: usize) -> [Vec<f64>; Channel::COUNT] {
        std::array::from_fn(|channel| {
            (0..len)
                .map(|i| {
                    let angle = TAU * (hertz * i as f64 / rate.hertz() - channel as f64 / 3.0) + 0.4;
                    3.0 + 325.0 * angle.cos() + 25.0 * (5.0 * angle).sin()
                })
                .collect()
        })
    }

    #[test]
    fn finds_any_frequency_of_the_range() {
        for (nominal, hertz) in [
            (Nominal::Hz60, 51.1),
            (Nominal::Hz60, 57.3),
            (Nominal::Hz60, 59.97),
            (Nominal::Hz60, 60.0),
            (Nominal::Hz60, 68.8),
            (Nominal::Hz50, 42.6),
            (Nominal::Hz50, 50.03),
            (Nominal::Hz50, 57.4),
        ] {
            for rate in [1600.0, 7680.0, 30_707.244_140_625] {
                let rate = SampleRate::new(rate).unwrap();
                let columns = columns(hertz, rate, cycles_len(rate, nominal.cycles(), nominal.range().0));
                let slices = std::array::from_fn(|i| columns[i].as_slice());
                let found = acquire(&slices, rate, nominal, nominal.cycles()).expect("a frequency");
                // Class A asks for 10 mHz (IEC 61000-4-30, 5.1).
                assert!((found - hertz).abs() < 0.01, "{hertz} Hz at {rate:?} was found as {found}");
            }
        }
    }

    #[test]
    fn noise_averages_out_over_the_window() {
        let rate = SampleRate::new(1600.0).unwrap();
        let mut random = crate::random::SplitMix64::new(11);
        let mut squares = 0.0;
        for _ in 0..50 {
            let mut columns = columns(60.0, rate, 320);
            columns.iter_mut().flatten().for_each(|v| *v += 32.5 * random.symmetric());
            let mut reference = Reference::default();
            reference.set(320, 12);
            let turn = reference.turn(std::array::from_fn(|i| columns[i].as_slice())).unwrap();
            squares += (60.0 * (turn - 1.0)).powi(2);
        }
        // 10 % of noise; from cycle to cycle alone it would be 12 mHz.
        let deviation = (squares / 50.0).sqrt();
        assert!(deviation < 0.0105, "{deviation} Hz");
    }

    #[test]
    fn finds_none_where_there_is_none() {
        let rate = SampleRate::new(7680.0).unwrap();
        let mut random = crate::random::SplitMix64::new(3);
        let noise: Vec<f64> = (0..2000).map(|_| random.symmetric()).collect();
        let strange: Vec<f64> = (0..2000).map(|i| (TAU * 35.0 * f64::from(i) / 7680.0).sin()).collect();
        for column in [vec![0.0; 2000], vec![5.0; 2000], vec![f64::NAN; 2000], noise, strange, vec![1.0; 3], vec![]] {
            assert_eq!(acquire(&[column.as_slice(); 7], rate, Nominal::Hz60, 12), None, "{:?}", column.first());
        }
    }

    #[test]
    fn phasors_are_rms_and_ignore_dc_and_harmonics() {
        let rate = SampleRate::new(7680.0).unwrap();
        let columns = columns(60.0, rate, 1536);
        let mut reference = Reference::default();
        reference.set(1536, 12);
        let [a, b] = [reference.phasor(&columns[0]), reference.phasor(&columns[1])];
        assert!((a.norm() - 325.0 / 2_f64.sqrt()).abs() < 1e-9);
        assert!((a.arg() - 0.4).abs() < 1e-9);
        assert!(((a / b).arg() - TAU / 3.0).abs() < 1e-9);
    }
}
