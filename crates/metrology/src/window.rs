//! One window of whole cycles, reduced to sums. Sums can be added, so a second is the sum of its windows: the RMS of
//! their RMS values and the mean of their powers, each weighted by its samples (IEC 61000-4-30, aggregation).

use realfft::num_complex::Complex;

use crate::frequency::{Reference, dot};
use crate::{Channel, Power};

/// No service has 10 TVA. What comes to more is broken input, and would overrun the energy integrators.
const MAX_APPARENT: f64 = 1e13;

/// What is kept of one window or of several. Means are made by dividing by `samples`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WindowSums {
    pub(crate) samples: f64,
    /// Σ x² of each channel, DC and all harmonics included.
    squares: [f64; Channel::COUNT],
    /// Σ of (va - vb)², (vb - vc)², (vc - va)².
    line_squares: [f64; 3],
    /// Σ v·i of each phase.
    active: [f64; 3],
    /// The fundamental's reactive power of each phase × samples.
    reactive: [f64; 3],
    /// The largest |x| of each channel.
    peaks: [f64; Channel::COUNT],
    /// |positive sequence|² - |negative sequence|² of the voltages' fundamental × samples.
    sequence: f64,
    /// Frequency × samples, and the samples of windows that had a frequency.
    hertz: f64,
    hertz_samples: f64,
}

impl WindowSums {
    /// Measures one window; `None` if a sample is not a number or beyond belief. The columns and the reference have
    /// the same length, which isn't 0.
    pub(crate) fn measure(
        columns: &[&[f64]; Channel::COUNT],
        reference: &Reference,
        hertz: Option<f64>,
    ) -> Option<Self> {
        let samples = columns[0].len() as f64;
        let [va, vb, vc, ia, ib, ic, _] = *columns;
        let voltage_phasors = [va, vb, vc].map(|column| reference.phasor(column));
        let current_phasors = [ia, ib, ic].map(|column| reference.phasor(column));
        let squares = columns.map(|column| dot(column, column));
        let line = |a: usize, b: usize| (squares[a] + squares[b] - 2.0 * dot(columns[a], columns[b])).max(0.0);
        let sums = Self {
            samples,
            squares,
            line_squares: [line(0, 1), line(1, 2), line(2, 0)],
            active: [dot(va, ia), dot(vb, ib), dot(vc, ic)],
            reactive: std::array::from_fn(|p| samples * (voltage_phasors[p] * current_phasors[p].conj()).im),
            peaks: columns.map(|column| column.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()))),
            sequence: samples * sequence_excess(voltage_phasors),
            hertz: hertz.unwrap_or(0.0) * samples,
            hertz_samples: if hertz.is_some() { samples } else { 0.0 },
        };
        // A NaN or an infinity in any channel ends up in its own square; f64::max alone would hide it.
        let sound = sums.squares.iter().all(|square| square.is_finite())
            && sums.total().apparent <= MAX_APPARENT
            && sums.sequence.is_finite();
        sound.then_some(sums)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        fn each<const N: usize>(into: &mut [f64; N], from: &[f64; N], join: fn(f64, f64) -> f64) {
            for (a, b) in into.iter_mut().zip(from) {
                *a = join(*a, *b);
            }
        }
        let plus = |a, b| a + b;
        self.samples += other.samples;
        each(&mut self.squares, &other.squares, plus);
        each(&mut self.line_squares, &other.line_squares, plus);
        each(&mut self.active, &other.active, plus);
        each(&mut self.reactive, &other.reactive, plus);
        each(&mut self.peaks, &other.peaks, f64::max);
        self.sequence += other.sequence;
        self.hertz += other.hertz;
        self.hertz_samples += other.hertz_samples;
    }

    /// RMS of one channel, V or A.
    pub(crate) fn rms(&self, channel: Channel) -> f64 {
        (self.squares[channel as usize] / self.samples).sqrt()
    }

    /// RMS line to line: ab, bc, ca, V.
    pub(crate) fn line_to_line(&self) -> [f64; 3] {
        self.line_squares.map(|square| (square / self.samples).sqrt())
    }

    /// Power of each phase.
    pub(crate) fn phases(&self) -> [Power; 3] {
        std::array::from_fn(|p| Power {
            active: self.active[p] / self.samples,
            reactive: self.reactive[p] / self.samples,
            apparent: self.rms(Channel::VOLTAGES[p]) * self.rms(Channel::CURRENTS[p]),
        })
    }

    /// Power of the three phases together.
    pub(crate) fn total(&self) -> Power {
        Power::total(self.phases())
    }

    /// Peak ÷ RMS; 0 for a dead channel.
    pub(crate) fn crest(&self, channel: Channel) -> f64 {
        let rms = self.rms(channel);
        if rms > 0.0 { self.peaks[channel as usize] / rms } else { 0.0 }
    }

    /// Hz; 0 if no window had a frequency.
    pub(crate) fn frequency(&self) -> f64 {
        if self.hertz_samples > 0.0 { self.hertz / self.hertz_samples } else { 0.0 }
    }

    /// Whether the voltages follow each other as a, c, b.
    pub(crate) fn phase_reversed(&self) -> bool {
        self.sequence < 0.0
    }
}

/// |V₊|² - |V₋|² of the symmetrical components (Fortescue).
fn sequence_excess([a, b, c]: [Complex<f64>; 3]) -> f64 {
    let turn = Complex::from_polar(1.0, std::f64::consts::TAU / 3.0);
    let positive = a + b * turn + c * turn.conj();
    let negative = a + b * turn.conj() + c * turn;
    (positive.norm_sqr() - negative.norm_sqr()) / 9.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(columns: &[Vec<f64>; 7]) -> Option<WindowSums> {
        let mut reference = Reference::default();
        reference.set(columns[0].len(), 12);
        WindowSums::measure(&std::array::from_fn(|i| columns[i].as_slice()), &reference, Some(60.0))
    }

    fn cosines(shift: [f64; 7]) -> [Vec<f64>; 7] {
        shift.map(|degrees| {
            (0..768).map(|i| (std::f64::consts::TAU * f64::from(i) / 64.0 + degrees.to_radians()).cos()).collect()
        })
    }

    #[test]
    fn broken_samples_are_refused_in_every_channel() {
        let good = cosines([0.0, -120.0, 120.0, 0.0, -120.0, 120.0, 0.0]);
        assert!(measure(&good).is_some());
        for channel in 0..7 {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e200] {
                let mut columns = good.clone();
                columns[channel][100] = bad;
                assert!(measure(&columns).is_none(), "{bad} in channel {channel}");
            }
        }
        // Still a number when squared, but no power that ever flowed.
        for channel in 0..6 {
            let mut columns = good.clone();
            columns[channel][100] = 1e100;
            assert!(measure(&columns).is_none(), "channel {channel}");
        }
    }

    #[test]
    fn sees_the_phase_order() {
        let forward = measure(&cosines([0.0, -120.0, 120.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
        let reversed = measure(&cosines([0.0, 120.0, -120.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
        assert_eq!((forward.phase_reversed(), reversed.phase_reversed()), (false, true));
    }

    #[test]
    fn line_voltages_come_from_the_samples() {
        let sums = measure(&cosines([0.0, -120.0, 120.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
        for volts in sums.line_to_line() {
            assert!((volts - 1.5_f64.sqrt()).abs() < 1e-12);
        }
        let one_phase = measure(&cosines([0.0; 7])).unwrap();
        assert!(one_phase.line_to_line().iter().all(|volts| *volts < 1e-6));
    }
}
