//! Counts of bad tries that drain with time, and the delays that follow from them: pressure on an account, and the
//! penalty of a source. They delay, up to a cap, and can't refuse anyone.

/// Bad tries against an account, from sources it hasn't used, that are free: people mistype.
const ACCOUNT_FREE: u16 = 10;
/// The first delay beyond them; each further bad try doubles it.
const ACCOUNT_FIRST_MS: u32 = 250;
/// The most that an account's checks are delayed: below the 30 s after which common SSH clients give up, since a
/// delay that no client survives would lock the owner out.
pub const ACCOUNT_MAX_MS: u32 = 15_000;
/// Where pressure stops to rise, so that it is gone a quarter of an hour after the last bad try.
pub(crate) const ACCOUNT_LEVEL_MAX: u16 = ACCOUNT_FREE + 7;

/// Bad tries from one source that are free.
const SOURCE_FREE: u16 = 3;
/// Each further one adds this much.
const SOURCE_STEP_MS: u32 = 250;
/// The most that a source's tries are delayed: whole offices share an address.
pub const SOURCE_MAX_MS: u32 = 2000;
/// Where the penalty stops to rise.
pub(crate) const SOURCE_LEVEL_MAX: u16 = SOURCE_FREE + 8;

/// One bad try is forgotten in this time, of an account's pressure and of a source's penalty.
const FORGET_MS: i64 = 60_000;

/// A count of bad tries that drains by one each [`FORGET_MS`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    level: u16,
    pub(crate) since: i64,
}

impl Pressure {
    /// What is left of it.
    pub(crate) fn level(&self, now: i64) -> u16 {
        let forgotten = (now.saturating_sub(self.since) / FORGET_MS).max(0);
        self.level.saturating_sub(u16::try_from(forgotten).unwrap_or(u16::MAX))
    }

    /// One more bad try, up to `max`.
    pub(crate) fn raise(&mut self, now: i64, max: u16) {
        let level = self.level(now);
        // What has been drained is settled, the begun minute goes on counting.
        let forgotten = i64::from(self.level - level) * FORGET_MS;
        self.since = if level == 0 { now } else { self.since.saturating_add(forgotten) };
        self.level = level.saturating_add(1).min(max);
    }
}

/// The delay of an account's checks at this level, in milliseconds.
pub(crate) fn account_delay(level: u16) -> u32 {
    match level.checked_sub(ACCOUNT_FREE) {
        None | Some(0) => 0,
        Some(over) => ACCOUNT_FIRST_MS.saturating_mul(1 << u32::from(over - 1).min(16)).min(ACCOUNT_MAX_MS),
    }
}

/// The delay of a source's tries at this level, in milliseconds.
pub(crate) fn source_delay(level: u16) -> u32 {
    u32::from(level.saturating_sub(SOURCE_FREE)).saturating_mul(SOURCE_STEP_MS).min(SOURCE_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_drains_by_one_a_minute_and_a_begun_minute_counts() {
        let mut pressure = Pressure::default();
        for now in [0, 0, 30_000] {
            pressure.raise(now, 5);
        }
        let levels: Vec<_> =
            [30_000, 59_999, 60_000, 119_999, 120_000, 180_000, i64::MAX].map(|now| pressure.level(now)).into();
        assert_eq!(levels, [3, 3, 2, 2, 1, 0, 0]);
        pressure.raise(90_000, 5);
        assert_eq!([90_000, 120_000].map(|now| pressure.level(now)), [3, 2]);
        for _ in 0..100 {
            pressure.raise(90_000, 5);
        }
        assert_eq!(pressure.level(90_000), 5);
    }

    #[test]
    fn delays_grow_to_their_caps_and_stay_there() {
        let account: Vec<_> = [0, 10, 11, 12, 15, 16, 17, 18, u16::MAX].map(account_delay).into();
        assert_eq!(account, [0, 0, 250, 500, 4000, 8000, 15_000, 15_000, 15_000]);
        let source: Vec<_> = [0, 3, 4, 11, 12, u16::MAX].map(source_delay).into();
        assert_eq!(source, [0, 0, 250, 2000, 2000, 2000]);
        assert_eq!(account_delay(ACCOUNT_LEVEL_MAX), ACCOUNT_MAX_MS);
        assert_eq!(source_delay(SOURCE_LEVEL_MAX), SOURCE_MAX_MS);
    }
}
