//! Data recorders and their records.

use std::borrow::Cow;
use std::io::{self, Write};

use api::{Ends, Epoch, Record, Recorders, Records};
use framework::modules::data_recorder;
use owo_colors::OwoColorize;

use super::NOTHING;
use crate::output::table::{Align, Cell, Table};
use crate::output::text::{Precision, counted, paragraph, printable, utc, width};
use crate::output::{WIDTH, style};

/// Between two columns, and before the first.
const GAP: usize = 2;

/// The recorders, each with its epochs.
///
/// # Errors
/// Those of the stream.
pub fn recorders(out: &mut dyn Write, recorders: &Recorders) -> io::Result<()> {
    if recorders.recorders.is_empty() {
        return paragraph(out, 0, style::PLAIN, "This meter has no data recorder: its template has no such module.");
    }
    for (at, recorder) in recorders.recorders.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let name = data_recorder::name(recorder.recorder);
        let state = match recorder.depth {
            0 => "off".to_owned(),
            depth => format!("keeps {}", counted(usize::try_from(depth).unwrap_or(usize::MAX), "record")),
        };
        let label = if recorder.label == name { String::new() } else { format!("  {}", printable(&recorder.label)) };
        writeln!(out, "{}{label}, {state}", name.style(style::HEADING))?;
        let mut table = Table::new([
            ("epoch", Align::Right),
            ("records", Align::Right),
            ("every", Align::Right),
            ("oldest (UTC)", Align::Left),
            ("newest (UTC)", Align::Left),
            ("", Align::Left),
        ]);
        for epoch in &recorder.epochs {
            let Epoch { epoch, open, period_s, records, oldest, newest, .. } = epoch;
            let ends = |ends: Option<Ends>| {
                ends.map_or_else(|| NOTHING.to_owned(), |ends| utc(ends.utc_ms, Precision::Seconds))
            };
            let closed = if *open { Cell::from("") } else { Cell::styled("closed", style::QUIET) };
            let cells = [epoch.to_string(), records.to_string(), format!("{period_s} s"), ends(*oldest), ends(*newest)];
            table.row(cells.into_iter().map(Cell::from).chain([closed]).collect::<Vec<_>>());
        }
        if table.is_empty() {
            paragraph(out, 2, style::QUIET, "Nothing has been recorded.")?;
        } else {
            table.write(out)?;
        }
    }
    Ok(())
}

/// Records, the oldest first. What is wider than a screen goes on in further tables below.
///
/// # Errors
/// Those of the stream.
pub fn records(out: &mut dyn Write, records: &Records) -> io::Result<()> {
    let Records { recorder, label, epoch, open, period_s, records: rows, sources, .. } = records;
    let closed = if *open { "" } else { ", closed" };
    let title = printable(label);
    let title = title.style(style::HEADING);
    writeln!(out, "{title}  {}, epoch {epoch}{closed}, every {period_s} s", data_recorder::name(*recorder))?;
    if rows.is_empty() {
        return paragraph(out, 0, style::PLAIN, "There are no such records.");
    }
    let number = rows.iter().map(|row| width(&row.number.to_string())).max().unwrap_or(0).max("number".len());
    let any_status = rows.iter().any(|row| !row.status.is_empty());
    let beside = |with_status: bool| {
        let status = rows.iter().map(|row| width(&status(row))).max().unwrap_or(0).max("status".len());
        2 * GAP + number + "2026-01-31".len() + if with_status { GAP + status } else { 0 }
    };
    let widths: Vec<usize> = (0..sources.len()).map(|source| column(records, source)).collect();
    let mut from = 0;
    while from < sources.len() {
        // What there is to say of a record is said once.
        let with_status = any_status && from == 0;
        let mut room = WIDTH.saturating_sub(beside(with_status));
        let fit = widths[from..].iter().take_while(|width| {
            let fits = **width + GAP <= room;
            room = room.saturating_sub(**width + GAP);
            fits
        });
        let to = from + fit.count().max(1);
        if from > 0 {
            writeln!(out)?;
        }
        table(records, from..to, with_status).write(out)?;
        from = to;
    }
    Ok(())
}

/// How wide the column of a source is.
fn column(records: &Records, source: usize) -> usize {
    let head = records.sources.get(source).map_or(0, |source| width(&source.label).max(width(&source.unit)));
    let values = records.records.iter().map(|record| width(&value(records, record, source)));
    values.chain([head]).max().unwrap_or(0)
}

fn table(records: &Records, sources: std::ops::Range<usize>, with_status: bool) -> Table {
    let fixed = [("number", Align::Right), ("UTC", Align::Left), ("status", Align::Left)];
    let fixed = fixed.into_iter().take(if with_status { 3 } else { 2 });
    let fixed: Vec<(Cow<'static, str>, Align)> = fixed.map(|(heading, align)| (heading.into(), align)).collect();
    let before = fixed.len();
    let shown = records.sources.get(sources.clone()).unwrap_or_default();
    let labels = shown.iter().map(|source| (source.label.clone().into(), Align::Right));
    let mut table = Table::with(fixed.into_iter().chain(labels).collect());
    let nothing = |count| std::iter::repeat_n(Cell::from(""), count);
    let units = shown.iter().map(|source| Cell::styled(source.unit.as_str(), style::QUIET));
    table.row(nothing(before).chain(units).collect::<Vec<_>>());
    let mut day = String::new();
    for record in &records.records {
        let moment = utc(record.utc_ms, Precision::Seconds);
        let (date, time) = moment.split_once(' ').unwrap_or(("", &moment));
        if date != day {
            date.clone_into(&mut day);
            let heading = Cell::styled(date, style::HEADING);
            table.row(nothing(1).chain([heading]).chain(nothing(before - 2 + shown.len())).collect::<Vec<_>>());
        }
        let status = with_status.then(|| Cell::styled(status(record), style::WARNING));
        let fixed = [Cell::from(record.number.to_string()), Cell::from(time)].into_iter().chain(status);
        let values = sources.clone().map(|source| Cell::from(value(records, record, source)));
        table.row(fixed.chain(values).collect::<Vec<_>>());
    }
    table
}

/// What is to be said of a record; nothing, as of most.
fn status(record: &Record) -> String {
    record.status.join(", ")
}

fn value(records: &Records, record: &Record, source: usize) -> String {
    let decimals = records.sources.get(source).map_or(0, |source| usize::from(source.decimals));
    let value = record.values.get(source).copied().flatten();
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use api::{RecordSource, Recorder};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    /// 2026-11-22 23:00:00 UTC.
    const NOW: i64 = 1_795_388_400_000;

    fn sources() -> Vec<RecordSource> {
        let source = |label: &str| RecordSource {
            label: label.to_owned(),
            register: format!("Integrator 1/{label}"),
            unit: label.split(' ').next().unwrap().to_owned(),
            decimals: 3,
        };
        let labels = ["kWh del", "kWh rec", "kVARh del", "kVARh rec", "kVAh del", "kVAh rec"];
        let intervals = labels.iter().map(|label| format!("{label} int"));
        intervals.chain(labels.iter().map(|label| (*label).to_owned())).map(|label| source(&label)).collect()
    }

    fn sample(statuses: &[&[&str]]) -> Records {
        let record = |(at, status): (usize, &&[&str])| Record {
            number: 9_998 + at as u64,
            utc_ms: NOW + at as i64 * 900_000,
            status: status.iter().map(|word| (*word).to_owned()).collect(),
            values: (0..12).map(|source| (source != 3).then_some(1234.5678 * source as f64 + at as f64)).collect(),
        };
        Records {
            recorder: 1,
            label: "Revenue Log".to_owned(),
            epoch: 2,
            open: true,
            period_s: 900,
            sources: sources(),
            records: statuses.iter().enumerate().map(record).collect(),
            next: None,
        }
    }

    #[test]
    fn records_fit_on_a_screen_however_many_sources_there_are() {
        let quiet = shown(|out| records(out, &sample(&[&[], &[], &[], &[], &[]])));
        insta::assert_snapshot!("records", quiet);
        let telling = shown(|out| records(out, &sample(&[&[], &["short", "outage", "clock set"], &["outage"]])));
        insta::assert_snapshot!("records_with_a_status", telling);
        for text in [quiet, telling] {
            assert!(text.lines().all(|line| width(line) <= WIDTH), "{text}");
        }
        harmless(&sample(&[&["short"]]), |out, sample| records(out, sample));
        let none = Records { open: false, ..sample(&[]) };
        insta::assert_snapshot!(shown(|out| records(out, &none)), @r"
        Revenue Log  Data Recorder 1, epoch 2, closed, every 900 s
        There are no such records.
        ");
    }

    #[test]
    fn recorders_with_their_epochs() {
        let epoch = |epoch, open, records: u64| {
            let ends = |number| (records > 0).then_some(Ends { number, utc_ms: NOW + number as i64 * 900_000 });
            Epoch {
                epoch,
                open,
                period_s: 900,
                records,
                oldest: ends(1),
                newest: ends(records),
                opened_utc_ms: NOW,
                closed_utc_ms: (!open).then_some(NOW),
                sources: sources(),
            }
        };
        let recorder =
            |recorder, label: &str, depth, epochs| Recorder { recorder, label: label.to_owned(), depth, epochs };
        let list = Recorders {
            recorders: vec![
                recorder(1, "Revenue Log", 3360, vec![epoch(1, false, 3360), epoch(2, true, 0)]),
                recorder(2, "Data Recorder 2", 0, Vec::new()),
            ],
        };
        insta::assert_snapshot!("recorders", shown(|out| recorders(out, &list)));
        harmless(&list, |out, list| recorders(out, list));
        let none = shown(|out| recorders(out, &Recorders::default()));
        insta::assert_snapshot!(none, @"This meter has no data recorder: its template has no such module.");
    }
}
