//! The manifest: what a package is for, and which parts it has. It is the part that is signed.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::digest::Sha256Digest;
use crate::version::Version;

/// The parts of a package, in the order they have in every package.
pub(super) const PARTS: [&str; 3] = ["release.toml", "template.dcf", "notes.md"];

/// The longest name of a product or hardware.
const MAX_NAME: usize = 32;

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
}

/// A manifest as it is read. Its members are those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) product: String,
    pub(super) hardware: String,
    pub(super) release: Version,
    #[serde(rename = "part")]
    pub(super) parts: Vec<Part>,
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
        let manifest: Self = toml::from_slice(bytes).map_err(unreadable)?;
        if !is_name(&manifest.product) || !is_name(&manifest.hardware) {
            return Err(ManifestError::Name);
        }
        if !manifest.parts.iter().map(|part| part.name.as_str()).eq(PARTS) {
            return Err(ManifestError::Parts);
        }
        Ok(manifest)
    }

    /// The manifest for these parts, in the order of [`PARTS`]. Written by hand: the bytes are what shipped
    /// releases are trusted by, so that no new version of a library may change them.
    pub(super) fn write(target: Target<'_>, release: &Version, parts: [&[u8]; 3]) -> Result<String, ManifestError> {
        let Target { product, hardware } = target;
        if !is_name(product) || !is_name(hardware) {
            return Err(ManifestError::Name);
        }
        let mut text = format!("product = \"{product}\"\nhardware = \"{hardware}\"\nrelease = \"{release}\"\n");
        for (name, bytes) in PARTS.into_iter().zip(parts) {
            let (length, sha256) = (bytes.len(), Sha256Digest::of(bytes));
            let part = format_args!("\n[[part]]\nname = \"{name}\"\nlength = {length}\nsha256 = \"{sha256}\"\n");
            text.write_fmt(part).expect("a String takes all that is written to it");
        }
        Ok(text)
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTS_OF_A: [&[u8]; 3] = [b"a", b"b", b""];

    fn written() -> String {
        Manifest::write(Target::METER, &"4.40.1".parse().unwrap(), PARTS_OF_A).unwrap()
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
            assert_eq!(Manifest::write(target, &"4.0".parse().unwrap(), PARTS_OF_A), Err(ManifestError::Name));
        }
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
