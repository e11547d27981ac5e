//! What a meter offers, in the four states that people compare: as shipped with each release, and after the change
//! from one to the other. Everything here is worked out from the releases' own descriptions and `migrate()`; the
//! manual's page shows it, and a whole-system test holds living meters against it.

use firmware::{Choices, CredentialAction, Release, Settings, WebPages, migrate};
use framework::modules::security_options::{self as options, Service};
use framework::{Dcf, RegisterName, Value};
use security::{AccountId, CredentialKind, Mode};

/// Where a change leaves things as they were.
pub const AS_BEFORE: &str = "as before";
/// Where a release lacks something.
pub const NONE: &str = "–";

/// The shipped releases, oldest first.
pub fn shipped() -> Vec<Release> {
    firmware::shipped().unwrap().into_iter().map(|shipped| shipped.carried.release).collect()
}

/// A meter as it is shipped.
pub fn factory(release: &Release) -> Settings {
    let template: Dcf = firmware::shipped().unwrap().remove(0).carried.template;
    Settings::factory(release, &template)
}

/// The same with every switch the other way, but for Setup's, which is turned off only at the meter.
pub fn opposite(release: &Release) -> Settings {
    let mut settings = factory(release);
    for (register, value) in &release.security_options {
        if let Value::Flag(on) = value
            && register != Service::Setup.switch()
        {
            settings.template.set(&option(register), &Value::Flag(!on)).unwrap();
        }
    }
    settings
}

/// A Security Options register.
pub fn option(register: &str) -> RegisterName {
    format!("{}/{register}", options::module()).parse().unwrap()
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Whether something listens.
    Service(Service),
    /// Whether Modbus may write.
    ModbusProgramming,
    /// Whether the pages can be read while the web server is on.
    WebRead,
    /// Whether they ask for a login.
    WebLogin,
    /// Whether they may change set-up.
    WebConfiguration,
    /// Whether the front panel may change anything.
    PanelProgramming,
    /// The security mode.
    Mode,
    /// The front panel's password.
    PanelPassword,
    /// The users' passwords.
    UserPasswords,
}

impl Row {
    /// All, in the order of the page.
    pub fn all() -> Vec<Self> {
        use Service::{Ftp, Modbus, Setup, Sftp, Ssh, Telnet, Web};
        let mut rows: Vec<Self> = [Setup, Ssh, Sftp, Telnet, Ftp, Web].map(Self::Service).to_vec();
        rows.extend([Self::WebRead, Self::WebLogin, Self::WebConfiguration, Self::Service(Modbus)]);
        rows.extend([Self::ModbusProgramming, Self::PanelProgramming]);
        rows.extend([Self::Mode, Self::PanelPassword, Self::UserPasswords]);
        rows
    }

    /// What people call it.
    pub fn title(self) -> String {
        match self {
            Self::Service(service) => service.title().to_owned(),
            Self::ModbusProgramming => "Modbus: may write".to_owned(),
            Self::WebRead => "Web pages: can be read".to_owned(),
            Self::WebLogin => "Web pages: ask for a login".to_owned(),
            Self::WebConfiguration => "Web pages: may change set-up".to_owned(),
            Self::PanelProgramming => "Front panel: may change set-up".to_owned(),
            Self::Mode => "Security mode".to_owned(),
            Self::PanelPassword => "Front-panel password".to_owned(),
            Self::UserPasswords => "Users' passwords".to_owned(),
        }
    }

    /// How it is on a meter with these settings.
    pub fn state(self, settings: &Settings, release: &Release) -> String {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let policy = settings.policy(release);
        match self {
            Self::Service(service) => settings.service(service).map_or(NONE, |on| if on { "on" } else { "off" }),
            Self::ModbusProgramming => yes(policy.modbus_programming),
            Self::WebRead => yes(!policy.web_login || policy.web_read),
            Self::WebLogin => yes(release.web_pages == WebPages::Login),
            Self::WebConfiguration => yes(policy.web_login && policy.web_configure),
            Self::PanelProgramming => yes(policy.panel_programming),
            Self::Mode => settings.mode().name(),
            Self::PanelPassword => password(settings, AccountId::FrontPanel),
            Self::UserPasswords => password(settings, AccountId::all().nth(1).unwrap()),
        }
        .to_owned()
    }
}

fn password(settings: &Settings, account: AccountId) -> &'static str {
    if settings.credential(account) == CredentialKind::Factory { "0" } else { "own" }
}

/// A state that people compare.
pub struct Column {
    /// What it is called.
    pub title: String,
    /// The release that the meter has before a change, where there is one.
    pub from: Option<Release>,
    /// The release that it has.
    pub release: Release,
    /// Meters in it: as shipped before it, and with every switch the other way.
    pub meters: Vec<Settings>,
}

impl Column {
    fn shipped(release: Release) -> Self {
        let title = format!("{} as shipped", release.release);
        Self { title, from: None, meters: vec![factory(&release)], release }
    }

    fn changed(from: Release, to: Release, what: &str) -> Self {
        let after = |before| migrate(&before, &from, &to, &Choices::default()).settings;
        let meters = vec![after(factory(&from)), after(opposite(&from))];
        Self { title: format!("after {what} to {}", to.release), from: Some(from), release: to, meters }
    }

    /// What the page says.
    pub fn cell(&self, row: Row) -> String {
        let states: Vec<String> = self.meters.iter().map(|settings| row.state(settings, &self.release)).collect();
        let Some(from) = &self.from else { return states[0].clone() };
        match row {
            Row::Mode => self.mode(from),
            Row::PanelPassword => self.kept(from, AccountId::FrontPanel),
            Row::UserPasswords => self.kept(from, AccountId::all().nth(1).unwrap()),
            _ if states.iter().all(|state| *state == states[0]) => states[0].clone(),
            _ => AS_BEFORE.to_owned(),
        }
    }

    /// The mode, and those that become another.
    fn mode(&self, from: &Release) -> String {
        let becomes = from.modes.iter().filter(|mode| self.release.nearest_mode(**mode) != **mode);
        let others =
            becomes.map(|mode| format!("; {} becomes {}", title(*mode), title(self.release.nearest_mode(*mode))));
        format!("{AS_BEFORE}{}", others.collect::<String>())
    }

    /// What becomes of a password that somebody has chosen.
    fn kept(&self, from: &Release, account: AccountId) -> String {
        let mut before = factory(from);
        before.credentials.insert(account, from.password_storage.kind());
        match migrate(&before, from, &self.release, &Choices::default()).credentials[&account] {
            CredentialAction::Keep => AS_BEFORE.to_owned(),
            CredentialAction::Hash => format!("{AS_BEFORE}, stored hashed"),
            CredentialAction::Reset => "0, or new ones given with the change".to_owned(),
            CredentialAction::Replace => unreachable!("nobody gave one"),
        }
    }
}

fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::None => "No security",
        Mode::Standard => "Standard",
        Mode::Advanced => "Advanced",
    }
}

/// The four states, of the two shipped releases.
pub fn columns() -> [Column; 4] {
    let [old, new]: [Release; 2] = shipped().try_into().unwrap();
    [
        Column::shipped(old.clone()),
        Column::shipped(new.clone()),
        Column::changed(old.clone(), new.clone(), "an upgrade"),
        Column::changed(new, old, "a downgrade"),
    ]
}
