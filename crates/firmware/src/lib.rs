//! Releases, packages, hash lists, settings and the one pure function: migrate.

pub mod bundle;
pub mod digest;
pub mod hashlist;
pub mod package;
pub mod version;
