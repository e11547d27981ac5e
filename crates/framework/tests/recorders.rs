//! Timer, interval energies and recorder together, as a template links them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use framework::modules::data_recorder::{self, Definition};
use framework::network::Directory;
use framework::{Dcf, Framework, Memory, Recorded, Status, Template, Tick};
use metrology::{EnergyIncrement, EnergyRegister, EnergyRegisters, Quantities};
use proptest::prelude::*;

const TEMPLATE: &str = r#"
format = 1
model = "8650"
release = "4.40.1"
[modules."Power Meter 1"]
[modules."Integrator 1"]
setup = { Energy = "kWh del" }
[modules."Integrator 2"]
setup = { Energy = "kWh del-rec" }
[modules."Periodic Timer 1"]
setup = { Period = 10 }
[modules."Interval Energy 1"]
inputs = { Source = "Integrator 1/kWh del", Trigger = "Periodic Timer 1/Trigger" }
[modules."Interval Energy 2"]
inputs = { Source = "Integrator 2/kWh del-rec", Trigger = "Periodic Timer 1/Trigger" }
labels = { "Interval Energy" = "net int" }
[modules."Data Recorder 1"]
setup = { Depth = 5 }
inputs = { "Source 1" = "Interval Energy 1/Interval Energy", "Source 2" = "Interval Energy 2/Interval Energy", "Source 3" = "Integrator 1/kWh del", "Source 16" = "Power Meter 1/kW tot", Record = "Periodic Timer 1/Trigger" }
"#;

fn template(text: &str) -> Template {
    let mut template = Dcf::parse(text.as_bytes()).unwrap().template();
    template.complete();
    template.check().unwrap();
    template
}

/// A meter as the framework knows it: modules, counters, and what is stored of both.
struct Bench {
    framework: Framework,
    energy: EnergyRegisters,
    recorded: Vec<Recorded>,
}

impl Bench {
    fn new(text: &str, energy: EnergyRegisters) -> Self {
        Self { framework: Framework::build(&template(text)).unwrap(), energy, recorded: Vec::new() }
    }

    /// A second with so many micro-Wh delivered and received.
    fn second(&mut self, utc_ms: i64, del: u64, rec: u64) {
        let mut micro = [0; EnergyRegister::COUNT];
        (micro[EnergyRegister::WhDel as usize], micro[EnergyRegister::WhRec as usize]) = (del, rec);
        let before = self.energy;
        self.energy.add(&EnergyIncrement::from_micro(micro));
        let quantities = Quantities::default();
        self.framework.evaluate(&Tick {
            utc_ms,
            up_ms: utc_ms,
            quantities: Some(&quantities),
            energy: &self.energy,
            energy_before: &before,
        });
        self.recorded.extend(self.framework.take_recorded());
    }

    /// The power goes and comes back: what is remembered is what was stored.
    fn restart(&mut self, text: &str) {
        let stored = serde_json::to_string(&self.framework.memory()).unwrap();
        self.framework = Framework::build(&template(text)).unwrap();
        self.framework.resume(&serde_json::from_str::<Memory>(&stored).unwrap());
    }

    /// End in seconds, status, values; NaN as -1.
    fn told(&self) -> Vec<(i64, String, Vec<f64>)> {
        let value = |value: &f64| if value.is_nan() { -1.0 } else { *value };
        let told = |record: &Recorded| {
            let interval = record.interval;
            (interval.utc_ms / 1000, interval.status.to_string(), record.values.iter().map(value).collect())
        };
        self.recorded.iter().map(told).collect()
    }
}

const KWH: u64 = 1_000_000_000;

#[test]
fn a_record_has_the_linked_sources_as_the_interval_ends() {
    let mut bench = Bench::new(TEMPLATE, EnergyRegisters::default());
    bench.second(0, 0, 0);
    (1..=20).for_each(|second| bench.second(second * 1000, KWH, 3 * KWH));
    let (first, second) = (vec![10.0, -20.0, 10.0, 0.0], vec![10.0, -20.0, 20.0, 0.0]);
    assert_eq!(bench.told(), [(10, "complete".to_owned(), first), (20, "complete".to_owned(), second)]);
    assert!(bench.framework.take_recorded().is_empty(), "a record is given once");
}

#[test]
fn an_interval_that_a_cut_ended_has_the_energy_up_to_it_and_nothing_that_was_not_measured() {
    let mut bench = Bench::new(TEMPLATE, EnergyRegisters::default());
    (1..=13).for_each(|second| bench.second(second * 1000, KWH, 0));
    bench.restart(TEMPLATE);
    (47..=60).for_each(|second| bench.second(second * 1000, KWH, 0));
    assert_eq!(
        bench.told(),
        [
            // Begun a second late.
            (10, "short".to_owned(), vec![10.0, 10.0, 10.0, 0.0]),
            (20, "short, outage".to_owned(), vec![3.0, 3.0, 13.0, -1.0]),
            (50, "short, outage".to_owned(), vec![4.0, 4.0, 17.0, 0.0]),
            (60, "complete".to_owned(), vec![10.0, 10.0, 27.0, 0.0]),
        ]
    );
}

#[test]
fn a_second_that_could_not_be_stored_takes_no_record_with_it_and_brings_none_twice() {
    let mut bench = Bench::new(TEMPLATE, EnergyRegisters::default());
    bench.second(0, 0, 0);
    (1..=9).for_each(|second| bench.second(second * 1000, KWH, 0));
    let (memory, energy) = (bench.framework.memory(), bench.energy);
    bench.second(10_000, KWH, 0);
    assert_eq!(bench.recorded.len(), 1);
    // The disk doesn't take it: what is owed is counted with the next second.
    (bench.recorded, bench.energy) = (Vec::new(), energy);
    bench.framework.resume(&memory);
    bench.second(11_000, 2 * KWH, 0);
    (12..=20).for_each(|second| bench.second(second * 1000, KWH, 0));
    let (first, second) = (vec![9.0, 9.0, 9.0, -1.0], vec![11.0, 11.0, 20.0, 0.0]);
    assert_eq!(bench.told(), [(10, "short, outage".to_owned(), first), (20, "complete".to_owned(), second)]);
}

#[test]
fn a_counter_that_rolls_over_has_grown_by_what_was_measured() {
    let full = |register| EnergyRegisters::ROLLOVER - if register == EnergyRegister::WhDel { 5 * KWH } else { 7 * KWH };
    let energy = EnergyRegisters::from_micro(EnergyRegister::ALL.map(full)).unwrap();
    let mut bench = Bench::new(TEMPLATE, energy);
    bench.second(0, 0, 0);
    (1..=10).for_each(|second| bench.second(second * 1000, KWH, 0));
    (11..=20).for_each(|second| bench.second(second * 1000, 0, 2 * KWH));
    let told: Vec<_> = bench.told().into_iter().map(|(.., values)| values).collect();
    assert_eq!(told, [vec![10.0, 10.0, 5.0, 0.0], vec![0.0, -20.0, 5.0, 0.0]]);
}

#[test]
fn an_energy_that_comes_in_the_middle_of_an_interval_waits_for_the_next() {
    let without = TEMPLATE.replace("[modules.\"Interval Energy 2\"]", "[modules.\"Interval Energy 3\"]");
    let without = without.replace("\"Interval Energy 2/", "\"Interval Energy 3/");
    let mut bench = Bench::new(&without, EnergyRegisters::default());
    bench.second(0, 0, 0);
    (1..=4).for_each(|second| bench.second(second * 1000, KWH, 0));
    let memory = bench.framework.memory();
    bench.framework = Framework::build(&template(TEMPLATE)).unwrap();
    bench.framework.resume(&memory);
    (5..=20).for_each(|second| bench.second(second * 1000, KWH, 0));
    let told: Vec<_> = bench.told().into_iter().map(|(_, status, values)| (status, values[0], values[1])).collect();
    assert_eq!(told, [("complete".to_owned(), 10.0, -1.0), ("complete".to_owned(), 10.0, 10.0)]);
}

#[test]
fn only_a_timer_says_when() {
    for (from, to) in [
        ("Record = \"Periodic Timer 1/Trigger\"", "Record = \"Power Meter 1/kW tot\""),
        ("Trigger = \"Periodic Timer 1/Trigger\" }", "Trigger = \"Integrator 2/kWh del-rec\" }"),
    ] {
        let refused = Framework::build(&template(&TEMPLATE.replacen(from, to, 1))).err().unwrap().to_string();
        assert!(refused.contains("takes the Trigger of a Periodic Timer, not "), "{refused}");
    }
}

#[test]
fn a_definition_says_all_that_records_are_read_by() {
    let definition = |text: &str| {
        let template = template(text);
        let (module, _) = data_recorder::recorders(&template).next().unwrap();
        Definition::of(&template, &Directory::of(&template), module)
    };
    let known = definition(TEMPLATE).unwrap();
    let sources: Vec<_> = known.sources.iter().map(|source| format!("{} {}", source.label, source.unit)).collect();
    assert_eq!(sources, ["Interval Energy kWh", "net int kWh", "kWh del kWh", "kW tot kW"]);
    assert_eq!((known.period_s, known.depth), (10, 5));
    assert_eq!(serde_json::from_str::<Definition>(&serde_json::to_string(&known).unwrap()).unwrap(), known);
    for (from, to, differs) in [
        ("Depth = 5", "Depth = 6", true),
        ("Period = 10", "Period = 15", true),
        ("net int", "net", true),
        ("\"Source 16\"", "\"Source 4\"", false),
        ("setup = { Depth = 5 }", "label = \"Log\"\nsetup = { Depth = 5 }", false),
    ] {
        assert_eq!(definition(&TEMPLATE.replace(from, to)).unwrap() != known, differs, "{to}");
    }
    for off in [("Depth = 5", "Depth = 0"), (", Record = \"Periodic Timer 1/Trigger\"", "")] {
        assert_eq!(definition(&TEMPLATE.replace(off.0, off.1)), None, "{off:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is measured, lost and cut: interval energies add up to what the counter has grown by between two
    /// records, in whole micro-kWh; and no interval ends twice while nobody sets the clock.
    #[test]
    fn interval_energies_add_up_to_the_counter(
        start in 0..EnergyRegisters::ROLLOVER,
        seconds in proptest::collection::vec((0..2_500_000_000_000u64, 1..60i64, 0..40u8), 20..400),
        phase in 0..1000i64,
    ) {
        let energy = EnergyRegisters::from_micro([start; EnergyRegister::COUNT]).unwrap();
        let mut bench = Bench::new(TEMPLATE, energy);
        let mut utc_ms = phase;
        for (del, gap, what) in seconds {
            utc_ms += 1000;
            match what {
                0 => { bench.restart(TEMPLATE); utc_ms += gap * 1000; }
                1 => utc_ms += gap * 1000,
                _ => {}
            }
            bench.second(utc_ms, del, del / 3);
        }
        let micro = |kwh: f64| (kwh * 1e6).round() as i64;
        let rollover = micro(1e9);
        for pair in bench.recorded.windows(2) {
            let (earlier, later) = (&pair[0], &pair[1]);
            prop_assert!(earlier.interval.utc_ms < later.interval.utc_ms);
            let grown = (micro(later.values[2]) - micro(earlier.values[2])).rem_euclid(rollover);
            prop_assert_eq!(micro(later.values[0]), grown);
            prop_assert!(!later.interval.status.has(Status::CLOCK_SET));
        }
    }
}
