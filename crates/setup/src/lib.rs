//! The client: connect, verify, plan, upgrade, secure, read.
