//! What a reading says, and the one table that names each measured quantity and its unit. Faces, modules and registers
//! take names, units and order from this table and from nowhere else.

use crate::window::WindowSums;
use crate::{Channel, Distortion, Power};

/// The electrical quantities of one reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantities {
    /// RMS line to neutral a, b, c, V. DC is included, here and in every RMS.
    pub vln: [f64; 3],
    /// RMS line to line ab, bc, ca, V; from the differences of the samples.
    pub vll: [f64; 3],
    /// RMS current a, b, c, A.
    pub current: [f64; 3],
    /// RMS of the fourth current input, A.
    pub current_4: f64,
    /// Hz; 0 while the voltages hold no fundamental.
    pub frequency: f64,
    /// Whether the phases follow each other as a, c, b.
    pub phase_reversed: bool,
    /// Power of phases a, b, c.
    pub power: [Power; 3],
    /// Power of the three phases, as a vector sum.
    pub power_total: Power,
    /// Distortion of Vln a, b, c, from the first window of the reading.
    pub voltage_distortion: [Distortion; 3],
    /// Distortion of I a, b, c, from the first window of the reading.
    pub current_distortion: [Distortion; 3],
    /// Peak ÷ RMS of I a, b, c.
    pub current_crest: [f64; 3],
}

impl Quantities {
    /// What windows add up to. `sums` hold at least one window.
    pub(crate) fn new(sums: &WindowSums, voltage: [Distortion; 3], current: [Distortion; 3]) -> Self {
        Self {
            vln: Channel::VOLTAGES.map(|channel| sums.rms(channel)),
            vll: sums.line_to_line(),
            current: Channel::CURRENTS.map(|channel| sums.rms(channel)),
            current_4: sums.rms(Channel::I4),
            frequency: sums.frequency(),
            phase_reversed: sums.phase_reversed(),
            power: sums.phases(),
            power_total: sums.total(),
            voltage_distortion: voltage,
            current_distortion: current,
            current_crest: Channel::CURRENTS.map(|channel| sums.crest(channel)),
        }
    }
}

fn average(values: [f64; 3]) -> f64 {
    values.iter().sum::<f64>() / 3.0
}

/// The largest deviation from the average, % of the average (NEMA MG 1, 14.36); 0 if all are 0.
fn unbalance(values: [f64; 3]) -> f64 {
    let average = average(values);
    if average <= 0.0 {
        return 0.0;
    }
    let deviation = values.iter().map(|value| (value - average).abs()).fold(0.0, f64::max);
    100.0 * deviation / average
}

/// One measured quantity: what it is called, its unit, where it is found.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// The name on the meter: `kW tot`.
    pub name: &'static str,
    /// `V`, `A`, `Hz`, `%`, `kW`, `kVAR`, `kVA`, or empty for a plain number.
    pub unit: &'static str,
    /// The value in [`Self::unit`].
    pub get: fn(&Quantities) -> f64,
}

impl Quantity {
    /// The entry with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        QUANTITIES.iter().find(|quantity| quantity.name == name)
    }
}

const fn quantity(name: &'static str, unit: &'static str, get: fn(&Quantities) -> f64) -> Quantity {
    Quantity { name, unit, get }
}

/// Every measured quantity, in the order of the Power Meter's outputs. New ones go to the end.
pub static QUANTITIES: &[Quantity] = &[
    quantity("Vln a", "V", |q| q.vln[0]),
    quantity("Vln b", "V", |q| q.vln[1]),
    quantity("Vln c", "V", |q| q.vln[2]),
    quantity("Vln avg", "V", |q| average(q.vln)),
    quantity("Vll ab", "V", |q| q.vll[0]),
    quantity("Vll bc", "V", |q| q.vll[1]),
    quantity("Vll ca", "V", |q| q.vll[2]),
    quantity("Vll avg", "V", |q| average(q.vll)),
    quantity("I a", "A", |q| q.current[0]),
    quantity("I b", "A", |q| q.current[1]),
    quantity("I c", "A", |q| q.current[2]),
    quantity("I avg", "A", |q| average(q.current)),
    quantity("I 4", "A", |q| q.current_4),
    // NEMA's figure is that of the line-to-line voltages, which motors see.
    quantity("V unbal", "%", |q| unbalance(q.vll)),
    quantity("I unbal", "%", |q| unbalance(q.current)),
    quantity("Freq", "Hz", |q| q.frequency),
    quantity("Phase Rev", "", |q| f64::from(u8::from(q.phase_reversed))),
    quantity("kW a", "kW", |q| q.power[0].active / 1e3),
    quantity("kW b", "kW", |q| q.power[1].active / 1e3),
    quantity("kW c", "kW", |q| q.power[2].active / 1e3),
    quantity("kW tot", "kW", |q| q.power_total.active / 1e3),
    quantity("kVAR a", "kVAR", |q| q.power[0].reactive / 1e3),
    quantity("kVAR b", "kVAR", |q| q.power[1].reactive / 1e3),
    quantity("kVAR c", "kVAR", |q| q.power[2].reactive / 1e3),
    quantity("kVAR tot", "kVAR", |q| q.power_total.reactive / 1e3),
    quantity("kVA a", "kVA", |q| q.power[0].apparent / 1e3),
    quantity("kVA b", "kVA", |q| q.power[1].apparent / 1e3),
    quantity("kVA c", "kVA", |q| q.power[2].apparent / 1e3),
    quantity("kVA tot", "kVA", |q| q.power_total.apparent / 1e3),
    quantity("PF sign a", "%", |q| q.power[0].factor_signed()),
    quantity("PF sign b", "%", |q| q.power[1].factor_signed()),
    quantity("PF sign c", "%", |q| q.power[2].factor_signed()),
    quantity("PF sign tot", "%", |q| q.power_total.factor_signed()),
    quantity("PF lag a", "%", |q| q.power[0].factor_lag()),
    quantity("PF lag b", "%", |q| q.power[1].factor_lag()),
    quantity("PF lag c", "%", |q| q.power[2].factor_lag()),
    quantity("PF lag tot", "%", |q| q.power_total.factor_lag()),
    quantity("PF lead a", "%", |q| q.power[0].factor_lead()),
    quantity("PF lead b", "%", |q| q.power[1].factor_lead()),
    quantity("PF lead c", "%", |q| q.power[2].factor_lead()),
    quantity("PF lead tot", "%", |q| q.power_total.factor_lead()),
    quantity("V1 THD", "%", |q| q.voltage_distortion[0].total),
    quantity("V2 THD", "%", |q| q.voltage_distortion[1].total),
    quantity("V3 THD", "%", |q| q.voltage_distortion[2].total),
    quantity("V1 odd THD", "%", |q| q.voltage_distortion[0].odd),
    quantity("V2 odd THD", "%", |q| q.voltage_distortion[1].odd),
    quantity("V3 odd THD", "%", |q| q.voltage_distortion[2].odd),
    quantity("V1 even THD", "%", |q| q.voltage_distortion[0].even),
    quantity("V2 even THD", "%", |q| q.voltage_distortion[1].even),
    quantity("V3 even THD", "%", |q| q.voltage_distortion[2].even),
    quantity("I1 THD", "%", |q| q.current_distortion[0].total),
    quantity("I2 THD", "%", |q| q.current_distortion[1].total),
    quantity("I3 THD", "%", |q| q.current_distortion[2].total),
    quantity("I1 odd THD", "%", |q| q.current_distortion[0].odd),
    quantity("I2 odd THD", "%", |q| q.current_distortion[1].odd),
    quantity("I3 odd THD", "%", |q| q.current_distortion[2].odd),
    quantity("I1 even THD", "%", |q| q.current_distortion[0].even),
    quantity("I2 even THD", "%", |q| q.current_distortion[1].even),
    quantity("I3 even THD", "%", |q| q.current_distortion[2].even),
    quantity("I1 K", "", |q| q.current_distortion[0].k_factor),
    quantity("I2 K", "", |q| q.current_distortion[1].k_factor),
    quantity("I3 K", "", |q| q.current_distortion[2].k_factor),
    quantity("I1 crest", "", |q| q.current_crest[0]),
    quantity("I2 crest", "", |q| q.current_crest[1]),
    quantity("I3 crest", "", |q| q.current_crest[2]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (i, quantity) in QUANTITIES.iter().enumerate() {
            let first = QUANTITIES.iter().position(|other| other.name == quantity.name);
            assert_eq!(first, Some(i), "{}", quantity.name);
            assert_eq!(Quantity::named(quantity.name).map(|found| found.unit), Some(quantity.unit));
        }
        assert!(Quantity::named("kw tot").is_none());
    }

    #[test]
    fn every_entry_reads_a_value_of_its_own() {
        let three = |start: f64| [start, start + 1.0, start + 3.0];
        let powers =
            |start: f64| three(start).map(|p| Power { active: p * 1e3, reactive: -p * 2e3, apparent: p * 3e3 + p * p });
        let distortions =
            |start: f64| three(start).map(|d| Distortion { total: d, odd: d + 0.1, even: d + 0.2, k_factor: d + 0.3 });
        let quantities = Quantities {
            vln: three(10.0),
            vll: three(20.0),
            current: three(30.0),
            current_4: 40.0,
            frequency: 60.5,
            phase_reversed: true,
            power: powers(50.0),
            power_total: Power { active: 7e4, reactive: -8e4, apparent: 9e5 },
            voltage_distortion: distortions(100.0),
            current_distortion: distortions(200.0),
            current_crest: three(300.0),
        };
        let mut values: Vec<f64> = QUANTITIES
            .iter()
            .filter(|quantity| !quantity.name.starts_with("PF l"))
            .map(|quantity| (quantity.get)(&quantities))
            .collect();
        let count = values.len();
        values.sort_by(f64::total_cmp);
        values.dedup();
        assert_eq!(values.len(), count, "two entries read the same field");
    }

    #[test]
    fn unbalance_is_the_largest_deviation() {
        for (values, want) in [([100.0, 100.0, 100.0], 0.0), ([90.0, 100.0, 110.0], 10.0), ([0.0; 3], 0.0)] {
            assert_eq!(unbalance(values), want);
        }
        let quantities = Quantities { vll: [90.0, 100.0, 110.0], current: [3.0, 3.0, 6.0], ..Quantities::default() };
        let read = |name| (Quantity::named(name).unwrap().get)(&quantities);
        assert_eq!((read("V unbal"), read("I unbal")), (10.0, 50.0));
    }
}
