//! What the pages show of what is measured, under which labels: the one table between the labels that programs
//! look for and the meter's register names. Labels and their order are a promise to those programs: new ones go to
//! the end of their group.

use framework::Readings;
use meter::View;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::info::{Shown, shown};

/// One row: a label of the page, the register behind it, and the unit where the register is missing.
pub(super) struct Row {
    pub label: &'static str,
    pub register: &'static str,
    unit: &'static str,
}

/// Rows under one heading.
pub(super) struct Group {
    pub title: &'static str,
    pub rows: &'static [Row],
}

const fn row(label: &'static str, register: &'static str, unit: &'static str) -> Row {
    Row { label, register, unit }
}

/// The counters of energy.
const ENERGY: Group = Group {
    title: "Energy",
    rows: &[
        row("kWh del", "kWh del", "kWh"),
        row("kWh rec", "kWh rec", "kWh"),
        row("kWh del+rec", "kWh del+rec", "kWh"),
        row("kWh del-rec", "kWh del-rec", "kWh"),
        row("kVARh del", "kVARh del", "kVARh"),
        row("kVARh rec", "kVARh rec", "kVARh"),
        row("kVARh del+rec", "kVARh del+rec", "kVARh"),
        row("kVARh del-rec", "kVARh del-rec", "kVARh"),
        row("kVAh del+rec", "kVAh del+rec", "kVAh"),
    ],
};

/// Total harmonic distortion.
const DISTORTION: Group = Group {
    title: "Harmonic distortion",
    rows: &[
        row("V1 THD", "V1 THD", "%"),
        row("V2 THD", "V2 THD", "%"),
        row("V3 THD", "V3 THD", "%"),
        row("I1 THD", "I1 THD", "%"),
        row("I2 THD", "I2 THD", "%"),
        row("I3 THD", "I3 THD", "%"),
    ],
};

/// Operation, from top to bottom.
pub(super) static OPERATION: [Group; 6] = [
    Group {
        title: "Total power",
        rows: &[
            row("kW total", "kW tot", "kW"),
            row("kVAR total", "kVAR tot", "kVAR"),
            row("kVA total", "kVA tot", "kVA"),
            row("PF total", "PF sign tot", "%"),
        ],
    },
    Group {
        title: "Voltage",
        rows: &[
            row("Vln a", "Vln a", "V"),
            row("Vln b", "Vln b", "V"),
            row("Vln c", "Vln c", "V"),
            row("Vln avg", "Vln avg", "V"),
            row("Vll ab", "Vll ab", "V"),
            row("Vll bc", "Vll bc", "V"),
            row("Vll ca", "Vll ca", "V"),
            row("Vll avg", "Vll avg", "V"),
            row("V unbal", "V unbal", "%"),
            row("Frequency", "Freq", "Hz"),
        ],
    },
    Group {
        title: "Current",
        rows: &[
            row("I a", "I a", "A"),
            row("I b", "I b", "A"),
            row("I c", "I c", "A"),
            row("I avg", "I avg", "A"),
            row("I 4", "I 4", "A"),
            row("I unbal", "I unbal", "%"),
        ],
    },
    Group {
        title: "Power by phase",
        rows: &[
            row("kW a", "kW a", "kW"),
            row("kW b", "kW b", "kW"),
            row("kW c", "kW c", "kW"),
            row("kVAR a", "kVAR a", "kVAR"),
            row("kVAR b", "kVAR b", "kVAR"),
            row("kVAR c", "kVAR c", "kVAR"),
            row("kVA a", "kVA a", "kVA"),
            row("kVA b", "kVA b", "kVA"),
            row("kVA c", "kVA c", "kVA"),
            row("PF a", "PF sign a", "%"),
            row("PF b", "PF sign b", "%"),
            row("PF c", "PF sign c", "%"),
        ],
    },
    ENERGY,
    DISTORTION,
];

/// Power Quality.
pub(super) static POWER_QUALITY: [Group; 4] = [
    Group {
        title: "Balance",
        rows: &[
            row("V unbal", "V unbal", "%"),
            row("I unbal", "I unbal", "%"),
            row("Frequency", "Freq", "Hz"),
            row("I 4", "I 4", "A"),
        ],
    },
    DISTORTION,
    Group {
        title: "Odd and even harmonics",
        rows: &[
            row("V1 odd THD", "V1 odd THD", "%"),
            row("V2 odd THD", "V2 odd THD", "%"),
            row("V3 odd THD", "V3 odd THD", "%"),
            row("V1 even THD", "V1 even THD", "%"),
            row("V2 even THD", "V2 even THD", "%"),
            row("V3 even THD", "V3 even THD", "%"),
            row("I1 odd THD", "I1 odd THD", "%"),
            row("I2 odd THD", "I2 odd THD", "%"),
            row("I3 odd THD", "I3 odd THD", "%"),
            row("I1 even THD", "I1 even THD", "%"),
            row("I2 even THD", "I2 even THD", "%"),
            row("I3 even THD", "I3 even THD", "%"),
        ],
    },
    Group {
        title: "K factor and crest factor",
        rows: &[
            row("I1 K", "I1 K", ""),
            row("I2 K", "I2 K", ""),
            row("I3 K", "I3 K", ""),
            row("I1 crest", "I1 crest", ""),
            row("I2 crest", "I2 crest", ""),
            row("I3 crest", "I3 crest", ""),
        ],
    },
];

/// Consumption, above the demand.
pub(super) static CONSUMPTION: [Group; 2] = [
    ENERGY,
    Group {
        title: "Reactive energy by quadrant",
        rows: &[
            row("kVARh Q1", "kVARh Q1", "kVARh"),
            row("kVARh Q2", "kVARh Q2", "kVARh"),
            row("kVARh Q3", "kVARh Q3", "kVARh"),
            row("kVARh Q4", "kVARh Q4", "kVARh"),
        ],
    },
];

impl Row {
    /// The row's reading. A register that the meter's template doesn't have reads as one without a
    /// value: the row stays, so that a page has the same rows on every meter.
    pub fn reading(&self, readings: &Readings) -> Shown {
        shown(readings, self.register).unwrap_or(Shown::missing(self.unit))
    }
}

/// What Operation shows, as JSON: whose readings they are, then each by its register's name, as `setup read --json`
/// has them. A value that isn't there is null.
pub(super) struct Document<'a>(pub &'a View);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Reading {
            value: Option<f64>,
            unit: &'static str,
        }
        let Self(view) = self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("serial", &view.identity.serial)?;
        map.serialize_entry("release", &view.release().release)?;
        map.serialize_entry("source", &view.identity.source)?;
        map.serialize_entry("utc", &utc_rfc3339(view.readings.utc_ms))?;
        for row in OPERATION.iter().flat_map(|group| group.rows) {
            let Shown { value, unit, .. } = row.reading(&view.readings);
            map.serialize_entry(row.register, &Reading { value, unit })?;
        }
        map.end()
    }
}

/// The time of the readings; none before the first.
fn utc_rfc3339(utc_ms: i64) -> Option<String> {
    let time = (utc_ms != 0).then(|| jiff::Timestamp::from_millisecond(utc_ms).ok()).flatten()?;
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn pages() -> [&'static [Group]; 3] {
        [&OPERATION, &POWER_QUALITY, &CONSUMPTION]
    }

    #[test]
    fn every_row_is_found_in_the_templates_as_shipped_with_the_unit_named_here() {
        for release in ["4.0.9", "4.40.1"] {
            let bench = Bench::new(release);
            let view = bench.site.view();
            for row in pages().into_iter().flatten().flat_map(|group| group.rows) {
                let found = shown(&view.readings, row.register);
                assert_eq!(found.map(|found| found.unit), Some(row.unit), "{release}: {}", row.label);
            }
        }
    }

    #[test]
    fn labels_are_unique_on_their_page() {
        for page in pages() {
            let mut labels: Vec<_> = page.iter().flat_map(|group| group.rows).map(|row| row.label).collect();
            let count = labels.len();
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), count);
        }
    }
}
