//! The loop that measures: once a second the samples that belong to it, their quantities and their
//! energy, into the meter's gate, which commits before it shows.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use meter::GAP_MS;
use metrology::{Analyzer, EnergyIncrement, EnergyRegister, Samples, Source};
use services::Site;

const SECOND_MS: i64 = 1_000;
const DAY_S: i64 = 86_400;

/// A source and what measures it.
pub(crate) struct Measuring {
    source: Box<dyn Source>,
    analyzer: Analyzer,
    block: Samples,
    /// Seconds of samples taken since the start.
    seconds: u64,
    /// Energy that couldn't be committed yet, in micro-units.
    owed: [u64; EnergyRegister::COUNT],
    last_up_ms: Option<i64>,
    /// Whether the last second could not be stored: said once, not every second.
    failing: bool,
}

impl Measuring {
    pub fn new(source: Box<dyn Source>) -> Self {
        let analyzer = Analyzer::new(source.sample_rate(), source.nominal());
        Self {
            source,
            analyzer,
            block: Samples::new(),
            seconds: 0,
            owed: [0; EnergyRegister::COUNT],
            last_up_ms: None,
            failing: false,
        }
    }

    /// Measures what is there before the first second has passed, so that a meter that has just
    /// started shows readings. No energy is counted: the meter hasn't been running.
    pub fn first_look(&mut self, site: &Site) {
        let now = site.now();
        self.take_second(now.utc_ms);
        let reading = self.analyzer.take_reading();
        if let Err(error) = site.gate.tick(now, reading.quantities.as_ref(), &EnergyIncrement::default()) {
            tracing::error!(%error, "the first reading could not be stored");
        }
        self.last_up_ms = Some(now.up_ms);
    }

    /// One second.
    fn second(&mut self, site: &Site) {
        let now = site.now();
        if self.last_up_ms.is_some_and(|last| now.up_ms - last > GAP_MS) {
            self.analyzer.gap();
        }
        self.last_up_ms = Some(now.up_ms);
        self.take_second(now.utc_ms);
        let reading = self.analyzer.take_reading();
        for (owed, register) in self.owed.iter_mut().zip(EnergyRegister::ALL) {
            *owed = owed.saturating_add(reading.energy.micro(register));
        }
        match site.gate.tick(now, reading.quantities.as_ref(), &EnergyIncrement::from_micro(self.owed)) {
            Ok(()) => {
                self.owed = [0; EnergyRegister::COUNT];
                if std::mem::take(&mut self.failing) {
                    tracing::warn!("energy is stored again, with all that was kept in memory");
                }
            }
            // The counters that readers see stay where they are; what is owed is counted when the
            // disk takes it.
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::error!(%error, "this second's energy could not be stored; it is kept in memory and tried again");
            }
            Err(_) => {}
        }
    }

    fn take_second(&mut self, utc_ms: i64) {
        let count = self.source.sample_rate().due_in(self.seconds);
        self.seconds += 1;
        let second_of_day = utc_ms.div_euclid(1000).rem_euclid(DAY_S);
        self.source.fill(&mut self.block, count, u32::try_from(second_of_day).unwrap_or(0));
        self.analyzer.feed(&self.block);
    }
}

/// Measures until `stop` says so, or until its other end is gone, on a thread of its own: neither a flood of connections
/// nor a queue of other work for the disk stands between a second and its measuring. The system's scheduler favours a
/// thread that has slept nearly all the time.
pub(crate) fn start(mut measuring: Measuring, site: Arc<Site>, stop: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
    let measure = move || {
        let mut due_ms = site.now().up_ms + SECOND_MS;
        loop {
            let wait_ms = u64::try_from(due_ms - site.now().up_ms).unwrap_or(0);
            match stop.recv_timeout(Duration::from_millis(wait_ms)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let late_ms = site.now().up_ms - due_ms;
            tracing::trace!(late_ms, "second");
            measuring.second(&site);
            // What was missed is a gap; it is never caught up.
            let missed = ((site.now().up_ms - due_ms) / SECOND_MS).max(0);
            due_ms += (missed + 1) * SECOND_MS;
        }
    };
    std::thread::Builder::new().name("measuring".to_owned()).spawn(measure)
}
