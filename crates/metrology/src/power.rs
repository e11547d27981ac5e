//! Active, reactive and apparent power and the power factor: the definitions, in one place.
//!
//! Reactive power is that of the fundamental, Q₁ = V₁·I₁·sin θ₁ (IEEE 1459-2010, 3.1.2), so that harmonics can't fake
//! or hide it; apparent power is RMS volts times RMS amperes with everything in it (same clause). The sum of phases is
//! the vector sum with distortion, S = √((ΣP)² + (ΣQ)² + (ΣD)²) (same standard, 3.2.3, with Q₁ in place of Budeanu's
//! Q): three equal phases have the power factor of one of them, harmonics or not.

/// Power of one phase or of all. Positive is delivered to the load.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Power {
    /// Active, W.
    pub active: f64,
    /// Reactive, var; positive where the current lags (an inductive load).
    pub reactive: f64,
    /// Apparent, VA; never negative.
    pub apparent: f64,
}

impl Power {
    /// The part of the apparent power that is neither active nor reactive, VA.
    fn distortion(self) -> f64 {
        (self.apparent.powi(2) - self.active.powi(2) - self.reactive.powi(2)).max(0.0).sqrt()
    }

    /// The sum of three phases, as a vector.
    pub fn total(phases: [Self; 3]) -> Self {
        let sum = |part: fn(Self) -> f64| phases.into_iter().map(part).sum::<f64>();
        let (active, reactive) = (sum(|p| p.active), sum(|p| p.reactive));
        let apparent = (active.powi(2) + reactive.powi(2) + sum(Self::distortion).powi(2)).sqrt();
        Self { active, reactive, apparent }
    }

    /// |P| ÷ S in per cent, 0 to 100; 100 where there is no power.
    pub fn factor(self) -> f64 {
        if self.apparent > 0.0 { (100.0 * self.active.abs() / self.apparent).min(100.0) } else { 100.0 }
    }

    /// Whether the load is inductive: quadrants 1 and 3, where P and Q have the same sign.
    pub fn lags(self) -> bool {
        self.active * self.reactive > 0.0
    }

    /// The power factor in per cent, signed as the field's IEEE convention has it: lagging (quadrants 1 and 3)
    /// negative, leading (2 and 4) positive. The sign says nothing about the direction of active power.
    pub fn factor_signed(self) -> f64 {
        if self.lags() { -self.factor() } else { self.factor() }
    }

    /// The power factor in per cent while it lags, else 100.
    pub fn factor_lag(self) -> f64 {
        if self.lags() { self.factor() } else { 100.0 }
    }

    /// The power factor in per cent while it leads, else 100.
    pub fn factor_lead(self) -> f64 {
        if self.lags() { 100.0 } else { self.factor() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quadrants() {
        for (active, reactive, signed, lag, lead) in [
            (80.0, 60.0, -80.0, 80.0, 100.0),
            (-80.0, 60.0, 80.0, 100.0, 80.0),
            (-80.0, -60.0, -80.0, 80.0, 100.0),
            (80.0, -60.0, 80.0, 100.0, 80.0),
        ] {
            let power = Power { active, reactive, apparent: 100.0 };
            assert_eq!((power.factor_signed(), power.factor_lag(), power.factor_lead()), (signed, lag, lead));
        }
        assert_eq!(Power::default().factor_signed(), 100.0);
    }

    #[test]
    fn equal_phases_keep_their_power_factor() {
        let phase = Power { active: 70.0, reactive: 40.0, apparent: 100.0 };
        let total = Power::total([phase; 3]);
        assert!((total.apparent - 300.0).abs() < 1e-9);
        assert!((total.factor() - phase.factor()).abs() < 1e-9);
    }

    #[test]
    fn opposite_phases_cancel_as_vectors() {
        let a = Power { active: 60.0, reactive: 80.0, apparent: 100.0 };
        let b = Power { active: 60.0, reactive: -80.0, apparent: 100.0 };
        let total = Power::total([a, b, Power::default()]);
        assert_eq!((total.active, total.reactive), (120.0, 0.0));
        assert!((total.apparent - 120.0).abs() < 1e-9);
    }
}
