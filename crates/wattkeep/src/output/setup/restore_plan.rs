//! What restoring a backup would change: whose it is, then line by line under the kind of thing.

use std::io::{self, Write};

use firmware::Severity;
use firmware::backup::{RestoreLine, RestorePlan, Source};

use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{Precision, cut, hanging, heading, paragraph, utc};

/// Characters that are shown of a text out of a file.
const LONGEST: usize = 200;

/// Where the backup comes from, and what it changes here.
///
/// # Errors
/// Those of the stream.
pub fn restore_plan(out: &mut dyn Write, plan: &RestorePlan) -> io::Result<()> {
    let Source { form, serial, release, taken_utc_ms, taken_by, .. } = &plan.backup;
    let taken = utc(*taken_utc_ms, Precision::Seconds);
    let whose = format!(
        "A {} backup of {}, release {release}, taken {taken} UTC by {}; restored to {}, release {}.",
        form.name(),
        cut(serial, LONGEST),
        cut(taken_by, LONGEST),
        cut(&plan.serial, LONGEST),
        plan.release
    );
    paragraph(out, 0, style::PLAIN, &whose)?;
    let mut kinds: Vec<_> = plan.lines.iter().map(|line| line.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        heading(out, kind.heading())?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for RestoreLine { subject, before, after, severity, .. } in plan.lines.iter().filter(|line| line.kind == kind) {
            let (word, colour) = match severity {
                Severity::Danger => ("DANGER", style::DANGER),
                Severity::Warning => ("WARNING", style::WARNING),
                Severity::Info => ("", style::QUIET),
            };
            let change = if before == after { format!("{after} (stays)") } else { format!("{before} → {after}") };
            table.row([Cell::styled(word, colour), cut(subject, LONGEST).into(), cut(&change, LONGEST).into()]);
        }
        table.write(out)?;
    }
    if !plan.consequences.is_empty() {
        heading(out, "What the other release makes of it")?;
        for line in plan.consequences.iter().filter(|line| line.severity != Severity::Info) {
            hanging(out, "  • ", style::of(line.severity), &line.text)?;
        }
    }
    if !plan.dangers.is_empty() {
        heading(out, "Dangers")?;
        super::dangers(out, &plan.dangers)?;
    }
    if !plan.remarks.is_empty() {
        heading(out, "Please note")?;
        plan.remarks.iter().try_for_each(|remark| hanging(out, "  • ", style::PLAIN, remark))?;
    }
    if plan.is_nothing() {
        writeln!(out, "\nThe meter is like that already: there is nothing to restore.")?;
    }
    writeln!(out)?;
    paragraph(out, 0, style::QUIET, &plan.digest)?;
    out.flush()
}
