//! Ethernet module: the meter's network settings. The address a software meter listens on is chosen
//! where it is started; the name is what it calls itself.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister};

/// The kind's name.
pub const NAME: &str = "Ethernet";
/// The name a meter goes by on its network.
pub const HOST_NAME: &str = "Host Name";

/// The Ethernet module.
pub struct Ethernet;

static SETUP: [SetupRegister; 1] = [SetupRegister {
    name: HOST_NAME,
    unit: "",
    range: Range::Text(63),
    factory: Factory::Text("meter"),
    right: Right::SecurityConfig,
}];

impl Kind for Ethernet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}
