//! The configuration file, line by line (C37.111-1999, clause 5). It keeps what measuring needs and skips the rest.

use super::{ComtradeError, MAX_CHANNELS, MAX_RATES, MAX_SAMPLES, shown};

/// How the data file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ascii,
    /// 16-bit two's complement, little-endian.
    Binary,
}

/// An analogue channel as it is described: value = `multiplier` × number + `offset`, in `unit`.
#[derive(Debug, Clone)]
pub(super) struct Analog {
    /// Channel identifier, made fit to be shown.
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) unit: String,
    pub(super) multiplier: f64,
    pub(super) offset: f64,
    /// µs; 0 if not given.
    pub(super) skew: f64,
    /// What makes a value primary: 1 where it already is.
    pub(super) to_primary: f64,
}

#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) station: String,
    pub(super) analogs: Vec<Analog>,
    pub(super) digitals: usize,
    /// Hz.
    pub(super) line_frequency: f64,
    /// Hz; `None` if the time stamps have to tell.
    pub(super) rate: Option<f64>,
    /// Samples announced; `None` if the file doesn't say.
    pub(super) announced: Option<u64>,
    pub(super) format: Format,
    /// µs of one unit of a time stamp.
    pub(super) time_multiplier: f64,
}

/// The lines of the file, counted.
struct Lines<'a> {
    rest: std::iter::Peekable<std::str::Lines<'a>>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, expected: &'static str) -> Result<&'a str, ComtradeError> {
        self.number += 1;
        self.rest.next().ok_or(ComtradeError::ConfigurationEnds { line: self.number, expected })
    }

    fn error(&self, problem: String) -> ComtradeError {
        ComtradeError::Configuration { line: self.number, problem }
    }

    /// A finite number in field `what`.
    fn number(&self, what: &str, text: &str) -> Result<f64, ComtradeError> {
        finite(text).ok_or_else(|| self.error(format!("{what}, \"{}\", is not a number", shown(text))))
    }
}

/// A finite decimal number, spaces around it allowed.
pub(super) fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

impl Configuration {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ComtradeError> {
        // Names are in whatever code page the recorder had; numbers are ASCII in all of them.
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(|c: char| c == '\x1a' || c.is_whitespace());
        let mut lines = Lines { rest: text.lines().peekable(), number: 0 };

        let station = shown(fields(lines.next("the station's name")?).next().unwrap_or_default());
        let (analog_count, digitals) = channel_counts(&mut lines)?;
        let mut analogs = Vec::new();
        for _ in 0..analog_count {
            let line = lines.next("an analogue channel")?;
            analogs.push(analog(&lines, line)?);
        }
        for _ in 0..digitals {
            lines.next("a digital channel")?;
        }
        let line = lines.next("the line frequency")?;
        let line_frequency = lines.number("the line frequency", line)?;
        let (rate, announced) = sampling(&mut lines)?;
        // Dates are written in two orders, and nothing here needs them.
        lines.next("the time of the first sample")?;
        lines.next("the time of the trigger")?;
        let format = match lines.next("the data format")?.trim() {
            word if word.eq_ignore_ascii_case("ascii") => Format::Ascii,
            word if word.eq_ignore_ascii_case("binary") => Format::Binary,
            other => return Err(ComtradeError::Format(shown(other))),
        };
        // The 1991 edition has no multiplier.
        let time_multiplier = match lines.next("the time multiplier").map(str::trim) {
            Ok("") | Err(_) => 1.0,
            Ok(text) => lines.number("the time multiplier", text)?,
        };
        Ok(Self { station, analogs, digitals, line_frequency, rate, announced, format, time_multiplier })
    }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(str::trim)
}

/// Line 2: `TT,##A,##D`.
fn channel_counts(lines: &mut Lines<'_>) -> Result<(usize, usize), ComtradeError> {
    let line = lines.next("the number of channels")?;
    let mut fields = fields(line);
    let mut count = |letter: Option<char>| -> Result<u64, ComtradeError> {
        let text = fields.next().unwrap_or_default();
        let digits = match letter {
            Some(letter) => text.strip_suffix([letter, letter.to_ascii_lowercase()]),
            None => Some(text),
        };
        digits.and_then(|digits| digits.trim().parse().ok()).ok_or_else(|| {
            let suffix = letter.map(|letter| format!(" followed by {letter}")).unwrap_or_default();
            lines.error(format!("\"{}\" is not a number of channels{suffix}", shown(text)))
        })
    };
    let (total, analogs, digitals) = (count(None)?, count(Some('A'))?, count(Some('D'))?);
    let most = total.max(analogs).max(digitals);
    if most > MAX_CHANNELS as u64 {
        return Err(ComtradeError::TooMany { what: "channels", found: most, limit: MAX_CHANNELS as u64 });
    }
    if analogs + digitals != total {
        return Err(lines.error(format!("{analogs} analogue and {digitals} digital channels aren't {total}")));
    }
    // Both are at most MAX_CHANNELS.
    Ok((analogs as usize, digitals as usize))
}

/// `An,ch_id,ph,ccbm,uu,a,b,skew,min,max,primary,secondary,PS`; the last three are missing in the 1991 edition.
fn analog(lines: &Lines<'_>, line: &str) -> Result<Analog, ComtradeError> {
    let fields: Vec<&str> = fields(line).take(MAX_CHANNELS).collect();
    let [_number, name, phase, _component, unit, multiplier, offset, skew, _min, _max, ratio @ ..] = &fields[..] else {
        let name = shown(fields.get(1).copied().unwrap_or_default());
        return Err(lines.error(format!("channel {name} has {} fields instead of 13", fields.len())));
    };
    let name = shown(if name.is_empty() { phase } else { name });
    let number = |what: &str, text: &str| lines.number(&format!("the {what} of channel {name}"), text);
    let to_primary = match ratio {
        [primary, secondary, kind, ..] => match *kind {
            "P" | "p" | "" => 1.0,
            "S" | "s" => {
                let (primary, secondary) = (number("primary", primary)?, number("secondary", secondary)?);
                if primary <= 0.0 || secondary <= 0.0 {
                    return Err(lines
                        .error(format!("channel {name} has secondary values but its ratio is {primary}:{secondary}")));
                }
                primary / secondary
            }
            other => {
                let other = shown(other);
                return Err(lines.error(format!("channel {name} is marked \"{other}\" instead of P or S")));
            }
        },
        _ => 1.0,
    };
    Ok(Analog {
        multiplier: number("multiplier", multiplier)?,
        offset: number("offset", offset)?,
        skew: if skew.is_empty() { 0.0 } else { number("skew", skew)? },
        phase: shown(phase),
        unit: shown(unit),
        to_primary,
        name,
    })
}

/// The rates and the number of samples. With `nrates` 0 the time stamps tell the rate; some recorders then leave out
/// the line `0,endsamp`.
fn sampling(lines: &mut Lines<'_>) -> Result<(Option<f64>, Option<u64>), ComtradeError> {
    let line = lines.next("the number of sampling rates")?;
    let count: usize = line
        .trim()
        .parse()
        .map_err(|_| lines.error(format!("\"{}\" is not a number of sampling rates", shown(line))))?;
    if count > MAX_RATES {
        return Err(ComtradeError::TooMany { what: "sampling rates", found: count as u64, limit: MAX_RATES as u64 });
    }
    if count == 0 && lines.rest.peek().is_some_and(|line| line.contains(['/', ':'])) {
        return Ok((None, None));
    }
    let (mut rate, mut announced) = (None, 0);
    for _ in 0..count.max(1) {
        let line = lines.next("a sampling rate and its last sample")?;
        let (hertz, last) = line
            .split_once(',')
            .ok_or_else(|| lines.error(format!("\"{}\" is not a rate and a last sample", shown(line))))?;
        let hertz = lines.number("the sampling rate", hertz)?;
        if let Some(before) = rate.filter(|before| *before != hertz) {
            return Err(ComtradeError::Sampling(format!("it changes from {before} to {hertz} Hz")));
        }
        rate = Some(hertz);
        let last = last.trim();
        announced = last
            .parse()
            .map_err(|_| lines.error(format!("the last sample, \"{}\", is not a whole number", shown(last))))?;
    }
    if announced > MAX_SAMPLES {
        return Err(ComtradeError::TooMany { what: "samples", found: announced, limit: MAX_SAMPLES });
    }
    Ok((rate.filter(|hertz| *hertz != 0.0), Some(announced).filter(|count| *count > 0)))
}
