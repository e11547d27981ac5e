//! Maximum module: the greatest value of its source since the last demand reset, and when it was reached.
//!
//! Of a signed quantity it is the greatest, not the farthest from 0. After a reset it begins with what the source shows
//! in the next second.

use serde::{Deserialize, Serialize};

use crate::kind::{Kind, Module, OutputRegister, SAME_AS_SOURCE, Tick};
use crate::memory::Kept;
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Maximum";
/// The greatest value.
pub const MAXIMUM: &str = "Maximum";
/// When it was reached, in UTC seconds since 1970.
pub const TIME: &str = "Maximum Time";

/// The Maximum module.
pub struct Maximum;

impl Kind for Maximum {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        20
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["Source"]
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        vec![
            OutputRegister { name: MAXIMUM.to_owned(), unit: SAME_AS_SOURCE, decimals: 3 },
            OutputRegister { name: TIME.to_owned(), unit: "s", decimals: 0 },
        ]
    }

    fn start(&self, _: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running(None))
    }
}

/// A maximum and when it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// In the source's unit.
    pub value: f64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

struct Running(Option<Peak>);

impl Module for Running {
    fn advance(&mut self, tick: &Tick<'_>, inputs: &[Option<f64>]) {
        if let Some(value) = inputs.first().copied().flatten()
            && self.0.is_none_or(|peak| value > peak.value)
        {
            self.0 = Some(Peak { value, utc_ms: tick.utc_ms });
        }
    }

    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        let values = self.0.map_or([f64::NAN; 2], |peak| [peak.value, peak.utc_ms.div_euclid(1000) as f64]);
        for (output, value) in outputs.iter_mut().zip(values) {
            *output = value;
        }
    }

    fn remembers(&self) -> bool {
        true
    }

    fn keep(&self) -> Option<Kept> {
        self.0.map(Kept::Peak)
    }

    fn resume(&mut self, kept: Option<&Kept>) {
        self.0 = match kept {
            Some(Kept::Peak(peak)) => Some(*peak),
            _ => None,
        };
    }

    fn reset_demand(&mut self, _: i64) {
        self.0 = None;
    }
}
