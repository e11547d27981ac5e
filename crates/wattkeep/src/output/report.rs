//! The report of a change of release: plan and fact side by side, what differs first. Where they are the same, one column
//! says both, and its heading says so. Notices, of which nothing is found, stand apart and aren't counted.

pub mod html;

use std::io::{self, Write};

use firmware::report::{Line, Outcome, Report};
use owo_colors::OwoColorize;

use super::style;
use super::table::{Align, Cell, Table};
use super::text::{Precision, counted, heading, line, paragraph, utc};

/// Writes a report.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    verdict(out, report)?;
    let (facts, notices): (Vec<_>, Vec<_>) = report.lines.iter().partition(|line| line.is_fact());
    let (same, differing): (Vec<_>, Vec<_>) = facts.into_iter().partition(|line| line.same);
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
        let mut table = Table::new([("", Align::Left), ("planned = found", Align::Left)]);
        for Line { subject, found, .. } in same {
            table.row([subject.into(), found.into()]);
        }
        table.write(out)?;
    }
    if !report.lines.is_empty() {
        writeln!(out, "\n{}", count(report))?;
    }
    if !notices.is_empty() {
        heading(out, NOTICES)?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        for Line { subject, planned, .. } in notices {
            table.row([subject.into(), planned.into()]);
        }
        table.write(out)?;
    }
    heading(out, "About this change")?;
    let mut record = Table::new([("", Align::Left), ("", Align::Left)]);
    // A digest takes most of a line, so those stand at its edge.
    let (digests, facts): (Vec<_>, Vec<_>) = about(report).into_iter().partition(|(_, fact)| fact.starts_with(DIGEST));
    for (name, fact) in facts {
        record.row([Cell::styled(name, style::QUIET), Cell::styled(fact, style::QUIET)]);
    }
    record.write(out)?;
    digests.iter().try_for_each(|(name, digest)| line(out, style::QUIET, &format!("{name} {digest}")))
}

/// Writes the reports that a meter keeps, the newest first.
///
/// # Errors
/// Those of the stream.
pub fn list(out: &mut dyn Write, reports: &[Report]) -> io::Result<()> {
    let mut table = Table::new([
        ("", Align::Right),
        ("over at (UTC)", Align::Left),
        ("change", Align::Left),
        ("by", Align::Left),
        ("outcome", Align::Left),
    ]);
    for (at, report) in reports.iter().enumerate() {
        let outcome = match (report.outcome, report.as_planned) {
            (Outcome::Confirmed, true) => Cell::styled("as planned", style::GOOD),
            (Outcome::Confirmed, false) => Cell::styled("NOT as planned", style::DANGER),
            (Outcome::TakenBack, _) => Cell::styled("TAKEN BACK", style::DANGER),
        };
        let when = utc(report.utc_ms, Precision::Seconds);
        table.row([(at + 1).to_string().into(), when.into(), way(report).into(), report.user.as_str().into(), outcome]);
    }
    table.write(out)
}

const DIGEST: &str = "sha256:";

/// From which release to which.
fn way(report: &Report) -> String {
    let release = |version: &Option<firmware::Version>| version.as_ref().map_or("?".to_owned(), ToString::to_string);
    format!("{} → {}", release(&report.about.from), release(&report.about.to))
}

/// Who, from where, when, and what can be checked by its hash; what isn't known is left out.
fn about(report: &Report) -> Vec<(&'static str, String)> {
    let about = &report.about;
    let time = |utc_ms: i64| format!("{} UTC", utc(utc_ms, Precision::Seconds));
    let road = if about.path.is_empty() { String::new() } else { format!(" over {}", about.path) };
    let from = about.peer.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
    let over = if report.outcome == Outcome::Confirmed { "confirmed" } else { "taken back" };
    let digest = |digest: &String| format!("{DIGEST}{digest}");
    let facts = [
        ("meter", (!about.serial.is_empty()).then(|| about.serial.clone())),
        ("release", about.from.is_some().then(|| way(report))),
        ("by", Some(format!("{}{road}{from}", report.user))),
        ("with", Some(format!("Setup {}", report.setup))),
        ("begun", about.begun_utc_ms.map(time)),
        ("committed", about.committed_utc_ms.map(time)),
        (over, Some(time(report.utc_ms))),
        ("hash list", Some(report.hash_check.clone())),
        ("plan", Some(report.plan.clone())),
        ("package", Some(digest(&report.package))),
        ("template", about.template.as_ref().map(digest)),
        ("backup", about.backup.as_ref().map(digest)),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect()
}

/// What stands above lines of a plan that no meter can be held against.
const NOTICES: &str = "Said by the plan, not to be found at the meter";

/// How many lines are as planned.
pub(super) fn count(report: &Report) -> String {
    let (same, facts) = report.as_planned_of();
    format!("{same} of {} as planned", counted(facts, "line"))
}

const AS_PLANNED: &str = "Done, and the meter is what the plan said.";
const NOT_AS_PLANNED: &str = "Done, but the meter is NOT what the plan said.";
const TAKEN_BACK: &str = "TAKEN BACK: the meter is on the release it had.";

/// Writes what a report comes to, in a line.
///
/// # Errors
/// Those of the stream.
pub fn verdict(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let (colour, verdict) = match (report.outcome, report.as_planned) {
        (Outcome::Confirmed, true) => (style::GOOD, AS_PLANNED),
        (Outcome::Confirmed, false) => (style::DANGER, NOT_AS_PLANNED),
        (Outcome::TakenBack, _) => (style::DANGER, TAKEN_BACK),
    };
    writeln!(out, "{}", verdict.style(colour))?;
    if let Some(reason) = &report.reason {
        paragraph(out, 2, style::PLAIN, reason)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use firmware::report::About;
    use firmware::{Kind, Severity};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    pub(super) fn report() -> Report {
        let line = |kind, subject: &str, planned: &str, found: &str| Line {
            kind,
            subject: subject.to_owned(),
            severity: Severity::Warning,
            before: "enabled".to_owned(),
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
                Line { same: true, ..line(Kind::Notice, "Setup", "3.2.30377.02", "") },
            ],
            plan: "sha256:12314f4212768e9d99e447dd56cd6bdbe693abfbacabccf31dc8c63690862568".to_owned(),
            package: "c4bbc4157e434a40a677ca4faffd1ad6d7a5a67880a92b071bf0e8d161611c0c".to_owned(),
            hash_check: "its SHA-256 is the published one".to_owned(),
            setup: "3.2.30377.02".parse().unwrap(),
            user: "USER1".to_owned(),
            utc_ms: 1_795_362_000_000,
            about: About {
                serial: "MW-2611A001-01".to_owned(),
                from: Some("4.0.9".parse().unwrap()),
                to: Some("4.40.1".parse().unwrap()),
                path: "setup".to_owned(),
                peer: Some("192.0.2.7".to_owned()),
                begun_utc_ms: Some(1_795_361_990_000),
                committed_utc_ms: Some(1_795_361_997_000),
                template: Some("0f343b0931126a20f133d67c2b018a3b2f0e3f1f2a9c1e7a7b7c5d1f0a9b8c7d".to_owned()),
                backup: None,
            },
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

    #[test]
    fn what_a_meter_says_in_its_reports_moves_no_cursor() {
        let mut differing = report();
        differing.lines[0].same = false;
        differing.reason = Some("the meter's clock stood still".to_owned());
        harmless(&differing, |out, report| {
            write(out, report)?;
            list(out, std::slice::from_ref(report))
        });
    }
}
