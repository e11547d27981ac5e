//! Packages before a change of release: received beside the meter, verified by the meter itself (B27), staged in one
//! commit, listed and removed. The gate's lock is held for deciding and for the commit, never while bytes come in,
//! are written or are verified. What is staged does nothing until a plan is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::package::TrustedBy;
use firmware::{Carried, Shipped, Version};
use security::{Ask, Right};
use serde::{Deserialize, Serialize};
use store::{IncomingPackage, PackageId, StoreError, StoredFile};

use crate::change::{Step, on_its_road};
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, may_read};
use crate::state::State;
use crate::{GateError, Now};

/// The record of what staged packages are called, by SHA-256.
const NAMES: &str = "staged packages";
/// Longest name of a staged package, in bytes, as with documents.
pub const MAX_PACKAGE_NAME: usize = store::MAX_DOCUMENT_NAME;

/// A package that is coming in, one at a time. Dropped, it is gone.
pub struct PackageUpload(IncomingPackage);

/// A package that the meter has verified and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its SHA-256.
    pub package: String,
    /// The release it brings.
    pub release: Version,
    /// Who vouches for it, in words.
    pub trusted_by: String,
}

/// A package that waits to be planned with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it is called.
    pub name: String,
    /// Its SHA-256.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// When it was staged, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// A package that waits, with what it would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRelease {
    /// Its SHA-256.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// The release it carries, or why the meter no longer believes it.
    pub release: Result<Version, String>,
}

/// What is remembered of a staged package.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Label {
    name: String,
    utc_ms: i64,
}

impl PackageUpload {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Writes at an offset; what goes beyond the largest package is refused.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), GateError> {
        Ok(self.0.write_at(offset, bytes)?)
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, GateError> {
        Ok(self.0.read_at(offset, length)?)
    }
}

impl Gate {
    /// Begins to receive a package. There is one at a time, on whatever face.
    pub fn receive_package(&self, now: Now, caller: &Caller) -> Result<PackageUpload, GateError> {
        on_its_road(caller, Step::Stage)?;
        self.ask(now, caller, Ask::Do(Right::SecurityConfig))?;
        Ok(PackageUpload(self.inbox().receive()?))
    }

    /// Takes in a package that has come in whole, if the meter itself believes it (B27). Without a name it is called
    /// after its release. A name that another package has is taken from it, and that one is dropped.
    pub fn stage_upload(
        &self,
        now: Now,
        caller: &Caller,
        upload: PackageUpload,
        name: Option<&str>,
    ) -> Result<Staged, GateError> {
        let believed = {
            let mut state = self.state();
            decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
            state.believed()
        };
        let (received, bytes) = upload.0.finish()?;
        let verified = match believed.verify(&bytes) {
            Ok(verified) => verified,
            Err(error) => {
                let refused = Draft::kept(priority::WARNING, "package", format!("refused: {error}"));
                self.state().log(now, caller, vec![refused])?;
                return Err(error);
            }
        };
        let carried = Carried::read(&verified)?;
        let trusted_by = match verified.trusted_by() {
            TrustedBy::Digest => "the program, which was built with it".to_owned(),
            TrustedBy::Key(id) => format!("key {id}"),
        };
        let release = carried.release.release;
        // Receiving and verifying may have taken long: what was allowed then is asked again.
        let mut state = self.may_stage(now, caller)?;
        let id = state.id;
        match state.store.room_for_package(id, &received) {
            // What waits was never applied: it gives way to what is wanted now.
            Err(StoreError::PackageQuota(_)) => {
                let needed = state.schedule.clone();
                let needed = |package: &PackageId| needed.as_ref().is_some_and(|it| it.needs(package.as_str()));
                for waiting in state.store.staged_packages(id)?.into_iter().filter(|waiting| !needed(&waiting.id)) {
                    state.store.drop_package(id, &waiting.id)?;
                }
            }
            room => room?,
        }
        let staged = state.store.stage_package(id, received)?;
        let mut labels = labels(&state)?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(&labels, &staged.id, &release),
        };
        let namesake = labels.iter().find(|(other, label)| label.name == name && **other != staged.id.as_str());
        if let Some(other) = namesake.map(|(other, _)| other.clone()) {
            labels.remove(&other);
            drop_one(&mut state, &other)?;
        }
        labels.insert(staged.id.to_string(), Label { name, utc_ms: now.utc_ms });
        let effect = format!("staged release {release}");
        relabel(&mut state, now, caller, labels, vec![Draft::kept(priority::WARNING, "package", effect)])?;
        Ok(Staged { package: staged.id.to_string(), release, trusted_by })
    }

    /// The same with all bytes at once. Gives its SHA-256, its release and who vouches for it.
    pub fn stage(&self, now: Now, caller: &Caller, bytes: &[u8]) -> Result<(String, Version, String), GateError> {
        let mut upload = self.receive_package(now, caller)?;
        upload.write_at(0, bytes)?;
        let Staged { package, release, trusted_by } = self.stage_upload(now, caller, upload, None)?;
        Ok((package, release, trusted_by))
    }

    /// The packages that wait, for whoever may read security.
    pub fn staged(&self, caller: &Caller) -> Result<Vec<Waiting>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::ReadSecurity)?;
        waiting(&state)
    }

    /// The releases that the program was built with, oldest first.
    pub fn shipped(&self) -> Arc<Vec<Shipped>> {
        Arc::clone(&self.state().shipped)
    }

    /// The packages that wait, each looked at with the keys as they are now.
    pub fn staged_releases(&self, now: Now, caller: &Caller) -> Result<Vec<StagedRelease>, GateError> {
        on_its_road(caller, Step::Stage)?;
        let (believed, files) = {
            let mut state = self.state();
            decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
            let open = |staged: store::StagedPackage| Ok((state.store.open_package(&staged.id)?, staged));
            let files: Vec<_> =
                state.store.staged_packages(state.id)?.into_iter().map(open).collect::<Result<_, GateError>>()?;
            (state.believed(), files)
        };
        let look = |(file, staged): (StoredFile, store::StagedPackage)| {
            let bytes = file.read_at(0, usize::try_from(staged.bytes).unwrap_or(usize::MAX))?;
            let carried = believed.verify(&bytes).and_then(|verified| Ok(Carried::read(&verified)?));
            Ok(StagedRelease {
                package: staged.id.to_string(),
                bytes: staged.bytes,
                release: carried.map(|carried| carried.release.release).map_err(|error| error.to_string()),
            })
        };
        files.into_iter().map(look).collect()
    }

    /// Opens a package that waits, by its name.
    pub fn read_staged(&self, caller: &Caller, name: &str) -> Result<StoredFile, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::ReadSecurity)?;
        let found = called(&state, name)?;
        Ok(state.store.open_package(&PackageId::parse(&found.package)?)?)
    }

    /// Drops a package that waits, by its name.
    pub fn drop_staged(&self, now: Now, caller: &Caller, name: &str) -> Result<(), GateError> {
        let mut state = self.may_stage(now, caller)?;
        let found = called(&state, name)?;
        drop_one(&mut state, &found.package)?;
        let mut labels = labels(&state)?;
        labels.remove(&found.package);
        let effect = format!("dropped {}", found.name);
        relabel(&mut state, now, caller, labels, vec![Draft::kept(priority::WARNING, "package", effect)])
    }

    /// Calls a package that waits something else. With `replace`, one that has the new name is dropped.
    pub fn rename_staged(
        &self,
        now: Now,
        caller: &Caller,
        from: &str,
        to: &str,
        replace: bool,
    ) -> Result<(), GateError> {
        let mut state = self.may_stage(now, caller)?;
        let found = called(&state, from)?;
        let mut labels = labels(&state)?;
        if let Ok(other) = called(&state, to)
            && other.package != found.package
        {
            if !replace {
                return Err(GateError::PackageNamed(to.to_owned()));
            }
            labels.remove(&other.package);
            drop_one(&mut state, &other.package)?;
        }
        labels.insert(found.package, Label { name: to.to_owned(), utc_ms: found.utc_ms });
        relabel(&mut state, now, caller, labels, Vec::new())
    }

    fn may_stage(&self, now: Now, caller: &Caller) -> Result<std::sync::MutexGuard<'_, State>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        if state.under_way.is_some() { Err(GateError::Changing) } else { Ok(state) }
    }
}

fn waiting(state: &State) -> Result<Vec<Waiting>, GateError> {
    let labels = labels(state)?;
    let staged = state.store.staged_packages(state.id)?.into_iter().map(|staged| {
        let package = staged.id.to_string();
        // Power failed between staging and naming it.
        let unnamed = || Label { name: format!("{package}.upg"), utc_ms: 0 };
        let Label { name, utc_ms } = labels.get(&package).cloned().unwrap_or_else(unnamed);
        Waiting { name, package, bytes: staged.bytes, utc_ms }
    });
    Ok(staged.collect())
}

fn called(state: &State, name: &str) -> Result<Waiting, GateError> {
    let found = waiting(state)?.into_iter().find(|waiting| waiting.name == name);
    found.ok_or_else(|| GateError::NoPackage(name.chars().take(MAX_PACKAGE_NAME).collect()))
}

fn drop_one(state: &mut State, package: &str) -> Result<(), GateError> {
    if state.schedule.as_ref().is_some_and(|schedule| schedule.needs(package)) {
        return Err(GateError::ScheduledPackage);
    }
    Ok(state.store.drop_package(state.id, &PackageId::parse(package)?)?)
}

fn labels(state: &State) -> Result<BTreeMap<String, Label>, GateError> {
    match state.store.record(state.id, NAMES)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| GateError::Unreadable(error.to_string())),
        None => Ok(BTreeMap::new()),
    }
}

/// Writes down what the packages that still wait are called, with the events that tell of it.
fn relabel(
    state: &mut State,
    now: Now,
    caller: &Caller,
    mut labels: BTreeMap<String, Label>,
    drafts: Vec<Draft>,
) -> Result<(), GateError> {
    let staged = state.store.staged_packages(state.id)?;
    labels.retain(|package, _| staged.iter().any(|staged| staged.id.as_str() == package));
    let text = serde_json::to_string(&labels).map_err(|error| GateError::Unreadable(error.to_string()))?;
    let log = state.log_setup();
    let events = log.take(now, caller, drafts);
    let tick = store::Tick {
        meter: state.id,
        energies: &[],
        records: &[(NAMES, &text)],
        recorders: store::RecorderBatch::NONE,
        events: log.batch(&events),
    };
    Ok(state.store.tick(&[tick])?)
}

fn free_name(labels: &BTreeMap<String, Label>, id: &PackageId, release: &Version) -> String {
    let plain = format!("{release}.upg");
    let taken = labels.iter().any(|(other, label)| label.name == plain && other != id.as_str());
    if taken { format!("{release}-{}.upg", &id.as_str()[..8]) } else { plain }
}
