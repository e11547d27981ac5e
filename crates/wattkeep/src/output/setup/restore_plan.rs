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
    // Of what is not done there is nothing to be told.
    if !plan.consequences.is_empty() && !plan.is_nothing() {
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

#[cfg(test)]
mod tests {
    use firmware::backup::{Form, LineKind};
    use firmware::digest::Sha256Digest;

    use super::*;
    use crate::screen::tests::{harmless, shown};

    fn plan(port: &str) -> RestorePlan {
        let shipped = firmware::shipped().unwrap();
        let (from, to) = (&shipped[0].carried, &shipped[1].carried);
        let settings = firmware::Settings::factory(&from.release, &from.template);
        let choices = firmware::Choices::default();
        let way = firmware::plan(&settings, &from.release, &to.release, &Sha256Digest::of(b""), &choices).plan;
        let line = |kind, subject: &str, before: &str, after: &str, severity| RestoreLine {
            kind,
            subject: subject.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            severity,
        };
        RestorePlan {
            digest: format!("sha256:{}", "12".repeat(32)),
            restored: false,
            backup: Source {
                sha256: Sha256Digest::of(b"abc"),
                form: Form::SecretFree,
                serial: "MW-2611A001-01".to_owned(),
                release: from.release.release.clone(),
                taken_utc_ms: 1_795_362_000_000,
                taken_by: "USER1".to_owned(),
                log_next: 212,
            },
            serial: "MW-2611A001-02".to_owned(),
            release: to.release.release.clone(),
            consequences: way.consequences,
            lines: vec![
                line(LineKind::Register, "Security Options 1/Setup Port", "7700", port, Severity::Info),
                line(LineKind::Password, "8650", "0", "0", Severity::Danger),
            ],
            dangers: Vec::new(),
            remarks: vec!["The backup holds no password.".to_owned()],
        }
    }

    #[test]
    fn what_the_other_release_makes_of_it_is_told_of_what_is_done() {
        let changes = shown(|out| restore_plan(out, &plan("7701")));
        assert!(changes.contains("7700 → 7701") && changes.contains("What the other release makes of it"), "{changes}");
        let nothing = shown(|out| restore_plan(out, &plan("7700")));
        assert!(nothing.contains("nothing to restore") && !nothing.contains("other release"), "{nothing}");
    }

    #[test]
    fn what_a_backup_says_moves_no_cursor() {
        harmless(&plan("7701"), |out, plan| restore_plan(out, plan));
    }
}
