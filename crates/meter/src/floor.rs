//! The floor: a release below which the meter refuses to go (B28), off as shipped. It is the device's: no package,
//! template or restore writes it. Over the network it is only raised, and never above the release that runs; lowering
//! or dropping it takes whoever holds the machine. Each change is an event that is always kept.

use std::sync::Arc;

use firmware::{Shipped, Version};
use security::Ask;
use store::{DeviceChange, Opened};

use crate::boot::{BootError, resume};
use crate::chain::Newest;
use crate::change::{Step, on_its_road};
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, may_read};
use crate::state::State;
use crate::view::Identity;
use crate::{GateError, Now};

/// What the floor is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewFloor {
    /// The release that runs.
    Current,
    /// This release.
    Release(Version),
}

/// What whoever holds the machine does to a floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FloorAtMachine {
    /// Only looks. What a start would do is done all the same: a change on trial is taken back.
    Show,
    /// Drops it.
    Off,
    /// Sets it, wherever it was.
    Set(Version),
}

/// A floor, as whoever holds the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The meter's serial number.
    pub serial: String,
    /// The release that it has.
    pub release: Version,
    /// What the floor was.
    pub before: Option<Version>,
    /// What it is now.
    pub floor: Option<Version>,
    /// What whoever looks should know: a change on trial that power cut short is taken back by looking.
    pub remarks: Vec<String>,
}

impl Gate {
    /// The floor, for whoever may read security.
    pub fn floor(&self, caller: &Caller) -> Result<Option<Version>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::ReadSecurity)?;
        Ok(state.identity.floor.clone())
    }

    /// Raises the floor.
    pub fn raise_floor(&self, now: Now, caller: &Caller, to: &NewFloor) -> Result<Version, GateError> {
        on_its_road(caller, Step::Beyond)?;
        let mut state = self.to_configure(now, caller)?;
        let runs = &state.carried.release.release;
        let to = match to {
            NewFloor::Current => runs.clone(),
            NewFloor::Release(release) => release.clone(),
        };
        if to > *runs {
            return Err(GateError::FloorAboveRelease { floor: to, runs: runs.clone() });
        }
        match state.identity.floor.clone() {
            Some(floor) if to < floor => return Err(GateError::FloorOnlyRises(floor)),
            Some(floor) if to == floor => return Ok(floor),
            _ => {}
        }
        commit(&mut state, now, caller, Some(to.clone()))?;
        self.show(&state);
        Ok(to)
    }
}

/// Whether a meter may go to a release at all.
pub(crate) fn allows(state: &State, release: &Version) -> Result<(), GateError> {
    match &state.identity.floor {
        Some(floor) if release < floor => Err(GateError::BelowFloor { release: release.clone(), floor: floor.clone() }),
        _ => Ok(()),
    }
}

fn commit(state: &mut State, now: Now, caller: &Caller, floor: Option<Version>) -> Result<(), GateError> {
    let shown = |floor: &Option<Version>| floor.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let effect = format!("floor {} → {}", shown(&state.identity.floor), shown(&floor));
    let log = state.log_setup();
    let events = log.take(now, caller, vec![Draft::kept(priority::WARNING, "floor", effect)]);
    let change = DeviceChange::Floor(floor.as_ref().map(ToString::to_string));
    state.store.commit_device(state.id, &[change], &[], log.batch(&events))?;
    state.identity = Arc::new(Identity { floor, ..(*state.identity).clone() });
    Ok(())
}

/// Shows or changes the floor of the meter in an opened state directory, which no running meter holds. Whoever holds
/// the machine may do anything.
pub fn floor_at_machine(
    opened: Opened,
    shipped: Arc<Vec<Shipped>>,
    now: Now,
    doing: FloorAtMachine,
) -> Result<Floor, BootError> {
    let store = match opened {
        Opened::Existing(store) => *store,
        Opened::New(_) => return Err(BootError::Unborn),
    };
    let (mut state, ahead, remarks) = resume(store, None, shipped, now, Newest::default())?;
    let before = state.identity.floor.clone();
    let floor = match doing {
        FloorAtMachine::Show => before.clone(),
        FloorAtMachine::Off => None,
        FloorAtMachine::Set(release) => Some(release),
    };
    if floor != before {
        commit(&mut state, ahead.now(now), &Caller::meter(), floor.clone())?;
    }
    let (serial, release) = (state.identity.serial.clone(), state.carried.release.release.clone());
    Ok(Floor { serial, release, before, floor, remarks })
}
