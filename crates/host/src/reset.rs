//! Resetting a meter's security in its state directory, without running the meter.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meter::SecurityReset;
use services::Clock;
use store::{OpenOptions, Store};

use crate::clock::SystemClock;
use crate::run::StartError;

/// Resets the security of the meter in this state directory to what its release ships with, for whoever holds the
/// machine. Refused while the meter runs.
pub fn reset_security(state: &Path, device_key: Option<PathBuf>) -> Result<SecurityReset, StartError> {
    let opened = Store::open(state, &OpenOptions { device_key, ..OpenOptions::default() })?;
    let shipped = Arc::new(firmware::shipped()?);
    Ok(meter::reset_security(opened, shipped, SystemClock::start().now())?)
}
