//! What one second of one meter costs: making or playing its samples, measuring them, taking the reading.
//! `cargo bench -p metrology`.

use std::time::Instant;

use metrology::comtrade::{Player, Recording};
use metrology::{Analyzer, Grid, GridSetup, Samples, Source};

const SECONDS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock; the code it measures doesn't")]
fn now() -> Instant {
    Instant::now()
}

fn measure(source: &mut dyn Source) {
    let rate = source.sample_rate();
    let mut analyzer = Analyzer::new(rate, source.nominal());
    let mut block = Samples::new();
    let (mut filling, mut feeding) = (0.0, 0.0);
    for second in 0..SECONDS {
        let start = now();
        source.fill(&mut block, rate.due_in(second), (second * 60) as u32);
        let filled = now();
        analyzer.feed(&block);
        std::hint::black_box(analyzer.take_reading());
        filling += (filled - start).as_secs_f64();
        feeding += filled.elapsed().as_secs_f64();
    }
    let a_second = 1e6 / SECONDS as f64;
    println!("{}: fill {:.0} µs, measure {:.0} µs a second", source.describe(), filling * a_second, feeding * a_second);
}

/// Four cycles at 512 samples a cycle, as power-quality meters record them.
fn recording() -> Result<Player, Box<dyn std::error::Error>> {
    let mut cfg = String::from("made for the benchmark,,1999\n6,6A,0D\n");
    for (n, (name, unit)) in
        [("VA", "V"), ("VB", "V"), ("VC", "V"), ("IA", "A"), ("IB", "A"), ("IC", "A")].iter().enumerate()
    {
        cfg += &format!("{},{name},,,{unit},0.01,0,0,-99999,99999,1,1,P\n", n + 1);
    }
    cfg += "60\n1\n30707.244140625,2048\n01/01/2024,00:00:00\n01/01/2024,00:00:00\nASCII\n1\n";
    let dat: String = (0..2048)
        .map(|i| {
            let values = (0..6).map(|channel| {
                let angle = std::f64::consts::TAU * (f64::from(i) / 512.0 - f64::from(channel) / 3.0);
                format!("{:.0}", 30_000.0 * angle.cos() + 900.0 * (5.0 * angle).cos())
            });
            format!("{},,{}\n", i + 1, values.collect::<Vec<_>>().join(","))
        })
        .collect();
    Ok(Player::new(Recording::parse(cfg.as_bytes(), dat.as_bytes())?)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    measure(&mut Grid::new(1, GridSetup::default()));
    measure(&mut recording()?);
    Ok(())
}
