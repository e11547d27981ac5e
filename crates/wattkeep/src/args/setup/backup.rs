//! `setup METER backup FILE`, and `load`, which takes what `save` and `backup` have made.

use std::path::PathBuf;

use clap::Args;
use firmware::digest::Sha256Digest;

/// Where a backup goes, and in which form.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it must not be there yet
    #[arg(value_name = "FILE.wkb")]
    pub file: PathBuf,
    /// With all passwords and the device key, under a passphrase
    #[arg(long)]
    pub sealed: bool,
    /// Read the passphrase from this file, or from standard input (-); else it
    /// is taken from WATTKEEP_PASSPHRASE, or asked on the terminal
    #[arg(long, value_name = "FILE", requires = "sealed")]
    pub passphrase_file: Option<PathBuf>,
}

/// A template or a backup, and how what it changes is accepted.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The file to read: a template, which is loaded at once, or a backup, which
    /// is restored when what it changes is accepted
    #[arg(value_name = "FILE.dcf|FILE.wkb")]
    pub file: PathBuf,
    /// Show what the backup would change, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "accept"])]
    pub dry_run: bool,
    /// Accept what the backup changes, whatever it is
    #[arg(long, conflicts_with = "accept")]
    pub yes: bool,
    /// Accept the changes with this digest, and no others
    #[arg(long, value_name = "DIGEST")]
    pub accept: Option<Sha256Digest>,
    /// New passwords that come with the backup: a text file with a line
    /// "USER1: PASSWORD" for each account, "8650: …" for the front panel
    #[arg(long, value_name = "FILE")]
    pub new_passwords: Option<PathBuf>,
    /// Read the passphrase of a sealed backup from this file, or from standard
    /// input (-); else it is taken from WATTKEEP_PASSPHRASE, or asked
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Even if nobody could edit security afterwards
    #[arg(long)]
    pub force: bool,
}

impl LoadArgs {
    /// Whether something is said that only a backup has a use for.
    pub fn says_of_a_backup(&self) -> bool {
        let Self { dry_run, yes, accept, new_passwords, passphrase_file, file: _, force: _ } = self;
        *dry_run || *yes || accept.is_some() || new_passwords.is_some() || passphrase_file.is_some()
    }
}

/// Whether a change of release has a backup taken first, and where.
#[derive(Debug, Args)]
pub struct BackupFirstArgs {
    /// Where the backup goes that is taken before the change; with --at, it is
    /// taken now [default: SERIAL-RELEASE-TIME.wkb in the folder of backups]
    #[arg(long, value_name = "FILE.wkb", conflicts_with = "no_backup")]
    pub backup: Option<PathBuf>,
    /// Take no backup before the change
    #[arg(long)]
    pub no_backup: bool,
}
