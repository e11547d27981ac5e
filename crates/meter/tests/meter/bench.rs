//! A meter on a real store in a directory of its own, without faces.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use firmware::{Choices, PasswordStorage, Plan, Settings};
use meter::{
    Birth, Caller, ChangeSet, Edit, Edited, Facing, Gate, GateError, Now, Request, Surroundings, Ticket, View, boot,
};
use metrology::{EnergyIncrement, EnergyRegister};
use security::{AccountId, Credential, HashMemory, Password};
use store::{OpenOptions, Store};

pub const NOW: Now = Now { utc_ms: 1_767_225_600_000, up_ms: 0 };

struct Nowhere;

impl Surroundings for Nowhere {
    fn make_room(&self, _: &Settings, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn show(&self, _: &Arc<View>) {}
}

pub fn open(dir: &Path, release: Option<&str>) -> Gate {
    open_at(dir, release, NOW)
}

pub fn open_at(dir: &Path, release: Option<&str>, now: Now) -> Gate {
    open_as("MW-2611A001-01", dir, release, now)
}

pub fn open_as(serial: &str, dir: &Path, release: Option<&str>, now: Now) -> Gate {
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    let birth = Birth {
        serial: serial.to_owned(),
        release: release.map(|release| release.parse().unwrap()),
        ports: Vec::new(),
        trust: Vec::new(),
        source: "a test".to_owned(),
    };
    let shipped = Arc::new(firmware::shipped().unwrap());
    let opened = Store::open(&dir.join("state"), &options).unwrap();
    boot(opened, birth, shipped, now, Arc::new(Nowhere)).unwrap().gate
}

pub fn account(login: &str) -> AccountId {
    AccountId::from_login(login).unwrap()
}

pub fn password(text: &str) -> Password {
    Password::new(text).unwrap()
}

pub fn edit(gate: &Gate, edits: Vec<Edit>) -> Result<Edited, GateError> {
    gate.apply(NOW, &Caller::meter(), ChangeSet { edits, force: false })
}

pub fn set(gate: &Gate, register: &str, value: &str) {
    edit(gate, vec![Edit::Register(register.to_owned(), value.to_owned())]).unwrap();
}

/// A password in the form that the meter's release stores.
pub fn credential(gate: &Gate, text: &str) -> Credential {
    match gate.view().release().password_storage {
        PasswordStorage::Readable => Credential::readable(password(text)).unwrap(),
        PasswordStorage::Hashed => {
            let key = gate.device_key().unwrap();
            security::vault::hash(&password(text), [7; 16], &key, &mut HashMemory::new())
        }
    }
}

pub fn set_password(gate: &Gate, login: &str, text: &str) {
    edit(gate, vec![Edit::Password(account(login), credential(gate, text))]).unwrap();
}

pub fn count_energy(gate: &Gate, watt_hours: u64) {
    let mut micro = [0; EnergyRegister::COUNT];
    micro[EnergyRegister::WhDel as usize] = watt_hours * 1_000_000;
    gate.tick(NOW, None, &EnergyIncrement::from_micro(micro)).unwrap();
}

/// The request for a shipped release, its package staged.
pub fn request(gate: &Gate, release: &str, choices: Choices) -> Request {
    let shipped = firmware::shipped().unwrap();
    let release = release.parse().unwrap();
    let package = shipped.iter().find(|shipped| shipped.carried.release.release == release).unwrap();
    let package = gate.stage(NOW, &Caller::meter(), &package.bytes).unwrap().package;
    Request { package, choices, setup: "3.2.30377.02".parse().unwrap(), hash_check: "built in".to_owned() }
}

/// Accepts the plan as it is now and makes the credentials it wants.
pub fn accept(
    gate: &Gate,
    request: Request,
    new_passwords: &[(&str, &str)],
) -> (Ticket, BTreeMap<AccountId, Credential>) {
    let plan: Plan = gate.plan(NOW, &Caller::meter(), &request).unwrap();
    let ticket = gate.accept(NOW, &Caller::meter(), request, &plan.digest).unwrap();
    let mut memory = HashMemory::new();
    let mut made = BTreeMap::new();
    for (account, credential) in ticket.to_hash() {
        let Credential::Readable(secret) = &*credential else { panic!("{account} has nothing to hash") };
        let key = ticket.key.clone().unwrap();
        made.insert(account, security::vault::hash(secret, [account.login().len() as u8; 16], &key, &mut memory));
    }
    for (login, text) in new_passwords {
        let credential = match ticket.storage() {
            PasswordStorage::Readable => Credential::readable(password(text)).unwrap(),
            PasswordStorage::Hashed => {
                security::vault::hash(&password(text), [9; 16], &ticket.key.clone().unwrap(), &mut memory)
            }
        };
        made.insert(account(login), credential);
    }
    (ticket, made)
}

/// Faces that are as the settings say.
pub fn as_settings_say(gate: &Gate) -> Facing {
    use framework::modules::security_options::Service;
    let view = gate.view();
    let listening = Service::ALL.into_iter().map(|service| (service, view.settings.service(service) == Some(true)));
    Facing { listening: listening.collect(), failures: Vec::new() }
}

/// The whole change, confirmed.
pub fn change(gate: &Gate, release: &str) -> firmware::report::Report {
    let (ticket, made) = accept(gate, request(gate, release, Choices::default()), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    gate.end_trial(NOW, &ticket, &as_settings_say(gate)).unwrap()
}

/// Whether a text lies in any file below a directory.
pub fn found_in_files(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found_in_files(&path, text)
        } else {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        }
    })
}

/// A package of 4.40.1's data under another number, signed with a key of one's own.
pub fn signed_package(key: &firmware::package::SigningKey, release: &str) -> Vec<u8> {
    let toml =
        include_str!("../../../../releases/4.40.1/release.toml").replacen("4.40.1\"", &format!("{release}\""), 1);
    let parts = firmware::package::PackageParts {
        target: firmware::package::Target::METER,
        release: &release.parse().unwrap(),
        release_toml: &toml,
        template_dcf: include_str!("../../../../releases/4.40.1/template.dcf"),
        notes_md: include_str!("../../../../releases/4.40.1/whats-new.md"),
    };
    firmware::package::build_package(&parts, Some(key)).unwrap()
}
