//! What a module kind is: its inputs, set-up registers and output registers, and how to start one.
//! A kind lives in one file under `modules/` and one line of [`crate::modules::KINDS`].

use metrology::{EnergyRegisters, Quantities};

use crate::interval::{Beat, Recorded};
use crate::memory::Kept;
use crate::register::SetupRegister;
use crate::template::{ModuleName, ModuleSetup};

/// What one evaluation of a meter's modules is made from. Immutable while it runs.
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// Milliseconds since the meter was started, by a clock that nobody sets.
    pub up_ms: i64,
    /// The second's electrical quantities; none while the source has a gap.
    pub quantities: Option<&'a Quantities>,
    /// The energy counters as of this second.
    pub energy: &'a EnergyRegisters,
    /// The energy counters as of the second before.
    pub energy_before: &'a EnergyRegisters,
}

/// Stands for the unit of whatever a module's first input is linked to.
pub const SAME_AS_SOURCE: &str = "=";

/// An output register of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRegister {
    /// The factory name.
    pub name: String,
    /// The unit, nothing, or [`SAME_AS_SOURCE`].
    pub unit: &'static str,
    /// How many decimals people are shown.
    pub decimals: u8,
}

/// A module kind. Implementations are stateless statics; what a running module keeps between two
/// ticks is in the [`Module`] that it starts.
pub trait Kind: Sync {
    /// The kind's name, as on the meter's screens.
    fn name(&self) -> &'static str;

    /// How many modules of this kind a meter may have.
    fn most(&self) -> u8 {
        1
    }

    /// Names of the inputs, each of which may be linked to another module's output.
    fn inputs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The one of them that takes a timer's Trigger, and nothing else.
    fn trigger(&self) -> Option<&'static str> {
        None
    }

    /// The set-up registers.
    fn setup(&self) -> &'static [SetupRegister] {
        &[]
    }

    /// The output registers of a module with this set-up, in a stable order.
    fn outputs(&self, _setup: &ModuleSetup) -> Vec<OutputRegister> {
        Vec::new()
    }

    /// A running module with this set-up.
    fn start(&self, _setup: &ModuleSetup) -> Box<dyn Module> {
        Box::new(Idle)
    }
}

/// A running module.
pub trait Module: Send {
    /// Looks at what lies between the last second and this one, before anything of it is taken in: the meter stood
    /// still, or the clock was set. Gives what is over because of that.
    fn catch_up(&mut self, _tick: &Tick<'_>) -> Beat {
        Beat::default()
    }

    /// Takes one second in, for modules that remember anything. `inputs` as below.
    fn advance(&mut self, _tick: &Tick<'_>, _inputs: &[Option<f64>]) {}

    /// What the timer tells that this is.
    fn beat(&self) -> Beat {
        Beat::default()
    }

    /// What the timer tells that the module of this name is linked to, with the inputs as of then. Gives what it
    /// records of it.
    fn on_beat(&mut self, _name: ModuleName, _inputs: &[Option<f64>], _beat: &Beat) -> Option<Recorded> {
        None
    }

    /// What the module shows; changes nothing. `inputs` in the order of [`Kind::inputs`] (none where unlinked or not
    /// available), `outputs` in the order of [`Kind::outputs`]; NaN says "not available".
    fn evaluate(&self, tick: &Tick<'_>, inputs: &[Option<f64>], outputs: &mut [f64]);

    /// Whether what it shows is what it remembers.
    fn remembers(&self) -> bool {
        false
    }

    /// What outlives a restart, if there is anything.
    fn keep(&self) -> Option<Kept> {
        None
    }

    /// Goes on from what it kept; from nothing if it kept nothing.
    fn resume(&mut self, _kept: Option<&Kept>) {}

    /// The clock has been set since the last second.
    fn clock_set(&mut self) {}

    /// The demand is reset at this time, UTC in milliseconds since 1970.
    fn reset_demand(&mut self, _utc_ms: i64) {}
}

/// A module that only holds set-up.
struct Idle;

impl Module for Idle {
    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], outputs: &mut [f64]) {
        outputs.fill(f64::NAN);
    }
}
