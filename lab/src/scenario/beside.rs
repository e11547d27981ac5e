//! What a recorded meter gets from elsewhere: the sealed backup of another meter, which has a device key of its own, and
//! a signed package that rotates the keys a meter trusts. Nothing of how they are made is part of a recording.

use firmware::Version;
use firmware::backup::{Form, Secrets};
use firmware::package::{KeyChanges, PackageParts, SigningKey, Target, build_rotation};
use firmware::release::SHIPPED;
use meter::{Caller, ChangeSet, Edit, Gate, Now, Restoring};
use metrology::{EnergyIncrement, EnergyRegister, Quantities};
use security::sealed::PassphraseKey;
use security::{AccountId, HashMemory, Password};
use zeroize::Zeroizing;

use crate::oracle::{self, BEGINNING_MS};

/// What the rotating package brings.
pub const ROTATING: &str = "4.42.0";
/// The release of the meter that the backup is of, and whose template the package has.
const RELEASE: &str = "4.40.1";
const PASSPHRASE: &str = "the laboratory's passphrase";
const SALT: [u8; 16] = [5; 16];

/// The sealed backup of a meter that has measured more than the recorded one will have by then.
pub fn sealed_backup() -> Vec<u8> {
    let dir = crate::run::scratch();
    oracle::prepare(dir.path());
    let at = |seconds: i64| Now { utc_ms: BEGINNING_MS + seconds * 1000, up_ms: seconds * 1000 };
    let gate = oracle::start_as("MW-2611A002-01", dir.path(), Some(RELEASE), at(0)).expect("another meter starts");
    let me = Caller::meter();
    let key = gate.device_key().expect("the device key is there");
    let password = |login: &str, text: &str| {
        let hash = security::vault::hash(&password(text), [9; 16], &key, &mut HashMemory::new());
        Edit::Password(AccountId::from_login(login).expect("an account"), hash)
    };
    let register = |name: &str, value: &str| Edit::Register(name.to_owned(), value.to_owned());
    let edits = vec![
        password("8650", "90125463"),
        password("USER1", "hG5+ty"),
        register("Periodic Timer 1/Period", "1"),
        register("Data Recorder 1/Depth", "3"),
        register("Mode", "advanced"),
    ];
    gate.apply(at(0), &me, ChangeSet { edits, force: false }).expect("the change is made");
    for second in 1..=3 {
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = 1_000_000_000;
        let increment = EnergyIncrement::from_micro(micro);
        gate.tick(at(second), Some(&Quantities::default()), &increment).expect("a second is stored");
    }
    let backup = gate.begin_backup(at(3), &me, Form::Sealed).expect("a backup is begun");
    let mut bytes = Vec::new();
    let seal = |secrets: &Secrets, over: &_| Some(secrets.seal(over, &SALT, passphrase()));
    let line = |line: Vec<u8>| {
        bytes.extend(line);
        Ok(())
    };
    gate.write_backup(backup, seal, line).expect("it is whole");
    bytes
}

/// The backup as a meter has received it, opened with its passphrase.
pub fn opened(gate: &Gate, now: Now, bytes: &[u8]) -> Restoring {
    let mut upload = gate.receive_backup(now, &Caller::meter()).expect("a backup may come");
    upload.append(bytes).expect("it comes in");
    let backup = upload.finish().expect("it is a backup");
    let (part, over) = backup.sealed().expect("it is sealed");
    let secrets = Secrets::open(part, over, &passphrase()).expect("the passphrase opens it");
    Restoring { backup, secrets: Some(secrets), new_passwords: Default::default(), force: false }
}

fn passphrase() -> PassphraseKey {
    PassphraseKey::derive(&password(PASSPHRASE), &SALT, &mut HashMemory::new())
}

fn password(text: &str) -> Password {
    Password::new(text).expect("a password")
}

/// The key that the recorded meter trusts until it is rotated.
pub fn trusted_key() -> SigningKey {
    key(1)
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_random(&Zeroizing::new([byte; 32]), "laboratory").expect("a key")
}

/// A package that brings another key, and takes the trust of the one that signed it.
pub fn rotating_package() -> Vec<u8> {
    let sources = SHIPPED.iter().find(|sources| sources.release_toml.contains(&named(RELEASE)));
    let sources = sources.expect("the release is shipped");
    let release: Version = ROTATING.parse().expect("a version");
    let parts = PackageParts {
        target: Target::METER,
        release: &release,
        release_toml: &sources.release_toml.replace(&named(RELEASE), &named(ROTATING)),
        template_dcf: sources.template_dcf,
        notes_md: "",
    };
    let keys = KeyChanges { trust: vec![key(2).public()], revoke: vec![trusted_key().public().id()] };
    build_rotation(&parts, &keys, &trusted_key()).expect("it can be built")
}

fn named(release: &str) -> String {
    format!("release = \"{release}\"")
}
