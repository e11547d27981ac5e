//! What a meter is found to be when it is started on what a cut has left: the same boot as the program's, in this
//! process, without faces. What it should be is the scenario's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use firmware::{Settings, Shipped};
use meter::{Birth, Caller, Gate, Now, Surroundings, View, boot};
use metrology::EnergyRegister;
use store::{DeviceKey, MeterId, OpenOptions, Opened, Store};

/// When everything happens.
pub const NOW: Now = Now { utc_ms: 1_767_225_600_000, up_ms: 0 };

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
    /// A meter that runs.
    Meter(Box<Facts>),
}

/// What a meter is and has. The first four change together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The release that runs.
    pub release: String,
    /// Its settings, as they are stored: which services are on is among them.
    pub settings: String,
    /// What is stored of each password.
    pub credentials: BTreeMap<String, String>,
    /// Keys trusted to sign packages, and the floor.
    pub device: (Vec<String>, Option<String>),
    /// kWh del, in µWh.
    pub energy: u64,
    /// The number of the event after the start's own, which is the last.
    pub next_event: u64,
}

/// Starts the meter in a directory, for a new one that of `release`.
pub fn start(dir: &Path, release: Option<&str>) -> Result<Gate, String> {
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    let opened = Store::open(&dir.join("state"), &options).map_err(|error| format!("it can't be opened: {error}"))?;
    run(opened, release)
}

fn run(opened: Opened, release: Option<&str>) -> Result<Gate, String> {
    let birth = Birth {
        serial: "MW-2611A001-01".to_owned(),
        release: release.map(|release| release.parse().expect("a version")),
        ports: Vec::new(),
        trust: Vec::new(),
        source: "the laboratory".to_owned(),
    };
    let booted = boot(opened, birth, Arc::clone(&SHIPPED), NOW, Arc::new(Nowhere));
    Ok(booted.map_err(|error| format!("it can't start: {error}"))?.gate)
}

/// Starts what is there, and stops it again. Anything but a blank or a meter that runs, whose log is whole, is a
/// failure in words.
pub fn look(dir: &Path) -> Result<Found, String> {
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    let opened = Store::open(&dir.join("state"), &options).map_err(|error| format!("it can't be opened: {error}"))?;
    if matches!(opened, Opened::New(_)) {
        return Ok(Found::Unborn);
    }
    let gate = run(opened, None)?;
    let log = gate.verify_log(NOW, &Caller::meter()).map_err(|error| format!("its log can't be read: {error}"))?;
    if let Some(finding) = log.findings.first() {
        return Err(format!("its log isn't whole: {finding}"));
    }
    let next_event = gate.next_event().map_err(|error| error.to_string())?;
    let energy = gate.view().energy.micro(EnergyRegister::WhDel);
    drop(gate);
    let Opened::Existing(store) = Store::open(&dir.join("state"), &options).map_err(|error| error.to_string())? else {
        return Err("the meter is gone once it is stopped".to_owned());
    };
    if let DeviceKey::Lost(why) = store.device_key() {
        return Err(format!("its device key is gone: {why}"));
    }
    let stored = store.load(MeterId::ONLY).map_err(|error| error.to_string())?;
    if stored.trial.is_some() || stored.scrub_pending {
        return Err("the start has left a change of release or an erasure undone".to_owned());
    }
    let credentials = stored.active.credentials.iter();
    Ok(Found::Meter(Box::new(Facts {
        release: stored.active.release.clone(),
        settings: stored.active.settings.clone(),
        credentials: credentials.map(|held| (held.account.clone(), held.stored.expose().to_owned())).collect(),
        device: (stored.trust.iter().map(|key| key.name.clone()).collect(), stored.floor.clone()),
        energy,
        next_event,
    })))
}

impl Found {
    /// Whether this is the one or the other as a whole, with an energy between the two and no event less than the
    /// first one has.
    pub fn is_either(&self, before: &Self, after: &Self) -> Result<(), String> {
        let (found, before, after) = match (self, before, after) {
            (Self::Unborn, Self::Unborn, _) => return Ok(()),
            (Self::Unborn, ..) => return Err("the meter is gone".to_owned()),
            (Self::Meter(found), Self::Meter(before), Self::Meter(after)) => (found, Some(before), after),
            (Self::Meter(found), Self::Unborn, Self::Meter(after)) => (found, None, after),
            (Self::Meter(_), _, Self::Unborn) => return Err("there is a meter before it was made".to_owned()),
        };
        let is = |other: &Facts| {
            (&found.release, &found.settings, &found.credentials, &found.device)
                == (&other.release, &other.settings, &other.credentials, &other.device)
        };
        if !before.is_some_and(|before| is(before)) && !is(after) {
            let releases = (before.map_or("-", |before| &before.release), &after.release);
            return Err(format!("release {} is neither {} nor {} as a whole", found.release, releases.0, releases.1));
        }
        let least = before.map_or((0, 0), |before| (before.energy, before.next_event));
        if found.energy < least.0 || found.energy > after.energy {
            return Err(format!("energy {} is not between {} and {}", found.energy, least.0, after.energy));
        }
        if found.next_event < least.1 {
            return Err(format!("events up to {} were reported, there are {}", least.1, found.next_event));
        }
        Ok(())
    }
}
