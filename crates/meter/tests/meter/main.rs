//! One meter on a real store, without faces: the rules of its gate and the change of release.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod backup;
mod bench;
mod change;
mod demand;
mod disk;
mod files;
mod keys;
mod laws;
mod locks;
mod log;
mod packages;
mod recorders;
mod registers;
mod reset;
mod rules;
mod schedule;
mod sessions;
mod templates;
mod uploads;
