//! What a change of modules, links and labels comes to, a line for each, as the log tells of it.

use std::collections::{BTreeMap, BTreeSet};

use framework::Template;
use framework::template::ModuleSetup;

/// Lines that one change is told in; what goes beyond is counted in one more. A template of the field has some
/// hundred links, and the ring 5000 events.
const LINES: usize = 1_000;
/// Stands for no link, no label.
const NOTHING: &str = "-";

/// Cause and effect of each difference but the values of registers: what it was, what it is.
pub(crate) fn changes(before: &Template, after: &Template) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let names: BTreeSet<_> = before.modules.keys().chain(after.modules.keys()).collect();
    for name in names {
        let (old, new) = (before.modules.get(name), after.modules.get(name));
        match (old, new) {
            (None, Some(_)) => lines.push((format!("module {name}"), "added".to_owned())),
            (Some(_), None) => lines.push((format!("module {name}"), "removed".to_owned())),
            _ => {}
        }
        let nothing = ModuleSetup::default();
        let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
        changed(&mut lines, || format!("{name} label"), old.label.as_deref(), new.label.as_deref());
        each(&old.inputs, &new.inputs, |input, old, new| {
            let [old, new] = [old, new].map(|source| source.map(ToString::to_string));
            changed(&mut lines, || format!("{name}/{input} link"), old.as_deref(), new.as_deref());
        });
        each(&old.labels, &new.labels, |output, old, new| {
            let [old, new] = [old, new].map(|label| label.map(String::as_str));
            changed(&mut lines, || format!("{name}/{output} label"), old, new);
        });
    }
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(("template".to_owned(), format!("{more} more modules, links and labels changed")));
    }
    lines
}

fn each<'a, T>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
    mut see: impl FnMut(&str, Option<&'a T>, Option<&'a T>),
) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().for_each(|name| see(name, before.get(name), after.get(name)));
}

fn changed(lines: &mut Vec<(String, String)>, what: impl Fn() -> String, old: Option<&str>, new: Option<&str>) {
    if old != new {
        lines.push((format!("{} = {}", what(), old.unwrap_or(NOTHING)), new.unwrap_or(NOTHING).to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n";
        framework::Dcf::parse(format!("{head}{text}").as_bytes()).unwrap().template()
    }

    #[test]
    fn each_link_and_label_is_told_with_what_it_was_and_what_it_is() {
        let before = template(
            "[modules.\"Power Meter 1\"]\n[modules.\"Integrator 1\"]\ninputs = { Integrand = \"Power Meter 1/kW tot\" }\n",
        );
        let after = template(
            "[modules.\"Power Meter 1\"]\nlabel = \"Feeder 7\"\nlabels = { \"kW tot\" = \"Load\" }\n\
             [modules.\"Modbus Slave 1\"]\ninputs = { \"Source 1\" = \"Power Meter 1/kW a\" }\n",
        );
        let told: Vec<_> =
            changes(&before, &after).into_iter().map(|(cause, effect)| format!("{cause} → {effect}")).collect();
        assert_eq!(
            told,
            [
                "Power Meter 1 label = - → Feeder 7",
                "Power Meter 1/kW tot label = - → Load",
                "module Integrator 1 → removed",
                "Integrator 1/Integrand link = Power Meter 1/kW tot → -",
                "module Modbus Slave 1 → added",
                "Modbus Slave 1/Source 1 link = - → Power Meter 1/kW a",
            ]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
