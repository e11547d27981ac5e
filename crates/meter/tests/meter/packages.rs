//! Packages, the keys that vouch for them, and the floor, at the gate of a meter on a real store.

use firmware::package::{KeyChanges, PackageError, PackageParts, SigningKey, Target, build_package, build_rotation};
use firmware::release::SHIPPED;
use firmware::report::Outcome;
use firmware::{Choices, KeyRingError, Severity, Version};
use meter::{
    Announced, Announcement, Caller, Facing, FloorAtMachine, Gate, GateError, NewFloor, Request, floor_at_machine,
};
use std::path::Path;
use std::sync::Arc;
use store::{OpenOptions, Store};
use zeroize::Zeroizing;

use crate::bench::{NOW, accept, as_settings_say, change, edit, open, request};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_random(&Zeroizing::new([byte; 32]), &format!("key {byte}")).unwrap()
}

fn id(byte: u8) -> String {
    key(byte).public().id().to_string()
}

/// A package like a shipped one, of a version of its own.
fn package(version: &str, sign: &SigningKey, keys: &KeyChanges) -> Vec<u8> {
    let sources = SHIPPED[1];
    let release: Version = version.parse().unwrap();
    let toml = sources.release_toml.replace("release = \"4.40.1\"", &format!("release = \"{version}\""));
    let parts = PackageParts {
        target: Target::METER,
        release: &release,
        release_toml: &toml,
        template_dcf: sources.template_dcf,
        notes_md: "",
    };
    build_rotation(&parts, keys, sign).unwrap()
}

fn keys(trust: &[u8], revoke: &[u8]) -> KeyChanges {
    KeyChanges {
        trust: trust.iter().map(|byte| key(*byte).public()).collect(),
        revoke: revoke.iter().map(|byte| key(*byte).public().id()).collect(),
    }
}

fn me() -> Caller {
    Caller::meter()
}

fn stage(gate: &Gate, bytes: &[u8]) -> Result<Request, GateError> {
    let package = gate.stage(NOW, &me(), bytes)?.package;
    let setup = "3.2.30377.02".parse().unwrap();
    Ok(Request { package, choices: Choices::default(), setup, hash_check: String::new() })
}

fn trusted(gate: &Gate) -> Vec<String> {
    gate.trusted(NOW, &me()).unwrap().into_iter().map(|(id, _)| id).collect()
}

fn trusting(dir: &Path, bytes: &[u8]) -> Gate {
    let gate = open(dir, Some("4.40.1"));
    for byte in bytes {
        gate.trust(NOW, &me(), &key(*byte).public().to_string()).unwrap();
    }
    gate
}

fn events(gate: &Gate) -> String {
    let entries = gate.events(&me(), 1, 1000).unwrap();
    entries.iter().map(|entry| format!("{}: {}\n", entry.cause, entry.effect)).collect()
}

#[test]
fn b27_keys_rotate_with_a_signed_package_and_a_replay_of_an_older_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1]);
    let old = package("4.41.0", &key(1), &KeyChanges::default());
    let rotating = stage(&gate, &package("4.42.0", &key(1), &keys(&[2], &[1]))).unwrap();
    let plan = gate.plan(NOW, &me(), &rotating).unwrap();
    let line = |id: &str| plan.consequences.iter().find(|line| line.subject.ends_with(id)).unwrap().clone();
    assert_eq!((line(&id(2)).after.as_str(), line(&id(2)).severity), ("trusted", Severity::Danger));
    assert_eq!((line(&id(1)).after.as_str(), line(&id(1)).severity), ("revoked", Severity::Warning));
    let (ticket, made) = accept(&gate, rotating, &[]);
    assert_eq!(trusted(&gate), [id(1)], "nothing is done before it is confirmed");
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert_eq!(trusted(&gate), [id(1)], "nor on trial");
    let report = gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert!(report.as_planned, "{:#?}", report.lines.iter().filter(|line| !line.same).collect::<Vec<_>>());
    let said = events(&gate);
    for told in [format!("trusts {}, as the package of 4.42.0 says", id(2)), format!("revoked {}, as", id(1))] {
        assert!(said.contains(&told), "{told} isn't in\n{said}");
    }
    drop(gate);
    let gate = open(dir.path(), None);
    assert_eq!(trusted(&gate), [id(2)], "as it was stored");
    assert!(matches!(stage(&gate, &old), Err(GateError::Package(PackageError::Stranger { .. }))), "a replay");
    let bringing_back = stage(&gate, &package("4.43.0", &key(2), &keys(&[1], &[]))).unwrap();
    let (ticket, made) = accept(&gate, bringing_back, &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert!(gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap().as_planned);
    assert_eq!(trusted(&gate), [id(2)], "no package brings a revoked key back");
    gate.trust(NOW, &me(), &key(1).public().to_string()).unwrap();
    assert!(stage(&gate, &old).is_ok(), "a user does");
}

#[test]
fn b27_the_longest_key_is_exchanged_in_a_full_list() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &(1..=64).collect::<Vec<_>>());
    let named = SigningKey::from_random(&Zeroizing::new([99; 32]), &"x".repeat(firmware::package::MAX_COMMENT));
    let exchange = KeyChanges { trust: vec![named.unwrap().public()], ..keys(&[], &[2]) };
    let (ticket, made) = accept(&gate, stage(&gate, &package("4.42.0", &key(1), &exchange)).unwrap(), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert_eq!(gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap().outcome, Outcome::Confirmed);
    assert_eq!(trusted(&gate).len(), 64);
    assert!(trusted(&gate).contains(&id(99)) && !trusted(&gate).contains(&id(2)));
}

#[test]
fn b27_a_rotation_that_is_taken_back_never_happened() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1]);
    let rotating = package("4.42.0", &key(1), &keys(&[2], &[1]));
    let (ticket, made) = accept(&gate, stage(&gate, &rotating).unwrap(), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    let facing = Facing { failures: vec!["a face does not answer".to_owned()], ..Facing::default() };
    assert_eq!(gate.end_trial(NOW, &ticket, &facing).unwrap().outcome, Outcome::TakenBack);
    assert_eq!(trusted(&gate), [id(1)]);
    // Nor with a cut on trial.
    let (ticket, made) = accept(&gate, stage(&gate, &rotating).unwrap(), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    drop((gate, ticket));
    let gate = open(dir.path(), None);
    assert_eq!(trusted(&gate), [id(1)]);
    assert!(stage(&gate, &package("4.43.0", &key(1), &KeyChanges::default())).is_ok());
}

#[test]
fn b27_a_revoked_key_is_refused_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1, 2]);
    let bytes = package("4.42.0", &key(1), &KeyChanges::default());
    let stranger = |error: GateError| matches!(error, GateError::Package(PackageError::Stranger { .. }));
    let staged = stage(&gate, &bytes).unwrap();
    let plan = gate.plan(NOW, &me(), &staged).unwrap();
    gate.revoke(NOW, &me(), &id(1)).unwrap();
    assert!(stranger(gate.plan(NOW, &me(), &staged).unwrap_err()), "staged before, planned after");
    assert!(stranger(gate.accept(NOW, &me(), staged, &plan.digest).err().unwrap()), "planned before, accepted after");
    assert!(stranger(stage(&gate, &bytes).unwrap_err()));
    assert!(gate.staged_releases(NOW, &me()).unwrap().iter().any(|staged| staged.release.is_err()));
    // While a change is under way keys stand still as everything does: what was accepted is what is done.
    let (ticket, made) = accept(&gate, stage(&gate, &package("4.42.0", &key(2), &keys(&[], &[]))).unwrap(), &[]);
    assert!(matches!(gate.revoke(NOW, &me(), &id(2)), Err(GateError::Changing)));
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert!(matches!(gate.revoke(NOW, &me(), &id(2)), Err(GateError::Changing)));
    gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    gate.revoke(NOW, &me(), &id(2)).unwrap();
    drop(gate);
    assert_eq!(open(dir.path(), None).view().release().release.to_string(), "4.42.0", "what was taken goes on running");
}

#[test]
fn b27_no_package_leaves_a_meter_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1, 2]);
    for revoke in [&[1, 2][..], &[2, 1]] {
        let staged = stage(&gate, &package("4.42.0", &key(1), &keys(&[], revoke))).unwrap();
        let refused = gate.plan(NOW, &me(), &staged).unwrap_err();
        assert!(matches!(refused, GateError::Keys(KeyRingError::LastKey)), "{refused}");
    }
    assert_eq!(trusted(&gate).len(), 2);
}

/// Announces a package; gives the upload's number.
fn announce(gate: &Gate, bytes: &[u8]) -> u64 {
    let package = firmware::digest::Sha256Digest::of(bytes).to_string();
    let announcement = Announcement { package, bytes: bytes.len() as u64, name: "mine.upg".to_owned() };
    match gate.announce_package(NOW, &me(), &announcement).unwrap() {
        Announced::GoOn { upload, .. } => upload,
        Announced::Staged(staged) => panic!("{staged:?}"),
    }
}

#[test]
fn b27_the_front_of_a_package_is_refused_before_the_rest_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1]);
    let good = package("4.42.0", &key(1), &KeyChanges::default());
    let upload = announce(&gate, &good);
    assert_eq!(gate.take_piece(NOW, &me(), upload, 0, &good[..100]).unwrap(), 100, "not there yet");
    assert_eq!(gate.take_piece(NOW, &me(), upload, 100, &good[100..2000]).unwrap(), 2000, "believed so far");
    gate.interrupt_upload(&me(), upload);
    let strange = package("4.42.0", &key(9), &KeyChanges::default());
    let upload = announce(&gate, &strange);
    let refused = gate.take_piece(NOW, &me(), upload, 0, &strange[..2000]);
    assert!(matches!(refused, Err(GateError::Package(PackageError::Stranger { .. }))), "{refused:?}");
    assert!(matches!(gate.take_piece(NOW, &me(), upload, 2000, b"x"), Err(GateError::UploadOver)), "and thrown away");
    assert!(events(&gate).contains("refused: this package was signed by key"));
}

#[test]
fn b27_a_package_that_changed_on_the_disk_is_refused_whatever_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1]);
    let staged = stage(&gate, &package("4.42.0", &key(1), &KeyChanges::default())).unwrap();
    let file = dir.path().join("state/packages").join(format!("{}.upg", staged.package));
    std::fs::write(&file, package("4.43.0", &key(1), &KeyChanges::default())).unwrap();
    assert!(matches!(gate.plan(NOW, &me(), &staged), Err(GateError::Store(_))));
}

#[test]
fn b28_below_the_floor_nothing_is_staged_planned_or_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let older = request(&gate, "4.0.9", Choices::default());
    let plan = gate.plan(NOW, &me(), &older).unwrap();
    assert_eq!(gate.floor(&me()).unwrap(), None, "off as shipped");
    assert_eq!(gate.raise_floor(NOW, &me(), &NewFloor::Current).unwrap().to_string(), "4.40.1");
    let below = |error: GateError| matches!(error, GateError::BelowFloor { .. });
    assert!(below(gate.plan(NOW, &me(), &older).unwrap_err()));
    assert!(below(gate.accept(NOW, &me(), older, &plan.digest).err().unwrap()));
    let bytes = firmware::shipped().unwrap().remove(0).bytes;
    assert!(below(gate.stage(NOW, &me(), &bytes).unwrap_err()));
    gate.drop_package(NOW, &me(), &firmware::digest::Sha256Digest::of(&bytes).to_string()).unwrap();
    let upload = announce(&gate, &bytes);
    assert!(below(gate.take_piece(NOW, &me(), upload, 0, &bytes[..2000]).unwrap_err()), "told by its front");
    assert!(events(&gate).contains("floor: floor none → 4.40.1"));
}

#[test]
fn b28_over_the_network_a_floor_only_rises_and_never_above_the_release() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let raise = |to: &str| gate.raise_floor(NOW, &me(), &NewFloor::Release(to.parse().unwrap()));
    assert!(raise("4.0.9").is_ok());
    assert!(raise("4.20").is_ok());
    assert!(raise("4.20").is_ok(), "again is fine");
    let refused = raise("4.0.9").unwrap_err();
    assert!(refused.to_string().contains("`wattkeep floor`"), "{refused}");
    assert!(matches!(refused, GateError::FloorOnlyRises(_)));
    assert!(matches!(raise("4.40.2"), Err(GateError::FloorAboveRelease { .. })));
    assert_eq!(gate.floor(&me()).unwrap(), Some("4.20".parse().unwrap()));
}

#[test]
fn b28_at_the_machine_anything_goes_and_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    gate.raise_floor(NOW, &me(), &NewFloor::Current).unwrap();
    drop(gate);
    let at_machine = |doing| {
        let opened = Store::open(&dir.path().join("state"), &OpenOptions::default()).unwrap();
        floor_at_machine(opened, Arc::new(firmware::shipped().unwrap()), NOW, doing).unwrap().floor
    };
    let release = |text: &str| text.parse::<Version>().unwrap();
    assert_eq!(at_machine(FloorAtMachine::Show), Some(release("4.40.1")));
    assert_eq!(at_machine(FloorAtMachine::Set(release("4.0.9"))), Some(release("4.0.9")));
    assert_eq!(at_machine(FloorAtMachine::Off), None);
    let gate = open(dir.path(), None);
    assert_eq!(gate.floor(&me()).unwrap(), None);
    let said = events(&gate);
    assert!(said.contains("floor 4.40.1 → 4.0.9") && said.contains("floor 4.0.9 → none"), "{said}");
    assert_eq!(change(&gate, "4.0.9").outcome, Outcome::Confirmed);
}

#[test]
fn b26_whoever_looks_at_the_floor_is_told_that_a_change_on_trial_was_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let (ticket, made) = accept(&gate, request(&gate, "4.0.9", Choices::default()), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    drop((gate, ticket));
    let look = || {
        let opened = Store::open(&dir.path().join("state"), &OpenOptions::default()).unwrap();
        floor_at_machine(opened, Arc::new(firmware::shipped().unwrap()), NOW, FloorAtMachine::Show).unwrap()
    };
    let floor = look();
    assert_eq!(floor.release.to_string(), "4.40.1");
    assert!(matches!(&floor.remarks[..], [remark] if remark.contains("is back on 4.40.1")), "{:?}", floor.remarks);
    assert!(look().remarks.is_empty(), "once");
}

#[test]
fn b28_neither_a_register_nor_a_template_nor_a_package_writes_the_floor() {
    let dir = tempfile::tempdir().unwrap();
    let gate = trusting(dir.path(), &[1]);
    gate.raise_floor(NOW, &me(), &NewFloor::Current).unwrap();
    for register in ["Floor", "Security Options 1/Floor", "floor"] {
        let set = meter::Edit::Register(register.to_owned(), "none".to_owned());
        assert!(edit(&gate, vec![set]).is_err(), "{register}");
    }
    let template = gate.view().settings.to_dcf(gate.view().release(), firmware::WithSecurity::Yes).to_text();
    assert!(!template.to_lowercase().contains("floor"));
    let with_floor = template.replace("[security.options]", "[security.options]\nFloor = \"none\"");
    assert_ne!(with_floor, template);
    if let Ok(file) = framework::Dcf::parse(with_floor.as_bytes()) {
        let refused = edit(&gate, vec![meter::Edit::Template(Box::new(file))]);
        assert!(refused.is_err(), "{refused:?}");
    }
    // Nor by a release whose description has such a register, which is no release then.
    let sources = SHIPPED[1];
    let toml = sources.release_toml.replace("[security-options]", "[security-options]\n\"Floor\" = \"none\"");
    let toml = toml.replace("release = \"4.40.1\"", "release = \"4.42.0\"");
    let version = "4.42.0".parse().unwrap();
    let parts = PackageParts {
        target: Target::METER,
        release: &version,
        release_toml: &toml,
        template_dcf: sources.template_dcf,
        notes_md: "",
    };
    assert!(stage(&gate, &build_package(&parts, Some(&key(1))).unwrap()).is_err());
    let (ticket, made) = accept(&gate, stage(&gate, &package("4.42.0", &key(1), &keys(&[], &[]))).unwrap(), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    assert_eq!(gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap().outcome, Outcome::Confirmed);
    assert_eq!(gate.floor(&me()).unwrap(), Some("4.40.1".parse().unwrap()));
}
