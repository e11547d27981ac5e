//! The lines about what a meter has recorded and remembers: data recorders with their epochs, demand and its maxima.
//! Without another template all of it goes on; with one, each thing that begins anew, ends or is erased has a line.

use std::collections::{BTreeMap, BTreeSet};

use framework::memory::begin_anew;
use framework::modules::data_recorder::{self, Definition};
use framework::modules::{demand_reset, interval_energy, maximum, periodic_timer, sliding_demand};
use framework::network::Directory;
use framework::{ModuleName, Template};

use super::lines::{Change, DEMAND, KEPT};
use crate::consequence::{Consequence, Kind, Severity};
use crate::migrate::EpochHolds;

/// A recorder goes on under another definition.
pub(crate) const NEW_EPOCH: &str = "a new epoch";
/// A recorder records nothing.
pub(crate) const OFF: &str = "off";
const RECORDING: &str = "recording";
/// What becomes of the records of an epoch.
pub(crate) const READABLE: &str = "readable";
pub(crate) const ERASED: &str = "erased";
/// What becomes of what a module remembers.
pub(crate) const ANEW: &str = "begins anew";
pub(crate) const GONE: &str = "gone";
const GOES_ON: &str = "goes on";

/// An epoch in a line's subject.
pub(crate) fn epoch_subject(recorder: &str, epoch: u32) -> String {
    format!("{recorder} epoch {epoch}")
}

/// Every line about recorders and demand.
pub(super) fn lines(change: &Change<'_>) -> Vec<Consequence> {
    let mut lines = demand(change);
    lines.extend(recorders(change));
    lines
}

fn line(subject: &str, change: (&str, &str), severity: Severity, text: String) -> Consequence {
    Consequence::new("B4", Kind::Log, subject, change, severity, text)
}

fn kept(change: &Change<'_>, subject: &str, text: &str) -> Consequence {
    let clause = if change.from.release < change.to.release { "B17" } else { "B20" };
    Consequence::new(clause, Kind::Log, subject, (KEPT, KEPT), Severity::Info, text)
}

fn demand(change: &Change<'_>) -> Vec<Consequence> {
    let (before, after) = (&change.before.template, &change.after.template);
    let anew = begin_anew(before, after);
    let shows = |template: &Template| {
        let mut kinds = template.modules.keys().map(|module| module.kind().name());
        kinds.any(|kind| [sliding_demand::NAME, maximum::NAME].contains(&kind))
    };
    let mut lines: Vec<_> = anew.iter().map(|module| begins_anew(after, *module)).collect();
    if shows(before) || shows(after) {
        let text = if anew.is_empty() {
            "Demand, its maxima with their times and the count of resets go on from where they are."
        } else {
            "All other demand, its maxima with their times and the count of resets go on from where they are."
        };
        lines.push(kept(change, DEMAND, text));
    }
    lines
}

fn begins_anew(after: &Template, module: ModuleName) -> Consequence {
    let what = match module.kind().name() {
        maximum::NAME => "the maximum so far, with its time,",
        demand_reset::NAME => "the count of demand resets so far",
        sliding_demand::NAME => "the demand of the sub-intervals so far",
        interval_energy::NAME => "the energy of the interval so far",
        periodic_timer::NAME => "the interval that runs",
        _ => "what it remembers",
    };
    let there = after.modules.contains_key(&module);
    let (fate, how) = if there { (ANEW, "it begins anew") } else { (GONE, "the module is gone") };
    let text = format!("{module}: {how}, and {what} is not carried over. Read it first if it counts.");
    line(&module.to_string(), (GOES_ON, fate), Severity::Warning, text)
}

fn recorders(change: &Change<'_>) -> Vec<Consequence> {
    let (before, after) = (&change.before.template, &change.after.template);
    let directories = (Directory::of(before), Directory::of(after));
    let modules: BTreeSet<_> =
        [before, after].into_iter().flat_map(data_recorder::recorders).map(|(module, _)| module).collect();
    let mut lines = Vec::new();
    for module in modules {
        let was = Definition::of(before, &directories.0, module);
        let is = Definition::of(after, &directories.1, module);
        if was == is {
            if after.modules.contains_key(&module) {
                let text = format!("{} and its records are kept; their numbers go on.", named(after, module));
                lines.push(kept(change, &module.to_string(), &text));
            }
            continue;
        }
        lines.extend(redefined(change, module, was.as_ref(), is.as_ref()));
    }
    lines
}

fn named(template: &Template, module: ModuleName) -> String {
    let label = template.modules.get(&module).and_then(|setup| setup.label.as_ref());
    format!("{module}{}", label.map_or_else(String::new, |label| format!(" ({label})")))
}

fn redefined(
    change: &Change<'_>,
    module: ModuleName,
    was: Option<&Definition>,
    is: Option<&Definition>,
) -> Vec<Consequence> {
    let subject = module.to_string();
    let holds = change.choices.recorders.get(&module.number());
    let records = match holds.map_or(0, |holds| holds.records) {
        0 => "the records so far stay readable".to_owned(),
        1 => "1 record stays readable".to_owned(),
        records => format!("{records} records stay readable"),
    };
    let (before, after) = (&change.before.template, &change.after.template);
    let first = match (was, is) {
        (Some(was), Some(is)) => {
            let running = if was.period_s == is.period_s { "" } else { " The interval that runs is not recorded." };
            let text = format!("{}: a new epoch begins; {records}.{running}", named(after, module));
            line(&subject, (RECORDING, NEW_EPOCH), Severity::Warning, text)
        }
        (Some(_), None) => {
            let text = format!("{} records nothing any more; {records}.", named(before, module));
            line(&subject, (RECORDING, OFF), Severity::Warning, text)
        }
        (None, _) => {
            let text = format!("{} begins to record.", named(after, module));
            line(&subject, (OFF, NEW_EPOCH), Severity::Info, text)
        }
    };
    let erased = holds.into_iter().flat_map(|holds| &holds.would_go).map(|EpochHolds { epoch, first, last }| {
        let text = format!(
            "Records {first} to {last} of epoch {epoch} of {subject} are erased, because no more closed epochs are \
             kept, even if the change is taken back. Fetch them first: `setup METER log {} --epoch {epoch}`.",
            module.number()
        );
        line(&epoch_subject(&subject, *epoch), (READABLE, ERASED), Severity::Danger, text)
    });
    std::iter::once(first).chain(erased).collect()
}

/// What has become of a data recorder, as it is stored after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderFound {
    /// What it does now.
    pub now: RecorderNow,
    /// Epochs whose records were there before the change, or some of them, and aren't any more.
    pub gone: BTreeSet<u32>,
}

/// What a data recorder does after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecorderNow {
    /// What it did before.
    GoesOn,
    /// It records into another epoch than before.
    NewEpoch,
    /// It records nothing.
    Off,
}

/// What a meter is found to hold and to remember, for the report.
pub(crate) struct Found<'a> {
    /// By name: `Data Recorder 1`.
    pub recorders: &'a BTreeMap<String, RecorderFound>,
    /// Of each module that remembered something, whether that goes on.
    pub memory: &'a BTreeMap<ModuleName, bool>,
    pub after: &'a Template,
    pub lines: &'a [Consequence],
}

impl Found<'_> {
    /// Whether all demand goes on that no other line is about.
    pub fn demand_kept(&self) -> bool {
        let told = |module: &ModuleName| {
            let name = module.to_string();
            self.lines.iter().any(|line| line.kind == Kind::Log && line.subject == name)
        };
        self.memory.iter().all(|(module, goes_on)| *goes_on || told(module))
    }

    /// What a recorder, an epoch of one, or a module that remembers is found to be.
    pub fn of(&self, subject: &str) -> &'static str {
        if let Some((recorder, epoch)) = subject.split_once(" epoch ") {
            let gone = self.recorders.get(recorder).zip(epoch.parse().ok());
            let gone = gone.is_none_or(|(found, epoch)| found.gone.contains(&epoch));
            return if gone { ERASED } else { READABLE };
        }
        let Ok(module) = subject.parse::<ModuleName>() else { return "unknown" };
        if module.kind().name() != data_recorder::NAME {
            return match self.memory.get(&module) {
                _ if !self.after.modules.contains_key(&module) => GONE,
                Some(true) => KEPT,
                _ => ANEW,
            };
        }
        let Some(found) = self.recorders.get(subject) else { return OFF };
        let told = |epoch: &u32| {
            let name = epoch_subject(subject, *epoch);
            self.lines.iter().any(|line| line.kind == Kind::Log && line.subject == name)
        };
        match found.now {
            _ if !found.gone.iter().all(told) => "changed",
            RecorderNow::GoesOn => KEPT,
            RecorderNow::NewEpoch => NEW_EPOCH,
            RecorderNow::Off => OFF,
        }
    }
}
