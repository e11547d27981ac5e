//! Where samples come from, as the rest of the meter sees it: a rate, a grid, and the next samples on demand.

use crate::{Nominal, SampleRate, Samples};

/// A stream of samples without a clock of its own: whoever runs the meter asks, once a second, for exactly the samples
/// that [`SampleRate::due_in`] says belong to that second.
pub trait Source: Send {
    /// Samples a second and channel.
    fn sample_rate(&self) -> SampleRate;

    /// The grid the samples come from.
    fn nominal(&self) -> Nominal;

    /// What this source is, in one line for people.
    fn describe(&self) -> String;

    /// Replaces what is in `block` with the next `count` samples. `local_second_of_day` (0 to 86 399; larger values
    /// wrap) is for sources whose load follows the day.
    fn fill(&mut self, block: &mut Samples, count: usize, local_second_of_day: u32);
}
