//! `wattkeep release`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use firmware::package::KeyId;

/// What about releases.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Which.
    #[command(subcommand)]
    pub command: ReleaseCommand,
}

/// What can be asked about releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// The releases we know, and where each lies
    List {
        /// One JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
    /// What a release is: services as shipped, modes, passwords, what's new
    Show {
        /// A shipped version, a release folder, or a .upg
        #[arg(value_name = "RELEASE")]
        release: String,
        /// One JSON document instead of words
        #[arg(long)]
        json: bool,
    },
    /// Make the bundle of a release: firmware, template, What's New, hash list
    Build {
        /// A folder with release.toml, template.dcf and whats-new.md, or a
        /// shipped version
        #[arg(value_name = "DIR")]
        source: String,
        /// The folder to write; nothing in it is ever overwritten
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The secret key to sign with
        #[arg(long, value_name = "KEY")]
        sign: Option<PathBuf>,
        /// A key that the release brings: meters that take it trust that key too
        #[arg(long, value_name = "NEW.pub", requires = "sign")]
        trust: Vec<PathBuf>,
        /// The id of a key that the release revokes, for good
        #[arg(long, value_name = "ID", requires = "sign")]
        revoke: Vec<KeyId>,
        /// One JSON document instead of words
        #[arg(long)]
        json: bool,
    },
    /// Make a pair of keys: NAME.key to sign with, NAME.pub to trust
    Keygen {
        /// The name of the two files, less .key and .pub
        #[arg(long, value_name = "NAME", default_value = "wattkeep-release")]
        out: PathBuf,
        /// Whose key it is; stands in both files
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
        /// One JSON document instead of words
        #[arg(long)]
        json: bool,
    },
}
