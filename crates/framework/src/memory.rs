//! What modules remember from one second to the next and over a restart: the sums of running demand, maxima, the
//! count of demand resets. Plain values that read back exactly as they were written; where they are kept, and that
//! they are kept before anybody sees them, is the meter's business.
//!
//! A module finds its own again by its name and by where its values come from, so that relinking a maximum from one
//! quantity to another never shows the old one's under the new name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::modules::demand_reset::Resets;
use crate::modules::interval_energy::Growth;
use crate::modules::maximum::Peak;
use crate::modules::periodic_timer::Interval;
use crate::modules::sliding_demand::Window;
use crate::template::{LONGEST_CHAIN, ModuleName, Template};

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

    /// Whether this is what an earlier memory has become without a demand reset: no maximum has gone or fallen, and no
    /// reset was counted or forgotten.
    pub fn goes_on_from(&self, earlier: &Self) -> bool {
        earlier.modules.iter().all(|(module, before)| {
            match (&before.kept, self.modules.get(module).map(|now| &now.kept)) {
                (Kept::Window(_), Some(Kept::Window(_)))
                | (Kept::Interval(_), Some(Kept::Interval(_)))
                | (Kept::Growth(_), Some(Kept::Growth(_))) => true,
                (Kept::Peak(before), Some(Kept::Peak(now))) => now.value >= before.value,
                (Kept::Resets(before), Some(Kept::Resets(now))) => before == now,
                _ => false,
            }
        })
    }

    pub(crate) fn insert(&mut self, module: ModuleName, from: &str, kept: Kept) {
        self.modules.insert(module, Remembered { from: from.to_owned(), kept });
    }

    /// What a module remembers whose values come from there.
    pub(crate) fn of(&self, module: ModuleName, from: &str) -> Option<&Kept> {
        self.modules.get(&module).filter(|remembered| remembered.from == from).map(|remembered| &remembered.kept)
    }
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
