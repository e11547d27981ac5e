//! Runs a meter: tick loop, clock, and the supervisor that opens and closes its faces.
