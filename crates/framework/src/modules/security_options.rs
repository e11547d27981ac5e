//! Security Options module: the mode, which services are on and at which ports, and the switches
//! that decide about access. Which of these registers a release has, and what they hold as shipped,
//! is the release's own data; a register that a release doesn't have isn't in its meters' template.

use security::Right;

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister};
use crate::template::ModuleName;

/// The kind's name.
pub const NAME: &str = "Security Options";
/// The security mode; enumerated.
pub const MODE: &str = "Mode";
/// Legacy: the first of the ports that FTP's data connections come to; 0 is any free one.
pub const FTP_PASSIVE_FIRST_PORT: &str = "FTP Passive First Port";
/// Legacy: how many there are from the first one on.
pub const FTP_PASSIVE_PORTS: &str = "FTP Passive Ports";
/// Legacy: whether the pages can be read at all.
pub const WEB_ACCESS_READ: &str = "Web Access Read";
/// Legacy: whether the pages may change set-up.
pub const WEB_CONFIGURATION: &str = "Web Server Configuration Access";
/// Under Advanced: whether Modbus shows more than the Modbus Slave registers.
pub const MODBUS_MAP: &str = "Modbus Map Access";
/// Whether Modbus may write at all.
pub const MODBUS_PROGRAMMING: &str = "Allow Modbus Programming";
/// Whether the front panel may change anything.
pub const PANEL_PROGRAMMING: &str = "Front Panel Programming";
/// How many wrong passwords lock a source out; 0 never does.
pub const INVALID_ATTEMPTS: &str = "Invalid Attempts";
/// How long a lock-out lasts.
pub const LOCKOUT_MINUTES: &str = "Lock-out Minutes";
/// After how many idle minutes a session ends.
pub const SESSION_TIMEOUT: &str = "Session Time-out";
/// Priority of a valid login's event.
pub const VALID_LOGIN_PRIORITY: &str = "Valid Login Priority";
/// Priority of an invalid login's event.
pub const INVALID_LOGIN_PRIORITY: &str = "Invalid Login Priority";
/// Priority of a lock-out's event.
pub const LOCKOUT_PRIORITY: &str = "Lock-out Priority";
/// Of the event that tells of a demand reset.
pub const DEMAND_RESET_PRIORITY: &str = "Demand Reset Priority";

/// The Security Options module.
pub struct SecurityOptions;

const fn register(name: &'static str, unit: &'static str, range: Range, factory: Factory) -> SetupRegister {
    SetupRegister { name, unit, range, factory, right: Right::SecurityConfig }
}

const fn switch(name: &'static str, factory: bool) -> SetupRegister {
    register(name, "", Range::YesNo, Factory::Flag(factory))
}

/// Ports are as the trade knows them; 0 is never kept, it only asks for a free one at the start.
const fn port(name: &'static str, factory: u32) -> SetupRegister {
    register(name, "", Range::whole(1, 65535), Factory::Number(factory as f64))
}

const fn priority(name: &'static str, factory: u32) -> SetupRegister {
    register(name, "", Range::whole(0, 255), Factory::Number(factory as f64))
}

const MODES: [&str; 3] = ["none", "standard", "advanced"];

static SETUP: [SetupRegister; 29] = [
    register(MODE, "", Range::Choice(&MODES), Factory::Text("standard")),
    switch("Setup", true),
    port("Setup Port", 7700),
    switch("SSH", false),
    switch("SFTP", true),
    port("SSH Port", 22),
    switch("Telnet", true),
    port("Telnet Port", 23),
    switch("FTP", true),
    port("FTP Port", 21),
    register(FTP_PASSIVE_FIRST_PORT, "", Range::whole(0, 65535), Factory::Number(0.0)),
    register(FTP_PASSIVE_PORTS, "", Range::whole(1, 1000), Factory::Number(100.0)),
    switch("Web Server", true),
    port("Web Server Port", 80),
    switch(WEB_ACCESS_READ, true),
    switch(WEB_CONFIGURATION, false),
    switch("Modbus", true),
    port("Modbus Port", 502),
    switch(MODBUS_MAP, true),
    switch(MODBUS_PROGRAMMING, false),
    switch(PANEL_PROGRAMMING, true),
    switch("Broadcast Time Sync", true),
    register(INVALID_ATTEMPTS, "", Range::whole(0, 255), Factory::Number(5.0)),
    register(LOCKOUT_MINUTES, "min", Range::whole(1, 1440), Factory::Number(15.0)),
    register(SESSION_TIMEOUT, "min", Range::whole(1, 43200), Factory::Number(15.0)),
    priority(VALID_LOGIN_PRIORITY, 20),
    priority(INVALID_LOGIN_PRIORITY, 128),
    priority(LOCKOUT_PRIORITY, 255),
    priority(DEMAND_RESET_PRIORITY, 25),
];

impl Kind for SecurityOptions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}

/// The one Security Options module of a meter.
pub fn module() -> ModuleName {
    ModuleName::new(NAME, 1).expect("the kind is in the list and a meter may have one")
}

/// A service of a meter: something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The SSH terminal.
    Ssh,
    /// File transfer, on the SSH listener.
    Sftp,
    /// The web pages.
    Web,
    /// The legacy terminal.
    Telnet,
    /// Legacy file transfer.
    Ftp,
    /// Modbus TCP.
    Modbus,
    /// Setup's protocol.
    Setup,
}

impl Service {
    /// Every service, in the order people are shown them.
    pub const ALL: [Self; 7] = [Self::Ssh, Self::Sftp, Self::Web, Self::Telnet, Self::Ftp, Self::Modbus, Self::Setup];

    /// The name on the command line, in JSON and in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Sftp => "sftp",
            Self::Web => "web",
            Self::Telnet => "telnet",
            Self::Ftp => "ftp",
            Self::Modbus => "modbus",
            Self::Setup => "setup",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ssh => "SSH",
            Self::Sftp => "SFTP",
            Self::Web => "Web server",
            Self::Telnet => "Telnet",
            Self::Ftp => "FTP",
            Self::Modbus => "Modbus",
            Self::Setup => "Setup",
        }
    }

    /// The register that turns it on.
    pub fn switch(self) -> &'static str {
        match self {
            Self::Web => "Web Server",
            other => other.title(),
        }
    }

    /// The register that holds its port. SFTP shares SSH's listener.
    pub fn port(self) -> &'static str {
        match self {
            Self::Ssh | Self::Sftp => "SSH Port",
            Self::Web => "Web Server Port",
            Self::Telnet => "Telnet Port",
            Self::Ftp => "FTP Port",
            Self::Modbus => "Modbus Port",
            Self::Setup => "Setup Port",
        }
    }

    /// The service with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use security::Mode;

    use super::*;

    #[test]
    fn every_service_has_its_registers_and_modes_have_their_names() {
        for service in Service::ALL {
            for wanted in [service.switch(), service.port()] {
                assert!(SETUP.iter().any(|register| register.name == wanted), "{wanted}");
            }
        }
        assert_eq!(MODES, Mode::ALL.map(Mode::name));
    }
}
