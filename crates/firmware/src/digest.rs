//! SHA-256 digests: what names a package, what a package says of its parts, what a plan is accepted by.
//!
//! Only this one algorithm decides anything here. The older ones, which published hash lists may use,
//! stay in [`crate::hashlist`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// What a digest is prefixed with where its algorithm must be said.
    pub const PREFIX: &str = "sha256:";

    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `sha256:` and the hex digits: the form of plans and reports.
    pub fn prefixed(&self) -> String {
        format!("{}{self}", Self::PREFIX)
    }
}

/// A SHA-256 of bytes that come in pieces.
#[derive(Clone, Default)]
pub struct Sha256Stream(Sha256);

impl Sha256Stream {
    /// Takes in what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of it.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{self}", Self::PREFIX)
    }
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 hexadecimal digits, with or without \"sha256:\" before them")]
pub struct NotADigest;

impl FromStr for Sha256Digest {
    type Err = NotADigest;

    /// Either form, in either case.
    fn from_str(s: &str) -> Result<Self, NotADigest> {
        let digits = s.strip_prefix(Self::PREFIX).unwrap_or(s);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotADigest)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// FIPS 180-4's example: SHA-256 of `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn both_forms_are_read_and_the_plain_one_is_shown() {
        let digest = Sha256Digest::of(b"abc");
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(digest.prefixed(), format!("sha256:{ABC}"));
        for text in [ABC.to_owned(), ABC.to_uppercase(), digest.prefixed()] {
            assert_eq!(text.parse(), Ok(digest), "{text}");
        }
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "sha256:", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "g"), &format!("md5:{ABC}")] {
            assert_eq!(text.parse::<Sha256Digest>(), Err(NotADigest), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_digest_is_read_back(bytes: [u8; 32]) {
            let digest = Sha256Digest::from_bytes(bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            prop_assert_eq!(digest.prefixed().parse(), Ok(digest));
        }

        #[test]
        fn pieces_have_the_digest_of_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut stream = Sha256Stream::default();
            for piece in &pieces {
                stream.update(piece);
            }
            prop_assert_eq!(stream.finish(), Sha256Digest::of(&pieces.concat()));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _: Result<Sha256Digest, NotADigest> = text.parse();
        }
    }
}
