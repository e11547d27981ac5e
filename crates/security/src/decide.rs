//! The one decision about every access: path, mode, switches, who, and what is asked.
//!
//! The table in the manual, the plan's `right` lines and every face's refusals come from [`decide`].
//! It never looks at passwords: whoever it is asked about has proved who they are, or is nobody.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Mode, Right, Rights, UserId};

/// The road a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// The panel on the meter itself.
    FrontPanel,
    /// Setup's protocol.
    Setup,
    /// Modbus TCP.
    Modbus,
    /// The web pages.
    Web,
    /// The SSH terminal.
    Ssh,
    /// File transfer over SSH.
    Sftp,
    /// The legacy terminal.
    Telnet,
    /// Legacy file transfer.
    Ftp,
}

impl Path {
    /// Every path, in the order of the manual's table.
    pub const ALL: [Self; 8] =
        [Self::FrontPanel, Self::Setup, Self::Modbus, Self::Web, Self::Ssh, Self::Sftp, Self::Telnet, Self::Ftp];

    /// The name in events and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::FrontPanel => "front panel",
            Self::Setup => "setup",
            Self::Modbus => "modbus",
            Self::Web => "web",
            Self::Ssh => "ssh",
            Self::Sftp => "sftp",
            Self::Telnet => "telnet",
            Self::Ftp => "ftp",
        }
    }

    /// Whether a user name can travel on this path. Those that can't follow their own switches.
    pub fn carries_user(self, policy: &Policy) -> bool {
        match self {
            Self::FrontPanel | Self::Modbus => false,
            Self::Web => policy.web_login,
            Self::Setup | Self::Ssh | Self::Sftp | Self::Telnet | Self::Ftp => true,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks, as proved by a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Nobody has logged in.
    Nobody,
    /// Whoever knows the front-panel password: `8650`.
    Standard,
    /// A user, with the user's password.
    User(UserId),
}

impl fmt::Display for Who {
    /// As events show it: `-`, `8650`, `USER1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("-"),
            Self::Standard => f.write_str(crate::AccountId::STANDARD_LOGIN),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// To read measurements, logs and identity.
    Read,
    /// To read set-up registers other than security's, and recorders over Modbus.
    ReadSetup,
    /// To read security setup, the users among it.
    ReadSecurity,
    /// To do what takes this right.
    Do(Right),
}

impl Ask {
    /// Everything that can be asked, in the order of the manual's table.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::ReadSetup,
        Self::ReadSecurity,
        Self::Do(Right::TimeSync),
        Self::Do(Right::DemandReset),
        Self::Do(Right::TestMode),
        Self::Do(Right::FullConfig),
        Self::Do(Right::SecurityConfig),
    ];

    /// What reading recorders' records asks for on a path: over Modbus, where Modbus Map Access counts for the load
    /// profile as it does for set-up, more than elsewhere.
    pub fn records(path: Option<Path>) -> Self {
        if path == Some(Path::Modbus) { Self::ReadSetup } else { Self::Read }
    }

    /// The right that answers for it.
    pub fn right(self) -> Right {
        match self {
            Self::Read | Self::ReadSetup => Right::Read,
            Self::ReadSecurity => Right::SecurityConfig,
            Self::Do(right) => right,
        }
    }

    /// What is asked, in the words of tables and plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadSetup => "read setup",
            Self::ReadSecurity => "read security",
            Self::Do(right) => right.name(),
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Do(_))
    }
}

/// All that the settings say about access, taken out of them once per change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The security mode.
    pub mode: Mode,
    /// USER1 to USER16, in order.
    pub users: [Account; UserId::COUNT as usize],
    /// Whether this release's pages ask for a login (legacy) or are read-only for everyone.
    pub web_login: bool,
    /// Legacy's Web Access Read.
    pub web_read: bool,
    /// Legacy's Web Server Configuration Access.
    pub web_configure: bool,
    /// Modbus Map Access: under Advanced, whether more than the Modbus Slave registers can be read.
    pub modbus_map: bool,
    /// Allow Modbus programming.
    pub modbus_programming: bool,
    /// Under Standard, legacy lets Modbus write only while the front-panel password is `0`, which
    /// no Modbus client could send. This says whether that stands in the way.
    pub modbus_needs_password: bool,
    /// Front Panel Programming.
    pub panel_programming: bool,
}

impl Policy {
    /// The account of a user.
    pub fn user(&self, user: UserId) -> Account {
        self.users[usize::from(user.number() - 1)]
    }

    /// The rights somebody has on a path that knows who they are.
    pub fn rights(&self, who: Who) -> Rights {
        match (self.mode, who) {
            (Mode::None, _) | (Mode::Standard, Who::Standard) => Rights::ALL,
            (Mode::Advanced, Who::User(user)) if self.user(user).active => self.user(user).rights,
            _ => Rights::NONE,
        }
    }
}

/// Why an access is refused. Each says what is missing, in the same words on every face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Standard: nobody has given the front-panel password.
    #[error("this takes the front-panel password: log in with it (over the network as 8650)")]
    PasswordNeeded,
    /// Advanced: nobody has logged in.
    #[error("this takes a user name and a password: log in as USER1 to USER16")]
    LoginNeeded,
    /// The login isn't one of the present mode's.
    #[error("this login is not valid in the meter's present security mode: log in again")]
    OtherMode,
    /// The session ended while the request was on its way.
    #[error("this session is over: log in again")]
    SessionOver,
    /// The user has been deactivated.
    #[error("this user is not active: a user with Security Config can activate it")]
    Inactive,
    /// The account lacks a right.
    #[error("this takes the right \"{}\": a user with Security Config can grant it", .0.label())]
    RightMissing(Right),
    /// The path can't do this, whoever asks.
    #[error("the web pages of this release are read-only: use Setup")]
    ReadOnlyPages,
    /// The path never shows this.
    #[error("{0} never shows or changes security setup: use Setup")]
    NoSecurityHere(Path),
    /// A switch is off.
    #[error("\"{0}\" is off: it can be turned on with Setup, by whoever has Security Config")]
    SwitchOff(&'static str),
    /// Legacy Modbus can't send a password, and there is one.
    #[error("Modbus can write under Standard security only while the front-panel password is 0: use Setup")]
    ModbusPassword,
}

impl Refusal {
    /// Whether logging in (again) could help, as opposed to lacking a right or a switch.
    pub fn wants_login(self) -> bool {
        matches!(self, Self::PasswordNeeded | Self::LoginNeeded | Self::OtherMode | Self::SessionOver)
    }
}

/// Whether `who` may do what is asked on this path, and why not.
pub fn decide(policy: &Policy, path: Path, who: Who, ask: Ask) -> Result<(), Refusal> {
    match path {
        Path::FrontPanel => front_panel(policy, who, ask),
        Path::Modbus => modbus(policy, ask),
        Path::Web => web(policy, who, ask),
        Path::Setup => match (policy.mode, ask) {
            (Mode::Standard, Ask::Read | Ask::ReadSetup) => Ok(()),
            _ => by_account(policy, who, ask),
        },
        Path::Ssh | Path::Sftp | Path::Telnet | Path::Ftp => by_account(policy, who, ask),
    }
}

/// Paths that log in: the account's rights decide.
fn by_account(policy: &Policy, who: Who, ask: Ask) -> Result<(), Refusal> {
    let user = match (policy.mode, who) {
        (Mode::None, _) | (Mode::Standard, Who::Standard) => return Ok(()),
        (Mode::Standard, Who::Nobody) => return Err(Refusal::PasswordNeeded),
        (Mode::Advanced, Who::Nobody) => return Err(Refusal::LoginNeeded),
        (Mode::Standard, Who::User(_)) | (Mode::Advanced, Who::Standard) => return Err(Refusal::OtherMode),
        (Mode::Advanced, Who::User(user)) => policy.user(user),
    };
    if !user.active {
        return Err(Refusal::Inactive);
    }
    let needed = ask.right();
    // Read gates every other right but Time Sync.
    if needed != Right::TimeSync && !user.rights.has(Right::Read) {
        return Err(Refusal::RightMissing(Right::Read));
    }
    if user.rights.has(needed) { Ok(()) } else { Err(Refusal::RightMissing(needed)) }
}

fn front_panel(policy: &Policy, who: Who, ask: Ask) -> Result<(), Refusal> {
    if ask.writes() && !policy.panel_programming {
        return Err(Refusal::SwitchOff("Front Panel Programming"));
    }
    match (policy.mode, ask) {
        (_, Ask::Read | Ask::ReadSetup) | (Mode::None, _) => Ok(()),
        (Mode::Advanced, ask) if ask.right() == Right::SecurityConfig => Err(Refusal::NoSecurityHere(Path::FrontPanel)),
        (_, _) if who == Who::Standard => Ok(()),
        _ => Err(Refusal::PasswordNeeded),
    }
}

fn modbus(policy: &Policy, ask: Ask) -> Result<(), Refusal> {
    if ask.right() == Right::SecurityConfig {
        return Err(Refusal::NoSecurityHere(Path::Modbus));
    }
    match ask {
        Ask::ReadSetup if policy.mode == Mode::Advanced && !policy.modbus_map => {
            Err(Refusal::SwitchOff("Modbus Map Access"))
        }
        Ask::Do(_) if !policy.modbus_programming => Err(Refusal::SwitchOff("Allow Modbus Programming")),
        Ask::Do(_) if policy.mode == Mode::Standard && policy.modbus_needs_password => Err(Refusal::ModbusPassword),
        _ => Ok(()),
    }
}

fn web(policy: &Policy, who: Who, ask: Ask) -> Result<(), Refusal> {
    if !policy.web_login {
        return match ask {
            Ask::Read | Ask::ReadSetup => Ok(()),
            Ask::ReadSecurity => Err(Refusal::NoSecurityHere(Path::Web)),
            Ask::Do(_) => Err(Refusal::ReadOnlyPages),
        };
    }
    if !policy.web_read {
        return Err(Refusal::SwitchOff("Web Access Read"));
    }
    // The switch is about what a login may do; where none is asked for, there is nothing to switch.
    if ask.writes() && !policy.web_configure && policy.mode != Mode::None {
        return Err(Refusal::SwitchOff("Web Server Configuration Access"));
    }
    by_account(policy, who, ask)?;
    // On this path a write takes Full Meter Config besides its own right.
    if ask.writes() { by_account(policy, who, Ask::Do(Right::FullConfig)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: Mode) -> Policy {
        let mut users = [Account::default(); 16];
        users[0] = Account { active: true, rights: Rights::ALL };
        users[1] = Account { active: true, rights: Rights::NONE.with(Right::Read) };
        users[2] = Account { active: false, rights: Rights::ALL };
        users[3] = Account { active: true, rights: Rights::NONE.with(Right::TimeSync).with(Right::FullConfig) };
        Policy {
            mode,
            users,
            web_login: false,
            web_read: true,
            web_configure: false,
            modbus_map: true,
            modbus_programming: false,
            modbus_needs_password: false,
            panel_programming: true,
        }
    }

    fn user(n: u8) -> Who {
        Who::User(UserId::new(n).unwrap())
    }

    /// One row of the manual's table: mode, path, who, ask, expected.
    #[test]
    fn b9_the_three_modes_as_the_manual_has_them() {
        use Ask::{Do, Read, ReadSecurity};
        use Right::{FullConfig, SecurityConfig, TimeSync};
        type Row = (Mode, Path, Who, Ask, Result<(), Refusal>);
        let rows: &[Row] = &[
            (Mode::Standard, Path::Setup, Who::Nobody, Read, Ok(())),
            (Mode::Standard, Path::Setup, Who::Nobody, ReadSecurity, Err(Refusal::PasswordNeeded)),
            (Mode::Standard, Path::Setup, Who::Nobody, Do(FullConfig), Err(Refusal::PasswordNeeded)),
            (Mode::Standard, Path::Setup, Who::Standard, Do(SecurityConfig), Ok(())),
            (Mode::Standard, Path::Ssh, user(1), Read, Err(Refusal::OtherMode)),
            (Mode::Standard, Path::Ssh, Who::Standard, Do(SecurityConfig), Ok(())),
            (Mode::Advanced, Path::Setup, Who::Nobody, Read, Err(Refusal::LoginNeeded)),
            (Mode::Advanced, Path::Setup, Who::Standard, Read, Err(Refusal::OtherMode)),
            (Mode::Advanced, Path::Sftp, user(2), Read, Ok(())),
            (Mode::Advanced, Path::Sftp, user(2), Do(FullConfig), Err(Refusal::RightMissing(FullConfig))),
            (Mode::Advanced, Path::Ssh, user(3), Read, Err(Refusal::Inactive)),
            (Mode::Advanced, Path::Ssh, user(4), Do(TimeSync), Ok(())),
            (Mode::Advanced, Path::Ssh, user(4), Do(FullConfig), Err(Refusal::RightMissing(Right::Read))),
            (Mode::Advanced, Path::FrontPanel, Who::Standard, Do(FullConfig), Ok(())),
            (
                Mode::Advanced,
                Path::FrontPanel,
                Who::Standard,
                Do(SecurityConfig),
                Err(Refusal::NoSecurityHere(Path::FrontPanel)),
            ),
            (Mode::None, Path::Setup, Who::Nobody, Do(SecurityConfig), Ok(())),
            (Mode::None, Path::Telnet, Who::Standard, Do(FullConfig), Ok(())),
            (Mode::Advanced, Path::Modbus, Who::Nobody, Read, Ok(())),
            (
                Mode::Standard,
                Path::Modbus,
                Who::Nobody,
                Do(FullConfig),
                Err(Refusal::SwitchOff("Allow Modbus Programming")),
            ),
        ];
        for (mode, path, who, ask, expected) in rows {
            assert_eq!(decide(&policy(*mode), *path, *who, *ask), *expected, "{mode} {path} {who} {ask:?}");
        }
    }

    #[test]
    fn b13_b14_pages_of_4_40_1_ask_nothing_show_no_security_and_change_nothing() {
        for mode in [Mode::Standard, Mode::Advanced] {
            for who in [Who::Nobody, Who::Standard, user(1)] {
                let policy = policy(mode);
                assert_eq!(decide(&policy, Path::Web, who, Ask::Read), Ok(()));
                assert_eq!(decide(&policy, Path::Web, who, Ask::ReadSecurity), Err(Refusal::NoSecurityHere(Path::Web)));
                for right in Right::ALL {
                    assert_eq!(decide(&policy, Path::Web, who, Ask::Do(right)), Err(Refusal::ReadOnlyPages));
                }
            }
        }
    }

    #[test]
    fn legacy_pages_take_a_login_and_their_two_switches() {
        let mut policy = Policy { web_login: true, ..policy(Mode::Standard) };
        assert_eq!(decide(&policy, Path::Web, Who::Nobody, Ask::Read), Err(Refusal::PasswordNeeded));
        assert_eq!(decide(&policy, Path::Web, Who::Standard, Ask::Read), Ok(()));
        let write = Ask::Do(Right::FullConfig);
        assert_eq!(
            decide(&policy, Path::Web, Who::Standard, write),
            Err(Refusal::SwitchOff("Web Server Configuration Access"))
        );
        policy.web_configure = true;
        assert_eq!(decide(&policy, Path::Web, Who::Standard, write), Ok(()));
        policy.web_read = false;
        assert_eq!(decide(&policy, Path::Web, Who::Standard, Ask::Read), Err(Refusal::SwitchOff("Web Access Read")));
    }

    #[test]
    fn legacy_modbus_writes_under_standard_only_while_the_password_is_zero() {
        let mut policy = Policy { modbus_programming: true, ..policy(Mode::Standard) };
        let write = Ask::Do(Right::FullConfig);
        assert_eq!(decide(&policy, Path::Modbus, Who::Nobody, write), Ok(()));
        policy.modbus_needs_password = true;
        assert_eq!(decide(&policy, Path::Modbus, Who::Nobody, write), Err(Refusal::ModbusPassword));
        policy.mode = Mode::Advanced;
        assert_eq!(decide(&policy, Path::Modbus, Who::Nobody, write), Ok(()));
    }

    #[test]
    fn no_path_gives_more_than_setup_gives_the_same_account() {
        for mode in [Mode::Standard, Mode::Advanced] {
            let policy = policy(mode);
            for path in Path::ALL.into_iter().filter(|path| path.carries_user(&policy)) {
                for who in [Who::Nobody, Who::Standard, user(1), user(2), user(3), user(4)] {
                    for ask in Ask::ALL {
                        if decide(&policy, path, who, ask).is_ok() {
                            assert_eq!(decide(&policy, Path::Setup, who, ask), Ok(()), "{mode} {path} {who} {ask:?}");
                        }
                    }
                }
            }
        }
    }
}
