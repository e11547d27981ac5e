//! What readers see of a meter: one second's readings with the settings, release and policy they
//! were made under. A view never changes; the gate swaps in a new one, whole, after what it shows has
//! been committed, so nobody ever reads a counter that a power cut could take back.

use std::collections::BTreeSet;
use std::sync::Arc;

use firmware::{Carried, Settings, Version};
use framework::Readings;
use metrology::EnergyRegisters;
use security::{Ask, Path, Policy, Refusal, Source, Who, decide};

use crate::disk::Disk;
use crate::recorders::Recorder;
use crate::schedule::Schedule;

/// What outlives every release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The serial number, as on the plate.
    pub serial: String,
    /// What the meter measures: a recording's name, or the simulated grid.
    pub source: String,
    /// Why logins can't be checked, where the device key is lost.
    pub lost_key: Option<String>,
    /// The oldest release that it goes to; none is any.
    pub floor: Option<Version>,
}

/// One meter as of one second.
#[derive(Debug, Clone)]
pub struct View {
    /// The device.
    pub identity: Arc<Identity>,
    /// The release that runs, with its template.
    pub carried: Arc<Carried>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// What the settings say about access.
    pub policy: Arc<Policy>,
    /// The last second's readings.
    pub readings: Readings,
    /// The energy counters, as committed.
    pub energy: EnergyRegisters,
    /// Counts changes of settings and of release: whoever keeps something made from them looks here.
    pub generation: u64,
    /// Whether a change of release is under way, so that settings can't be changed.
    pub changing: bool,
    /// How the disk stands.
    pub disk: Disk,
    /// Whether it is on trial: the new release runs, and goes back unless it proves itself.
    pub on_trial: bool,
    /// Why the last change was taken back, if it was: for whoever may read security.
    pub taken_back: Option<String>,
    /// The change that waits for its time, or what became of the last one: for whoever may read security.
    pub schedule: Option<Arc<Schedule>>,
    /// The data recorders, as committed.
    pub recorders: Arc<Vec<Recorder>>,
    /// Where somebody has logged in from before: whoever comes from there comes first where places are few.
    pub known_sources: Arc<BTreeSet<Source>>,
}

impl View {
    /// Whether somebody may do something on a path.
    pub fn may(&self, path: Path, who: Who, ask: Ask) -> Result<(), Refusal> {
        decide(&self.policy, path, who, ask)
    }

    /// The release that runs.
    pub fn release(&self) -> &firmware::Release {
        &self.carried.release
    }
}
