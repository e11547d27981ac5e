//! Runs a meter: the clock, the loop that measures once a second, and the supervisor that opens and
//! closes its faces as the settings say. It decides nothing about access or settings; it owns the
//! threads, sockets and timers that the meter itself must not have.

mod clock;
mod keys;
mod measuring;
mod ports;
mod reset;
mod run;
mod source;
mod supervisor;

pub use clock::SystemClock;
pub use meter::{Floor, FloorAtMachine, SecurityReset};
pub use ports::{PortChoice, PortSet};
pub use reset::{floor_at_machine, reset_security};
pub use run::{Options, RunningMeter, StartError, start};
pub use source::{SourceChoice, SourceError};
