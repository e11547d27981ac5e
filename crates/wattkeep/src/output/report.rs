//! The report of a change of release: plan and fact side by side, what differs first.

use std::io::{self, Write};

use firmware::report::{Line, Outcome, Report};
use owo_colors::OwoColorize;

use super::style;
use super::table::{Align, Cell, Table};
use super::text::{Precision, counted, heading, paragraph, utc};

/// Writes a report.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    verdict(out, report)?;
    let (differing, same): (Vec<_>, Vec<_>) = report.lines.iter().partition(|line| !line.same);
    if !differing.is_empty() {
        heading(out, "Not as planned")?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for Line { subject, planned, found, .. } in differing {
            table.row([subject.into(), Cell::styled("planned", style::QUIET), planned.into()]);
            table.row(["".into(), Cell::styled("FOUND", style::DANGER), Cell::styled(found, style::DANGER)]);
        }
        table.write(out)?;
    }
    if !same.is_empty() {
        heading(out, "As planned")?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        for Line { subject, found, .. } in &same {
            table.row([subject.into(), found.into()]);
        }
        table.write(out)?;
    }
    writeln!(out, "\n{} of {} as planned", same.len(), counted(report.lines.len(), "line"))?;
    let mut record = Table::new([("", Align::Left), ("", Align::Left)]);
    for (name, fact) in [
        ("by", format!("{} with Setup {}", report.user, report.setup)),
        ("at", format!("{} UTC", utc(report.utc_ms, Precision::Seconds))),
        ("hash list", report.hash_check.clone()),
    ] {
        record.row([Cell::styled(name, style::QUIET), Cell::styled(fact, style::QUIET)]);
    }
    record.write(out)?;
    // A digest takes most of a line, so these two begin at its edge.
    writeln!(out, "{}", format!("plan {}", report.plan).style(style::QUIET))?;
    writeln!(out, "{}", format!("package sha256:{}", report.package).style(style::QUIET))
}

/// Writes what a report comes to, in a line.
///
/// # Errors
/// Those of the stream.
pub fn verdict(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let (colour, verdict) = match (report.outcome, report.as_planned) {
        (Outcome::Confirmed, true) => (style::GOOD, "Done, and the meter is what the plan said."),
        (Outcome::Confirmed, false) => (style::DANGER, "Done, but the meter is NOT what the plan said."),
        (Outcome::TakenBack, _) => (style::DANGER, "TAKEN BACK: the meter is on the release it had."),
    };
    writeln!(out, "{}", verdict.style(colour))?;
    if let Some(reason) = &report.reason {
        paragraph(out, 2, style::PLAIN, reason)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use firmware::Kind;

    use super::*;
    use crate::screen::tests::shown;

    fn report() -> Report {
        let line = |kind, subject: &str, planned: &str, found: &str| Line {
            kind,
            subject: subject.to_owned(),
            planned: planned.to_owned(),
            found: found.to_owned(),
            same: planned == found,
        };
        Report {
            outcome: Outcome::Confirmed,
            reason: None,
            as_planned: true,
            lines: vec![
                line(Kind::Mode, "security mode", "advanced", "advanced"),
                line(Kind::Service, "web", "disabled", "disabled"),
                line(
                    Kind::Right,
                    "sftp: USER4",
                    "read, read setup, time-sync, demand-reset, test-mode, full-config",
                    "read, read setup, time-sync, demand-reset, test-mode, full-config",
                ),
            ],
            plan: "sha256:12314f4212768e9d99e447dd56cd6bdbe693abfbacabccf31dc8c63690862568".to_owned(),
            package: "c4bbc4157e434a40a677ca4faffd1ad6d7a5a67880a92b071bf0e8d161611c0c".to_owned(),
            hash_check: "its SHA-256 is the published one".to_owned(),
            backup: None,
            setup: "3.2.30377.02".parse().unwrap(),
            user: "USER1".to_owned(),
            utc_ms: 1_795_362_000_000,
        }
    }

    #[test]
    fn b25_a_report_as_planned() {
        insta::assert_snapshot!(shown(|out| write(out, &report())));
    }

    #[test]
    fn b25_what_differs_stands_out() {
        let mut report = report();
        report.as_planned = false;
        report.lines[1].found = "enabled, but not listening".to_owned();
        report.lines[1].same = false;
        insta::assert_snapshot!(shown(|out| write(out, &report)));
    }

    #[test]
    fn b26_a_change_taken_back_says_why() {
        let mut report = report();
        report.outcome = Outcome::TakenBack;
        report.reason = Some("Port 22 is taken by another program, so SFTP could not be opened.".to_owned());
        report.lines.clear();
        insta::assert_snapshot!(shown(|out| write(out, &report)));
    }
}
