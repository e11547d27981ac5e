//! Taking a backup: what is small is copied at one moment, with the gate's lock held; records and events are then read a
//! page at a time, while the meter goes on. Nothing is changed but the log, which tells of it first. It takes Security
//! Config, because the log and the users are in it; a sealed one takes a login too, in whatever mode.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::backup::{
    BackedUpDocument, FORMAT, Form, Head, LogPart, LoggedEvent, MAX_DOCUMENTS, MAX_RECORDS, Part, RecordPart,
    RecordingPart, SealedPart, Secrets, Writer,
};
use firmware::digest::Sha256Digest;
use framework::dcf::MODEL;
use metrology::EnergyRegister;
use security::{Ask, Right, Who};
use store::{DeviceFile, DocumentPath, Keep};
use zeroize::Zeroizing;

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::state::State;
use crate::{GateError, Now};

/// Events that are read with the gate's lock held.
const PAGE: usize = 500;
/// Directories below one another in which documents are looked for.
const DEPTH: usize = store::MAX_DOCUMENT_DEPTH;

/// A backup that has been allowed and logged: what the meter was at that moment.
pub struct Backup {
    head: Head,
    settings: firmware::Settings,
    energy: BTreeMap<String, u64>,
    demand: framework::Memory,
    documents: Vec<BackedUpDocument>,
    recordings: Vec<(RecordingPart, std::ops::Range<u64>)>,
    log: LogPart,
    secrets: Option<Secrets>,
}

impl Backup {
    /// What it is called: serial number, release and time.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl Gate {
    /// Begins a backup.
    ///
    /// # Errors
    /// A sealed one is refused without a login, and to a meter that has lost the key that belongs in it.
    pub fn begin_backup(&self, now: Now, caller: &Caller, form: Form) -> Result<Backup, GateError> {
        let documents = {
            self.ask(now, caller, Ask::Do(Right::SecurityConfig))?;
            self.listed_documents()
        };
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        stands_still(&state)?;
        let (draft, sealed) = match form {
            Form::SecretFree => (Draft::ordinary(priority::INFORMATION, "backup", "secret-free backup taken"), false),
            Form::Sealed => (Draft::kept(priority::WARNING, "backup", "sealed backup taken, with all passwords"), true),
        };
        if sealed && caller.path.is_some() && caller.who == Who::Nobody {
            return Err(GateError::SealedByNobody);
        }
        let secrets = if sealed { Some(secrets(&state)?) } else { None };
        state.log(now, caller, vec![draft])?;
        let head = Head {
            format: FORMAT,
            model: MODEL.to_owned(),
            form,
            serial: state.identity.serial.clone(),
            release: state.carried.release.release.clone(),
            package: state.package.as_ref().map(ToString::to_string),
            floor: state.store.load(state.id)?.floor,
            trusted_keys: state.keys.trusted().iter().map(|key| key.id().to_string()).collect(),
            taken_utc_ms: now.utc_ms,
            taken_by: caller.who.to_string(),
        };
        let counter = |register: EnergyRegister| (register.name().to_owned(), state.energy.micro(register));
        let log = LogPart {
            meter: state.id.0,
            next: state.store.next_event(state.id)?,
            head: state.store.event_head(state.id)?,
        };
        Ok(Backup {
            head,
            settings: (*state.settings).clone(),
            energy: EnergyRegister::ALL.into_iter().map(counter).collect(),
            demand: state.memory.clone(),
            documents,
            recordings: recordings(&state)?,
            log,
            secrets,
        })
    }

    /// Reads the rest of a backup and hands it over, line by line. `seal` makes the sealed part of a backup that has
    /// one. Gives the backup's digest.
    ///
    /// # Errors
    /// Those of `hand_over` end it.
    pub fn write_backup(
        &self,
        backup: Backup,
        seal: impl FnOnce(&Secrets, &Sha256Digest) -> Option<SealedPart>,
        mut hand_over: impl FnMut(Vec<u8>) -> Result<(), GateError>,
    ) -> Result<Sha256Digest, GateError> {
        let Backup { head, settings, energy, demand, documents, recordings, log, secrets } = backup;
        let mut writer = Writer::default();
        let mut write = |part: &Part| hand_over(writer.line(part));
        write(&Part::Backup(head))?;
        write(&Part::Settings(Box::new(settings)))?;
        write(&Part::Energy(energy))?;
        write(&Part::Demand(demand))?;
        documents.into_iter().try_for_each(|document| write(&Part::Document(document)))?;
        for (recording, numbers) in recordings {
            let (recorder, epoch, left_out) = (recording.recorder, recording.epoch, recording.left_out);
            write(&Part::Recording(recording))?;
            if !left_out {
                self.write_records(recorder, epoch, numbers, &mut write)?;
            }
        }
        let next = log.next;
        write(&Part::Log(log))?;
        self.write_events(next, &mut write)?;
        if let Some(secrets) = secrets {
            let sealed = seal(&secrets, &writer.so_far()).ok_or(GateError::SealedByNobody)?;
            hand_over(writer.line(&Part::Sealed(sealed)))?;
        }
        let (end, digest) = writer.end();
        hand_over(end)?;
        Ok(digest)
    }

    fn write_records(
        &self,
        recorder: u8,
        epoch: u32,
        numbers: std::ops::Range<u64>,
        write: &mut impl FnMut(&Part) -> Result<(), GateError>,
    ) -> Result<(), GateError> {
        let mut from = numbers.start;
        while from < numbers.end {
            let page = {
                let state = self.state();
                state.store.interval_records(state.id, recorder, epoch, from, PAGE)?
            };
            let Some(last) = page.last() else { break };
            from = last.number + 1;
            for record in page.into_iter().filter(|record| record.number < numbers.end) {
                let values = record.values.into_iter().map(|value| Some(value).filter(|value| value.is_finite()));
                let values = values.collect();
                let store::IntervalRecord { number, utc_ms, status, .. } = record;
                write(&Part::Record(RecordPart { number, utc_ms, status, values }))?;
            }
        }
        Ok(())
    }

    fn write_events(&self, next: u64, write: &mut impl FnMut(&Part) -> Result<(), GateError>) -> Result<(), GateError> {
        let mut from = 0;
        loop {
            let page = {
                let state = self.state();
                state.store.events(state.id, from, PAGE)?
            };
            let Some(last) = page.last().filter(|_| from < next) else { return Ok(()) };
            from = last.number + 1;
            for event in page.into_iter().filter(|event| event.number < next) {
                write(&Part::Event(logged(event)))?;
            }
        }
    }

    /// The documents by name; what can't be read isn't listed.
    fn listed_documents(&self) -> Vec<BackedUpDocument> {
        let documents = self.documents_of_anybody();
        let mut found = Vec::new();
        let mut directories = vec![(String::new(), 0)];
        while let Some((directory, depth)) = directories.pop() {
            let listed = DocumentPath::parse(&directory).and_then(|path| documents.list(&path));
            for (name, stat) in listed.unwrap_or_default() {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                if stat.directory && depth < DEPTH {
                    directories.push((path, depth + 1));
                } else if !stat.directory && found.len() < MAX_DOCUMENTS {
                    found.push(BackedUpDocument { path, bytes: stat.size, utc_ms: stat.utc_ms });
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }
}

/// The epochs with their records' numbers, the oldest of the meter left out where there are too many records.
fn recordings(state: &State) -> Result<Vec<(RecordingPart, std::ops::Range<u64>)>, GateError> {
    let mut found = Vec::new();
    for recording in state.store.recordings(state.id)? {
        let definition = crate::recorders::definition(&recording)?;
        let store::Recording { recorder, epoch, first, next, opened_utc_ms, closed_utc_ms, .. } = recording;
        let records = next.saturating_sub(first);
        let part =
            RecordingPart { recorder, epoch, definition, opened_utc_ms, closed_utc_ms, records, left_out: false };
        found.push((part, first..next));
    }
    let mut newest: Vec<usize> = (0..found.len()).collect();
    newest.sort_by_key(|at| std::cmp::Reverse(found[*at].0.opened_utc_ms));
    let mut room = MAX_RECORDS;
    for at in newest {
        let part = &mut found[at].0;
        match room.checked_sub(part.records) {
            Some(left) => room = left,
            None => part.left_out = true,
        }
    }
    Ok(found)
}

fn secrets(state: &State) -> Result<Secrets, GateError> {
    let lost = || GateError::KeyLost(state.identity.lost_key.clone().unwrap_or_default());
    let device_key = state.device_key.clone().ok_or_else(lost)?;
    let chain_key = state.store.dir().device_files().read(DeviceFile::ChainKey)?;
    let chain_key = chain_key.ok_or_else(|| GateError::Unreadable("the key of the event log's chain".to_owned()))?;
    let chain_key = Zeroizing::new(chain_key.expose().to_vec());
    let credentials = state.credentials.iter().map(|(account, stored)| (*account, Arc::clone(stored))).collect();
    Ok(Secrets { device_key, chain_key, credentials })
}

fn logged(store::Event { number, event }: store::Event) -> LoggedEvent {
    let store::NewEvent { utc_ms, priority, user, path, cause, effect, keep, chain } = event;
    let (kept, chain) = (keep == Keep::Always, chain.map(hex::encode));
    LoggedEvent { number, utc_ms, priority, user, path, cause, effect, kept, chain }
}
