//! `wattkeep backup show|log FILE`: what is in a backup, with no meter at all.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is to be seen of a backup.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// One JSON document instead of tables and words
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
    /// Which part.
    #[command(subcommand)]
    pub command: BackupCommand,
}

/// Parts of a backup.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Whose it is, what it holds, and whether it is whole
    Show {
        /// The backup
        #[arg(value_name = "FILE.wkb")]
        file: PathBuf,
    },
    /// The event log in it, or whether that is as it was written
    Log {
        /// The backup
        #[arg(value_name = "FILE.wkb")]
        file: PathBuf,
        /// Check every event's seal with the key in a sealed backup
        #[arg(long)]
        verify: bool,
        /// Read the passphrase from this file, or from standard input (-); else it
        /// is taken from WATTKEEP_PASSPHRASE, or asked on the terminal
        #[arg(long, value_name = "FILE", requires = "verify")]
        passphrase_file: Option<PathBuf>,
    },
}
