//! `clock`: the meter's time, where it comes from, and setting it. The gate keeps the difference to the
//! machine's clock; nothing here reads one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use security::Ask;

use crate::info::utc_text;
use crate::terminal::plain::table;
use crate::terminal::{Desk, Failed, repeated, table as commands};

pub(in crate::terminal) async fn clock(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    match words {
        [] => {}
        ["set", "machine"] => {
            let machine = desk.site.machine_time();
            desk.gate(move |gate, _, caller| gate.set_clock(machine, caller, machine.utc_ms)).await?;
        }
        ["set", time @ ..] if !time.is_empty() => {
            let utc_ms = parse(&time.join(" "))?;
            let machine = desk.site.machine_time();
            desk.gate(move |gate, _, caller| gate.set_clock(machine, caller, utc_ms)).await?;
        }
        _ => return Err(commands::usage("clock").into()),
    }
    let view = desk.view();
    desk.may(&view, Ask::Read)?;
    let time = utc_text(desk.site.now().utc_ms).unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![["Time (UTC)".to_owned(), time]];
    let ahead_ms = desk.site.gate.ahead_ms();
    let seconds = format!("{}.{:03} s", ahead_ms.abs() / 1000, ahead_ms.abs() % 1000);
    let source = match ahead_ms {
        0 => "the machine's clock".to_owned(),
        1.. => format!("set by hand: {seconds} ahead of the machine's clock"),
        _ => format!("set by hand: {seconds} behind the machine's clock"),
    };
    rows.push(["Source".to_owned(), source]);
    Ok(table(&rows, columns.unwrap_or(usize::MAX)))
}

/// A time with its offset, or else in UTC.
fn parse(typed: &str) -> Result<i64, Failed> {
    let with_offset = typed.parse::<Timestamp>().ok();
    let utc = || typed.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    let time = with_offset.or_else(utc);
    let wrong = || format!("\"{}\" is no time: one looks like 2026-01-31 12:00:00, in UTC", repeated(typed));
    Ok(time.ok_or_else(wrong)?.as_millisecond())
}
