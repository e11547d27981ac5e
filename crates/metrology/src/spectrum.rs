//! Harmonics of one window: total, odd and even distortion and the K factor. Owns its transform plans, a bounded
//! number of them, because the window's length follows the frequency.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// The highest harmonic that counts (IEC 61000-4-30 class A asks for at least the 50th).
pub const MAX_HARMONIC: usize = 50;

/// Plans kept. A steady grid moves between two or three lengths.
const MAX_PLANS: usize = 4;

/// A fundamental below this share of all power is rounding noise of the transform: the channel is dead or pure DC.
const MIN_SHARE: f64 = 1e-20;

/// How far a waveform is from a sine.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distortion {
    /// All harmonics from the 2nd to the 50th, % of the fundamental.
    pub total: f64,
    /// The odd ones, %.
    pub odd: f64,
    /// The even ones, %.
    pub even: f64,
    /// Σ(Iₕ·h)² ÷ ΣIₕ² (IEEE C57.110, UL 1561), from the fundamental on; 1 for a sine, 0 for a dead channel.
    pub k_factor: f64,
}

#[derive(Default)]
pub(crate) struct SpectrumAnalyzer {
    plans: Vec<Arc<dyn RealToComplex<f64>>>,
    input: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl SpectrumAnalyzer {
    fn plan(&mut self, len: usize) -> Arc<dyn RealToComplex<f64>> {
        let plan = match self.plans.iter().position(|plan| plan.len() == len) {
            Some(at) => self.plans.remove(at),
            // A new planner each time: a kept one would remember every length it ever saw.
            None => RealFftPlanner::new().plan_fft_forward(len),
        };
        self.plans.truncate(MAX_PLANS - 1);
        self.plans.insert(0, Arc::clone(&plan));
        plan
    }

    /// The distortion of a window of `cycles` whole cycles. Each harmonic is its subgroup: its own bin and the one on
    /// either side (IEC 61000-4-7, 5.6), so that small changes within the window still count.
    pub(crate) fn measure(&mut self, column: &[f64], cycles: usize) -> Distortion {
        let plan = self.plan(column.len());
        self.input.clear();
        self.input.extend_from_slice(column);
        self.bins.clear();
        self.bins.resize(plan.complex_len(), Complex::default());
        self.scratch.clear();
        self.scratch.resize(plan.get_scratch_len(), Complex::default());
        if plan.process_with_scratch(&mut self.input, &mut self.bins, &mut self.scratch).is_err() {
            // Only wrong buffer lengths can fail, and they were just made by the plan.
            return Distortion::default();
        }
        let subgroup = |harmonic: usize| -> f64 {
            let at = harmonic * cycles;
            self.bins.get(at - 1..=at + 1).map_or(0.0, |bins| bins.iter().map(Complex::norm_sqr).sum())
        };
        let fundamental = subgroup(1);
        let everything: f64 = self.bins.iter().map(Complex::norm_sqr).sum();
        if fundamental <= MIN_SHARE * everything {
            return Distortion::default();
        }
        let (mut odd, mut even, mut heating) = (0.0, 0.0, fundamental);
        for harmonic in 2..=MAX_HARMONIC {
            let square = subgroup(harmonic);
            *(if harmonic % 2 == 1 { &mut odd } else { &mut even }) += square;
            heating += square * (harmonic * harmonic) as f64;
        }
        let per_cent = |square: f64| 100.0 * (square / fundamental).sqrt();
        Distortion {
            total: per_cent(odd + even),
            odd: per_cent(odd),
            even: per_cent(even),
            k_factor: heating / (fundamental + odd + even),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waveform(len: usize, cycles: usize, harmonics: &[(f64, f64)]) -> Vec<f64> {
        (0..len)
            .map(|i| {
                let angle = std::f64::consts::TAU * cycles as f64 * i as f64 / len as f64;
                10.0 + harmonics.iter().map(|(h, amplitude)| amplitude * (h * angle + h).sin()).sum::<f64>()
            })
            .collect()
    }

    #[test]
    fn known_harmonics_give_known_figures() {
        let mut spectrum = SpectrumAnalyzer::default();
        for (len, cycles) in [(1536, 12), (1537, 12), (1531, 12), (6144, 12), (1280, 10)] {
            let found =
                spectrum.measure(&waveform(len, cycles, &[(1.0, 100.0), (2.0, 4.0), (3.0, 12.0), (5.0, 5.0)]), cycles);
            let want = Distortion {
                total: 185_f64.sqrt(),
                odd: 13.0,
                even: 4.0,
                k_factor: (10_000.0 + 16.0 * 4.0 + 144.0 * 9.0 + 25.0 * 25.0) / (10_000.0 + 185.0),
            };
            for (a, b) in [
                (found.total, want.total),
                (found.odd, want.odd),
                (found.even, want.even),
                (found.k_factor, want.k_factor),
            ] {
                assert!((a - b).abs() < 1e-6, "{found:?} instead of {want:?} at {len}");
            }
        }
        assert_eq!(spectrum.plans.len(), MAX_PLANS);
        // A component one bin beside the fifth harmonic belongs to it, one between two harmonics to none.
        for (bin, want) in [(59.0, 7.0), (60.0, 7.0), (61.0, 7.0), (66.0, 0.0)] {
            let found = spectrum.measure(&waveform(1536, 12, &[(1.0, 100.0), (bin / 12.0, 7.0)]), 12);
            assert!((found.total - want).abs() < 1e-6, "{found:?} at bin {bin}");
        }
    }

    #[test]
    fn dead_or_coarse_channels_are_harmless() {
        let mut spectrum = SpectrumAnalyzer::default();
        assert_eq!(spectrum.measure(&[0.0; 1536], 12), Distortion::default());
        assert_eq!(spectrum.measure(&[-3.7; 1537], 12), Distortion::default());
        // Eight samples a cycle hold no harmonic above the third; the others are absent, not aliased.
        let found = spectrum.measure(&waveform(96, 12, &[(1.0, 100.0), (3.0, 10.0)]), 12);
        assert!((found.total - 10.0).abs() < 1e-9);
    }
}
