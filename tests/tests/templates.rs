//! Templates with a change of release (B4), on meters that run as processes: kept, merged with the release's, or from a
//! file; and what is no template changes nothing. The release exists only as data, and its template is its own.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::{Meter, run, wattkeep};

const LOGIN: Option<(&str, &str)> = Some(("8650", "0"));

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("releases/4.36.2")
}

/// The bundle of the release, signed with a key of its own: its folder and the key to trust.
fn bundle(home: &Path) -> (String, String) {
    let name = home.join("north");
    run(wattkeep(home).args(["release", "keygen", "--comment", "Utility North", "--out"]).arg(&name)).ok();
    let out = home.join("8650_V4.36.2");
    let mut build = wattkeep(home);
    build.args(["release", "build"]).arg(sources()).arg("--out").arg(&out);
    run(build.arg("--sign").arg(name.with_extension("key"))).ok();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    (text(&out), text(&name.with_extension("pub")))
}

/// A 4.0.9 meter whose owner has set its ratios.
fn owned(home: &Path, key: &str) -> Meter {
    let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto", "--trust", key]);
    meter.setup(LOGIN, &["set", "CT Prim", "600", "Nom Volts", "480"]).ok();
    meter
}

/// Upgrades as planned, and gives the plan with its report.
fn upgraded(meter: &Meter, bundle: &str, template: &[&str]) -> Value {
    let with = |args: &[&'static str]| -> Vec<String> {
        args.iter()
            .copied()
            .chain(["--to", bundle, "--json"])
            .chain(template.iter().copied())
            .map(str::to_owned)
            .collect()
    };
    let ask = |args: Vec<String>| meter.setup(LOGIN, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = ask(with(&["plan"])).ok().json();
    let mut accept = with(&["upgrade"]);
    accept.extend(["--accept".to_owned(), plan["digest"].as_str().unwrap().to_owned()]);
    let done = ask(accept).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    assert_eq!(done["consequences"], plan["consequences"]);
    done
}

fn line(done: &Value, subject: &str) -> Option<(String, String, String)> {
    let lines = done["consequences"].as_array().unwrap();
    let line = lines.iter().find(|line| line["subject"] == subject)?;
    let word = |key: &str| line[key].as_str().unwrap().to_owned();
    Some((word("before"), word("after"), word("severity")))
}

fn words(before: &str, after: &str, severity: &str) -> Option<(String, String, String)> {
    Some((before.to_owned(), after.to_owned(), severity.to_owned()))
}

fn register(meter: &Meter, name: &str) -> Value {
    meter.setup(LOGIN, &["read", name, "--json"]).ok().json()[name]["value"].clone()
}

/// Whether the meter shows a value at a Modbus register, as a program that polls it sees it.
fn polled(meter: &Meter, register: u16) -> bool {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", meter.port(LOGIN, "modbus"))).unwrap();
    let [high, low] = (register - 40_001).to_be_bytes();
    stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, high, low, 0, 1]).unwrap();
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).unwrap();
    answer[9..] != [0xFF, 0xFF]
}

#[test]
fn b4_kept_the_template_is_the_meters_own() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, key) = bundle(dir.path());
    let meter = owned(dir.path(), &key);
    let done = upgraded(&meter, &bundle, &[]);
    assert_eq!(line(&done, "template"), words("kept", "kept", "info"));
    assert_eq!(line(&done, "Data Recorder 1"), words("kept", "kept", "info"));
    assert_eq!((register(&meter, "CT Prim"), register(&meter, "Nom Volts")), (600.into(), 480.into()));
    assert_eq!(register(&meter, "Data Recorder 1/Depth"), 3360);
    assert!(polled(&meter, 40_150) && !polled(&meter, 40_300));
    assert_eq!(meter.stop(), 0);
}

#[test]
fn b4_the_releases_template_is_merged_and_a_recorder_begins_a_new_epoch() {
    for (conflicts, volts) in [("mine", 480), ("release", 277)] {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, key) = bundle(dir.path());
        let meter = owned(dir.path(), &key);
        let done = upgraded(&meter, &bundle, &["--template", "release", "--conflicts", conflicts]);
        assert_eq!(line(&done, "Power Meter 1/Nom Volts"), words("480", &volts.to_string(), "warning"));
        assert_eq!(line(&done, "Data Recorder 1"), words("recording", "a new epoch", "warning"));
        assert_eq!(line(&done, "Sliding Window Demand 3"), words("goes on", "begins anew", "warning"));
        assert_eq!(line(&done, "Modbus 40150–40165").unwrap().2, "warning");
        assert_eq!(line(&done, "other parts of the template"), words("kept", "kept", "info"));
        assert_eq!((register(&meter, "CT Prim"), register(&meter, "Nom Volts")), (600.into(), volts.into()));
        assert_eq!(register(&meter, "Data Recorder 1/Depth"), 7000);
        assert!(!polled(&meter, 40_150) && polled(&meter, 40_300));
        // The owner's and the release's names are both known.
        meter.setup(LOGIN, &["read", "kW demand"]).ok();
        meter.setup(LOGIN, &["read", "I avg mx"]).ok();
        let events = meter.setup(LOGIN, &["events", "--limit", "500", "--json"]).ok().out;
        assert!(events.contains("Sliding Window Demand 1/SWinDemand label = kW sd"), "{events}");
        assert_eq!(meter.stop(), 0);
    }
}

#[test]
fn b4_a_file_takes_the_templates_place_with_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, key) = bundle(dir.path());
    let meter = owned(dir.path(), &key);
    let file = dir.path().join("own.dcf");
    let file = file.to_str().unwrap();
    meter.setup(LOGIN, &["save", file]).ok();
    let text = std::fs::read_to_string(file).unwrap().replace("\"CT Prim\" = 600\n", "\"CT Prim\" = 800\n");
    std::fs::write(file, &text).unwrap();
    let done = upgraded(&meter, &bundle, &["--template", file]);
    assert_eq!(line(&done, "Power Meter 1/CT Prim"), words("600", "800", "warning"));
    assert_eq!(line(&done, "PT/CT").unwrap().2, "warning");
    assert_eq!(line(&done, "Data Recorder 1"), words("kept", "kept", "info"));
    assert_eq!((register(&meter, "CT Prim"), register(&meter, "Nom Volts")), (800.into(), 480.into()));
    assert_eq!(meter.stop(), 0);
}

#[test]
fn b4_what_is_no_template_is_refused_in_a_sentence_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.0.9\"\n";
    let file = dir.path().join("bad.dcf");
    let name = file.to_str().unwrap();
    let events = || meter.setup(LOGIN, &["events", "--limit", "500", "--json"]).ok().out;
    let quiet = |log: &str| !log.contains("staged") && !log.contains("change of release");
    for (text, sentence) in [
        (format!("{head}[modules.\"Flux Meter 1\"]\n"), "there is no module \"Flux Meter 1\""),
        ("MZ this is a program".to_owned(), "this is not a template file"),
        (format!("{head}#{}", "x".repeat(1 << 20)), "is too long to be a template"),
        (
            format!("{head}[modules.\"Modbus Slave 1\"]\ninputs = {{ \"Source 1\" = \"Power Meter 1/kW tot\" }}\n"),
            "is linked to Power Meter 1/kW tot, which doesn't exist",
        ),
        (
            format!("{head}[security]\nmode = \"standard\"\nfront-panel = \"factory\"\n[modules.\"Power Meter 1\"]\n"),
            "has a [security] section",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in ["plan", "upgrade"] {
            let said = meter.setup(LOGIN, &[command, "--to", "4.40.1", "--template", name]);
            assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
            assert!(said.err.contains(sentence) && said.err.matches("error:").count() == 1, "{said:?}");
        }
        let said = run(wattkeep(dir.path()).args(["rehearse", "--template", name]));
        assert!(said.status == 1 && said.err.contains(sentence), "{said:?}");
    }
    assert!(quiet(&events()), "nothing was sent");
    let said = meter.setup(LOGIN, &["plan", "--to", "4.40.1", "--conflicts", "release"]);
    assert_eq!(said.status, 2, "{said:?}");
    assert_eq!(meter.info(LOGIN)["release"], "4.0.9");
    assert_eq!(meter.stop(), 0);
}

#[test]
fn b5_b6_a_release_that_wants_a_newer_setup_and_a_notice_nobody_knows_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, key) = bundle(dir.path());
    let meter = owned(dir.path(), &key);
    let said = meter.setup(LOGIN, &["plan", "--to", &bundle]).ok();
    assert!(said.err.contains("doesn't know the notice \"pages-moved\""), "{said:?}");
    assert!(said.out.contains("Setup 9.9 or later is recommended for 4.36.2"), "{said:?}");
    let plan = meter.setup(LOGIN, &["plan", "--to", &bundle, "--json"]).ok().json();
    assert_eq!(line(&plan, "Setup").unwrap().2, "warning");
    let told = |plan: &Value| -> Vec<String> {
        let untold = plan["consequences"].as_array().unwrap().iter().filter(|line| line["told"] == false);
        untold.map(|line| line["subject"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told(&plan), ["Web Access Read"]);
    // The same without a meter, and as a Setup that knows it; with a template besides.
    let sources = sources();
    let rehearse = |more: &[&str]| {
        let mut command = wattkeep(dir.path());
        command.args(["rehearse", "--from", "4.0.9", "--json", "--to"]).arg(&sources).args(more);
        run(&mut command).ok().json()
    };
    assert_eq!(told(&rehearse(&[])), ["Web Access Read"]);
    let newer = rehearse(&["--as-setup", "10.0", "--template", "release"]);
    assert_eq!((told(&newer), line(&newer, "Setup").unwrap().2), (Vec::new(), "info".to_owned()));
    assert_eq!(line(&newer, "Data Recorder 1"), words("recording", "a new epoch", "warning"));
    let older = rehearse(&["--as-setup", "3.2.20218.01", "--template", "release"]);
    assert_eq!(
        (told(&older), line(&older, "Setup").unwrap().2),
        (vec!["Web Access Read".to_owned()], "warning".to_owned())
    );
    // Which Setup did it is in the report.
    let done = upgraded(&meter, &bundle, &[]);
    assert_eq!(done["report"]["setup"], "3.2.30377.02");
    assert_eq!(meter.stop(), 0);
}
