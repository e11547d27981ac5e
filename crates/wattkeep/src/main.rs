//! wattkeep: a software revenue meter of the 8650 class, and the tools that set it up.
fn main() {}
