//! The ordinary run of the laboratory.

use power_cut_lab::disk::Sectors;
use power_cut_lab::run::{Plan, run};
use power_cut_lab::scenario::record;

#[test]
fn b26_power_may_fail_at_any_instant() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = record(dir.path());
    let start = std::time::Instant::now();
    let plan = Plan { sectors: if std::env::var_os("LOST").is_some() { Sectors::Lost } else { Sectors::Powersafe }, seed: 1, random: 2, recoveries: std::env::var("REC").map_or(0, |n| n.parse().unwrap()) };
    let (figures, failures) = run(&scenario, plan, &|done, of| { if done % 20 == 0 { println!("{done}/{of} {:?}", start.elapsed()) } });
    println!("{figures:?} in {:?}", start.elapsed());
    for failure in &failures {
        let cuts: Vec<_> = failure.cuts.iter().map(ToString::to_string).collect();
        println!("after \"{}\": {} [{}]", failure.after, failure.what, cuts.join(" / "));
    }
    assert!(failures.is_empty());
}
