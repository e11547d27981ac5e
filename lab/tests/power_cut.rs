//! The ordinary run of the laboratory: every operation of a meter's life, and of the starts after it, is cut.

use power_cut_lab::run::{Failure, Figures, Plan, run, scratch};
use power_cut_lab::scenario::record;

/// What the issue of the tracker asks of an ordinary run.
const LEAST_CUTS: usize = 10_000;

#[test]
fn b26_power_may_fail_at_any_instant_and_inside_a_write() {
    let figures = cut(Plan::ORDINARY);
    assert!(figures.cuts >= LEAST_CUTS && figures.recoveries > 0, "{figures}");
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

/// A list that no longer fits the code would be a laboratory that nobody tests.
#[test]
fn every_known_bad_change_fits_the_code() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = power_cut_lab::mutation::mutations();
    assert!(list.len() >= 12);
    for mutation in list {
        let changed = mutation.changed(&root).unwrap();
        assert_ne!(changed, std::fs::read_to_string(root.join(&mutation.file)).unwrap(), "{}", mutation.name);
    }
}
