//! A package as large as one can be is received, verified, staged, planned with and booted from in the memory that a
//! small one takes (B27). A test program of its own: it looks at the peak of the whole process.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use firmware::package::{MAX_NOTES_BYTES, PackageParts, SigningKey, Target, build_package};
use firmware::release::SHIPPED;
use firmware::{Choices, Settings};
use meter::{Birth, Caller, Facing, Gate, Now, Request, Surroundings, View, boot};
use store::{OpenOptions, Store};
use zeroize::Zeroizing;

const NOW: Now = Now { utc_ms: 1_767_225_600_000, up_ms: 0 };
/// What all of it may take beyond what the process has at the beginning: SQLite, the template, pieces. A whole
/// package would take 64 MiB.
const ALLOWED_KIB: u64 = 12 * 1024;

struct Nowhere;

impl Surroundings for Nowhere {
    fn make_room(&self, _: &Settings, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn show(&self, _: &Arc<View>) {}
}

fn meter(dir: &Path, key: &SigningKey) -> Gate {
    let opened = Store::open(dir, &OpenOptions { create: true, ..OpenOptions::default() }).unwrap();
    let new = matches!(opened, store::Opened::New(_));
    let birth = Birth {
        serial: "MW-2611A001-01".to_owned(),
        release: None,
        ports: Vec::new(),
        trust: new.then(|| key.public().to_string()).into_iter().collect(),
        source: "a test".to_owned(),
    };
    boot(opened, birth, Arc::new(firmware::shipped().unwrap()), NOW, Arc::new(Nowhere)).unwrap().gate
}

/// What Linux says of this process, in KiB.
fn status(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A package as large as one can be, in a file.
fn write_largest(path: &Path, key: &SigningKey) {
    let notes = "What's new. ".repeat(MAX_NOTES_BYTES / 12);
    let release = "4.42.0".parse().unwrap();
    let toml = SHIPPED[1].release_toml.replace("release = \"4.40.1\"", "release = \"4.42.0\"");
    let parts = PackageParts {
        target: Target::METER,
        release: &release,
        release_toml: &toml,
        template_dcf: SHIPPED[1].template_dcf,
        notes_md: &notes,
    };
    std::fs::write(path, build_package(&parts, Some(key)).unwrap()).unwrap();
}

#[test]
fn b27_the_largest_package_takes_no_more_memory_than_a_small_one() {
    use std::io::Read as _;

    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let key = SigningKey::from_random(&Zeroizing::new([1; 32]), "").unwrap();
    let path = dir.path().join("largest.upg");
    write_largest(&path, &key);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes > 60 << 20, "{bytes}");
    // From here on the peak is counted anew: what made the package is gone.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");

    let me = Caller::meter();
    let gate = meter(&state, &key);
    let mut upload = gate.receive_package(NOW, &me).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    let mut piece = vec![0; 64 * 1024];
    while let read @ 1.. = file.read(&mut piece).unwrap() {
        upload.write_at(NOW, upload.size(), &piece[..read]).unwrap();
    }
    let package = gate.stage_upload(NOW, &me, upload, None).unwrap().package;
    assert!(gate.staged_releases(NOW, &me).unwrap()[0].release.is_ok());
    let setup = "3.2.30377.02".parse().unwrap();
    let request = Request { package, choices: Choices::default(), setup, hash_check: String::new() };
    let plan = gate.plan(NOW, &me, &request).unwrap();
    let ticket = gate.accept(NOW, &me, request, &plan.digest).unwrap();
    gate.commit_change(NOW, &ticket, BTreeMap::new()).unwrap();
    gate.end_trial(NOW, &ticket, &Facing::default()).unwrap();
    drop(gate);
    assert_eq!(meter(&state, &key).view().release().release.to_string(), "4.42.0", "booted from it");

    let peak = status("VmHWM:");
    assert!(peak < before + ALLOWED_KIB, "{before} KiB before, {peak} KiB at the peak");
}
