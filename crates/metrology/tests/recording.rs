//! A real recording, measured: four cycles of a 600 V service, played in a loop. It lies outside the project; where it
//! is missing this test says so and proves nothing.

use std::io::Write;
use std::path::Path;

use metrology::comtrade::{Player, Recording};
use metrology::{Analyzer, EnergyRegister, EnergyRegisters, Nominal, Quantity, Samples, Source};

fn file(name: &str) -> Option<Vec<u8>> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find_map(|directory| std::fs::read(directory.join("shared/data").join(name)).ok());
    if found.is_none() {
        // Past the test harness, which would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped: recording not found ({name})");
    }
    found
}

#[track_caller]
fn close(what: &str, found: f64, want: f64, per_mille: f64) {
    assert!((found / want - 1.0).abs() < per_mille / 1000.0, "{what}: {found} instead of {want}");
}

#[test]
fn a_real_recording_measures_as_it_should() {
    let (Some(cfg), Some(dat)) = (file("ion7650_keating.cfg"), file("ion7650_keating.dat")) else { return };
    let recording = Recording::parse(&cfg, &dat).unwrap();
    assert_eq!(recording.nominal(), Nominal::Hz60);
    assert_eq!(recording.sample_rate().hertz(), 30_707.244_140_625);
    assert_eq!(recording.samples().len(), 2048);
    assert_eq!(
        recording.unplaced(),
        ["Channel 8 (U4) is not used: neither its phase nor its name says which phase it is."]
    );
    assert!(recording.remarks().is_empty());

    let mut player = Player::new(recording).unwrap();
    assert_eq!((player.loop_cycles(), player.loop_len()), (4, 2048));
    let rate = player.sample_rate();
    let mut analyzer = Analyzer::new(rate, player.nominal());
    let mut block = Samples::new();
    let mut energy = EnergyRegisters::default();
    let seconds = 20;
    for second in 0..seconds {
        player.fill(&mut block, rate.due_in(second), 0);
        analyzer.feed(&block);
        let reading = analyzer.take_reading();
        assert!(!reading.gap);
        energy.add(&reading.energy);
        let quantities = reading.quantities.unwrap();
        for (name, want) in [
            ("Vln a", 348.951),
            ("Vln b", 352.224),
            ("Vln c", 345.953),
            ("I a", 126.108),
            ("I b", 151.832),
            ("I c", 166.696),
            ("kW a", 40.500),
            ("kW b", 49.502),
            ("kW c", 53.634),
            ("kW tot", 143.636),
        ] {
            close(name, (Quantity::named(name).unwrap().get)(&quantities), want, 1.0);
        }
        assert!((quantities.frequency - 59.97).abs() < 0.01, "{}", quantities.frequency);
        assert!(!quantities.phase_reversed && quantities.power_total.lags());
    }
    // All but the window that is being filled, which is at most a fifth of a second.
    let kwh = energy.micro(EnergyRegister::WhDel) as f64 / 1e9;
    let full = 143.636 * seconds as f64 / 3600.0;
    assert!((full * 0.99..=full).contains(&kwh), "{kwh} of {full} kWh");
}
