//! Clock module: UTC as the meter has it, and the offset people are shown. Logs are always in UTC.

use security::Right;

use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Clock";

/// The Clock module.
pub struct Clock;

static SETUP: [SetupRegister; 1] = [SetupRegister {
    name: "TZ Offset",
    unit: "h",
    range: Range::Number { min: -12.0, max: 14.0, whole: false },
    factory: Factory::Number(0.0),
    right: Right::FullConfig,
}];

impl Kind for Clock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        vec![OutputRegister { name: "UNIX Time".to_owned(), unit: "s", decimals: 0 }]
    }

    fn start(&self, _: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running)
    }
}

struct Running;

impl Module for Running {
    fn evaluate(&self, tick: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill(tick.utc_ms.div_euclid(1000) as f64);
    }
}
