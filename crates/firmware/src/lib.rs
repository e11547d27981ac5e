//! Releases, packages, hash lists, settings, and the one pure function: [`migrate()`].
//!
//! A change of release is worked out here and nowhere else. Nothing in this crate reads a file, knows
//! the time or draws a random number, and no other crate compares two versions.

pub mod access;
pub mod backup;
pub mod bundle;
pub mod consequence;
pub mod dangers;
pub mod digest;
pub mod fold;
pub mod hashlist;
pub mod key_ring;
pub mod migrate;
pub mod package;
pub mod plan;
pub mod release;
pub mod report;
pub mod settings;
pub mod shipped;
pub mod template;
pub mod version;

pub use consequence::{Consequence, Kind, Severity};
pub use dangers::{Danger, Sight, dangers};
pub use key_ring::{KeyRing, KeyRingError};
pub use migrate::records::{RecorderFound, RecorderNow};
pub use migrate::{Choices, CredentialAction, Direction, EpochHolds, Migration, RecorderHolds, migrate};
pub use plan::{Plan, PlanError, Planned, plan, plan_between};
pub use release::{PasswordStorage, Release, WebPages};
pub use settings::{KeyChange, Settings, SettingsError, WithSecurity};
pub use shipped::{Carried, CarriedError, Shipped, shipped};
pub use template::{ShippedTemplates, TemplateChoice, TemplateFile, TemplateFileError};
pub use version::Version;
