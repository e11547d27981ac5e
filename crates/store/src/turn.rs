//! One at a time: whoever wants to send something in takes the turn, or learns that somebody has it. Nobody waits for
//! it, and it is never lost: dropping it gives it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a turn is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<AtomicBool>);

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turns {
    /// Whether somebody has it at this moment.
    pub fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The turn, unless somebody has it.
    pub fn take(&self) -> Option<Turn> {
        let taken = self.0.swap(true, Ordering::Acquire);
        (!taken).then(|| Turn(Arc::clone(&self.0)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
