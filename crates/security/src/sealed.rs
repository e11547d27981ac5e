//! Secrets under a passphrase, as a sealed backup carries them: Argon2id makes a key of the passphrase, ChaCha20-Poly1305
//! (RFC 8439) encrypts and vouches, for the bytes around them as well. Plain functions: salt and memory are lent.
//!
//! There is one cost and no field for another, so that no file can make its reader allocate gigabytes or compute for
//! hours. A sealing never fails silently: what doesn't open is refused as a whole.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::phc::{HASH_BYTES, SALT_BYTES as PHC_SALT_BYTES};
use crate::secret::Password;
use crate::vault::HashMemory;

/// Length of a salt in bytes (RFC 9106, 3.1).
pub const SALT_BYTES: usize = PHC_SALT_BYTES;
/// Passes over the 19 MiB that a password hash works in: twelve times those of a login, because a file can be guessed
/// against for years and has no device key to help. About a quarter of a second.
pub const PASSES: u32 = 24;
/// What sealing adds, in bytes: the tag (RFC 8439, 2.8).
pub const OVERHEAD: usize = 16;
/// The shortest passphrase that is taken, in bytes. Twelve random letters and digits are 71 bits.
pub const PASSPHRASE_MIN: usize = 12;

/// The passphrase is too easily guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a passphrase has at least {PASSPHRASE_MIN} characters, because a stolen file can be guessed against for years: \
     choose a longer one"
)]
pub struct PassphraseTooShort;

/// What was sealed doesn't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is wrong, or somebody has changed the file: nothing was opened")]
pub struct NotOpened;

/// Whether a passphrase may seal something.
///
/// # Errors
/// If it is shorter than [`PASSPHRASE_MIN`], or one character over and over.
pub fn check_passphrase(passphrase: &Password) -> Result<(), PassphraseTooShort> {
    let typed = passphrase.expose();
    let varied = typed.iter().any(|byte| Some(byte) != typed.first());
    if typed.len() >= PASSPHRASE_MIN && varied { Ok(()) } else { Err(PassphraseTooShort) }
}

/// A key made of a passphrase and a salt, which costs a computation once.
pub struct PassphraseKey(LessSafeKey);

impl PassphraseKey {
    /// The key. To seal with it, `salt` must be random and fresh.
    pub fn derive(passphrase: &Password, salt: &[u8; SALT_BYTES], memory: &mut HashMemory) -> Self {
        let bytes: Zeroizing<[u8; HASH_BYTES]> = memory.derive(passphrase, salt, PASSES);
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice()).expect("a hash is as long as the cipher's key");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts a secret, once and for all: `over` is what is vouched for besides.
    pub fn seal(self, secret: &[u8], over: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(secret.len() + OVERHEAD);
        bytes.extend_from_slice(secret);
        self.0
            .seal_in_place_append_tag(nonce(), Aad::from(over), &mut bytes)
            .expect("a secret is far shorter than the 256 GiB that the cipher takes");
        bytes
    }

    /// What [`seal`](Self::seal) was given.
    ///
    /// # Errors
    /// With another passphrase or salt, or if a bit of the bytes or of `over` is another.
    pub fn open(&self, sealed: &[u8], over: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self.0.open_in_place(nonce(), Aad::from(over), bytes.as_mut_slice());
        let length = opened.map_err(|_| NotOpened)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// A salt is used once, so a key is as well, and its only message can always have the same nonce.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_BYTES] = [7; SALT_BYTES];

    fn passphrase(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[test]
    fn b29_only_its_passphrase_salt_and_surroundings_open_what_was_sealed() {
        let mut memory = HashMemory::new();
        let mut key = |text: &str, salt| PassphraseKey::derive(&passphrase(text), &salt, &mut memory);
        let own = key("correct horse battery", SALT);
        let sealed = key("correct horse battery", SALT).seal(b"device-key 00", b"around");
        assert_eq!(sealed.len(), b"device-key 00".len() + OVERHEAD);
        assert!(!sealed.windows(6).any(|window| window == b"device"));
        assert_eq!(own.open(&sealed, b"around").unwrap().as_slice(), b"device-key 00");
        assert_eq!(key("correct horse batterz", SALT).open(&sealed, b"around"), Err(NotOpened));
        assert_eq!(key("correct horse battery", [8; SALT_BYTES]).open(&sealed, b"around"), Err(NotOpened));
        assert_eq!(own.open(&sealed, b"arounD"), Err(NotOpened));
        for at in [0, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(own.open(&changed, b"around"), Err(NotOpened));
        }
        assert_eq!(own.open(b"short", b""), Err(NotOpened));
    }

    #[test]
    fn a_weak_passphrase_is_refused_in_a_sentence() {
        for weak in ["", "0", "elevenchars", "aaaaaaaaaaaaaaaaaaaa"] {
            let refused = check_passphrase(&passphrase(weak)).unwrap_err().to_string();
            assert!(refused.contains("at least 12 characters"), "{refused}");
        }
        assert!(check_passphrase(&passphrase("twelve chars")).is_ok());
    }
}
