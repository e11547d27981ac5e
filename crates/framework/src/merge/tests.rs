use proptest::prelude::*;

use super::*;
use crate::register::Value;
use crate::template::TemplateError;
use crate::{Dcf, Framework, ModuleSetup};

const BASE: &str = r#"
[modules."Power Meter 1"]
[modules."Integrator 1"]
setup = { Energy = "kWh del" }
[modules."Integrator 2"]
setup = { Energy = "kWh rec" }
[modules."Periodic Timer 1"]
[modules."Data Recorder 1"]
label = "Revenue Log"
inputs = { "Source 1" = "Integrator 1/kWh del", Record = "Periodic Timer 1/Trigger" }
[modules."Modbus Slave 1"]
inputs = { "Source 1" = "Power Meter 1/kW tot" }
"#;

fn template(text: &str) -> Template {
    let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n";
    Dcf::parse(format!("{head}{text}").as_bytes()).unwrap().template()
}

/// The base with edits: `Module/Register = value`, `Module/Input > Module/Output` (`-` unlinks), `Module: label`,
/// `-Module`, `+Module`.
fn with(edits: &[&str]) -> Template {
    let mut template = template(BASE);
    for edit in edits {
        if let Some(module) = edit.strip_prefix('-') {
            template.modules.remove(&module.parse().unwrap()).unwrap();
        } else if let Some(module) = edit.strip_prefix('+') {
            template.modules.insert(module.parse().unwrap(), ModuleSetup::default());
            template.complete();
        } else if let Some((register, value)) = edit.split_once(" = ") {
            let value = value.parse().map_or_else(|_| Value::Text(value.to_owned()), Value::Number);
            template.set(&register.parse().unwrap(), &value).unwrap();
        } else if let Some((input, source)) = edit.split_once(" > ") {
            let (module, input) = input.split_once('/').unwrap();
            let inputs = &mut template.modules.get_mut(&module.parse().unwrap()).unwrap().inputs;
            match source {
                "-" => drop(inputs.remove(input)),
                source => drop(inputs.insert(input.to_owned(), source.parse().unwrap())),
            }
        } else {
            let (module, label) = edit.split_once(": ").unwrap();
            template.modules.get_mut(&module.parse().unwrap()).unwrap().label = Some(label.to_owned());
        }
    }
    template.check().unwrap();
    template
}

/// What the base becomes, and what conflicts: both as differences from it, in words.
fn merged(mine: &[&str], theirs: &[&str], wins: Side) -> (Vec<String>, Vec<String>) {
    let merged = merge(&template(BASE), &with(mine), &with(theirs), wins);
    Framework::build(&merged.template).unwrap();
    let parts = (template(BASE).parts(), merged.template.parts());
    let word = |content: Option<&Content>| content.map_or_else(|| "-".to_owned(), ToString::to_string);
    let changed = differences(&parts.0, &parts.1).map(|(part, _, now)| format!("{part}: {}", word(now)));
    let conflict = |(part, conflict): (&Part, &Conflict)| {
        let [base, mine, theirs] = [&conflict.base, &conflict.mine, &conflict.theirs].map(|one| word(one.as_ref()));
        format!("{part}: {base} | {mine} | {theirs}")
    };
    (changed.collect(), merged.conflicts.iter().map(conflict).collect())
}

const NONE: [&str; 0] = [];

#[test]
fn b4_what_one_side_changed_is_as_that_side_has_it() {
    let mine = ["Power Meter 1/CT Prim = 600", "Modbus Slave 1/Source 2 > Power Meter 1/kVAR tot", "-Integrator 2"];
    let theirs = ["Power Meter 1/Nom Volts = 277", "Modbus Slave 1/Source 3 > Power Meter 1/kVA tot", "+Maximum 1"];
    for wins in [Side::Mine, Side::Release] {
        let (changed, conflicts) = merged(&mine, &theirs, wins);
        assert_eq!(
            changed,
            [
                "Power Meter 1/CT Prim: 600",
                "Power Meter 1/Nom Volts: 277",
                "module Integrator 2: -",
                "Integrator 2/Energy: -",
                "module Maximum 1: there",
                "Modbus Slave 1/Source 2 link: Power Meter 1/kVAR tot",
                "Modbus Slave 1/Source 3 link: Power Meter 1/kVA tot",
            ]
        );
        assert_eq!(conflicts, NONE);
    }
}

#[test]
fn b4_what_both_changed_is_a_conflict_decided_for_one_side() {
    let (mine, theirs) = (["Power Meter 1/CT Prim = 600"], ["Power Meter 1/CT Prim = 1000"]);
    let conflict = ["Power Meter 1/CT Prim: 5 | 600 | 1000"];
    for (wins, value) in [(Side::Mine, "600"), (Side::Release, "1000")] {
        let (changed, conflicts) = merged(&mine, &theirs, wins);
        assert_eq!(
            (changed, conflicts),
            (vec![format!("Power Meter 1/CT Prim: {value}")], conflict.map(str::to_owned).into())
        );
    }
    assert_eq!(merged(&mine, &mine, Side::Mine).1, NONE, "both the same");
}

#[test]
fn b4_a_module_that_one_side_took_out_and_the_other_changed_is_a_conflict() {
    let (mine, theirs) = (["Integrator 2: Feed-in"], ["-Integrator 2"]);
    let conflict = vec!["module Integrator 2: there | there | -".to_owned()];
    assert_eq!(merged(&mine, &theirs, Side::Mine), (vec!["Integrator 2 label: Feed-in".to_owned()], conflict.clone()));
    let gone = vec!["module Integrator 2: -".to_owned(), "Integrator 2/Energy: -".to_owned()];
    assert_eq!(merged(&mine, &theirs, Side::Release), (gone, conflict));
}

#[test]
fn b4_a_data_recorder_is_never_half_of_each() {
    let mine = ["Data Recorder 1/Source 2 > Integrator 2/kWh rec", "Data Recorder 1: My log"];
    let theirs = ["Data Recorder 1/Depth = 100"];
    let label = "Data Recorder 1 label: My log".to_owned();
    assert_eq!(
        merged(&mine, &theirs, Side::Mine),
        (
            vec![label.clone(), "Data Recorder 1/Source 2 link: Integrator 2/kWh rec".to_owned()],
            vec!["Data Recorder 1/Depth: 3360 | 3360 | 100".to_owned()]
        )
    );
    assert_eq!(
        merged(&mine, &theirs, Side::Release),
        (
            // A label is its owner's whoever wins: nobody else has changed it.
            vec![label, "Data Recorder 1/Depth: 100".to_owned()],
            vec!["Data Recorder 1/Source 2 link: - | Integrator 2/kWh rec | -".to_owned()]
        )
    );
}

#[test]
fn b4_nothing_is_left_linked_to_nowhere() {
    // The release takes out what the owner has linked to.
    let (mine, theirs) = (["Modbus Slave 1/Source 9 > Integrator 2/kWh rec"], ["-Integrator 2"]);
    let link = "Modbus Slave 1/Source 9 link: Integrator 2/kWh rec".to_owned();
    let conflicts = vec!["module Integrator 2: there | there | -".to_owned()];
    assert_eq!(merged(&mine, &theirs, Side::Mine), (vec![link], conflicts));
    let (changed, conflicts) = merged(&mine, &theirs, Side::Release);
    assert_eq!(changed, ["module Integrator 2: -", "Integrator 2/Energy: -"]);
    assert_eq!(conflicts, ["Modbus Slave 1/Source 9 link: - | Integrator 2/kWh rec | -"]);
    // It counts something else under the number that the owner has linked to.
    let theirs = ["Integrator 2/Energy = kVARh del"];
    let (changed, conflicts) = merged(&mine, &theirs, Side::Mine);
    assert_eq!(changed, ["Modbus Slave 1/Source 9 link: Integrator 2/kWh rec"]);
    assert_eq!(conflicts, ["Integrator 2/Energy: kWh rec | kWh rec | kVARh del"]);
    // The owner has taken out what the release links to.
    let (mine, theirs) = (["-Integrator 2"], ["Modbus Slave 1/Source 9 > Integrator 2/kWh rec"]);
    let (changed, conflicts) = merged(&mine, &theirs, Side::Mine);
    assert_eq!(changed, ["module Integrator 2: -", "Integrator 2/Energy: -"]);
    assert_eq!(conflicts, ["Modbus Slave 1/Source 9 link: - | - | Integrator 2/kWh rec"]);
    let (changed, conflicts) = merged(&mine, &theirs, Side::Release);
    assert_eq!(changed, ["Modbus Slave 1/Source 9 link: Integrator 2/kWh rec"]);
    assert_eq!(conflicts, ["module Integrator 2: there | - | there"]);
}

#[test]
fn b4_a_loop_of_two_sides_is_refused() {
    let base = template(&format!("{BASE}\n[modules.\"Integrator 3\"]\nsetup = {{ Energy = \"kVARh del\" }}\n"));
    let link = |from: &str, to: &str| {
        let mut template = base.clone();
        let setup = template.modules.get_mut(&from.parse().unwrap()).unwrap();
        setup.inputs.insert("Integrand".to_owned(), to.parse().unwrap());
        template
    };
    let (mine, theirs) = (link("Integrator 2", "Integrator 3/kVARh del"), link("Integrator 3", "Integrator 2/kWh rec"));
    let merged = merge(&base, &mine, &theirs, Side::Mine);
    assert!(matches!(Framework::build(&merged.template), Err(TemplateError::Loop(_))));
}

/// Edits that leave any template valid by themselves, each with what it needs.
fn any_edits() -> impl Strategy<Value = Template> {
    const OUTPUTS: [&str; 4] =
        ["Power Meter 1/kW tot", "Power Meter 1/kVAR tot", "Integrator 1/kWh del", "Integrator 2/kWh rec"];
    let link = (
        1..=4_usize,
        prop::sample::select(OUTPUTS.to_vec()),
        prop::sample::select(vec!["Modbus Slave 1", "Data Recorder 1"]),
    );
    let edit = prop_oneof![
        (0..6_u32).prop_map(|n| format!("Power Meter 1/CT Prim = {}", n + 5)),
        (0..3_u32).prop_map(|n| format!("Data Recorder 1/Depth = {}", n + 10)),
        link.prop_map(|(n, output, module)| format!("{module}/Source {n} > {output}")),
        (1..=4_usize).prop_map(|n| format!("Modbus Slave 1/Source {n} > -")),
        prop::sample::select(vec!["Feeder", "Load"]).prop_map(|label| format!("Integrator 2: {label}")),
        Just("Integrator 2/Energy = kVARh Q1".to_owned()),
        Just("+Modbus Slave 2".to_owned()),
        Just("+Integrator 3".to_owned()),
        Just("-Integrator 1".to_owned()),
        Just("-Integrator 2".to_owned()),
        Just("-Data Recorder 1".to_owned()),
        Just("-Modbus Slave 1".to_owned()),
    ];
    prop::collection::vec(edit, 0..7).prop_map(|edits| {
        let mut template = template(BASE);
        for edit in edits {
            // An edit that doesn't fit what the others have left is left out.
            let before = template.clone();
            let fits = apply(&mut template, &edit) && template.check().is_ok() && Framework::build(&template).is_ok();
            if !fits {
                template = before;
            }
        }
        template
    })
}

fn apply(template: &mut Template, edit: &str) -> bool {
    if let Some(module) = edit.strip_prefix('-') {
        return template.modules.remove(&module.parse().unwrap()).is_some();
    }
    if let Some(module) = edit.strip_prefix('+') {
        template.modules.entry(module.parse().unwrap()).or_default();
        template.complete();
        return true;
    }
    if let Some((register, value)) = edit.split_once(" = ") {
        let value = value.parse().map_or_else(|_| Value::Text(value.to_owned()), Value::Number);
        return template.set(&register.parse().unwrap(), &value).is_ok();
    }
    let (module, of) = edit.split_once(['/', ':']).unwrap();
    let Some(setup) = template.modules.get_mut(&module.parse().unwrap()) else { return false };
    match of.split_once(" > ") {
        Some((input, "-")) => drop(setup.inputs.remove(input)),
        Some((input, source)) => drop(setup.inputs.insert(input.to_owned(), source.parse().unwrap())),
        None => setup.label = Some(of.trim().to_owned()),
    }
    true
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Mine), Just(Side::Release)]
}

proptest! {
    /// Whoever hasn't changed anything has nothing to say, and who has changed the same has no quarrel.
    #[test]
    fn b4_one_side_alone_gets_its_way((base, other, wins) in (any_edits(), any_edits(), any_side())) {
        for merged in [merge(&base, &base, &other, wins), merge(&base, &other, &base, wins), merge(&base, &other, &other, wins)] {
            prop_assert_eq!(&merged.template, &other);
            prop_assert!(merged.conflicts.is_empty());
        }
    }

    /// Whatever comes of it can stand, and merging once more changes nothing.
    #[test]
    fn b4_a_merge_stands_and_is_done_once((base, mine, theirs, wins) in (any_edits(), any_edits(), any_edits(), any_side())) {
        let once = merge(&base, &mine, &theirs, wins);
        let mut checked = once.template.clone();
        prop_assert_eq!(checked.check(), Ok(()));
        prop_assert_eq!(&checked, &once.template);
        prop_assert!(Framework::build(&checked).is_ok());
        let own = if wins == Side::Mine { (&once.template, &theirs) } else { (&mine, &once.template) };
        prop_assert_eq!(&merge(&base, own.0, own.1, wins).template, &once.template);
    }

    /// Every part is as one of the two sides has it, and is the other's only where it is told.
    #[test]
    fn b4_every_part_is_somebodys((base, mine, theirs, wins) in (any_edits(), any_edits(), any_edits(), any_side())) {
        let Merged { template, conflicts } = merge(&base, &mine, &theirs, wins);
        let [base, mine, theirs, merged] = [&base, &mine, &theirs, &template].map(Template::parts);
        let all: BTreeSet<&Part> = base.keys().chain(mine.keys()).chain(theirs.keys()).chain(merged.keys()).collect();
        for part in all.into_iter().filter(|part| !conflicts.contains_key(part)) {
            let own_module = Part { module: part.module, what: What::Itself };
            if conflicts.contains_key(&own_module) {
                continue;
            }
            let [was, own, new, is] = [&base, &mine, &theirs, &merged].map(|parts| parts.get(part));
            prop_assert_eq!(is, if was == own { new } else { own }, "{}", part);
            prop_assert!(own == new || was == own || was == new, "{} is no conflict", part);
        }
    }
}
