//! Event Log Controller module: how many events are kept and from which priority on, and where they are told
//! besides. What security and version changes log is always kept, whatever stands here.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister};

/// The kind's name.
pub const NAME: &str = "Event Log Controller";
/// How many events the ring holds; 0 turns it off.
pub const DEPTH: &str = "Depth";
/// Only events of a greater priority are kept.
pub const CUTOFF: &str = "Cutoff";

/// Whether each event is told over syslog (RFC 5424) as well.
pub const SYSLOG: &str = "Syslog";
/// To whom: an IP address, or a name.
pub const SYSLOG_HOST: &str = "Syslog Host";
/// At which UDP port.
pub const SYSLOG_PORT: &str = "Syslog Port";
/// The longest name that DNS has (RFC 1035, 2.3.4, without the root's length).
const LONGEST_HOST: usize = 253;

/// The Event Log Controller module.
pub struct EventLogController;

static SETUP: [SetupRegister; 5] = [
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
    SetupRegister {
        name: SYSLOG,
        unit: "",
        range: Range::YesNo,
        factory: Factory::Flag(false),
        right: Right::SecurityConfig,
    },
    SetupRegister {
        name: SYSLOG_HOST,
        unit: "",
        range: Range::Text(LONGEST_HOST),
        factory: Factory::Text(""),
        right: Right::SecurityConfig,
    },
    SetupRegister {
        name: SYSLOG_PORT,
        unit: "",
        range: Range::whole(1, 65_535),
        factory: Factory::Number(514.0),
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
