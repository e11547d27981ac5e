//! What a meter is made of: modules with inputs, set-up registers and output registers, the links
//! between them, and templates (`.dcf`), which are all of a meter's modules, links, labels and set-up
//! values in one readable file.
//!
//! Each register is described once, in the file of its module kind: name, unit, range, factory value
//! and the right that a change takes. The crate evaluates linked modules in link order; it never
//! decides about access and never keeps a value of its own between two meters.

pub mod dcf;
pub mod interval;
pub mod kind;
pub mod memory;
pub mod merge;
pub mod modules;
pub mod network;
pub mod parts;
pub mod register;
pub mod scf;
pub mod template;

pub use dcf::{Dcf, DcfError};
pub use interval::{Recorded, Status};
pub use kind::{Kind, OutputRegister, Tick};
pub use memory::Memory;
pub use network::{Directory, Framework, Readings};
pub use register::{Range, SetupRegister, Value, ValueError};
pub use scf::{Scf, ScfError};
pub use template::{ModuleName, ModuleSetup, RegisterName, Template, TemplateError};
