//! Text and bytes that must not be shown: no Debug, no Display, wiped on drop.
//!
//! The store carries what the vault made (hashes, a legacy release's reversible form, private keys) and never looks
//! inside. SQLite keeps short-lived copies of its own in memory while a statement runs; those aren't wiped.

use zeroize::Zeroizing;

/// Secret text: what is stored of a credential.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the copy given away is this one.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever asks answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Secret bytes: a private key, the device key.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Whoever asks answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
