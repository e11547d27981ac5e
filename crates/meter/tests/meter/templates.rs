//! Another template with a change of release: in the same commit, as planned, with what recorders hold in the plan.

use firmware::report::Outcome;
use firmware::{Choices, TemplateChoice, TemplateFile};
use meter::{Caller, ChangeSet, Edit, Facing, Gate, Now};
use metrology::{EnergyIncrement, EnergyRegister, Quantities};
use security::{Path, Right, Rights, UserId, Who};

use crate::bench::*;

fn at(seconds: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + seconds * 1000, up_ms: seconds * 1000 }
}

fn second(gate: &Gate, second: i64) {
    let mut micro = [0; EnergyRegister::COUNT];
    micro[EnergyRegister::WhDel as usize] = 1_000_000_000;
    gate.tick(at(second), Some(&Quantities::default()), &EnergyIncrement::from_micro(micro)).unwrap();
}

/// A legacy meter whose Revenue Log has a record every ten seconds.
fn meter(dir: &std::path::Path) -> Gate {
    let gate = open(dir, Some("4.0.9"));
    set(&gate, "Periodic Timer 1/Period", "10");
    second(&gate, 0);
    gate
}

/// The meter's own template as a file, with these words in place of others.
fn file(gate: &Gate, changes: &[(&str, &str)]) -> Choices {
    let dcf = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::No).unwrap();
    let mut text = dcf.to_text();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let file = TemplateFile::parse(text.as_bytes()).unwrap();
    Choices { template: TemplateChoice::File(Box::new(file)), ..Choices::default() }
}

fn epochs(gate: &Gate) -> Vec<(u32, bool)> {
    let recorder = gate.view().recorders.iter().find(|recorder| recorder.module == 1).unwrap().clone();
    recorder.epochs.iter().map(|epoch| (epoch.number, epoch.closed_utc_ms.is_none())).collect()
}

fn value(gate: &Gate, register: &str) -> String {
    gate.view().settings.template.get(&register.parse().unwrap()).unwrap().to_string()
}

#[test]
fn b4_b25_a_file_comes_with_the_change_and_what_it_erases_is_planned_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path());
    for round in 0..8_i64 {
        (round * 10 + 1..=round * 10 + 10).for_each(|n| second(&gate, n));
        set(&gate, "Data Recorder 1/Depth", &(100 + round).to_string());
    }
    let choices = file(&gate, &[("Depth = 107", "Depth = 50"), ("\"CT Prim\" = 5\n", "\"CT Prim\" = 800\n")]);
    let wish = request(&gate, "4.40.1", choices);
    let before = gate.plan(NOW, &Caller::meter(), &wish).unwrap();
    assert!(!before.consequences.iter().any(|line| line.after == "erased"), "eight closed epochs are kept");
    // One more record, and closing its epoch makes nine.
    (81..=90).for_each(|n| second(&gate, n));
    let oldest = epochs(&gate)[0].0;
    let refused = gate.accept(NOW, &Caller::meter(), wish.clone(), &before.digest).err().unwrap();
    assert!(matches!(refused, meter::GateError::PlanChanged(_)), "what would be erased is another plan: {refused}");
    let plan = gate.plan(NOW, &Caller::meter(), &wish).unwrap();
    let line = plan.consequences.iter().find(|line| line.after == "erased").unwrap();
    assert_eq!(line.subject, format!("Data Recorder 1 epoch {oldest}"));
    assert!(line.text.starts_with(&format!("Records 1 to 1 of epoch {oldest}")), "{}", line.text);
    let all = epochs(&gate);

    let from = gate.next_event().unwrap();
    let (ticket, made) = accept(&gate, wish, &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    let report = gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert_eq!((report.outcome, report.as_planned), (Outcome::Confirmed, true), "{report:#?}");
    assert_eq!(
        (value(&gate, "Power Meter 1/CT Prim"), value(&gate, "Data Recorder 1/Depth")),
        ("800".into(), "50".into())
    );
    let expected: Vec<_> = all[1..].iter().map(|(number, _)| (*number, false)).collect();
    let now = epochs(&gate);
    assert_eq!(now[..8], expected, "all others are closed and there");
    assert!(now[8].1 && now.len() == 9);
    let told: Vec<_> = gate.events(&Caller::meter(), from, 1000).unwrap();
    let told: Vec<_> = told.iter().map(|event| format!("{} {}", event.cause, event.effect)).collect();
    for line in ["Power Meter 1/CT Prim = 5 800", "Data Recorder 1/Depth = 107 50"] {
        assert!(told.contains(&line.to_owned()), "{line}: {told:#?}");
    }
    assert!(told.iter().any(|line| line.contains("is erased")), "{told:#?}");
}

#[test]
fn b4_b25_demand_that_begins_anew_is_planned_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path());
    (1..=1000).for_each(|n| second(&gate, n));
    let choices = file(&gate, &[("Source = \"Power Meter 1/kW tot\"", "Source = \"Power Meter 1/kVA tot\"")]);
    let plan = gate.plan(NOW, &Caller::meter(), &request(&gate, "4.40.1", choices.clone())).unwrap();
    let anew: Vec<_> =
        plan.consequences.iter().filter(|line| line.after == "begins anew").map(|line| line.subject.as_str()).collect();
    assert_eq!(anew, ["Sliding Window Demand 1", "Maximum 1"]);
    let (ticket, made) = accept(&gate, request(&gate, "4.40.1", choices), &[]);
    gate.commit_change(NOW, &ticket, made).unwrap();
    // With a second in between, and without one, it is as planned.
    second(&gate, 1001);
    let report = gate.end_trial(NOW, &ticket, &as_settings_say(&gate)).unwrap();
    assert!(report.as_planned, "{report:#?}");
}

#[test]
fn b4_b26_the_template_goes_back_with_the_release() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path());
    (1..=10).for_each(|n| second(&gate, n));
    let before = gate.view().settings.clone();
    let choices = file(&gate, &[("\"CT Prim\" = 5\n", "\"CT Prim\" = 800\n"), ("Depth = 3360", "Depth = 50")]);
    let on_trial = |gate: &Gate| {
        let (ticket, made) = accept(gate, request(gate, "4.40.1", choices.clone()), &[]);
        gate.commit_change(NOW, &ticket, made).unwrap();
        assert_eq!(value(gate, "Power Meter 1/CT Prim"), "800");
        ticket
    };
    let ticket = on_trial(&gate);
    let failing = Facing { failures: vec!["no port".to_owned()], ..Facing::default() };
    assert_eq!(gate.end_trial(NOW, &ticket, &failing).unwrap().outcome, Outcome::TakenBack);
    assert_eq!(gate.view().settings, before);
    on_trial(&gate);
    drop(gate);
    let gate = open_at(dir.path(), None, at(20));
    assert_eq!((&gate.view().settings, gate.view().release().release.as_str()), (&before, "4.0.9"));
    // What was recorded is there, and recording goes on.
    let first = epochs(&gate)[0].0;
    assert_eq!(gate.interval_records(&Caller::meter(), 1, Some(first), 0, 10).unwrap().len(), 1);
    assert!(epochs(&gate).last().unwrap().1, "{:?}", epochs(&gate));
}

#[test]
fn b31_another_template_takes_full_meter_config_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let gate = meter(dir.path());
    let user = UserId::new(3).unwrap();
    set_password(&gate, "USER1", "k1#pQz");
    set_password(&gate, "USER3", "m3$wTr");
    edit(&gate, vec![Edit::Active(user, true)]).unwrap();
    set(&gate, "Mode", "advanced");
    // A security file can give Security Config alone.
    let mut settings = gate.view().settings.to_dcf(gate.view().release(), firmware::WithSecurity::Yes);
    let mut section = settings.security.take().unwrap();
    section.users.get_mut(&user).unwrap().rights = vec![Right::Read, Right::SecurityConfig];
    let change = ChangeSet { edits: vec![Edit::Security(Box::new(section))], force: false };
    gate.apply(NOW, &Caller::meter(), change).unwrap();
    let rights = gate.view().settings.user(user).rights;
    assert_eq!(rights, Rights::NONE.with(Right::Read).with(Right::SecurityConfig));
    let caller = Caller::on(Path::Setup, Who::User(user), "127.0.0.1:1".parse().unwrap());
    gate.plan(NOW, &caller, &request(&gate, "4.40.1", Choices::default())).unwrap();
    for template in [TemplateChoice::Release(framework::merge::Side::Mine), file(&gate, &[]).template] {
        let wish = request(&gate, "4.40.1", Choices { template, ..Choices::default() });
        let refused = gate.plan(NOW, &caller, &wish).unwrap_err();
        assert!(matches!(refused, meter::GateError::Refused(_)), "{refused}");
    }
}

#[test]
fn b26_what_a_trial_of_another_template_would_forget_is_there_again_when_it_is_taken_back() {
    for cut in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let gate = meter(dir.path());
        for round in 0..8_i64 {
            (round * 10 + 1..=round * 10 + 10).for_each(|n| second(&gate, n));
            set(&gate, "Data Recorder 1/Depth", &(100 + round).to_string());
        }
        (81..=1000).for_each(|n| second(&gate, n));
        let (all, maxima) = (epochs(&gate), gate.view().demand().maxima);
        assert!(all.len() == 9 && maxima.iter().any(|maximum| maximum.value.is_some()), "{all:?} {maxima:?}");
        let choices = file(
            &gate,
            &[
                ("Depth = 107", "Depth = 50"),
                ("Source = \"Power Meter 1/kW tot\"", "Source = \"Power Meter 1/kVA tot\""),
            ],
        );
        let (ticket, made) = accept(&gate, request(&gate, "4.40.1", choices), &[]);
        gate.commit_change(NOW, &ticket, made).unwrap();
        (1001..=1022).for_each(|n| second(&gate, n));
        let gate = if cut {
            drop((gate, ticket));
            open_at(dir.path(), None, at(1023))
        } else {
            let failed = Facing { failures: vec!["the web server does not answer".to_owned()], ..Facing::default() };
            let report = gate.end_trial(at(1022), &ticket, &failed).unwrap();
            assert_eq!(report.outcome, Outcome::TakenBack);
            // Stored with going back, not with the next second.
            drop((gate, ticket));
            open_at(dir.path(), None, at(1023))
        };
        assert_eq!(gate.view().release().release.to_string(), "4.0.9");
        assert_eq!(epochs(&gate), all, "cut: {cut}");
        second(&gate, 1023);
        let found = gate.view().demand().maxima;
        assert_eq!(found, maxima, "cut: {cut}");
    }
}
