//! `log`: the data recorders with their epochs; the records of one.

use framework::modules::data_recorder;
use meter::{Caller, Epoch, Gate, GateError, IntervalRecord, MAX_RECORDS_PER_READ, Recorder, Status};

use crate::info::utc_text;
use crate::records;
use crate::terminal::plain::{table, width};
use crate::terminal::{Desk, Failed, table as commands};

/// Records shown, unless another number is asked for: three hours of quarter-hours, on a screen with all their sources.
const RECORDS: usize = 12;
/// Records shown at most: some hundred kilobytes.
const MOST_RECORDS: usize = 500;
const _: () = assert!(MOST_RECORDS <= MAX_RECORDS_PER_READ);
/// Stands for what there isn't.
const NOTHING: &str = "-";

pub(in crate::terminal) async fn log(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    let wrong = || Failed::from(format!("{}; COUNT is at most {MOST_RECORDS}", commands::usage("log")));
    let columns = columns.unwrap_or(usize::MAX);
    let [recorder, options @ ..] = words else { return list(desk, columns).await };
    let recorder: u8 = recorder.parse().map_err(|_| wrong())?;
    let (mut last, mut epoch) = (RECORDS, None);
    let (pairs, rest) = options.as_chunks();
    for [option, value] in pairs {
        match *option {
            "last" => {
                let count = value.parse().ok().filter(|count| (1..=MOST_RECORDS).contains(count));
                last = count.ok_or_else(wrong)?;
            }
            "epoch" => epoch = Some(value.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        }
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    let (recorder, epoch, found) =
        desk.gate(move |gate, _, caller| newest(gate, caller, recorder, epoch, last)).await?;
    let closed = if epoch.closed_utc_ms.is_some() { ", closed" } else { "" };
    let (name, label) = (data_recorder::name(recorder.module), &recorder.label);
    let mut text = format!("{label}  {name}, epoch {}{closed}, every {} s\n", epoch.number, epoch.period_s);
    text.push_str(&if found.is_empty() { "no records\n".to_owned() } else { blocks(&epoch, &found, columns) });
    Ok(text)
}

/// The newest records of an epoch.
fn newest(
    gate: &Gate,
    caller: &Caller,
    recorder: u8,
    epoch: Option<u32>,
    last: usize,
) -> Result<(Recorder, Epoch, Vec<IntervalRecord>), GateError> {
    let list = gate.recorders(caller)?;
    let known = list.iter().find(|known| known.module == recorder);
    let found = known.and_then(|known| Some((known, known.epoch(epoch)?)));
    let (known, found) = found.ok_or(GateError::NoRecords { recorder, epoch })?;
    let from = found.last.map_or(0, |newest| (newest + 1).saturating_sub(last as u64));
    let records = gate.interval_records(caller, recorder, Some(found.number), from, last)?;
    Ok((known.clone(), found.clone(), records))
}

async fn list(desk: &Desk, columns: usize) -> Result<String, Failed> {
    let list = desk.gate(|gate, _, caller| gate.recorders(caller)).await?;
    if list.is_empty() {
        return Err("this meter's template has no Data Recorder: load one that has".into());
    }
    let mut rows = vec![["log", "epoch", "records", "every", "numbers", "state", "label"].map(str::to_owned)];
    for recorder in list.iter() {
        let number = recorder.module.to_string();
        for epoch in &recorder.epochs {
            let numbers = epoch.first.zip(epoch.last);
            let numbers = numbers.map_or_else(|| NOTHING.to_owned(), |(first, last)| format!("{first} to {last}"));
            let state = if epoch.closed_utc_ms.is_some() { "closed" } else { "records" };
            rows.push([
                number.clone(),
                epoch.number.to_string(),
                records::count(epoch).to_string(),
                format!("{} s", epoch.period_s),
                numbers,
                state.to_owned(),
                recorder.label.clone(),
            ]);
        }
        if recorder.open().is_none() {
            let nothing = || NOTHING.to_owned();
            rows.push([number, nothing(), nothing(), nothing(), nothing(), "off".to_owned(), recorder.label.clone()]);
        }
    }
    Ok(table(&rows, columns))
}

/// Records as tables no wider than the window, as many as all the sources take.
fn blocks(epoch: &Epoch, found: &[IntervalRecord], columns: usize) -> String {
    let column = |heads: [&str; 2], cell: &dyn Fn(&IntervalRecord) -> String| {
        heads.into_iter().map(str::to_owned).chain(found.iter().map(cell)).collect::<Vec<_>>()
    };
    let number = column(["number", ""], &|record| record.number.to_string());
    let time = column(["UTC", ""], &|record| utc_text(record.utc_ms).unwrap_or_else(|| NOTHING.to_owned()));
    let status = column(["status", ""], &|record| match record.status {
        Status::COMPLETE => String::new(),
        status => status.to_string(),
    });
    let any_status = found.iter().any(|record| record.status != Status::COMPLETE);
    // What there is to say of a record is said once.
    let mut block =
        if any_status { vec![number.clone(), time.clone(), status] } else { vec![number.clone(), time.clone()] };
    let mut fixed = block.len();
    let mut text = String::new();
    for (at, source) in epoch.sources.iter().enumerate() {
        let values = column([&source.label, &source.unit], &|record| {
            let value = record.values.get(at).copied().flatten();
            value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.*}", usize::from(source.decimals)))
        });
        let taken: usize = block.iter().map(|column| wide(column)).sum();
        if block.len() > fixed && taken + wide(&values) > columns {
            text.push_str(&lines(&block));
            text.push('\n');
            block = vec![number.clone(), time.clone()];
            fixed = block.len();
        }
        block.push(values);
    }
    text + &lines(&block)
}

/// Between two columns.
const GAP: usize = 2;

fn wide(column: &[String]) -> usize {
    column.iter().map(|cell| width(cell)).max().unwrap_or(0) + GAP
}

/// Columns of the same length beside each other, their cells on the right.
fn lines(block: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in 0..block.iter().map(Vec::len).max().unwrap_or(0) {
        let mut line = String::new();
        for column in block {
            let cell = column.get(row).map_or("", String::as_str);
            line.push_str(&" ".repeat(wide(column).saturating_sub(width(cell))));
            line.push_str(cell);
        }
        // The first column has nothing to be kept away from.
        text.push_str(line.split_at_checked(GAP).map_or("", |(_, line)| line.trim_end()));
        text.push('\n');
    }
    text
}
