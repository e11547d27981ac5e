//! The types that hold secrets: passwords, the device key, session tokens.
//!
//! None of them can be printed, serialised or cloned; each lies on the heap, so that moving it leaves
//! no copy behind, and is wiped when dropped. They are bounded where they are made, before any work
//! is done with what came from outside. Comparisons take the same time wherever two secrets differ.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password as somebody typed it. No rule is applied to it but a length: whether it may be *set*
/// is [`PasswordRules`](crate::password::PasswordRules)' to say.
pub struct Password {
    /// Padded with zeros, so that comparing takes the same time for every length.
    bytes: Box<Zeroizing<[u8; Self::MAX_BYTES]>>,
    length: usize,
}

/// A password longer than any release allows, refused before it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has at most {} bytes: this one is longer than any meter accepts", Password::MAX_BYTES)]
pub struct PasswordTooLong;

impl Password {
    /// Far above what any release's rules allow (8 characters), and small enough that a megabyte sent
    /// as a password costs nothing but its reading.
    pub const MAX_BYTES: usize = 128;

    /// The factory password.
    pub const FACTORY: &'static str = "0";

    /// Takes a copy of what was typed; wiping the original is the caller's business.
    ///
    /// # Errors
    /// Above [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(typed: impl AsRef<[u8]>) -> Result<Self, PasswordTooLong> {
        let typed = typed.as_ref();
        let mut bytes = Box::new(Zeroizing::new([0; Self::MAX_BYTES]));
        bytes.get_mut(..typed.len()).ok_or(PasswordTooLong)?.copy_from_slice(typed);
        Ok(Self { bytes, length: typed.len() })
    }

    /// The password itself, for whoever hashes, stores or sends it. Never for a log, an error or an
    /// argument.
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether it is the factory password, `0`.
    pub fn is_factory(&self) -> bool {
        let mut factory = [0; Self::MAX_BYTES];
        factory[..Self::FACTORY.len()].copy_from_slice(Self::FACTORY.as_bytes());
        (self.bytes.ct_eq(&factory) & self.length.ct_eq(&Self::FACTORY.len())).into()
    }

    /// Whether the two are the same, in a time that tells nothing about either.
    pub fn same_as(&self, other: &Self) -> bool {
        (self.bytes.ct_eq(&**other.bytes) & self.length.ct_eq(&other.length)).into()
    }
}

/// The meter's own secret that keys its hashes (B29). Without it, a stolen database can't be guessed
/// against, short numeric passwords included.
pub struct DeviceKey {
    bytes: Box<Zeroizing<[u8; Self::BYTES]>>,
}

impl DeviceKey {
    /// The length of the key: as strong as the hash it keys.
    pub const BYTES: usize = 32;

    /// The key with these bytes; they must be random.
    pub fn new(random: &[u8; Self::BYTES]) -> Self {
        Self { bytes: on_heap(random) }
    }

    /// The key itself, for its file and for the sealed backup. Nothing else has a use for it.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.bytes
    }

    /// The name that hashes give this key.
    pub fn id(&self) -> KeyId {
        let mut digest = Sha256::new();
        digest.update(b"wattkeep device key id\0");
        digest.update(self.expose());
        let digest = digest.finalize();
        let mut name = [0; KeyId::BYTES];
        name.copy_from_slice(&digest[..KeyId::BYTES]);
        KeyId(name)
    }
}

/// The public name of a device key: enough to tell "the key is another one" from "the password is
/// wrong", and a one-way function of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; Self::BYTES]);

impl KeyId {
    /// How many bytes of the key's digest make its name.
    pub const BYTES: usize = 4;
    /// Its length as text.
    pub const HEX_DIGITS: usize = 2 * Self::BYTES;

    /// Reads eight lower-case hexadecimal digits; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != Self::HEX_DIGITS || !text.bytes().all(lower_hex) {
            return None;
        }
        u32::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a client shows instead of its password once it has logged in.
pub struct Token {
    bytes: Box<Zeroizing<[u8; Self::BYTES]>>,
}

impl Token {
    /// 256 bits: can't be guessed, so it needs no lock-out and no slow hash.
    pub const BYTES: usize = 32;
    /// Its length as text.
    const TEXT_LENGTH: usize = 43;

    /// The token with these bytes; they must be random.
    pub fn new(random: &[u8; Self::BYTES]) -> Self {
        Self { bytes: on_heap(random) }
    }

    /// Reads what [`expose_text`](Self::expose_text) gave; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::TEXT_LENGTH {
            return None;
        }
        let mut bytes = Box::new(Zeroizing::new([0; Self::BYTES]));
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()?;
        (length == Self::BYTES).then_some(Self { bytes })
    }

    /// The token as it travels: 43 characters of URL-safe base64, in a header and never in a URL.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What a meter keeps of it, so that a look into its memory or a dump gives nobody a session.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.bytes.as_slice()).into()
    }
}

/// A copy that was never on the stack.
fn on_heap<const N: usize>(secret: &[u8; N]) -> Box<Zeroizing<[u8; N]>> {
    let mut bytes = Box::new(Zeroizing::new([0; N]));
    bytes.copy_from_slice(secret);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b29_a_long_password_is_refused_before_any_work() {
        assert!(Password::new([b'9'; Password::MAX_BYTES]).is_ok());
        let refusal = Password::new([b'9'; Password::MAX_BYTES + 1]).err().unwrap();
        assert!(refusal.to_string().contains("128 bytes"));
        assert!(Password::new(vec![b'9'; 1 << 20]).is_err());
    }

    #[test]
    fn only_zero_itself_is_the_factory_password() {
        assert!(Password::new("0").unwrap().is_factory());
        for other in ["", "00", "1", "0\0", "\0", " 0"] {
            assert!(!Password::new(other).unwrap().is_factory(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn passwords_are_the_same_exactly_when_their_bytes_are(
            a in proptest::collection::vec(0u8..3, 0..6),
            b in proptest::collection::vec(0u8..3, 0..6),
        ) {
            let (one, other) = (Password::new(&a).unwrap(), Password::new(&b).unwrap());
            prop_assert_eq!(one.same_as(&other), a == b);
            prop_assert_eq!(one.expose(), a.as_slice());
        }

        #[test]
        fn a_token_comes_back_from_its_text_and_no_other_text_is_one(bytes: [u8; 32], noise in ".{0,60}") {
            let token = Token::new(&bytes);
            prop_assert_eq!(Token::parse(&token.expose_text()).unwrap().digest(), token.digest());
            if let Some(read) = Token::parse(&noise) {
                prop_assert_eq!(read.expose_text().to_string(), noise);
            }
        }

        #[test]
        fn a_key_id_is_read_back_from_its_own_text_only(bytes: [u8; 32], noise in "[0-9a-fA-F+]{7,9}") {
            let id = DeviceKey::new(&bytes).id();
            prop_assert_eq!(KeyId::parse(&id.to_string()), Some(id));
            if let Some(read) = KeyId::parse(&noise) {
                prop_assert_eq!(read.to_string(), noise);
            }
        }
    }

    #[test]
    fn b29_a_key_has_a_name_that_another_program_computes_too() {
        // sha256("wattkeep device key id\0" || 00 01 … 1f), by Python's hashlib.
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(DeviceKey::new(&bytes).id().to_string(), "621759ed");
    }
}
