//! The oldest release that a meter goes to.

use std::str::FromStr;

use clap::Subcommand;
use firmware::Version;

/// What can be done to a floor over the network.
#[derive(Debug, Subcommand)]
pub enum FloorCommand {
    /// Raise it; lowering takes `wattkeep floor` at the meter's machine
    Set {
        /// The oldest release that the meter is to go to, at most the one it has
        #[arg(value_name = "VERSION|current")]
        to: RaiseTo,
    },
}

/// Where a floor is raised to; none is the release that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaiseTo(pub Option<Version>);

impl FromStr for RaiseTo {
    type Err = <Version as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "current" { Ok(Self(None)) } else { text.parse().map(|version| Self(Some(version))) }
    }
}
