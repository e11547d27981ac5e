//! One package to several meters at once, with the real binary: each has its row, and the worst is the exit status.

use std::path::Path;

use serde_json::Value;
use system_tests::{Meter, Said, run, wattkeep};

/// A `setup` command to several meters, with the factory's login.
fn setup(home: &Path, meters: &str, args: &[&str]) -> Said {
    run(wattkeep(home).args(["setup", meters]).args(args).env("WATTKEEP_PASSWORD", "0"))
}

fn row(said: &Said, at: usize) -> (String, String, i64) {
    let row = &said.json()["meters"][at];
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("meter"), text("result"), row["status"].as_i64().unwrap())
}

#[test]
fn b2_one_package_goes_to_several_meters_and_a_dead_one_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other, dead] = ["one", "other", "dead"].map(|name| {
        let home = dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        Meter::start(&home, &["--release", "4.40.1", "--ports", "auto"])
    });
    let all = [&one, &other, &dead].map(Meter::address);
    dead.kill();
    let named = all.join(",");

    for result in ["staged", "was there already"] {
        let said = setup(dir.path(), &named, &["stage", "--to", "4.0.9", "--json"]);
        assert_eq!(said.status, 5, "the worst is that of the one that nobody reaches: {said:#?}");
        assert_eq!(said.json()["meters"].as_array().unwrap().len(), all.len());
        for (at, meter) in all.iter().enumerate().take(2) {
            assert_eq!(row(&said, at), (meter.clone(), result.to_owned(), 0), "{said:#?}");
            assert_eq!(said.json()["meters"][at]["release"], "4.0.9");
        }
        let (meter, why, status) = row(&said, 2);
        assert_eq!((meter, status), (all[2].clone(), 5), "{said:#?}");
        assert!(why.contains(&all[2]), "{why}");
        assert_eq!(said.json()["meters"][2]["release"], Value::Null);
    }
    for meter in [&one, &other] {
        let packages = meter.setup(Some(("8650", "0")), &["packages", "--json"]).ok().json();
        assert_eq!(packages["packages"].as_array().unwrap().len(), 1, "{packages:#}");
        assert_eq!(meter.info(None)["release"], "4.40.1", "staging changes nothing");
    }
    let said = setup(dir.path(), &all[..2].join(","), &["stage", "--to", "4.0.9"]).ok();
    assert_eq!(said.out.matches("was there already").count(), 2, "{said:#?}");
}

#[test]
fn what_is_for_one_meter_takes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["info"][..],
        &["plan", "--to", "4.40.1"],
        &["upgrade", "--to", "4.40.1", "--yes"],
        &["packages"],
        &["load", "nowhere.dcf"],
        &["forget"],
    ] {
        let said = setup(dir.path(), "127.0.0.1:1,127.0.0.1:2", args);
        assert!(said.status == 2 && said.err.contains("only `stage` takes several"), "{args:?}: {said:#?}");
    }
}
