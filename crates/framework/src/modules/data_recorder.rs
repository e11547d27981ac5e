//! Data Recorder module: at the end of each interval of a timer it records what its sources read then. It keeps no
//! record itself: the meter takes them from [`crate::Framework::take_recorded`] and stores them with the second's
//! energies.

use security::Right;
use serde::{Deserialize, Serialize};

use super::periodic_timer;
use crate::interval::{Beat, Recorded};
use crate::kind::{Kind, Module, OutputRegister, Tick};
use crate::network::Directory;
use crate::register::{Factory, Range, SetupRegister};
use crate::template::{ModuleName, ModuleSetup, RegisterName, Template};

/// The kind's name.
pub const NAME: &str = "Data Recorder";
/// How many records are kept; 0 records none.
pub const DEPTH: &str = "Depth";
/// The input that a timer's Trigger is linked to.
pub const RECORD: &str = "Record";
/// How many recorders a meter may have.
pub const MOST: u8 = 10;
/// More than a year of quarter-hours (35 136).
pub const MAX_DEPTH: u32 = 40_000;

const FACTORY_DEPTH: u32 = 3360;

/// The inputs: what is recorded, in this order, and when.
static INPUTS: [&str; 17] = [
    "Source 1",
    "Source 2",
    "Source 3",
    "Source 4",
    "Source 5",
    "Source 6",
    "Source 7",
    "Source 8",
    "Source 9",
    "Source 10",
    "Source 11",
    "Source 12",
    "Source 13",
    "Source 14",
    "Source 15",
    "Source 16",
    RECORD,
];

fn sources() -> impl Iterator<Item = (usize, &'static str)> {
    INPUTS.into_iter().enumerate().filter(|(_, input)| *input != RECORD)
}

/// The recorder of a number as people are told of it: `Data Recorder 1`.
pub fn name(recorder: u8) -> String {
    format!("{NAME} {recorder}")
}

/// The Data Recorder module.
pub struct DataRecorder;

static SETUP: [SetupRegister; 1] = [SetupRegister {
    name: DEPTH,
    unit: "",
    range: Range::whole(0, MAX_DEPTH),
    factory: Factory::Number(FACTORY_DEPTH as f64),
    right: Right::FullConfig,
}];

impl Kind for DataRecorder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        MOST
    }

    fn inputs(&self) -> &'static [&'static str] {
        &INPUTS
    }

    fn trigger(&self) -> Option<&'static str> {
        Some(RECORD)
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }

    fn outputs(&self, _: &ModuleSetup) -> Vec<OutputRegister> {
        Vec::new()
    }

    fn start(&self, setup: &ModuleSetup) -> Box<dyn Module> {
        let linked = sources().filter(|(_, input)| setup.inputs.contains_key(*input));
        Box::new(Running { sources: linked.map(|(at, _)| at).collect() })
    }
}

struct Running {
    /// Which inputs are linked.
    sources: Vec<usize>,
}

impl Module for Running {
    fn on_beat(&mut self, module: ModuleName, inputs: &[Option<f64>], beat: &Beat) -> Option<Recorded> {
        let value = |at: &usize| inputs.get(*at).copied().flatten().unwrap_or(f64::NAN);
        beat.ended.map(|interval| Recorded { module, interval, values: self.sources.iter().map(value).collect() })
    }

    fn evaluate(&self, _: &Tick<'_>, _: &[Option<f64>], _: &mut [f64]) {}
}

/// A source of a recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The output register.
    pub register: RegisterName,
    /// The label a user gave it, or the register's name.
    pub label: String,
    /// The unit, or nothing.
    pub unit: String,
    /// How many decimals people are shown.
    pub decimals: u8,
}

/// What a recorder records: all that its records need to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The linked sources, in the order of the inputs.
    pub sources: Vec<Source>,
    /// The timer's Trigger.
    pub trigger: RegisterName,
    /// The timer's period.
    pub period_s: u32,
    /// How many records are kept.
    pub depth: u32,
}

impl Definition {
    /// What a recorder of a checked template records; none if it is off: without sources, timer or depth.
    pub fn of(template: &Template, directory: &Directory, recorder: ModuleName) -> Option<Self> {
        let setup = template.modules.get(&recorder)?;
        let trigger = setup.inputs.get(RECORD)?;
        let depth = depth(setup);
        let source = |(_, input): (usize, &str)| {
            let output = &directory.outputs()[directory.position(setup.inputs.get(input)?)?];
            Some(Source {
                register: output.name.clone(),
                label: output.label.clone(),
                unit: output.unit.to_owned(),
                decimals: output.decimals,
            })
        };
        let sources: Vec<_> = sources().filter_map(source).collect();
        let period_s = periodic_timer::period_s(template.modules.get(&trigger.module)?);
        (depth > 0 && !sources.is_empty()).then(|| Self { sources, trigger: trigger.clone(), period_s, depth })
    }
}

/// How many records a set-up keeps.
pub fn depth(setup: &ModuleSetup) -> u32 {
    // The register's range ends at MAX_DEPTH.
    setup.number(DEPTH).map_or(FACTORY_DEPTH, |depth| depth as u32)
}

/// The recorders of a template.
pub fn recorders(template: &Template) -> impl Iterator<Item = (ModuleName, &ModuleSetup)> {
    template.modules.iter().filter(|(name, _)| name.kind().name() == NAME).map(|(name, setup)| (*name, setup))
}
