//! The client: connect, verify, plan, upgrade, secure, read.
//!
//! [`Client`] is one meter over Setup's protocol: TLS 1.3 with a certificate that is pinned at first
//! contact. [`Bundle`] is a firmware file that may be sent, because its hash is the published one. This crate
//! asks nobody anything and prints nothing: the binary and the fleet console do, and hand in what was said.

mod address;
mod bundle;
mod client;
mod error;
mod known;
mod link;
mod notices;
pub mod probe;
mod security_log;
mod tls;
mod upload;

pub use address::{Address, DEFAULT_PORT, NotAnAddress};
pub use bundle::{Bundle, BundleError, Evidence, HashCheck};
pub use client::log::Part;
pub use client::records::Wanted;
pub use client::{BackupFile, Client, Load, Prepared, SecurityFile, Sending, Watch};
pub use error::{Kind, SetupError, plainly};
pub use known::{KnownError, KnownMeters};
pub use notices::{KNOWN_NOTICES, SETUP_VERSION, setup_version, unknown_notices};
pub use security_log::{Entry, LogError, SecurityLog};
pub use tls::{Accept, Acceptance, Trust};
