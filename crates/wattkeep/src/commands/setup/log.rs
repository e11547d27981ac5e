//! Data recorders: listed, or the records of one shown or written as CSV.

use std::path::Path;

use api::{Records, csv};
use jiff::Timestamp;
use setup::{Client, Wanted};

use super::session::Session;
use crate::args::setup::LogArgs;
use crate::failure::Failure;
use crate::new_file::{self, For};
use crate::output::progress;
use crate::output::setup as show;
use crate::output::text::counted;
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
        if json {
            screen.json(&recorders)?
        } else {
            show::recorders(screen.out, &recorders)?
        }
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
                writeln!(screen.out, "{count} of {} {are} saved in {}.", records.label, file.display())?;
            }
        }
        None if json => screen.json(&records)?,
        None => show::records(screen.out, &records)?,
    }
    Ok(())
}

/// All records that are wanted: at most what an epoch holds, some megabytes.
async fn read(wanted: Wanted, session: &mut Session, screen: &Screen<'_>) -> Result<Records, Failure> {
    let mut records = session.ask(async |client: &mut Client| client.records(&wanted, None).await).await?;
    // Should the recorder be changed meanwhile, it is the epoch that was begun with.
    let wanted = Wanted { epoch: Some(records.epoch), ..wanted };
    let turning = records.next.is_some().then(|| progress::spinner(screen, "Reading records"));
    while let Some(next) = records.next {
        let page = session.ask(async |client: &mut Client| client.records(&wanted, Some(next)).await).await?;
        records.records.extend(page.records);
        // A meter that leads nowhere isn't followed.
        records.next = page.next.filter(|further| *further > next);
    }
    if let Some(turning) = turning {
        turning.finish_and_clear();
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
    std::iter::once(csv::head(&records.sources)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use api::Record;

    use super::*;

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
            let record = |number: &u64| Record { number: *number, utc_ms: 0, status: Vec::new(), values: Vec::new() };
            let records = Records {
                recorder: 1,
                label: String::new(),
                epoch: 1,
                open: true,
                period_s: 1,
                sources: Vec::new(),
                records: numbers.iter().map(record).collect(),
                next: None,
            };
            let said = hole(&wanted, &records);
            assert_eq!((said.is_some(), hole(&from_noon, &records).is_some()), (all, times), "{numbers:?}: {said:?}");
            assert!(!numbers.contains(&12) || said.is_some_and(|said| said.contains("between 8 and 12 ")));
        }
    }
}
