//! What a meter says of itself: the same document on Setup, on the terminals and in files.

use std::collections::BTreeMap;
use std::fmt;

use firmware::Sight;
use framework::modules::power_meter;
use framework::modules::security_options::Service;
use framework::{Readings, RegisterName, Value};
use meter::{Disk, View};
use security::{Account, AccountId, Ask, CredentialKind, Path, UserId, Who};

use crate::faces::{Faces, Listening};
use crate::schedule;

pub use meter::utc_text;

/// What meters of this class have and this program doesn't.
pub const NOT_BUILT: [&str; 5] =
    ["DNP3", "DLMS", "IEC 61850 server", "the maker's own protocol", "serial and optical ports"];

/// A meter as somebody on a path may see it.
pub fn info(view: &View, faces: &Faces, path: Path, who: Who) -> api::Info {
    let release = view.release();
    let security = view.may(path, who, Ask::ReadSecurity).is_ok();
    api::Info {
        serial: view.identity.serial.clone(),
        model: release.model.clone(),
        release: release.release.clone(),
        device_type: release.device_type.clone(),
        mode: view.settings.mode(),
        factory_password: security.then(|| view.settings.factory_password()),
        services: Service::ALL.into_iter().map(|one| (one.name().to_owned(), service(view, faces, one))).collect(),
        users: security.then(|| users(view)),
        floor: view.identity.floor.clone().filter(|_| security),
        source: view.identity.source.clone(),
        utc_ms: view.readings.utc_ms,
        dangers: firmware::dangers(&view.settings, release, if security { Sight::Security } else { Sight::Outside }),
        remarks: remarks(view, faces, security),
        not_built: NOT_BUILT.map(str::to_owned).to_vec(),
    }
}

/// The users, for whoever may read security setup. Those that are inactive and as shipped are left out.
pub fn users(view: &View) -> Vec<api::User> {
    let user = |user: UserId| {
        let Account { active, rights } = view.settings.user(user);
        let factory_password = view.settings.credential(AccountId::User(user)) == CredentialKind::Factory;
        let keys = view.settings.keys_of(AccountId::User(user));
        let ssh_keys = keys.iter().map(security::PublicKey::fingerprint).collect();
        api::User { user, active, rights: rights.iter().collect(), factory_password, ssh_keys }
    };
    let in_use = |user: &api::User| {
        user.active || !user.rights.is_empty() || !user.factory_password || !user.ssh_keys.is_empty()
    };
    UserId::all().map(user).filter(in_use).collect()
}

/// The SSH keys of one account or of all, for whoever may read security setup.
pub fn ssh_keys(view: &View, of: Option<AccountId>) -> Vec<api::AccountKey> {
    let accounts = AccountId::all().filter(|account| of.is_none_or(|one| one == *account));
    let keys = accounts.flat_map(|account| view.settings.keys_of(account).iter().map(move |key| (account, key)));
    keys.map(|(account, key)| api::AccountKey {
        account,
        algorithm: key.algorithm().name().to_owned(),
        fingerprint: key.fingerprint(),
        comment: key.comment().to_owned(),
    })
    .collect()
}

fn service(view: &View, faces: &Faces, service: Service) -> api::Service {
    let Some(enabled) = view.settings.service(service) else { return api::Service::default() };
    let listening = faces.services.get(&service);
    let why = match listening {
        Some(Listening::Failed(why)) => Some(why.clone()),
        _ => None,
    };
    let port = match listening {
        Some(Listening::On(port)) => Some(*port),
        _ => faces.moved.get(&service).copied().or_else(|| view.settings.port(service)),
    };
    let web = |flag: bool| (service == Service::Web).then_some(flag);
    let policy = &view.policy;
    api::Service {
        available: true,
        enabled,
        port,
        listening: Some(matches!(listening, Some(Listening::On(_)))),
        why,
        read: web(!policy.web_login || policy.web_read),
        login: web(policy.web_login),
        configure: web(policy.web_login && policy.web_configure),
    }
}

fn remarks(view: &View, faces: &Faces, security: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(view.identity.lost_key.clone());
    if view.changing {
        remarks.push("A change of release is under way; settings stand still until it is over.".to_owned());
    }
    if security {
        remarks.extend(view.taken_back.clone());
        remarks.extend(view.schedule.as_deref().map(schedule::sentence));
    }
    match view.disk {
        Disk::Room => {}
        Disk::OnReserve => remarks.push(
            "The disk that holds the meter's state was full and the reserve is used: nothing new is taken in until there \
             is room again."
                .to_owned(),
        ),
        Disk::Full { since_utc_ms } => remarks.push(format!(
            "The disk that holds the meter's state is full: nothing has been stored since {}, energy is counted in memory \
             and is lost if the meter stops; free some space.",
            utc_text(since_utc_ms).unwrap_or_default(),
        )),
    }
    for (service, port) in &faces.moved {
        remarks.push(format!("{} is on port {port} for this run only; the setting is another.", service.title()));
    }
    remarks.extend(nominal_volts_off(view).map(str::to_owned));
    remarks
}

/// That sags and swells are off, where they are: a silent "off" has bitten people.
pub fn nominal_volts_off(view: &View) -> Option<&'static str> {
    let nominal: RegisterName = format!("{} 1/Nom Volts", power_meter::NAME).parse().ok()?;
    let off = view.settings.template.get(&nominal) == Some(&Value::Number(0.0));
    off.then_some("Nom Volts is 0, so sags and swells are not recorded.")
}

/// The whole access table, for whoever may read security setup: path and login to what it gets.
pub fn access(view: &View) -> BTreeMap<String, String> {
    firmware::access::table(&view.settings, view.release())
        .into_iter()
        .map(|((path, who), row)| (firmware::access::subject(path, who), firmware::access::words(Some(&row))))
        .collect()
}

/// A reading as people are shown it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The value, rounded to the decimals that the register's description asks for; none while there
    /// is none to show.
    pub value: Option<f64>,
    /// The unit, or nothing.
    pub unit: &'static str,
    decimals: u8,
}

/// The output register with this factory name; none where the template has no such register. Where
/// several modules have one, the first module's counts.
pub fn shown(readings: &Readings, register: &str) -> Option<Shown> {
    let outputs = readings.directory.outputs();
    let position = outputs.iter().position(|output| output.name.register == register)?;
    let output = &outputs[position];
    Some(Shown::of(readings.value(position), output.unit, output.decimals))
}

impl Shown {
    /// A value rounded to so many decimals.
    pub fn of(value: Option<f64>, unit: &'static str, decimals: u8) -> Self {
        let scale = 10f64.powi(i32::from(decimals));
        // Adding zero turns -0.0, what is left of a small negative value, into 0.0.
        let value = value.map(|value| (value * scale).round() / scale + 0.0);
        Self { value, unit, decimals }
    }

    /// A reading that isn't there.
    pub fn missing(unit: &'static str) -> Self {
        Self { value: None, unit, decimals: 0 }
    }
}

impl fmt::Display for Shown {
    /// Number, space, unit. Where there is no value two hyphens stand in its place: a program that
    /// reads them as a number must fail, which a 0 would not make it do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{value:.*}", usize::from(self.decimals))?,
            None => f.write_str("--")?,
        }
        if self.unit.is_empty() { Ok(()) } else { write!(f, " {}", self.unit) }
    }
}
