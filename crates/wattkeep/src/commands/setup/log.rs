//! Data recorders: listed, or the records of one shown or written as CSV.

use std::path::Path;

use api::{Records, csv};
use framework::modules::data_recorder::MAX_DEPTH;
use jiff::Timestamp;
use setup::{Client, SetupError, Wanted};

use super::session::Session;
use crate::args::setup::LogArgs;
use crate::failure::Failure;
use crate::new_file::{self, For};
use crate::output::progress;
use crate::output::setup as show;
use crate::output::style;
use crate::output::text::{counted, line, printable};
use crate::screen::Screen;

/// Shows the recorders, or the records that are asked for.
///
/// # Errors
/// Whatever the meter or the way to it says, or the file that can't be written.
pub(super) async fn run(
    args: &LogArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let Some(wanted) = args.wanted() else {
        let recorders = session.ask(async |client: &mut Client| client.recorders().await).await?;
        screen.show(&recorders, json, show::recorders)?;
        return Ok(());
    };
    let to_output = args.csv.as_deref() == Some(Path::new("-"));
    if json && to_output {
        return Err(Failure::Usage("standard output takes JSON or CSV: leave out --json or --csv -".to_owned()));
    }
    let records = read(wanted, session, screen).await?;
    if let Some(said) = hole(&wanted, &records) {
        // A file is kept, and whoever opens it later has not seen what was said.
        if args.csv.is_some() {
            return Err(Failure::InTheWay(said));
        }
        writeln!(screen.err, "{said}")?;
    }
    match &args.csv {
        Some(_) if to_output => screen.out.write_all(text(&records).as_bytes())?,
        Some(file) => {
            new_file::write(file, text(&records).as_bytes(), For::Everyone)?;
            let count = records.records.len();
            if json {
                screen.json(&serde_json::json!({ "saved": file, "records": count }))?;
            } else {
                let (are, count) = (if count == 1 { "is" } else { "are" }, counted(count, "record"));
                let said = format!("{count} of {} {are} saved in {}.", records.label, file.display());
                line(screen.out, style::PLAIN, &said)?;
            }
        }
        None if json => screen.json(&records)?,
        None => show::records(screen.out, &records)?,
    }
    Ok(())
}

/// Pages of an epoch, at most: the full ones, and as many again that a time leaves little of.
const MOST_PAGES: usize = 2 * MAX_DEPTH as usize / api::MOST_RECORDS;

/// All records that are wanted: at most what an epoch holds, some megabytes.
async fn read(wanted: Wanted, session: &mut Session, screen: &Screen<'_>) -> Result<Records, Failure> {
    let first = session.ask(async |client: &mut Client| client.records(&wanted, None).await).await?;
    // Should the recorder be changed meanwhile, it is the epoch that was begun with.
    let wanted = Wanted { epoch: Some(first.epoch), ..wanted };
    let turning = first.next.is_some().then(|| progress::spinner(screen, "Reading records"));
    let page = async |next| session.ask(async |client: &mut Client| client.records(&wanted, Some(next)).await).await;
    let records = followed(first, page).await;
    if let Some(turning) = turning {
        turning.finish_and_clear();
    }
    records
}

/// A page with those behind it. A meter that leads back, or on without end, isn't followed.
async fn followed(
    mut records: Records,
    mut page: impl AsyncFnMut(u64) -> Result<Records, Failure>,
) -> Result<Records, Failure> {
    let odd = |what: &str| SetupError::Answer(format!("the records after some are {what}"));
    let mut pages = 1;
    while let Some(next) = records.next.filter(|_| records.records.len() < MAX_DEPTH as usize) {
        if pages == MOST_PAGES {
            return Err(odd("more than a recorder keeps").into());
        }
        let page = page(next).await?;
        if page.next.is_some_and(|further| further <= next) {
            return Err(odd("those before").into());
        }
        records.records.extend(page.records);
        records.next = page.next;
        pages += 1;
    }
    Ok(records)
}

/// What is missing, in a sentence: records have numbers without gaps, unless the oldest made room for new ones faster
/// than they were read. Those of a time need not be neighbours.
fn hole(wanted: &Wanted, records: &Records) -> Option<String> {
    if wanted.since_utc_ms.is_some() || wanted.until_utc_ms.is_some() {
        return None;
    }
    let (before, after) = records.records.iter().zip(records.records.iter().skip(1)).find_map(|(one, next)| {
        let (one, next) = (one.number, next.number);
        (next != one.saturating_add(1)).then_some((one, next))
    })?;
    Some(format!(
        "the meter had no records between {before} and {after} any more when they were read, because newer ones needed \
         their room: read again, or fewer (--last)"
    ))
}

fn text(records: &Records) -> String {
    let time =
        |utc_ms| Timestamp::from_millisecond(utc_ms).map_or_else(|_| utc_ms.to_string(), |time| format!("{time:.3}"));
    let rows = records.records.iter().map(|record| csv::row(&records.sources, record, &time(record.utc_ms)));
    let rows = std::iter::once(csv::head(&records.sources)).chain(rows);
    // Labels are a meter's, and the file may be shown on a terminal.
    rows.map(|row| format!("{}\r\n", printable(row.trim_end_matches("\r\n")))).collect()
}

#[cfg(test)]
mod tests {
    use api::{Record, RecordSource};

    use super::*;

    fn page(numbers: std::ops::Range<u64>, next: Option<u64>) -> Records {
        let record = |number| Record { number, utc_ms: 0, status: Vec::new(), values: Vec::new() };
        Records {
            recorder: 1,
            label: String::new(),
            epoch: 1,
            open: true,
            period_s: 1,
            sources: Vec::new(),
            records: numbers.map(record).collect(),
            next,
        }
    }

    /// What is read of a meter that answers so.
    fn read_from(pages: impl Fn(u64) -> Records) -> Result<usize, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(followed(pages(0), async |next| Ok(pages(next))));
        read.map(|records| records.records.len()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn pages_are_followed_to_their_end_and_nowhere_else() {
        let honest = |from| page(from..(from + 500).min(1_200), (from < 1_000).then_some(from + 500));
        assert_eq!(read_from(honest), Ok(1_200));
        let full = |from| page(from..from + 500, Some(from + 500));
        assert_eq!(read_from(full), Ok(MAX_DEPTH as usize), "no epoch has more");
        for (odd, pages) in [
            ("more than a recorder keeps", (|from| page(0..0, Some(from + 1))) as fn(u64) -> Records),
            ("those before", |from| page(from..from + 1, Some(from))),
            ("those before", |from| page(0..0, Some(7 - from.min(7)))),
        ] {
            let refused = read_from(pages).unwrap_err();
            assert!(refused.contains(odd), "{refused}");
        }
    }

    #[test]
    fn a_label_in_a_file_moves_no_cursor_and_begins_no_line() {
        let label = "kWh\u{1b}[2J\u{202e}\r\n1,2".to_owned();
        let source = RecordSource { label, register: String::new(), unit: "kWh".to_owned(), decimals: 0 };
        let records = Records { sources: vec![source], ..page(0..1, None) };
        let head = "Number,Time (UTC),Status,\"kWh\u{fffd}[2J\u{fffd}  1,2 (kWh)\"";
        assert_eq!(text(&records), format!("{head}\r\n0,1970-01-01T00:00:00.000Z,complete\r\n"));
    }

    #[test]
    fn records_that_are_missing_between_others_are_named() {
        let wanted = Wanted { recorder: 1, ..Wanted::default() };
        let from_noon = Wanted { since_utc_ms: Some(0), ..wanted };
        for (numbers, all, times) in [
            (&[][..], false, false),
            (&[7], false, false),
            (&[7, 8, 9], false, false),
            (&[7, 8, 12, 13], true, false),
            (&[8, 7], true, false),
        ] {
            let records = numbers.iter().flat_map(|number| page(*number..number + 1, None).records).collect();
            let records = Records { records, ..page(0..0, None) };
            let said = hole(&wanted, &records);
            assert_eq!((said.is_some(), hole(&from_noon, &records).is_some()), (all, times), "{numbers:?}: {said:?}");
            assert!(!numbers.contains(&12) || said.is_some_and(|said| said.contains("between 8 and 12 ")));
        }
    }
}
