//! Boot: a new meter is born as its release ships it, an existing one continues wholly old or wholly
//! new. A change of release that wasn't confirmed is taken back; an erasure that was cut off is ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::{Carried, CarriedError, Settings, SettingsError, Shipped, Version};
use framework::modules::security_options::{self as options, Service};
use framework::{Framework, RegisterName, TemplateError, Tick, Value};
use metrology::{EnergyIncrement, EnergyRegister, EnergyRegisters};
use security::{AccountId, Credential, DeviceKey, SessionTable};
use store::{Blank, EventBatch, MeterId, MeterState, NewMeter, NewSlot, Opened, SlotState, Store, StoreError};

use crate::chain::{self, Newest, Sealer};
use crate::clock::Ahead;
use crate::demand;
use crate::disk::DiskKeeping;
use crate::ended::Waiting;
use crate::events::{Draft, LogSetup, priority};
use crate::gate::{Caller, Gate, Surroundings};
use crate::locks::{self, LockKeeping};
use crate::recorders::Recorders;
use crate::refusals::Refusals;
use crate::reports::Reports;
use crate::schedule::{self, ScheduleState};
use crate::state::{Credentials, State, limits, stored_credentials};
use crate::view::Identity;
use crate::{GateError, Now, stored, trust, verifying};

/// What a meter is to be, where it is new; what it is expected to be, where it exists.
pub struct Birth {
    /// The serial number of a new meter.
    pub serial: String,
    /// The release: the newest for a new meter if left out; an existing one must have it.
    pub release: Option<Version>,
    /// Ports of a new meter that differ from the release's, those of services that its release doesn't
    /// have among them: a service that a later release brings will listen there.
    pub ports: Vec<(Service, u16)>,
    /// Keys that a new meter trusts, one line each.
    pub trust: Vec<String>,
    /// What the meter measures, in words.
    pub source: String,
}

/// A meter that runs.
pub struct Booted {
    /// Its gate.
    pub gate: Gate,
    /// Whether it has just been made.
    pub born: bool,
    /// What whoever started it should know.
    pub remarks: Vec<String>,
    /// The number of the first event of this start: what happened since the meter last ran.
    pub first_event: u64,
}

/// Why a meter can't start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A release that this program doesn't have.
    #[error("this program has no release {asked}: it has {known}")]
    NoSuchRelease {
        /// What was asked for.
        asked: Version,
        /// What there is.
        known: String,
    },
    /// An existing meter has another release than expected.
    #[error("this meter has release {found}, not {expected}: leave out --release, or change its release with Setup")]
    OtherRelease {
        /// What it has.
        found: Version,
        /// What `--release` said.
        expected: Version,
    },
    /// Keys are given to a new meter only.
    #[error("--trust is for a meter's first start; afterwards use `setup METER security trust add`")]
    TrustTooLate,
    /// The package of the release that runs.
    #[error("the package of the meter's release: {0}")]
    Package(String),
    /// A release that can't be read.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// Settings that its release can't have.
    #[error("the meter's settings: {0}")]
    Settings(#[from] SettingsError),
    /// A template that can't be built.
    #[error("the meter's template: {0}")]
    Template(#[from] TemplateError),
    /// State that can't be read back.
    #[error(transparent)]
    State(#[from] GateError),
    /// A directory without a meter in it.
    #[error("there is no meter in this state directory yet, so there is nothing to reset")]
    Unborn,
}

/// What the network is told about a lost device key.
const LOST_KEY: &str =
    "The meter's device key is missing, so no password can be checked; measuring goes on. Its file must be put back.";
/// Why a change is taken back at a start.
const POWER_FAILED: &str = "power failed, or the meter was stopped, before the new release had proved itself";
/// The record of what a meter has measured last.
const SOURCE: &str = "source";
/// The record of the ports that a meter was made with, by register: it outlives every release.
const PORTS: &str = "ports";

/// Starts the meter of an opened state directory.
pub fn boot(
    opened: Opened,
    birth: Birth,
    shipped: Arc<Vec<Shipped>>,
    now: Now,
    surroundings: Arc<dyn Surroundings>,
) -> Result<Booted, BootError> {
    let newest = Newest::default();
    let (store, born) = match opened {
        Opened::New(blank) => (bear(blank, &birth, &shipped, now, &newest)?, true),
        Opened::Existing(_) if !birth.trust.is_empty() => return Err(BootError::TrustTooLate),
        Opened::Existing(store) => (*store, false),
    };
    let first_event = if born { 1 } else { store.next_event(MeterId::ONLY)? };
    let (mut state, ahead, remarks) = resume(store, Some(birth.source), shipped, now, newest)?;
    let now = ahead.now(now);
    if let Some(expected) = birth.release.filter(|expected| *expected != state.carried.release.release) {
        return Err(BootError::OtherRelease { found: state.carried.release.release.clone(), expected });
    }
    let source = serde_json::Value::from(state.identity.source.as_str()).to_string();
    let records = [(SOURCE, source.as_str())];
    state.store.tick(&[store::Tick { records: &records, ..store::Tick::of(state.id, EventBatch::NONE) }])?;
    let release = &state.carried.release.release;
    let effect = format!("power up, release {release}");
    state.log(now, &Caller::meter(), vec![Draft::ordinary(priority::WARNING, "power", effect)])?;
    state.redefine_recorders(now, &Caller::meter())?;
    let cut = ScheduleState::NotDone("power failed, or the meter was stopped, before its commit".to_owned());
    state.settle_schedule(now, cut)?;
    Ok(Booted { gate: Gate::new(state, ahead, surroundings), born, remarks, first_event })
}

fn bear(mut blank: Blank, birth: &Birth, shipped: &[Shipped], now: Now, newest: &Newest) -> Result<Store, BootError> {
    let carried = match &birth.release {
        None => shipped.iter().map(|shipped| &shipped.carried).max_by_key(|carried| &carried.release.release),
        Some(asked) => shipped.iter().map(|shipped| &shipped.carried).find(|carried| carried.release.release == *asked),
    };
    let carried = carried.ok_or_else(|| no_such_release(birth.release.as_ref(), shipped))?;
    let mut settings = Settings::factory(&carried.release, &carried.template);
    for (service, port) in &birth.ports {
        let name = RegisterName { module: options::module(), register: service.port().to_owned() };
        // A port of a service that the release lacks is no register of this meter.
        if settings.template.get(&name).is_some() {
            settings.template.set(&name, &Value::Number(f64::from(*port)))?;
        }
    }
    settings.check(&carried.release)?;
    let credentials: Credentials = AccountId::all().map(|account| (account, Arc::new(Credential::Factory))).collect();
    let trust = birth
        .trust
        .iter()
        .map(|line| {
            let key = trust::key(line)?;
            Ok(store::TrustedKey { name: key.id().to_string(), public_key: line.trim().to_owned() })
        })
        .collect::<Result<Vec<_>, GateError>>()?;
    let ports: BTreeMap<&str, u16> = birth.ports.iter().map(|(service, port)| (service.port(), *port)).collect();
    let ports = serde_json::to_string(&ports).map_err(|error| GateError::Unreadable(error.to_string()))?;
    let log = LogSetup::of(&settings);
    let version = carried.release.release.to_string();
    let made = Draft::kept(priority::WARNING, "factory", format!("made with release {version}"));
    let events = log.take(now, &Caller::meter(), vec![made]);
    let new = NewMeter {
        serial: &birth.serial,
        created_utc_ms: now.utc_ms,
        slot: NewSlot {
            release: &version,
            settings: &stored::serialised(&settings)?,
            credentials: &stored_credentials(&credentials),
            package: None,
        },
        floor: None,
        trust: &trust,
        records: &[(PORTS, &ports)],
        events: log.batch(&events),
    };
    let key = chain::key(blank.dir())?;
    blank.seal_with(Box::new(Sealer { key, newest: newest.clone() }));
    Ok(blank.create(MeterId::ONLY, &new)?)
}

fn no_such_release(asked: Option<&Version>, shipped: &[Shipped]) -> BootError {
    let known: Vec<_> = shipped.iter().map(|shipped| shipped.carried.release.release.to_string()).collect();
    match asked {
        Some(asked) => BootError::NoSuchRelease { asked: asked.clone(), known: known.join(" and ") },
        None => BootError::Package("this program was built without any release".to_owned()),
    }
}

/// Reads a meter back. `source` is what it measures from now on; without one, what it measured last.
pub(crate) fn resume(
    mut store: Store,
    source: Option<String>,
    shipped: Arc<Vec<Shipped>>,
    now: Now,
    newest: Newest,
) -> Result<(State, Ahead, Vec<String>), BootError> {
    let id = MeterId::ONLY;
    let chain_key = chain::key(store.dir())?;
    let mut remarks: Vec<String> = chain::attach(&mut store, id, &chain_key, &newest, now)?.into_iter().collect();
    let mut stored = store.load(id)?;
    let ahead = Ahead::of(&stored)?;
    let now = ahead.now(now);
    let mut reports = Reports::read(stored.change_report.as_deref());
    if stored.trial.is_some() {
        let tried = &stored.active.release;
        let old = stored.trial.as_ref().map_or("the release it had", |trial| trial.previous.release.as_str());
        let remark = format!(
            "power failed before the change to {tried} was confirmed: the meter is back on {old}, with the settings it had"
        );
        // Told in the same commit that goes back. What is always kept needs no depth.
        let event = store::NewEvent {
            utc_ms: now.utc_ms,
            priority: priority::WARNING,
            user: Caller::meter().who.to_string(),
            path: Caller::meter().path_name().to_owned(),
            cause: "change of release".to_owned(),
            effect: remark.clone(),
            keep: store::Keep::Always,
            chain: None,
        };
        reports = reports.taken_back(now, POWER_FAILED);
        let told = reports.to_text()?;
        let memory = demand::brought_back(&stored)?;
        let mut records = vec![(demand::BEFORE_TRIAL, "")];
        records.extend(memory.iter().map(|memory| (demand::RECORD, memory.as_str())));
        let events = EventBatch { events: &[event], depth: 0 };
        let _scrubbed_below = store.revert_trial(id, &told, &records, events)?;
        stored = store.load(id)?;
        remarks.push(remark);
    }
    store.scrub()?;
    settle_device_key(&mut store, &stored.active)?;
    let device_key = match store.device_key() {
        store::DeviceKey::Present(bytes) => {
            let bytes: &[u8; DeviceKey::BYTES] = bytes
                .expose()
                .try_into()
                .map_err(|_| StoreError::Damaged("the device key has another length than it should".to_owned()))?;
            Ok(Arc::new(DeviceKey::new(bytes)))
        }
        store::DeviceKey::Lost(sentence) => Err(sentence.clone()),
    };
    let measured: Option<String> = stored.records.get(SOURCE).and_then(|source| serde_json::from_str(source).ok());
    let source = source.or_else(|| measured.clone()).unwrap_or_default();
    if let Some(before) = measured.filter(|before| *before != source) {
        remarks.push(format!("this meter measured {before} before; now it measures {source}"));
    }
    let (device_key, lost_key) = match device_key {
        Ok(key) => (Some(key), None),
        Err(sentence) => {
            // Where the key should lie is for whoever holds the machine; the network learns only what it means.
            remarks.push(sentence);
            (None, Some(LOST_KEY.to_owned()))
        }
    };
    let carried = Arc::new(carried(&store, &stored.active, &shipped)?);
    let credentials = credentials(&stored.active)?;
    let settings = settings(&stored.active, &credentials, &carried)?;
    let energy = energy(&stored)?;
    let mut framework = Framework::build(&settings.template)?;
    let memory = demand::stored(&stored)?;
    framework.resume(&memory);
    let readings =
        framework.show(&Tick { utc_ms: 0, up_ms: 0, quantities: None, energy: &energy, energy_before: &energy });
    let ports = match stored.records.get(PORTS) {
        Some(ports) => serde_json::from_str(ports).map_err(|error| GateError::Unreadable(error.to_string()))?,
        None => BTreeMap::new(),
    };
    let schedule = schedule::read(&stored);
    let recorders = Recorders::load(&store, id, &settings.template)?;
    let floor = stored
        .floor
        .as_deref()
        .map(|floor| floor.parse::<Version>().map_err(|_| GateError::Unreadable(format!("the floor \"{floor}\""))));
    let floor = floor.transpose()?;
    let keys = trust::stored(&stored)?;
    let state = State {
        id,
        identity: Arc::new(Identity { serial: stored.serial, source, lost_key, floor }),
        device_key,
        shipped,
        keys,
        ports,
        policy: Arc::new(settings.policy(&carried.release)),
        carried,
        package: stored.active.package,
        lockouts: locks::restored(&stored.records, limits(&settings), now),
        lock_keeping: LockKeeping::default(),
        sessions: SessionTable::new(settings.option_number(options::SESSION_TIMEOUT) as u16),
        settings: Arc::new(settings),
        credentials,
        framework,
        memory,
        recorders,
        energy,
        owed: EnergyIncrement::default(),
        readings,
        generation: 1,
        logins_ended: 0,
        under_way: None,
        measures: false,
        reports,
        schedule,
        refusals: Refusals::default(),
        scrub_due: false,
        recorders_due: false,
        disk: DiskKeeping::default(),
        chain_key,
        newest,
        waiting: Waiting::default(),
        store,
    };
    Ok((state, ahead, remarks))
}

/// The release of a slot: from its package, whose name is its digest and which was verified before
/// it was taken, or from the program.
fn carried(store: &Store, slot: &SlotState, shipped: &[Shipped]) -> Result<Carried, BootError> {
    let Some(id) = &slot.package else {
        let known = shipped.iter().map(|shipped| &shipped.carried);
        let version: Version =
            slot.release.parse().map_err(|_| GateError::Unreadable(format!("release \"{}\"", slot.release)))?;
        return known
            .clone()
            .find(|carried| carried.release.release == version)
            .cloned()
            .ok_or_else(|| no_such_release(Some(&version), shipped));
    };
    let verified = verifying::taken(id, &store.open_package(id)?).map_err(|error| match error {
        GateError::Package(error) => BootError::Package(error.to_string()),
        other => other.into(),
    })?;
    Ok(Carried::read(&verified)?)
}

/// A restore that was cut off has left a device key beside the one that counted. The credentials say which of the two
/// does: if a hash names the one beside, the commit is done and it takes its place; otherwise it goes.
fn settle_device_key(store: &mut Store, slot: &SlotState) -> Result<(), BootError> {
    let beside = match store.device_key_beside() {
        Ok(None) => return Ok(()),
        Ok(Some(key)) => key,
        // No key of ours: nothing can name it.
        Err(StoreError::NotADeviceKey(_)) => return Ok(store.drop_device_key_beside()?),
        Err(error) => return Err(error.into()),
    };
    let bytes: Option<&[u8; DeviceKey::BYTES]> = beside.expose().try_into().ok();
    let beside = bytes.map(|bytes| DeviceKey::new(bytes).id());
    let credentials = credentials(slot)?;
    let names = |credential: &Arc<Credential>| match &**credential {
        Credential::Hashed(hash) => Some(hash.key_id()) == beside,
        _ => false,
    };
    if credentials.values().any(names) {
        store.take_device_key_beside()?
    } else {
        store.drop_device_key_beside()?
    }
    Ok(())
}

/// The credentials of a slot. An account without one has the factory password.
pub(crate) fn credentials(slot: &SlotState) -> Result<Credentials, GateError> {
    let mut credentials: Credentials =
        AccountId::all().map(|account| (account, Arc::new(Credential::Factory))).collect();
    for stored in &slot.credentials {
        let account = AccountId::from_login(&stored.account)
            .ok_or_else(|| GateError::Unreadable(format!("account \"{}\"", stored.account)))?;
        let credential = Credential::from_stored(stored.stored.expose())
            .map_err(|error| GateError::Unreadable(format!("the credential of {account}: {error}")))?;
        credentials.insert(account, Arc::new(credential));
    }
    Ok(credentials)
}

/// The settings of a slot, checked against its release.
pub(crate) fn settings(slot: &SlotState, credentials: &Credentials, carried: &Carried) -> Result<Settings, BootError> {
    let (mut template, keys) = stored::read(&slot.settings)?;
    // Settings from before this program knew a register.
    template.complete();
    let credentials: BTreeMap<_, _> =
        credentials.iter().map(|(account, credential)| (*account, credential.kind())).collect();
    let mut settings = Settings { template, credentials, keys };
    settings.check(&carried.release)?;
    Ok(settings)
}

fn energy(stored: &MeterState) -> Result<EnergyRegisters, GateError> {
    let counter = |register: EnergyRegister| stored.energies.get(register.name()).copied().unwrap_or(0);
    let micro = EnergyRegister::ALL.map(|register| u64::try_from(counter(register)).unwrap_or(u64::MAX));
    EnergyRegisters::from_micro(micro)
        .ok_or_else(|| GateError::Unreadable("an energy counter is out of range".to_owned()))
}
