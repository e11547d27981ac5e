//! The records of data recorders as CSV files, one for each epoch: what is recorded now as `data-recorder-1.csv`, what
//! was closed by a change of the recorder as `data-recorder-1-epoch-3.csv`. Labels may hold anything, so names of files
//! come from the modules'.

use std::sync::Arc;

use api::{RecordSource, csv};
use meter::{Caller, Epoch, GateError, Recorder};

use super::log::{Entries, Extent, Lines, Log, PAGE};
use super::{FileError, Files, shown};
use crate::{Site, records};

const BEFORE: &str = "/logs/data-recorder-";
const EPOCH: &str = "-epoch-";
const AFTER: &str = ".csv";

/// An epoch of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recording {
    recorder: u8,
    /// A closed one's number.
    closed: Option<u32>,
}

impl Recording {
    /// All that this meter has.
    pub fn all(site: &Site) -> Vec<Self> {
        let of = |recorder: &Recorder| {
            let module = recorder.module;
            let closed = |epoch: &Epoch| epoch.closed_utc_ms.map(|_| epoch.number);
            let recordings = recorder.epochs.iter().map(move |epoch| Self { recorder: module, closed: closed(epoch) });
            recordings.collect::<Vec<_>>()
        };
        site.view().recorders.iter().flat_map(of).collect()
    }

    /// Which one a path means.
    pub fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        let (recorder, closed) = match name.split_once(EPOCH) {
            Some((recorder, epoch)) => (recorder, Some(epoch.parse().ok()?)),
            None => (name, None),
        };
        let recording = Self { recorder: recorder.parse().ok()?, closed };
        // A number that is written otherwise, +1 or 01, is no other name for it.
        (recording.path() == path).then_some(recording)
    }

    pub fn path(self) -> String {
        let closed = self.closed.map_or_else(String::new, |epoch| format!("{EPOCH}{epoch}"));
        format!("{BEFORE}{}{closed}{AFTER}", self.recorder)
    }

    /// The epoch, if this meter has it.
    pub fn epoch(self, site: &Site) -> Option<Epoch> {
        let view = site.view();
        let recorder = view.recorders.iter().find(|recorder| recorder.module == self.recorder)?;
        let found = recorder.epoch(self.closed)?;
        (found.closed_utc_ms.is_some() == self.closed.is_some()).then(|| found.clone())
    }

    /// Its file, as of now.
    pub fn file(self, files: &Files, caller: &Caller) -> Result<Log, FileError> {
        let site = Arc::clone(&files.site);
        let epoch = self.epoch(&site).ok_or_else(|| FileError::NotThere(shown(&self.path())))?;
        let sources = records::sources(&epoch);
        let from = epoch.first.unwrap_or(0);
        let end = epoch.last.map_or(0, |last| last + 1);
        // A closed epoch loses none of its records.
        let endangered = if self.closed.is_none() { from } else { u64::MAX };
        let head = csv::head(&sources).into();
        let rows = Rows { site, caller: *caller, recorder: self.recorder, epoch: epoch.number, sources };
        Log::index(files, head, Extent { from, end, endangered }, Box::new(rows))
    }
}

struct Rows {
    site: Arc<Site>,
    caller: Caller,
    recorder: u8,
    epoch: u32,
    sources: Vec<RecordSource>,
}

impl Entries for Rows {
    fn page(&self, from: u64, end: u64) -> Result<Option<Lines>, GateError> {
        if from >= end {
            return Ok(None);
        }
        let found = self.site.gate.interval_records(&self.caller, self.recorder, Some(self.epoch), from, PAGE);
        let mut found = match found {
            // The whole epoch has made room for newer ones.
            Err(GateError::NoRecords { .. }) => return Ok(None),
            found => found?,
        };
        found.retain(|record| record.number < end);
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(None) };
        let (first, last) = (first.number, last.number);
        let row = |record| {
            let record = records::record(record);
            csv::row(&self.sources, &record, &records::iso_time(record.utc_ms))
        };
        Ok(Some(Lines { first, last, text: found.into_iter().map(row).collect::<String>().into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::tests::text;
    use super::*;
    use crate::testbed::Bench;

    /// A meter whose Revenue Log has a record every second.
    fn bench() -> Bench {
        let bench = Bench::new("4.0.9");
        bench.set(&[("Periodic Timer 1/Period", "1")]);
        bench.tick(0);
        bench
    }

    fn file(bench: &Bench, path: &str) -> Result<Log, FileError> {
        Recording::at(path).unwrap().file(&Files::new(Arc::clone(&bench.site)), &Caller::meter())
    }

    fn paths(bench: &Bench) -> Vec<String> {
        Recording::all(&bench.site).into_iter().map(Recording::path).collect()
    }

    #[test]
    fn a_path_is_one_epoch_or_none() {
        let open = Recording { recorder: 1, closed: None };
        let closed = Recording { recorder: 10, closed: Some(3) };
        assert_eq!(Recording::at("/logs/data-recorder-1.csv"), Some(open));
        assert_eq!(Recording::at("/logs/data-recorder-10-epoch-3.csv"), Some(closed));
        for none in ["01", "+1", "256", "", "1-epoch-", "1-epoch-03", "1-epoch-3-epoch-4", "1-epoch-99999999999", "a"] {
            assert_eq!(Recording::at(&format!("/logs/data-recorder-{none}.csv")), None, "{none}");
        }
        assert_eq!(Recording::at("/logs/events.csv"), None);
    }

    #[test]
    fn records_are_lines_under_names_and_units_and_a_closed_epoch_is_a_file_of_its_own() {
        let bench = bench();
        (0..3).for_each(|_| bench.tick(1500));
        let log = file(&bench, "/logs/data-recorder-1.csv").unwrap();
        let whole = text(&log, 1_000).unwrap();
        let lines: Vec<&str> = whole.split("\r\n").collect();
        assert!(lines[0].starts_with("Number,Time (UTC),Status,kWh del int (kWh),"), "{whole}");
        assert!(lines[1].starts_with("1,2026-01-01T00:00:0") && lines[1].contains(",1.5"), "{whole}");
        assert_eq!((lines.len(), lines[4]), (5, ""), "{whole}");
        assert_eq!(whole.len() as u64, log.size());
        bench.tick(1);
        bench.set(&[("Data Recorder 1/Depth", "2")]);
        assert_eq!(text(&log, 7).unwrap(), whole, "as it was opened");
        let expected = ["/logs/data-recorder-1-epoch-2.csv", "/logs/data-recorder-1.csv"];
        assert!(expected.iter().all(|path| paths(&bench).iter().any(|known| known == path)), "{:?}", paths(&bench));
        let closed = text(&file(&bench, expected[0]).unwrap(), 100).unwrap();
        assert!(closed.starts_with(&whole) && closed.lines().count() == 5, "{closed}");
        assert_eq!(text(&file(&bench, expected[1]).unwrap(), 100).unwrap().lines().count(), 1, "a header alone");
        assert!(matches!(file(&bench, "/logs/data-recorder-1-epoch-3.csv"), Err(FileError::NotThere(_))), "it is open");
    }

    #[test]
    fn a_reader_of_a_small_ring_has_what_he_opened() {
        let bench = bench();
        bench.set(&[("Data Recorder 1/Depth", "5")]);
        (0..8).for_each(|_| bench.tick(100));
        let log = file(&bench, "/logs/data-recorder-1.csv").unwrap();
        let whole = text(&log, 1_000).unwrap();
        assert_eq!(whole.lines().count(), 6, "{whole}");
        (0..20).for_each(|_| bench.tick(100));
        assert_eq!(text(&log, 10).unwrap(), whole);
    }

    #[test]
    fn a_log_of_several_pages_is_whole() {
        let bench = bench();
        (0..2 * PAGE + 10).for_each(|_| bench.tick(1234));
        let log = file(&bench, "/logs/data-recorder-1.csv").unwrap();
        let whole = text(&log, 32 << 10).unwrap();
        assert_eq!((whole.len() as u64, whole.lines().count()), (log.size(), 2 * PAGE + 11));
        let numbers = whole.lines().skip(1).map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap());
        assert!(numbers.eq(1..=2 * PAGE + 10), "{whole}");
    }
}
