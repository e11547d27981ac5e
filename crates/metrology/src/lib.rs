//! Samples in; electrical quantities and exact energy increments out.
//!
//! A [`Source`] hands over the samples that belong to one second; an [`Analyzer`] cuts them into gapless windows of
//! whole cycles and turns them into [`Quantities`] (floating point, for showing) and an [`EnergyIncrement`] (integers,
//! for billing). This room owns every formula and every name of a measured quantity. It never reads a file, a clock or
//! a random device: bytes, time and seeds are arguments.

mod analyzer;
pub mod comtrade;
mod energy;
mod frequency;
mod grid;
mod power;
mod quantities;
mod random;
mod rate;
mod samples;
mod source;
mod spectrum;
mod window;

pub use analyzer::{Analyzer, Reading};
pub use energy::{ENERGIES, Energy, EnergyIncrement, EnergyRegister, EnergyRegisters, Rollovers};
pub use grid::{Grid, GridSetup, Service};
pub use power::Power;
pub use quantities::{QUANTITIES, Quantities, Quantity};
pub use rate::{Nominal, RateError, SampleRate};
pub use samples::{Channel, Samples};
pub use source::Source;
pub use spectrum::{Distortion, MAX_HARMONIC};
