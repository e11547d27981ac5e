//! Templates chosen with a change of release: 4.0.9's, an owner's and 4.36.2's, all three different.

use framework::{Dcf, Value};
use proptest::prelude::*;
use security::CredentialKind;

use super::*;
use crate::digest::Sha256Digest;
use crate::migrate::{EpochHolds, RecorderHolds};
use crate::plan::{PlanError, Planned, plan_between};
use crate::release::{Release, SHIPPED};
use crate::report::{Facts, compare};
use crate::shipped::Carried;
use crate::template::TemplateFile;
use crate::{Choices, RecorderFound, RecorderNow};

fn carried(release: &str, template: &str) -> Carried {
    Carried {
        release: Release::parse(release).unwrap(),
        template: Dcf::parse(template.as_bytes()).unwrap(),
        package: Sha256Digest::of(release.as_bytes()),
    }
}

fn old() -> Carried {
    carried(SHIPPED[0].release_toml, SHIPPED[0].template_dcf)
}

fn other() -> Carried {
    carried(
        include_str!("../../../../../tests/releases/4.36.2/release.toml"),
        include_str!("../../../../../tests/releases/4.36.2/template.dcf"),
    )
}

fn factory() -> Settings {
    let old = old();
    Settings::factory(&old.release, &old.template)
}

/// A meter whose owner has set its ratios, named a register, and uses an energy that the new release does without.
fn owned() -> Settings {
    let mut settings = factory();
    for (register, value) in [("CT Prim", 600.0), ("Nom Volts", 480.0)] {
        settings.template.set(&format!("Power Meter 1/{register}").parse().unwrap(), &Value::Number(value)).unwrap();
    }
    let module = |settings: &mut Settings, name: &str| {
        std::mem::take(settings.template.modules.entry(name.parse().unwrap()).or_default())
    };
    let mut meter = module(&mut settings, "Power Meter 1");
    meter.labels.insert("kW tot".to_owned(), "Feeder 7".to_owned());
    settings.template.modules.insert("Power Meter 1".parse().unwrap(), meter);
    let mut slave = module(&mut settings, "Modbus Slave 8");
    slave.inputs.insert("Source 6".to_owned(), "Integrator 13/kVARh Q4".parse().unwrap());
    settings.template.modules.insert("Modbus Slave 8".parse().unwrap(), slave);
    settings
}

fn planned(settings: &Settings, template: TemplateChoice) -> Planned {
    let choices = Choices { template, ..Choices::default() };
    plan_between(settings, &old(), &other(), choices, Vec::new()).unwrap()
}

fn file(text: &str) -> TemplateChoice {
    let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.36.2\"\n";
    TemplateChoice::File(Box::new(TemplateFile::parse(format!("{head}{text}").as_bytes()).unwrap()))
}

/// Every line about template and records that is news: subject, before → after, how much it matters.
fn news(planned: &Planned) -> Vec<String> {
    let lines = planned.plan.consequences.iter();
    lines
        .filter(|line| matches!(line.kind, Kind::Template | Kind::Log) || line.subject == "PT/CT")
        .filter(|line| line.changes() || line.severity > Severity::Info)
        .map(|line| format!("{} {}: {} → {}", line.severity, line.subject, line.before, line.after))
        .collect()
}

#[test]
fn b4_kept_means_that_nothing_of_the_template_is_news() {
    let planned = planned(&owned(), TemplateChoice::Keep);
    assert_eq!(news(&planned), [""; 0]);
    assert_eq!(parts(&planned.migration.settings), parts(&owned()));
}

#[test]
fn b4_a_release_merges_its_template_and_each_part_has_a_line() {
    let planned = planned(&owned(), TemplateChoice::Release(Side::Mine));
    assert_eq!(
        news(&planned),
        [
            "warning Sliding Window Demand 3: goes on → begins anew",
            "warning Data Recorder 1: recording → a new epoch",
            "info Sliding Window Demand 1/SWinDemand label: kW sd → kW demand",
            "warning Sliding Window Demand 3/Sub Intvl: 900 → 300",
            "warning module Maximum 4: - → added",
            "warning Maximum 4/Source link: - → Power Meter 1/I avg",
            "info Maximum 4/Maximum label: - → I avg mx",
            "info Maximum 4/Maximum Time label: - → I avg mx time",
            "warning Data Recorder 1/Depth: 3360 → 7000",
            "info Modbus Slave 5/BaseAddr: 40150 → 40300",
            "warning Power Meter 1/Nom Volts: 480 → 480",
            "warning module Integrator 13: there → there",
            "warning Modbus 40150–40165: I a, I b, I c and 6 more, U16 ×10 → -",
            "info Modbus 40300–40315: - → I a, I b, I c and 6 more, U16 ×10",
        ]
    );
    let text = |subject: &str| {
        let lines = &planned.plan.consequences;
        lines.iter().find(|line| line.subject == subject && line.clause == "B4").unwrap().text.as_str()
    };
    assert_eq!(
        text("Power Meter 1/Nom Volts"),
        "Conflict: 4.0.9 came with 0, the meter has 480, 4.36.2 comes with 277; the meter's own stays."
    );
    assert_eq!(
        text("Data Recorder 1"),
        "Data Recorder 1 (Revenue Log): a new epoch begins; the records so far stay readable."
    );
    assert!(text("Modbus 40150–40165").contains("would find nothing in them"), "{}", text("Modbus 40150–40165"));
    // What the owner has set and what bills by it is as it was.
    let get = |name: &str| planned.migration.settings.template.get(&name.parse().unwrap()).cloned();
    assert_eq!(get("Power Meter 1/CT Prim"), Some(Value::Number(600.0)));
    let meter = &planned.migration.settings.template.modules[&"Power Meter 1".parse().unwrap()];
    assert_eq!(meter.labels["kW tot"], "Feeder 7");
}

#[test]
fn b4_conflicts_can_be_decided_for_the_release() {
    let planned = planned(&owned(), TemplateChoice::Release(Side::Release));
    let news = news(&planned);
    for line in [
        "warning Power Meter 1/Nom Volts: 480 → 277",
        "warning module Integrator 13: there → removed",
        "warning Modbus Slave 8/Source 6 link: Integrator 13/kVARh Q4 → -",
        "warning Modbus 40240–40241: kVARh Q4, S32 ×1 → -",
    ] {
        assert!(news.contains(&line.to_owned()), "{line}: {news:#?}");
    }
}

#[test]
fn b4_a_file_takes_the_templates_place_and_what_it_leaves_out_goes_with_a_line() {
    let text = old().template.to_text();
    let body = &text[text.find("[modules").unwrap()..];
    let same = planned(&factory(), file(body));
    assert_eq!(news(&same), [""; 0]);
    let ratio = planned(&factory(), file(&body.replace("\"CT Prim\" = 5\n", "\"CT Prim\" = 800\n")));
    assert_eq!(
        news(&ratio),
        ["warning PT/CT: PT 120:120, CT 5:5 → PT 120:120, CT 800:5", "warning Power Meter 1/CT Prim: 5 → 800"]
    );
    let bare = planned(&owned(), file("[modules.\"Power Meter 1\"]\nsetup = { \"CT Prim\" = 600 }\n"));
    let news = news(&bare);
    for line in [
        "warning Data Recorder 1: recording → off",
        "warning Demand Reset 1: goes on → gone",
        "warning module Data Recorder 1: there → removed",
        "info Power Meter 1/kW tot label: Feeder 7 → -",
    ] {
        assert!(news.contains(&line.to_owned()), "{line}: {news:#?}");
    }
    assert!(!news.iter().any(|line| line.contains("PT/CT")), "{news:#?}");
    // What security alone may set is the meter's own, though the file left it out.
    assert!(bare.migration.settings.template.modules.keys().any(|module| module.is_security()));
}

#[test]
fn b4_what_would_be_erased_is_a_danger_that_the_digest_names() {
    let planned_with = |recorders: BTreeMap<u8, RecorderHolds>| {
        let choices = Choices { template: TemplateChoice::Release(Side::Mine), recorders, ..Choices::default() };
        plan_between(&factory(), &old(), &other(), choices, Vec::new()).unwrap().plan
    };
    let holds = |records, would_go| [(1, RecorderHolds { records, would_go })].into();
    let (none, some) = (planned_with(holds(0, Vec::new())), planned_with(holds(96, Vec::new())));
    assert_eq!(none.digest, some.digest, "how many records there are is no other plan");
    let line = some.consequences.iter().find(|line| line.subject == "Data Recorder 1").unwrap();
    assert!(line.text.contains("96 records stay readable"), "{}", line.text);
    let erasing = planned_with(holds(96, vec![EpochHolds { epoch: 2, first: 5, last: 10 }]));
    assert_ne!(erasing.digest, some.digest);
    let line = erasing.consequences.iter().find(|line| line.subject == "Data Recorder 1 epoch 2").unwrap();
    assert_eq!((line.severity, line.after.as_str()), (Severity::Danger, "erased"));
    assert!(line.text.starts_with("Records 5 to 10 of epoch 2 of Data Recorder 1 are erased"), "{}", line.text);
    // Where the recorder goes on, nothing has to go.
    let kept =
        Choices { recorders: holds(96, vec![EpochHolds { epoch: 2, first: 5, last: 10 }]), ..Choices::default() };
    let kept = plan_between(&factory(), &old(), &other(), kept, Vec::new()).unwrap().plan;
    assert!(!kept.consequences.iter().any(|line| line.after == "erased"));
}

#[test]
fn b4_a_merge_that_cannot_stand_is_refused_in_a_sentence() {
    let link = |template: &mut framework::Template, from: &str, to: &str| {
        let setup = template.modules.get_mut(&from.parse().unwrap()).unwrap();
        setup.inputs.insert("Integrand".to_owned(), to.parse().unwrap());
    };
    let (mut mine, mut theirs) = (factory(), other());
    link(&mut mine.template, "Integrator 1", "Integrator 2/kWh rec");
    let mut template = theirs.template.template();
    link(&mut template, "Integrator 2", "Integrator 1/kWh del");
    theirs.template.modules = template.modules;
    let choices = Choices { template: TemplateChoice::Release(Side::Mine), ..Choices::default() };
    let refused = plan_between(&mine, &old(), &theirs, choices, Vec::new()).unwrap_err();
    assert!(matches!(refused, PlanError::Template(_)));
    assert!(refused.to_string().contains("lead back to itself") && refused.to_string().contains("--template keep"));
}

#[test]
fn b4_two_modules_that_claim_the_same_registers_are_told() {
    let mut mine = factory();
    let mut own = mine.template.modules[&"Modbus Slave 9".parse().unwrap()].clone();
    own.setup.insert("BaseAddr".to_owned(), Value::Number(40310.0));
    mine.template.modules.insert("Modbus Slave 20".parse().unwrap(), own);
    let news = news(&planned(&mine, TemplateChoice::Release(Side::Mine)));
    assert!(news.contains(&"warning Modbus map: served → not served".to_owned()), "{news:#?}");
}

/// What differs from the plan in a meter that was to become as planned and is as given.
fn differing(
    planned: &Planned,
    before: &Settings,
    after: &Settings,
    recorder: RecorderNow,
    gone: &[u32],
) -> Vec<String> {
    let listening = framework::modules::security_options::Service::ALL
        .into_iter()
        .map(|service| (service, after.service(service) == Some(true)))
        .collect();
    let anew = framework::memory::begin_anew(&before.template, &planned.migration.settings.template);
    let facts = Facts {
        before,
        after,
        release: &other().release,
        keys: &crate::KeyRing::default(),
        listening: &listening,
        energy_kept: true,
        demand: &anew.into_iter().map(|module| (module, false)).collect(),
        recorders: &[(
            "Data Recorder 1".to_owned(),
            RecorderFound { now: recorder, gone: gone.iter().copied().collect() },
        )]
        .into(),
        events_kept: true,
        clock_kept: true,
    };
    let lines = compare(&planned.plan.consequences, &facts);
    lines.into_iter().filter(|line| !line.same).map(|line| format!("{}: {}", line.subject, line.found)).collect()
}

#[test]
fn b25_a_register_link_label_or_recorder_that_is_not_as_planned_is_found() {
    let before = owned();
    let planned = planned(&before, TemplateChoice::Release(Side::Mine));
    let good = planned.migration.settings.clone();
    let found = |after: &Settings| differing(&planned, &before, after, RecorderNow::NewEpoch, &[]);
    assert_eq!(found(&good), [""; 0]);
    for (register, value, found_as) in [
        // One that was to change, one of a conflict, and one that no line is about.
        ("Data Recorder 1/Depth", 3360.0, "Data Recorder 1/Depth: 3360"),
        ("Power Meter 1/Nom Volts", 277.0, "Power Meter 1/Nom Volts: 277"),
        ("Power Meter 1/PT Prim", 277.0, "other parts of the template: changed"),
    ] {
        let mut after = good.clone();
        after.template.set(&register.parse().unwrap(), &Value::Number(value)).unwrap();
        assert!(found(&after).contains(&found_as.to_owned()), "{register}: {:?}", found(&after));
    }
    let mut after = good.clone();
    after.template.modules.get_mut(&"Modbus Slave 5".parse().unwrap()).unwrap().inputs.remove("Source 1");
    assert_eq!(
        found(&after),
        ["Modbus 40300–40315: I b, I c, I 4 and 5 more, U16 ×10", "other parts of the template: changed"]
    );
    after = good.clone();
    after.template.modules.remove(&"Maximum 4".parse().unwrap());
    assert!(found(&after).contains(&"module Maximum 4: -".to_owned()), "{:?}", found(&after));
    assert_eq!(differing(&planned, &before, &good, RecorderNow::GoesOn, &[]), ["Data Recorder 1: kept"]);
    assert_eq!(differing(&planned, &before, &good, RecorderNow::NewEpoch, &[1]), ["Data Recorder 1: changed"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an owner has made of the template and whoever conflicts are decided for: every part that changes has
    /// a line with what it was and what it becomes, the meter that becomes so is as planned, and so is no other.
    #[test]
    fn b25_no_part_changes_without_a_line(
        ratios in prop::collection::vec(1_u32..999, 4),
        unlinked in prop::collection::vec((1_u8..=10, 1_u8..=16), 0..6),
        removed in prop::collection::vec(10_u8..=15, 0..3),
        side in prop_oneof![Just(Side::Mine), Just(Side::Release)],
    ) {
        let mut before = factory();
        for (register, value) in ["PT Prim", "CT Prim", "CT Sec", "Nom Volts"].into_iter().zip(&ratios) {
            let name = format!("Power Meter 1/{register}").parse().unwrap();
            before.template.set(&name, &Value::Number(f64::from(*value))).unwrap();
        }
        for (slave, source) in unlinked {
            let slave = format!("Modbus Slave {slave}").parse().unwrap();
            before.template.modules.get_mut(&slave).unwrap().inputs.remove(&format!("Source {source}"));
        }
        for integrator in removed {
            let without = {
                let mut without = before.clone();
                without.template.modules.remove(&format!("Integrator {integrator}").parse().unwrap());
                without
            };
            if framework::Framework::build(&without.template).is_ok() {
                before = without;
            }
        }
        let planned = planned(&before, TemplateChoice::Release(side));
        let after = &planned.migration.settings;
        let (was, is) = (parts(&before), parts(after));
        for (part, old, new) in differences(&was, &is) {
            let name = part.to_string();
            let line = planned.plan.consequences.iter().find(|line| line.subject == name);
            let words = line.map(|line| (line.before.clone(), line.after.clone()));
            prop_assert_eq!(words, Some((word(old), fate(part, old, new))), "{}", name);
        }
        prop_assert_eq!(differing(&planned, &before, after, RecorderNow::NewEpoch, &[]), Vec::<String>::new());
        prop_assert!(AccountKinds::of(&before) == AccountKinds::of(after), "a template is no security setup");
    }
}

/// Mode and credentials, which no template touches.
#[derive(PartialEq)]
struct AccountKinds(security::Mode, BTreeMap<security::AccountId, CredentialKind>);

impl AccountKinds {
    fn of(settings: &Settings) -> Self {
        Self(settings.mode(), settings.credentials.clone())
    }
}
