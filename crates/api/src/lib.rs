//! What Setup and a meter say to each other: JSON over TLS 1.3, wire types and nothing else.
//!
//! No type here has a field for a password. A login travels in one header, made and read in
//! [`login`]; it gives a token, and the token travels in the same header afterwards.

pub mod csv;
pub mod login;
pub mod routes;
mod wire;

pub use wire::*;
