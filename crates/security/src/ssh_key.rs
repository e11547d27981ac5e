//! Public SSH keys as a meter keeps them: the line that `ssh-keygen` writes, read strictly, and the
//! fingerprint that people compare. Nothing here is secret, and nothing here verifies a signature; that is
//! the SSH face's library.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// Keys of one account: a person's machines and a token or two. Clients offer as many, one by one.
pub const MAX_KEYS: usize = 8;
/// A line is at most this long. The longest key taken, with its type and comment, has some 300 bytes.
pub const MAX_LINE_BYTES: usize = 1024;
/// What is kept of a comment, in bytes.
const MAX_COMMENT_BYTES: usize = 64;
/// What a security key signs for beside the challenge: `ssh:` and a name, in bytes.
const MAX_APPLICATION_BYTES: usize = 128;
/// What stands before a fingerprint, as OpenSSH shows it.
const PREFIX: &str = "SHA256:";

/// The algorithms that are taken. RSA isn't among them: the library's implementation has an unfixed
/// advisory (RUSTSEC-2023-0071), and whoever has an RSA key can make one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8709).
    Ed25519,
    /// ECDSA on NIST P-256 (RFC 5656).
    EcdsaP256,
    /// ECDSA on NIST P-384 (RFC 5656).
    EcdsaP384,
    /// Ed25519 in a FIDO token (OpenSSH's PROTOCOL.u2f). Whether it wants a touch is the token's affair.
    SecurityKeyEd25519,
}

impl KeyAlgorithm {
    /// Every algorithm, the one to recommend first.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::SecurityKeyEd25519, Self::EcdsaP256, Self::EcdsaP384];

    /// The name in SSH.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::SecurityKeyEd25519 => "sk-ssh-ed25519@openssh.com",
        }
    }

    /// Whether what stands behind the algorithm's name in a key has the shape that the algorithm demands.
    /// Whether a point lies on its curve is seen when it verifies; one that doesn't verifies nothing.
    fn fits(self, mut fields: &[u8]) -> bool {
        let fits = match self {
            Self::Ed25519 => string(&mut fields).is_some_and(|key| key.len() == 32),
            Self::EcdsaP256 => curve(&mut fields, b"nistp256", 65),
            Self::EcdsaP384 => curve(&mut fields, b"nistp384", 97),
            Self::SecurityKeyEd25519 => {
                string(&mut fields).is_some_and(|key| key.len() == 32)
                    && string(&mut fields).is_some_and(|name| {
                        (1..=MAX_APPLICATION_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
                    })
            }
        };
        fits && fields.is_empty()
    }
}

/// The next string of RFC 4251, section 5: four bytes of length, then so many bytes.
fn string<'a>(fields: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = fields.split_first_chunk::<4>()?;
    let (string, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *fields = rest;
    Some(string)
}

/// A curve's name, and a point in its uncompressed form (SEC 1, 2.3.3).
fn curve(fields: &mut &[u8], name: &[u8], point_bytes: usize) -> bool {
    string(fields) == Some(name)
        && string(fields).is_some_and(|point| point.len() == point_bytes && point.first() == Some(&4))
}

/// Why a text is no key that a meter takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a line of a key.
    #[error("this is not a public key: it is one line, as ssh-keygen writes it into the file that ends in .pub")]
    NotAKey,
    /// The other half.
    #[error("this is a private key, which nobody but its owner should have: give the file that ends in .pub")]
    Private,
    /// RSA.
    #[error(
        "RSA keys are not taken, because the library that would check them leaks through timing \
         (RUSTSEC-2023-0071): make a key with `ssh-keygen -t ed25519`"
    )]
    Rsa,
    /// DSA.
    #[error("DSA keys are not taken, because they are too weak: make a key with `ssh-keygen -t ed25519`")]
    Dsa,
    /// Any other algorithm.
    #[error("keys of this type are not taken: make one with `ssh-keygen -t ed25519`, -t ecdsa or -t ed25519-sk")]
    Algorithm,
    /// Data that isn't that of such a key.
    #[error("the key's data is not that of a key of its type: the line is damaged")]
    Damaged,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    /// As it travels in SSH (RFC 4253, 6.6).
    blob: Vec<u8>,
    comment: String,
}

impl PublicKey {
    /// Its algorithm.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// What its owner calls it; may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// What people compare.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.blob)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads one line: type, base64, comment. Options of an `authorized_keys` file aren't taken.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let line = text.trim();
        if line.starts_with("-----BEGIN") || line.starts_with("PuTTY-User-Key-File") {
            return Err(KeyError::Private);
        }
        if line.contains(char::is_control) {
            return Err(KeyError::NotAKey);
        }
        let (name, rest) = line.split_once(' ').ok_or(KeyError::NotAKey)?;
        let (data, comment) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let algorithm = match KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name) {
            Some(algorithm) if line.len() <= MAX_LINE_BYTES => algorithm,
            Some(_) => return Err(KeyError::NotAKey),
            None if name == "ssh-rsa" => return Err(KeyError::Rsa),
            None if name == "ssh-dss" => return Err(KeyError::Dsa),
            None if name.contains("ssh-") || name.starts_with("ecdsa-") => return Err(KeyError::Algorithm),
            None => return Err(KeyError::NotAKey),
        };
        let blob = STANDARD.decode(data).map_err(|_| KeyError::Damaged)?;
        let mut fields = blob.as_slice();
        if string(&mut fields) != Some(name.as_bytes()) || !algorithm.fits(fields) {
            return Err(KeyError::Damaged);
        }
        let comment = comment.trim();
        let comment = comment[..comment.floor_char_boundary(MAX_COMMENT_BYTES)].trim_end().to_owned();
        Ok(Self { algorithm, blob, comment })
    }
}

impl fmt::Display for PublicKey {
    /// The line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm.name(), STANDARD.encode(&self.blob))?;
        if self.comment.is_empty() { Ok(()) } else { write!(f, " {}", self.comment) }
    }
}

/// The SHA-256 of a public key, shown as OpenSSH shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key's fingerprint is SHA256: and 43 characters, as `ssh-keygen -l` shows it")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// The fingerprint of a key as it travels in SSH.
    pub fn of(blob: &[u8]) -> Self {
        Self(Sha256::digest(blob).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let digest = text.strip_prefix(PREFIX).unwrap_or(text);
        let mut bytes = [0; 32];
        match STANDARD_NO_PAD.decode_slice(digest, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(NotAFingerprint),
        }
    }
}

crate::serde_by_name!(PublicKey, Fingerprint);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made with OpenSSH's `ssh-keygen`, and what its `-l` says of them.
    const MADE: [(&str, &str); 3] = [
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFGuKeIGQdX+M/jnUz0ua7Ht7j8LSi92SbNA8H8rceak a person",
            "SHA256:2+r7xWLBGAt73UPhQ2HydGPAyCCV0Rnm/wsRIOuCF0w",
        ),
        (
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJw2IUZE6+YtAfaQtnPGCo+jAEQ3rE8Ola0fG9rV7yPQU8eLO4TqVwVf+pbqRa4DfPjbDC6Atd+o1WUtb/luUWA= p",
            "SHA256:PDGN5kKufp5d7DTD9sOaqjiBTOC7twvZDG/xtdtdbPE",
        ),
        (
            "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBG9yM8C09gsQBlbKuCiRICDwjvG2WPuNBZ9m4U2vDPkQJOu4WZyTcPjYL4AjMlhp7Fd+2cqRc9tTflzBd0gC19Huj8Oq36S2xNqLVsIuPY86ZETgZ8WA8qjBU/HCgSj/AA== p",
            "SHA256:jm8kX2C624ZFz4ZbrQHnH1ky53WKTZSiDzOBlLLxH6k",
        ),
    ];

    fn line(name: &str, fields: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        for field in [name.as_bytes()].iter().chain(fields) {
            blob.extend_from_slice(&u32::try_from(field.len()).unwrap().to_be_bytes());
            blob.extend_from_slice(field);
        }
        format!("{name} {}", STANDARD.encode(blob))
    }

    #[test]
    fn what_ssh_keygen_writes_is_read_and_named_as_it_names_it() {
        for (text, fingerprint) in MADE {
            let key: PublicKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(key.fingerprint().to_string(), fingerprint);
            assert_eq!(fingerprint.parse(), Ok(key.fingerprint()));
            assert_eq!(serde_by_hand(&key), key);
        }
        let spaced: PublicKey = format!("  {}\r\n", MADE[0].0.replacen(' ', "  ", 1)).parse().unwrap();
        assert_eq!(spaced.to_string(), MADE[0].0);
        let sk = line("sk-ssh-ed25519@openssh.com", &[&[7; 32], b"ssh:"]);
        assert_eq!(sk.parse::<PublicKey>().unwrap().algorithm(), KeyAlgorithm::SecurityKeyEd25519);
    }

    fn serde_by_hand(key: &PublicKey) -> PublicKey {
        let text = toml::to_string(&std::collections::BTreeMap::from([("key", key)])).unwrap();
        toml::from_str::<std::collections::BTreeMap<String, PublicKey>>(&text).unwrap().remove("key").unwrap()
    }

    #[test]
    fn other_keys_and_other_texts_get_a_sentence() {
        let rsa = line("ssh-rsa", &[&[1, 0, 1], &[0x55; 1025]]);
        for (text, expected) in [
            (rsa.as_str(), KeyError::Rsa),
            (&line("ssh-dss", &[&[3; 129]]), KeyError::Dsa),
            (&line("ecdsa-sha2-nistp521", &[b"nistp521", &[4; 133]]), KeyError::Algorithm),
            (&line("ssh-ed25519-cert-v01@openssh.com", &[&[1; 32]]), KeyError::Algorithm),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", KeyError::Private),
            ("PuTTY-User-Key-File-3: ssh-ed25519", KeyError::Private),
            ("---- BEGIN SSH2 PUBLIC KEY ----", KeyError::NotAKey),
            ("", KeyError::NotAKey),
            ("ssh-ed25519", KeyError::NotAKey),
            (&format!("{}\n{}", MADE[0].0, MADE[0].0), KeyError::NotAKey),
            (&format!("no-pty {}", MADE[0].0), KeyError::NotAKey),
            (&format!("{}{}", MADE[0].0, "x".repeat(MAX_LINE_BYTES)), KeyError::NotAKey),
            ("ssh-ed25519 AAAA", KeyError::Damaged),
            ("ssh-ed25519 not-base64", KeyError::Damaged),
            (&line("ssh-ed25519", &[&[1; 31]]), KeyError::Damaged),
            (&line("ssh-ed25519", &[&[1; 32], b"more"]), KeyError::Damaged),
            (&line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]), KeyError::Damaged),
            (&line("ecdsa-sha2-nistp256", &[b"nistp256", &[2; 33]]), KeyError::Damaged),
            (&line("sk-ssh-ed25519@openssh.com", &[&[7; 32], b""]), KeyError::Damaged),
        ] {
            assert_eq!(text.parse::<PublicKey>(), Err(expected), "{text}");
        }
        assert!(KeyError::Rsa.to_string().contains("RUSTSEC-2023-0071"));
        for text in ["", "SHA256:", "MD5:00:11", "SHA256:AAAA", &"A".repeat(44)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotAFingerprint), "{text}");
        }
    }

    #[test]
    fn a_comment_is_cut_between_characters() {
        let long = format!("{} {}", MADE[1].0, "ü".repeat(100));
        let key: PublicKey = long.parse().unwrap();
        assert!(key.comment().len() <= MAX_COMMENT_BYTES && key.comment().ends_with('ü'));
        assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(ssh-ed25519|ssh-rsa|x) ?[A-Za-z0-9+/=]{0,80} ?.{0,20}|.{0,80}") {
            if let Ok(key) = text.parse::<PublicKey>() {
                prop_assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
            }
        }

        #[test]
        fn any_bytes_behind_a_types_name_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            for algorithm in KeyAlgorithm::ALL {
                let mut blob = u32::try_from(algorithm.name().len()).unwrap().to_be_bytes().to_vec();
                blob.extend_from_slice(algorithm.name().as_bytes());
                blob.extend_from_slice(&bytes);
                let _ = format!("{} {}", algorithm.name(), STANDARD.encode(blob)).parse::<PublicKey>();
            }
        }
    }
}
