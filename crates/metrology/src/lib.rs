//! Samples in; electrical quantities and exact energy increments out.
