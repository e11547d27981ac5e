//! Whatever is wrong gets one clear sentence and its exit status, and the meter goes on as before.

use std::path::{Path, PathBuf};

use system_tests::{Meter, Said, run, secret_file, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));

/// A bundle of 4.40.1 and the path of its package.
fn bundle(home: &Path, sign: Option<&Path>) -> (PathBuf, PathBuf) {
    let out = home.join(if sign.is_some() { "signed" } else { "bundle" });
    let mut build = wattkeep(home);
    build.args(["release", "build", "4.40.1", "--out"]).arg(&out);
    if let Some(key) = sign {
        build.arg("--sign").arg(key);
    }
    run(&mut build).ok();
    let package = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "upg"))
        .unwrap();
    (out, package)
}

/// One sentence on standard error, nothing on standard output, and the exit status.
#[track_caller]
fn refused(said: &Said, status: i32, words: &str) {
    assert_eq!(said.status, status, "{said:#?}");
    assert!(said.err.contains(words), "no \"{words}\" in {said:#?}");
    assert!(!said.err.contains("panicked") && !said.err.contains("RUST_BACKTRACE"), "{said:#?}");
}

struct Before {
    release: serde_json::Value,
    template: String,
    energy: f64,
}

fn look(meter: &Meter) -> Before {
    let template = meter.home.join("look.dcf");
    let _ = std::fs::remove_file(&template);
    meter.setup(FACTORY, &["save", template.to_str().unwrap()]).ok();
    let energy = meter.setup(None, &["read", "kWh del", "--json"]).ok().json()["kWh del"]["value"].as_f64().unwrap();
    Before {
        release: meter.info(None)["release"].clone(),
        template: std::fs::read_to_string(template).unwrap(),
        energy,
    }
}

#[track_caller]
fn goes_on(meter: &Meter, before: &Before) {
    let now = look(meter);
    assert_eq!((&now.release, &now.template), (&before.release, &before.template));
    assert!(now.energy >= before.energy);
}

fn upgrade(meter: &Meter, to: &Path, more: &[&str]) -> Said {
    let mut args = vec!["upgrade", "--to", to.to_str().unwrap(), "--yes"];
    args.extend(more);
    meter.setup(FACTORY, &args)
}

#[test]
fn b2_b27_wrong_packages_are_stopped_before_anything_is_sent_and_by_the_meter_itself() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let before = look(&meter);
    let (folder, package) = bundle(dir.path(), None);
    let good = std::fs::read(&package).unwrap();
    for at in [0, 8, 30, good.len() / 2, good.len() - 1] {
        let mut altered = good.clone();
        altered[at] ^= 0x20;
        std::fs::write(&package, &altered).unwrap();
        // B2: the hash list stops it here …
        refused(&upgrade(&meter, &folder, &[]), 3, "not what was published");
        // … and B27: whatever Setup does, the meter does.
        refused(&upgrade(&meter, &package, &["--no-hash-list"]), 3, "");
    }
    std::fs::write(&package, &good[..good.len() - 100]).unwrap();
    refused(&upgrade(&meter, &package, &["--no-hash-list"]), 3, "100");
    std::fs::write(&package, &good).unwrap();

    let alone = dir.path().join("alone.upg");
    std::fs::write(&alone, &good).unwrap();
    refused(&upgrade(&meter, &alone, &[]), 3, "--no-hash-list");
    let other_list = dir.path().join("other.txt");
    std::fs::write(&other_list, format!("{}  another.upg\n", "0".repeat(64))).unwrap();
    refused(&upgrade(&meter, &alone, &["--hashes", other_list.to_str().unwrap()]), 3, "list");
    goes_on(&meter, &before);

    // Whole and listed, it goes.
    upgrade(&meter, &folder, &[]).ok();
    assert_eq!(meter.info(None)["release"], "4.40.1");
}

#[test]
fn b27_a_stranger_is_refused_until_the_meter_trusts_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let before = look(&meter);
    let key = dir.path().join("stranger");
    run(wattkeep(dir.path()).args(["release", "keygen", "--out"]).arg(&key)).ok();
    let (folder, _) = bundle(dir.path(), Some(&key.with_extension("key")));
    refused(&upgrade(&meter, &folder, &[]), 3, "key");
    goes_on(&meter, &before);
    let public = key.with_extension("pub");
    meter.setup(FACTORY, &["security", "trust", "add", public.to_str().unwrap()]).ok();
    upgrade(&meter, &folder, &[]).ok();
    assert_eq!(meter.info(None)["release"], "4.40.1");
}

#[test]
fn b27_a_package_for_another_product_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let before = look(&meter);
    // Whole, and signed by a key that the meter trusts; only the product is another.
    let key = dir.path().join("maker");
    run(wattkeep(dir.path()).args(["release", "keygen", "--out"]).arg(&key)).ok();
    let secret = std::fs::read_to_string(key.with_extension("key")).unwrap();
    meter.setup(FACTORY, &["security", "trust", "add", key.with_extension("pub").to_str().unwrap()]).ok();
    let sources = firmware::release::SHIPPED[1];
    let parts = firmware::package::PackageParts {
        target: firmware::package::Target { product: "9510", ..firmware::package::Target::METER },
        release: &"4.40.1".parse().unwrap(),
        release_toml: sources.release_toml,
        template_dcf: sources.template_dcf,
        notes_md: sources.notes_md,
    };
    let signing = firmware::package::SigningKey::parse(&secret).unwrap();
    let package = dir.path().join("other.upg");
    std::fs::write(&package, firmware::package::build_package(&parts, Some(&signing)).unwrap()).unwrap();
    refused(&upgrade(&meter, &package, &["--no-hash-list"]), 3, "9510");
    goes_on(&meter, &before);
}

#[test]
fn a_wrong_template_a_wrong_value_and_a_wrong_password_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let before = look(&meter);
    let load = |name: &str, text: &str| {
        let file = secret_file(dir.path(), name, text);
        meter.setup(FACTORY, &["load", &file])
    };
    refused(&load("a.dcf", "format = 1\nmodel = \"9510\"\nrelease = \"1.0.0\"\n[modules]\n"), 1, "9510");
    refused(&load("b.dcf", "\u{0}\u{1}"), 1, "template");
    refused(
        &load("c.dcf", &before.template.replace("Power Meter 1/kW tot", "Power Meter 1/kW total")),
        1,
        "doesn't exist",
    );
    refused(&load("d.dcf", &before.template.replace("BaseAddr = 40011", "BaseAddr = 7")), 1, "BaseAddr");
    refused(&meter.setup(FACTORY, &["set", "CT Prim", "many"]), 1, "CT Prim takes a whole number");
    refused(&meter.setup(FACTORY, &["set", "CT Perm", "5"]), 1, "there is no register");
    refused(&meter.setup(None, &["set", "CT Prim", "50"]), 4, "password");
    refused(&meter.setup(Some(("8650", "1")), &["set", "CT Prim", "50"]), 4, "wrong");
    refused(&meter.setup(Some(("root", "0")), &["set", "CT Prim", "50"]), 2, "USER1 to USER16");
    goes_on(&meter, &before);
}

#[test]
fn a_taken_port_is_refused_at_the_start_and_later() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = Meter::try_start(dir.path(), &["--ports", &format!("auto,modbus={port}")]).err().unwrap();
    refused(&said, 1, &format!("port {port} is taken"));
    let other = tempfile::tempdir().unwrap();
    let meter = Meter::start(other.path(), &["--ports", "auto"]);
    let before = look(&meter);
    refused(&meter.setup(FACTORY, &["set", "Modbus Port", &port]), 1, &format!("port {port} is taken"));
    goes_on(&meter, &before);
}

#[test]
fn b30_a_changed_certificate_is_refused_in_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    meter.info(None);
    let ports = format!("setup={}", meter.ports["setup"]);
    meter.kill();
    // Another meter in its place.
    std::fs::rename(dir.path().join("state"), dir.path().join("old")).unwrap();
    let meter = Meter::start(dir.path(), &["--ports", &format!("auto,{ports}")]);
    let said = meter.setup(None, &["info"]);
    refused(&said, 3, "forget");
    run(&mut meter.setup_command(None, &["forget"])).ok();
    meter.info(None);
}

#[test]
fn nobody_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = run(wattkeep(dir.path()).args(["setup", &free.to_string(), "info"]));
    refused(&said, 5, &free.to_string());
}
