//! The keys that may sign packages for this meter: listed, added and revoked by whoever has Security Config, and
//! changed by a signed package in the commit that confirms it. The list and the keys that were revoked are the device's:
//! no release, template or restore writes them, and each change is an event that is always kept.

use std::collections::BTreeMap;

use firmware::KeyRing;
use firmware::key_ring::MAX_TRUSTED;
use firmware::package::{KeyId, TrustedKey};
use security::Ask;
use store::DeviceChange;

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide};
use crate::state::State;
use crate::{GateError, Now};

/// The record of revoked keys, the oldest first.
pub(crate) const REVOKED: &str = "revoked keys";
/// What events of the list are about.
const CAUSE: &str = "package keys";

// What a ring allows, the store takes: or a change would fail at its very end.
const _: () = assert!(MAX_TRUSTED <= store::MAX_TRUSTED_KEYS);

/// A change of the list, as it is stored.
pub(crate) struct Rotation {
    pub changes: Vec<DeviceChange>,
    pub revoked: String,
    pub events: Vec<Draft>,
}

impl Gate {
    /// Keys that may sign releases for this meter: id and comment.
    pub fn trusted(&self, now: Now, caller: &Caller) -> Result<Vec<(String, String)>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::ReadSecurity)?;
        let keys = state.keys.trusted().iter();
        Ok(keys.map(|key| (key.id().to_string(), key.comment().to_owned())).collect())
    }

    /// Trusts a key, given as its line of text; one that was revoked comes back only so.
    pub fn trust(&self, now: Now, caller: &Caller, line: &str) -> Result<(), GateError> {
        let mut state = self.to_configure(now, caller)?;
        let after = state.keys.trusting(key(line)?)?;
        commit(&mut state, now, caller, after)
    }

    /// Trusts the key with this id no more, and lets no package bring it back.
    pub fn revoke(&self, now: Now, caller: &Caller, id: &str) -> Result<(), GateError> {
        let mut state = self.to_configure(now, caller)?;
        let id: KeyId = id.parse().map_err(|error: firmware::package::NotAKeyId| GateError::Key(error.to_string()))?;
        let after = state.keys.without(id)?;
        commit(&mut state, now, caller, after)
    }
}

fn commit(state: &mut State, now: Now, caller: &Caller, after: KeyRing) -> Result<(), GateError> {
    let Rotation { changes, revoked, events } = rotation(&state.keys, &after, "")?;
    let log = state.log_setup();
    let events = log.take(now, caller, events);
    state.store.commit_device(state.id, &changes, &[(REVOKED, &revoked)], log.batch(&events))?;
    state.keys = after;
    Ok(())
}

/// What has to be stored so that one ring becomes another. `by` says in events who wants it, where the caller doesn't.
pub(crate) fn rotation(before: &KeyRing, after: &KeyRing, by: &str) -> Result<Rotation, GateError> {
    let trusted =
        |ring: &KeyRing| ring.trusted().iter().map(|key| (key.id(), key.to_string())).collect::<BTreeMap<_, _>>();
    let (old, new) = (trusted(before), trusted(after));
    // Revoked ones first: whoever exchanges one key for another needs no room for both.
    let gone = old.keys().filter(|id| !new.contains_key(*id));
    let mut changes: Vec<_> = gone.map(|id| DeviceChange::Revoke(id.to_string())).collect();
    let mut events = Vec::new();
    for (id, line) in new.iter().filter(|(id, line)| old.get(*id) != Some(*line)) {
        changes.push(DeviceChange::Trust(store::TrustedKey { name: id.to_string(), public_key: line.clone() }));
        events.push(Draft::kept(priority::WARNING, CAUSE, format!("trusts {id}{by}")));
    }
    for id in after.revoked().iter().filter(|id| !before.revoked().contains(id)) {
        events.push(Draft::kept(priority::WARNING, CAUSE, format!("revoked {id}{by}")));
    }
    let revoked = serde_json::to_string(after.revoked()).map_err(|error| GateError::Unreadable(error.to_string()))?;
    Ok(Rotation { changes, revoked, events })
}

/// The ring as it was stored.
pub(crate) fn stored(stored: &store::MeterState) -> Result<KeyRing, GateError> {
    let trusted = stored.trust.iter().map(|stored| key(&stored.public_key)).collect::<Result<_, _>>()?;
    let revoked = match stored.records.get(REVOKED) {
        Some(text) => serde_json::from_str(text).map_err(|error| GateError::Unreadable(error.to_string()))?,
        None => Vec::new(),
    };
    Ok(KeyRing::new(trusted, revoked))
}

/// A key in its text form.
pub(crate) fn key(line: &str) -> Result<TrustedKey, GateError> {
    line.trim().parse::<TrustedKey>().map_err(|error| GateError::Key(error.to_string()))
}
