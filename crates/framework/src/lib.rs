//! Modules, registers, links and templates: what a meter is made of.
