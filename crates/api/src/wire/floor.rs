//! The floor: the oldest release that a meter goes to (B28).

use firmware::Version;
use serde::{Deserialize, Serialize};

/// A meter's floor, and the release that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The oldest release that it goes to; none is any.
    pub floor: Option<Version>,
    /// The release that runs: the floor is never raised above it.
    pub release: Version,
}

/// Raises the floor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorRequest {
    /// To what; none is the release that runs.
    pub raise_to: Option<Version>,
}
