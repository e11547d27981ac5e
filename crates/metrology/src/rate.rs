//! How fast samples come and which grid they come from. The rate is kept as a fixed-point number so that the share of
//! each second is exact for ever: no sample is lost or counted twice, whatever the rate.

/// Samples a second and channel, exact to 2⁻³² Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate {
    /// Hertz × 2³².
    hertz_q32: u64,
}

/// A sampling rate that cannot be measured with.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a sampling rate of {0} Hz can't be used; it must lie between {min} and {max} Hz",
    min = SampleRate::MIN_HERTZ,
    max = SampleRate::MAX_HERTZ
)]
pub struct RateError(pub f64);

impl SampleRate {
    /// Eight samples a cycle at 50 Hz: below it not even a third harmonic can be told from an alias.
    pub const MIN_HERTZ: f64 = 400.0;
    /// Bounds the memory of a window: 12 cycles of seven channels are 13 MB at this rate.
    pub const MAX_HERTZ: f64 = 1_000_000.0;

    const ONE: f64 = 4_294_967_296.0; // 2³²

    /// The rate of `hertz` samples a second. Errors outside [`Self::MIN_HERTZ`]..=[`Self::MAX_HERTZ`] or if not a number.
    pub fn new(hertz: f64) -> Result<Self, RateError> {
        if !(Self::MIN_HERTZ..=Self::MAX_HERTZ).contains(&hertz) {
            return Err(RateError(hertz));
        }
        Ok(Self { hertz_q32: (hertz * Self::ONE).round() as u64 })
    }

    /// Samples a second.
    pub fn hertz(self) -> f64 {
        self.hertz_q32 as f64 / Self::ONE
    }

    /// How many samples are due when `seconds` whole seconds have passed since the first: the rounded-down product.
    pub fn due_by(self, seconds: u64) -> u64 {
        let exact = (u128::from(self.hertz_q32) * u128::from(seconds)) >> 32;
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// How many samples belong to second number `second`, counted from 0 since the source was started. Summed up over
    /// consecutive seconds it is exactly [`Self::due_by`].
    pub fn due_in(self, second: u64) -> usize {
        let count = self.due_by(second.saturating_add(1)).saturating_sub(self.due_by(second));
        usize::try_from(count).unwrap_or(usize::MAX)
    }
}

/// The nominal frequency of the grid. It says how many cycles a measuring window has and how far the frequency may
/// stray before it isn't believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nominal {
    /// 50 Hz: windows of 10 cycles, measured from 42.5 to 57.5 Hz.
    Hz50,
    /// 60 Hz: windows of 12 cycles, measured from 51 to 69 Hz.
    Hz60,
}

impl Nominal {
    /// 50 or 60.
    pub fn hertz(self) -> f64 {
        match self {
            Self::Hz50 => 50.0,
            Self::Hz60 => 60.0,
        }
    }

    /// Cycles of a window: about 200 ms on either grid (IEC 61000-4-30, basic measurement interval).
    pub fn cycles(self) -> usize {
        match self {
            Self::Hz50 => 10,
            Self::Hz60 => 12,
        }
    }

    /// The lowest and the highest frequency that is believed, in Hz: ±15 % (IEC 61000-4-30, class A range).
    pub fn range(self) -> (f64, f64) {
        (self.hertz() * 0.85, self.hertz() * 1.15)
    }

    /// The grid that a stated line frequency means: within 5 Hz of 50 or 60.
    pub fn nearest(hertz: f64) -> Option<Self> {
        [Self::Hz50, Self::Hz60].into_iter().find(|nominal| (hertz - nominal.hertz()).abs() < 5.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_rates_it_cannot_measure_with() {
        for hertz in [f64::NAN, f64::INFINITY, -1.0, 0.0, 399.9, 1_000_001.0] {
            assert!(SampleRate::new(hertz).is_err(), "{hertz}");
        }
        assert_eq!(
            SampleRate::new(1.0).unwrap_err().to_string(),
            "a sampling rate of 1 Hz can't be used; it must lie between 400 and 1000000 Hz"
        );
    }

    #[test]
    fn a_fractional_rate_loses_nothing_in_a_year() {
        let rate = SampleRate::new(30_707.244_140_625).unwrap();
        assert_eq!(rate.hertz(), 30_707.244_140_625);
        assert_eq!(rate.due_by(1024), 31_444_218); // 30707.244140625 × 1024 has no fraction
        let year = 365 * 86_400;
        assert_eq!(rate.due_by(year), (30_707_244_140_625 * u128::from(year) / 1_000_000_000) as u64);
        assert_eq!((rate.due_in(0), rate.due_in(3), rate.due_in(4)), (30_707, 30_707, 30_708));
    }

    proptest! {
        #[test]
        fn seconds_add_up(hertz in 400.0..1e6, start in 0_u64..1 << 40, seconds in 1_u64..200) {
            let rate = SampleRate::new(hertz).unwrap();
            let sum: u64 = (start..start + seconds).map(|second| rate.due_in(second) as u64).sum();
            prop_assert_eq!(sum, rate.due_by(start + seconds) - rate.due_by(start));
        }
    }

    #[test]
    fn names_the_grid() {
        for (hertz, grid) in [
            (60.0, Some(Nominal::Hz60)),
            (59.97, Some(Nominal::Hz60)),
            (50.0, Some(Nominal::Hz50)),
            (55.0, None),
            (16.7, None),
            (f64::NAN, None),
        ] {
            assert_eq!(Nominal::nearest(hertz), grid, "{hertz}");
        }
    }
}
