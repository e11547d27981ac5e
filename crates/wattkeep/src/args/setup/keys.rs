//! `setup METER users keys ACCOUNT …`: the SSH keys of an account.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use security::{AccountId, Fingerprint};

/// Whose keys, and what is wanted of them.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Whose: USER1 to USER16, or 8650 for whoever logs in under Standard
    #[arg(value_name = "USERn|8650", value_parser = super::account)]
    pub account: AccountId,
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What can be done to an account's keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show them
    List,
    /// Let in whoever has the private half of this key
    Add {
        /// The public key, as ssh-keygen writes it
        #[arg(value_name = "FILE.pub")]
        file: PathBuf,
    },
    /// Let in whoever has it no longer, and end the account's sessions
    Remove {
        /// Its fingerprint, as the list shows it
        #[arg(value_name = "FINGERPRINT")]
        fingerprint: Fingerprint,
    },
}
