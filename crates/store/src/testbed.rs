//! A state directory of a test's own, and what the tests of this room say to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{
    Credential, EventBatch, Keep, MeterId, NewEvent, NewMeter, NewSlot, OpenOptions, Opened, Secret, Store, StoreError,
};

pub(crate) const METER: MeterId = MeterId::ONLY;
pub(crate) const DEPTH: u32 = 100;

pub(crate) struct Testbed {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Testbed {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        Self { _dir: dir, path }
    }

    pub(crate) fn open(&self) -> Result<Opened, StoreError> {
        Store::open(&self.path, &OpenOptions { create: true, ..OpenOptions::default() })
    }

    /// A meter with these credentials, just made.
    pub(crate) fn born(&self, credentials: &[Credential]) -> Store {
        let Opened::New(blank) = self.open().unwrap() else { panic!("a meter is there already") };
        blank.create(METER, &meter(credentials)).unwrap()
    }

    /// The meter that is there.
    pub(crate) fn again(&self) -> Store {
        let Opened::Existing(store) = self.open().unwrap() else { panic!("no meter is there") };
        *store
    }

    /// The numbers of all marked secrets found in any file's bytes, pieces of them too.
    pub(crate) fn marks_on_disk(&self) -> BTreeSet<u32> {
        marks_below(&self.path)
    }
}

fn marks_below(dir: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(marks_below(&path));
            continue;
        }
        let bytes = fs::read(path).unwrap();
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'{') {
            let Some([b'{', digits @ .., b'}']) = bytes.get(at..at + 8) else { continue };
            found.extend(std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()));
        }
    }
    found
}

/// A secret of about `length` bytes made of its number over and over, so that a piece of it is found as well.
pub(crate) fn marked(number: u32, length: usize) -> Secret {
    Secret::new(format!("{{{number:06}}}").repeat(length.div_ceil(8)))
}

pub(crate) fn credential(account: &str, stored: Secret) -> Credential {
    Credential { account: account.to_owned(), stored }
}

pub(crate) fn meter(credentials: &[Credential]) -> NewMeter<'_> {
    NewMeter {
        serial: "MW-2611A001-01",
        created_utc_ms: 1_800_000_000_000,
        slot: slot("4.0.9", credentials),
        floor: None,
        trust: &[],
        records: &[],
        events: EventBatch::NONE,
    }
}

pub(crate) fn slot<'a>(release: &'a str, credentials: &'a [Credential]) -> NewSlot<'a> {
    NewSlot { release, settings: r#"{"mode":"standard"}"#, credentials, package: None }
}

pub(crate) fn event(effect: &str, keep: Keep) -> NewEvent {
    NewEvent {
        utc_ms: 1_800_000_000_001,
        priority: 25,
        user: "USER1".into(),
        path: "setup".into(),
        cause: "PT Prim 120".into(),
        effect: effect.into(),
        keep,
        chain: None,
    }
}
