//! The stored text of a password hash: a PHC string, read strictly and written in one way only.
//!
//! Exactly one cost is accepted. So an edited or foreign database can neither make a meter allocate
//! gigabytes, nor weaken a hash unseen, nor make one account answer faster than another.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as B64;

use crate::secret::KeyId;

/// Memory of one hash in KiB: OWASP's Argon2id parameters, 19 MiB with two passes.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
pub const PASSES: u32 = 2;
/// Lanes: one, since the meter gives a hash one core.
pub const LANES: u32 = 1;
/// Length of a salt in bytes (RFC 9106, 3.1: 16 recommended for passwords).
pub const SALT_BYTES: usize = 16;
/// Length of a hash in bytes.
pub const HASH_BYTES: usize = 32;
/// The longest text that can be one of ours; what is longer isn't looked at.
const TEXT_MAX: usize = 192;

/// A password hash with what is needed to compute it again, but for the device key.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    pub(crate) key: KeyId,
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) hash: [u8; HASH_BYTES],
}

impl PasswordHash {
    /// The name of the device key that it was made with.
    pub fn key_id(&self) -> KeyId {
        self.key
    }

    /// Reads a PHC string: `$argon2id$v=19$m=19456,t=2,p=1,keyid=…$salt$hash`, base64 without padding.
    ///
    /// # Errors
    /// One for each part that isn't as this meter writes it.
    pub fn parse(text: &str) -> Result<Self, PhcError> {
        if text.len() > TEXT_MAX {
            return Err(PhcError::Shape);
        }
        let mut parts = text.split('$');
        let mut part = || parts.next().ok_or(PhcError::Shape);
        if !part()?.is_empty() {
            return Err(PhcError::Shape);
        }
        if (part()?, part()?) != ("argon2id", "v=19") {
            return Err(PhcError::Algorithm);
        }
        let key = parse_parameters(part()?)?;
        let salt = decode(part()?).ok_or(PhcError::Bytes { what: "salt", length: SALT_BYTES })?;
        let hash = decode(part()?).ok_or(PhcError::Bytes { what: "hash", length: HASH_BYTES })?;
        if parts.next().is_some() {
            return Err(PhcError::Shape);
        }
        Ok(Self { key, salt, hash })
    }
}

/// `m=…,t=…,p=…,keyid=…`, in this order and no other.
fn parse_parameters(text: &str) -> Result<KeyId, PhcError> {
    let mut parameters = text.split(',');
    for (name, expected) in [("m=", MEMORY_KIB), ("t=", PASSES), ("p=", LANES)] {
        let digits = parameters.next().and_then(|p| p.strip_prefix(name)).ok_or(PhcError::Shape)?;
        if digits != expected.to_string() {
            return Err(PhcError::Cost);
        }
    }
    let key = parameters.next().and_then(|p| p.strip_prefix("keyid=")).ok_or(PhcError::NoKey)?;
    if parameters.next().is_some() {
        return Err(PhcError::Shape);
    }
    KeyId::parse(key).ok_or(PhcError::NoKey)
}

/// Exactly `N` bytes of canonical base64 without padding.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The length first, so that nothing longer is ever decoded.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let bytes = B64.decode(text).ok()?;
    bytes.try_into().ok()
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (B64.encode(self.salt), B64.encode(self.hash));
        write!(f, "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES},keyid={}${salt}${hash}", self.key)
    }
}

/// Why a stored hash is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhcError {
    /// Not of the form.
    #[error("the stored password hash is not a PHC string of this meter: reset the account's password")]
    Shape,
    /// Another algorithm or version of it.
    #[error("the stored password hash is not Argon2id version 19: reset the account's password")]
    Algorithm,
    /// Another cost, higher or lower.
    #[error(
        "the stored password hash asks for a cost other than m={MEMORY_KIB},t={PASSES},p={LANES}: reset the account's password"
    )]
    Cost,
    /// No device key is named.
    #[error("the stored password hash does not name a device key: reset the account's password")]
    NoKey,
    /// A salt or hash of another length, or bad base64.
    #[error("the {what} of the stored password hash is not {length} bytes of base64: reset the account's password")]
    Bytes {
        /// Which of the two.
        what: &'static str,
        /// What it should be.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "$argon2id$v=19$m=19456,t=2,p=1,keyid=621759ed$ZGVmZ2hpamtsbW5vcHFycw$7OXrI/CYKabSjpGg8FEG4CQv1khs2SVZ2TXbEF0NPOY";

    #[test]
    fn b29_the_stored_form_is_a_phc_string_that_names_its_key() {
        let read = PasswordHash::parse(GOOD).ok().unwrap();
        assert_eq!(read.to_string(), GOOD);
        assert_eq!(read.key_id().to_string(), "621759ed");
        assert_eq!(&read.salt, b"defghijklmnopqrs");
    }

    #[test]
    fn b29_another_cost_or_form_is_refused_and_never_computed() {
        use PhcError::{Algorithm, Bytes, Cost, NoKey, Shape};
        let (salt, hash) = (Bytes { what: "salt", length: SALT_BYTES }, Bytes { what: "hash", length: HASH_BYTES });
        let rows = [
            ("m=19456", "m=4194304", Cost),
            ("m=19456", "m=99999999999999999999", Cost),
            ("m=19456", "m=8", Cost),
            ("m=19456", "m=019456", Cost),
            ("m=19456", "m=+19456", Cost),
            ("t=2", "t=1", Cost),
            ("t=2", "t=4294967295", Cost),
            ("p=1", "p=16777215", Cost),
            ("m=19456,t=2", "t=2,m=19456", Shape),
            ("m=19456,", "", Shape),
            (",keyid=621759ed", "", NoKey),
            ("621759ed", "621759ED", NoKey),
            ("621759ed", "621759e", NoKey),
            ("621759ed", "621759ed,data=AAAA", Shape),
            ("argon2id", "argon2i", Algorithm),
            ("v=19", "v=16", Algorithm),
            ("v=19$", "", Algorithm),
            ("ZGVm", "", salt),
            ("cHFycw$", "cHFycx$", salt),
            ("cHFycw$", "cHFycw==$", salt),
            ("NPOY", "NPO-", hash),
            ("NPOY", "NPOYAAAA", hash),
            ("NPOY", "NPOY$", Shape),
            ("$argon2id", "argon2id", Shape),
        ];
        for (from, to, expected) in rows {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD, "{from} is in the example");
            assert_eq!(PasswordHash::parse(&bad).err(), Some(expected), "{bad}");
        }
        assert_eq!(PasswordHash::parse("").err(), Some(Shape));
        assert_eq!(PasswordHash::parse(&format!("{GOOD}{}", "A".repeat(1 << 20))).err(), Some(Shape));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(text in prop_oneof![".{0,200}", "\\$argon2id\\$v=19\\$m=19456,t=2,p=1,keyid=[0-9a-f]{8}\\$[A-Za-z0-9+/]{22}\\$[A-Za-z0-9+/]{43}"]) {
            if let Ok(read) = PasswordHash::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn a_byte_changed_is_never_the_same_hash(at in 0..GOOD.len(), byte in 0x20u8..0x7f) {
            let mut bytes = GOOD.as_bytes().to_vec();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(read) = PasswordHash::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn every_hash_comes_back_from_its_text(key: [u8; 32], salt: [u8; SALT_BYTES], hash: [u8; HASH_BYTES]) {
            let made = PasswordHash { key: crate::secret::DeviceKey::new(&key).id(), salt, hash };
            prop_assert!(PasswordHash::parse(&made.to_string()).ok() == Some(made));
        }
    }
}
