//! Recordings in IEEE C37.111-1999 (COMTRADE): a configuration and its data, ASCII or 16-bit binary; what the 1991
//! edition left out may be missing. It owns what a recording means (which channel is which phase, in primary volts and
//! amperes) and trusts nothing it reads: every count is checked before memory is taken for it.

mod cfg;
mod dat;
mod placing;
mod player;

pub use player::Player;

use crate::{Channel, Nominal, RateError, SampleRate, Samples};

/// Channels of a recording, analogue and digital together. The largest recorders have some hundreds.
pub const MAX_CHANNELS: usize = 4096;
/// Samples of a recording: over two minutes at 30 kHz, 224 MB in memory.
pub const MAX_SAMPLES: u64 = 4_000_000;
/// Sampling rates a configuration may list (C37.111-1999, 5.3.8: 1 to 999).
const MAX_RATES: usize = 999;

/// Why a recording can't be used. `line` and `row` count from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ComtradeError {
    /// A line of the configuration is wrong.
    #[error("the configuration's line {line} is wrong: {problem}")]
    Configuration { line: usize, problem: String },
    /// The configuration is too short.
    #[error("the configuration ends before its line {line}, where {expected} should stand")]
    ConfigurationEnds { line: usize, expected: &'static str },
    /// More than the program takes.
    #[error("the recording has {found} {what}; at most {limit} can be read")]
    TooMany { what: &'static str, found: u64, limit: u64 },
    /// Not 50 or 60 Hz.
    #[error("the recording's line frequency is {0} Hz; only 50 and 60 Hz grids can be measured")]
    LineFrequency(f64),
    /// A later edition's data.
    #[error("the data format \"{0}\" can't be read; save the recording as ASCII or BINARY")]
    Format(String),
    /// Several sampling rates, or none.
    #[error("the recording has no single sampling rate: {0}")]
    Sampling(String),
    /// A sampling rate too low or too high.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// Phases are missing.
    #[error("the recording has no channel for {0}; each phase needs a voltage (V or kV) and a current (A or kA)")]
    PhaseMissing(String),
    /// A row of the data is wrong.
    #[error("row {row} of the data is wrong: {problem}")]
    Data { row: u64, problem: String },
    /// A sample is marked as missing.
    #[error("channel {channel} has no value in row {row} of the data; a recording with gaps can't be played")]
    ValueMissing { channel: String, row: u64 },
    /// Fewer samples than announced.
    #[error("the data end after {found} of {announced} samples; the file was cut short")]
    CutShort { found: u64, announced: u64 },
    /// Nothing to play.
    #[error("the voltages hold no two whole cycles between {0} and {1} Hz, so the recording can't be played in a loop")]
    NoCycles(f64, f64),
}

/// Text from a file, fit to be shown in a sentence: short and without control characters.
fn shown(text: &str) -> String {
    /// Longer names are cut.
    const MAX_SHOWN: usize = 60;
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

/// A recording, its channels placed and its values in primary volts and amperes.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    station: String,
    rate: SampleRate,
    nominal: Nominal,
    samples: Samples,
    unplaced: Vec<String>,
    remarks: Vec<String>,
}

impl Recording {
    /// Reads a recording from the contents of its `.cfg` and `.dat` files.
    pub fn parse(cfg: &[u8], dat: &[u8]) -> Result<Self, ComtradeError> {
        let configuration = cfg::Configuration::parse(cfg)?;
        let nominal = Nominal::nearest(configuration.line_frequency)
            .ok_or(ComtradeError::LineFrequency(configuration.line_frequency))?;
        let placed = placing::place(&configuration.analogs)?;
        let data = dat::read(&configuration, &placed.columns, dat)?;
        Ok(Self {
            station: configuration.station,
            rate: data.rate,
            nominal,
            samples: data.samples,
            unplaced: placed.unplaced,
            remarks: placed.remarks,
        })
    }

    /// Where it was recorded, as the file says; may be empty.
    pub fn station(&self) -> &str {
        &self.station
    }

    /// Samples a second and channel.
    pub fn sample_rate(&self) -> SampleRate {
        self.rate
    }

    /// The grid it was recorded from.
    pub fn nominal(&self) -> Nominal {
        self.nominal
    }

    /// Primary volts and amperes.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The analogue channels that found no place, a sentence each.
    pub fn unplaced(&self) -> &[String] {
        &self.unplaced
    }

    /// What else a user should know, a sentence each: a neutral current that isn't there, a skew left uncorrected.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn front(&self) -> [&[f64]; Channel::COUNT] {
        self.samples.front(usize::MAX)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tiny but whole recording: ten cycles of 60 Hz at 480 Hz, secondary values, kV, and one digital channel.
    pub(crate) fn example(format: &str) -> (String, Vec<u8>) {
        let channel = |n: usize, id: &str, unit: &str, scale: &str, ratio: &str| {
            format!("{n},{id},,feeder,{unit},{scale},0,0,-32767,32767,{ratio}\r\n")
        };
        let mut cfg = String::from("Station,Device,1999\r\n8,7A,1D\r\n");
        for (n, id) in ["VA", "VB", "VC"].iter().enumerate() {
            cfg += &channel(n + 1, id, "kV", "0.00001", "480,120,s");
        }
        for (n, id) in ["IA", "IB", "IC", "IN"].iter().enumerate() {
            cfg += &channel(n + 4, id, "A", "0.001", "200,5,S");
        }
        cfg += "1,Breaker,,,0\r\n60\r\n1\r\n480,80\r\n01/02/2024,03:04:05.000000\r\n01/02/2024,03:04:05.000000\r\n";
        cfg += &format!("{format}\r\n1\r\n");
        let mut dat = Vec::new();
        for i in 0..80_u32 {
            let values: [i16; 7] = std::array::from_fn(|c| {
                let shift = if c == 6 { 0.0 } else { (c % 3) as f64 / 3.0 };
                let amplitude = [12_000.0, 5_000.0, 100.0][c / 3];
                (amplitude * (std::f64::consts::TAU * (f64::from(i) / 8.0 - shift)).cos()).round() as i16
            });
            if format == "BINARY" {
                dat.extend((i + 1).to_le_bytes());
                dat.extend((i * 2083).to_le_bytes());
                values.iter().for_each(|v| dat.extend(v.to_le_bytes()));
                dat.extend([1, 0]);
            } else {
                let values = values.map(|v| v.to_string()).join(",");
                dat.extend(format!("{},{},{values},1\r\n", i + 1, i * 2083).into_bytes());
            }
        }
        (cfg, dat)
    }

    fn parse(cfg: &str, dat: &[u8]) -> Result<Recording, ComtradeError> {
        Recording::parse(cfg.as_bytes(), dat)
    }

    #[test]
    fn ascii_and_binary_say_the_same() {
        let (cfg, dat) = example("ASCII");
        let ascii = parse(&cfg, &dat).unwrap();
        let (cfg, dat) = example("BINARY");
        assert_eq!(parse(&cfg, &dat).unwrap(), ascii);
        assert_eq!((ascii.station(), ascii.nominal(), ascii.samples().len()), ("Station", Nominal::Hz60, 80));
        assert_eq!(ascii.sample_rate().hertz(), 480.0);
        // 12 000 × 0.00001 kV = 120 V secondary; 480:120 makes it 480 V primary. 5000 × 0.001 A × 200:5 = 200 A.
        assert!((ascii.samples().column(Channel::Va)[0] - 480.0).abs() < 1e-9);
        assert!((ascii.samples().column(Channel::Ia)[0] - 200.0).abs() < 1e-9);
        assert!((ascii.samples().column(Channel::I4)[0] - 4.0).abs() < 1e-9);
        assert!(ascii.unplaced().is_empty() && ascii.remarks().is_empty());
    }

    /// What real recorders write and the standard doesn't foresee: each must leave the recording as it is.
    #[test]
    fn harmless_variants_are_read() {
        let (cfg, dat) = example("ASCII");
        let want = parse(&cfg, &dat).unwrap();
        let dat_text = String::from_utf8(dat.clone()).unwrap();
        let no_stamps: String = dat_text
            .lines()
            .map(|row| {
                let fields: Vec<&str> = row.split(',').collect();
                format!("{},,{}\n", fields[0], fields[2..].join(","))
            })
            .collect();
        let variants: Vec<(&str, String, String)> = vec![
            ("unix line ends", cfg.replace("\r\n", "\n"), dat_text.replace("\r\n", "\n")),
            ("trailing SUB", format!("{cfg}\x1a"), format!("{dat_text}\x1a")),
            ("blank lines at the end", format!("{cfg}\r\n\r\n"), format!("{dat_text}\r\n\r\n")),
            ("byte order mark", format!("\u{feff}{cfg}"), dat_text.clone()),
            ("empty time stamps", cfg.clone(), no_stamps),
            ("empty skew", cfg.replace(",0,0,-32767", ",0,,-32767"), dat_text.clone()),
            ("lower-case format", cfg.replace("ASCII", " ascii "), dat_text.clone()),
            ("no time multiplier", cfg.replace("ASCII\r\n1\r\n", "ASCII"), dat_text.clone()),
            ("spaces around fields", cfg.replace(',', " , "), dat_text.replace(',', ", ")),
            ("the same rate twice", cfg.replace("1\r\n480,80", "2\r\n480,40\r\n480,80"), dat_text.clone()),
            ("the 1991 edition's first line", cfg.replace("Device,1999", "Device"), dat_text.clone()),
        ];
        for (what, cfg, dat) in variants {
            assert_eq!(parse(&cfg, dat.as_bytes()).as_ref(), Ok(&want), "{what}");
        }
    }

    #[test]
    fn without_a_rate_the_time_stamps_count() {
        let (cfg, dat) = example("ASCII");
        for cfg in [
            cfg.replace("1\r\n480,80", "0\r\n0,80"),
            cfg.replace("1\r\n480,80", "0"), // recorders that leave the line out
        ] {
            let rate = parse(&cfg, &dat).unwrap().sample_rate().hertz();
            assert!((rate - 1e6 / 2083.0).abs() < 1e-6, "{rate}");
            // Stamps in units of 2 µs: half the rate, which is below what can be measured.
            let slow = parse(&cfg.replace("ASCII\r\n1", "ASCII\r\n2"), &dat);
            assert!(matches!(slow, Err(ComtradeError::Rate(_))), "{slow:?}");
        }
        let (cfg, dat) = example("BINARY");
        let rate = parse(&cfg.replace("1\r\n480,80", "0\r\n0,80"), &dat).unwrap().sample_rate().hertz();
        assert!((rate - 1e6 / 2083.0).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn an_edition_without_ratios_is_primary() {
        let (cfg, dat) = example("ASCII");
        let old = cfg.replace(",480,120,s", "").replace(",200,5,S", "");
        let recording = parse(&old, &dat).unwrap();
        assert!((recording.samples().column(Channel::Va)[0] - 120.0).abs() < 1e-9);
    }

    #[test]
    fn wrong_recordings_are_refused_in_a_sentence() {
        let (cfg, dat) = example("ASCII");
        let dat = String::from_utf8(dat).unwrap();
        let third = dat.lines().nth(2).unwrap();
        let cases: Vec<(String, String, &str)> = vec![
            (
                String::new(),
                dat.clone(),
                "the configuration ends before its line 1, where the station's name should stand",
            ),
            (cfg[..120].into(), dat.clone(), "the configuration ends before its line 5, where an analogue channel"),
            (
                cfg.replacen("feeder,kV", "kV\r\n", 1),
                dat.clone(),
                "line 3 is wrong: channel VA has 4 fields instead of 13",
            ),
            (
                cfg.replace("8,7A,1D", "9,7A,1D"),
                dat.clone(),
                "line 2 is wrong: 7 analogue and 1 digital channels aren't 9",
            ),
            (cfg.replace("8,7A,1D", "x,7A,1D"), dat.clone(), "line 2 is wrong: \"x\" is not a number of channels"),
            (
                cfg.replace("8,7A,1D", "8,7,1"),
                dat.clone(),
                "line 2 is wrong: \"7\" is not a number of channels followed by A",
            ),
            (
                cfg.replace("8,7A,1D", "4000000000,3999999999A,1D"),
                dat.clone(),
                "the recording has 4000000000 channels; at most 4096 can be read",
            ),
            (
                cfg.replace("480,80", "480,4000000001"),
                dat.clone(),
                "the recording has 4000000001 samples; at most 4000000 can be read",
            ),
            (cfg.replacen("0.00001", "nan", 1), dat.clone(), "line 3 is wrong: the multiplier of channel VA, \"nan\","),
            (
                cfg.replacen("480,120,s", "480,0,s", 1),
                dat.clone(),
                "line 3 is wrong: channel VA has secondary values but",
            ),
            (cfg.replacen("480,120,s", "480,120,x", 1), dat.clone(), "line 3 is wrong: channel VA is marked \"x\""),
            (cfg.replace("\r\n60\r\n", "\r\n16.7\r\n"), dat.clone(), "line frequency is 16.7 Hz"),
            (cfg.replace("1\r\n480,80", "2\r\n480,40\r\n960,80"), dat.clone(), "it changes from 480 to 960 Hz"),
            (cfg.replace("480,80", "12,80"), dat.clone(), "a sampling rate of 12 Hz can't be used"),
            (cfg.replace("ASCII", "FLOAT32"), dat.clone(), "the data format \"FLOAT32\" can't be read"),
            (
                cfg.replace("VB", "X\x1b[31mB").replace("IC", "Z"),
                dat.clone(),
                "the recording has no channel for Vb and Ic; each phase needs",
            ),
            (cfg.clone(), String::new(), "the data end after 0 of 80 samples"),
            (cfg.clone(), dat.lines().take(79).collect::<Vec<_>>().join("\n"), "the data end after 79 of 80 samples"),
            (cfg.clone(), dat.replace(third, "3,4,5"), "row 3 of the data is wrong: it has 3 fields instead of 10"),
            (
                cfg.clone(),
                dat.replace(third, &third.replacen('3', "4", 1)),
                "row 3 of the data is wrong: it is numbered 4",
            ),
            (
                cfg.clone(),
                dat.replace(third, &third.replacen('3', "x", 1)),
                "row 3 of the data is wrong: its number, \"x\",",
            ),
            (cfg.clone(), dat.replace(third, "3,0,1e999,0,0,0,0,0,0,0"), "the value of channel VA, \"1e999\", is not"),
            (cfg.clone(), dat.replace(third, "3,0,0,99999,0,0,0,0,0,0"), "channel VB has no value in row 3"),
            (cfg.clone(), dat.replace(third, "3,0,0,0,,0,0,0,0,0"), "channel VC has no value in row 3"),
            (
                cfg.replace("1\r\n480,80", "0\r\n0,80"),
                dat.replace(third, "3,9999,0,0,0,0,0,0,0,0"),
                "its time stamps aren't evenly spaced",
            ),
            (
                cfg.replace("1\r\n480,80", "0\r\n0,80"),
                dat.replace(third, "3,,0,0,0,0,0,0,0,0"),
                "row 3 of the data is wrong: the configuration gives no rate and the row has no time stamp",
            ),
        ];
        for (cfg, dat, want) in cases {
            let error = parse(&cfg, dat.as_bytes()).expect_err(want).to_string();
            assert!(error.contains(want), "\"{error}\" instead of \"{want}\"");
            assert!(!error.contains('\x1b') && !error.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn wrong_binary_data_are_refused_in_a_sentence() {
        let (cfg, dat) = example("BINARY");
        let mut missing = dat.clone();
        missing[24 * 4 + 8..24 * 4 + 10].copy_from_slice(&i16::MIN.to_le_bytes());
        let mut jumps = dat.clone();
        jumps[24 * 7] = 99;
        let mut no_stamp = dat.clone();
        no_stamp[24 * 2 + 4..24 * 2 + 8].fill(0xFF);
        assert!(parse(&cfg, &no_stamp).is_ok());
        for (cfg, dat, want) in [
            (cfg.clone(), &missing[..], "channel VA has no value in row 5"),
            (cfg.clone(), &jumps[..], "row 8 of the data is wrong: it is numbered 99 and should be 8"),
            (cfg.clone(), &dat[..dat.len() - 1], "the data end after 79 of 80 samples"),
            (
                cfg.replace("480,80", "480,0"),
                &dat[..dat.len() - 1],
                "row 80 of the data is wrong: it has 23 of 24 bytes",
            ),
            (
                cfg.replace("1\r\n480,80", "0\r\n0,80"),
                &no_stamp[..],
                "row 3 of the data is wrong: the configuration gives",
            ),
        ] {
            let error = parse(&cfg, dat).expect_err(want).to_string();
            assert!(error.contains(want), "\"{error}\" instead of \"{want}\"");
        }
        let mut with_sub = dat.clone();
        with_sub.push(0x1a);
        assert_eq!(parse(&cfg.replace("480,80", "480,0"), &with_sub).unwrap().samples().len(), 80);
    }

    /// A change to bytes: overwrite, remove or repeat.
    fn mutate(bytes: &mut Vec<u8>, at: usize, what: u8, value: u8) {
        if bytes.is_empty() {
            return;
        }
        let at = at % bytes.len();
        match what % 4 {
            0 => bytes[at] = value,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, value),
            _ => bytes.truncate(at),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(cfg in any::<Vec<u8>>(), dat in any::<Vec<u8>>()) {
            prop_assert!(Recording::parse(&cfg, &dat).is_err());
        }

        #[test]
        fn mutated_recordings_are_harmless(
            binary in any::<bool>(),
            changes in proptest::collection::vec((any::<bool>(), any::<usize>(), any::<u8>(), any::<u8>()), 1..6),
        ) {
            let (cfg, mut dat) = example(if binary { "BINARY" } else { "ASCII" });
            let mut cfg = cfg.into_bytes();
            for (in_cfg, at, what, value) in changes {
                mutate(if in_cfg { &mut cfg } else { &mut dat }, at, what, value);
            }
            match Recording::parse(&cfg, &dat) {
                Ok(recording) => {
                    let finite = |c: &Channel| recording.samples().column(*c).iter().all(|v| v.is_finite());
                    prop_assert!(Channel::ALL.iter().all(finite));
                    // Whatever could be read can be played, or refused in words.
                    let _ = Player::new(recording).map(|player| player.loop_len());
                }
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }
    }
}
