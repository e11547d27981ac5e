//! Integrator module: one energy counter. It shows the exact integer counters that measuring keeps,
//! in the direction its set-up names; it never integrates a reading, so nothing is lost between two
//! seconds and a change of template can't touch what has been billed.

use metrology::EnergyRegisters;
use security::Right;

use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Integrator";
/// Which energy is counted; enumerated.
pub const ENERGY: &str = "Energy";

/// One energy, as an Integrator counts it: its name, its unit, and its value in kilo-units.
struct Energy {
    name: &'static str,
    unit: &'static str,
    get: fn(&EnergyRegisters) -> f64,
}

static ENERGIES: [Energy; 14] = [
    Energy { name: "kWh del", unit: "kWh", get: EnergyRegisters::kwh_del },
    Energy { name: "kWh rec", unit: "kWh", get: EnergyRegisters::kwh_rec },
    Energy { name: "kWh del+rec", unit: "kWh", get: EnergyRegisters::kwh_del_plus_rec },
    Energy { name: "kWh del-rec", unit: "kWh", get: EnergyRegisters::kwh_del_minus_rec },
    Energy { name: "kVARh del", unit: "kVARh", get: EnergyRegisters::kvarh_del },
    Energy { name: "kVARh rec", unit: "kVARh", get: EnergyRegisters::kvarh_rec },
    Energy { name: "kVARh del+rec", unit: "kVARh", get: EnergyRegisters::kvarh_del_plus_rec },
    Energy { name: "kVARh del-rec", unit: "kVARh", get: EnergyRegisters::kvarh_del_minus_rec },
    Energy { name: "kVARh Q1", unit: "kVARh", get: |energy| energy.kvarh_q(1) },
    Energy { name: "kVARh Q2", unit: "kVARh", get: |energy| energy.kvarh_q(2) },
    Energy { name: "kVARh Q3", unit: "kVARh", get: |energy| energy.kvarh_q(3) },
    Energy { name: "kVARh Q4", unit: "kVARh", get: |energy| energy.kvarh_q(4) },
    Energy { name: "kVAh del+rec", unit: "kVAh", get: EnergyRegisters::kvah_del_plus_rec },
    Energy { name: "kVAh del", unit: "kVAh", get: EnergyRegisters::kvah_del },
];
const NAMES: [&str; ENERGIES.len()] = {
    let mut names = [""; ENERGIES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = ENERGIES[at].name;
        at += 1;
    }
    names
};

/// The Integrator module.
pub struct Integrator;

static SETUP: [SetupRegister; 1] = [SetupRegister {
    name: ENERGY,
    unit: "",
    range: Range::Choice(&NAMES),
    factory: Factory::Text("kWh del"),
    right: Right::FullConfig,
}];

fn energy_of(setup: &ModuleSetup) -> &'static Energy {
    ENERGIES.iter().find(|energy| energy.name == setup.text(ENERGY)).unwrap_or(&ENERGIES[0])
}

impl Kind for Integrator {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        20
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["Integrand"]
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    /// The output carries the energy's own name, which is what everybody looks for.
    fn outputs(&self, setup: &ModuleSetup) -> Vec<OutputRegister> {
        let energy = energy_of(setup);
        vec![OutputRegister { name: energy.name.to_owned(), unit: energy.unit, decimals: 3 }]
    }

    fn start(&self, setup: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Running(energy_of(setup)))
    }
}

struct Running(&'static Energy);

impl Module for Running {
    /// The counter stands still while its integrand is unlinked: that is how a template says that
    /// nothing is counted here.
    fn evaluate(&mut self, tick: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill((self.0.get)(tick.energy));
    }
}
