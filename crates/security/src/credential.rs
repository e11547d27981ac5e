//! What a meter keeps of one password, and the form it is stored in.
//!
//! The kind says how; the store writes [`to_stored`](Credential::to_stored) and nothing else of it.
//! A factory `0` is a state of its own on every release, so it is never hashed and never stored as if
//! somebody had chosen it.

use std::fmt;

use zeroize::Zeroizing;

use crate::account::CredentialKind;
use crate::password::is_printable;
use crate::phc::{PasswordHash, PhcError};
use crate::secret::Password;

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
    /// A keyed Argon2id hash. Made by [`hash`](crate::vault::hash).
    Hashed(PasswordHash),
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
