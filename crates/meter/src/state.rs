//! A meter's state behind the gate's lock: what it runs with, and the store it is kept in. Each
//! method that changes it commits first and shows afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::package::Trust;
use firmware::{Carried, KeyRing, Settings, Shipped};
use framework::modules::security_options as options;
use framework::{Framework, Memory, Readings, Tick};
use metrology::{EnergyIncrement, EnergyRegister, EnergyRegisters, Quantities};
use security::chain::ChainKey;
use security::{AccountId, Credential, DeviceKey, Limits, Lockouts, Policy, SessionTable};
use store::{MeterId, PackageId, Secret, Store, StoreError};

use crate::chain::Newest;
use crate::change::UnderWay;
use crate::demand;
use crate::disk::DiskKeeping;
use crate::ended::{self, Ended, Waiting};
use crate::events::{Draft, LogSetup, priority};
use crate::locks::{self, LockKeeping};
use crate::recorders::Recorders;
use crate::refusals::Refusals;
use crate::reports::Reports;
use crate::schedule::Schedule;
use crate::view::{Identity, View};
use crate::{Caller, GateError, Now};

/// Stored credentials by account. Shared with checks that run outside the lock.
pub(crate) type Credentials = BTreeMap<AccountId, Arc<Credential>>;

pub(crate) struct State {
    pub store: Store,
    pub id: MeterId,
    pub identity: Arc<Identity>,
    pub device_key: Option<Arc<DeviceKey>>,
    pub shipped: Arc<Vec<Shipped>>,
    /// Who may sign packages, and who no more.
    pub keys: KeyRing,
    /// The ports that the meter was made with, by register.
    pub ports: BTreeMap<String, u16>,
    pub carried: Arc<Carried>,
    pub package: Option<PackageId>,
    pub settings: Arc<Settings>,
    pub policy: Arc<Policy>,
    pub credentials: Credentials,
    pub framework: Framework,
    /// What its modules remember, as committed.
    pub memory: Memory,
    pub recorders: Recorders,
    pub energy: EnergyRegisters,
    /// Energy of seconds that couldn't be committed. It comes again with the next second's increment.
    pub owed: EnergyIncrement,
    pub readings: Readings,
    pub generation: u64,
    /// Counts the changes that ended what somebody had logged in for.
    pub logins_ended: u64,
    pub sessions: SessionTable,
    pub lockouts: Lockouts,
    pub lock_keeping: LockKeeping,
    pub under_way: Option<UnderWay>,
    /// Whether there was anything to measure in the last second.
    pub measures: bool,
    /// The reports of the last changes of release, as stored.
    pub reports: Reports,
    /// The change that waits for its time, or what became of the last one, as stored.
    pub schedule: Option<Arc<Schedule>>,
    pub refusals: Refusals,
    pub chain_key: Arc<ChainKey>,
    pub newest: Newest,
    /// Sessions that have ended since the last commit.
    pub waiting: Waiting,
    /// Whether old secrets may still be on the disk because erasing them failed; tried again every second.
    pub scrub_due: bool,
    /// Whether recorders may still be defined by settings that have gone; tried again every second.
    pub recorders_due: bool,
    pub disk: DiskKeeping,
}

impl State {
    /// What readers see.
    pub fn view(&self) -> View {
        View {
            identity: Arc::clone(&self.identity),
            carried: Arc::clone(&self.carried),
            settings: Arc::clone(&self.settings),
            policy: Arc::clone(&self.policy),
            readings: self.readings.clone(),
            energy: self.energy,
            generation: self.generation,
            recorders: Arc::clone(&self.recorders.list),
            changing: self.under_way.is_some(),
            disk: self.disk.disk(&self.store),
            on_trial: self.trial().is_some(),
            taken_back: self.reports.news(),
            schedule: self.schedule.clone(),
            known_sources: Arc::new(self.lockouts.known_sources()),
        }
    }

    pub fn log_setup(&self) -> LogSetup {
        LogSetup::of(&self.settings)
    }

    /// Commits events that tell of nothing stored.
    pub fn log(&mut self, now: Now, caller: &Caller, drafts: Vec<Draft>) -> Result<(), StoreError> {
        let log = self.log_setup();
        let mut events = self.waiting.take();
        let waited = events.len();
        events.extend(log.take(now, caller, drafts));
        if events.is_empty() {
            return Ok(());
        }
        let logged = self.store.tick(&[store::Tick::of(self.id, log.batch(&events))]);
        if logged.is_err() {
            events.truncate(waited);
            self.waiting.put_back(events);
        }
        logged
    }

    /// Ends the sessions that have timed out; the log is told with the next commit.
    pub fn reap(&mut self, now: Now) {
        let log = self.log_setup();
        for session in self.sessions.reap(now.up_ms) {
            self.waiting.push(ended::event(log, now, &session, Ended::TimedOut));
        }
    }

    /// One second: energies and demand are committed, then the readings are there to be shown.
    pub fn tick(
        &mut self,
        now: Now,
        measured: Option<&Quantities>,
        increment: &EnergyIncrement,
    ) -> Result<(), StoreError> {
        let (mut energy, mut energy_before) = (self.energy, self.energy);
        let rolled = energy.add(increment);
        // An interval that has ended since has what is owed: it is the one with the gap, and says so.
        energy_before.add(&self.owed);
        let drafts = rolled
            .iter()
            .map(|register| Draft::ordinary(priority::INFORMATION, register.name(), "rolled over to 0"))
            .collect();
        let log = self.log_setup();
        self.reap(now);
        self.disk.mend(now, &mut self.store);
        if self.recorders_due && self.trial().is_none() {
            let again = self.load_recorders().and_then(|()| self.redefine_recorders(now, &Caller::meter()));
            self.recorders_due = again.is_err();
        }
        let mut events = self.waiting.take();
        let waited = events.len();
        events.extend(log.take(now, &Caller::meter(), drafts));
        events.extend(log.take(now, &Caller::meter(), self.lock_keeping.unlogged(now)));
        let on_reserve = self.store.reserve() == store::Reserve::GivenUp;
        events.extend(log.take(now, &Caller::meter(), self.disk.drafts(now, &self.store)));
        if self.scrub_due && self.scrub().is_ok() {
            self.scrub_due = false;
        }
        let energies = stored_energies(&energy);
        let locks = locks::records(&self.lockouts, &self.lock_keeping, now);
        let readings = self.framework.evaluate(&Tick {
            utc_ms: now.utc_ms,
            up_ms: now.up_ms,
            quantities: measured,
            energy: &energy,
            energy_before: &energy_before,
        });
        let memory = self.framework.memory();
        let demand = demand::record(&self.memory, &memory);
        let mut records = locks.borrowed();
        records.extend(demand.iter().map(|record| (demand::RECORD, record.as_str())));
        let mut recorded = self.framework.take_recorded();
        let before_trial = self.trial().and_then(|trial| trial.memory_before());
        if let Some(before) = &before_trial {
            records.push((demand::BEFORE_TRIAL, before.as_str()));
            // A recorder that the new release defines otherwise begins its epoch when that is confirmed.
            recorded.retain(|recorded| self.recorders.records_as(&self.settings.template, recorded.module));
        }
        let recorded = self.recorders.taken(&self.store, self.id, recorded);
        let committed = recorded.and_then(|recorded| {
            let recorders = store::RecorderBatch { records: &recorded, ..store::RecorderBatch::NONE };
            let events = log.batch(&events);
            let tick = store::Tick { meter: self.id, energies: &energies, records: &records, recorders, events };
            self.store.tick(&[tick]).map(|()| recorded)
        });
        let recorded = match committed {
            Ok(recorded) => recorded,
            Err(error) => {
                events.truncate(waited);
                self.waiting.put_back(events);
                // What isn't on the disk has not been measured: this second is missing from the demand.
                self.framework.resume(&self.memory);
                self.owed = *increment;
                if matches!(error, StoreError::Full(_)) {
                    self.disk.full(now);
                }
                return Err(error);
            }
        };
        drop(records);
        self.lock_keeping.stored(locks);
        self.disk.stored(on_reserve);
        self.energy = energy;
        self.owed = EnergyIncrement::default();
        self.memory = memory;
        self.recorders.stored(&recorded);
        self.readings = readings;
        self.tried(now, measured.is_some());
        Ok(())
    }

    /// Recorders that aren't defined any more as their open epochs say get new ones, in a commit with the events that
    /// tell of it. Nothing is recorded in between.
    pub fn redefine_recorders(&mut self, now: Now, caller: &Caller) -> Result<(), GateError> {
        let mut redefined = self.recorders.redefined(&self.settings.template, now.utc_ms)?;
        if !redefined.is_empty() {
            let log = self.log_setup();
            let events = log.take(now, caller, std::mem::take(&mut redefined.drafts));
            let changes = redefined.changes();
            let recorders = store::RecorderBatch { changes: &changes, ..store::RecorderBatch::NONE };
            self.store.tick(&[store::Tick { recorders, ..store::Tick::of(self.id, log.batch(&events)) }])?;
            self.load_recorders()?;
        }
        Ok(())
    }

    /// Reads the recorders as they are stored now.
    pub fn load_recorders(&mut self) -> Result<(), GateError> {
        self.recorders = Recorders::load(&self.store, self.id, &self.settings.template)?;
        Ok(())
    }

    /// Puts settings to work that have been committed: modules, policy, limits.
    pub fn adopt(&mut self, settings: Settings) -> Result<(), GateError> {
        self.framework = Framework::build(&settings.template)?;
        self.framework.resume(&self.memory);
        self.policy = Arc::new(settings.policy(&self.carried.release));
        self.lockouts.set_limits(limits(&settings));
        self.sessions.set_timeout(settings.option_number(options::SESSION_TIMEOUT) as u16);
        let tick = self.standing_tick();
        // The next second measures again; until then, what is measured reads as not available rather
        // than under a label or a link that is no more.
        let fresh = self.framework.show(&tick);
        self.readings = carry_over(&self.readings, fresh);
        self.settings = Arc::new(settings);
        self.generation += 1;
        Ok(())
    }

    /// The last second as it is shown again, without another one passing.
    pub fn standing_tick(&self) -> Tick<'_> {
        Tick {
            utc_ms: self.readings.utc_ms,
            up_ms: 0,
            quantities: None,
            energy: &self.energy,
            energy_before: &self.energy,
        }
    }

    /// Erases what a change of credentials has left behind, before the change is reported (law 4).
    pub fn scrub(&mut self) -> Result<(), StoreError> {
        self.store.scrub().map(drop)
    }

    /// The same; if the disk can't do it now, it is tried again every second.
    pub fn scrub_or_try_again(&mut self) -> Result<(), GateError> {
        self.scrub().map_err(|error| {
            self.scrub_due = true;
            GateError::NotErased(error)
        })
    }

    /// Whom the meter believes at this moment.
    pub fn believed(&self) -> Trust {
        Trust { fronts: self.shipped.iter().map(|shipped| shipped.front).collect(), keys: self.keys.trusted().to_vec() }
    }
}

/// Readings under a new directory, with the values that both directories have.
fn carry_over(old: &Readings, mut fresh: Readings) -> Readings {
    for (position, output) in fresh.directory.outputs().iter().enumerate() {
        if let Some(value) = old.directory.position(&output.name).and_then(|at| old.value(at)) {
            fresh.values[position] = value;
        }
    }
    fresh
}

pub(crate) fn limits(settings: &Settings) -> Limits {
    Limits {
        // The registers' ranges end at 255 and 1440.
        attempts: settings.option_number(options::INVALID_ATTEMPTS) as u8,
        minutes: settings.option_number(options::LOCKOUT_MINUTES) as u16,
    }
}

/// The counters as they are stored, in micro-units. They stay below 10⁹ kWh, which fits an i64.
pub(crate) fn stored_energies(energy: &EnergyRegisters) -> [(&'static str, i64); EnergyRegister::COUNT] {
    EnergyRegister::ALL.map(|register| (register.name(), i64::try_from(energy.micro(register)).unwrap_or(i64::MAX)))
}

/// The stored form of credentials.
pub(crate) fn stored_credentials(credentials: &Credentials) -> Vec<store::Credential> {
    credentials.iter().map(|(account, credential)| stored_credential(*account, credential)).collect()
}

pub(crate) fn stored_credential(account: AccountId, credential: &Credential) -> store::Credential {
    store::Credential { account: account.login(), stored: Secret::new(credential.to_stored().to_string()) }
}
