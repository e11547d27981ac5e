//! The power-cut laboratory. A meter's life is recorded once, as the operations it does on its files; then every
//! state is made that a power cut could have left of it, inside single writes too, with what wasn't synced lost or
//! torn in any order; and on each the meter is started and must be wholly old or wholly new (B26).
//!
//! [`watch`] records, [`disk`] and [`cut`] lose, [`scenario`] is what is lived through, [`oracle`] starts, [`kept`] reads
//! what is there then, [`run`] goes through it all. Test-only code: no program contains it.

pub mod cut;
pub mod disk;
pub mod kept;
pub mod mutation;
pub mod op;
pub mod oracle;
pub mod run;
pub mod scenario;
pub mod watch;
