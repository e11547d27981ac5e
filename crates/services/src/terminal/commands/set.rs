//! `set`: set-up registers to values, all of them or none. Words are parted into registers and values in
//! the shortest way that uses them all, so that quotation marks are needed only where two readings of a
//! line would differ.

use framework::TemplateError;
use meter::{ChangeSet, Edit, View};

use super::flag;
use crate::terminal::registers::{self, Register};
use crate::terminal::{Desk, Failed, repeated, table};

/// Words in one command. What has more is a file's business: Setup loads templates.
const MOST_WORDS: usize = 64;

pub(in crate::terminal) async fn set(desk: &Desk, words: &[&str]) -> Result<String, Failed> {
    let mut words = words.to_vec();
    let force = flag(&mut words, "--force");
    if words.len() < 2 {
        return Err(table::usage("set").into());
    }
    if words.len() > MOST_WORDS {
        return Err(format!("one command sets registers with at most {MOST_WORDS} words: use several").into());
    }
    let pairs = pairs(&desk.view(), &words)?;
    let edits = pairs.into_iter().map(|(name, value)| Edit::Register(name, value)).collect();
    let change = ChangeSet { edits, force };
    let before = desk.view();
    let edited = desk.gate(move |gate, now, caller| gate.apply(now, caller, change)).await?;
    if edited.registers.is_empty() {
        return Ok("nothing is different: the registers had these values\n".to_owned());
    }
    let changed = edited.registers.iter().map(|(name, before, after)| format!("{name}: {before} -> {after}\n"));
    let mut text: String = changed.collect();
    for line in crate::setup::told_of_change(&before, &desk.view(), &edited) {
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// A register's full name and the value for it, as typed.
fn pairs(view: &View, words: &[&str]) -> Result<Vec<(String, String)>, Failed> {
    // From each word on: how many words name a register and how many are its value, so that the rest can
    // be parted too.
    let mut ways: Vec<Option<(String, usize, usize)>> = vec![None; words.len() + 1];
    for start in (0..words.len()).rev() {
        let Ok(Some((Register::Setup(name, _), taken))) = longest_setup(view, &words[start..]) else { continue };
        let value_at = start + taken;
        let fits = |end: &usize| *end == words.len() || ways[*end].is_some();
        if let Some(end) = (value_at + 1..=words.len()).find(fits) {
            ways[start] = Some((name.to_string(), taken, end - value_at));
        }
    }
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some((name, taken, value)) = ways[at].take() else { return Err(wrong(view, &words[at..]).into()) };
        let value_at = at + taken;
        pairs.push((name, words[value_at..value_at + value].join(" ")));
        at = value_at + value;
    }
    Ok(pairs)
}

/// The set-up register that most of the first words name, with a word left for its value.
fn longest_setup(view: &View, words: &[&str]) -> Result<Option<(Register, usize)>, String> {
    for taken in (1..words.len().max(1)).rev() {
        match view.settings.template.find(&words[..taken].join(" ")) {
            Ok(name) => return Ok(name.describe().map(|described| (Register::Setup(name, described), taken))),
            Err(TemplateError::NoSuchRegister(_)) => {}
            Err(other) => return Err(other.to_string()),
        }
    }
    Ok(None)
}

fn wrong(view: &View, words: &[&str]) -> String {
    match registers::longest(view, words) {
        Err(ambiguous) => ambiguous,
        Ok(Some((Register::Reading(_), taken))) => {
            format!("\"{}\" is a reading: only set-up registers can be set", repeated(&words[..taken].join(" ")))
        }
        Ok(Some((_, taken))) => {
            format!("what is \"{}\" to be? {}", repeated(&words[..taken].join(" ")), table::usage("set"))
        }
        Ok(None) => registers::missing(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn parted(line: &str) -> Result<Vec<(String, String)>, String> {
        let bench = Bench::new("4.40.1");
        let words: Vec<_> = line.split(' ').collect();
        pairs(&bench.site.view(), &words).map_err(|failed| failed.to_string())
    }

    #[test]
    fn words_are_parted_into_registers_and_values() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("CT Prim 800", &[("Power Meter 1/CT Prim", "800")]),
            (
                "ct prim 800 Power Meter 1/PT Prim 120",
                &[("Power Meter 1/CT Prim", "800"), ("Power Meter 1/PT Prim", "120")],
            ),
            ("Owner Stadtwerke Nord", &[("Factory 1/Owner", "Stadtwerke Nord")]),
            ("Owner Nord CT Prim 5", &[("Factory 1/Owner", "Nord"), ("Power Meter 1/CT Prim", "5")]),
        ];
        for (line, expected) in rows {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(parted(line), Ok(expected), "{line}");
        }
        for (line, part) in [
            ("kW tot 5", "is a reading"),
            ("CT Prim", "what is \"CT Prim\" to be?"),
            ("nonsense 5", "there is no register \"nonsense 5\""),
        ] {
            let sentence = parted(line).unwrap_err();
            assert!(sentence.contains(part), "{line}: {sentence}");
        }
    }
}
