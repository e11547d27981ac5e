//! The four hash algorithms of published lists. A digest's length tells which one it is.

use std::fmt;
use std::str::FromStr;

/// An algorithm that a hash list may use, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Broken since 2004: shows a damaged transfer, not a tampered file.
    Md5,
    /// Broken since 2017: shows a damaged transfer, not a tampered file.
    Sha1,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, from the weakest to the strongest.
    pub const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// The name people know: `SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Bytes of a digest.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The algorithm whose digests have this many bytes.
    pub fn of_digest_len(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.digest_len() == bytes)
    }

    /// Whether a matching digest also rules out that somebody made the file to match.
    pub fn protects_against_tampering(self) -> bool {
        self >= Self::Sha256
    }

    /// Whether a list that names its algorithm means this one: `SHA256`, `sha-256`, `SHA2-256` (openssl).
    /// Others have digests of the same length (SHA3-256, BLAKE2s, RIPEMD-160).
    pub(super) fn is_called(self, label: &str) -> bool {
        let label: String = label.chars().filter(|c| *c != '-').collect();
        let names: &[&str] = match self {
            Self::Md5 => &["MD5"],
            Self::Sha1 => &["SHA1", "SHA"],
            Self::Sha256 => &["SHA256", "SHA2256"],
            Self::Sha512 => &["SHA512", "SHA2512"],
        };
        names.iter().any(|name| name.eq_ignore_ascii_case(&label))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A digest together with its algorithm. Shown as lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HashValue {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl HashValue {
    /// Which algorithm made it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest of `algorithm`, which made these bytes.
    pub(super) fn computed(algorithm: Algorithm, bytes: &[u8]) -> Self {
        debug_assert_eq!(bytes.len(), algorithm.digest_len(), "{algorithm}");
        Self { algorithm, bytes: bytes.to_vec() }
    }

    /// A digest in hex, if `digits` is nothing else.
    pub(super) fn from_digits(digits: &str) -> Option<Self> {
        let algorithm = Algorithm::ALL.into_iter().find(|a| a.digest_len() * 2 == digits.len())?;
        let bytes = hex::decode(digits).ok()?;
        Some(Self { algorithm, bytes })
    }
}

impl fmt::Display for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.bytes))
    }
}

impl fmt::Debug for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.algorithm)
    }
}

/// A text that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a hash is 64 hexadecimal digits (SHA-256), 128 (SHA-512), 40 (SHA-1) or 32 (MD5); this is something else, or one cut short"
)]
pub struct NotAHash;

impl FromStr for HashValue {
    type Err = NotAHash;

    /// As people paste it: either case, with or without `sha256:` before it or spaces between the bytes.
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let (label, digits) = match text.split_once(':') {
            Some((label, digits)) => (Some(label.trim()), digits),
            None => (None, text),
        };
        // No more characters than digits and spaces between bytes have: a longer text is not looked at.
        let longest = Algorithm::Sha512.digest_len() * 3 + 2;
        if digits.len() > longest {
            return Err(NotAHash);
        }
        let digits: String = digits.split_whitespace().collect();
        Self::from_digits(&digits)
            .filter(|value| label.is_none_or(|label| value.algorithm.is_called(label)))
            .ok_or(NotAHash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b3_the_digests_length_tells_the_algorithm() {
        for (digits, algorithm) in
            [(32, Algorithm::Md5), (40, Algorithm::Sha1), (64, Algorithm::Sha256), (128, Algorithm::Sha512)]
        {
            let value: HashValue = "aB".repeat(digits / 2).parse().unwrap();
            assert_eq!(value.algorithm(), algorithm);
            assert_eq!(value.to_string(), "ab".repeat(digits / 2));
            assert_eq!(Algorithm::of_digest_len(digits / 2), Some(algorithm));
        }
        for digits in [0, 31, 33, 56, 62, 63, 65, 96, 127, 129, 4096] {
            assert_eq!("a".repeat(digits).parse::<HashValue>(), Err(NotAHash), "{digits} digits");
        }
    }

    #[test]
    fn a_hash_is_read_as_people_paste_it() {
        let plain: HashValue = "0f".repeat(32).parse().unwrap();
        let spaced = ["0F"; 32].join(" ");
        for text in [format!("sha256:{plain}"), format!(" SHA-256: {plain}\n"), spaced, format!("SHA2-256:{plain}")] {
            assert_eq!(text.parse(), Ok(plain.clone()), "{text:?}");
        }
        for text in [format!("sha3-256:{plain}"), format!("md5:{plain}"), format!("{plain}  name"), "0g".repeat(32)] {
            assert_eq!(text.parse::<HashValue>(), Err(NotAHash), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[0-9a-f: ]{0,140}|.{0,140}") {
            let _: Result<HashValue, NotAHash> = text.parse();
        }
    }
}
