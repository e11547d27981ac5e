//! What whoever holds the machine does to a meter in its state directory, without running it: resetting its security,
//! setting its floor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meter::{Floor, FloorAtMachine, SecurityReset};
use services::Clock;
use store::{OpenOptions, Store};

use crate::clock::SystemClock;
use crate::run::StartError;

/// Shows or changes the floor of the meter in this state directory, for whoever holds the machine. Refused while the
/// meter runs.
pub fn floor_at_machine(state: &Path, device_key: Option<PathBuf>, doing: FloorAtMachine) -> Result<Floor, StartError> {
    let opened = Store::open(state, &OpenOptions { device_key, ..OpenOptions::default() })?;
    let shipped = Arc::new(firmware::shipped()?);
    Ok(meter::floor_at_machine(opened, shipped, SystemClock::start().now(), doing)?)
}

/// Resets the security of the meter in this state directory to what its release ships with, for whoever holds the
/// machine. Refused while the meter runs.
pub fn reset_security(state: &Path, device_key: Option<PathBuf>) -> Result<SecurityReset, StartError> {
    let opened = Store::open(state, &OpenOptions { device_key, ..OpenOptions::default() })?;
    let shipped = Arc::new(firmware::shipped()?);
    Ok(meter::reset_security(opened, shipped, SystemClock::start().now())?)
}
