//! The face of the product: what a change of release will do, before it is done.
//!
//! Lines stand by kind, what matters most first; a word says how much each matters and colour only
//! repeats it. What stays as it is folds into one list. The plan isn't judged or cut here:
//! [`Detail::Everything`] shows each line by itself.

pub(crate) use firmware::fold::narrow;

use std::io::{self, Write};

use firmware::fold::{self, Row};
use firmware::migrate::Direction;
use firmware::{Consequence, Kind, Plan, Severity, Version};
use owo_colors::OwoColorize;

use super::style;
use super::text::{counted, hanging, heading, line, paragraph, printable, width, wrap};

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What stays as it is in one list, lines that say the same of several accounts as one.
    Folded,
    /// Each line by itself, with the clause that it follows from.
    Everything,
}

/// What stands above a plan.
#[derive(Debug, Clone)]
pub struct Heading<'a> {
    /// Which way the change goes.
    pub direction: Direction,
    /// Of what it is the plan.
    pub what: String,
    /// The Setup that lines are told or untold by, where the plan was marked for one.
    pub setup: Option<&'a Version>,
}

/// Every kind in reading order, and its heading.
const KINDS: [(Kind, &str); 8] = [
    (Kind::Mode, "Security mode"),
    (Kind::Service, "Services"),
    (Kind::Account, "Accounts"),
    (Kind::Right, "Who may do what, where"),
    (Kind::Setting, "Settings"),
    (Kind::Log, "Records"),
    (Kind::Template, "Template"),
    (Kind::Notice, "Please note"),
];

/// Where subjects begin: after two spaces, the longest word for a severity, and two more.
const SUBJECT_AT: usize = 11;
/// The longest word for a severity.
const SEVERITY_WIDTH: usize = 7;
/// What plans say of what no change of release touches.
const KEPT: &str = "kept";
/// A state that is longer than this doesn't push the arrows of its group to the right.
const LONGEST_ALIGNED: usize = 14;

/// Writes a plan.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, plan: &Plan, head: &Heading<'_>, detail: Detail) -> io::Result<()> {
    let way = match head.direction {
        Direction::Upgrade => "Upgrade",
        Direction::Downgrade => "Downgrade",
    };
    writeln!(out, "{} {} → {}", way.style(style::HEADING), plan.from, plan.to.style(style::HEADING))?;
    paragraph(out, 0, style::QUIET, &head.what)?;
    let kept = |line: &Consequence| detail == Detail::Folded && is_kept(line);
    for (kind, title) in KINDS {
        let mut lines: Vec<_> = plan.consequences.iter().filter(|line| line.kind == kind && !kept(line)).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.severity));
        if !lines.is_empty() {
            heading(out, title)?;
            group(out, &lines, detail, head.setup)?;
        }
    }
    let kept: Vec<_> = plan.consequences.iter().filter(|line| kept(line)).collect();
    if !kept.is_empty() {
        heading(out, "Stays as it is")?;
        let items: Vec<_> = kept.iter().map(|line| kept_item(line)).collect();
        items_in_lines(out, &items)?;
    }
    summary(out, plan, head.setup)
}

/// What folds: it is as it was, nobody need worry, and it isn't advice.
fn is_kept(line: &Consequence) -> bool {
    line.severity == Severity::Info && line.kind != Kind::Notice && line.told && !line.changes()
}

fn kept_item(line: &Consequence) -> String {
    let Consequence { subject, after, .. } = line;
    // "PT 120:120, CT 5:5" needs no "PT/CT" before it.
    let names_itself = subject.split_once('/').is_some_and(|(first, _)| after.starts_with(first));
    match after.as_str() {
        KEPT => subject.clone(),
        _ if names_itself => after.clone(),
        _ => format!("{subject} {after}"),
    }
}

/// Items with dots between them; no item is broken.
fn items_in_lines(out: &mut dyn Write, items: &[String]) -> io::Result<()> {
    // Stands for a space that is no place to break at. Of private use: whatever else has it is shown as a space.
    const TIED: &str = "\u{e000}";
    let tied: Vec<_> = items.iter().map(|item| item.replace(' ', TIED)).collect();
    let lines = wrap(&tied.join(&format!("{TIED}· ")), super::WIDTH - 2);
    lines.iter().try_for_each(|line| writeln!(out, "  {}", line.replace(TIED, " ").style(style::QUIET)))
}

fn group(out: &mut dyn Write, lines: &[&Consequence], detail: Detail, setup: Option<&Version>) -> io::Result<()> {
    let rows: Vec<Row> = match detail {
        Detail::Folded => fold::rows(lines),
        Detail::Everything => lines.iter().map(|line| Row::of(line)).collect(),
    };
    let subject = rows.iter().map(|row| width(&row.subject)).max().unwrap_or(0);
    let aligned = rows.iter().filter(|row| row.changes()).map(|row| width(&row.before));
    let before = aligned.filter(|width| *width <= LONGEST_ALIGNED).max().unwrap_or(0);
    for row in &rows {
        let word = severity_word(row.severity);
        let colour = if row.severity == Severity::Info { style::QUIET } else { style::of(row.severity) };
        let padding = " ".repeat(SEVERITY_WIDTH.saturating_sub(width(word)));
        write!(out, "  {}{padding}  {:subject$}  ", word.style(colour), printable(&row.subject))?;
        change(out, row, SUBJECT_AT + subject + 2, before)?;
        if let Some(sentence) = &row.sentence {
            paragraph(out, SUBJECT_AT, style::QUIET, sentence)?;
        }
        if detail == Detail::Everything {
            paragraph(out, SUBJECT_AT, style::QUIET, &format!("[{}]", row.clause))?;
        }
        if let Some(setup) = setup.filter(|_| !row.told) {
            let lead = format!("{}UNTOLD  ", " ".repeat(SUBJECT_AT));
            hanging(out, &lead, style::WARNING, &format!("Setup {setup} does not tell its user about this."))?;
        }
    }
    Ok(())
}

/// What becomes of a row's subject, from column `at` on, its arrow behind a state of `aligned` columns.
fn change(out: &mut dyn Write, row: &Row, at: usize, aligned: usize) -> io::Result<()> {
    let (lead, text) = if row.changes() && width(&row.before) <= aligned {
        (format!("{:aligned$} → ", printable(&row.before)), row.after.clone())
    } else if row.changes() {
        (String::new(), format!("{} → {}", row.before, row.after))
    } else if row.kind == Kind::Notice || row.after == KEPT {
        (String::new(), row.after.clone())
    } else {
        (String::new(), format!("stays {}", row.after))
    };
    let below = " ".repeat(at + width(&lead));
    write!(out, "{lead}")?;
    let lines = wrap(&text, super::WIDTH.saturating_sub(width(&below)));
    writeln!(out, "{}", lines.join(&format!("\n{below}")))
}

/// Big letters for what mustn't be missed, with or without colour.
fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Danger => "DANGER",
        Severity::Warning => "WARNING",
        Severity::Info => "info",
    }
}

fn summary(out: &mut dyn Write, plan: &Plan, setup: Option<&Version>) -> io::Result<()> {
    let count = |severity| plan.consequences.iter().filter(|line| line.severity == severity).count();
    let kept = plan.consequences.iter().filter(|line| is_kept(line)).count();
    let others = count(Severity::Info).saturating_sub(kept);
    let dangers = counted(count(Severity::Danger), "danger");
    let warnings = counted(count(Severity::Warning), "warning");
    writeln!(
        out,
        "\n{}, {}, {}, {kept} kept",
        dangers.style(style::of(if count(Severity::Danger) > 0 { Severity::Danger } else { Severity::Info })),
        warnings.style(style::of(if count(Severity::Warning) > 0 { Severity::Warning } else { Severity::Info })),
        counted(others, "other line"),
    )?;
    if let Some(setup) = setup {
        match plan.consequences.iter().filter(|line| !line.told).count() {
            0 => writeln!(out, "Setup {setup} tells its user every line.")?,
            untold => writeln!(
                out,
                "{}",
                format!("Setup {setup} leaves {} untold.", counted(untold, "line")).style(style::WARNING)
            )?,
        }
    }
    line(out, style::QUIET, &plan.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_heading_in_reading_order() {
        assert!(KINDS.is_sorted_by_key(|(kind, _)| *kind));
        assert_eq!(KINDS.last().map(|(kind, _)| *kind), Some(Kind::Notice));
    }

    #[test]
    fn items_are_never_broken() {
        let items: Vec<_> = (0..30).map(|n| format!("item number {n}")).collect();
        let mut out = anstream::StripStream::new(Vec::new());
        items_in_lines(&mut out, &items).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        assert!(text.lines().all(|line| width(line) <= super::super::WIDTH && line.starts_with("  item")), "{text}");
        assert!(items.iter().all(|item| text.contains(item.as_str())), "{text}");
    }

    #[test]
    fn what_a_meter_says_in_a_plan_moves_no_cursor() {
        let shipped = firmware::shipped().unwrap();
        let (from, to) = (&shipped[0].carried, &shipped[1].carried);
        let settings = firmware::Settings::factory(&from.release, &from.template);
        let digest = firmware::digest::Sha256Digest::of(b"");
        let planned = firmware::plan(&settings, &from.release, &to.release, &digest, &firmware::Choices::default());
        for detail in [Detail::Folded, Detail::Everything] {
            let head = Heading { direction: Direction::Upgrade, what: "on the hash list".to_owned(), setup: None };
            crate::screen::tests::harmless(&planned.plan, |out, plan| write(out, plan, &head, detail));
        }
    }
}
