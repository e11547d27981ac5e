//! Energy, in integers only. Each window's energy is taken to 2⁻³² of a micro-unit, whole micro-units are handed on,
//! and what is left over is carried to the next window: nothing is lost and nothing is rounded twice.
//!
//! Units: µWh, µvarh, µVAh. Quadrants as the field numbers them: Q1 P delivered, Q lagging; Q2 P received, Q
//! delivered; Q3 both received; Q4 P delivered, Q received.

use crate::{Power, SampleRate};

/// The eight counters that everything else is made of. The order is that of the stored values; do not reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnergyRegister {
    /// Active, delivered to the load.
    WhDel,
    /// Active, received.
    WhRec,
    /// Reactive while active is delivered and reactive is delivered.
    VarhQ1,
    /// Reactive while active is received and reactive is delivered.
    VarhQ2,
    /// Reactive while both are received.
    VarhQ3,
    /// Reactive while active is delivered and reactive is received.
    VarhQ4,
    /// Apparent while active is delivered.
    VahDel,
    /// Apparent while active is received.
    VahRec,
}

impl EnergyRegister {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// All of them, in the order of the stored values.
    pub const ALL: [Self; Self::COUNT] =
        [Self::WhDel, Self::WhRec, Self::VarhQ1, Self::VarhQ2, Self::VarhQ3, Self::VarhQ4, Self::VahDel, Self::VahRec];

    /// The name on the meter.
    pub fn name(self) -> &'static str {
        match self {
            Self::WhDel => "kWh del",
            Self::WhRec => "kWh rec",
            Self::VarhQ1 => "kVARh Q1",
            Self::VarhQ2 => "kVARh Q2",
            Self::VarhQ3 => "kVARh Q3",
            Self::VarhQ4 => "kVARh Q4",
            Self::VahDel => "kVAh del",
            Self::VahRec => "kVAh rec",
        }
    }
}

/// What was added since the last reading, in micro-units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnergyIncrement {
    micro: [u64; EnergyRegister::COUNT],
}

impl EnergyIncrement {
    /// An increment of these micro-units, in the order of [`EnergyRegister::ALL`].
    pub fn from_micro(micro: [u64; EnergyRegister::COUNT]) -> Self {
        Self { micro }
    }

    /// µWh, µvarh or µVAh.
    pub fn micro(&self, register: EnergyRegister) -> u64 {
        self.micro[register as usize]
    }

    /// Whether nothing was added.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// Counters since the meter was made, in micro-units, each below 10⁹ kWh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnergyRegisters {
    micro: [u64; EnergyRegister::COUNT],
}

/// Which counters went through 10⁹ kWh. It is an event in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollovers {
    rolled: [bool; EnergyRegister::COUNT],
}

impl Rollovers {
    /// The counters that rolled over.
    pub fn iter(self) -> impl Iterator<Item = EnergyRegister> {
        EnergyRegister::ALL.into_iter().filter(move |register| self.rolled[*register as usize])
    }
}

impl EnergyRegisters {
    /// Where a counter starts again from 0, in micro-units: 10⁹ kWh.
    pub const ROLLOVER: u64 = 1_000_000_000 * Self::MICRO_PER_KILO;

    const MICRO_PER_KILO: u64 = 1_000_000_000;

    /// Stored counters, in the order of [`EnergyRegister::ALL`]. `None` if one is not below [`Self::ROLLOVER`].
    pub fn from_micro(micro: [u64; EnergyRegister::COUNT]) -> Option<Self> {
        micro.iter().all(|value| *value < Self::ROLLOVER).then_some(Self { micro })
    }

    /// The counters as they are stored, in the order of [`EnergyRegister::ALL`].
    pub fn to_micro(self) -> [u64; EnergyRegister::COUNT] {
        self.micro
    }

    /// One counter, µWh, µvarh or µVAh.
    pub fn micro(&self, register: EnergyRegister) -> u64 {
        self.micro[register as usize]
    }

    /// Adds an increment and says what rolled over.
    pub fn add(&mut self, increment: &EnergyIncrement) -> Rollovers {
        let mut rollovers = Rollovers::default();
        for ((counter, more), rolled) in self.micro.iter_mut().zip(increment.micro).zip(&mut rollovers.rolled) {
            let sum = u128::from(*counter) + u128::from(more);
            *rolled = sum >= u128::from(Self::ROLLOVER);
            // The remainder of a division by a u64 fits in one.
            *counter = (sum % u128::from(Self::ROLLOVER)) as u64;
        }
        rollovers
    }

    /// Sum of the first counters minus sum of the second, in thousands (kWh, kVARh, kVAh).
    fn kilo(&self, plus: &[EnergyRegister], minus: &[EnergyRegister]) -> f64 {
        let sum = |registers: &[EnergyRegister]| registers.iter().map(|r| i128::from(self.micro(*r))).sum::<i128>();
        (sum(plus) - sum(minus)) as f64 / Self::MICRO_PER_KILO as f64
    }
}

/// A counter or a sum of counters as people know it.
#[derive(Debug, Clone, Copy)]
pub struct Energy {
    /// The name on the meter: `kWh del`.
    pub name: &'static str,
    /// `kWh`, `kVARh` or `kVAh`.
    pub unit: &'static str,
    plus: &'static [EnergyRegister],
    minus: &'static [EnergyRegister],
}

impl Energy {
    /// The value in [`Self::unit`]. Sums and differences are made of the counters as they stand, so `del-rec` jumps
    /// when one of them rolls over.
    pub fn of(&self, registers: &EnergyRegisters) -> f64 {
        registers.kilo(self.plus, self.minus)
    }

    /// The entry with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ENERGIES.iter().find(|energy| energy.name == name)
    }
}

const fn energy(
    name: &'static str,
    unit: &'static str,
    plus: &'static [EnergyRegister],
    minus: &'static [EnergyRegister],
) -> Energy {
    Energy { name, unit, plus, minus }
}

use EnergyRegister::{VahDel, VahRec, VarhQ1, VarhQ2, VarhQ3, VarhQ4, WhDel, WhRec};

/// Every energy the meter shows, in the order it shows them. New ones go to the end.
pub static ENERGIES: &[Energy] = &[
    energy("kWh del", "kWh", &[WhDel], &[]),
    energy("kWh rec", "kWh", &[WhRec], &[]),
    energy("kWh del+rec", "kWh", &[WhDel, WhRec], &[]),
    energy("kWh del-rec", "kWh", &[WhDel], &[WhRec]),
    energy("kVARh del", "kVARh", &[VarhQ1, VarhQ2], &[]),
    energy("kVARh rec", "kVARh", &[VarhQ3, VarhQ4], &[]),
    energy("kVARh del+rec", "kVARh", &[VarhQ1, VarhQ2, VarhQ3, VarhQ4], &[]),
    energy("kVARh del-rec", "kVARh", &[VarhQ1, VarhQ2], &[VarhQ3, VarhQ4]),
    energy("kVAh del", "kVAh", &[VahDel], &[]),
    energy("kVAh rec", "kVAh", &[VahRec], &[]),
    energy("kVAh del+rec", "kVAh", &[VahDel, VahRec], &[]),
    energy("kVARh Q1", "kVARh", &[VarhQ1], &[]),
    energy("kVARh Q2", "kVARh", &[VarhQ2], &[]),
    energy("kVARh Q3", "kVARh", &[VarhQ3], &[]),
    energy("kVARh Q4", "kVARh", &[VarhQ4], &[]),
];

/// Adds up the energy of windows, one register for each kind and quadrant.
#[derive(Debug, Clone, Default)]
pub(crate) struct EnergyIntegrator {
    /// What is left below one micro-unit, in units of 2⁻³².
    fraction: [u32; EnergyRegister::COUNT],
    pending: EnergyIncrement,
}

impl EnergyIntegrator {
    /// Adds a window of `samples` samples at a mean `power`, all three phases together. The direction is that of the
    /// total, so a phase that feeds back is netted within the window. `power` is finite and below 10 TVA.
    pub(crate) fn add_window(&mut self, power: Power, samples: f64, rate: SampleRate) {
        let (active, reactive, apparent) = match (power.active >= 0.0, power.reactive >= 0.0) {
            (true, true) => (WhDel, VarhQ1, VahDel),
            (false, true) => (WhRec, VarhQ2, VahRec),
            (false, false) => (WhRec, VarhQ3, VahRec),
            (true, false) => (WhDel, VarhQ4, VahDel),
        };
        let hours = samples / rate.hertz() / 3600.0;
        for (register, watts) in [(active, power.active), (reactive, power.reactive), (apparent, power.apparent)] {
            let register = register as usize;
            // 10⁶ µ × 2³². An f64 has 53 bits, so the product is rounded only where the power itself was.
            let exact = (watts.abs() * hours * 1e6 * 4_294_967_296.0).round() as u128;
            let sum = exact + u128::from(self.fraction[register]);
            self.fraction[register] = (sum & 0xFFFF_FFFF) as u32;
            let whole = u64::try_from(sum >> 32).unwrap_or(u64::MAX);
            self.pending.micro[register] = self.pending.micro[register].saturating_add(whole);
        }
    }

    /// What has been added since the last call, in whole micro-units; the rest stays.
    pub(crate) fn take(&mut self) -> EnergyIncrement {
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_quadrant_has_its_registers() {
        let rate = SampleRate::new(1000.0).unwrap();
        for (p, q, want) in [
            (1.0, 1.0, [WhDel, VarhQ1, VahDel]),
            (-1.0, 1.0, [WhRec, VarhQ2, VahRec]),
            (-1.0, -1.0, [WhRec, VarhQ3, VahRec]),
            (1.0, -1.0, [WhDel, VarhQ4, VahDel]),
        ] {
            let mut integrator = EnergyIntegrator::default();
            integrator.add_window(Power { active: 3600.0 * p, reactive: 7200.0 * q, apparent: 9000.0 }, 1000.0, rate);
            let increment = integrator.take();
            let found: Vec<_> = EnergyRegister::ALL.into_iter().filter(|r| increment.micro(*r) > 0).collect();
            assert_eq!(found, want);
            assert_eq!(want.map(|r| increment.micro(r)), [1_000_000, 2_000_000, 2_500_000]);
            assert!(integrator.take().is_zero());
        }
    }

    #[test]
    fn what_is_too_small_to_count_is_carried() {
        let rate = SampleRate::new(7680.0).unwrap();
        let mut integrator = EnergyIntegrator::default();
        let mut registers = EnergyRegisters::default();
        // 1 mW: each 200 ms window is 0.0556 µWh; an hour of them is 1000 µWh.
        for _ in 0..18_000 {
            integrator.add_window(Power { active: 0.001, reactive: 0.0, apparent: 0.001 }, 1536.0, rate);
            registers.add(&integrator.take());
        }
        assert!((999..=1000).contains(&registers.micro(WhDel)), "{}", registers.micro(WhDel));
    }

    #[test]
    fn counters_roll_over_and_say_so() {
        let mut start = [0; 8];
        start[WhRec as usize] = EnergyRegisters::ROLLOVER - 5;
        start[VahDel as usize] = EnergyRegisters::ROLLOVER - 6;
        let mut registers = EnergyRegisters::from_micro(start).unwrap();
        let rolled: Vec<_> = registers.add(&EnergyIncrement::from_micro([5; 8])).iter().collect();
        assert_eq!(rolled, [WhRec]);
        assert_eq!((registers.micro(WhRec), registers.micro(VahDel)), (0, EnergyRegisters::ROLLOVER - 1));
        assert_eq!(EnergyRegisters::from_micro([EnergyRegisters::ROLLOVER; 8]), None);
        assert_eq!(EnergyRegisters::from_micro(registers.to_micro()), Some(registers));
    }

    #[test]
    fn shown_energies_are_sums_of_counters() {
        let kilo = EnergyRegisters::MICRO_PER_KILO;
        let registers = EnergyRegisters::from_micro([1, 2, 4, 8, 16, 32, 64, 128].map(|n| n * kilo)).unwrap();
        let shown: Vec<f64> = ENERGIES.iter().map(|energy| energy.of(&registers)).collect();
        assert_eq!(shown, [1.0, 2.0, 3.0, -1.0, 12.0, 48.0, 60.0, -36.0, 64.0, 128.0, 192.0, 4.0, 8.0, 16.0, 32.0]);
        assert_eq!(Energy::named("kVARh del-rec").unwrap().unit, "kVARh");
        for register in EnergyRegister::ALL {
            let registers =
                { EnergyRegisters { micro: std::array::from_fn(|i| u64::from(i == register as usize) * kilo) } };
            assert_eq!(Energy::named(register.name()).unwrap().of(&registers), 1.0);
        }
    }

    proptest! {
        #[test]
        fn adding_is_exact_modulo_the_rollover(increments in proptest::collection::vec(any::<[u64; 8]>(), 0..50)) {
            let mut registers = EnergyRegisters::default();
            let mut sum = 0_u128;
            for micro in &increments {
                registers.add(&EnergyIncrement::from_micro(*micro));
                sum += u128::from(micro[0]);
            }
            prop_assert_eq!(u128::from(registers.micro(WhDel)), sum % u128::from(EnergyRegisters::ROLLOVER));
        }
    }
}
