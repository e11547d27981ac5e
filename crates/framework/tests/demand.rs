//! Laws of demand, over a whole framework: maxima hold, and a memory that was written and read back goes on as if
//! nothing had happened.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use framework::{Framework, Memory, ModuleSetup, Readings, Template, Tick, Value};
use metrology::{EnergyRegisters, Power, Quantities};
use proptest::prelude::*;

fn framework(length_s: u32, count: u32) -> Framework {
    let mut template = Template::default();
    for (module, source) in [
        ("Power Meter 1", None),
        ("Sliding Window Demand 1", Some("Power Meter 1/kW tot")),
        ("Maximum 1", Some("Sliding Window Demand 1/SWinDemand")),
        ("Demand Reset 1", None),
    ] {
        let inputs = source.map(|source| ("Source".to_owned(), source.parse().unwrap()));
        let setup = ModuleSetup { inputs: inputs.into_iter().collect(), ..ModuleSetup::default() };
        template.modules.insert(module.parse().unwrap(), setup);
    }
    template.complete();
    for (register, value) in [("Sub Intvl", length_s), ("#Sub Intvls", count)] {
        let name = template.find(register).unwrap();
        template.set(&name, &Value::Number(f64::from(value))).unwrap();
    }
    template.check().unwrap();
    Framework::build(&template).unwrap()
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many milliseconds later (or earlier: the clock is set back) comes a reading, or a gap.
    Second(i64, Option<f64>),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let reading = prop::option::weighted(0.9, -1e6..1e6_f64);
    let later = prop_oneof![8 => Just(1000_i64), 2 => 700_i64..1400, 1 => -20_000_i64..60_000];
    prop_oneof![30 => (later, reading).prop_map(|(later, reading)| Step::Second(later, reading)), 1 => Just(Step::Reset)]
}

fn take(framework: &mut Framework, utc_ms: &mut i64, step: Step) -> Readings {
    let energy = EnergyRegisters::default();
    match step {
        Step::Second(later, reading) => {
            *utc_ms += later;
            let power = |kilowatts: f64| Power { active: kilowatts * 1e3, ..Power::default() };
            let quantities = reading.map(|it| Quantities { power_total: power(it), ..Quantities::default() });
            framework.evaluate(&Tick {
                utc_ms: *utc_ms,
                up_ms: 0,
                quantities: quantities.as_ref(),
                energy: &energy,
                energy_before: &energy,
            })
        }
        Step::Reset => {
            framework.reset_demand(*utc_ms);
            framework.show(&Tick {
                utc_ms: *utc_ms,
                up_ms: 0,
                quantities: None,
                energy: &energy,
                energy_before: &energy,
            })
        }
    }
}

fn value(readings: &Readings, register: &str) -> Option<f64> {
    readings.find(register).unwrap().1
}

/// Every value by its bits, so that "not available" equals itself, but for the one that tells of this second alone.
fn bits(readings: &Readings) -> Vec<u64> {
    let outputs = readings.directory.outputs().iter().zip(&readings.values);
    outputs.filter(|(output, _)| output.name.register != "Interval End").map(|(_, value)| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn a_maximum_is_the_greatest_demand_since_the_reset(
        length_s in 1_u32..8, count in 1_u32..=4, steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut framework = framework(length_s, count);
        let (mut utc_ms, mut greatest, mut resets) = (1_767_225_600_000, None::<f64>, 0.0);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for step in steps {
            if let Step::Second(_, Some(reading)) = step {
                (least, most) = (least.min(reading), most.max(reading));
            }
            let readings = take(&mut framework, &mut utc_ms, step);
            let demand = value(&readings, "SWinDemand");
            if matches!(step, Step::Reset) {
                greatest = None;
                resets += 1.0;
            } else if let Some(demand) = demand {
                greatest = Some(greatest.map_or(demand, |greatest| greatest.max(demand)));
            }
            prop_assert_eq!(value(&readings, "Maximum"), greatest);
            prop_assert_eq!(value(&readings, "Reset Count"), Some(resets));
            // An average, and a prediction of one, lie within what they were made of.
            for average in [demand, value(&readings, "PredDemand")].into_iter().flatten() {
                prop_assert!((least - 1e-6..=most + 1e-6).contains(&average), "{average} of {least} to {most}");
            }
        }
    }

    #[test]
    fn a_memory_that_is_written_and_read_back_goes_on_as_if_nothing_had_happened(
        length_s in 1_u32..8, count in 1_u32..=4, steps in prop::collection::vec((step(), any::<bool>()), 1..100),
    ) {
        let mut uninterrupted = framework(length_s, count);
        let mut restarted = framework(length_s, count);
        let (mut one_ms, mut other_ms) = (1_767_225_600_000, 1_767_225_600_000);
        for (step, power_cut) in steps {
            let expected = take(&mut uninterrupted, &mut one_ms, step);
            let found = take(&mut restarted, &mut other_ms, step);
            prop_assert_eq!(bits(&found), bits(&expected));
            prop_assert_eq!(restarted.memory(), uninterrupted.memory());
            if power_cut {
                let written = serde_json::to_string(&restarted.memory()).unwrap();
                let memory: Memory = serde_json::from_str(&written).unwrap();
                restarted = framework(length_s, count);
                restarted.resume(&memory);
                prop_assert!(goes_on(&memory, &uninterrupted.memory()));
            }
        }
    }
}

fn goes_on(memory: &Memory, earlier: &Memory) -> bool {
    memory.goes_on_from(earlier).into_values().all(|goes_on| goes_on)
}

#[test]
fn a_memory_goes_on_from_an_earlier_one_unless_something_was_lost() {
    let mut framework = framework(1, 1);
    let mut utc_ms = 0;
    let mut memory_after = |step| {
        take(&mut framework, &mut utc_ms, step);
        framework.memory()
    };
    let early = memory_after(Step::Second(1000, Some(5.0)));
    let later = memory_after(Step::Second(1000, Some(7.0)));
    let reset = memory_after(Step::Reset);
    assert!(goes_on(&later, &early) && goes_on(&early, &early) && goes_on(&early, &Memory::default()));
    assert!(!goes_on(&early, &later), "a maximum has fallen");
    assert!(!goes_on(&reset, &later), "the maxima are gone");
    assert!(!goes_on(&Memory::default(), &early));
}

#[test]
fn what_is_no_memory_is_refused_and_of_another_set_up_left_out() {
    let peak = |module: &str, value: &str| {
        format!("{{\"{module}\":{{\"kept\":{{\"peak\":{{\"value\":{value},\"utc_ms\":1}}}}}}}}")
    };
    assert!(serde_json::from_str::<Memory>(&peak("Maximum 1", "1")).is_ok());
    for text in ["[]", "7", &peak("Nonsense 1", "1"), &peak("Maximum 1", "null"), &peak("Maximum 1", "1e999")] {
        assert!(serde_json::from_str::<Memory>(text).is_err(), "{text}");
    }
    let mut before = framework(2, 1);
    let mut utc_ms = 0;
    for _ in 0..3 {
        take(&mut before, &mut utc_ms, Step::Second(1000, Some(5.0)));
    }
    let mut after = framework(3, 1);
    after.resume(&before.memory());
    let energy = EnergyRegisters::default();
    let readings = after.show(&Tick { utc_ms, up_ms: 0, quantities: None, energy: &energy, energy_before: &energy });
    assert_eq!(value(&readings, "SWinDemand"), None, "sub-intervals of another length");
    assert_eq!(value(&readings, "Maximum"), Some(5.0), "a maximum stays a maximum");
}
