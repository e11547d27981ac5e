//! The loop that measures: once a second the samples that belong to it, their quantities and their
//! energy, into the meter's gate, which commits before it shows.

use std::sync::Arc;
use std::time::Duration;

use metrology::{Analyzer, EnergyIncrement, EnergyRegister, Samples, Source};
use services::{Site, Stop, accept};
use tokio::time::MissedTickBehavior;

const SECOND: Duration = Duration::from_secs(1);
/// More than this since the last second is a gap: the machine slept, or was too busy to measure.
const GAP_MS: i64 = 1_900;
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
}

impl Measuring {
    pub fn new(source: Box<dyn Source>) -> Self {
        let analyzer = Analyzer::new(source.sample_rate(), source.nominal());
        Self { source, analyzer, block: Samples::new(), seconds: 0, owed: [0; EnergyRegister::COUNT], last_up_ms: None }
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
            Ok(()) => self.owed = [0; EnergyRegister::COUNT],
            // The counters that readers see stay where they are; what is owed is counted when the
            // disk takes it.
            Err(error) => tracing::error!(%error, "this second's energy could not be stored; trying again"),
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

/// Measures until told to stop. Committing waits for the disk, so each second runs beside the
/// network's threads.
pub(crate) async fn run(mut measuring: Measuring, site: Arc<Site>, mut stop: Stop) {
    let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + SECOND, SECOND);
    // What was missed is a gap; it is never caught up.
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = accept::stopped(&mut stop) => return,
            _ = timer.tick() => {}
        }
        let site = Arc::clone(&site);
        let second = tokio::task::spawn_blocking(move || {
            measuring.second(&site);
            measuring
        });
        match second.await {
            Ok(back) => measuring = back,
            Err(error) => {
                tracing::error!(%error, "measuring has stopped");
                return;
            }
        }
    }
}
