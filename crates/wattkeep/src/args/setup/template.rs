//! `--template`: whose template a meter has after a change of release.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use framework::merge::Side;

/// Whose template, and who wins where two have changed the same.
#[derive(Debug, Clone, Args)]
pub struct TemplateArgs {
    /// The meter's template afterwards: its own, the release's merged into it,
    /// or a file's
    #[arg(long, value_name = "keep|release|FILE", default_value = "keep")]
    pub template: Wanted,
    /// With --template release: who wins where the meter's owner and the
    /// release have both changed the same [default: mine]
    #[arg(long, value_name = "mine|release", hide_possible_values = true)]
    pub conflicts: Option<Winner>,
}

/// Whose template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The meter's own.
    Keep,
    /// The release's.
    Release,
    /// A file's.
    File(PathBuf),
}

impl FromStr for Wanted {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "keep" => Self::Keep,
            "release" => Self::Release,
            file => Self::File(file.into()),
        })
    }
}

/// Who wins a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Winner {
    /// The meter's own stays.
    Mine,
    /// The release's takes its place.
    Release,
}

impl From<Winner> for Side {
    fn from(winner: Winner) -> Self {
        match winner {
            Winner::Mine => Self::Mine,
            Winner::Release => Self::Release,
        }
    }
}
