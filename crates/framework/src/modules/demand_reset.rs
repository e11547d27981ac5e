//! Demand Reset module: how often the demand was reset, and when last. The reset itself is the gate's.

use serde::{Deserialize, Serialize};

use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::memory::Kept;
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Demand Reset";
/// How often the demand was reset.
pub const COUNT: &str = "Reset Count";
/// When last, in UTC seconds since 1970; not available before the first time.
pub const TIME: &str = "Last Reset";

/// The Demand Reset module.
pub struct DemandReset;

impl Kind for DemandReset {
    fn name(&self) -> &'static str {
        NAME
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        vec![
            OutputRegister { name: COUNT.to_owned(), unit: "", decimals: 0 },
            OutputRegister { name: TIME.to_owned(), unit: "s", decimals: 0 },
        ]
    }

    fn start(&self, _: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running(Resets::default()))
    }
}

/// Demand resets so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resets {
    /// How many.
    pub count: u32,
    /// The last one, UTC, in milliseconds since 1970.
    pub last_utc_ms: Option<i64>,
}

struct Running(Resets);

impl Module for Running {
    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        let last = self.0.last_utc_ms.map_or(f64::NAN, |last| last.div_euclid(1000) as f64);
        for (output, value) in outputs.iter_mut().zip([f64::from(self.0.count), last]) {
            *output = value;
        }
    }

    fn remembers(&self) -> bool {
        true
    }

    fn keep(&self) -> Option<Kept> {
        Some(Kept::Resets(self.0))
    }

    fn resume(&mut self, kept: Option<&Kept>) {
        self.0 = match kept {
            Some(Kept::Resets(resets)) => *resets,
            _ => Resets::default(),
        };
    }

    fn reset_demand(&mut self, utc_ms: i64) {
        self.0 = Resets { count: self.0.count.saturating_add(1), last_utc_ms: Some(utc_ms) };
    }
}
