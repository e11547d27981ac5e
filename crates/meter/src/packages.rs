//! Packages before a change of release: received beside the meter, verified by the meter itself (B27), staged in one
//! commit, listed and removed. The gate's lock is held for deciding and for the commit, never while bytes come in,
//! are written or are verified. What is staged does nothing until a plan is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::package::{Trust, TrustedBy};
use firmware::{Carried, Shipped, Version};
use security::{Ask, Right};
use serde::{Deserialize, Serialize};
use store::{
    IncomingPackage, MAX_STAGED_BYTES, MAX_STAGED_PACKAGES, PackageId, PartialPackage, StoreError, StoredFile,
};

use crate::change::{Step, on_its_road};
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide, may_read};
use crate::state::State;
use crate::uploads::{Moving, PackageUpload};
use crate::{GateError, Now, verifying};

/// The record of what staged packages are called, by SHA-256.
const NAMES: &str = "staged packages";
/// Longest name of a staged package, in bytes, as with documents.
pub const MAX_PACKAGE_NAME: usize = store::MAX_DOCUMENT_NAME;

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
    /// What it is called.
    pub name: String,
    /// When it was staged, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// Who vouches for it, in words.
    pub trusted_by: Option<String>,
    /// Its SHA-256.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// The release it carries, or why the meter no longer believes it.
    pub release: Result<Version, String>,
}

/// All packages of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// Those that wait.
    pub waiting: Vec<StagedRelease>,
    /// The one that the meter runs from, with its size; none if its release is the program's own.
    pub running: Option<(String, u64)>,
    /// Those that are here in part.
    pub partial: Vec<PartialPackage>,
    /// The one that comes in at this moment.
    pub moving: Option<Moving>,
}

/// What a staged package is to be called.
#[derive(Clone, Copy)]
pub(crate) enum Called<'a> {
    /// This; a package that is called so is dropped for it.
    InsteadOf(&'a str),
    /// This, or else after its release, with a part of its digest if another is called so.
    IfFree(Option<&'a str>),
}

/// What is remembered of a staged package.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Label {
    name: String,
    utc_ms: i64,
}

impl Gate {
    /// Takes in a package that has come in whole, if the meter itself believes it (B27). Without a name it is called
    /// after its release. A name that another package has is taken from it, and that one is dropped.
    pub fn stage_upload(
        &self,
        now: Now,
        caller: &Caller,
        upload: PackageUpload,
        name: Option<&str>,
    ) -> Result<Staged, GateError> {
        let called = name.map_or(Called::IfFree(None), Called::InsteadOf);
        self.stage_incoming(now, caller, upload.finish()?, None, called)
    }

    /// Stages a file that is whole, if it has the digest it was announced with.
    pub(crate) fn stage_incoming(
        &self,
        now: Now,
        caller: &Caller,
        incoming: IncomingPackage,
        announced: Option<&PackageId>,
        called: Called<'_>,
    ) -> Result<Staged, GateError> {
        let believed = {
            let mut state = self.state();
            decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
            state.believed()
        };
        let received = incoming.finish()?;
        if announced.is_some_and(|announced| announced != received.id()) {
            return self.refuse_package(now, caller, GateError::OtherPackage);
        }
        let verified = match verifying::received(&received, &believed) {
            Ok(verified) => verified,
            Err(error) => return self.refuse_package(now, caller, error),
        };
        self.check_floor(now, caller, verified.release())?;
        let carried = Carried::read(&verified)?;
        let trusted_by = in_words(verified.trusted_by());
        let release = carried.release.release;
        // Receiving and verifying may have taken long: what was allowed then is asked again.
        let mut state = self.to_configure(now, caller)?;
        let id = state.id;
        let mut labels = labels(&state)?;
        let name = match called {
            Called::InsteadOf(name) => name.to_owned(),
            Called::IfFree(name) => free_name(&labels, received.id(), &release, name),
        };
        let namesake = labels.iter().find(|(other, label)| label.name == name && **other != received.id().as_str());
        let namesake = namesake.map(|(other, _)| PackageId::parse(other)).transpose()?;
        namesake.iter().try_for_each(|other| may_go(&state, other.as_str()))?;
        room_among_those_that_wait(&state, received.id(), received.size(), namesake.as_ref())?;
        let staged = state.store.stage_package(id, received, namesake.as_ref())?;
        let effect = format!("staged release {release}");
        let mut drafts: Vec<_> = namesake.iter().map(|_| dropped(&name)).collect();
        drafts.push(Draft::kept(priority::WARNING, "package", effect));
        labels.insert(staged.id.to_string(), Label { name, utc_ms: now.utc_ms });
        relabel(&mut state, now, caller, labels, drafts)?;
        Ok(Staged { package: staged.id.to_string(), release, trusted_by })
    }

    /// The same with all bytes at once.
    pub fn stage(&self, now: Now, caller: &Caller, bytes: &[u8]) -> Result<Staged, GateError> {
        let mut upload = self.receive_package(now, caller)?;
        upload.write_at(now, 0, bytes)?;
        self.stage_upload(now, caller, upload, None)
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
            let open =
                |waiting: Waiting| Ok((state.store.open_package(&PackageId::parse(&waiting.package)?)?, waiting));
            let files: Vec<_> = waiting(&state)?.into_iter().map(open).collect::<Result<_, GateError>>()?;
            (state.believed(), files)
        };
        let look = |(file, waiting): (StoredFile, Waiting)| {
            let looked = PackageId::parse(&waiting.package).map_err(GateError::from);
            let looked = looked.and_then(|id| looked_at(&id, &file, &believed));
            let Waiting { name, package, bytes, utc_ms } = waiting;
            let (release, trusted_by) = match looked {
                Ok((release, trusted_by)) => (Ok(release), Some(trusted_by)),
                Err(error) => (Err(error.to_string()), None),
            };
            StagedRelease { name, utc_ms, trusted_by, package, bytes, release }
        };
        Ok(files.into_iter().map(look).collect())
    }

    /// A package that waits and is still believed, by its digest.
    pub(crate) fn staged_already(&self, id: &PackageId) -> Result<Option<Staged>, GateError> {
        let (believed, file) = {
            let state = self.state();
            if !state.store.staged_packages(state.id)?.iter().any(|staged| staged.id == *id) {
                return Ok(None);
            }
            let Ok(file) = state.store.open_package(id) else { return Ok(None) };
            (state.believed(), file)
        };
        // One that is damaged is mended by being sent again, and one that isn't believed any more is refused then.
        let staged = |(release, trusted_by)| Staged { package: id.to_string(), release, trusted_by };
        Ok(looked_at(id, &file, &believed).ok().map(staged))
    }

    /// All packages of this meter, for whoever may change its release.
    pub fn packages(&self, now: Now, caller: &Caller) -> Result<Packages, GateError> {
        let waiting = self.staged_releases(now, caller)?;
        let running = {
            let state = self.state();
            match &state.package {
                Some(id) => Some((id.to_string(), state.store.open_package(id)?.size())),
                None => None,
            }
        };
        let moving = self.uploads.moving(now);
        Ok(Packages { waiting, running, partial: self.inbox().partial()?, moving })
    }

    /// The upload that is under way, for whoever may read security. Costs no lock of the meter's.
    pub fn moving(&self, now: Now, caller: &Caller) -> Result<Option<Moving>, GateError> {
        if let Some(path) = caller.path {
            self.view().may(path, caller.who, Ask::ReadSecurity)?;
        }
        Ok(self.uploads.moving(now))
    }

    /// Drops a package that waits, by its name or the beginning of its digest, or what is here of one in part, by its
    /// digest's beginning. Gives what it was called.
    pub fn drop_package(&self, now: Now, caller: &Caller, which: &str) -> Result<String, GateError> {
        let no_such = || GateError::NoPackage(which.chars().take(MAX_PACKAGE_NAME).collect());
        on_its_road(caller, Step::Stage)?;
        let digits = which.strip_prefix("sha256:").unwrap_or(which).to_ascii_lowercase();
        let is = |package: &str| digits.len() >= SHORTEST_DIGEST && package.starts_with(&digits);
        let (named, partial) = {
            let mut state = self.state();
            decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
            let waiting = waiting(&state)?;
            let by_name = waiting.iter().find(|waiting| waiting.name == which);
            let by_digest: Vec<_> = waiting.iter().filter(|waiting| is(&waiting.package)).collect();
            let partial: Vec<_> = self.inbox().partial()?.into_iter().filter(|one| is(one.id.as_str())).collect();
            match (by_name, by_digest.as_slice(), partial.as_slice()) {
                (Some(one), _, _) => (Some(one.name.clone()), None),
                (None, [one], []) => (Some(one.name.clone()), None),
                (None, [], [one]) => (None, Some(one.id.clone())),
                _ => return Err(no_such()),
            }
        };
        if let Some(name) = named {
            self.drop_staged(now, caller, &name)?;
            return Ok(name);
        }
        let id = partial.ok_or_else(no_such)?;
        let inbox = self.inbox();
        self.uploads.leave_package(now, &id, || inbox.drop_partial(&id))?;
        let effect = format!("dropped what had come in of {id}");
        self.state().log(now, caller, vec![Draft::kept(priority::WARNING, "package", effect)])?;
        Ok(id.to_string())
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
        let mut state = self.to_configure(now, caller)?;
        let found = called(&state, name)?;
        drop_one(&mut state, &found.package)?;
        let mut labels = labels(&state)?;
        labels.remove(&found.package);
        relabel(&mut state, now, caller, labels, vec![dropped(&found.name)])
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
        let mut state = self.to_configure(now, caller)?;
        let found = called(&state, from)?;
        let mut labels = labels(&state)?;
        let mut drafts = Vec::new();
        if let Ok(other) = called(&state, to)
            && other.package != found.package
        {
            if !replace {
                return Err(GateError::PackageNamed(to.to_owned()));
            }
            labels.remove(&other.package);
            drop_one(&mut state, &other.package)?;
            drafts.push(dropped(to));
        }
        labels.insert(found.package, Label { name: to.to_owned(), utc_ms: found.utc_ms });
        relabel(&mut state, now, caller, labels, drafts)
    }
}

/// Digits of a digest that tell a package from the others of one meter.
const SHORTEST_DIGEST: usize = 8;

/// What a package brings, and who vouches for it, if it is believed.
fn looked_at(id: &PackageId, file: &StoredFile, trust: &Trust) -> Result<(Version, String), GateError> {
    let verified = verifying::stored(id, file, trust)?;
    Ok((Carried::read(&verified)?.release.release, in_words(verified.trusted_by())))
}

fn in_words(trusted_by: TrustedBy) -> String {
    match trusted_by {
        TrustedBy::Digest => "the program, which was built with it".to_owned(),
        TrustedBy::Key(id) => format!("key {id}"),
    }
}

/// Whether one more may wait. What waits is somebody's: it never goes by itself, and the refusal names it.
pub(crate) fn room_among_those_that_wait(
    state: &State,
    id: &PackageId,
    bytes: u64,
    instead_of: Option<&PackageId>,
) -> Result<(), GateError> {
    match state.store.room_for_package(state.id, id, bytes, instead_of) {
        Err(StoreError::PackageQuota(_)) => {
            let names: Vec<_> = waiting(state)?.into_iter().map(|waiting| waiting.name).collect();
            Err(GateError::PackageQuota(format!(
                "no more packages can wait (at most {MAX_STAGED_PACKAGES}, of {} MiB together; now {}): drop one with \
                 `setup METER packages drop NAME`",
                MAX_STAGED_BYTES / (1024 * 1024),
                names.join(", "),
            )))
        }
        room => Ok(room?),
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

/// A change that waits for its time needs its package.
fn may_go(state: &State, package: &str) -> Result<(), GateError> {
    let needed = state.schedule.as_ref().is_some_and(|schedule| schedule.needs(package));
    if needed { Err(GateError::ScheduledPackage) } else { Ok(()) }
}

fn drop_one(state: &mut State, package: &str) -> Result<(), GateError> {
    may_go(state, package)?;
    Ok(state.store.drop_package(state.id, &PackageId::parse(package)?)?)
}

/// That a package is gone, whether by somebody's wish or for another of its name.
fn dropped(name: &str) -> Draft {
    Draft::kept(priority::WARNING, "package", format!("dropped {name}"))
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
    let records = [(NAMES, text.as_str())];
    Ok(state.store.tick(&[store::Tick { records: &records, ..store::Tick::of(state.id, log.batch(&events)) }])?)
}

fn free_name(labels: &BTreeMap<String, Label>, id: &PackageId, release: &Version, wanted: Option<&str>) -> String {
    let taken = |name: &str| labels.iter().any(|(other, label)| label.name == name && other != id.as_str());
    let plain = format!("{release}.upg");
    let wanted = wanted.unwrap_or(&plain);
    if taken(wanted) { format!("{release}-{}.upg", &id.as_str()[..8]) } else { wanted.to_owned() }
}
