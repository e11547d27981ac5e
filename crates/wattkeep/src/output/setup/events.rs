//! The event log, and whether it is as it was written.

use std::io::{self, Write};

use api::{Events, LogVerified};
use owo_colors::OwoColorize;

use crate::output::style;
use crate::output::table::{Align, Cell, Table};
use crate::output::text::{Precision, counted, hanging, paragraph, utc};

/// From here on an event is told apart: the priority of an invalid login (meter's own default), loss of potential.
const URGENT: u8 = 128;

/// Events, the oldest first, under the day they are of: what happened has the room that the date would take.
///
/// # Errors
/// Those of the stream.
pub fn events(out: &mut dyn Write, events: &Events) -> io::Result<()> {
    if events.events.is_empty() {
        return writeln!(out, "There are no such events.");
    }
    let columns = [
        ("number", Align::Right),
        ("UTC", Align::Left),
        ("prio", Align::Right),
        ("who", Align::Left),
        ("path", Align::Left),
        ("cause → effect", Align::Left),
    ];
    let mut table = Table::new(columns);
    let mut day = String::new();
    for event in &events.events {
        let moment = utc(event.utc_ms, Precision::Milliseconds);
        let (date, time) = moment.split_once(' ').unwrap_or(("", &moment));
        if date != day {
            date.clone_into(&mut day);
            let nothing = || Cell::from("");
            table.row([nothing(), Cell::styled(date, style::HEADING), nothing(), nothing(), nothing(), nothing()]);
        }
        let what = [&event.cause, &event.effect].into_iter().filter(|text| !text.is_empty()).map(String::as_str);
        let priority = if event.priority >= URGENT { style::WARNING } else { style::PLAIN };
        table.row([
            event.number.to_string().into(),
            time.into(),
            Cell::styled(event.priority.to_string(), priority),
            event.user.as_str().into(),
            event.path.as_str().into(),
            what.collect::<Vec<_>>().join(" → ").into(),
        ]);
    }
    table.write(out)
}

/// What looking through the log has found.
///
/// # Errors
/// Those of the stream.
pub fn log_verified(out: &mut dyn Write, verified: &LogVerified) -> io::Result<()> {
    let LogVerified { whole, checked, unchained, chained_from, findings, more } = verified;
    let events = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "event");
    if *whole {
        let said = format!("The log is whole: {} checked", events(*checked));
        writeln!(out, "{}", said.style(style::GOOD))?;
    } else {
        let found = u64::try_from(findings.len()).unwrap_or(u64::MAX).saturating_add(*more);
        let found = counted(usize::try_from(found).unwrap_or(usize::MAX), "finding");
        let said = format!("THE LOG IS NOT AS IT WAS WRITTEN: {found}, {} checked", events(*checked));
        writeln!(out, "{}", said.style(style::DANGER))?;
        findings.iter().try_for_each(|finding| hanging(out, "  • ", style::PLAIN, &finding.text))?;
        if *more > 0 {
            writeln!(out, "  • and {more} more")?;
        }
    }
    if let (Some(from), true) = (chained_from, *unchained > 0) {
        let said = format!("The chain begins with event {from}; nothing vouches for {} before it.", events(*unchained));
        paragraph(out, 0, style::QUIET, &said)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use api::{Event, LogFinding};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    /// 2026-11-22 15:00:00 UTC.
    const NOW: i64 = 1_795_359_600_000;

    #[test]
    fn events_with_cause_and_effect() {
        let event = |number, day: i64, priority, user: &str, path: &str, cause: &str, effect: &str| Event {
            number,
            utc_ms: NOW + day * 86_400_000 + i64::try_from(number).unwrap() * 1001,
            priority,
            user: user.to_owned(),
            path: path.to_owned(),
            cause: cause.to_owned(),
            effect: effect.to_owned(),
        };
        let sample = vec![
            event(9_998, 0, 30, "-", "meter", "power", "power up, release 4.40.1"),
            event(9_999, 0, 20, "USER1", "setup", "login from 192.0.2.7", "valid"),
            event(10_000, 1, 10, "USER1", "terminal", "Power Meter 1/PT Prim = 120 from 192.0.2.7", "14400"),
            event(10_001, 1, 255, "-", "terminal", "login as USER16 from 192.0.2.7", "locked out for 15 min"),
        ];
        let sample = Events { events: sample, next: 0 };
        insta::assert_snapshot!(shown(|out| events(out, &sample)));
        harmless(&sample, |out, sample| events(out, sample));
        insta::assert_snapshot!(shown(|out| events(out, &Events::default())), @"There are no such events.");
    }

    #[test]
    fn a_log_that_was_looked_through() {
        let mut verified = LogVerified {
            whole: true,
            checked: 5_120,
            unchained: 0,
            chained_from: Some(1),
            findings: Vec::new(),
            more: 0,
        };
        insta::assert_snapshot!("a_whole_log", shown(|out| log_verified(out, &verified)));
        let finding = |number, text: &str| LogFinding { kind: String::new(), number, text: text.to_owned() };
        verified.findings = vec![
            finding(Some(17), "event 17 was changed or put in: its seal doesn't fit it"),
            finding(Some(40), "3 events (ordinary) are missing, the newest of them number 40"),
        ];
        verified = LogVerified { whole: false, unchained: 12, chained_from: Some(13), more: 7, ..verified };
        insta::assert_snapshot!("a_damaged_log", shown(|out| log_verified(out, &verified)));
        harmless(&verified, |out, verified| log_verified(out, verified));
    }
}
