//! The data file, ASCII or 16-bit binary (C37.111-1999, clause 6): only the channels that have a place are read, and
//! rows must follow each other without a gap.

use super::cfg::{Configuration, Format, finite};
use super::placing::Column;
use super::{ComtradeError, MAX_SAMPLES, shown};
use crate::{Channel, SampleRate, Samples};

/// "No value" in an ASCII file (6.4) and in a binary one (6.5).
const ASCII_MISSING: f64 = 99_999.0;
const BINARY_MISSING: i16 = i16::MIN;
/// "No time stamp" in a binary file (6.6).
const BINARY_NO_STAMP: u32 = 0xFFFF_FFFF;

pub(super) struct Data {
    pub(super) rate: SampleRate,
    pub(super) samples: Samples,
}

type Columns = [Option<Column>; Channel::COUNT];

pub(super) fn read(configuration: &Configuration, columns: &Columns, bytes: &[u8]) -> Result<Data, ComtradeError> {
    let mut rows = Rows {
        columns,
        samples: Samples::new(),
        stamps: configuration.rate.is_none().then(Vec::new),
        first_number: None,
        row: 0,
        wanted: configuration.announced.unwrap_or(MAX_SAMPLES + 1),
    };
    match configuration.format {
        Format::Ascii => read_ascii(configuration, &mut rows, bytes)?,
        Format::Binary => read_binary(configuration, &mut rows, bytes)?,
    }
    let found = rows.row;
    if found > MAX_SAMPLES {
        return Err(ComtradeError::TooMany { what: "samples or more", found, limit: MAX_SAMPLES });
    }
    if let Some(announced) = configuration.announced.filter(|announced| found < *announced) {
        return Err(ComtradeError::CutShort { found, announced });
    }
    let hertz = match (configuration.rate, rows.stamps) {
        (Some(hertz), _) => hertz,
        (None, stamps) => rate_of(&stamps.unwrap_or_default(), configuration.time_multiplier)?,
    };
    Ok(Data { rate: SampleRate::new(hertz)?, samples: rows.samples })
}

/// What both formats do with a row.
struct Rows<'a> {
    columns: &'a Columns,
    samples: Samples,
    /// Kept only if they have to tell the rate.
    stamps: Option<Vec<f64>>,
    first_number: Option<u32>,
    /// Rows begun.
    row: u64,
    /// Rows after which reading ends.
    wanted: u64,
}

impl Rows<'_> {
    fn error(&self, problem: String) -> ComtradeError {
        ComtradeError::Data { row: self.row, problem }
    }

    fn full(&self) -> bool {
        self.row >= self.wanted
    }

    /// Begins a row: its number must be one more than the last one's. Some recorders count from 0.
    fn begin(&mut self, number: u32) -> Result<(), ComtradeError> {
        let expected = u64::from(*self.first_number.get_or_insert(number)) + self.row - 1;
        if u64::from(number) != expected {
            return Err(self.error(format!("it is numbered {number} and should be {expected}")));
        }
        Ok(())
    }

    fn stamp(&mut self, stamp: Option<f64>) -> Result<(), ComtradeError> {
        if let Some(stamps) = &mut self.stamps {
            let Some(stamp) = stamp else {
                return Err(self.error("the configuration gives no rate and the row has no time stamp".to_owned()));
            };
            stamps.push(stamp);
        }
        Ok(())
    }

    /// Reads the values of the channels that have a place; `raw` gives the number stored for a channel, `None` if it
    /// is marked as missing.
    fn values(&mut self, raw: impl Fn(&Column) -> Result<Option<f64>, String>) -> Result<(), ComtradeError> {
        let mut values = [0.0; Channel::COUNT];
        for (value, column) in values.iter_mut().zip(self.columns) {
            let Some(column) = column else { continue };
            let number = raw(column)
                .map_err(|problem| self.error(problem))?
                .ok_or_else(|| ComtradeError::ValueMissing { channel: column.name.clone(), row: self.row })?;
            *value = column.multiplier * number + column.offset;
            if !value.is_finite() {
                return Err(self.error(format!("the value of channel {} is too large", column.name)));
            }
        }
        self.samples.push(values);
        Ok(())
    }
}

/// `n,timestamp,A1,…,Ak,D1,…,Dm`.
fn read_ascii(configuration: &Configuration, rows: &mut Rows<'_>, bytes: &[u8]) -> Result<(), ComtradeError> {
    let expected = 2 + configuration.analogs.len() + configuration.digitals;
    let mut fields: Vec<&str> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let line = line.strip_suffix(b"\x1a").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        if rows.full() {
            return Ok(());
        }
        rows.row += 1;
        let line = std::str::from_utf8(line).map_err(|_| rows.error("it is not text".to_owned()))?;
        fields.clear();
        // A few more are harmless; a line of nothing but commas must not take memory for each.
        fields.extend(line.split(',').map(str::trim).take(expected + 1));
        if fields.len() < expected {
            return Err(rows.error(format!("it has {} fields instead of {expected}", fields.len())));
        }
        let number = fields[0]
            .parse()
            .map_err(|_| rows.error(format!("its number, \"{}\", is not a whole number", shown(fields[0]))))?;
        rows.begin(number)?;
        rows.stamp(finite(fields[1]))?;
        rows.values(|column| {
            let text = fields[2 + column.index];
            if text.is_empty() {
                return Ok(None);
            }
            let number = finite(text)
                .ok_or_else(|| format!("the value of channel {}, \"{}\", is not a number", column.name, shown(text)))?;
            Ok(Some(number).filter(|number| *number != ASCII_MISSING))
        })?;
    }
    Ok(())
}

/// Little-endian: number and time stamp of 32 bits, a word for each analogue channel, a word for each 16 digital ones.
fn read_binary(configuration: &Configuration, rows: &mut Rows<'_>, bytes: &[u8]) -> Result<(), ComtradeError> {
    let width = 8 + 2 * configuration.analogs.len() + 2 * configuration.digitals.div_ceil(16);
    for record in bytes.chunks(width) {
        if rows.full() || record == b"\x1a" {
            return Ok(());
        }
        if record.len() < width {
            // A cut file says how much of it is there; one that never said how long it is, only what is wrong.
            return match configuration.announced {
                Some(_) => Ok(()),
                None => {
                    rows.row += 1;
                    Err(rows.error(format!("it has {} of {width} bytes", record.len())))
                }
            };
        }
        rows.row += 1;
        let word = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        rows.begin(word(0))?;
        rows.stamp(Some(word(4)).filter(|stamp| *stamp != BINARY_NO_STAMP).map(f64::from))?;
        rows.values(|column| {
            let at = 8 + 2 * column.index;
            let number = i16::from_le_bytes([record[at], record[at + 1]]);
            Ok(Some(number).filter(|number| *number != BINARY_MISSING).map(f64::from))
        })?;
    }
    Ok(())
}

/// The rate that evenly spaced time stamps, in units of `multiplier` µs, come to.
fn rate_of(stamps: &[f64], multiplier: f64) -> Result<f64, ComtradeError> {
    let (Some(first), Some(last), true) = (stamps.first(), stamps.last(), stamps.len() > 1) else {
        return Err(ComtradeError::Sampling("there are no two samples to tell it from".to_owned()));
    };
    let step = (last - first) / (stamps.len() - 1) as f64;
    // Stamps are whole numbers, so each may be off by one; half a step means a sample is missing or doubled.
    let tolerance = (step / 2.0).max(1.0);
    let even = stamps.iter().enumerate().all(|(i, stamp)| (stamp - first - step * i as f64).abs() <= tolerance);
    if !even || step <= 0.0 || multiplier <= 0.0 {
        return Err(ComtradeError::Sampling("its time stamps aren't evenly spaced".to_owned()));
    }
    Ok(1e6 / (step * multiplier))
}
