//! The ordinary run of the laboratory: every operation of a meter's life, and of the starts after it, is cut.

use power_cut_lab::cut::Cut;
use power_cut_lab::oracle::Found;
use power_cut_lab::run::{Failure, Figures, Plan, replay, run, scratch};
use power_cut_lab::scenario::{Scenario, record};

/// What the issue of the tracker asks of an ordinary run.
const LEAST_CUTS: usize = 10_000;
/// Kinds of work that starts find left: of a first start, of a release on trial, of an erasure, of another device key, of
/// files that came in half.
const LEAST_STARTS: usize = 40;

#[test]
fn b26_power_may_fail_at_any_instant_and_inside_a_write() {
    let figures = cut(Plan::ORDINARY);
    assert!(figures.cuts >= LEAST_CUTS && figures.recoveries >= LEAST_STARTS, "{figures}");
}

/// What is printed of a failure makes it again, on another recording too, and only there where it is.
#[test]
fn a_failure_is_made_again_by_what_it_prints() {
    let dir = scratch();
    let recorded = |name: &str| {
        let state = dir.path().join(name);
        std::fs::create_dir(&state).unwrap();
        record(&state).unwrap_or_else(|failure| panic!("{failure}"))
    };
    let (mut planted, other) = (recorded("planted"), recorded("other"));
    let kinds = |scenario: &Scenario| scenario.trace.ops.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    assert_eq!(kinds(&planted), kinds(&other), "one meter's life is as the other's");
    // From the first meter on, the laboratory is told to find what isn't there.
    for milestone in &mut planted.milestones {
        if let Found::Meter(kept) = &mut milestone.found {
            kept.things.insert("what isn't there".to_owned(), String::new());
        }
    }
    let (_, failures) = run(&planted, Plan::SMALL, &|_| {});
    let failure = failures.first().expect("it is found");
    let printed = failure.to_string();
    let cuts = printed.split('\'').rev().nth(1).unwrap();
    let cuts: Vec<Cut> = cuts.split(" / ").map(|cut| cut.parse().unwrap()).collect();
    let again = |scenario, name: &str| {
        let state = dir.path().join(name);
        std::fs::create_dir(&state).unwrap();
        replay(scenario, &cuts, &state)
    };
    assert_eq!(again(&planted, "again").unwrap_err(), failure.what);
    assert_eq!(again(&other, "whole"), Ok(()));
}

/// What scripts/mutations runs for each known-bad change.
#[test]
#[ignore = "a part of the ordinary run"]
fn every_operation_is_cut_in_a_few_places() {
    cut(Plan::SMALL);
}

fn cut(plan: Plan) -> Figures {
    let dir = scratch();
    let scenario = record(dir.path()).unwrap_or_else(|failure| panic!("{failure}"));
    let (figures, failures) = run(&scenario, plan, &|_| {});
    println!("{figures}");
    let told: Vec<_> = failures.iter().map(Failure::to_string).collect();
    assert!(failures.is_empty(), "{}", told.join("\n"));
    figures
}

/// A list that no longer fits the code would be a laboratory that nobody tests; the page tells of each.
#[test]
fn every_known_bad_change_fits_the_code() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = power_cut_lab::mutation::mutations();
    assert!(list.len() >= 12);
    let page = std::fs::read_to_string(root.join("docs/power-cuts.md")).unwrap();
    let caught: Vec<_> = page.lines().filter_map(|row| row.strip_prefix("| ")?.split_once(" | caught | ")).collect();
    assert!(caught.iter().map(|(name, _)| *name).eq(list.iter().map(|mutation| &mutation.name)), "{caught:#?}");
    for mutation in list {
        let changed = mutation.changed(&root).unwrap();
        assert_ne!(changed, std::fs::read_to_string(root.join(&mutation.file)).unwrap(), "{}", mutation.name);
    }
}
