//! What a change of modules, links and labels comes to, a line for each, as the log tells of it.

use framework::Template;
use framework::parts::{What, differences};

/// Lines that one change is told in; what goes beyond is counted in one more. A template of the field has some
/// hundred links, and the ring 5000 events.
const LINES: usize = 1_000;
/// Stands for no link, no label.
const NOTHING: &str = "-";

/// Cause and effect of each difference but the values of registers: what it was, what it is.
pub(crate) fn changes(before: &Template, after: &Template) -> Vec<(String, String)> {
    let (before, after) = (before.parts(), after.parts());
    let wiring = differences(&before, &after).filter(|(part, ..)| !matches!(part.what, What::Register(_)));
    let mut lines: Vec<_> = wiring
        .map(|(part, was, is)| {
            let word = |content: Option<_>| content.map_or_else(|| NOTHING.to_owned(), ToString::to_string);
            match part.what {
                What::Itself => (part.to_string(), if is.is_some() { "added" } else { "removed" }.to_owned()),
                _ => (format!("{part} = {}", word(was)), word(is)),
            }
        })
        .collect();
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(("template".to_owned(), format!("{more} more modules, links and labels changed")));
    }
    lines
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
