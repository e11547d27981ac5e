//! Every account at every face: what the access table lets expect, and what a client finds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use firmware::access;
use framework::modules::security_options::Service;
use host::RunningMeter;
use security::{AccountId, Path, Who};
use serde::Serialize;
use setup::probe::{self, Channel, Login, Outcome};
use setup::{Acceptance, Address, KnownMeters, Trust};

use super::people::People;
use crate::failure::Failure;

/// What should come of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The login, or the reading without one, succeeds.
    In,
    /// The face says no.
    Refused,
    /// Nothing listens.
    Closed,
}

impl Expected {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

/// One try.
#[derive(Debug, Clone, Serialize)]
pub struct Try {
    /// The release that ran.
    pub release: String,
    /// What the access table says.
    pub expected: Expected,
    /// What was found.
    pub found: Expected,
    /// What was found, in the face's own words where it said any.
    pub words: String,
}

impl Try {
    /// Whether it came as expected.
    pub fn as_expected(&self) -> bool {
        self.expected == self.found
    }
}

/// All tries.
#[derive(Debug, Default, Serialize)]
pub struct Tries {
    /// The releases that ran, phase by phase.
    pub releases: Vec<String>,
    /// Each login at each face.
    pub rows: Vec<Row>,
}

/// One login at one face.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The face.
    pub face: Face,
    /// The login; `anyone` without one.
    pub login: String,
    /// What came of it, phase by phase.
    pub tries: Vec<Try>,
}

/// A face, in the order of the manual.
pub type Face = &'static str;

/// The faces that carry a login, and their paths.
const FACES: [(Face, Path, Service); 6] = [
    ("setup", Path::Setup, Service::Setup),
    ("sftp", Path::Sftp, Service::Sftp),
    ("ssh", Path::Ssh, Service::Ssh),
    ("telnet", Path::Telnet, Service::Telnet),
    ("ftp", Path::Ftp, Service::Ftp),
    ("web", Path::Web, Service::Web),
];

impl Tries {
    /// Each try.
    pub fn all(&self) -> impl Iterator<Item = &Try> {
        self.rows.iter().flat_map(|row| &row.tries)
    }

    /// Tries everybody everywhere, as the meter is now.
    pub async fn phase(&mut self, meter: &RunningMeter, people: &People, release: String) -> Result<(), Failure> {
        let view = meter.site.view();
        let table = access::table(&view.settings, view.release());
        let open: BTreeMap<Service, SocketAddr> = meter.addresses().into_iter().collect();
        for (face, path, service) in FACES {
            let address = open.get(&service).copied();
            let anyone = table.contains_key(&(path, Who::Nobody));
            for account in people.accounts() {
                let Some(password) = people.password(account) else { continue };
                let who = match account {
                    AccountId::FrontPanel => Who::Standard,
                    AccountId::User(user) => Who::User(user),
                };
                let expected = match address {
                    None => Expected::Closed,
                    Some(_) if table.contains_key(&(path, who)) || (anyone && face == "web") => Expected::In,
                    Some(_) => Expected::Refused,
                };
                let name = account.login();
                let login = Login { name: &name, password };
                let outcome = match address {
                    None => Outcome::NotListening,
                    Some(address) => at(face, address, login).await,
                };
                self.add(face, name, &release, expected, &outcome);
            }
        }
        let modbus = open.get(&Service::Modbus).copied();
        let expected = if modbus.is_some() { Expected::In } else { Expected::Closed };
        let outcome = match modbus {
            Some(address) => probe::modbus(address).await,
            None => Outcome::NotListening,
        };
        self.add("modbus", "anyone".to_owned(), &release, expected, &outcome);
        self.releases.push(release);
        Ok(())
    }

    fn add(&mut self, face: Face, login: String, release: &str, expected: Expected, outcome: &Outcome) {
        let found = match outcome {
            Outcome::LoggedIn | Outcome::Reads | Outcome::Writes => Expected::In,
            Outcome::Refused(_) | Outcome::Failed(_) => Expected::Refused,
            Outcome::NotListening => Expected::Closed,
        };
        let one = Try { release: release.to_owned(), expected, found, words: outcome.to_string() };
        match self.rows.iter_mut().find(|row| row.face == face && row.login == login) {
            Some(row) => row.tries.push(one),
            None => self.rows.push(Row { face, login, tries: vec![one] }),
        }
    }
}

async fn at(face: Face, address: SocketAddr, login: Login<'_>) -> Outcome {
    match face {
        "sftp" => probe::ssh(address, Channel::Files, login).await,
        "ssh" => probe::ssh(address, Channel::Terminal, login).await,
        "telnet" => probe::telnet(address, login).await,
        "ftp" => probe::ftp(address, login).await,
        "web" => probe::web(address, Some(login)).await,
        _ => {
            let Ok(meter) = Address::new(&address.ip().to_string(), address.port()) else {
                return Outcome::Failed("no address".to_owned());
            };
            let mut known = KnownMeters::in_memory();
            let mut accept = |_: &Address, _: &_| Acceptance::Pin;
            probe::setup(meter, Trust::Known(&mut known, &mut accept), Some(login)).await
        }
    }
}
