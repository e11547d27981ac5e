//! A real recording through the whole meter: what a 4.0.9 meter shows of it over Setup and Modbus is what
//! its samples say. The recording is not part of the project; without it the test says so and is left out.

use std::io::Write;
use std::path::{Path, PathBuf};

use system_tests::Meter;

/// RMS and power over the recording's 2048 samples, four whole cycles.
const FIGURES: [(&str, f64); 9] = [
    ("Vln a", 348.951),
    ("Vln b", 352.224),
    ("Vln c", 345.953),
    ("I a", 126.108),
    ("I b", 151.832),
    ("I c", 166.696),
    ("kW a", 40.500),
    ("kW b", 49.502),
    ("kW c", 53.634),
];

fn recording() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = root.ancestors().map(|dir| dir.join("shared/data/ion7650_keating.cfg")).find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: the recording ion7650_keating is not here");
    }
    found
}

#[test]
fn a_real_recording_is_measured_within_a_thousandth() {
    let Some(recording) = recording() else { return };
    let dir = tempfile::tempdir().unwrap();
    let source = recording.to_str().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto", "--source", source]);
    let read = |register: &str| {
        let said = meter.setup(None, &["read", register, "--json"]).ok().json();
        said[register]["value"].as_f64().unwrap_or_else(|| panic!("{register}: {said}"))
    };
    for (register, figure) in FIGURES {
        let value = read(register);
        assert!((value / figure - 1.0).abs() < 0.001, "{register} is {value}, not {figure}");
    }
    assert!((read("Freq") - 59.97).abs() < 0.02);
    let total = read("kW tot");
    // Energy of one second more or less, counted from the samples and not from the reading.
    let (first, mut last) = (read("kWh del"), read("kWh del"));
    while last == first {
        last = read("kWh del");
    }
    let second = (last - first) * 3600.0;
    assert!((second / total - 1.0).abs() < 0.25 || (second / total - 2.0).abs() < 0.25, "{second} kWs at {total} kW");
}
