//! What a change of template does to the Modbus map: a program that polls a register number goes on getting an answer,
//! and must not find another quantity in it in silence.

use std::collections::{BTreeMap, BTreeSet};

use framework::modules::modbus_slave::{self, BASE_ADDRESS, FORMAT, SCALING, SOURCES};
use framework::{ModuleSetup, RegisterName, Template};

use super::lines::{Change, NOTHING};
use crate::consequence::{Consequence, Kind, Severity};

/// What stands before the numbers of registers in a line's subject.
const REGISTERS: &str = "Modbus ";
/// Runs of registers with no more than this between them, and nothing that stays, are one: as many as one module has.
const GAP: u16 = 32;
/// The line about a map that can't be served.
pub(crate) const MAP: &str = "Modbus map";
const SERVED: &str = "served";
const OVERLAPPING: &str = "not served";
/// Sources that a line names; it counts the others.
const NAMED: usize = 3;

/// A value in the map, by its first register.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    words: u16,
    /// With its place in the module, where that is its bit.
    sources: Vec<(u16, RegisterName)>,
    label: String,
    /// Format and scaling, as people read them.
    form: String,
}

type Map = BTreeMap<u16, Place>;

fn slaves(template: &Template) -> impl Iterator<Item = &ModuleSetup> {
    template.modules.iter().filter(|(name, _)| name.kind().name() == modbus_slave::NAME).map(|(_, setup)| setup)
}

/// Register numbers end at 49999 and a module has 32 at most: none is out of range.
fn base(setup: &ModuleSetup) -> u16 {
    setup.number(BASE_ADDRESS).map_or(0, |base| base as u16)
}

/// The format's words for one value; a module of packed booleans has one for all of them.
fn step(setup: &ModuleSetup) -> u16 {
    if setup.text(FORMAT) == PACKED { 0 } else { modbus_slave::words(setup.text(FORMAT)) }
}

/// The format in which all sources share a register.
const PACKED: &str = "PACKED-BOOL";

fn map(template: &Template) -> Map {
    let mut map = Map::new();
    for setup in slaves(template) {
        let form = format!("{} ×{}", setup.text(FORMAT), setup.number(SCALING).unwrap_or(1.0));
        for (place, input) in (0..).zip(SOURCES) {
            let Some(source) = setup.inputs.get(input) else { continue };
            let label = template.modules.get(&source.module).and_then(|setup| setup.labels.get(&source.register));
            let label = label.unwrap_or(&source.register).clone();
            let first = base(setup) + place * step(setup);
            let words = modbus_slave::words(setup.text(FORMAT));
            let bit = if step(setup) == 0 { place } else { 0 };
            let known = map.entry(first).or_insert_with(|| Place {
                words,
                sources: Vec::new(),
                label: String::new(),
                form: form.clone(),
            });
            // Packed booleans are one value of several sources.
            known.label = format!("{} {label}", known.label).trim_start().to_owned();
            known.sources.push((bit, source.clone()));
        }
    }
    map
}

/// Whether two modules claim the same register, so that the meter serves none of them.
fn overlaps(template: &Template) -> bool {
    let length = |setup: &ModuleSetup| {
        let used =
            SOURCES.iter().rposition(|input| setup.inputs.contains_key(*input)).map_or(0, |last| last as u16 + 1);
        if step(setup) == 0 { used.min(1) } else { used * step(setup) }
    };
    let mut areas: Vec<_> =
        slaves(template).map(|setup| (base(setup), length(setup))).filter(|(_, length)| *length > 0).collect();
    areas.sort_unstable();
    areas.windows(2).any(|pair| matches!(pair, [(left, length), (right, _)] if left + length > *right))
}

/// Whether a map can be served, in a word.
pub(crate) fn state(template: &Template) -> &'static str {
    if overlaps(template) { OVERLAPPING } else { SERVED }
}

/// What stands in these registers, in words.
fn shown(map: &Map, first: u16, last: u16) -> String {
    let places: Vec<_> = map.range(first..=last).map(|(_, place)| place).collect();
    let Some(form) = places.first().map(|place| &place.form) else { return NOTHING.to_owned() };
    let names: Vec<_> = places.iter().take(NAMED).map(|place| place.label.as_str()).collect();
    let more = match places.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let form = if places.iter().all(|place| place.form == *form) { form } else { "in several formats" };
    format!("{}{more}, {form}", names.join(", "))
}

/// What stands in the registers that a line is about; none if it is about none.
pub(crate) fn found(subject: &str, template: &Template) -> Option<String> {
    let registers = subject.strip_prefix(REGISTERS)?;
    let (first, last) = registers.split_once('–').unwrap_or((registers, registers));
    Some(shown(&map(template), first.parse().ok()?, last.parse().ok()?))
}

/// A line for each run of registers in which something else stands afterwards.
pub(super) fn lines(change: &Change<'_>) -> Vec<Consequence> {
    let (before, after) = (&change.before.template, &change.after.template);
    let mut lines = Vec::new();
    if state(before) != state(after) {
        let (severity, text) = if overlaps(after) {
            let text = "Two Modbus Slave modules would claim the same registers, so the meter would serve none of \
                        them: move the BaseAddr of one after the change, or keep the meter's own template.";
            (Severity::Warning, text)
        } else {
            (Severity::Info, "The Modbus Slave modules no longer claim the same registers: the meter serves them.")
        };
        lines.push(Consequence::new("B4", Kind::Template, MAP, (state(before), state(after)), severity, text));
    }
    let (before, after) = (map(before), map(after));
    let told_apart = |(first, last): (u16, u16)| {
        let alike = shown(&before, first, last) == shown(&after, first, last);
        if alike { places(&before, &after, first, last) } else { vec![(first, last)] }
    };
    for (first, last) in changed(&before, &after).into_iter().flat_map(told_apart) {
        let registers = if first == last { first.to_string() } else { format!("{first}–{last}") };
        let (was, is) = (shown(&before, first, last), shown(&after, first, last));
        let (severity, text) = match (was == NOTHING, is == NOTHING) {
            (true, _) => (Severity::Info, format!("Registers {registers} have values from now on.")),
            (_, true) => (
                Severity::Warning,
                format!("A program that reads Modbus registers {registers} would find nothing in them any more."),
            ),
            _ => (
                Severity::Warning,
                format!("A program that reads Modbus registers {registers} would read something else in them."),
            ),
        };
        lines.push(Consequence::new(
            "B4",
            Kind::Template,
            format!("{REGISTERS}{registers}"),
            (was, is),
            severity,
            text,
        ));
    }
    lines
}

/// Runs of registers that differ in two maps.
fn changed(before: &Map, after: &Map) -> Vec<(u16, u16)> {
    let firsts: BTreeSet<u16> = before.keys().chain(after.keys()).copied().collect();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    let mut interrupted = false;
    for first in firsts {
        let Some(last) = change_at(before, after, first) else {
            interrupted = true;
            continue;
        };
        match runs.last_mut() {
            Some((_, end)) if !interrupted && first <= *end + GAP => *end = last.max(*end),
            _ => runs.push((first, last)),
        }
        interrupted = false;
    }
    runs
}

/// Each value by itself that differs in two maps, within these registers.
fn places(before: &Map, after: &Map, first: u16, last: u16) -> Vec<(u16, u16)> {
    (first..=last).filter_map(|first| Some((first, change_at(before, after, first)?))).collect()
}

/// The last register of a value that begins here and isn't the same in both maps. A label is a heading, no value:
/// programs that poll registers never see it.
fn change_at(before: &Map, after: &Map, first: u16) -> Option<u16> {
    let [was, is] = [before, after].map(|map| map.get(&first));
    let bare = |place: &'_ Place| (place.words, place.sources.clone(), place.form.clone());
    let words = [was, is].into_iter().flatten().map(|place| place.words).max()?;
    (was.map(bare) != is.map(bare)).then(|| first + words - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n[modules.\"Power Meter 1\"]\n";
        framework::Dcf::parse(format!("{head}{text}").as_bytes()).unwrap().template()
    }

    fn slave(format: &str, links: &[(u8, &str)]) -> Template {
        let links: Vec<_> =
            links.iter().map(|(n, output)| format!("\"Source {n}\" = \"Power Meter 1/{output}\"")).collect();
        template(&format!(
            "[modules.\"Modbus Slave 1\"]\nsetup = {{ BaseAddr = 40100, Format = \"{format}\" }}\ninputs = {{ {} }}\n",
            links.join(", ")
        ))
    }

    fn runs(before: &Template, after: &Template) -> Vec<(u16, u16)> {
        changed(&map(before), &map(after))
    }

    #[test]
    fn b4_registers_that_read_something_else_are_found_and_others_are_not() {
        let before = slave("U32", &[(1, "kW a"), (2, "kW b"), (3, "kW c"), (5, "kW tot")]);
        assert_eq!(runs(&before, &before), []);
        assert_eq!(
            runs(&before, &slave("U32", &[(1, "kW a"), (2, "kW c"), (3, "kW c"), (5, "kW tot")])),
            [(40_102, 40_103)]
        );
        // What stays between two changes keeps them apart; what is empty doesn't.
        let two = slave("U32", &[(1, "kVA a"), (2, "kW b"), (3, "kVA c"), (5, "kVA tot")]);
        assert_eq!(runs(&before, &two), [(40_100, 40_101), (40_104, 40_109)]);
        assert_eq!(runs(&before, &slave("S32", &[(1, "kW a")])), [(40_100, 40_109)]);
        assert_eq!(runs(&before, &template("")), [(40_100, 40_109)]);
        // A bit is a value.
        let bits = slave("PACKED-BOOL", &[(1, "kW a"), (2, "kW b")]);
        assert_eq!(runs(&bits, &slave("PACKED-BOOL", &[(1, "kW a"), (3, "kW b")])), [(40_100, 40_100)]);
        assert_eq!(runs(&bits, &bits), []);
    }

    #[test]
    fn what_stands_in_registers_is_said_by_its_first_names() {
        let before = slave("U16", &[(1, "kW a"), (2, "kW b"), (3, "kW c"), (5, "kW tot")]);
        assert_eq!(shown(&map(&before), 40_100, 40_104), "kW a, kW b, kW c and 1 more, U16 ×10");
        assert_eq!(found("Modbus 40104", &before).as_deref(), Some("kW tot, U16 ×10"));
        assert_eq!(found("Modbus 40103", &before).as_deref(), Some(NOTHING));
        assert_eq!(found("Modbus Slave 1/BaseAddr", &before), None);
        // Where the first names are the same, each value has a line.
        let after = slave("U16", &[(1, "kW b"), (2, "kW a"), (3, "kW c"), (5, "kW tot")]);
        assert_eq!(places(&map(&before), &map(&after), 40_100, 40_104), [(40_100, 40_100), (40_101, 40_101)]);
    }
}
