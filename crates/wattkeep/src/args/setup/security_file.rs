//! `setup METER security save|load FILE.scf`: security set-up from one meter to others.

use std::path::PathBuf;

use clap::Args;
use firmware::digest::Sha256Digest;

/// A security file, and how what it changes is accepted.
#[derive(Debug, Args)]
pub struct SecurityLoadArgs {
    /// The file to read
    #[arg(value_name = "FILE.scf")]
    pub file: PathBuf,
    /// Show what it would change, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "accept"])]
    pub dry_run: bool,
    /// Accept what it changes, whatever it is
    #[arg(long, conflicts_with = "accept")]
    pub yes: bool,
    /// Accept the changes with this digest, and no others
    #[arg(long, value_name = "DIGEST")]
    pub accept: Option<Sha256Digest>,
    /// New passwords for users that it activates while theirs is 0: a text file
    /// with a line "USER1: PASSWORD" for each
    #[arg(long, value_name = "FILE")]
    pub new_passwords: Option<PathBuf>,
    /// Even if nobody could edit security afterwards
    #[arg(long)]
    pub force: bool,
}
