//! A change of release that waits for its time, or what became of it.

use std::io::{self, Write};

use api::{Schedule, ScheduleState, Scheduled};
use firmware::report::Line;

use super::super::report;
use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{Precision, heading, line, paragraph, utc};

/// How it stands.
///
/// # Errors
/// Those of the stream.
pub fn schedule(out: &mut dyn Write, Scheduled { schedule }: &Scheduled) -> io::Result<()> {
    let Some(schedule) = schedule else { return writeln!(out, "No change of release is scheduled.") };
    let Schedule { from, to, plan, user, path, peer, accepted_utc_ms, at_utc_ms, until_utc_ms, state } = schedule;
    let (colour, stands) = match state {
        ScheduleState::Waiting => (style::PLAIN, "waits for its time".to_owned()),
        ScheduleState::Begun => (style::PLAIN, "is being carried out".to_owned()),
        ScheduleState::Done { .. } => (style::PLAIN, "was carried out".to_owned()),
        ScheduleState::PlanDiffers { .. } => {
            (style::DANGER, "was NOT done: its plan would be another one than the accepted one".to_owned())
        }
        ScheduleState::Missed { reason } | ScheduleState::NotDone { reason } => {
            (style::DANGER, format!("was NOT done: {reason}"))
        }
    };
    paragraph(out, 0, colour, &format!("The change {from} → {to} {stands}."))?;
    let time = |utc_ms: i64| format!("{} UTC, by the meter's clock", utc(utc_ms, Precision::Seconds));
    let peer = peer.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for (name, fact) in [
        ("at", time(*at_utc_ms)),
        ("at the latest", time(*until_utc_ms)),
        ("accepted", format!("{} UTC", utc(*accepted_utc_ms, Precision::Seconds))),
        ("by", format!("{user} over {path}{peer}")),
    ] {
        table.row([Cell::styled(name, style::QUIET), fact.into()]);
    }
    table.write(out)?;
    line(out, style::PLAIN, &format!("plan {plan}"))?;
    match state {
        ScheduleState::Done { report } => {
            writeln!(out)?;
            report::write(out, report)
        }
        ScheduleState::PlanDiffers { plan, differing } => {
            line(out, style::PLAIN, &format!("now  {}", plan.digest))?;
            differences(out, differing)
        }
        _ => Ok(()),
    }
}

fn differences(out: &mut dyn Write, lines: &[Line]) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(out, "\nNo line differs: settings have changed that no line tells of.");
    }
    heading(out, "What differs")?;
    let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
    for Line { subject, planned, found, .. } in lines {
        table.row([subject.into(), Cell::styled("accepted", style::QUIET), planned.into()]);
        table.row(["".into(), Cell::styled("NOW", style::DANGER), Cell::styled(found, style::DANGER)]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use firmware::{Kind, Plan, Severity};

    use super::*;
    use crate::screen::tests::shown;

    const AT: i64 = 1_801_357_200_000;

    fn screen(state: ScheduleState) -> String {
        let schedule = Schedule {
            from: "4.0.9".parse().unwrap(),
            to: "4.40.1".parse().unwrap(),
            plan: format!("sha256:{}", "12".repeat(32)),
            user: "USER1".to_owned(),
            path: "setup".to_owned(),
            peer: Some("192.0.2.7".to_owned()),
            accepted_utc_ms: AT - 86_400_000,
            at_utc_ms: AT,
            until_utc_ms: AT + 3_600_000,
            state,
        };
        shown(|out| super::schedule(out, &Scheduled { schedule: Some(schedule) }))
    }

    #[test]
    fn b25_how_a_scheduled_change_stands() {
        let none = shown(|out| schedule(out, &Scheduled { schedule: None }));
        insta::assert_snapshot!(none, @"No change of release is scheduled.");
        insta::assert_snapshot!("schedule_waiting", screen(ScheduleState::Waiting));
        let reason = "USER1 is not active any more".to_owned();
        for (state, said) in [
            (ScheduleState::Begun, "is being carried out."),
            (ScheduleState::Missed { reason: "its time went by".to_owned() }, "was NOT done: its time went by."),
            (ScheduleState::NotDone { reason }, "was NOT done: USER1 is not active any more."),
        ] {
            let screen = screen(state);
            assert!(screen.starts_with(&format!("The change 4.0.9 → 4.40.1 {said}")), "{screen}");
        }
    }

    #[test]
    fn b25_a_plan_that_differs_is_shown_beside_the_accepted_one() {
        let differs = |differing| {
            let plan = Plan {
                from: "4.0.9".parse().unwrap(),
                to: "4.40.1".parse().unwrap(),
                digest: format!("sha256:{}", "34".repeat(32)),
                accepted: false,
                consequences: Vec::new(),
            };
            screen(ScheduleState::PlanDiffers { plan: Box::new(plan), differing })
        };
        let line = Line {
            kind: Kind::Service,
            subject: "web".to_owned(),
            severity: Severity::Warning,
            before: "enabled".to_owned(),
            planned: "disabled".to_owned(),
            found: "no such service".to_owned(),
            same: false,
        };
        insta::assert_snapshot!("schedule_plan_differs", differs(vec![line]));
        let untold = differs(Vec::new());
        assert!(untold.contains("settings have changed that no line tells of"), "{untold}");
    }
}
