//! Demand as the meter keeps it: stored beside its energies in the same commit of every second, read back at boot, kept
//! by every change of release, and reset by whoever has the right. How demand is worked out is `framework`'s.

use framework::modules::{demand_reset, maximum, security_options as options, sliding_demand};
use framework::{Memory, ModuleName, RegisterName};
use security::{Ask, Right};
use store::MeterState;

use crate::events::Draft;
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::state::State;
use crate::view::View;
use crate::{GateError, Now};

/// The record of what the modules remember.
pub(crate) const RECORD: &str = "demand";
/// The record of what they remembered before a change of release, while that is on trial; empty otherwise.
pub(crate) const BEFORE_TRIAL: &str = "demand before the trial";
/// What stands where nothing was measured.
const NOTHING: &str = "-";

/// A demand that is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Its label: `kW sd`.
    pub label: String,
    /// `kW`.
    pub unit: &'static str,
    /// How many decimals people are shown.
    pub decimals: u8,
    /// Over the last complete sub-intervals; none before the first.
    pub value: Option<f64>,
    /// At the end of the running sub-interval, as it looks now.
    pub predicted: Option<f64>,
    /// Until then, in seconds.
    pub left_s: Option<f64>,
}

/// A maximum since the last reset.
#[derive(Debug, Clone, PartialEq)]
pub struct DemandMaximum {
    /// Its label: `kW sd mx`.
    pub label: String,
    /// `kW`.
    pub unit: &'static str,
    /// How many decimals people are shown.
    pub decimals: u8,
    /// None before the first.
    pub value: Option<f64>,
    /// When it was reached, UTC, in milliseconds since 1970.
    pub utc_ms: Option<i64>,
}

/// All there is to say of a meter's demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Demands {
    /// Each demand.
    pub demands: Vec<Demand>,
    /// Each maximum.
    pub maxima: Vec<DemandMaximum>,
    /// How often the demand was reset; none where the template doesn't count it.
    pub resets: Option<u64>,
    /// When last, UTC, in milliseconds since 1970.
    pub last_reset_utc_ms: Option<i64>,
}

/// What the modules of a stored meter remember.
pub(crate) fn stored(stored: &MeterState) -> Result<Memory, GateError> {
    Ok(read(stored, RECORD)?.unwrap_or_default())
}

/// What they remember once a change that is stored on trial is taken back: its record, if a second was stored on trial.
pub(crate) fn brought_back(state: &MeterState) -> Result<Option<String>, GateError> {
    let Some(before) = read(state, BEFORE_TRIAL)? else { return Ok(None) };
    Ok(text(&before.brought_back(&stored(state)?)))
}

fn read(stored: &MeterState, record: &str) -> Result<Option<Memory>, GateError> {
    let Some(record) = stored.records.get(record).filter(|record| !record.is_empty()) else { return Ok(None) };
    serde_json::from_str(record).map(Some).map_err(|error| GateError::Unreadable(format!("the demand: {error}")))
}

/// A memory as it is stored.
pub(crate) fn text(memory: &Memory) -> Option<String> {
    // Names, whole numbers and finite ones: nothing of it can't be written.
    serde_json::to_string(memory).ok()
}

/// The record of a memory, if it differs from the one that is stored.
pub(crate) fn record(stored: &Memory, memory: &Memory) -> Option<String> {
    (stored != memory).then(|| text(memory)).flatten()
}

impl View {
    /// The demand, its maxima and its resets, as committed.
    pub fn demand(&self) -> Demands {
        let readings = &self.readings;
        let modules = |kind: &'static str| {
            self.settings.template.modules.keys().copied().filter(move |module| module.kind().name() == kind)
        };
        let value = |module: ModuleName, register: &str| {
            let name = RegisterName { module, register: register.to_owned() };
            readings.value(readings.directory.position(&name)?)
        };
        let described = |module: ModuleName, register: &str| {
            let name = RegisterName { module, register: register.to_owned() };
            let output = readings.directory.position(&name).map(|at| &readings.directory.outputs()[at]);
            output.map_or_else(|| (name.to_string(), "", 3), |it| (it.label.clone(), it.unit, it.decimals))
        };
        let utc_ms = |seconds: f64| (seconds * 1000.0) as i64;
        let demand = |module| {
            let (label, unit, decimals) = described(module, sliding_demand::DEMAND);
            Demand {
                label,
                unit,
                decimals,
                value: value(module, sliding_demand::DEMAND),
                predicted: value(module, sliding_demand::PREDICTED),
                left_s: value(module, sliding_demand::TIME_LEFT),
            }
        };
        let maximum = |module| {
            let (label, unit, decimals) = described(module, maximum::MAXIMUM);
            let utc_ms = value(module, maximum::TIME).map(utc_ms);
            DemandMaximum { label, unit, decimals, value: value(module, maximum::MAXIMUM), utc_ms }
        };
        let counter = modules(demand_reset::NAME).next();
        Demands {
            demands: modules(sliding_demand::NAME).map(demand).collect(),
            maxima: modules(maximum::NAME).map(maximum).collect(),
            resets: counter.and_then(|module| value(module, demand_reset::COUNT)).map(|count| count as u64),
            last_reset_utc_ms: counter.and_then(|module| value(module, demand_reset::TIME)).map(utc_ms),
        }
    }
}

impl Gate {
    /// Resets the demand: its maxima begin anew and the reset is counted, in one commit with the event that tells what
    /// the maxima were. Takes Peak Demand Reset. Gives the maxima that it ended.
    pub fn reset_demand(&self, now: Now, caller: &Caller) -> Result<Vec<DemandMaximum>, GateError> {
        self.reset_demand_if(now, caller, |_| true)
    }

    /// The same, if nobody has reset it since there were so many resets: one click is one reset.
    ///
    /// # Errors
    /// [`GateError::SettingsChanged`] if somebody has.
    pub fn reset_demand_as_of(
        &self,
        now: Now,
        caller: &Caller,
        resets: Option<u64>,
    ) -> Result<Vec<DemandMaximum>, GateError> {
        self.reset_demand_if(now, caller, |before| before.resets == resets)
    }

    fn reset_demand_if(
        &self,
        now: Now,
        caller: &Caller,
        as_shown: impl FnOnce(&Demands) -> bool,
    ) -> Result<Vec<DemandMaximum>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::DemandReset))?;
        stands_still(&state)?;
        let before = state.view().demand();
        if before.maxima.is_empty() {
            return Err(GateError::NoDemand);
        }
        if !as_shown(&before) {
            return Err(GateError::SettingsChanged);
        }
        reset(&mut state, now, caller, &before)?;
        self.show(&state);
        Ok(before.maxima)
    }
}

fn reset(state: &mut State, now: Now, caller: &Caller, before: &Demands) -> Result<(), GateError> {
    state.framework.reset_demand(now.utc_ms);
    let memory = state.framework.memory();
    let record = record(&state.memory, &memory);
    let records: Vec<_> = record.iter().map(|record| (RECORD, record.as_str())).collect();
    let log = state.log_setup();
    let priority = state.settings.option_number(options::DEMAND_RESET_PRIORITY) as u8;
    let effect: Vec<_> = before.maxima.iter().map(DemandMaximum::told).collect();
    let draft = Draft::ordinary(priority, "demand reset", effect.join("; "));
    let events = log.take(now, caller, vec![draft]);
    let change =
        store::SettingsChange { records: &records, events: log.batch(&events), ..store::SettingsChange::default() };
    let id = state.id;
    if let Err(error) = state.store.commit_settings(id, &change) {
        state.framework.resume(&state.memory);
        return Err(error.into());
    }
    state.memory = memory;
    state.readings = state.framework.show_remembered(&state.standing_tick(), &state.readings);
    Ok(())
}

impl DemandMaximum {
    /// As the log tells of it: label, value and when, in UTC seconds as the register has it.
    fn told(&self) -> String {
        let decimals = usize::from(self.decimals);
        let value = self.value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.decimals$} {}", self.unit));
        let at = self.utc_ms.map_or_else(String::new, |utc_ms| format!(" at {}", utc_ms.div_euclid(1000)));
        format!("{} was {}{at}", self.label, value.trim_end())
    }
}
