//! The device's list of trusted keys, and how it may change: by a user with Security Config, or by a signed package.
//!
//! Pure like everything here: a change gives a new ring, and what a package changes comes with the lines of its plan.
//! A key that was revoked is remembered, so that no package (an old one above all) ever brings it back.

use security::Right;

use crate::consequence::{Consequence, Kind, Severity};
use crate::package::{KeyChanges, KeyId, TrustedBy, TrustedKey};

/// Keys that a meter may trust at once.
pub const MAX_TRUSTED: usize = 64;
/// Revoked keys that are remembered: a rotation a month for twenty years.
pub const MAX_REVOKED: usize = 256;

/// What stands before a key's id where a line is about it.
const SUBJECT: &str = "trusted key ";

/// Whom a meter takes packages from, and whom no more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRing {
    trusted: Vec<TrustedKey>,
    /// The oldest first.
    revoked: Vec<KeyId>,
}

/// Why keys stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There is no such key to revoke.
    #[error("the meter trusts no key {0}: `security trust list` shows those it does")]
    NotTrusted(KeyId),
    /// Beyond [`MAX_TRUSTED`].
    #[error("a meter trusts at most {MAX_TRUSTED} keys: revoke one first")]
    TooMany,
    /// Beyond [`MAX_REVOKED`].
    #[error("this package revokes more keys than the {MAX_REVOKED} that a meter remembers")]
    TooManyRevoked,
    /// Nobody who could sign the next package would be left.
    #[error(
        "this package would leave the meter without any trusted key, so it is refused; \
         only a user with {} can revoke the last one",
        Right::SecurityConfig
    )]
    LastKey,
    /// A package that no key vouches for.
    #[error("this package changes the meter's trusted keys, which only a package signed by a trusted key may")]
    NotSigned,
}

impl KeyRing {
    /// A meter's ring as it was kept.
    pub fn new(trusted: Vec<TrustedKey>, revoked: Vec<KeyId>) -> Self {
        Self { trusted, revoked }
    }

    /// The keys that may sign packages.
    pub fn trusted(&self) -> &[TrustedKey] {
        &self.trusted
    }

    /// The keys that no package can bring back, the oldest first.
    pub fn revoked(&self) -> &[KeyId] {
        &self.revoked
    }

    /// Whether a key may sign packages.
    pub fn trusts(&self, id: KeyId) -> bool {
        self.trusted.iter().any(|key| key.id() == id)
    }

    /// The ring with a key that a user trusts, whatever has been of it before.
    pub fn trusting(&self, key: TrustedKey) -> Result<Self, KeyRingError> {
        let id = key.id();
        let mut ring = self.clone();
        ring.revoked.retain(|revoked| *revoked != id);
        ring.trusted.retain(|known| known.id() != id);
        ring.trusted.push(key);
        if ring.trusted.len() > MAX_TRUSTED { Err(KeyRingError::TooMany) } else { Ok(ring) }
    }

    /// The ring without a key that a user revokes: always possible, if need be by forgetting the oldest that was.
    pub fn without(&self, id: KeyId) -> Result<Self, KeyRingError> {
        if !self.trusts(id) {
            return Err(KeyRingError::NotTrusted(id));
        }
        let mut ring = self.clone();
        ring.revoke(id);
        let too_many = ring.revoked.len().saturating_sub(MAX_REVOKED);
        ring.revoked.drain(..too_many);
        Ok(ring)
    }

    fn revoke(&mut self, id: KeyId) {
        self.trusted.retain(|key| key.id() != id);
        if !self.revoked.contains(&id) {
            self.revoked.push(id);
        }
    }

    /// The ring as a package changes it, with a line of the plan for each key that it names. A package may revoke the
    /// key that signed it, but not leave the meter without any.
    pub fn changed_by(&self, keys: &KeyChanges, by: TrustedBy) -> Result<(Self, Vec<Consequence>), KeyRingError> {
        if keys.is_empty() {
            return Ok((self.clone(), Vec::new()));
        }
        if by == TrustedBy::Digest {
            return Err(KeyRingError::NotSigned);
        }
        let mut after = self.clone();
        for key in keys.trust.iter().filter(|key| !self.trusts(key.id()) && !self.revoked.contains(&key.id())) {
            after.trusted.push(key.clone());
        }
        for id in &keys.revoke {
            after.revoke(*id);
        }
        if after.trusted.is_empty() {
            return Err(KeyRingError::LastKey);
        }
        if after.trusted.len() > MAX_TRUSTED {
            return Err(KeyRingError::TooMany);
        }
        if after.revoked.len() > MAX_REVOKED {
            return Err(KeyRingError::TooManyRevoked);
        }
        let trusted = keys.trust.iter().map(|key| self.trusted_line(key, &after));
        let revoked = keys.revoke.iter().map(|id| self.revoked_line(*id, &after));
        let lines = trusted.chain(revoked).collect();
        Ok((after, lines))
    }

    fn trusted_line(&self, key: &TrustedKey, after: &Self) -> Consequence {
        let id = key.id();
        let called = if key.comment().is_empty() { String::new() } else { format!(" ({})", key.comment()) };
        let (severity, text) = if self.trusts(id) {
            (Severity::Info, format!("Key {id}{called} is trusted already."))
        } else if after.trusts(id) {
            let text = format!("The package adds key {id}{called}: from then on whoever has it can sign releases.");
            (Severity::Danger, text)
        } else {
            let text = format!("The package wants key {id}{called} trusted, but it was revoked and stays so.");
            (Severity::Warning, text)
        };
        self.line(id, after, severity, text)
    }

    fn revoked_line(&self, id: KeyId, after: &Self) -> Consequence {
        let (severity, text) = if self.trusts(id) {
            let text = format!("The package revokes key {id}: what it has signed is refused from then on.");
            (Severity::Warning, text)
        } else {
            (Severity::Info, format!("Key {id} is not trusted, and no package can bring it."))
        };
        self.line(id, after, severity, text)
    }

    fn line(&self, id: KeyId, after: &Self, severity: Severity, text: String) -> Consequence {
        let subject = format!("{SUBJECT}{id}");
        Consequence::new("B27", Kind::Setting, subject, (self.state(id), after.state(id)), severity, text)
    }

    fn state(&self, id: KeyId) -> &'static str {
        match (self.trusts(id), self.revoked.contains(&id)) {
            (true, _) => "trusted",
            (false, true) => "revoked",
            (false, false) => "unknown",
        }
    }

    /// What is found of the key that a line of a plan is about, if it is about one.
    pub(crate) fn found(&self, subject: &str) -> Option<&'static str> {
        Some(self.state(subject.strip_prefix(SUBJECT)?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::package::SigningKey;

    fn key(n: u16) -> TrustedKey {
        let mut bytes = Zeroizing::new([7; 32]);
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        SigningKey::from_random(&bytes, &format!("key {n}")).unwrap().public()
    }

    fn ids(of: impl IntoIterator<Item = u16>) -> Vec<KeyId> {
        of.into_iter().map(|n| key(n).id()).collect()
    }

    fn ring(trusted: impl IntoIterator<Item = u16>, revoked: impl IntoIterator<Item = u16>) -> KeyRing {
        KeyRing::new(trusted.into_iter().map(key).collect(), ids(revoked))
    }

    fn changes(trust: &[u16], revoke: &[u16]) -> KeyChanges {
        KeyChanges { trust: trust.iter().copied().map(key).collect(), revoke: ids(revoke.iter().copied()) }
    }

    const SIGNED: fn() -> TrustedBy = || TrustedBy::Key(key(1).id());

    #[test]
    fn b27_a_package_rotates_keys_and_each_is_a_line() {
        let (after, lines) = ring([1], []).changed_by(&changes(&[2], &[1]), SIGNED()).unwrap();
        assert_eq!(after, ring([2], [1]));
        let told: Vec<_> =
            lines.iter().map(|line| (line.before.as_str(), line.after.as_str(), line.severity)).collect();
        assert_eq!(told, [("unknown", "trusted", Severity::Danger), ("trusted", "revoked", Severity::Warning)]);
        assert!(lines.iter().all(|line| after.found(&line.subject) == Some(&line.after)), "the report finds each");
        assert!(lines[0].text.contains("key 2"), "{}", lines[0].text);
    }

    #[test]
    fn b27_no_package_brings_a_revoked_key_back_but_a_user_does() {
        let rotated = ring([2], [1]);
        let (after, lines) = rotated.changed_by(&changes(&[1], &[]), TrustedBy::Key(key(2).id())).unwrap();
        assert_eq!(after, rotated);
        assert_eq!((lines[0].before.as_str(), lines[0].after.as_str()), ("revoked", "revoked"));
        assert_eq!(rotated.trusting(key(1)).unwrap(), ring([2, 1], []));
    }

    #[test]
    fn b27_what_a_meter_has_already_changes_nothing() {
        let before = ring([1, 2], [3]);
        let (after, lines) = before.changed_by(&changes(&[2], &[3]), SIGNED()).unwrap();
        assert_eq!(after, before);
        assert!(lines.iter().all(|line| !line.changes() && line.severity == Severity::Info), "{lines:?}");
        assert_eq!(before.changed_by(&KeyChanges::default(), TrustedBy::Digest), Ok((before.clone(), Vec::new())));
    }

    #[test]
    fn b27_a_key_can_be_revoked_before_it_was_ever_trusted() {
        let (after, _) = ring([1], []).changed_by(&changes(&[], &[5]), SIGNED()).unwrap();
        assert_eq!(after.changed_by(&changes(&[5], &[]), SIGNED()).unwrap().0, after);
    }

    #[test]
    fn b27_what_an_attacker_would_try_is_refused() {
        let full = ring(1..=MAX_TRUSTED as u16, []);
        let remembering = ring([1], 100..100 + MAX_REVOKED as u16);
        for (what, ring, keys, by, error) in [
            ("by digest alone", ring([1], []), changes(&[2], &[]), TrustedBy::Digest, KeyRingError::NotSigned),
            ("its own signer, alone", ring([1], []), changes(&[], &[1]), SIGNED(), KeyRingError::LastKey),
            ("all of them", ring([1, 2, 3], []), changes(&[], &[1, 2, 3]), SIGNED(), KeyRingError::LastKey),
            ("for a revoked one", ring([1], [2]), changes(&[2], &[1]), SIGNED(), KeyRingError::LastKey),
            ("one too many", full.clone(), changes(&[900], &[]), SIGNED(), KeyRingError::TooMany),
            ("to be forgotten", remembering.clone(), changes(&[], &[7]), SIGNED(), KeyRingError::TooManyRevoked),
        ] {
            assert_eq!(ring.changed_by(&keys, by), Err(error), "{what}");
        }
        assert_eq!(full.trusting(key(900)), Err(KeyRingError::TooMany));
        assert_eq!(full.trusting(key(3)).unwrap().trusted().len(), MAX_TRUSTED, "again is fine");
    }

    #[test]
    fn b27_a_user_can_always_revoke_the_last_one_too() {
        assert_eq!(ring([1], []).without(key(1).id()), Ok(ring([], [1])));
        assert_eq!(ring([1], []).without(key(2).id()), Err(KeyRingError::NotTrusted(key(2).id())));
        let full = ring([1], 100..100 + MAX_REVOKED as u16).without(key(1).id()).unwrap();
        assert_eq!(full, ring([], (101..100 + MAX_REVOKED as u16).chain([1])), "the oldest is forgotten");
    }
}
