//! Modbus Slave module: sixteen sources laid out as Modbus registers from a base address, in one
//! format and with one scaling. It has no outputs; the Modbus face reads its set-up and its links.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister};

/// The kind's name.
pub const NAME: &str = "Modbus Slave";
/// The first register, as people write it: 40001 is the first of all.
pub const BASE_ADDRESS: &str = "BaseAddr";
/// How a value is laid out; enumerated.
pub const FORMAT: &str = "Format";
/// What a value is multiplied with before it is laid out.
pub const SCALING: &str = "Scaling";
/// The formats a module offers.
pub const FORMATS: [&str; 7] = ["U16", "S16", "U32", "S32", "U32-M10K", "S32-M10K", "PACKED-BOOL"];

/// How many registers one value takes in a format; packed booleans, all sixteen together.
pub fn words(format: &str) -> u16 {
    if ["U32", "S32", "U32-M10K", "S32-M10K"].contains(&format) { 2 } else { 1 }
}

/// The Modbus Slave module.
pub struct ModbusSlave;

static SETUP: [SetupRegister; 3] = [
    SetupRegister {
        name: BASE_ADDRESS,
        unit: "",
        range: Range::whole(40001, 49999),
        factory: Factory::Number(40011.0),
        right: Right::FullConfig,
    },
    SetupRegister {
        name: FORMAT,
        unit: "",
        range: Range::Choice(&FORMATS),
        factory: Factory::Text("U16"),
        right: Right::FullConfig,
    },
    SetupRegister {
        name: SCALING,
        unit: "",
        range: Range::Number { min: 0.001, max: 1_000_000.0, whole: false },
        factory: Factory::Number(10.0),
        right: Right::FullConfig,
    },
];

/// The sources, in the order in which they are laid out.
pub static SOURCES: [&str; 16] = [
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
];

impl Kind for ModbusSlave {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        20
    }

    fn inputs(&self) -> &'static [&'static str] {
        &SOURCES
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}
