//! Lines that say the same of several accounts, as one: rows of the access table share a line, and a
//! sentence that differs only in a name is written once, about `USERn`. Every face that shows a plan to
//! people folds it here, so that they show the same plan.

use security::UserId;

use crate::consequence::{Consequence, Kind, Severity};

/// What plans say of something that a release doesn't have, and the word for it in a narrow column.
const NOT_PART: (&str, &str) = ("not part of the release", "absent");
/// Stands for the states of several accounts that aren't the same.
const WHAT_THEY_HAD: &str = "what they had";
/// What stands before the name of a module in the line about the module itself.
const MODULE: &str = "module ";
/// Stands for the name of any of several users.
const ANY_USER: &str = "USERn";

/// A state as it stands in a narrow column.
pub fn narrow(state: &str) -> &str {
    if state == NOT_PART.0 { NOT_PART.1 } else { state }
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// Whether the Setup in use shows it (B6).
    pub told: bool,
    /// The clause it follows from.
    pub clause: String,
    /// Which one, or which ones.
    pub subject: String,
    /// How it is.
    pub before: String,
    /// How it will be.
    pub after: String,
    /// None where the row says all of it, or the next row's sentence is also this one's.
    pub sentence: Option<String>,
}

impl Row {
    /// A line by itself.
    pub fn of(line: &Consequence) -> Self {
        Self {
            kind: line.kind,
            severity: line.severity,
            told: line.told,
            clause: line.clause.clone(),
            subject: line.subject.clone(),
            before: narrow(&line.before).to_owned(),
            after: narrow(&line.after).to_owned(),
            sentence: Some(line.text.clone()),
        }
    }

    /// Whether anything is different afterwards.
    pub fn changes(&self) -> bool {
        self.before != self.after
    }
}

/// The rows of lines of one kind.
pub fn rows(lines: &[&Consequence]) -> Vec<Row> {
    let rows = lines.iter().map(|line| Row::of(line));
    match lines.first().map(|line| line.kind) {
        Some(Kind::Right) => rights(rows),
        Some(Kind::Setting) => rows.map(without_needless_sentence).collect(),
        Some(Kind::Template) => modules_whole(rows.map(without_needless_sentence).collect()),
        _ => sentences_once(rows.collect()),
    }
}

/// "X is not part of the release and is dropped", "as the template file has it": what the row says already.
fn without_needless_sentence(mut row: Row) -> Row {
    if row.severity == Severity::Info {
        row.sentence = None;
    }
    row
}

/// What is in a module that comes or goes is said by the module's own row.
fn modules_whole(mut rows: Vec<Row>) -> Vec<Row> {
    let module = |row: &Row| row.subject.strip_prefix(MODULE).filter(|_| row.changes()).map(str::to_owned);
    let whole: Vec<(String, usize, Severity)> =
        rows.iter().enumerate().filter_map(|(at, row)| Some((module(row)?, at, row.severity))).collect();
    for (module, at, severity) in whole {
        let within = |row: &Row| {
            let rest = row.subject.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest.starts_with('/') || rest == " label") && row.changes()
        };
        let heaviest = rows.iter().filter(|row| within(row)).map(|row| row.severity).max();
        rows[at].severity = severity.max(heaviest.unwrap_or(severity));
        for row in rows.iter_mut().filter(|row| within(row)) {
            row.subject.clear();
        }
    }
    rows.retain(|row| !row.subject.is_empty());
    rows
}

/// One row for all logins of a path that end up alike. Its sentence is the row itself.
fn rights(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    struct Together {
        row: Row,
        path: String,
        who: Vec<String>,
    }
    let mut all: Vec<Together> = Vec::new();
    for mut row in rows {
        row.sentence = None;
        let (path, who) = row.subject.split_once(": ").unwrap_or((&row.subject, ""));
        let (path, who) = (path.to_owned(), who.to_owned());
        let alike = |other: &&mut Together| {
            let same = other.path == path && other.row.severity == row.severity && other.row.told == row.told;
            // What is lost may differ; what is got must not.
            same && other.row.after == row.after && (row.severity == Severity::Info || other.row.before == row.before)
        };
        match all.iter_mut().find(alike) {
            Some(other) => {
                if other.row.before != row.before {
                    WHAT_THEY_HAD.clone_into(&mut other.row.before);
                }
                other.who.push(who);
            }
            None => all.push(Together { row, path, who: vec![who] }),
        }
    }
    let join = |Together { mut row, path, who }: Together| {
        if !who.iter().all(String::is_empty) {
            row.subject = format!("{path}: {}", names(&who));
        }
        row
    };
    all.into_iter().map(join).collect()
}

/// Of rows whose sentences differ only in the user's name, the last one keeps it.
fn sentences_once(rows: Vec<Row>) -> Vec<Row> {
    let general = |row: &Row| {
        let user = row.subject.parse::<UserId>().ok()?;
        Some((row.severity, row.told, replace_name(row.sentence.as_deref()?, &user.to_string())))
    };
    let forms: Vec<_> = rows.iter().map(general).collect();
    // Rows of one form come together, each where its first one stood.
    let first = |index: usize| {
        let form = forms[index].as_ref();
        form.and_then(|form| forms.iter().position(|other| other.as_ref() == Some(form))).unwrap_or(index)
    };
    let mut order: Vec<_> = (0..rows.len()).collect();
    order.sort_by_key(|index| first(*index));
    let shared = |place: usize, step: isize| {
        let this = order.get(place)?;
        let other = order.get(place.checked_add_signed(step)?)?;
        forms[*this].as_ref().filter(|form| forms[*other].as_ref() == Some(form)).map(|(.., text)| text.clone())
    };
    let sentence = |place: usize, own: Option<String>| match (shared(place, -1), shared(place, 1)) {
        (_, Some(_)) => None,
        (Some(general), None) => Some(general),
        (None, None) => own,
    };
    let row = |(place, index): (usize, &usize)| {
        let row = rows[*index].clone();
        Row { sentence: sentence(place, row.sentence.clone()), ..row }
    };
    order.iter().enumerate().map(row).collect()
}

/// Every mention of a user, but not of one whose name only begins alike.
fn replace_name(text: &str, name: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = &found[name.len()..];
        replaced.push_str(before);
        replaced.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { name } else { ANY_USER });
        rest = after;
    }
    replaced + rest
}

/// `USER1–USER3, USER5`, or the names as they are.
fn names(who: &[String]) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut run: Vec<u8> = Vec::new();
    let flush = |run: &mut Vec<u8>, shown: &mut Vec<String>| {
        match run[..] {
            [first, .., last] if run.len() > 2 => shown.push(format!("USER{first}–USER{last}")),
            _ => shown.extend(run.iter().map(|number| format!("USER{number}"))),
        }
        run.clear();
    };
    for name in who {
        match name.parse::<UserId>().map(UserId::number) {
            Ok(number) => {
                if run.last().is_some_and(|last| last + 1 != number) {
                    flush(&mut run, &mut shown);
                }
                run.push(number);
            }
            Err(_) => {
                flush(&mut run, &mut shown);
                shown.push(name.clone());
            }
        }
    }
    flush(&mut run, &mut shown);
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_row_are_a_range() {
        for (who, shown) in [
            (&["USER1"][..], "USER1"),
            (&["USER1", "USER2"], "USER1, USER2"),
            (&["USER1", "USER2", "USER3", "USER5"], "USER1–USER3, USER5"),
            (&["8650", "USER9", "USER10", "USER11"], "8650, USER9–USER11"),
            (&["anyone"], "anyone"),
        ] {
            assert_eq!(names(&who.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()), shown);
        }
    }

    #[test]
    fn only_the_whole_name_is_replaced() {
        assert_eq!(replace_name("USER1's is 0: log in as USER1.", "USER1"), "USERn's is 0: log in as USERn.");
        assert_eq!(replace_name("USER12 is not USER1", "USER1"), "USER12 is not USERn");
    }

    #[test]
    fn a_module_that_comes_or_goes_is_one_row() {
        let row = |subject: &str, before: &str, after: &str, severity| Row {
            kind: Kind::Template,
            severity,
            told: true,
            clause: String::new(),
            subject: subject.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            sentence: None,
        };
        let rows = modules_whole(vec![
            row("Integrator 1/Energy", "kWh rec", "-", Severity::Warning),
            row("Integrator 12/Energy", "kWh rec", "kWh del", Severity::Warning),
            row("Maximum 1/Source link", "Power Meter 1/I a", "Power Meter 1/I b", Severity::Warning),
            row("module Integrator 1", "there", "removed", Severity::Info),
            row("Integrator 1 label", "Feed-in", "-", Severity::Info),
        ]);
        let shown: Vec<_> = rows.iter().map(|row| (row.subject.as_str(), row.severity)).collect();
        assert_eq!(
            shown,
            [
                ("Integrator 12/Energy", Severity::Warning),
                ("Maximum 1/Source link", Severity::Warning),
                ("module Integrator 1", Severity::Warning),
            ]
        );
    }

    #[test]
    fn a_sentence_about_several_users_stands_once_below_all_of_them() {
        let row = |subject: &str, sentence: &str| Row {
            kind: Kind::Account,
            severity: Severity::Danger,
            told: true,
            clause: String::new(),
            subject: subject.to_owned(),
            before: "hashed".to_owned(),
            after: "0".to_owned(),
            sentence: Some(sentence.to_owned()),
        };
        let rows = sentences_once(vec![
            row("front panel", "The front panel."),
            row("USER1", "USER1 falls."),
            row("USER5", "USER5 stays."),
            row("USER12", "USER12 falls."),
        ]);
        let shown: Vec<_> = rows.iter().map(|row| (row.subject.as_str(), row.sentence.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("front panel", Some("The front panel.")),
                ("USER1", None),
                ("USER12", Some("USERn falls.")),
                ("USER5", Some("USER5 stays.")),
            ]
        );
    }
}
