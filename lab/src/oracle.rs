//! What a meter is found to be when it is started on what a cut has left: the same boot as the program's, in this
//! process, without faces. What it should be is the scenario's.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use firmware::{Settings, Shipped};
use meter::{Birth, Caller, Gate, Now, Surroundings, View, boot};
use metrology::EnergyRegister;
use security::Credential;
use store::{DeviceFile, DeviceFiles, DeviceKey, OpenOptions, Opened, Store, StoreError};

use crate::kept::Kept;

/// When recordings begin: on a boundary of every interval. 2026-01-01, UTC.
pub const BEGINNING_MS: i64 = 1_767_225_600_000;
/// Whose life is recorded.
const SERIAL: &str = "MW-2611A001-01";
/// When states are looked at: long after every recording, so that its events are told from those of the look.
const LATER: Now = Now { utc_ms: BEGINNING_MS + 365 * 86_400_000, up_ms: 0 };

/// The releases of this program, read once.
pub static SHIPPED: LazyLock<Arc<Vec<Shipped>>> =
    LazyLock::new(|| Arc::new(firmware::shipped().expect("the program's own releases can be read")));

/// A meter without faces.
struct Nowhere;

impl Surroundings for Nowhere {
    fn make_room(&self, _: &Settings, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn show(&self, _: &Arc<View>) {}
}

/// What a state turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A directory in which a meter can be born.
    Unborn,
    /// A meter that runs, and what it keeps once it is stopped.
    Meter(Box<Kept>),
}

/// How a step reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// With one commit: everything is old, or everything is new and told of in the log.
    One,
    /// With several: each thing is old or new by itself, and the log tells of it afterwards.
    Several,
}

/// Where a meter lies in the directory that is watched. Its device key lies beside it, as with `--device-key`.
fn open(dir: &Path) -> Result<Opened, String> {
    let device_key = Some(dir.join("key/device.key"));
    let options = OpenOptions { create: true, device_key, ..OpenOptions::default() };
    Store::open(&dir.join("state"), &options).map_err(|error| format!("it can't be opened: {error}"))
}

/// What is there before a meter is.
pub fn prepare(dir: &Path) {
    std::fs::create_dir(dir.join("key")).expect("a place for the device key");
}

/// Starts the meter in a directory, for a new one that of `release`.
pub fn start(dir: &Path, release: Option<&str>, now: Now) -> Result<Gate, String> {
    start_as(SERIAL, dir, release, now)
}

/// The same, for a new one with a serial number of its own.
pub fn start_as(serial: &str, dir: &Path, release: Option<&str>, now: Now) -> Result<Gate, String> {
    run(open(dir)?, serial, release, now)
}

fn run(opened: Opened, serial: &str, release: Option<&str>, now: Now) -> Result<Gate, String> {
    let birth = Birth {
        serial: serial.to_owned(),
        release: release.map(|release| release.parse().expect("a version")),
        ports: Vec::new(),
        trust: Vec::new(),
        source: "the laboratory".to_owned(),
    };
    let device_files = opened.dir().device_files();
    let booted = boot(opened, birth, Arc::clone(&SHIPPED), now, Arc::new(Nowhere));
    let gate = booted.map_err(|error| format!("it can't start: {error}"))?.gate;
    keys(&device_files, &gate).map_err(|error| format!("its keys can't be made: {error}"))?;
    Ok(gate)
}

/// The keys of its faces, written as the host writes them: after the meter, in this order, each that is missing. What is
/// in them is only whose they are.
fn keys(files: &DeviceFiles, gate: &Gate) -> Result<(), StoreError> {
    for file in [DeviceFile::TlsKey, DeviceFile::TlsCertificate, DeviceFile::SshHostKey] {
        if files.read(file)?.is_none() {
            files.write_once(file, gate.view().identity.serial.as_bytes())?;
        }
    }
    Ok(())
}

/// Starts what is there, and stops it again. Anything but a blank or a meter that runs, whose log is whole and which has
/// nothing left to do, is a failure in words.
pub fn look(dir: &Path) -> Result<Found, String> {
    let opened = open(dir)?;
    let store = match opened {
        Opened::New(_) => return Ok(Found::Unborn),
        Opened::Existing(store) => store,
    };
    if let DeviceKey::Lost(why) = store.device_key() {
        return Err(format!("its device key is gone: {why}"));
    }
    let gate = run(Opened::Existing(store), SERIAL, None, LATER)?;
    let log = gate.verify_log(LATER, &Caller::meter()).map_err(|error| format!("its log can't be read: {error}"))?;
    if let Some(finding) = log.findings.first() {
        return Err(format!("its log isn't whole: {finding}"));
    }
    let shown = shown(&gate);
    let key = gate.device_key().map(|key| key.id());
    drop(gate);
    let mut kept = Kept::read(dir, LATER.utc_ms)?;
    // A restore may bring passwords with a device key of their own: the two come together, or neither.
    let named = |stored: &String| match Credential::from_stored(stored) {
        Ok(Credential::Hashed(hash)) => Some(hash.key_id()) == key,
        Ok(_) => true,
        Err(_) => false,
    };
    if !kept.secrets.iter().all(named) {
        return Err("a password's hash names another device key than the one that counts".to_owned());
    }
    kept.things.extend(shown);
    if kept.things.get("table meter").is_none_or(|meter| !meter.ends_with("|0|0|")) {
        return Err("the start has left a change of release or an erasure undone".to_owned());
    }
    Ok(Found::Meter(Box::new(kept)))
}

/// What a running meter shows of what it keeps. (Energy in µWh; maxima; of each epoch its number and those of its oldest
/// and newest record.)
pub fn shown(gate: &Gate) -> [(String, String); 4] {
    let view = gate.view();
    let maxima: Vec<_> = view.demand().maxima.into_iter().map(|maximum| (maximum.label, maximum.value)).collect();
    let epochs =
        view.recorders.iter().flat_map(|recorder| recorder.epochs.iter().map(|epoch| (recorder.module, epoch)));
    let epochs: Vec<_> = epochs.map(|(recorder, epoch)| (recorder, epoch.number, epoch.first, epoch.last)).collect();
    let thing = |name: &str, text: String| (format!("shown {name}"), text);
    [
        thing("release", view.release().release.to_string()),
        thing("energy", format!("{:?}", EnergyRegister::ALL.map(|register| view.energy.micro(register)))),
        thing("maxima", format!("{maxima:?}")),
        thing("records", format!("{epochs:?}")),
    ]
}

impl Found {
    /// The meter, if there is one.
    pub fn meter(&self) -> Option<&Kept> {
        match self {
            Self::Unborn => None,
            Self::Meter(kept) => Some(kept),
        }
    }

    /// Whether this is what was before a step or what is after it, as a whole.
    pub fn is_either(&self, before: &Self, after: &Self, commits: Commits) -> Result<(), String> {
        let (found, before, after) = match (self.meter(), before.meter(), after.meter()) {
            (None, None, _) => return Ok(()),
            (None, ..) => return Err("the meter is gone".to_owned()),
            (Some(_), _, None) => return Err("there is a meter before it was made".to_owned()),
            // Once it exists, its first start makes the rest; only the log is begun with its first commit alone.
            (Some(found), None, Some(after)) => (found, &Kept { log: Vec::new(), ..after.clone() }, after),
            (Some(found), Some(before), Some(after)) => (found, before, after),
        };
        if !after.log.starts_with(&found.log) || found.log.len() < before.log.len() {
            let logged = (before.log.len(), after.log.len(), found.log.len());
            return Err(format!(
                "of {} to {} events that were reported it has {} or others",
                logged.0, logged.1, logged.2
            ));
        }
        match commits {
            Commits::Several => each_either(found, before, after),
            // Nothing but the log changes.
            Commits::One if before.things == after.things => each_either(found, before, after),
            Commits::One => {
                let is = |other: &Kept| found.things == other.things && found.log == other.log;
                if is(before) || is(after) {
                    return Ok(());
                }
                let (not_old, not_new) = (found.difference(before), found.difference(after));
                Err(format!("it is neither old ({not_old}) nor new ({not_new})"))
            }
        }
    }
}

fn each_either(found: &Kept, before: &Kept, after: &Kept) -> Result<(), String> {
    let names = found.things.keys().chain(before.things.keys()).chain(after.things.keys());
    for name in names {
        let thing = found.things.get(name);
        if thing != before.things.get(name) && thing != after.things.get(name) {
            return Err(format!("its {name} is neither old nor new"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(things: [&str; 2], events: usize) -> Found {
        let things = ["table slot", "record demand"].iter().zip(things);
        let things = things.map(|(name, thing)| ((*name).to_owned(), thing.to_owned())).collect();
        let log = (1..=events).map(|number| number.to_string()).collect();
        Found::Meter(Box::new(Kept { things, log, ..Kept::default() }))
    }

    #[test]
    fn b26_one_commit_is_old_or_new_as_a_whole_and_so_is_each_of_several() {
        let (before, after) = (meter(["a", "b"], 1), meter(["A", "B"], 2));
        for (things, events, one, several) in [
            (["a", "b"], 1, true, true),
            (["A", "B"], 2, true, true),
            (["A", "B"], 1, false, true),
            (["a", "b"], 2, false, true),
            (["A", "b"], 1, false, true),
            (["A", "x"], 2, false, false),
            (["a", "b"], 0, false, false),
            (["A", "B"], 3, false, false),
        ] {
            let found = meter(things, events);
            let as_one = found.is_either(&before, &after, Commits::One);
            let as_several = found.is_either(&before, &after, Commits::Several);
            assert_eq!((as_one.is_ok(), as_several.is_ok()), (one, several), "{things:?} {events}");
        }
    }

    #[test]
    fn a_meter_that_was_there_is_never_gone() {
        let (before, after) = (meter(["a", "b"], 1), meter(["a", "b"], 2));
        assert!(Found::Unborn.is_either(&before, &after, Commits::Several).is_err());
        assert!(Found::Unborn.is_either(&Found::Unborn, &after, Commits::Several).is_ok());
        assert!(before.is_either(&Found::Unborn, &after, Commits::Several).is_ok());
        assert!(meter(["a", "x"], 1).is_either(&Found::Unborn, &after, Commits::Several).is_err());
    }
}
