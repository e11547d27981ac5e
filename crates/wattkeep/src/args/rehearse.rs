//! `wattkeep rehearse`.

use std::path::PathBuf;

use clap::Args;
use firmware::Version;

use super::setup::TemplateArgs;

/// Which change, on which settings.
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// The release the meter would have: a shipped version, a release folder or
    /// a .upg [default: the release of the settings, or the oldest shipped]
    #[arg(long, value_name = "RELEASE")]
    pub from: Option<String>,
    /// The release it would get [default: the newest shipped]
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// The settings of a meter, as `setup METER save` writes them [default: as
    /// shipped]
    #[arg(long, value_name = "FILE.dcf")]
    pub settings: Option<PathBuf>,
    /// Say which lines this version of Setup would have told, and which not
    #[arg(long, value_name = "VERSION")]
    pub as_setup: Option<Version>,
    /// Whose template the meter has afterwards.
    #[command(flatten)]
    pub template: TemplateArgs,
    /// On a scratch meter with real faces, there and back, logging in as every
    /// account before and after
    #[arg(long, conflicts_with = "as_setup")]
    pub live: bool,
    /// Every line by itself, with what stays as it is and the clause behind it
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}
