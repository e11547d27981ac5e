//! The lines about a template: each part that changes, each conflict, and what becomes of the parts that nobody lists.
//! What a change of parts does to records has lines of its own in [`super::records`].

use std::collections::{BTreeMap, BTreeSet};

use framework::merge::{Conflict, Side};
use framework::modules::{
    data_recorder, demand_reset, integrator, interval_energy, maximum, periodic_timer, power_meter, sliding_demand,
};
use framework::parts::{Content, Part, Parts, What, differences};

use super::lines::{Change, KEPT, NOTHING};
use super::modbus;
use crate::consequence::{Consequence, Kind, Severity};
use crate::settings::Settings;
use crate::template::TemplateChoice;

/// The line about a template that is kept as it is.
pub(crate) const TEMPLATE: &str = "template";
/// The line about what no other line is about.
pub(crate) const OTHER_PARTS: &str = "other parts of the template";
/// What a module becomes that wasn't there, and one that is there no more.
const ADDED: &str = "added";
const REMOVED: &str = "removed";
/// The Power Meter's registers that every reading depends on.
const MEASURED_BY: [&str; 5] =
    [power_meter::VOLTS_MODE, power_meter::PT_PRIM, power_meter::PT_SEC, power_meter::CT_PRIM, power_meter::CT_SEC];
/// What bears on what is billed, in a sentence behind others.
const BILLS: &str = " What is billed depends on it.";

/// The parts of a template, security's left out.
fn parts(settings: &Settings) -> Parts {
    settings.template.parts().into_iter().filter(|(part, _)| !part.module.is_security()).collect()
}

/// What stands there, in words.
fn word(content: Option<&Content>) -> String {
    content.map_or_else(|| NOTHING.to_owned(), ToString::to_string)
}

/// What has become of a part, in words.
fn fate(part: &Part, was: Option<&Content>, is: Option<&Content>) -> String {
    match (&part.what, was, is) {
        (What::Itself, None, Some(_)) => ADDED.to_owned(),
        (What::Itself, Some(_), None) => REMOVED.to_owned(),
        _ => word(is),
    }
}

/// Whether what is billed depends on a part: on how energy and demand are measured, counted and recorded. Names don't.
fn bills(part: &Part) -> bool {
    let kinds = [
        power_meter::NAME,
        integrator::NAME,
        interval_energy::NAME,
        periodic_timer::NAME,
        data_recorder::NAME,
        sliding_demand::NAME,
        maximum::NAME,
        demand_reset::NAME,
    ];
    let kind = part.module.kind().name();
    match &part.what {
        What::Label | What::OutputLabel(_) => false,
        // The nominal voltage is for sags and swells.
        What::Register(register) if kind == power_meter::NAME => MEASURED_BY.contains(&register.as_str()),
        _ => kinds.contains(&kind),
    }
}

/// Every line about the template.
pub(super) fn lines(change: &Change<'_>) -> Vec<Consequence> {
    let (before, after) = (parts(change.before), parts(change.after));
    let changed: Vec<_> = differences(&before, &after).map(|(part, ..)| part).collect();
    let mut lines: Vec<_> = changed
        .iter()
        .filter(|part| !change.conflicts.contains_key(part))
        .map(|part| {
            let (was, is) = (before.get(part), after.get(part));
            let bills = bills(part);
            let severity = if bills { Severity::Warning } else { Severity::Info };
            let mut text = match change.choices.template {
                TemplateChoice::File(_) => "As the template file has it.".to_owned(),
                _ => format!("Changed between the templates of {} and {}.", change.from.release, change.to.release),
            };
            text.push_str(if bills { BILLS } else { "" });
            let words = (word(was), fate(part, was, is));
            Consequence::new("B4", Kind::Template, part.to_string(), words, severity, text)
        })
        .collect();
    lines
        .extend(change.conflicts.iter().map(|(part, conflict)| conflict_line(change, part, conflict, &before, &after)));
    lines.extend(modbus::lines(change));
    lines.push(kept(change, lines.is_empty()));
    lines
}

fn conflict_line(change: &Change<'_>, part: &Part, conflict: &Conflict, before: &Parts, after: &Parts) -> Consequence {
    let (from, to) = (&change.from.release, &change.to.release);
    let decided = match change.choices.template {
        TemplateChoice::Release(Side::Release) => "the release's takes its place.",
        _ => "the meter's own stays.",
    };
    let text = format!(
        "Conflict: {from} came with {}, the meter has {}, {to} comes with {}; {decided}{}",
        word(conflict.base.as_ref()),
        word(conflict.mine.as_ref()),
        word(conflict.theirs.as_ref()),
        if bills(part) { BILLS } else { "" },
    );
    let (was, is) = (before.get(part), after.get(part));
    let words = (word(was), fate(part, was, is));
    Consequence::new("B4", Kind::Template, part.to_string(), words, Severity::Warning, text)
}

/// The line about all that no other is about.
fn kept(change: &Change<'_>, nothing_changes: bool) -> Consequence {
    let line = |subject, text| Consequence::new("B4", Kind::Template, subject, (KEPT, KEPT), Severity::Info, text);
    match &change.choices.template {
        TemplateChoice::Keep => {
            line(TEMPLATE, "The meter keeps its own template: modules, links and labels stay as they are.".to_owned())
        }
        _ if nothing_changes => line(
            TEMPLATE,
            "The chosen template changes nothing: modules, links and labels stay as they are.".to_owned(),
        ),
        _ => line(OTHER_PARTS, "All other modules, links, labels and registers stay as they are.".to_owned()),
    }
}

/// What a template is found to be, for the report: each part's word by its name, and whether anything has changed that
/// no line is about.
pub(crate) struct Found {
    words: BTreeMap<String, String>,
    others_kept: bool,
}

impl Found {
    /// Of settings before and after a change with these lines.
    pub(crate) fn new(before: &Settings, after: &Settings, lines: &[Consequence]) -> Self {
        let (before, after) = (parts(before), parts(after));
        let about = lines.iter().filter(|line| line.kind == Kind::Template).map(|line| line.subject.as_str());
        let about: BTreeSet<&str> = about.collect();
        let others_kept = differences(&before, &after).all(|(part, ..)| about.contains(part.to_string().as_str()));
        let all: BTreeSet<&Part> = before.keys().chain(after.keys()).collect();
        let word = |part: &Part| (part.to_string(), fate(part, before.get(part), after.get(part)));
        Self { words: all.into_iter().map(word).collect(), others_kept }
    }

    /// What a line's subject is found to be.
    pub(crate) fn of(&self, subject: &str, after: &Settings) -> String {
        match subject {
            TEMPLATE | OTHER_PARTS => if self.others_kept { KEPT } else { "changed" }.to_owned(),
            modbus::MAP => modbus::state(&after.template).to_owned(),
            _ => modbus::found(subject, &after.template)
                .or_else(|| self.words.get(subject).cloned())
                .unwrap_or_else(|| NOTHING.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
