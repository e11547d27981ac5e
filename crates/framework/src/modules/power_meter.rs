//! Power Meter module: the electrical quantities of the last second, under the names that head-end
//! systems know, and the set-up of the voltage and current inputs.

use metrology::QUANTITIES;
use security::Right;

use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Power Meter";
/// How the meter is wired; enumerated.
pub const VOLTS_MODE: &str = "Volts Mode";
/// The wirings, in the order of their codes in Modbus register 44001. The codes go over the wire: do
/// not reorder.
pub const VOLTS_MODES: [&str; 5] = ["4W-WYE", "DELTA", "SINGLE", "DEMO", "3W-WYE"];
/// Voltage transformer, primary side.
pub const PT_PRIM: &str = "PT Prim";
/// Voltage transformer, secondary side.
pub const PT_SEC: &str = "PT Sec";
/// Current transformer, primary side.
pub const CT_PRIM: &str = "CT Prim";
/// Current transformer, secondary side.
pub const CT_SEC: &str = "CT Sec";

/// The Power Meter module.
pub struct PowerMeter;

const fn ratio(name: &'static str, unit: &'static str, factory: f64) -> SetupRegister {
    SetupRegister {
        name,
        unit,
        range: Range::whole(1, 999_999),
        factory: Factory::Number(factory),
        right: Right::FullConfig,
    }
}

static SETUP: [SetupRegister; 6] = [
    SetupRegister {
        name: VOLTS_MODE,
        unit: "",
        range: Range::Choice(&VOLTS_MODES),
        factory: Factory::Text("4W-WYE"),
        right: Right::FullConfig,
    },
    ratio(PT_PRIM, "V", 120.0),
    ratio(PT_SEC, "V", 120.0),
    ratio(CT_PRIM, "A", 5.0),
    ratio(CT_SEC, "A", 5.0),
    // 0 turns sag/swell off; whoever shows it says so.
    SetupRegister {
        name: "Nom Volts",
        unit: "V",
        range: Range::Number { min: 0.0, max: 999_999.0, whole: false },
        factory: Factory::Number(0.0),
        right: Right::FullConfig,
    },
];

impl Kind for PowerMeter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        QUANTITIES
            .iter()
            .map(|quantity| OutputRegister { name: quantity.name.to_owned(), unit: quantity.unit, decimals: 2 })
            .collect()
    }

    fn start(&self, _: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running)
    }
}

struct Running;

impl Module for Running {
    fn evaluate(&self, tick: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        match tick.quantities {
            Some(quantities) => {
                for (output, quantity) in outputs.iter_mut().zip(QUANTITIES) {
                    *output = (quantity.get)(quantities);
                }
            }
            None => outputs.fill(f64::NAN),
        }
    }
}
