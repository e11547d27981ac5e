//! The faces of a meter. Each decodes its protocol into who asks and what is asked, lets the gate
//! decide and do it, and encodes the answer; none holds a rule about rights, and none blocks the
//! meter or another face.
//!
//! What they share: the [`Site`] they stand on, the accept loop with its limits, the queue in front
//! of the password vault, the list of connections, and the driver of a change of release.

pub mod accept;
pub mod change;
pub mod connections;
mod disk;
pub mod faces;
pub mod files;
pub mod ftp;
pub mod info;
pub mod keys;
pub mod modbus;
pub mod places;
pub mod proof;
mod records;
pub mod schedule;
pub mod security_file;
pub mod setup;
pub mod site;
pub mod ssh;
#[cfg(any(test, feature = "testbed"))]
pub mod strangers;
pub mod syslog;
pub mod telnet;
pub mod terminal;
#[cfg(any(test, feature = "testbed"))]
#[expect(clippy::unwrap_used, reason = "a bench for tests: what fails in it fails the test")]
pub mod testbed;
pub mod vault;
pub mod web;

pub use connections::Connections;
pub use faces::{Face, Faces, Listening};
pub use keys::Keys;
pub use site::{Clock, Site};
pub use vault::Vault;

/// Says "stop" to a face: when it turns true, or its sender goes, the face ends and closes every
/// connection it has.
pub type Stop = tokio::sync::watch::Receiver<bool>;
