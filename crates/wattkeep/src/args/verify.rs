//! `wattkeep verify`.

use std::path::PathBuf;

use clap::Args;
use firmware::hashlist::HashValue;

/// Which files, and what they are compared with.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("published").required(true).args(["hashes", "hash"]))]
pub struct VerifyArgs {
    /// The files to check; what is in them doesn't matter
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The published list of hashes, as sha256sum, BSD --tag, certutil or
    /// Get-FileHash write it
    #[arg(long, value_name = "LIST")]
    pub hashes: Option<PathBuf>,
    /// The published hash itself: SHA-256 or SHA-512, or SHA-1 or MD5 with a
    /// warning
    #[arg(long, value_name = "HEX")]
    pub hash: Option<HashValue>,
    /// One JSON document instead of words
    #[arg(long)]
    pub json: bool,
}
