//! The one clock of the program. Everything else is told the time.

use std::time::Instant;

use meter::Now;
use services::Clock;

/// The operating system's two clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that starts counting now.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// UTC, in milliseconds since 1970. A system clock before 1970 counts as 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn utc_ms() -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { utc_ms: Self::utc_ms(), up_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX) }
    }
}
