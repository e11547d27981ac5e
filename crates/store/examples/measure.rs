//! Measures what the store promises: commits a second, the time to open, the time of a scrub.
//!
//! `cargo run --release -p store --example measure -- DIRECTORY` on the disk in question.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use store::{
    Credential, CredentialChange, EventBatch, Keep, MeterId, NewEvent, NewIntervalRecord, NewMeter, NewRecording,
    NewSlot, OpenOptions, Opened, RecorderBatch, RecordingChange, Secret, SettingsChange, Store, Tick,
};

const TICKS: i64 = 5_000;
const SCRUBS: u32 = 100;
const EVENTS: usize = 5_000;
const METERS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).ok_or("name a directory that doesn't exist yet")?;
    let dir = Path::new(&dir);
    let settings = "x".repeat(200_000);
    let credentials: Vec<_> =
        (0..17).map(|n| Credential { account: format!("USER{n}"), stored: Secret::new("$".repeat(100)) }).collect();
    let slot = NewSlot { release: "4.40.1", settings: &settings, credentials: &credentials, package: None };
    let new = NewMeter {
        serial: "MW-2611A001-01",
        created_utc_ms: 0,
        slot,
        floor: None,
        trust: &[],
        records: &[],
        events: EventBatch::NONE,
    };
    let mut store =
        measured("birth", || match Store::open(dir, &OpenOptions { create: true, ..OpenOptions::default() })? {
            Opened::New(blank) => Ok(blank.create(MeterId::ONLY, &new)?),
            Opened::Existing(_) => Err("there is a meter already".into()),
        })?;

    let names: Vec<_> = (0..20).map(|n| format!("energy {n}")).collect();
    let tick = |meter, n| -> Vec<(&str, i64)> { names.iter().map(|name| (name.as_str(), meter + n)).collect() };
    let took = timed(|| {
        for n in 0..TICKS {
            let energies = tick(0, n);
            let records = [("clock", "1800000000000")];
            store.tick(&[Tick {
                meter: MeterId::ONLY,
                energies: &energies,
                records: &records,
                recorders: RecorderBatch::NONE,
                events: EventBatch::NONE,
            }])?;
        }
        Ok(())
    })?;
    println!("{:.0} ticks (20 registers, FULL) a second", TICKS as f64 / took.as_secs_f64());

    let event = NewEvent {
        utc_ms: 0,
        priority: 10,
        user: "USER1".into(),
        path: "setup".into(),
        cause: "PT Prim 120".into(),
        effect: "PT Prim 14400".into(),
        keep: Keep::Ring,
        chain: None,
    };
    let events = vec![event; EVENTS];
    let batch = |events| EventBatch { events, depth: 5_000 };
    let logged = |store: &mut Store, events| {
        Ok(store.tick(&[Tick {
            meter: MeterId::ONLY,
            energies: &[],
            records: &[],
            recorders: RecorderBatch::NONE,
            events: batch(events),
        }])?)
    };
    measured("5,000 events in one commit", || logged(&mut store, &events))?;
    measured("one event into the full ring", || logged(&mut store, &events[..1]))?;

    revenue_log(&mut store, dir, |n| tick(0, n))?;

    let change = [CredentialChange::Set(Credential { account: "USER1".into(), stored: Secret::new("#".repeat(100)) })];
    let change = SettingsChange { credentials: &change, ..SettingsChange::default() };
    let took = timed(|| {
        for _ in 0..SCRUBS {
            let _ = store.commit_settings(MeterId::ONLY, &change)?;
            store.scrub()?;
        }
        Ok(())
    })?;
    println!("{:?} for a change of a credential with its scrub", took / SCRUBS);

    for n in 0..400 {
        let energies = tick(0, n);
        store.tick(&[Tick {
            meter: MeterId::ONLY,
            energies: &energies,
            records: &[],
            recorders: RecorderBatch::NONE,
            events: EventBatch::NONE,
        }])?;
    }
    // A copy of the files as they are now is what a kill would leave: the journal is still there.
    let copy = dir.with_extension("killed");
    std::fs::create_dir_all(&copy)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
        }
    }
    drop(store);
    for (what, dir) in [("after a clean stop", dir), ("after a kill", &copy)] {
        measured(&format!("opening and loading {what}"), || match Store::open(dir, &OpenOptions::default())? {
            Opened::Existing(store) => Ok(store.load(MeterId::ONLY)?),
            Opened::New(_) => Err("the meter is gone".into()),
        })?;
    }

    let Opened::Existing(mut store) = Store::open(dir, &OpenOptions::default())? else {
        return Err("the meter is gone".into());
    };
    let small = NewMeter { slot: NewSlot { settings: "{}", ..slot }, ..new };
    for meter in 2..=METERS {
        store.add_meter(MeterId(meter), &small)?;
    }
    let energies = tick(1, 1);
    let ticks: Vec<_> = (1..=METERS)
        .map(|meter| Tick {
            meter: MeterId(meter),
            energies: &energies,
            records: &[],
            recorders: RecorderBatch::NONE,
            events: EventBatch::NONE,
        })
        .collect();
    measured("first tick of 1,000 meters", || Ok(store.tick(&ticks)?))?;
    measured("tick of 1,000 meters", || Ok(store.tick(&ticks)?))?;
    let _ = store.commit_settings(MeterId::ONLY, &change)?;
    measured("scrub in a file of 1,000 meters", || Ok(store.scrub()?))?;
    Ok(())
}

/// A full Revenue Log: what it takes on the disk, and what a second that ends an interval costs more.
fn revenue_log<'a>(
    store: &mut Store,
    dir: &Path,
    energies: impl Fn(i64) -> Vec<(&'a str, i64)>,
) -> Result<(), Box<dyn Error>> {
    const DEPTH: u32 = 3_360;
    const ROUNDS: u32 = 1_000;
    let meter = MeterId::ONLY;
    let record =
        |n: u32| NewIntervalRecord { recorder: 1, utc_ms: i64::from(n) * 900_000, status: 0, values: vec![1.5; 12] };
    let size = || std::fs::metadata(dir.join("meter.db")).map(|file| file.len());
    let mut ticks = TICKS;
    let mut second = |changes: &[RecordingChange<'_>], records: &[NewIntervalRecord]| {
        let recorders = RecorderBatch { changes, records };
        ticks += 1;
        let energies = energies(ticks);
        Ok(store.tick(&[Tick { meter, energies: &energies, records: &[], recorders, events: EventBatch::NONE }])?)
    };
    let before = size()?;
    let open = Some(NewRecording { definition: "{}", depth: DEPTH });
    second(&[RecordingChange { recorder: 1, utc_ms: 0, drop: &[], open }], &[])?;
    let all: Vec<_> = (0..DEPTH).map(record).collect();
    measured("a Revenue Log of 3,360 records in one commit", || second(&[], &all))?;
    for (what, with) in [("without a record", false), ("with one into the full ring", true)] {
        let took = timed(|| (0..ROUNDS).try_for_each(|n| second(&[], &[record(DEPTH + n)][..usize::from(with)])))?;
        println!("{:?} for a tick {what}", took / ROUNDS);
    }
    println!("{} kB in the file for a full Revenue Log", (size()? - before) / 1000);
    measured("a page of 1,000 records", || Ok(store.interval_records(meter, 1, 1, 0, 1_000)?.len()))?;
    measured("finding a time", || Ok(store.interval_record_at(meter, 1, 1, 3_000 * 900_000)?))?;
    Ok(())
}

fn measured<T>(what: &str, work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let mut result = None;
    let took = timed(|| {
        result = Some(work()?);
        Ok(())
    })?;
    println!("{took:?} for {what}");
    result.ok_or_else(|| "nothing was measured".into())
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for; no room depends on it")]
fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}
