//! Which channel is which phase: by its unit, then by its phase identifier, then by its name. What finds no place is
//! told in a sentence, because a channel silently left out is a wrong bill.

use super::ComtradeError;
use super::cfg::Analog;
use crate::Channel;

/// A channel of the recording that feeds a column: value = `multiplier` × number + `offset`, primary V or A.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Position among the analogue channels, from 0.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) multiplier: f64,
    pub(super) offset: f64,
}

#[derive(Debug)]
pub(super) struct Placed {
    /// By [`Channel`]; only I 4 may be missing.
    pub(super) columns: [Option<Column>; Channel::COUNT],
    pub(super) unplaced: Vec<String>,
    pub(super) remarks: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Voltage,
    Current,
}

/// What a unit measures, and how many volts or amperes one of it is. Only the bare `m` and `M` need their case.
fn unit(text: &str) -> Option<(Kind, f64)> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let prefixes = [("kilo", 1e3), ("milli", 1e-3), ("mega", 1e6), ("k", 1e3)];
    let (base, scale) = prefixes
        .iter()
        .find_map(|(prefix, scale)| Some((lower.strip_prefix(prefix)?, *scale)))
        .or_else(|| Some((lower.strip_prefix('m')?, if text.starts_with('m') { 1e-3 } else { 1e6 })))
        .unwrap_or((&lower, 1.0));
    match base {
        "v" | "volt" | "volts" => Some((Kind::Voltage, scale)),
        "a" | "amp" | "amps" | "ampere" | "amperes" => Some((Kind::Current, scale)),
        _ => None,
    }
}

/// What is left of a word when the letters for voltage, current, phase and line are taken away: `VAN`, `Phase A` and
/// `UL1` become `AN`, `A` and `1`.
fn bare(kind: Kind, word: &str) -> String {
    let word: String = word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let quantity: &[char] = match kind {
        Kind::Voltage => &['V', 'U', 'E'],
        Kind::Current => &['I'],
    };
    let rest = word.strip_prefix(quantity).unwrap_or(&word);
    let rest = ["PHASE", "PH", "L"].iter().find_map(|prefix| rest.strip_prefix(prefix)).unwrap_or(rest);
    rest.to_owned()
}

/// The column that one word names: `A`, `L1`, `VA`, `U1`, `Van`, `I4`, `IN`. Words for a voltage between phases (`AB`)
/// or for a fourth voltage name none.
fn column(kind: Kind, word: &str) -> Option<Channel> {
    let rest = bare(kind, word);
    if kind == Kind::Current && matches!(rest.as_str(), "4" | "N") {
        return Some(Channel::I4);
    }
    // To neutral or to ground is a phase; the grid has four wires.
    let phase = match rest.as_bytes() {
        [phase] | [phase, b'N' | b'G'] => phase,
        _ => return None,
    };
    let index = match phase {
        b'A' | b'1' | b'R' => 0,
        b'B' | b'2' | b'S' => 1,
        b'C' | b'3' | b'T' => 2,
        _ => return None,
    };
    Some(match kind {
        Kind::Voltage => Channel::VOLTAGES[index],
        Kind::Current => Channel::CURRENTS[index],
    })
}

/// Whether a phase identifier clearly means something that has no column: `AB`, `31`, or a voltage of `N`.
fn elsewhere(kind: Kind, phase: &str) -> bool {
    let rest = bare(kind, phase);
    matches!(rest.len(), 1 | 2) && rest.chars().all(|c| "ABCN1234RST".contains(c)) && column(kind, phase).is_none()
}

/// Looks at the phase identifier, the whole name, and last at each word of the name; single letters there may mean
/// anything (`Bus B`).
fn find(kind: Kind, analog: &Analog) -> Option<Channel> {
    if elsewhere(kind, &analog.phase) {
        return None;
    }
    let words = analog.name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1);
    [analog.phase.as_str(), analog.name.as_str()].into_iter().chain(words).find_map(|word| column(kind, word))
}

fn column_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Va => "Va",
        Channel::Vb => "Vb",
        Channel::Vc => "Vc",
        Channel::Ia => "Ia",
        Channel::Ib => "Ib",
        Channel::Ic => "Ic",
        Channel::I4 => "I4",
    }
}

/// Gives each channel its place. The first that claims a place has it.
pub(super) fn place(analogs: &[Analog]) -> Result<Placed, ComtradeError> {
    let mut placed = Placed { columns: Default::default(), unplaced: Vec::new(), remarks: Vec::new() };
    for (index, analog) in analogs.iter().enumerate() {
        let Analog { name, unit: unit_text, .. } = analog;
        let who = format!("Channel {} ({name})", index + 1);
        let Some((kind, scale)) = unit(unit_text) else {
            placed
                .unplaced
                .push(format!("{who} is not used: its unit, \"{unit_text}\", is neither volts nor amperes."));
            continue;
        };
        let Some(channel) = find(kind, analog) else {
            placed.unplaced.push(format!("{who} is not used: neither its phase nor its name says which phase it is."));
            continue;
        };
        let slot = &mut placed.columns[channel as usize];
        if let Some(first) = slot {
            let (column, first) = (column_name(channel), &first.name);
            placed.unplaced.push(format!("{who} is not used: {column} is already taken from channel {first}."));
            continue;
        }
        if analog.skew != 0.0 {
            placed.remarks.push(format!("{who} was sampled {} µs late; this is not corrected.", analog.skew));
        }
        let factor = scale * analog.to_primary;
        *slot = Some(Column {
            index,
            name: name.clone(),
            multiplier: analog.multiplier * factor,
            offset: analog.offset * factor,
        });
    }
    let missing: Vec<&str> = Channel::VOLTAGES
        .into_iter()
        .chain(Channel::CURRENTS)
        .filter(|channel| placed.columns[*channel as usize].is_none())
        .map(column_name)
        .collect();
    if let Some((last, others)) = missing.split_last() {
        let joined = if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
        return Err(ComtradeError::PhaseMissing(joined));
    }
    if placed.columns[Channel::I4 as usize].is_none() {
        placed.remarks.push("No channel carries the fourth current: I 4 reads 0.".to_owned());
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        use Kind::{Current, Voltage};
        for (text, want) in [
            ("V", Some((Voltage, 1.0))),
            ("volt", Some((Voltage, 1.0))),
            ("kV", Some((Voltage, 1e3))),
            ("KV", Some((Voltage, 1e3))),
            ("mV", Some((Voltage, 1e-3))),
            ("MV", Some((Voltage, 1e6))),
            (" Volts ", Some((Voltage, 1.0))),
            ("ampere", Some((Current, 1.0))),
            ("A", Some((Current, 1.0))),
            ("kA", Some((Current, 1e3))),
            ("mA", Some((Current, 1e-3))),
            ("kiloamps", Some((Current, 1e3))),
            ("Millivolt", Some((Voltage, 1e-3))),
            ("megavolts", Some((Voltage, 1e6))),
            ("", None),
            ("m", None),
            ("k", None),
            ("Hz", None),
            ("kW", None),
            ("°C", None),
        ] {
            assert_eq!(unit(text), want, "{text}");
        }
    }

    #[test]
    fn words() {
        use Kind::{Current, Voltage};
        for (kind, words, want) in [
            (
                Voltage,
                &["A", "a", "1", "L1", "VA", "Va", "V1", "U1", "UL1", "Van", "V1N", "R", "A-N", "Ea", "Phase A", "ph1"]
                    [..],
                Some(Channel::Va),
            ),
            (Voltage, &["B", "L2", "VB", "U2", "vbn", "S"], Some(Channel::Vb)),
            (Voltage, &["C", "L3", "VC", "U3", "vcn", "T"], Some(Channel::Vc)),
            (Voltage, &["AB", "V12", "Vca", "4", "V4", "U4", "N", "VN", "", "IA", "frequency", "é"], None),
            (Current, &["A", "I1", "IA", "IL1", "L1", "R"], Some(Channel::Ia)),
            (Current, &["4", "I4", "N", "IN", "I-N"], Some(Channel::I4)),
            (Current, &["AB", "I5", "", "VA", "I"], None),
        ] {
            for word in words {
                assert_eq!(column(kind, word), want, "{kind:?} {word}");
            }
        }
    }

    fn analog(name: &str, phase: &str, unit: &str) -> Analog {
        Analog {
            name: name.into(),
            phase: phase.into(),
            unit: unit.into(),
            multiplier: 2.0,
            offset: 1.0,
            skew: 0.0,
            to_primary: 10.0,
        }
    }

    #[test]
    fn each_channel_left_out_has_its_sentence() {
        let mut analogs = vec![
            analog("Bus VA", "", "kV"),
            analog("U2", "B", "V"),
            analog("whatever", "C", "V"),
            analog("Line current I1", "", "A"),
            analog("x", "2", "A"),
            analog("x", "L3", "A"),
            analog("VA again", "A", "V"),
            analog("V1", "AB", "V"),
            analog("Temp", "", "°C"),
            analog("Bus B neutral", "", "A"),
        ];
        analogs[1].skew = 12.5;
        let placed = place(&analogs).unwrap();
        assert_eq!(
            placed.unplaced,
            [
                "Channel 7 (VA again) is not used: Va is already taken from channel Bus VA.",
                "Channel 8 (V1) is not used: neither its phase nor its name says which phase it is.",
                "Channel 9 (Temp) is not used: its unit, \"°C\", is neither volts nor amperes.",
                "Channel 10 (Bus B neutral) is not used: neither its phase nor its name says which phase it is.",
            ]
        );
        assert_eq!(
            placed.remarks,
            [
                "Channel 2 (U2) was sampled 12.5 µs late; this is not corrected.",
                "No channel carries the fourth current: I 4 reads 0.",
            ]
        );
        let va = placed.columns[0].as_ref().unwrap();
        assert_eq!((va.index, va.multiplier, va.offset), (0, 20_000.0, 10_000.0));
        let error = place(&analogs[1..5]).unwrap_err().to_string();
        assert!(error.starts_with("the recording has no channel for Va and Ic;"), "{error}");
    }
}
