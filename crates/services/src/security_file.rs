//! A meter's security setup as a file (`.scf`): the same text over Setup and in the tree of files.

use firmware::WithSecurity;
use framework::Scf;
use jiff::Timestamp;
use meter::{Caller, GateError};

use crate::Site;

/// The file, for whoever may read security setup.
pub fn text(site: &Site, caller: &Caller) -> Result<String, GateError> {
    let now = site.now();
    let template = site.gate.template(now, caller, WithSecurity::Yes)?;
    let saved = Timestamp::from_second(now.utc_ms.div_euclid(1000)).map(|time| time.to_string()).unwrap_or_default();
    let file = Scf::of(template, &site.view().identity.serial, saved);
    Ok(file.map(|file| file.to_text()).unwrap_or_default())
}
