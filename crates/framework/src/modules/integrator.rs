//! Integrator module: one energy counter. It shows the exact integer counters that measuring keeps,
//! in the direction its set-up names; it never integrates a reading, so nothing is lost between two
//! seconds and a change of template can't touch what has been billed.

use metrology::{ENERGIES, Energy};
use security::Right;

use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleSetup;

/// The kind's name.
pub const NAME: &str = "Integrator";
/// Which energy is counted; enumerated.
pub const ENERGY: &str = "Energy";

/// The name of every energy there is: what the register takes.
static NAMES: [&str; ENERGIES.len()] = {
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
    Energy::named(setup.text(ENERGY)).unwrap_or(&ENERGIES[0])
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
    fn evaluate(&self, tick: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill(self.0.of(tick.energy));
    }
}
