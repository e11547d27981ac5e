//! A small generator of repeatable noise for the simulated grid. It is no source of secrets and must never be one.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one addition and a
/// mix, full period 2⁶⁴, the same sequence for the same seed on every machine.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15); // 2⁶⁴ ÷ golden ratio, made odd
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly spread over -1 to 1.
    pub(crate) fn symmetric(&mut self) -> f64 {
        // The upper 53 bits are all that an f64 can hold.
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn spreads_evenly_around_zero() {
        let mut random = SplitMix64::new(7);
        let values: Vec<f64> = (0..100_000).map(|_| random.symmetric()).collect();
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        assert!((values.iter().sum::<f64>() / 1e5).abs() < 0.01);
        assert!((values.iter().map(|v| v * v).sum::<f64>() / 1e5 - 1.0 / 3.0).abs() < 0.01);
    }
}
