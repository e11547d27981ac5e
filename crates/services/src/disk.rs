//! What the disk said goes to the meter's own output, and there alone: whoever asked over a face is told what kind of
//! thing failed, without the paths of the machine.

use meter::GateError;

/// Tells the operator of what the disk said, where it said something. Gives the error back.
pub(crate) fn noted(error: GateError) -> GateError {
    if let Some(disk) = error.disk() {
        tracing::error!(error = %disk, "the disk");
    }
    error
}
