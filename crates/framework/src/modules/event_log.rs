//! Event Log Controller module: how many events are kept and from which priority on. What security
//! and version changes log is always kept, whatever stands here.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister};

/// The kind's name.
pub const NAME: &str = "Event Log Controller";
/// How many events the ring holds; 0 turns it off.
pub const DEPTH: &str = "Depth";
/// Only events of a greater priority are kept.
pub const CUTOFF: &str = "Cutoff";

/// The Event Log Controller module.
pub struct EventLogController;

static SETUP: [SetupRegister; 2] = [
    SetupRegister {
        name: DEPTH,
        unit: "",
        range: Range::whole(0, 100_000),
        factory: Factory::Number(5000.0),
        right: Right::SecurityConfig,
    },
    SetupRegister {
        name: CUTOFF,
        unit: "",
        range: Range::whole(0, 255),
        factory: Factory::Number(5.0),
        right: Right::SecurityConfig,
    },
];

impl Kind for EventLogController {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}
