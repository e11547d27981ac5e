//! Backups between two meters: what comes over and what never does, and a device key that changes while power may fail.

use std::collections::BTreeMap;
use std::path::Path;

use firmware::backup::{Form, LineKind, RestorePlan, Secrets};
use firmware::{Kind, Severity};
use meter::{Caller, Edit, Gate, GateError, Restoring};
use metrology::{EnergyIncrement, EnergyRegister, Power, Quantities};
use security::sealed::PassphraseKey;
use security::{HashMemory, Verdict, Work};

use crate::bench::{
    NOW, account, change, count_energy, credential, edit, open, open_as, open_at, password, set, set_password,
};

const PASSPHRASE: &str = "a long passphrase";
const OTHER: &str = "MW-2611A002-01";

/// A meter with users, keys, a recorder's records and energy.
fn lived(dir: &Path) -> Gate {
    let gate = open(dir, Some("4.40.1"));
    set_password(&gate, "USER1", "abc");
    set_password(&gate, "8650", "4711");
    set(&gate, "PT Prim", "14400");
    set(&gate, "Mode", "advanced");
    set(&gate, "Periodic Timer 1/Period", "10");
    for second in 1..=25 {
        let now = meter::Now { utc_ms: NOW.utc_ms + second * 1000, up_ms: second * 1000 };
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = 1_000_000;
        gate.tick(now, Some(&Quantities::default()), &EnergyIncrement::from_micro(micro)).unwrap();
    }
    gate
}

fn key(salt: &[u8; 16], passphrase: &str) -> PassphraseKey {
    PassphraseKey::derive(&password(passphrase), salt, &mut HashMemory::new())
}

fn taken(gate: &Gate, form: Form) -> Vec<u8> {
    let backup = gate.begin_backup(NOW, &Caller::meter(), form).unwrap();
    let mut bytes = Vec::new();
    let seal = |secrets: &Secrets, over: &_| Some(secrets.seal(over, &[5; 16], key(&[5; 16], PASSPHRASE)));
    let line = |line: Vec<u8>| {
        bytes.extend(line);
        Ok(())
    };
    gate.write_backup(backup, seal, line).unwrap();
    bytes
}

fn restoring(gate: &Gate, bytes: &[u8]) -> Result<Restoring, GateError> {
    let mut upload = gate.receive_backup(NOW, &Caller::meter())?;
    for piece in bytes.chunks(1000) {
        upload.append(piece)?;
    }
    let backup = upload.finish()?;
    let secrets = match backup.sealed() {
        None => None,
        Some((part, over)) => Some(Secrets::open(part, over, &key(&part.salt()?, PASSPHRASE))?),
    };
    Ok(Restoring { backup, secrets, new_passwords: Default::default(), force: false })
}

fn restored(gate: &Gate, bytes: &[u8]) -> RestorePlan {
    let wanted = restoring(gate, bytes).unwrap();
    let plan = gate.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
    let makes = gate.restore_makes(NOW, &Caller::meter(), &wanted).unwrap();
    let mut made = BTreeMap::new();
    for (account, readable) in makes.hash {
        let security::Credential::Readable(secret) = &*readable else { panic!("{account} is not readable") };
        let key = makes.key.clone().unwrap();
        made.insert(account, security::vault::hash(secret, [3; 16], &key, &mut HashMemory::new()));
    }
    let done = gate.restore(NOW, &Caller::meter(), &wanted, made, &plan.digest).unwrap();
    assert!(done.restored);
    assert_eq!((&done.lines, &done.digest), (&plan.lines, &plan.digest), "what is shown is what is done");
    done
}

fn opens(gate: &Gate, login: &str, text: &str) -> Verdict {
    let challenge = gate.begin_login(NOW, security::Path::Setup, login, None).unwrap();
    let (credential, key) = (challenge.credential.clone(), challenge.key.clone());
    let memory = &mut HashMemory::new();
    security::vault::verify(credential.as_deref(), &password(text), key.as_deref(), memory, Work::Hashing)
}

fn energy(gate: &Gate) -> u64 {
    gate.view().energy.micro(EnergyRegister::WhDel)
}

/// Number of the epoch, its oldest and its newest record, whether it is open.
fn epochs(gate: &Gate) -> Vec<(u32, Option<u64>, Option<u64>, bool)> {
    let recorders = gate.recorders(&Caller::meter()).unwrap();
    let epochs = &recorders.iter().find(|recorder| recorder.module == 1).unwrap().epochs;
    epochs.iter().map(|epoch| (epoch.number, epoch.first, epoch.last, epoch.closed_utc_ms.is_none())).collect()
}

#[test]
fn b29_a_sealed_backup_makes_a_replacement_this_meter_with_its_logins() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = taken(&lived(one.path()), Form::Sealed);
    let gate = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    count_energy(&gate, 3);
    let own_key = gate.device_key().unwrap().id();
    let plan = restored(&gate, &bytes);
    assert!(plan.lines.iter().any(|line| line.kind == LineKind::DeviceKey && line.before == own_key.to_string()));
    let look = |gate: &Gate| {
        assert_eq!(opens(gate, "USER1", "abc"), Verdict::Right);
        assert_eq!(opens(gate, "USER1", "0"), Verdict::Wrong);
        assert_eq!((energy(gate), gate.view().identity.serial.as_str()), (25_000_000, OTHER));
        assert_eq!(gate.view().settings.mode(), security::Mode::Advanced);
        assert_ne!(gate.device_key().unwrap().id(), own_key);
        let records = gate.interval_records(&Caller::meter(), 1, Some(2), 0, 10).unwrap();
        assert_eq!(records.iter().map(|record| record.values[0]).collect::<Vec<_>>(), [Some(0.010), Some(0.010)]);
    };
    look(&gate);
    assert_eq!(epochs(&gate), [(2, Some(1), Some(2), false), (3, None, None, true)]);
    // The log goes on, whole, and says what has come from where.
    assert!(gate.verify_log(NOW, &Caller::meter()).unwrap().findings.is_empty());
    let events = gate.events(&Caller::meter(), 0, 1000).unwrap();
    let told = events.iter().find(|event| event.cause == "restore").unwrap();
    assert!(told.effect.contains("sealed backup sha256:") && told.effect.contains("MW-2611A001-01"), "{told:?}");
    assert!(events.iter().any(|event| event.cause.starts_with("kWh del = 0.003") && event.effect.contains("0.025")));
    drop(gate);
    assert!(!other.path().join("state/device.key.next").exists());
    let gate = open_as(OTHER, other.path(), None, NOW);
    look(&gate);
    // Once more: there is nothing left to do, and no record comes twice.
    let wanted = restoring(&gate, &bytes).unwrap();
    let plan = gate.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
    assert!(plan.is_nothing(), "{:?}", plan.lines);
}

#[test]
fn a_secret_free_backup_says_which_passwords_are_0_and_holds_none() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = lived(one.path());
    let bytes = taken(&gate, Form::SecretFree);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let device = std::fs::read_to_string(one.path().join("state/device.key")).unwrap();
    assert!(!text.contains("$argon2") && !text.contains(device.trim()) && !text.contains("abc\""));
    let other = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    let mut wanted = restoring(&other, &bytes).unwrap();
    let plan = other.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
    let zero = plan.lines.iter().find(|line| line.kind == LineKind::Password && line.subject == "USER1").unwrap();
    assert_eq!((zero.after.as_str(), zero.severity), ("0", Severity::Danger));
    // B32 holds for a restore too: nobody turns Advanced on with 0.
    let refused = other.restore(NOW, &Caller::meter(), &wanted, BTreeMap::new(), &plan.digest);
    let Err(GateError::RestoredWithZero(why)) = refused else { panic!("{refused:?}") };
    assert!(matches!(*why, GateError::NoAdvancedEditor), "{why}");
    assert!(plan.remarks.iter().any(|remark| remark.starts_with("As it is, this is refused: ")), "{:?}", plan.remarks);
    wanted.new_passwords.insert(account("USER1"));
    let plan = other.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
    let made = BTreeMap::from([(account("USER1"), credential(&other, "xyz"))]);
    assert!(other.restore(NOW, &Caller::meter(), &wanted, made, &plan.digest).unwrap().restored);
    assert_eq!(opens(&other, "USER1", "xyz"), Verdict::Right);
    // On the meter itself everybody keeps what they have, and nothing that was measured goes back.
    count_energy(&gate, 5);
    set(&gate, "PT Prim", "120");
    let plan = restored(&gate, &bytes);
    assert_eq!(plan.lines.iter().filter(|line| line.before != line.after).count(), 1, "{:?}", plan.lines);
    assert_eq!(energy(&gate), 30_000_000);
    assert_eq!(opens(&gate, "USER1", "abc"), Verdict::Right);
    assert_eq!(epochs(&gate).len(), 1);
}

#[test]
fn a_restored_maximum_has_its_label_and_its_unit_and_one_record_is_one() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = open(one.path(), Some("4.40.1"));
    set(&gate, "Sliding Window Demand 1/Sub Intvl", "10");
    set(&gate, "Periodic Timer 1/Period", "10");
    let power_total = Power { active: 36_656.0, ..Power::default() };
    let quantities = Quantities { power_total, ..Quantities::default() };
    for second in 1..=15 {
        let now = meter::Now { utc_ms: NOW.utc_ms + second * 1000, up_ms: second * 1000 };
        gate.tick(now, Some(&quantities), &EnergyIncrement::default()).unwrap();
    }
    let bytes = taken(&gate, Form::SecretFree);
    let other = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    let plan = other.plan_restore(NOW, &Caller::meter(), &restoring(&other, &bytes).unwrap()).unwrap();
    let lines = |kind| {
        let lines = plan.lines.iter().filter(move |line| line.kind == kind);
        lines.map(|line| (line.subject.as_str(), line.before.as_str(), line.after.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(lines(LineKind::Demand)[0], ("Maximum 1, kW sd mx", "-", "36.656 kW"));
    assert!(lines(LineKind::Recorder)[0].2.starts_with("1 record, "), "{:?}", plan.lines);
}

#[test]
fn b29_with_a_lost_key_the_sealed_backup_brings_the_logins_back() {
    let dir = tempfile::tempdir().unwrap();
    let gate = lived(dir.path());
    let bytes = taken(&gate, Form::Sealed);
    drop(gate);
    std::fs::remove_file(dir.path().join("state/device.key")).unwrap();
    let gate = open(dir.path(), None);
    assert_eq!(opens(&gate, "USER1", "abc"), Verdict::KeyMissing);
    assert!(matches!(gate.begin_backup(NOW, &Caller::meter(), Form::Sealed), Err(GateError::KeyLost(_))));
    restored(&gate, &bytes);
    assert_eq!(opens(&gate, "USER1", "abc"), Verdict::Right);
    assert!(gate.view().identity.lost_key.is_none());
    drop(gate);
    assert_eq!(opens(&open(dir.path(), None), "USER1", "abc"), Verdict::Right);
}

#[test]
fn b26_power_may_fail_on_either_side_of_the_commit_that_changes_the_device_key() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = taken(&lived(one.path()), Form::Sealed);
    let gate = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    set_password(&gate, "8650", "1234");
    let [key, beside] = ["device.key", "device.key.next"].map(|name| other.path().join("state").join(name));
    let old = std::fs::read(&key).unwrap();
    drop(gate);
    // Before the commit: the key beside is named by nobody, and goes.
    std::fs::copy(one.path().join("state/device.key"), &beside).unwrap();
    let gate = open_as(OTHER, other.path(), None, NOW);
    assert!(!beside.exists());
    assert_eq!((opens(&gate, "8650", "1234"), std::fs::read(&key).unwrap()), (Verdict::Right, old.clone()));
    restored(&gate, &bytes);
    drop(gate);
    // After the commit: what it names takes its place.
    std::fs::rename(&key, &beside).unwrap();
    std::fs::write(&key, &old).unwrap();
    let gate = open_as(OTHER, other.path(), None, NOW);
    assert_eq!(opens(&gate, "USER1", "abc"), Verdict::Right);
    assert!(!beside.exists() && std::fs::read(&key).unwrap() != old);
    drop(gate);
    // Something that is no key at all keeps no meter from starting.
    std::fs::write(&beside, "half").unwrap();
    assert_eq!(opens(&open_as(OTHER, other.path(), None, NOW), "USER1", "abc"), Verdict::Right);
}

#[test]
fn b19_b25_what_was_accepted_is_what_is_done_and_nobody_is_shut_out() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = lived(one.path());
    let mut bytes = taken(&gate, Form::SecretFree);
    let wanted = restoring(&gate, &bytes).unwrap();
    let plan = gate.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
    set(&gate, "CT Prim", "800");
    let refused = gate.restore(NOW, &Caller::meter(), &wanted, BTreeMap::new(), &plan.digest);
    assert!(matches!(refused, Err(GateError::RestoreChanged)));
    drop(wanted);
    assert_eq!(
        gate.view().settings.template.find("CT Prim").map(|name| name.to_string()).unwrap(),
        "Power Meter 1/CT Prim"
    );

    // Nobody who could edit security is left in it.
    let users = [1, 2].map(|user| Edit::Rights(format!("USER{user}").parse().unwrap(), Default::default()));
    let change = meter::ChangeSet { edits: users.into(), force: true };
    gate.apply(NOW, &Caller::meter(), change).unwrap();
    bytes = taken(&gate, Form::SecretFree);
    let other = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    let mut wanted = restoring(&other, &bytes).unwrap();
    for force in [false, true] {
        wanted.force = force;
        let plan = other.plan_restore(NOW, &Caller::meter(), &wanted).unwrap();
        let refused = other.restore(NOW, &Caller::meter(), &wanted, BTreeMap::new(), &plan.digest);
        assert!(
            matches!(&refused, Err(GateError::RestoredWithZero(why)) if matches!(**why, GateError::NoAdvancedEditor)),
            "Advanced with nobody, forced {force}: {refused:?}"
        );
    }
    assert!(matches!(restoring(&other, &bytes), Err(GateError::Store(store::StoreError::BackupComing))));
    drop(wanted);
    assert!(restoring(&other, &bytes[..bytes.len() / 2]).is_err());
    assert!(restoring(&other, b"format = 1").is_err());
}

#[test]
fn b16_b25_a_backup_of_another_release_comes_over_as_a_change_of_release_would() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let legacy = open(one.path(), Some("4.0.9"));
    edit(&legacy, vec![Edit::Password(account("8650"), credential(&legacy, "4711"))]).unwrap();
    let bytes = taken(&legacy, Form::Sealed);
    assert!(!bytes.windows(4).any(|window| window == b"4711"), "sealed");
    let newer = open_as(OTHER, other.path(), Some("4.40.1"), NOW);
    let plan = restored(&newer, &bytes);
    assert!(plan.consequences.iter().any(|line| line.clause == "B12"), "{:?}", plan.consequences);
    assert_eq!(opens(&newer, "8650", "4711"), Verdict::Right);
    // And back: a hash can't be undone.
    let bytes = taken(&newer, Form::Sealed);
    let plan = restored(&legacy, &bytes);
    let zero = plan.lines.iter().find(|line| line.kind == LineKind::Password && line.subject == "8650").unwrap();
    assert_eq!((zero.after.as_str(), zero.severity), ("0", Severity::Danger));
    // It is said there, and the way through the releases doesn't say it again in its own words.
    let again = |line: &firmware::Consequence| line.kind == Kind::Right || line.subject == "front panel";
    assert!(!plan.consequences.is_empty() && !plan.consequences.iter().any(again), "{:#?}", plan.consequences);
    // After a change of release of its own, a meter takes its old backup too.
    let own = taken(&legacy, Form::SecretFree);
    drop(legacy);
    let legacy = open_at(one.path(), None, NOW);
    change(&legacy, "4.40.1");
    restored(&legacy, &own);
}
