//! A rehearsal with real faces: the plans, and every login at every face, phase by phase.

use std::io::{self, Write};

use firmware::Kind;
use owo_colors::OwoColorize;

use super::plan::{self, Detail, Heading};
use super::table::{Align, Cell, Table};
use super::text::{counted, heading, paragraph};
use super::{report, style};
use crate::live::{Expected, Rehearsal, Row, Step, Try};

/// Writes what a rehearsal found.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, rehearsal: &Rehearsal, detail: Detail) -> io::Result<()> {
    for (number, step) in rehearsal.steps.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        step_there(out, step, detail)?;
    }
    heading(out, "Every login at every face, tried before and after")?;
    logins(out, rehearsal)?;
    heading(out, "What the meter's own files and counters say")?;
    let mut facts = Table::new([("", Align::Left), ("", Align::Left)]);
    let readable: Vec<_> = rehearsal.readable_passwords.iter().map(ToString::to_string).collect();
    facts.row(["passwords that can be read in its files".into(), Cell::from(readable.join(" → "))]);
    let energy: Vec<_> = rehearsal.kwh_del.iter().map(|kwh| format!("{kwh:.3}")).collect();
    facts.row(["kWh del".into(), Cell::from(energy.join(" → "))]);
    facts.write(out)?;
    writeln!(out)?;
    outcome(out, rehearsal)?;
    let state = rehearsal.state.display();
    paragraph(
        out,
        0,
        style::QUIET,
        &format!("The scratch meter is in {state}, its passwords beside it. To look at it:"),
    )?;
    writeln!(out, "  wattkeep meter --state {state}")
}

fn step_there(out: &mut dyn Write, step: &Step, detail: Detail) -> io::Result<()> {
    let direction = step.plan.direction();
    let what = "Rehearsed on a scratch meter with real faces".to_owned();
    plan::write(out, &step.plan, &Heading { direction, what, setup: None }, detail)?;
    writeln!(out)?;
    report::verdict(out, &step.report)?;
    plan_and_fact(out, step, detail)
}

/// Plan and fact side by side: what changes, and whatever is not as planned. Rights have their facts in
/// the table of logins.
fn plan_and_fact(out: &mut dyn Write, step: &Step, detail: Detail) -> io::Result<()> {
    let mut table = Table::new([("line", Align::Left), ("planned", Align::Left), ("found", Align::Left)]);
    for (line, found) in step.plan.consequences.iter().zip(&step.report.lines) {
        let shown = line.changes() && line.kind != Kind::Right;
        if shown || !found.same || detail == Detail::Everything {
            let style = if found.same { style::PLAIN } else { style::DANGER };
            let fact = Cell::styled(plan::narrow(&found.found), style);
            table.row([found.subject.as_str().into(), plan::narrow(&found.planned).into(), fact]);
        }
    }
    table.write(out)?;
    writeln!(out, "{}", report::count(&step.report))
}

fn outcome(out: &mut dyn Write, rehearsal: &Rehearsal) -> io::Result<()> {
    let tries = rehearsal.logins.all().count();
    let odd = rehearsal.logins.all().filter(|one| !one.as_expected()).count();
    if rehearsal.as_planned() {
        let sentence = format!("{} and every line of both plans.", counted(tries, "login attempt"));
        writeln!(out, "{} {sentence}", "As planned:".style(style::GOOD))
    } else {
        let sentence = format!("{odd} of {} differ from what the plan lets expect.", counted(tries, "login attempt"));
        writeln!(out, "{} {sentence}", "Not as planned:".style(style::DANGER))
    }
}

/// One row for a login, or for users side by side to whom the same happened.
fn logins(out: &mut dyn Write, rehearsal: &Rehearsal) -> io::Result<()> {
    let releases = &rehearsal.logins.releases;
    let mut table = Table::new([
        ("face", Align::Left),
        ("login", Align::Left),
        ("before", Align::Left),
        ("upgraded", Align::Left),
        ("and back", Align::Left),
    ]);
    let mut rows = rehearsal.logins.rows.iter().peekable();
    while let Some(first) = rows.next() {
        let mut last = first;
        while let Some(next) = rows.next_if(|next| alike(first, next)) {
            last = next;
        }
        let login =
            if std::ptr::eq(first, last) { first.login.clone() } else { format!("{}–{}", first.login, last.login) };
        let mut cells = first.tries.iter().map(cell);
        let mut next = || cells.next().unwrap_or_else(|| Cell::from(""));
        table.row([first.face.into(), login.into(), next(), next(), next()]);
    }
    table.write(out)?;
    let phases = releases.join(", then ");
    paragraph(out, 2, style::QUIET, &format!("The releases: {phases}."))
}

fn alike(first: &Row, next: &Row) -> bool {
    let found = |row: &Row| row.tries.iter().map(|one| (one.expected, one.found)).collect::<Vec<_>>();
    first.face == next.face
        && first.login.starts_with("USER")
        && next.login.starts_with("USER")
        && found(first) == found(next)
}

fn cell(one: &Try) -> Cell {
    if !one.as_expected() {
        let text = format!("{}, not {}", one.found.word(), one.expected.word());
        return Cell::styled(text, style::DANGER);
    }
    let style = match one.found {
        Expected::In => style::GOOD,
        Expected::Refused | Expected::Closed => style::QUIET,
    };
    Cell::styled(one.found.word(), style)
}
