//! What a restore does, worked out from a backup and the meter as it is: planning shows it and the act commits it.
//!
//! Settings are those of the backup under the release that the meter runs; if that is another, they go through
//! [`migrate()`], as a change of release would take them. Energy and maxima are raised and never lowered; recordings that
//! the meter doesn't have come in closed, as far as there is room, and nothing is erased for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;

use firmware::backup::{
    BackupError, Form, LineKind, Part, Reader, RecordingPart, RestoreLine, RestorePlan, SealedPart, Source,
};
use firmware::digest::Sha256Digest;
use firmware::{Choices, Consequence, CredentialAction, Kind, Release, Settings, Severity, access, dangers, migrate};
use framework::memory::{Counters, Raised};
use framework::modules::data_recorder;
use framework::{Directory, Memory, Status};
use metrology::{EnergyRegister, EnergyRegisters};
use security::unseen::is_unseen;
use security::{AccountId, Credential, CredentialKind, DeviceKey, UserId};
use store::{MAX_CLOSED_RECORDINGS, MAX_RECORDERS};

use crate::access::{self as rules, Force};
use crate::login_changes::NewCredentials;
use crate::recorders::Redefined;
use crate::restore::Restoring;
use crate::state::State;
use crate::{GateError, Now, edit, wiring};

/// Records that one restore brings in, the newest: they are in memory until they are committed, some 200 bytes each.
const MAX_RESTORED_RECORDS: u64 = 100_000;
/// Longest serial number and name that a backup's head may have.
const LONGEST_NAME: usize = 64;
const FACTORY: &str = "0";
const NOTHING: &str = "-";

/// A backup but for its records and events.
pub(crate) struct Contents {
    pub source: Source,
    pub settings: Settings,
    pub energy: EnergyRegisters,
    pub demand: Memory,
    /// With how many records each has.
    pub recordings: Vec<(RecordingPart, u64)>,
    pub sealed: Option<(SealedPart, Sha256Digest)>,
}

impl Contents {
    /// Reads a backup to its end, whose digest is right then.
    pub fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, BackupError> {
        let odd = |what: &str| BackupError::Content(what.to_owned());
        let (mut head, mut settings, mut energy, mut demand, mut log_next) = (None, None, None, None, 0);
        let mut recordings: Vec<(RecordingPart, u64)> = Vec::new();
        let mut sealed = None;
        while let Some(part) = reader.part()? {
            match part {
                Part::Backup(found) if found.serial.len() > LONGEST_NAME || found.taken_by.len() > LONGEST_NAME => {
                    return Err(odd("a name that is too long"));
                }
                Part::Backup(found) => head = Some(found),
                Part::Settings(found) => settings = Some(*found),
                Part::Energy(found) => energy = Some(counters(&found).ok_or_else(|| odd("an energy counter"))?),
                Part::Demand(found) => demand = Some(found),
                Part::Recording(found) if !(1..=MAX_RECORDERS).contains(&found.recorder) => {
                    return Err(odd("a recorder's number"));
                }
                Part::Recording(found) if !may_be_of(&found.definition) => {
                    return Err(odd("what a recorder recorded"));
                }
                Part::Recording(found) => recordings.push((found, 0)),
                Part::Record(record) => {
                    let Some((into, count)) = recordings.last_mut() else { return Err(odd("a record")) };
                    let fits = record.values.len() == into.definition.sources.len()
                        && record.values.len() <= store::MAX_RECORD_VALUES
                        && Status::from_bits(record.status).is_some();
                    if !fits {
                        return Err(odd("a record that its recorder can't have made"));
                    }
                    *count += 1;
                }
                Part::Log(log) => log_next = log.next,
                Part::Sealed(part) => sealed = Some(part),
                Part::Document(_) | Part::Event(_) | Part::End(_) => {}
            }
        }
        let (Some(digest), Some(head), Some(settings), Some(energy), Some(demand)) =
            (reader.digest(), head, settings, energy, demand)
        else {
            return Err(BackupError::CutOff);
        };
        let source = Source::of(digest, &head, log_next);
        let sealed = sealed.zip(reader.sealed_over());
        Ok(Self { source, settings, energy, demand, recordings, sealed })
    }
}

/// Whether a meter can have recorded that: as many sources as a record has values, under names that are shown as they are.
fn may_be_of(definition: &data_recorder::Definition) -> bool {
    let shown = |text: &str| text.len() <= LONGEST_NAME * 2 && !text.contains(is_unseen);
    definition.sources.len() <= store::MAX_RECORD_VALUES
        && definition.sources.iter().all(|source| shown(&source.label) && shown(&source.unit))
}

fn counters(stored: &BTreeMap<String, u64>) -> Option<EnergyRegisters> {
    let known = |name: &String| EnergyRegister::ALL.iter().any(|register| register.name() == name);
    let micro = EnergyRegister::ALL.map(|register| stored.get(register.name()).copied().unwrap_or(0));
    stored.keys().all(known).then(|| EnergyRegisters::from_micro(micro)).flatten()
}

/// What becomes of an account's password.
enum Becomes {
    /// What it is here.
    Stays,
    /// `0`.
    Factory,
    /// What the backup has.
    Theirs(Arc<Credential>),
    /// The hash of what the backup has readable.
    Hashed(Arc<Credential>),
    /// A new one.
    Given,
}

/// A restore, worked out.
pub(crate) struct WorkedOut {
    pub after: Settings,
    passwords: BTreeMap<AccountId, Becomes>,
    /// The device key from now on, if it is another.
    pub key: Option<Arc<DeviceKey>>,
    pub energy: EnergyRegisters,
    pub memory: Memory,
    /// Counters and maxima that are raised: cause and effect.
    pub raised: Vec<(String, String)>,
    /// The backup's recordings that come in.
    pub coming: BTreeSet<usize>,
    pub redefined: Redefined,
    pub plan: RestorePlan,
}

impl WorkedOut {
    /// The readable passwords that must be hashed.
    pub fn to_hash(&self) -> Vec<(AccountId, Arc<Credential>)> {
        let hashed = |(account, becomes): (&AccountId, &Becomes)| match becomes {
            Becomes::Hashed(readable) => Some((*account, Arc::clone(readable))),
            _ => None,
        };
        self.passwords.iter().filter_map(hashed).collect()
    }

    /// Each account's credential that is another from now on.
    pub fn credentials(&self, mut made: BTreeMap<AccountId, Credential>) -> Result<NewCredentials, GateError> {
        let mut credentials = NewCredentials::default();
        for (account, becomes) in &self.passwords {
            let credential = match becomes {
                Becomes::Stays => continue,
                Becomes::Factory => Arc::new(Credential::Factory),
                Becomes::Theirs(theirs) => Arc::clone(theirs),
                Becomes::Hashed(_) | Becomes::Given => {
                    let made = made.remove(account).filter(|made| made.kind() == self.after.credential(*account));
                    Arc::new(made.ok_or(GateError::NewPasswordZero(*account))?)
                }
            };
            credentials.push(*account, credential);
        }
        Ok(credentials)
    }
}

/// Works a restore out.
pub(crate) fn work_out(state: &State, now: Now, wanted: &Restoring) -> Result<WorkedOut, GateError> {
    let contents = &wanted.backup.contents;
    let release = &state.carried.release;
    let from = release_of(state, contents)?;
    let (mut after, actions, consequences) = settings_after(state, wanted, &from);
    let (passwords, key) = passwords(state, wanted, &actions);
    for (account, becomes) in &passwords {
        let kind = match becomes {
            Becomes::Stays => state.settings.credential(*account),
            Becomes::Factory => CredentialKind::Factory,
            Becomes::Theirs(theirs) => theirs.kind(),
            Becomes::Hashed(_) | Becomes::Given => release.password_storage.kind(),
        };
        after.credentials.insert(*account, kind);
    }
    // Keys of users that can't log in must not open the account to whoever gets it next.
    let inactive: Vec<_> = UserId::all().filter(|user| !after.user(*user).active).map(AccountId::User).collect();
    after.keys.retain(|account, _| !inactive.contains(account));
    after.check(release)?;
    let makes_hashes = passwords.values().any(|becomes| matches!(becomes, Becomes::Hashed(_) | Becomes::Given));
    if let (true, CredentialKind::Hashed, None, Some(lost)) =
        (makes_hashes, release.password_storage.kind(), &key, &state.identity.lost_key)
    {
        return Err(GateError::KeyLost(lost.clone()));
    }
    let energy = energy_after(state, contents);
    let counters = if energy == state.energy { Counters::AsTheyAre } else { Counters::Raised };
    let (memory, peaks) = state.memory.restored(&contents.demand, &after.template, counters);
    let (coming, mut remarks) = fitting(state, contents);
    let mut between = BTreeMap::new();
    for at in &coming {
        *between.entry(contents.recordings[*at].0.recorder).or_insert(0) += 1;
    }
    let redefined = state.recorders.redefined_around(&after.template, now.utc_ms, &between)?;

    let mut lines = setup_lines(&state.settings, &after);
    lines.extend(password_lines(state, &after, &passwords, key.as_ref()));
    lines.extend(key.as_ref().map(|key| {
        let own = state.device_key.as_ref().map_or_else(|| "lost".to_owned(), |own| own.id().to_string());
        line(LineKind::DeviceKey, "device key", own, key.id().to_string(), Severity::Warning)
    }));
    let raised = raised_lines(state, &after, &energy, &peaks);
    let raised_drafts =
        raised.iter().map(|it| (format!("{} = {}", it.subject, it.before), format!("{}, by a restore", it.after)));
    let raised_drafts = raised_drafts.collect();
    lines.extend(raised);
    lines.extend(recorder_lines(contents, &coming, &redefined));
    let tables = (access::table(&state.settings, release), access::table(&after, release));
    lines.extend(
        access::differences(&tables.0, &tables.1)
            .iter()
            .map(|row| line(LineKind::Access, row.subject(), row.before.clone(), row.after.clone(), row.severity())),
    );
    let given = passwords.values().any(|becomes| !matches!(becomes, Becomes::Stays));
    remarks.extend(told(state, contents));
    remarks.extend(stands(state, &after, wanted).err().map(|error| format!("As it is, this is refused: {error}.")));
    let serial = state.identity.serial.clone();
    let plan = RestorePlan {
        digest: RestorePlan::named(&contents.source.sha256, &serial, &release.release, &lines),
        restored: false,
        backup: contents.source.clone(),
        serial,
        release: release.release.clone(),
        consequences,
        lines,
        dangers: dangers::brought(&state.settings, &after, release, given),
        remarks,
    };
    Ok(WorkedOut { after, passwords, key, energy, memory, raised: raised_drafts, coming, redefined, plan })
}

/// The rules that go beyond a single access (B19, B32), which a restore keeps like every other change. A plan is shown
/// all the same: it says what is missing.
pub(crate) fn stands(state: &State, after: &Settings, wanted: &Restoring) -> Result<(), GateError> {
    let checked = rules::check(&state.settings, after, if wanted.force { Force::Yes } else { Force::No });
    checked.map_err(|error| match error {
        GateError::ActivatedWithZero(_) | GateError::NoAdvancedEditor | GateError::PanelPasswordZero => {
            GateError::RestoredWithZero(Box::new(error))
        }
        error => error,
    })
}

/// What the backup's release is, as far as this meter knows.
fn release_of(state: &State, contents: &Contents) -> Result<Release, GateError> {
    let known = state.shipped.iter().map(|shipped| &shipped.carried.release).chain([&state.carried.release]);
    let found = known.clone().find(|known| known.release == contents.source.release);
    found.cloned().ok_or_else(|| GateError::NoSuchRelease(contents.source.release.clone()))
}

type Actions = BTreeMap<AccountId, CredentialAction>;

fn settings_after(state: &State, wanted: &Restoring, from: &Release) -> (Settings, Actions, Vec<Consequence>) {
    let mut before = wanted.backup.contents.settings.clone();
    before.template.complete();
    if let Some(secrets) = &wanted.secrets {
        before.credentials = secrets.credentials.iter().map(|(account, stored)| (*account, stored.kind())).collect();
    }
    let to = &state.carried.release;
    let choices =
        Choices { new_passwords: wanted.new_passwords.clone(), ports: state.ports.clone(), ..Choices::default() };
    let migration = migrate(&before, from, to, &choices);
    let mut consequences = migration.consequences;
    if from.release == to.release {
        consequences.clear();
    }
    // Passwords and access have lines of their own, which go by what this meter has.
    consequences.retain(|line| line.kind != Kind::Right && !is_about_a_password(line, to));
    (migration.settings, migration.credentials, consequences)
}

/// Lines about SSH keys, and about users that the release has no room for, are about accounts too.
fn is_about_a_password(line: &Consequence, to: &Release) -> bool {
    line.kind == Kind::Account && line.subject.parse().is_ok_and(|account| to.has_account(account))
}

fn passwords(
    state: &State,
    wanted: &Restoring,
    actions: &Actions,
) -> (BTreeMap<AccountId, Becomes>, Option<Arc<DeviceKey>>) {
    let becomes = |account: AccountId| {
        let own = state.credentials.get(&account);
        let theirs = wanted.secrets.as_ref().and_then(|secrets| secrets.credentials.get(&account));
        match (actions.get(&account), theirs) {
            _ if wanted.new_passwords.contains(&account) => Becomes::Given,
            (_, None) => Becomes::Stays,
            (Some(CredentialAction::Hash), Some(theirs)) => Becomes::Hashed(Arc::clone(theirs)),
            (Some(CredentialAction::Keep), Some(theirs)) => {
                let same = own.is_some_and(|own| own.to_stored() == theirs.to_stored());
                if same { Becomes::Stays } else { Becomes::Theirs(Arc::clone(theirs)) }
            }
            (_, Some(_)) => Becomes::Factory,
        }
    };
    let passwords: BTreeMap<_, _> = AccountId::all().map(|account| (account, becomes(account))).collect();
    let key = wanted.secrets.as_ref().map(|secrets| &secrets.device_key).filter(|theirs| {
        let own = state.device_key.as_ref().map(|own| own.id());
        let names = |account: &AccountId| {
            let theirs_too = wanted.secrets.as_ref().and_then(|secrets| secrets.credentials.get(account));
            match theirs_too.map(|credential| &**credential) {
                Some(Credential::Hashed(hash)) => hash.key_id() == theirs.id(),
                _ => false,
            }
        };
        // What a hash here will name is the backup's key, or there is none here at all.
        let needed = passwords
            .iter()
            .any(|(account, becomes)| matches!(becomes, Becomes::Theirs(_) | Becomes::Stays) && names(account));
        own != Some(theirs.id()) && (needed || own.is_none())
    });
    (passwords, key.cloned())
}

fn energy_after(state: &State, contents: &Contents) -> EnergyRegisters {
    let higher = |register| state.energy.micro(register).max(contents.energy.micro(register));
    EnergyRegisters::from_micro(EnergyRegister::ALL.map(higher)).unwrap_or(state.energy)
}

/// The recordings that this meter doesn't have and has room for, the newest first; and what is said of the others.
fn fitting(state: &State, contents: &Contents) -> (BTreeSet<usize>, Vec<String>) {
    let is_here = |recording: &RecordingPart| {
        let here = state.recorders.list.iter().filter(|recorder| recorder.module == recording.recorder);
        here.flat_map(|recorder| &recorder.epochs).any(|epoch| {
            let RecordingPart { definition, opened_utc_ms, .. } = recording;
            epoch.opened_utc_ms == *opened_utc_ms
                && epoch.sources == definition.sources
                && epoch.period_s == definition.period_s
        })
    };
    let mut newest: Vec<usize> = (0..contents.recordings.len()).collect();
    newest.sort_by_key(|at| std::cmp::Reverse(contents.recordings[*at].0.opened_utc_ms));
    let (mut coming, mut remarks, mut room) = (BTreeSet::new(), Vec::new(), MAX_RESTORED_RECORDS);
    let mut taken: BTreeMap<u8, usize> = BTreeMap::new();
    for at in newest {
        let (recording, records) = &contents.recordings[at];
        let named = || format!("{} of the backup's epoch {}", data_recorder::name(recording.recorder), recording.epoch);
        if is_here(recording) {
            continue;
        }
        if recording.left_out {
            remarks.push(format!("The records of {} are not in the backup.", named()));
            continue;
        }
        let own = state.recorders.list.iter().filter(|recorder| recorder.module == recording.recorder);
        let own = own.flat_map(|recorder| &recorder.epochs).filter(|epoch| epoch.first.is_some()).count();
        let used = taken.entry(recording.recorder).or_insert(own.min(MAX_CLOSED_RECORDINGS));
        if *records == 0 {
            continue;
        }
        if *used >= MAX_CLOSED_RECORDINGS || *records > room {
            remarks.push(format!(
                "The records of {} ({records}) are not restored: there is no room for them beside what the meter has.",
                named()
            ));
            continue;
        }
        (*used, room) = (*used + 1, room - records);
        coming.insert(at);
    }
    (coming, remarks)
}

fn line(
    kind: LineKind,
    subject: impl Into<String>,
    before: impl Into<String>,
    after: impl Into<String>,
    severity: Severity,
) -> RestoreLine {
    RestoreLine { kind, subject: subject.into(), before: before.into(), after: after.into(), severity }
}

fn setup_lines(before: &Settings, after: &Settings) -> Vec<RestoreLine> {
    let registers = edit::differences(before, after).into_iter();
    let mut lines: Vec<_> = registers
        .map(|(register, before, after)| line(LineKind::Register, register, before, after, Severity::Info))
        .collect();
    lines.extend(wiring::changes(&before.template, &after.template).into_iter().map(|(cause, effect)| {
        let (subject, before) = cause.split_once(" = ").unwrap_or((&cause, NOTHING));
        line(LineKind::Wiring, subject, before, effect, Severity::Info)
    }));
    lines.extend(before.key_differences(after).map(|(account, key, change)| {
        let subject = format!("{} {}", account.login(), key.fingerprint());
        let [was, is] = match change {
            firmware::KeyChange::Added => [NOTHING, "opens the account"],
            firmware::KeyChange::Removed => ["opens the account", NOTHING],
        };
        line(LineKind::SshKey, subject, was, is, Severity::Warning)
    }));
    lines
}

fn password_lines(
    state: &State,
    after: &Settings,
    passwords: &BTreeMap<AccountId, Becomes>,
    key: Option<&Arc<DeviceKey>>,
) -> Vec<RestoreLine> {
    const HERE: &str = "the one it has here";
    let live: BTreeSet<AccountId> = after.live_accounts().collect();
    let key = key.or(state.device_key.as_ref()).map(|key| key.id());
    let told = |(account, becomes): (&AccountId, &Becomes)| {
        let own_is_zero = state.settings.credential(*account) == CredentialKind::Factory;
        let before = if own_is_zero { FACTORY } else { HERE };
        let is_live = live.contains(account);
        let zero = if is_live { Severity::Danger } else { Severity::Info };
        let (is, severity) = match becomes {
            Becomes::Stays if !is_live => return None,
            Becomes::Stays if own_is_zero => (FACTORY, zero),
            Becomes::Stays => (HERE, Severity::Info),
            Becomes::Factory if own_is_zero && !is_live => return None,
            Becomes::Factory => (FACTORY, zero),
            Becomes::Given => ("a new one, as given", Severity::Info),
            Becomes::Hashed(_) => ("the backup's, hashed", Severity::Info),
            Becomes::Theirs(theirs) => match &**theirs {
                Credential::Factory => (FACTORY, zero),
                Credential::Hashed(hash) if Some(hash.key_id()) != key => {
                    ("the backup's, which no device key here can check", Severity::Warning)
                }
                _ => ("the backup's", Severity::Info),
            },
        };
        Some(line(LineKind::Password, account.login(), before, is, severity))
    };
    passwords.iter().filter_map(told).collect()
}

fn raised_lines(state: &State, after_it: &Settings, energy: &EnergyRegisters, peaks: &[Raised]) -> Vec<RestoreLine> {
    /// µWh to kWh, as the counters are read.
    const MICRO_PER_KILO: f64 = 1e9;
    let mut lines = Vec::new();
    for register in EnergyRegister::ALL {
        let (before, after) = (state.energy.micro(register), energy.micro(register));
        if before != after {
            let unit = register.name().split(' ').next().unwrap_or_default();
            let [before, after] = [before, after].map(|micro| format!("{:.3} {unit}", micro as f64 / MICRO_PER_KILO));
            lines.push(line(LineKind::Energy, register.name(), before, after, Severity::Warning));
        }
    }
    let directory = Directory::of(&after_it.template);
    lines.extend(peaks.iter().map(|Raised { module, before, after }| {
        // What is remembered of a module is its first output.
        let output = directory.outputs().iter().find(|output| output.name.module == *module);
        let shown = |value: f64| match output {
            Some(output) => format!("{value:.*} {}", usize::from(output.decimals), output.unit).trim_end().to_owned(),
            None => value.to_string(),
        };
        let subject = output.map_or_else(|| module.to_string(), |output| format!("{module}, {}", output.label));
        let before = before.map_or_else(|| NOTHING.to_owned(), shown);
        line(LineKind::Demand, subject, before, shown(*after), Severity::Warning)
    }));
    lines
}

fn recorder_lines(contents: &Contents, coming: &BTreeSet<usize>, redefined: &Redefined) -> Vec<RestoreLine> {
    let serial = &contents.source.serial;
    let come = coming.iter().map(|at| {
        let (recording, records) = &contents.recordings[*at];
        let subject = format!("{}, epoch {} of {serial}", data_recorder::name(recording.recorder), recording.epoch);
        let many = if *records == 1 { "record" } else { "records" };
        line(LineKind::Recorder, subject, NOTHING, format!("{records} {many}, as a closed epoch"), Severity::Info)
    });
    let erased = redefined.erased.iter().map(|sentence| {
        let (subject, what) = sentence.split_once(": ").unwrap_or((sentence, ""));
        line(LineKind::Recorder, subject, what, "erased", Severity::Danger)
    });
    come.chain(erased).collect()
}

/// What else whoever restores it should know.
fn told(state: &State, contents: &Contents) -> Vec<String> {
    let Source { serial, release, form, .. } = &contents.source;
    let mut remarks = Vec::new();
    if *serial != state.identity.serial {
        remarks.push(format!(
            "The backup is of another meter, {serial}: this one keeps its own serial number, keys, trust list and floor."
        ));
    }
    if *release != state.carried.release.release {
        remarks.push(format!(
            "The backup is of release {release}: its settings come over to release {} as a change of release would \
             take them.",
            state.carried.release.release
        ));
    }
    if *form == Form::SecretFree {
        remarks.push(
            "The backup holds no password: accounts keep those they have on this meter, 0 on a new one; give new ones \
             with --new-passwords FILE."
                .to_owned(),
        );
    }
    remarks
}
