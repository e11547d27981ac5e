//! Cuts the power for as long as it takes to reach a number of cuts: all the systematic ones, then random ones, round by
//! round; or replays a failure. `scripts/soak` is how people start it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use power_cut_lab::cut::Cut;
use power_cut_lab::run::{Plan, Told, replay, run, scratch};
use power_cut_lab::scenario::{Scenario, record};

const USAGE: &str = "usage: soak [CUTS [SEED]] | soak --replay 'CUT / CUT …'";
/// A million, unless told otherwise.
const CUTS: usize = 1_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    match words[..] {
        ["--replay", cuts] => again(cuts),
        [] => soak(CUTS, any()),
        [cuts] if number(cuts).is_some() => soak(number(cuts).unwrap_or(0) as usize, any()),
        [cuts, seed] if number(cuts).is_some() && number(seed).is_some() => {
            soak(number(cuts).unwrap_or(0) as usize, number(seed).unwrap_or(0))
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Another seed each time.
fn any() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn recorded() -> Result<Scenario, ExitCode> {
    let dir = scratch();
    record(dir.path()).map_err(|failure| {
        println!("{failure}");
        ExitCode::FAILURE
    })
}

fn soak(wanted: usize, seed: u64) -> ExitCode {
    let scenario = match recorded() {
        Ok(scenario) => scenario,
        Err(failed) => return failed,
    };
    println!("seed {seed}; {} operations are cut until there are {wanted} cuts", scenario.trace.ops.len());
    let bar = ProgressBar::new(wanted as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cuts, {per_sec}, {eta} left");
    bar.set_style(style.expect("the template is right"));
    // Where nobody looks at a bar, a line for each twentieth.
    let told = AtomicUsize::new(0);
    let tell = |news: Told<'_>| match news {
        Told::Failed(failure) => bar.suspend(|| println!("{failure}")),
        Told::Cuts(cuts) => {
            bar.set_position(cuts as u64);
            let part = cuts * 20 / wanted.max(1);
            if bar.is_hidden() && told.fetch_max(part, Ordering::Relaxed) < part {
                println!("{cuts} cuts");
            }
        }
    };
    let (figures, failures) = run(&scenario, Plan::soak(seed, wanted), &tell);
    bar.finish_and_clear();
    println!("{figures}");
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn again(text: &str) -> ExitCode {
    let cuts: Result<Vec<Cut>, _> = text.split(" / ").map(str::parse).collect();
    let Ok(cuts) = cuts else {
        eprintln!("this names no cut: {text}");
        return ExitCode::from(2);
    };
    let scenario = match recorded() {
        Ok(scenario) => scenario,
        Err(failed) => return failed,
    };
    for cut in &cuts {
        println!("{cut}");
    }
    let dir = scratch();
    match replay(&scenario, &cuts, dir.path()) {
        Ok(()) => {
            println!("the meter comes up as it should");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}
