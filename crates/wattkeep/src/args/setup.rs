//! `wattkeep setup METER …`: what a technician says to a meter.

mod backup;
pub mod connections;
mod events;
mod floor;
mod keys;
mod log;
mod moment;
mod packages;
mod reports;
mod security_file;
mod template;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use firmware::digest::Sha256Digest;
use security::{AccountId, Right, UserId};

pub use self::backup::{BackupArgs, BackupFirstArgs, LoadArgs};
use self::connections::ConnectionsCommand;
pub use self::events::EventsArgs;
pub use self::floor::{FloorCommand, RaiseTo};
pub use self::keys::{KeysArgs, KeysCommand};
pub use self::log::LogArgs;
pub use self::moment::Moment;
pub use self::packages::{Meters, PackagesCommand, StageArgs};
pub use self::reports::{LaterArgs, ReportArgs, ScheduleCommand, Window};
pub use self::security_file::SecurityLoadArgs;
pub use self::template::{TemplateArgs, Wanted};

/// Behind the options of the command itself.
const LAST: usize = 900;
const CREDENTIALS: &str = "Login";

/// A meter, whose login, and what is wanted of it.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The meter: host or host:port; for `stage` several, with commas between
    #[arg(value_name = "METER")]
    pub meter: Meters,
    /// How to log in.
    #[command(flatten)]
    pub login: LoginArgs,
    /// One JSON document instead of tables and words
    #[arg(long, global = true, display_order = LAST)]
    pub json: bool,
    /// What is wanted.
    #[command(subcommand)]
    pub command: SetupCommand,
}

/// Who logs in, where the password comes from, and which meter it must be.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Who logs in: USER1 to USER16; left out under Standard security
    #[arg(id = "login", long = "user", value_name = "USER", global = true, value_parser = account, help_heading = CREDENTIALS)]
    pub user: Option<AccountId>,
    /// Read the password from this file, or from standard input (-); else it is
    /// taken from WATTKEEP_PASSWORD, or asked on the terminal
    #[arg(long, value_name = "FILE", global = true, help_heading = CREDENTIALS)]
    pub password_file: Option<PathBuf>,
    /// Talk only to the meter whose certificate has this fingerprint
    #[arg(long, value_name = "SHA256", global = true, help_heading = CREDENTIALS)]
    pub pin: Option<Sha256Digest>,
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::from_login(text).ok_or_else(|| "a login is USER1 to USER16, or 8650 under Standard security".to_owned())
}

/// What can be asked of a meter.
#[derive(Debug, Subcommand)]
pub enum SetupCommand {
    /// What the meter is, its services, and its users for whoever may see them
    Info,
    /// Read registers
    Read {
        /// Which ones: "kW tot", or "Power Meter 1/kW tot" [default: all]
        #[arg(value_name = "REGISTER")]
        registers: Vec<String>,
    },
    /// Change set-up registers, all or none
    Set {
        /// Registers, each followed by its value
        #[arg(value_names = ["REGISTER", "VALUE"], required = true, num_args = 2..)]
        changes: Vec<String>,
        /// Even if nobody could edit security afterwards
        #[arg(long)]
        force: bool,
    },
    /// The users; or change one
    Users {
        /// What to change.
        #[command(subcommand)]
        change: Option<UsersCommand>,
    },
    /// The security set-up; or change it
    Security {
        /// What to change.
        #[command(subcommand)]
        change: Option<SecurityCommand>,
    },
    /// The event log, or whether it is as it was written
    Events(EventsArgs),
    /// The data recorders, or the records of one
    Log(LogArgs),
    /// Who is connected, logged in and locked out; end a session, lift a lock-out
    Connections {
        /// What to do about it.
        #[command(subcommand)]
        change: Option<ConnectionsCommand>,
    },
    /// The packages that wait in the meter; drop one
    Packages {
        /// What to do about them.
        #[command(subcommand)]
        change: Option<PackagesCommand>,
    },
    /// Send a release to the meter, or to several at once; nothing is changed
    Stage(StageArgs),
    /// Show what a change of release would do; nothing is changed
    Plan(PlanArgs),
    /// Take the meter to a newer release
    Upgrade(ChangeArgs),
    /// Take the meter to an older release
    Downgrade(ChangeArgs),
    /// The oldest release that the meter goes to; raise it
    Floor {
        /// What to do to it.
        #[command(subcommand)]
        change: Option<FloorCommand>,
    },
    /// The reports of the last changes of release, plan beside fact
    Report(ReportArgs),
    /// The change that waits for its time, or what became of the last one
    Schedule {
        /// What to do about it.
        #[command(subcommand)]
        change: Option<ScheduleCommand>,
    },
    /// Save the meter's template in a file, without any secret
    Save {
        /// The file to write; it must not be there yet
        #[arg(value_name = "FILE.dcf")]
        file: PathBuf,
        /// With the security section: mode, options, users, rights
        #[arg(long)]
        security: bool,
    },
    /// Take a backup: settings, energy, demand, records, event log
    Backup(BackupArgs),
    /// Load a template (at once), or restore a backup (shown and asked first)
    Load(LoadArgs),
    /// Forget the certificate that was accepted for this meter
    Forget,
}

/// What can be done to users.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// The SSH keys that open an account besides its password
    Keys(KeysArgs),
    /// Change one user
    Set {
        /// Which: USER1 to USER16
        #[arg(value_name = "USERn")]
        user: UserId,
        /// All the user's rights: read, time-sync, demand-reset, test-mode,
        /// full-config, security-config; "" for none
        #[arg(long, value_name = "R,…")]
        rights: Option<RightsList>,
        /// Whether the user can log in
        #[arg(long, value_name = "yes|no", hide_possible_values = true)]
        active: Option<YesNo>,
        /// Read the user's new password from this file, or from standard input
        /// (-); else it is taken from WATTKEEP_NEW_PASSWORD
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// Ask for the user's new password on the terminal
        #[arg(long, conflicts_with = "new_password_file")]
        new_password: bool,
        /// Even if nobody could edit security afterwards
        #[arg(long)]
        force: bool,
    },
}

/// What can be done to security set-up.
#[derive(Debug, Subcommand)]
pub enum SecurityCommand {
    /// Change the mode, the front-panel password, or a register
    Set {
        /// "mode MODE", "front-panel-password", or registers, each followed by
        /// its value
        #[arg(value_name = "mode|front-panel-password|REGISTER VALUE", required = true, num_args = 1..)]
        words: Vec<String>,
        /// Read the new password from this file, or from standard input (-);
        /// else it is taken from WATTKEEP_NEW_PASSWORD, or asked on the terminal
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// Even if nobody could edit security afterwards
        #[arg(long)]
        force: bool,
    },
    /// Save the security set-up in a file, without any secret, for other meters
    Save {
        /// The file to write; it must not be there yet
        #[arg(value_name = "FILE.scf")]
        file: PathBuf,
    },
    /// Load a security file: show what it changes, ask, do it
    Load(SecurityLoadArgs),
    /// The keys that may sign releases for this meter
    Trust {
        /// What to do.
        #[command(subcommand)]
        command: TrustCommand,
    },
}

/// What can be done to the list of trusted keys.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show them
    List,
    /// Trust a key
    Add {
        /// The public key
        #[arg(value_name = "KEY.pub")]
        key: PathBuf,
    },
    /// Trust a key no longer
    Revoke {
        /// The key's id, as the list shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Which release, and how its firmware file is checked.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// A release folder, a .upg, or the version of a shipped release
    #[arg(long, value_name = "BUNDLE")]
    pub to: String,
    /// The list of hashes, if it doesn't lie beside the .upg
    #[arg(long, value_name = "LIST", conflicts_with = "no_hash_list")]
    pub hashes: Option<PathBuf>,
    /// Send a .upg that no list vouches for; the report records it
    #[arg(long)]
    pub no_hash_list: bool,
    /// Whose template the meter has afterwards.
    #[command(flatten)]
    pub template: TemplateArgs,
    /// New passwords that take the place of 0 in a downgrade: a text file with
    /// a line "USER1: PASSWORD" for each account, "8650: …" for the front panel
    #[arg(long, value_name = "FILE")]
    pub new_passwords: Option<PathBuf>,
}

/// A plan that is only shown.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// To what.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Every line by itself, with what stays as it is and the clause behind it
    #[arg(long)]
    pub all: bool,
}

/// A plan that is carried out once accepted.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// To what.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Accept the plan, whatever it says
    #[arg(long, conflicts_with = "accept")]
    pub yes: bool,
    /// Accept the plan with this digest, and no other
    #[arg(long, value_name = "DIGEST")]
    pub accept: Option<Sha256Digest>,
    /// Even if nobody could edit security afterwards
    #[arg(long)]
    pub force: bool,
    /// The backup before it.
    #[command(flatten)]
    pub backup: BackupFirstArgs,
    /// Every line by itself, with what stays as it is and the clause behind it
    #[arg(long)]
    pub all: bool,
    /// When, and what becomes of the report.
    #[command(flatten)]
    pub later: LaterArgs,
}

/// Yes or no, as registers spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// A list of rights with commas between them; may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsList(pub Vec<Right>);

impl FromStr for RightsList {
    type Err = security::account::NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// A change to security set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityChange {
    /// A new front-panel password.
    FrontPanelPassword,
    /// Registers and their values.
    Registers(Vec<(String, String)>),
}

/// Words that are no change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAChange {
    /// A register without a value.
    #[error("each register is followed by its value: \"{0}\" has none")]
    NoValue(String),
    /// The password as an argument.
    #[error(
        "a password is never an argument: give it with --new-password-file or WATTKEEP_NEW_PASSWORD, or type it when asked"
    )]
    PasswordAsArgument,
}

/// The word for the front-panel password.
const FRONT_PANEL_PASSWORD: &str = "front-panel-password";

impl SecurityChange {
    /// What the words after `security set` say. `mode` is short for the register of that name.
    ///
    /// # Errors
    /// A register without a value, or a password where none may be.
    pub fn from_words(words: &[String]) -> Result<Self, NotAChange> {
        match words {
            [word] if word == FRONT_PANEL_PASSWORD => return Ok(Self::FrontPanelPassword),
            [word, ..] if word == FRONT_PANEL_PASSWORD => return Err(NotAChange::PasswordAsArgument),
            _ => {}
        }
        let mut changes = pairs(words)?;
        for (register, _) in changes.iter_mut().filter(|(register, _)| register == "mode") {
            framework::modules::security_options::MODE.clone_into(register);
        }
        Ok(Self::Registers(changes))
    }
}

/// Registers and values, two by two.
///
/// # Errors
/// The last register, if it has no value.
pub fn pairs(words: &[String]) -> Result<Vec<(String, String)>, NotAChange> {
    let (pairs, rest) = words.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[register, value]| (register.clone(), value.clone())).collect()),
        [alone, ..] => Err(NotAChange::NoValue(alone.clone())),
    }
}

#[cfg(test)]
mod tests;
