//! What people see: tables and sentences for a terminal of 80 columns.
//!
//! Nothing is decided here. Colour only repeats what a word says; the streams drop it where it isn't
//! wanted. JSON needs no room of its own: it is the documents themselves.

pub mod backup;
pub mod error;
pub mod floor;
pub mod live;
pub mod meter;
pub mod notes;
pub mod plan;
pub mod progress;
pub mod release;
pub mod report;
pub mod reset;
pub mod setup;
pub mod style;
pub mod table;
pub mod text;
pub mod verify;

/// The columns of a terminal that everything fits in.
pub const WIDTH: usize = 80;
