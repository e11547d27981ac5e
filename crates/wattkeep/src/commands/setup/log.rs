//! Data recorders: listed, or the records of one shown or written as CSV.

use std::path::Path;

use api::{Records, csv};
use jiff::Timestamp;
use setup::{Client, Wanted};

use super::session::Session;
use crate::args::setup::LogArgs;
use crate::failure::Failure;
use crate::files::{self, For};
use crate::output::progress;
use crate::output::setup as show;
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
    match &args.csv {
        Some(_) if to_output => screen.out.write_all(text(&records).as_bytes())?,
        Some(file) => {
            files::write_new(file, text(&records).as_bytes(), For::Everyone)?;
            let count = records.records.len();
            if json {
                screen.json(&serde_json::json!({ "saved": file, "records": count }))?;
            } else {
                writeln!(screen.out, "{count} records of {} are saved in {}.", records.label, file.display())?;
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

fn text(records: &Records) -> String {
    let time =
        |utc_ms| Timestamp::from_millisecond(utc_ms).map_or_else(|_| utc_ms.to_string(), |time| format!("{time:.3}"));
    let rows = records.records.iter().map(|record| csv::row(&records.sources, record, &time(record.utc_ms)));
    std::iter::once(csv::head(&records.sources)).chain(rows).collect()
}
