//! Fuzz targets: one function for each parser that hears strangers before anybody has logged in, and one for
//! each kind of file that people bring. Each takes any bytes, must not panic, must not take more memory than
//! its bounds say, and checks what has to be true of what came out.
//!
//! `scripts/fuzz` runs them under libFuzzer; `tests/seeds.rs` runs each on its seeds and on mutations of them
//! with an ordinary compiler, so that a target which rots is noticed.

#![expect(clippy::panic, reason = "a finding is a panic")]

mod doors;
mod files;
mod strangers;

pub use doors::{faces, tls};
pub use files::{backup, comtrade, hashlist, package, template};
pub use strangers::{documents, editor, login, modbus, telnet};

/// A target, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("modbus", modbus),
    ("login", login),
    ("documents", documents),
    ("telnet", telnet),
    ("tls", tls),
    ("faces", faces),
    ("editor", editor),
    ("package", package),
    ("backup", backup),
    ("hashlist", hashlist),
    ("template", template),
    ("comtrade", comtrade),
];
