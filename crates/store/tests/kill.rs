//! `kill -9` at any moment: what was reported as committed is there, whole, and what was erased stays erased.
//!
//! The test runs itself as a child that works on a state and prints each thing after it returned; it is killed while
//! it works. (The system keeps what was written; tearing writes and losing what wasn't synced is the power-cut
//! laboratory's.)

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use store::{
        Confirmed, Credential, CredentialChange, EventBatch, Keep, MeterId, NewEvent, NewIntervalRecord, NewMeter,
        NewRecording, NewSlot, OpenOptions, Opened, RecorderBatch, RecordingChange, Secret, SettingsChange, Store,
        StoreError, Tick,
    };

    const METER: MeterId = MeterId::ONLY;
    const STATE: &str = "WATTKEEP_TEST_KILL_STATE";
    const ROUNDS: u32 = 30;
    /// Reported steps before a kill, at most: enough for several version changes and scrubs.
    const MOST_STEPS: u32 = 100;
    const REGISTERS: [&str; 6] = ["kWh del", "kWh rec", "kVARh del", "kVARh rec", "kVAh del", "kVAh rec"];

    fn secret(number: i64) -> Secret {
        Secret::new(format!("secret<{number:08}>").repeat(4))
    }

    fn credentials(number: i64) -> Vec<Credential> {
        (0..17).map(|n| Credential { account: format!("USER{n}"), stored: secret(number) }).collect()
    }

    fn event(number: i64) -> [NewEvent; 1] {
        [NewEvent {
            utc_ms: number,
            priority: 10,
            user: "-".into(),
            path: "setup".into(),
            cause: "tick".into(),
            effect: number.to_string(),
            keep: Keep::Ring,
            chain: None,
        }]
    }

    fn open(state: &Path) -> Opened {
        Store::open(state, &OpenOptions { create: true, ..OpenOptions::default() }).unwrap()
    }

    /// Opens the meter, or makes it; takes back a version change that wasn't confirmed, finishes a scrub: as at boot.
    fn boot(state: &Path) -> Store {
        let mut store = match open(state) {
            Opened::Existing(store) => *store,
            Opened::New(blank) => {
                let first = credentials(0);
                let slot = NewSlot { release: "0", settings: "0", credentials: &first, package: None };
                let records = [("step", "0")];
                blank
                    .create(
                        METER,
                        &NewMeter {
                            serial: "MW-2611A001-01",
                            created_utc_ms: 0,
                            slot,
                            floor: None,
                            trust: &[],
                            records: &records,
                            events: EventBatch::NONE,
                        },
                    )
                    .unwrap()
            }
        };
        if store.load(METER).unwrap().trial.is_some() {
            let _ = store.revert_trial(METER, "{}", &[], EventBatch::NONE).unwrap();
        }
        store.scrub().unwrap();
        store
    }

    /// Depth of the recorder: the ring drops from the first rounds on.
    const RECORDS: u32 = 20;

    fn recording(utc_ms: i64) -> [RecordingChange<'static>; 1] {
        let open = Some(NewRecording { definition: "{}", depth: RECORDS });
        [RecordingChange { recorder: 1, utc_ms, drop: &[], open }]
    }

    fn record(number: i64) -> [NewIntervalRecord; 1] {
        [NewIntervalRecord { recorder: 1, utc_ms: number, status: 0, values: vec![number as f64; 12] }]
    }

    #[test]
    #[ignore = "the child of the test below; works until it is killed"]
    fn child() {
        let Some(state) = std::env::var_os(STATE) else { return };
        let mut store = boot(Path::new(&state));
        let mut out = std::io::stdout();
        let mut step: i64 = store.load(METER).unwrap().records["step"].parse().unwrap();
        let changes = if store.recordings(METER).unwrap().is_empty() { &recording(step)[..] } else { &[] };
        let recorders = RecorderBatch { changes, records: &[] };
        store.tick(&[Tick { meter: METER, energies: &[], records: &[], recorders, events: EventBatch::NONE }]).unwrap();
        loop {
            step += 1;
            let (text, happened) = (step.to_string(), event(step));
            let events = EventBatch { events: &happened, depth: 50 };
            let records = [("step", text.as_str())];
            if step % 7 == 0 {
                let changed: Vec<_> = credentials(step).into_iter().map(CredentialChange::Set).collect();
                let change = SettingsChange {
                    settings: Some(&text),
                    credentials: &changed,
                    records: &records,
                    recordings: &[],
                    events,
                };
                let _ = store.commit_settings(METER, &change).unwrap();
                store.scrub().unwrap();
                writeln!(out, "\nerased {step}").unwrap();
            } else if step % 11 == 0 {
                let new = credentials(step);
                let slot = NewSlot { release: &text, settings: &text, credentials: &new, package: None };
                store.begin_trial(METER, &slot, &text, EventBatch::NONE).unwrap();
                let _ = store.confirm_trial(METER, &text, &Confirmed::default(), EventBatch::NONE).unwrap();
                store.scrub().unwrap();
                writeln!(out, "\nerased {step}").unwrap();
            }
            let energies = REGISTERS.map(|register| (register, step));
            let recorded = record(step);
            let recorders = RecorderBatch { changes: &[], records: &recorded };
            let events = EventBatch { events: &happened, depth: 50 };
            store.tick(&[Tick { meter: METER, energies: &energies, records: &records, recorders, events }]).unwrap();
            writeln!(out, "\nticked {step}").unwrap();
            out.flush().unwrap();
        }
    }

    /// The numbers of the secrets in any file of a directory.
    fn secrets_on_disk(state: &Path) -> Vec<i64> {
        let mut found = Vec::new();
        for entry in fs::read_dir(state).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            for window in bytes.windows(10).filter(|window| window[0] == b'<' && window[9] == b'>') {
                found.extend(std::str::from_utf8(&window[1..9]).ok().and_then(|text| text.parse::<i64>().ok()));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn b26_what_was_reported_survives_kill_9_whole() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut ticked = 0;
        let mut erased = 0;
        for round in 0..ROUNDS {
            // The first rounds hit the birth of the meter, later ones its work.
            let mut random = [0; 4];
            getrandom::fill(&mut random).unwrap();
            let steps = if round < 5 { round } else { u32::from_le_bytes(random) % MOST_STEPS };
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "tests::child", "--ignored", "--nocapture", "--test-threads=1"])
                .env(STATE, &state)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut reported = 0;
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            while reported < steps {
                let line = lines.next().expect("the child works until it is killed").unwrap();
                reported += u32::from(line.starts_with("ticked"));
                note(&line, &mut ticked, &mut erased);
            }
            if round == ROUNDS / 2 {
                let refused = Store::open(&state, &OpenOptions::default()).err().unwrap();
                let StoreError::InUse { pid, .. } = refused else { panic!("two processes hold one state: {refused}") };
                assert_eq!(pid, Some(child.id()));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // What it reported between the last line read and its death counts as well; the last may be cut.
            for line in lines.map_while(Result::ok) {
                note(&line, &mut ticked, &mut erased);
            }

            let Opened::Existing(store) = open(&state) else {
                assert_eq!((ticked, erased), (0, 0), "a meter that had reported is gone");
                continue;
            };
            let found = store.load(METER).unwrap();
            let step: i64 = found.records["step"].parse().unwrap();
            assert!(step >= ticked, "round {round}: {ticked} was reported, {step} found");
            let energies: Vec<i64> = found.energies.values().copied().collect();
            assert!(energies.windows(2).all(|pair| pair[0] == pair[1]), "a torn tick: {energies:?}");
            assert!(energies.first().is_none_or(|energy| *energy >= ticked));
            let recorded = store.interval_records(METER, 1, 1, 0, 1000).unwrap();
            let newest = recorded.last().map(|record| record.utc_ms);
            assert_eq!(newest, energies.first().copied(), "a record is there if its second's energies are");
            assert!(recorded.len() <= RECORDS as usize);
            assert!(recorded.windows(2).all(|pair| pair[0].number + 1 == pair[1].number), "{recorded:?}");
            assert!(recorded.iter().all(|record| record.values == [record.utc_ms as f64; 12]), "{recorded:?}");
            let slots = [Some(&found.active), found.trial.as_ref().map(|trial| &trial.previous)];
            for slot in slots.into_iter().flatten() {
                let numbers: Vec<_> = slot.credentials.iter().map(|credential| credential.stored.expose()).collect();
                assert_eq!(numbers.len(), 17);
                assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "a torn change of credentials");
                assert_eq!(numbers[0], secret(slot.settings.parse().unwrap()).expose(), "torn from its settings");
            }
            let newest = store.events(METER, 0, 1000).unwrap().pop().map_or(0, |event| event.event.utc_ms);
            assert_eq!(newest, step, "events and what they report are one");
            drop(store);
            let old: Vec<_> = secrets_on_disk(&state).into_iter().filter(|number| *number < erased).collect();
            assert!(old.is_empty(), "round {round}: {erased} was reported as erased, {old:?} found");

            let store = boot(&state);
            let current: i64 = store.load(METER).unwrap().active.settings.parse().unwrap();
            drop(store);
            assert_eq!(secrets_on_disk(&state), [current], "round {round}: a boot finishes the erasure");
        }
        assert!(ticked > 0 && erased > 0, "the children did report");
    }

    /// Takes a whole report into account; a line cut by the kill has no number or a smaller one.
    fn note(line: &str, ticked: &mut i64, erased: &mut i64) {
        let Some((what, number)) = line.split_once(' ') else { return };
        let Ok(number) = number.parse::<i64>() else { return };
        match what {
            "ticked" => *ticked = number.max(*ticked),
            "erased" => *erased = number.max(*erased),
            _ => {}
        }
    }
}
