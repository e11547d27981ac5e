//! What a meter keeps of one password, and the form it is stored in.
//!
//! The kind says how; the store writes [`to_stored`](Credential::to_stored) and nothing else of it.
//! A factory `0` is a state of its own on every release, so it is never hashed and never stored as if
//! somebody had chosen it.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::account::CredentialKind;
use crate::password::is_printable;
use crate::phc::{PasswordHash, PhcError, SALT_BYTES};
use crate::secret::{DeviceKey, Password};
use crate::vault::{self, HashMemory};

/// The stored form of a factory password.
const FACTORY: &str = "factory";
/// What stands before a readable password in its stored form. The password follows as it is: legacy
/// releases keep it readable, and whoever looks into their state must be able to see that.
const READABLE: &str = "readable:";

/// What a meter keeps of one password.
pub enum Credential {
    /// The factory password `0`: a state, not a secret.
    Factory,
    /// The password itself, as legacy releases keep it. Made by [`Credential::readable`].
    Readable(Password),
    /// A keyed Argon2id hash. Made by [`vault::hash`].
    Hashed(PasswordHash),
}

/// What a change of release does to a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convert {
    /// Stays as it is.
    Keep,
    /// A readable password is hashed; what is hashed or factory already stays.
    Hash,
    /// Becomes the factory password.
    Reset,
}

impl Convert {
    /// The kind that `kind` becomes: what a plan shows, and what [`Credential::converted`] makes.
    pub fn outcome(self, kind: CredentialKind) -> CredentialKind {
        match (self, kind) {
            (Self::Reset, _) => CredentialKind::Factory,
            (Self::Hash, CredentialKind::Readable) => CredentialKind::Hashed,
            (Self::Keep | Self::Hash, kind) => kind,
        }
    }
}

impl Credential {
    /// The password kept readable, for a legacy release; the factory password becomes the factory state.
    ///
    /// # Errors
    /// If it has a character that no release allows in a password: it couldn't be read back.
    pub fn readable(password: Password) -> Result<Self, StoredError> {
        if password.is_factory() {
            return Ok(Self::Factory);
        }
        let typed = password.expose();
        if typed.is_empty() || !typed.iter().copied().all(is_printable) {
            return Err(StoredError::Readable);
        }
        Ok(Self::Readable(password))
    }

    /// How the password is kept.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Factory => CredentialKind::Factory,
            Self::Readable(_) => CredentialKind::Readable,
            Self::Hashed(_) => CredentialKind::Hashed,
        }
    }

    /// The text for the store: `factory`, `readable:` and the password, or the PHC string.
    pub fn to_stored(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Factory => FACTORY.to_owned(),
            Self::Readable(password) => {
                let typed = password.expose();
                // All the room at once: a string that grows leaves unwiped copies behind.
                let mut text = String::with_capacity(READABLE.len() + typed.len());
                text.push_str(READABLE);
                text.extend(typed.iter().copied().map(char::from));
                text
            }
            Self::Hashed(hash) => hash.to_string(),
        })
    }

    /// Reads what [`to_stored`](Self::to_stored) gave.
    ///
    /// # Errors
    /// For any other text. None of them repeats it.
    pub fn from_stored(text: &str) -> Result<Self, StoredError> {
        if text == FACTORY {
            return Ok(Self::Factory);
        }
        match text.strip_prefix(READABLE) {
            Some(password) => Self::readable(Password::new(password).map_err(|_| StoredError::Readable)?),
            None if text.starts_with('$') => Ok(Self::Hashed(PasswordHash::parse(text)?)),
            None => Err(StoredError::Unknown),
        }
    }

    /// The credential after a change of release. At most one hash is computed.
    #[must_use]
    pub fn converted(self, convert: Convert, salt: [u8; SALT_BYTES], key: &DeviceKey, memory: &mut HashMemory) -> Self {
        match (convert, self) {
            (Convert::Reset, _) => Self::Factory,
            (Convert::Hash, Self::Readable(password)) => vault::hash(&password, salt, key, memory),
            (Convert::Keep | Convert::Hash, same) => same,
        }
    }
}

/// Shows the kind and nothing else.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind())
    }
}

/// A stored credential that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// None of the three forms.
    #[error("a stored credential is neither factory, readable nor a hash: reset the account's password")]
    Unknown,
    /// A readable password that no release could have set.
    #[error("a readable password has only printable ASCII characters and is not empty: choose another one")]
    Readable,
    /// A hash that isn't this meter's.
    #[error(transparent)]
    Hash(#[from] PhcError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Convert; 3] = [Convert::Keep, Convert::Hash, Convert::Reset];

    fn readable(password: &str) -> Credential {
        Credential::readable(Password::new(password).unwrap()).unwrap()
    }

    #[test]
    fn b16_legacy_stores_a_password_so_that_a_search_finds_it() {
        let stored = readable("Kw7!x").to_stored();
        assert_eq!(stored.as_str(), "readable:Kw7!x");
        assert_eq!(Credential::from_stored(&stored).unwrap().to_stored(), stored);
    }

    #[test]
    fn zero_is_the_factory_state_however_it_comes_in() {
        for credential in [readable("0"), Credential::from_stored("readable:0").unwrap(), Credential::Factory] {
            assert_eq!(credential.kind(), CredentialKind::Factory);
            assert_eq!(credential.to_stored().as_str(), "factory");
        }
    }

    #[test]
    fn b15_b21_a_conversion_makes_the_kind_that_the_plan_showed_and_never_hashes_a_factory_zero() {
        let key = DeviceKey::new(&[7; 32]);
        let mut memory = HashMemory::new();
        let hashed = vault::hash(&Password::new("77").unwrap(), [1; 16], &key, &mut memory).to_stored();
        for stored in ["factory", "readable:4711", hashed.as_str()] {
            for convert in ALL {
                let before = Credential::from_stored(stored).unwrap();
                let (kind, computed) = (before.kind(), memory.computations());
                let after = before.converted(convert, [2; 16], &key, &mut memory);
                assert_eq!(after.kind(), convert.outcome(kind), "{convert:?} of {kind}");
                let one = u64::from(convert == Convert::Hash && kind == CredentialKind::Readable);
                assert_eq!(memory.computations() - computed, one, "{convert:?} of {kind}");
                if convert.outcome(kind) == kind {
                    assert_eq!(after.to_stored().as_str(), stored);
                }
            }
        }
    }

    #[test]
    fn b29_neither_debug_nor_an_error_shows_a_secret() {
        assert_eq!(format!("{:?}", readable("topsec")), "Credential(readable)");
        for bad in ["", "topsec", "readable:", "readable:top sec", "readable:töpsec", "Factory", "$topsec"] {
            let refusal = Credential::from_stored(bad).unwrap_err();
            assert!(!format!("{refusal} {refusal:?}").contains("topsec"), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_stored_the_same_way(text in prop_oneof![".{0,40}", "readable:[!-~]{1,10}"]) {
            if let Ok(read) = Credential::from_stored(&text) {
                let stored = read.to_stored();
                prop_assert!(stored.as_str() == text || (text == "readable:0" && stored.as_str() == "factory"));
            }
        }
    }
}
