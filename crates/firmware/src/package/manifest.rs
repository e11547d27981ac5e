//! The manifest: what a package is for, and which parts it has. It is the part that is signed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;

use super::keys::{KeyId, TrustedKey};
use crate::digest::Sha256Digest;
use crate::version::Version;

/// The parts of a package, in the order they have in every package.
pub(super) const PARTS: [&str; 3] = ["release.toml", "template.dcf", "notes.md"];

/// The longest name of a product or hardware.
pub(super) const MAX_NAME: usize = 32;

/// The most keys that one package may bring, and the most it may revoke: a maker's and an owner's whole set.
pub const MAX_KEY_CHANGES: usize = 8;

/// What a package is made for, and what a meter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The class of meter: `8650`.
    pub product: &'a str,
    /// What it runs on: a package for the maker's own hardware is none for a meter of software.
    pub hardware: &'a str,
}

impl Target<'static> {
    /// The meter of this program.
    pub const METER: Self = Self { product: "8650", hardware: "wattkeep-software" };
}

/// Why a manifest can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or other keys than those known.
    #[error("{0}")]
    Unreadable(String),
    /// A product's or hardware's name with other characters than names have.
    #[error("a product or hardware is named by 1 to {MAX_NAME} letters, digits, dots, dashes or underscores")]
    Name,
    /// Other parts, or in another order.
    #[error("it must name the parts {} in this order", PARTS.join(", "))]
    Parts,
    /// More keys than a package may name, or one of them twice.
    #[error(
        "it may bring {MAX_KEY_CHANGES} keys and revoke {MAX_KEY_CHANGES}, each of them once and none of them both"
    )]
    Keys,
}

/// What a package wants changed in a meter's list of trusted keys: how keys are rotated without a visit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyChanges {
    /// Keys to trust.
    pub trust: Vec<TrustedKey>,
    /// Keys to trust no more, whether the meter does now or not.
    pub revoke: Vec<KeyId>,
}

impl KeyChanges {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.trust.is_empty() && self.revoke.is_empty()
    }

    fn check(&self) -> Result<(), ManifestError> {
        let named: BTreeSet<_> = self.trust.iter().map(TrustedKey::id).chain(self.revoke.iter().copied()).collect();
        let few = self.trust.len() <= MAX_KEY_CHANGES && self.revoke.len() <= MAX_KEY_CHANGES;
        let once = named.len() == self.trust.len() + self.revoke.len();
        if few && once { Ok(()) } else { Err(ManifestError::Keys) }
    }
}

/// A manifest that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) product: String,
    pub(super) hardware: String,
    pub(super) release: Version,
    pub(super) keys: KeyChanges,
    pub(super) parts: Vec<Part>,
}

/// Its members as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    product: String,
    hardware: String,
    release: Version,
    #[serde(default)]
    trust: Vec<TrustedKey>,
    #[serde(default)]
    revoke: Vec<KeyId>,
    #[serde(rename = "part")]
    parts: Vec<Part>,
}

/// One part as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) name: String,
    /// Bytes.
    pub(super) length: u64,
    pub(super) sha256: Sha256Digest,
}

impl Manifest {
    /// Reads a manifest whose signature or digest has been verified.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let unreadable = |e: toml::de::Error| ManifestError::Unreadable(e.message().to_owned());
        let Written { product, hardware, release, trust, revoke, parts } =
            toml::from_slice(bytes).map_err(unreadable)?;
        if !is_name(&product) || !is_name(&hardware) {
            return Err(ManifestError::Name);
        }
        if !parts.iter().map(|part| part.name.as_str()).eq(PARTS) {
            return Err(ManifestError::Parts);
        }
        let keys = KeyChanges { trust, revoke };
        keys.check()?;
        Ok(Self { product, hardware, release, keys, parts })
    }

    /// The manifest for these parts, in the order of [`PARTS`]. Written by hand: the bytes are what shipped
    /// releases are trusted by, so that no new version of a library may change them.
    pub(super) fn write(
        target: Target<'_>,
        release: &Version,
        keys: &KeyChanges,
        parts: [&[u8]; PARTS.len()],
    ) -> Result<String, ManifestError> {
        keys.check()?;
        let Target { product, hardware } = target;
        if !is_name(product) || !is_name(hardware) {
            return Err(ManifestError::Name);
        }
        let mut text = format!("product = \"{product}\"\nhardware = \"{hardware}\"\nrelease = \"{release}\"\n");
        text += &array("trust", &keys.trust);
        text += &array("revoke", &keys.revoke);
        for (name, bytes) in PARTS.into_iter().zip(parts) {
            let (length, sha256) = (bytes.len(), Sha256Digest::of(bytes));
            let part = format_args!("\n[[part]]\nname = \"{name}\"\nlength = {length}\nsha256 = \"{sha256}\"\n");
            text.write_fmt(part).expect("a String takes all that is written to it");
        }
        Ok(text)
    }
}

/// A key of the manifest with these texts; nothing where there are none. No text has control characters.
fn array<T: ToString>(key: &str, texts: &[T]) -> String {
    let quoted = |text: &T| format!("\"{}\"", text.to_string().replace('\\', "\\\\").replace('"', "\\\""));
    match texts {
        [] => String::new(),
        texts => format!("{key} = [{}]\n", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::package::SigningKey;

    const PARTS_OF_A: [&[u8]; 3] = [b"a", b"b", b""];

    fn written() -> String {
        Manifest::write(Target::METER, &"4.40.1".parse().unwrap(), &KeyChanges::default(), PARTS_OF_A).unwrap()
    }

    #[test]
    fn a_written_manifest_is_read_back() {
        let manifest = Manifest::parse(written().as_bytes()).unwrap();
        assert_eq!(manifest.product, "8650");
        assert_eq!(manifest.release.as_str(), "4.40.1");
        for (part, bytes) in manifest.parts.iter().zip(PARTS_OF_A) {
            assert_eq!((part.length, part.sha256), (bytes.len() as u64, Sha256Digest::of(bytes)), "{}", part.name);
        }
    }

    #[test]
    fn b27_nothing_unknown_is_read_over() {
        let good = written();
        for (what, text) in [
            ("an unknown key", format!("colour = \"red\"\n{good}")),
            ("an unknown key of a part", format!("{good}mode = 7\n")),
            ("a part more", format!("{good}\n[[part]]\nname = \"x\"\nlength = 1\nsha256 = \"{}\"\n", "0".repeat(64))),
            ("another order", good.replace("notes.md", "x").replace("release.toml", "notes.md")),
            ("a missing key", good.replacen("product = \"8650\"\n", "", 1)),
            ("a negative length", good.replacen("length = 1", "length = -1", 1)),
            ("a short digest", good.replacen("sha256 = \"c", "sha256 = \"", 1)),
            ("a version that is none", good.replace("4.40.1", "4")),
            ("a name that is none", good.replace("8650", "86 50")),
            ("no TOML", "\0".to_owned()),
        ] {
            assert_ne!(text, good, "{what}: the sample is really changed");
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{what}");
        }
        assert!(Manifest::parse(b"\xFF").is_err());
    }

    #[test]
    fn names_that_would_break_the_text_are_not_written() {
        for product in ["", "a\"b", "a\nb", "ü", &"x".repeat(MAX_NAME + 1)] {
            let target = Target { product, ..Target::METER };
            let written = Manifest::write(target, &"4.0".parse().unwrap(), &KeyChanges::default(), PARTS_OF_A);
            assert_eq!(written, Err(ManifestError::Name));
        }
    }

    fn key(byte: u8, comment: &str) -> TrustedKey {
        SigningKey::from_random(&Zeroizing::new([byte; 32]), comment).unwrap().public()
    }

    fn with_keys(keys: &KeyChanges) -> Result<String, ManifestError> {
        Manifest::write(Target::METER, &"4.40.1".parse().unwrap(), keys, PARTS_OF_A)
    }

    #[test]
    fn b27_keys_to_trust_and_to_revoke_are_read_back_whatever_they_are_called() {
        let trust = vec![key(1, ""), key(2, r#"the "new" one \ 2026"#), key(3, "ключ ☃")];
        let keys = KeyChanges { trust, revoke: vec![key(4, "").id(), key(5, "").id()] };
        let text = with_keys(&keys).unwrap();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap().keys, keys);
        assert!(!written().contains("trust") && !written().contains("revoke"), "nothing is written of none");
    }

    #[test]
    fn b27_no_key_is_named_twice_and_none_too_many() {
        let many = |n: u8| (1..=n).map(|byte| key(byte, "")).collect::<Vec<_>>();
        let ids = |n: u8| many(n).iter().map(TrustedKey::id).collect::<Vec<_>>();
        let (trust, revoke) = (vec![key(1, "")], vec![key(1, "other words").id()]);
        let longest = KeyChanges {
            trust: (1..=8).map(|n| key(n, &"\"".repeat(crate::package::MAX_COMMENT))).collect(),
            revoke: Vec::new(),
        };
        assert!(with_keys(&longest).unwrap().len() < crate::package::MAX_MANIFEST_BYTES);
        for keys in [
            KeyChanges { trust: trust.clone(), revoke },
            KeyChanges { trust: [trust.clone(), trust].concat(), revoke: Vec::new() },
            KeyChanges { trust: Vec::new(), revoke: [ids(1), ids(1)].concat() },
            KeyChanges { trust: many(9), revoke: Vec::new() },
            KeyChanges { trust: Vec::new(), revoke: ids(9) },
        ] {
            assert_eq!(with_keys(&keys), Err(ManifestError::Keys));
            let keys = array("trust", &keys.trust) + &array("revoke", &keys.revoke);
            assert_eq!(Manifest::parse(format!("{keys}{}", written()).as_bytes()), Err(ManifestError::Keys));
        }
        let secret = "trust = [\"wattkeep-ed25519-secret 00\"]\n".to_owned() + &written();
        assert!(matches!(Manifest::parse(secret.as_bytes()), Err(ManifestError::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, to: u8) {
            let _: Result<Manifest, ManifestError> = Manifest::parse(&bytes);
            let mut mutated = written().into_bytes();
            let at = at.index(mutated.len());
            mutated[at] = to;
            let _: Result<Manifest, ManifestError> = Manifest::parse(&mutated);
        }
    }
}
