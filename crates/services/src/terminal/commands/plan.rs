//! A plan in a terminal's window: lines by kind, what matters most first, what stays as it is in one list.
//! It is folded as Setup folds it; nothing is judged or left out here.

use firmware::fold::{self, Row};
use firmware::migrate::Direction;
use firmware::{Consequence, Kind, Plan, Severity};

use crate::terminal::plain::{hanging, width};

/// What plans say of what no change of release touches.
const KEPT: &str = "kept";

/// The plan as text.
pub(super) fn text(plan: &Plan, columns: usize) -> String {
    let way = match plan.direction() {
        Direction::Upgrade => "Upgrade",
        Direction::Downgrade => "Downgrade",
    };
    let mut text = format!("{way} {} -> {}\n", plan.from, plan.to);
    let mut lines: Vec<&Consequence> = plan.consequences.iter().filter(|line| !stays(line)).collect();
    // Stable, so that lines of one kind and weight stay in the plan's own order.
    lines.sort_by_key(|line| (line.kind, std::cmp::Reverse(line.severity)));
    for group in lines.chunk_by(|one, other| one.kind == other.kind) {
        text.push_str(&format!("\n{}\n", heading(group.first().map(|line| line.kind))));
        for row in fold::rows(group) {
            text.push_str(&line(&row, columns));
        }
    }
    let kept: Vec<String> = plan.consequences.iter().filter(|line| stays(line)).map(kept_item).collect();
    if !kept.is_empty() {
        text.push_str("\nStays as it is\n");
        text.push_str(&hanging("  ", &kept.join("; "), columns));
    }
    let count = |severity| plan.consequences.iter().filter(|line| line.severity == severity).count();
    let (dangers, warnings) = (count(Severity::Danger), count(Severity::Warning));
    let summary = format!("danger: {dangers}, warning: {warnings}, kept: {}. {}", kept.len(), plan.digest);
    text.push('\n');
    text.push_str(&hanging("", &summary, columns));
    text
}

fn line(row: &Row, columns: usize) -> String {
    let word = match row.severity {
        Severity::Danger => "DANGER ",
        Severity::Warning => "WARNING",
        Severity::Info => "info   ",
    };
    let what = match (row.changes(), row.kind) {
        (true, Kind::Notice) => row.after.clone(),
        (true, _) => format!("{} -> {}", row.before, row.after),
        (false, Kind::Notice) => row.after.clone(),
        (false, _) if row.after == KEPT => row.after.clone(),
        (false, _) => format!("stays {}", row.after),
    };
    let lead = format!("  {word}  ");
    let mut text = hanging(&lead, &format!("{}: {what}", row.subject), columns);
    if let Some(sentence) = &row.sentence {
        text.push_str(&hanging(&" ".repeat(width(&lead) + 2), sentence, columns));
    }
    text
}

/// What folds: it is as it was, nobody need worry, and it isn't advice.
fn stays(line: &Consequence) -> bool {
    line.severity == Severity::Info && line.kind != Kind::Notice && !line.changes()
}

fn kept_item(line: &Consequence) -> String {
    if line.after == KEPT { line.subject.clone() } else { format!("{} {}", line.subject, line.after) }
}

fn heading(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Mode) => "Security mode",
        Some(Kind::Service) => "Services",
        Some(Kind::Account) => "Accounts",
        Some(Kind::Right) => "Who may do what, where",
        Some(Kind::Setting) => "Settings",
        Some(Kind::Log) => "Records",
        Some(Kind::Template) => "Template",
        Some(Kind::Notice) | None => "Please note",
    }
}
