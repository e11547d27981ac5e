//! Restoring a backup, on the meter it was taken from or on another: received whole, looked through before anything of
//! it counts, shown as lines that somebody accepts by their digest, and done in one commit. What it does is worked out
//! in `restored`; this file receives, decides and commits.
//!
//! Serial number, trust list, floor and chain key are the device's, and no restore writes them. The device key alone
//! comes with credentials that name it, in steps that power may fail between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::sync::Arc;

use firmware::PasswordStorage;
use firmware::backup::{BackupError, MAX_BACKUP_BYTES, Part, Reader, RestorePlan, Secrets, Source};
use security::{AccountId, Ask, Credential, DeviceKey, Right};
use store::{IncomingBackup, NewIntervalRecord, ReceivedBackup, Restored, StoreError};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::login_changes::{Endings, NewCredentials};
use crate::restored::{Contents, WorkedOut, stands, work_out};
use crate::state::{State, stored_energies};
use crate::stored::serialised;
use crate::view::Identity;
use crate::{GateError, Now, demand, edit};

/// A backup that is coming in, one at a time. Dropped, it is gone.
pub struct BackupUpload(IncomingBackup);

/// A backup that has come in whole and is what it says it is. Nothing of it has been done.
pub struct Inspected {
    received: ReceivedBackup,
    /// What is in it but for records and events.
    pub(crate) contents: Contents,
}

/// What somebody wants restored, and how.
pub struct Restoring {
    /// The backup.
    pub backup: Inspected,
    /// What its passphrase has opened; none of a secret-free one.
    pub secrets: Option<Secrets>,
    /// The accounts that get a new password with it.
    pub new_passwords: BTreeSet<AccountId>,
    /// Whether it is to be done even if nobody could edit security afterwards (B19).
    pub force: bool,
}

/// The credentials that have to be made before a restore can be done.
pub struct ToMake {
    /// Readable passwords of the backup that the meter's release hashes.
    pub hash: Vec<(AccountId, Arc<Credential>)>,
    /// The key that the meter hashes with afterwards.
    pub key: Option<Arc<DeviceKey>>,
    /// How its release stores passwords.
    pub storage: PasswordStorage,
}

impl BackupUpload {
    /// Writes on at the end; what goes beyond the largest backup is refused.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), GateError> {
        if self.0.size().saturating_add(bytes.len() as u64) > MAX_BACKUP_BYTES {
            return Err(BackupError::TooLong.into());
        }
        Ok(self.0.append(bytes)?)
    }

    /// Looks through all of it, with a line in memory at a time.
    pub fn finish(self) -> Result<Inspected, GateError> {
        let received = self.0.finish();
        let contents = Contents::read(&mut Reader::new(BufReader::new(received.reader())))?;
        Ok(Inspected { received, contents })
    }
}

impl Inspected {
    /// The sealed part and what it is sealed over; none of a secret-free backup.
    pub fn sealed(&self) -> Option<&(firmware::backup::SealedPart, firmware::digest::Sha256Digest)> {
        self.contents.sealed.as_ref()
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.contents.source
    }
}

impl Gate {
    /// Begins to receive a backup. There is one at a time.
    pub fn receive_backup(&self, now: Now, caller: &Caller) -> Result<BackupUpload, GateError> {
        let inbox = {
            let mut state = self.state();
            allowed(&mut state, now, caller)?;
            state.store.backup_inbox()
        };
        Ok(BackupUpload(inbox.receive()?))
    }

    /// What restoring would do, checked in the same way but for the ports, with nothing done.
    pub fn plan_restore(&self, now: Now, caller: &Caller, wanted: &Restoring) -> Result<RestorePlan, GateError> {
        let mut state = self.state();
        allowed(&mut state, now, caller)?;
        Ok(work_out(&state, now, wanted)?.plan)
    }

    /// What has to be made for it, outside the gate.
    pub fn restore_makes(&self, now: Now, caller: &Caller, wanted: &Restoring) -> Result<ToMake, GateError> {
        let mut state = self.state();
        allowed(&mut state, now, caller)?;
        let worked_out = work_out(&state, now, wanted)?;
        stands(&state, &worked_out.after, wanted)?;
        let key = worked_out.key.clone().or_else(|| state.device_key.clone());
        let storage = state.carried.release.password_storage;
        Ok(ToMake { hash: worked_out.to_hash(), key, storage })
    }

    /// Does it, if it is still what was accepted. `made` has the hashes of [`restore_makes`](Self::restore_makes) and
    /// the new passwords.
    pub fn restore(
        &self,
        now: Now,
        caller: &Caller,
        wanted: &Restoring,
        made: BTreeMap<AccountId, Credential>,
        accept: &str,
    ) -> Result<RestorePlan, GateError> {
        let mut state = self.state();
        allowed(&mut state, now, caller)?;
        let worked_out = work_out(&state, now, wanted)?;
        if worked_out.plan.digest != accept {
            return Err(GateError::RestoreChanged);
        }
        stands(&state, &worked_out.after, wanted)?;
        self.make_room(&state.settings, &worked_out.after)?;
        let done = carry_out(&mut state, now, caller, wanted, worked_out, made);
        // Whatever comes of it: what has been committed is in force.
        self.show(&state);
        done
    }
}

/// A restore sets everything that can be set.
fn allowed(state: &mut State, now: Now, caller: &Caller) -> Result<(), GateError> {
    decide(state, now, caller, Ask::Do(Right::SecurityConfig))?;
    decide(state, now, caller, Ask::Do(Right::FullConfig))?;
    stands_still(state)
}

fn carry_out(
    state: &mut State,
    now: Now,
    caller: &Caller,
    wanted: &Restoring,
    mut worked_out: WorkedOut,
    made: BTreeMap<AccountId, Credential>,
) -> Result<RestorePlan, GateError> {
    let credentials = worked_out.credentials(made)?;
    let endings = Endings::of(state, now, &worked_out.after, &credentials.accounts())?;
    let log = state.log_setup();
    let mut drafts = drafts(state, &mut worked_out, &credentials);
    drafts.extend(endings.drafts());
    let mut events = log.take(now, caller, drafts);
    events.extend(endings.events(log, now, caller));
    if let Some(key) = &worked_out.key {
        state.store.put_device_key_beside(key.expose())?;
    }
    // A commit that failed may be in the journal all the same: whether anything names the key beside is found out by the
    // next start, or by the next restore, which puts its own there.
    let committed = commit(state, wanted, &worked_out, &credentials, &endings, log.batch(&events))?;
    let WorkedOut { after, key, energy, memory, mut plan, .. } = worked_out;
    credentials.take_effect(state, caller);
    endings.take_effect(state);
    (state.energy, state.memory) = (energy, memory);
    let key_settled = key.map_or(Ok(()), |key| {
        state.device_key = Some(key);
        state.identity = Arc::new(Identity { lost_key: None, ..(*state.identity).clone() });
        state.store.take_device_key_beside()
    });
    state.adopt(after)?;
    let recorders = state.load_recorders();
    if committed == store::Committed::ScrubPending {
        state.scrub_or_try_again()?;
    }
    recorders?;
    key_settled?;
    plan.restored = true;
    Ok(plan)
}

/// What the log tells: whose backup, then each thing that is different now.
fn drafts(state: &State, worked_out: &mut WorkedOut, credentials: &NewCredentials) -> Vec<Draft> {
    let Source { sha256, form, serial, release, taken_utc_ms, taken_by, log_next } = &worked_out.plan.backup;
    let whose = format!(
        "{} backup {} of {serial}, release {release}, taken at {} by {taken_by}; its log ends before event {log_next}",
        form.name(),
        sha256.prefixed(),
        taken_utc_ms.div_euclid(1000)
    );
    let mut drafts = vec![Draft::kept(priority::WARNING, "restore", whose)];
    let (before, after) = (&*state.settings, &worked_out.after);
    drafts.extend(edit::differences(before, after).iter().map(edit::setup_change));
    drafts.extend(edit::rewirings(before, after));
    drafts.append(&mut worked_out.redefined.drafts);
    drafts.extend(credentials.drafts());
    drafts.extend(edit::key_changes(before, after));
    drafts.extend(edit::mode_change(before.mode(), after.mode()));
    if let Some(key) = &worked_out.key {
        drafts.push(Draft::kept(priority::WARNING, "device key", format!("is {} now", key.id())));
    }
    let raised = worked_out.raised.iter();
    drafts.extend(raised.map(|(cause, effect)| Draft::kept(priority::WARNING, cause.clone(), effect.clone())));
    drafts
}

fn commit(
    state: &mut State,
    wanted: &Restoring,
    worked_out: &WorkedOut,
    credentials: &NewCredentials,
    endings: &Endings,
    events: store::EventBatch<'_>,
) -> Result<store::Committed, GateError> {
    let settings = serialised(&worked_out.after)?;
    let demand = demand::record(&state.memory, &worked_out.memory);
    let demand = demand.iter().map(|record| (demand::RECORD, record.as_str()));
    let records: Vec<_> = demand.chain(endings.records()).collect();
    let change = store::SettingsChange {
        settings: Some(&settings),
        credentials: &credentials.rows(),
        records: &records,
        recordings: &worked_out.redefined.changes(),
        events,
    };
    let energies = stored_energies(&worked_out.energy);
    let mut recordings = Incoming {
        reader: Reader::new(BufReader::new(wanted.backup.received.reader())),
        wanted: &worked_out.coming,
        at: 0,
        into: None,
        taken_utc_ms: wanted.backup.contents.source.taken_utc_ms,
    };
    let restore = store::Restore { change, energies: &energies, recordings: &mut recordings };
    Ok(state.store.commit_restore(state.id, restore)?)
}

/// The recordings of a backup that come in, read from its file as the commit takes them.
struct Incoming<'a, R> {
    reader: Reader<R>,
    /// The wanted ones, by their place among the backup's.
    wanted: &'a BTreeSet<usize>,
    at: usize,
    /// The recorder whose records are coming in.
    into: Option<u8>,
    taken_utc_ms: i64,
}

impl<R: std::io::BufRead> Incoming<'_, R> {
    fn part(&mut self) -> Result<Option<Restored>, BackupError> {
        loop {
            match self.reader.part()? {
                Some(Part::Recording(recording)) => {
                    let wanted = self.wanted.contains(&self.at);
                    self.at += 1;
                    self.into = wanted.then_some(recording.recorder);
                    if wanted {
                        let definition = serde_json::to_string(&recording.definition);
                        return Ok(Some(Restored::Recording {
                            recorder: recording.recorder,
                            definition: definition.map_err(|error| BackupError::Content(error.to_string()))?,
                            depth: recording.definition.depth,
                            opened_utc_ms: recording.opened_utc_ms,
                            closed_utc_ms: recording.closed_utc_ms.unwrap_or(self.taken_utc_ms),
                        }));
                    }
                }
                Some(Part::Record(record)) => {
                    if let Some(recorder) = self.into {
                        let values = record.values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
                        let (utc_ms, status) = (record.utc_ms, record.status);
                        return Ok(Some(Restored::Record(NewIntervalRecord { recorder, utc_ms, status, values })));
                    }
                }
                // The log and what follows stay in the backup.
                Some(Part::Log(_)) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }
}

impl<R: std::io::BufRead> Iterator for Incoming<'_, R> {
    type Item = Result<Restored, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        // It was looked through before: what can't be read now has been changed on the disk.
        self.part().map_err(|error| StoreError::Damaged(format!("the received backup: {error}"))).transpose()
    }
}
