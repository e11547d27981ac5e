//! Keys of packages: who signed, and whom a meter trusts.
//!
//! A public key is one line, made to be pasted. A secret key has no Debug, Display or Serialize, is wiped on
//! drop, and leaves this type only as the text of its own file.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::digest::Sha256Digest;

/// First word of a public key's line.
const PUBLIC_WORD: &str = "wattkeep-ed25519";

/// First word of a secret key's line; unlike the public one, so that neither is taken for the other.
const SECRET_WORD: &str = "wattkeep-ed25519-secret";

/// The longest comment of a key, in bytes: a name and a purpose. The whole line fits a meter's store, which takes 256.
pub const MAX_COMMENT: usize = 160;

/// How keys are named: the first 8 bytes of the SHA-256 of the public key. Shown in hex.
///
/// A name, not a proof: signatures are always checked with the whole key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(pub(super) [u8; 8]);

impl KeyId {
    fn of(key: &VerifyingKey) -> Self {
        let digest = Sha256Digest::of(key.as_bytes());
        let (id, _) = digest.as_bytes().split_first_chunk().expect("32 bytes begin with 8");
        Self(*id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

/// A text that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key is named by 16 hexadecimal digits, as `setup METER security trust list` shows them")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAKeyId)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for KeyId {
    type Error = NotAKeyId;

    fn try_from(text: String) -> Result<Self, NotAKeyId> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not one line that begins as a public key does.
    #[error("a public key is one line: \"{PUBLIC_WORD}\", 64 hexadecimal digits, and a comment")]
    NotPublic,
    /// Not one line that begins as a secret key does.
    #[error("a secret key is one line: \"{SECRET_WORD}\", 64 hexadecimal digits, and a comment")]
    NotSecret,
    /// A secret key where a public one is wanted.
    #[error("this is the secret key, which nobody but its owner should have; give the .pub file beside it")]
    SecretInsteadOfPublic,
    /// Not a point of the curve, or one that makes signatures worthless.
    #[error("this public key is damaged: its digits are not those of an Ed25519 key")]
    Damaged,
    /// A comment that wouldn't fit its line.
    #[error("a key's comment has at most {MAX_COMMENT} bytes and no line ends or other control characters")]
    Comment,
}

/// A public key that packages are checked with, and what its owner calls it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TrustedKey {
    key: VerifyingKey,
    comment: String,
}

impl TrustedKey {
    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.key)
    }

    /// What its owner calls it; may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether this key made this signature over this message. Strict: one message has one valid signature
    /// encoding, and weak keys fit nothing.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

/// The one line of `KEY.pub`, without its end.
impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{PUBLIC_WORD} {} {}", hex::encode(self.key.as_bytes()), self.comment);
        f.write_str(line.trim_end())
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TrustedKey {
    type Err = KeyError;

    /// Reads the text of a `KEY.pub` file.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.trim_start().starts_with(SECRET_WORD) {
            return Err(KeyError::SecretInsteadOfPublic);
        }
        let (digits, comment) = key_line(text, PUBLIC_WORD).ok_or(KeyError::NotPublic)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyError::NotPublic)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Damaged)?;
        if key.is_weak() {
            return Err(KeyError::Damaged);
        }
        Ok(Self { key, comment: checked_comment(comment)? })
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<TrustedKey> for String {
    fn from(key: TrustedKey) -> Self {
        key.to_string()
    }
}

/// A secret key that signs packages.
pub struct SigningKey {
    /// Wipes itself on drop.
    key: ed25519_dalek::SigningKey,
    comment: String,
}

impl SigningKey {
    /// The key that grows from these 32 bytes, which must come from the system's random source.
    pub fn from_random(bytes: &Zeroizing<[u8; 32]>, comment: &str) -> Result<Self, KeyError> {
        Ok(Self { key: ed25519_dalek::SigningKey::from_bytes(bytes), comment: checked_comment(comment)? })
    }

    /// Reads the text of a secret key's file.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (digits, comment) = key_line(text, SECRET_WORD).ok_or(KeyError::NotSecret)?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| KeyError::NotSecret)?;
        Self::from_random(&bytes, comment)
    }

    /// The text of the secret key's file, with its line end. The caller writes it with mode 0600, and nowhere else.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.key.as_bytes()));
        let mut line = Zeroizing::new(String::with_capacity(SECRET_WORD.len() + digits.len() + self.comment.len() + 3));
        for piece in [SECRET_WORD, " ", &digits, " ", &self.comment] {
            line.push_str(piece);
        }
        let length = line.trim_end().len();
        line.truncate(length);
        line.push('\n');
        line
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> TrustedKey {
        TrustedKey { key: self.key.verifying_key(), comment: self.comment.clone() }
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// The digits and the comment of a key's line, if the text is one line that begins with `word`.
fn key_line<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let line = text.trim();
    let rest = line.strip_prefix(word)?.strip_prefix([' ', '\t'])?.trim_start();
    Some(rest.split_once([' ', '\t']).map_or((rest, ""), |(digits, comment)| (digits, comment.trim())))
}

fn checked_comment(comment: &str) -> Result<String, KeyError> {
    let comment = comment.trim();
    if comment.len() > MAX_COMMENT || comment.chars().any(char::is_control) {
        return Err(KeyError::Comment);
    }
    Ok(comment.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8, comment: &str) -> SigningKey {
        SigningKey::from_random(&Zeroizing::new([byte; 32]), comment).unwrap()
    }

    /// RFC 8032, section 7.1, tests 1 and 2: secret, public, message, signature.
    const RFC_8032: [[&str; 4]; 2] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
    ];

    #[test]
    fn b27_signatures_are_those_of_rfc_8032() {
        for [secret, public, message, signature] in RFC_8032 {
            let key = SigningKey::parse(&format!("{SECRET_WORD} {secret} test")).unwrap();
            let message = hex::decode(message).unwrap();
            assert_eq!(key.public().to_string(), format!("{PUBLIC_WORD} {public} test"));
            assert_eq!(hex::encode(key.sign(&message)), signature);
            assert!(key.public().signed(&message, &key.sign(&message)));
            assert!(!key.public().signed(b"another", &key.sign(&message)));
        }
    }

    #[test]
    fn a_key_is_named_by_the_digest_of_its_public_half() {
        let id = SigningKey::parse(&format!("{SECRET_WORD} {}", RFC_8032[0][0])).unwrap().public().id();
        // From coreutils: printf d75a…511a | xxd -r -p | sha256sum
        assert_eq!(id.to_string(), "21fe31dfa154a261");
        assert_eq!("21FE31DFA154A261".parse(), Ok(id));
        for text in ["", "21fe31dfa154a26", "21fe31dfa154a2610", "21fe31dfa154a26g"] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAKeyId), "{text}");
        }
    }

    #[test]
    fn both_files_are_read_back() {
        for comment in ["", "Firmware desk, 2026", "ключ"] {
            let key = key(7, comment);
            let secret = key.to_secret_text();
            assert!(secret.ends_with('\n') && secret.lines().count() == 1);
            assert_eq!(SigningKey::parse(&secret).unwrap().to_secret_text(), secret);
            let public: TrustedKey = format!("\r\n{}\r\n", key.public()).parse().unwrap();
            assert_eq!((public.comment(), public.id()), (comment, key.public().id()));
            let json = serde_json::to_string(&public).unwrap();
            assert_eq!(serde_json::from_str::<TrustedKey>(&json).unwrap(), public);
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused_in_a_sentence() {
        let good = key(7, "").public().to_string();
        // y = 1: the neutral point, with which a signature over anything can be made. y = 2 is not on the curve.
        let weak = format!("{PUBLIC_WORD} 01{}", "00".repeat(31));
        for (text, error) in [
            (String::new(), KeyError::NotPublic),
            ("ssh-ed25519 AAAA me".to_owned(), KeyError::NotPublic),
            (good.replace('-', "_"), KeyError::NotPublic),
            (good[..good.len() - 1].to_owned(), KeyError::NotPublic),
            (format!("{good}00"), KeyError::NotPublic),
            (format!("{good} two\nlines"), KeyError::Comment),
            (format!("{good} {}", "x".repeat(MAX_COMMENT + 1)), KeyError::Comment),
            (weak, KeyError::Damaged),
            (format!("{PUBLIC_WORD} 02{}", "00".repeat(31)), KeyError::Damaged),
            (key(7, "").to_secret_text().to_string(), KeyError::SecretInsteadOfPublic),
        ] {
            assert_eq!(text.parse::<TrustedKey>(), Err(error), "{text:?}");
        }
        for text in [good, format!("{SECRET_WORD} 00"), format!("{SECRET_WORD}{}", "00".repeat(32))] {
            assert!(matches!(SigningKey::parse(&text), Err(KeyError::NotSecret)), "{text:?}");
        }
        assert!(matches!(SigningKey::from_random(&Zeroizing::new([1; 32]), "a\nb"), Err(KeyError::Comment)));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(wattkeep-ed25519(-secret)? )?[0-9a-f]{0,70}.{0,40}") {
            let _: Result<TrustedKey, KeyError> = text.parse();
            let _: Result<SigningKey, KeyError> = SigningKey::parse(&text);
        }
    }
}
