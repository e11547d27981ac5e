//! One meter on a real store, without faces: the rules of its gate and the change of release.

mod bench;
mod change;
mod laws;
mod rules;
