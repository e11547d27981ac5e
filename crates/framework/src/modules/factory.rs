//! Factory module: whose meter this is. Serial number, type and release are the device's and the
//! release's own and are no registers that anyone could set.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory as FactoryValue, Range, SetupRegister};

/// The kind's name.
pub const NAME: &str = "Factory";

/// The Factory module.
pub struct Factory;

const fn note(name: &'static str) -> SetupRegister {
    SetupRegister { name, unit: "", range: Range::Text(80), factory: FactoryValue::Text(""), right: Right::FullConfig }
}

static SETUP: [SetupRegister; 4] = [note("Owner"), note("Tag 1"), note("Tag 2"), note("Device Name")];

impl Kind for Factory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}
