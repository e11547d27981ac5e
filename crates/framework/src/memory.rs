//! What modules remember from one second to the next and over a restart: the sums of running demand, maxima, the
//! count of demand resets. Plain values that read back exactly as they were written; where they are kept, and that
//! they are kept before anybody sees them, is the meter's business.
//!
//! A module finds its own again by its name and by where its values come from, so that relinking a maximum from one
//! quantity to another never shows the old one's under the new name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::modules::demand_reset::{self, Resets};
use crate::modules::interval_energy::{self, Growth};
use crate::modules::maximum::{self, Peak};
use crate::modules::periodic_timer::{self, Interval};
use crate::modules::sliding_demand::{self, Window};
use crate::template::{LONGEST_CHAIN, ModuleName, Template};

/// The kinds whose modules remember something: each has a [`Kept`] of its own.
const REMEMBERING: [&str; 5] =
    [sliding_demand::NAME, maximum::NAME, demand_reset::NAME, periodic_timer::NAME, interval_energy::NAME];

/// What one module remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// A Sliding Window Demand module's sub-intervals.
    Window(Window),
    /// A Maximum module's maximum.
    Peak(Peak),
    /// A Demand Reset module's count.
    Resets(Resets),
    /// A Periodic Timer module's interval.
    Interval(Interval),
    /// An Interval Energy module's readings.
    Growth(Growth),
}

/// What all of a meter's modules remember.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory {
    modules: BTreeMap<ModuleName, Remembered>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Remembered {
    /// Where the module's values come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    from: String,
    kept: Kept,
}

impl Memory {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Of each module that an earlier memory has something of, whether this is what that has become without a demand
    /// reset: its values come from where they came from, its maximum hasn't gone or fallen, no reset was counted or
    /// forgotten, and its intervals are as long as they were.
    pub fn goes_on_from(&self, earlier: &Self) -> BTreeMap<ModuleName, bool> {
        let goes_on = |(module, before): (&ModuleName, &Remembered)| {
            let now = self.modules.get(module).filter(|now| now.from == before.from);
            let goes_on = match (&before.kept, now.map(|now| &now.kept)) {
                (Kept::Window(before), Some(Kept::Window(now))) => before.as_long_as(now),
                (Kept::Interval(before), Some(Kept::Interval(now))) => before.as_long_as(now),
                (Kept::Growth(_), Some(Kept::Growth(_))) => true,
                (Kept::Peak(before), Some(Kept::Peak(now))) => now.value >= before.value,
                (Kept::Resets(before), Some(Kept::Resets(now))) => before == now,
                _ => false,
            };
            (*module, goes_on)
        };
        earlier.modules.iter().map(goes_on).collect()
    }

    /// What is remembered once a backup has been restored into a meter that has this template then: of each maximum the
    /// greater one, unless the demand has been reset here since the backup, which began them anew; of resets the higher
    /// count. Running demand stays this meter's own. `counters` says whether the restore raises energy: an interval that
    /// runs would have that for its energy, so it has none.
    pub fn restored(&self, backup: &Self, template: &Template, counters: Counters) -> (Self, Vec<Raised>) {
        let resets = |memory: &Self| {
            let counts = memory.modules.values().filter_map(|remembered| match &remembered.kept {
                Kept::Resets(resets) => Some(resets.count),
                _ => None,
            });
            counts.max().unwrap_or(0)
        };
        let same_period = resets(backup) >= resets(self);
        let (mut memory, mut raised) = (Self::default(), Vec::new());
        for module in template.modules.keys() {
            let from = origin(template, *module);
            let (own, theirs) = (self.of(*module, &from), backup.of(*module, &from));
            let (kept, change) = match (own, theirs) {
                (Some(Kept::Peak(own)), Some(Kept::Peak(theirs))) if same_period && theirs.value > own.value => {
                    (Kept::Peak(*theirs), Some((Some(own.value), theirs.value)))
                }
                (None, Some(Kept::Peak(theirs))) if same_period => (Kept::Peak(*theirs), Some((None, theirs.value))),
                (Some(Kept::Resets(own)), Some(Kept::Resets(theirs))) if theirs.count > own.count => {
                    (Kept::Resets(*theirs), Some((Some(own.count.into()), theirs.count.into())))
                }
                (Some(Kept::Growth(own)), _) if counters == Counters::Raised => (Kept::Growth(own.begun_anew()), None),
                (Some(own), _) => (own.clone(), None),
                (None, _) => continue,
            };
            raised.extend(change.map(|(before, after)| Raised { module: *module, before, after }));
            memory.insert(*module, &from, kept);
        }
        (memory, raised)
    }

    /// What is remembered once a trial of other settings is over and these are back: what went on under them too, as it is
    /// after the trial, and all else as it was before.
    pub fn brought_back(&self, trial: &Self) -> Self {
        let went_on = trial.goes_on_from(self);
        let newest = |(module, before): (&ModuleName, &Remembered)| {
            let goes_on = went_on.get(module) == Some(&true);
            let kept = trial.modules.get(module).filter(|_| goes_on).unwrap_or(before);
            (*module, kept.clone())
        };
        Self { modules: self.modules.iter().map(newest).collect() }
    }

    pub(crate) fn insert(&mut self, module: ModuleName, from: &str, kept: Kept) {
        self.modules.insert(module, Remembered { from: from.to_owned(), kept });
    }

    /// What a module remembers whose values come from there.
    pub(crate) fn of(&self, module: ModuleName, from: &str) -> Option<&Kept> {
        self.modules.get(&module).filter(|remembered| remembered.from == from).map(|remembered| &remembered.kept)
    }
}

/// The modules that remember something under one template and begin anew under another: they are gone, their values
/// come from elsewhere, or their intervals are of another length.
pub fn begin_anew(before: &Template, after: &Template) -> Vec<ModuleName> {
    let length = |template: &Template, module: ModuleName| {
        let setup = template.modules.get(&module)?;
        match module.kind().name() {
            sliding_demand::NAME => setup.number(sliding_demand::LENGTH),
            periodic_timer::NAME => setup.number(periodic_timer::PERIOD),
            _ => None,
        }
    };
    let remembers = |module: &ModuleName| REMEMBERING.contains(&module.kind().name());
    let anew = |module: &ModuleName| {
        !after.modules.contains_key(module)
            || origin(before, *module) != origin(after, *module)
            || length(before, *module) != length(after, *module)
    };
    before.modules.keys().copied().filter(remembers).filter(anew).collect()
}

/// Whether energy counters are another's from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counters {
    /// They go on as they are.
    AsTheyAre,
    /// At least one is raised.
    Raised,
}

/// A maximum or a count of resets that a backup has raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raised {
    /// Whose.
    pub module: ModuleName,
    /// What it was; none before the first.
    pub before: Option<f64>,
    /// What it is.
    pub after: f64,
}

/// Where a module's values come from: the outputs along the links of first inputs, up to one that has none, and the
/// timer that says when they are taken.
pub(crate) fn origin(template: &Template, module: ModuleName) -> String {
    let mut outputs = Vec::new();
    let mut at = module;
    while let Some(input) = at.kind().inputs().first().filter(|_| outputs.len() < LONGEST_CHAIN)
        && let Some(target) = template.modules.get(&at).and_then(|setup| setup.inputs.get(*input))
    {
        outputs.push(target.to_string());
        at = target.module;
    }
    let trigger = module.kind().trigger().and_then(|input| template.modules.get(&module)?.inputs.get(input));
    let at = trigger.map_or_else(String::new, |timer| format!(" @ {timer}"));
    outputs.join(" < ") + &at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a template of one demand with its maximum, and an interval energy.
    fn template(sub_interval: u32, source: &str, period: u32) -> Template {
        let text = format!(
            r#"
format = 1
model = "8650"
release = "4.40.1"
[modules."Power Meter 1"]
[modules."Integrator 1"]
[modules."Sliding Window Demand 1"]
setup = {{ "Sub Intvl" = {sub_interval} }}
inputs = {{ Source = "Power Meter 1/{source}" }}
[modules."Maximum 1"]
inputs = {{ Source = "Sliding Window Demand 1/SWinDemand" }}
[modules."Demand Reset 1"]
[modules."Periodic Timer 1"]
setup = {{ Period = {period} }}
[modules."Interval Energy 1"]
inputs = {{ Source = "Integrator 1/kWh del", Trigger = "Periodic Timer 1/Trigger" }}
"#
        );
        crate::Dcf::parse(text.as_bytes()).unwrap().template()
    }

    #[test]
    fn what_begins_anew_is_known_before_it_does() {
        let before = template(900, "kW tot", 900);
        let names =
            |after: &Template| -> Vec<String> { begin_anew(&before, after).iter().map(ToString::to_string).collect() };
        assert_eq!(names(&before), [""; 0]);
        // A maximum is of what it is linked to, however long its sub-intervals are.
        assert_eq!(names(&template(300, "kW tot", 900)), ["Sliding Window Demand 1"]);
        assert_eq!(names(&template(900, "kVA tot", 900)), ["Sliding Window Demand 1", "Maximum 1"]);
        assert_eq!(names(&template(900, "kW tot", 300)), ["Periodic Timer 1"]);
        let mut without = before.clone();
        without.modules.remove(&"Demand Reset 1".parse().unwrap());
        assert_eq!(names(&without), ["Demand Reset 1"]);
    }

    #[test]
    fn what_is_said_to_begin_anew_does_and_nothing_else() {
        let energy = metrology::EnergyRegisters::default();
        let quantities = metrology::Quantities::default();
        let tick = |utc_ms| crate::Tick {
            utc_ms,
            up_ms: utc_ms,
            quantities: Some(&quantities),
            energy: &energy,
            energy_before: &energy,
        };
        for after in [
            template(900, "kW tot", 900),
            template(300, "kW tot", 900),
            template(900, "kVA tot", 900),
            template(900, "kW tot", 300),
        ] {
            let before = template(900, "kW tot", 900);
            let mut framework = crate::Framework::build(&before).unwrap();
            (0..=1801).for_each(|second| drop(framework.evaluate(&tick(second * 1000))));
            let earlier = framework.memory();
            let mut framework = crate::Framework::build(&after).unwrap();
            framework.resume(&earlier);
            let found = framework.memory().goes_on_from(&earlier);
            assert_eq!(found.len(), 5, "all five remember something: {found:?}");
            let anew: Vec<_> = found.into_iter().filter(|(_, goes_on)| !goes_on).map(|(module, _)| module).collect();
            assert_eq!(anew, begin_anew(&before, &after));
        }
    }

    fn small() -> Template {
        let text = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n[modules.\"Power Meter 1\"]\n\
            [modules.\"Maximum 1\"]\ninputs = { Source = \"Power Meter 1/kW tot\" }\n\
            [modules.\"Demand Reset 1\"]\n[modules.\"Interval Energy 1\"]\n";
        crate::Dcf::parse(text.as_bytes()).unwrap().template()
    }

    fn memory(peak: Option<f64>, resets: u32) -> Memory {
        let template = small();
        let mut memory = Memory::default();
        let mut insert = |name: &str, kept| {
            let module = name.parse().unwrap();
            memory.insert(module, &origin(&template, module), kept);
        };
        if let Some(value) = peak {
            insert("Maximum 1", Kept::Peak(Peak { value, utc_ms: 1 }));
        }
        insert("Demand Reset 1", Kept::Resets(Resets { count: resets, last_utc_ms: None }));
        insert("Interval Energy 1", Kept::Growth(serde_json::from_str("{\"began_at\":5,\"last\":2}").unwrap()));
        memory
    }

    #[test]
    fn a_restore_never_lowers_a_maximum_nor_brings_back_one_that_was_reset_since() {
        for (own, backup, expected) in [
            ((Some(5.0), 1), (Some(9.0), 1), (Some(9.0), 1)),
            ((Some(9.0), 1), (Some(5.0), 1), (Some(9.0), 1)),
            ((None, 0), (Some(5.0), 3), (Some(5.0), 3)),
            ((Some(1.0), 2), (Some(5.0), 1), (Some(1.0), 2)),
            ((None, 2), (Some(5.0), 1), (None, 2)),
        ] {
            let (own_memory, theirs) = (memory(own.0, own.1), memory(backup.0, backup.1));
            let (found, raised) = own_memory.restored(&theirs, &small(), Counters::AsTheyAre);
            assert_eq!(found, memory(expected.0, expected.1), "{own:?} {backup:?}");
            assert_eq!(raised.is_empty(), found == own_memory, "{own:?} {backup:?}");
        }
    }

    #[test]
    fn an_interval_in_which_counters_are_raised_has_no_energy() {
        let own = memory(None, 0);
        let (found, _) = own.restored(&own, &small(), Counters::Raised);
        let growth = found.modules[&"Interval Energy 1".parse().unwrap()].kept.clone();
        assert_eq!(growth, Kept::Growth(serde_json::from_str("{\"began_at\":null,\"last\":2}").unwrap()));
        assert_eq!(own.restored(&own, &small(), Counters::AsTheyAre), (own, Vec::new()));
    }
}
