//! The package: one release in one file, `.upg`, and the question whether a meter may believe it (B27).
//!
//! ```text
//! offset  bytes
//!      0      8  magic: 89 55 50 47 0D 0A 1A 0A (after PNG's: a transfer in text mode breaks it)
//!      8      2  format version, 1
//!     10      2  number of signatures s, 0 to 8
//!     12      4  length m of the manifest, at most 16 KiB
//!     16      8  length of the whole file, at most 64 MiB
//!     24      m  manifest: TOML, what the package is for and its parts with length and SHA-256
//!   24+m    72s  signatures: 8 bytes key id, 64 bytes Ed25519 over the signing context and the manifest
//! 24+m+72s       the parts, back to back in the manifest's order; nothing after them
//! ```
//! All numbers are big-endian. Header, manifest and signatures are the package's *front*. It is verified as soon as it
//! is there, before the manifest is parsed and before any byte behind it is looked at; the parts are verified as they
//! come, and only a [`VerifiedPackage`] gives any of them out. A package is trusted by a signature of a trusted key,
//! or, if it was built into the program, by the digest of its front, which pins every part; there is no other way.
//! `docs/packages.md` shows the format and the order of the checks.

mod build;
mod claim;
mod front;
mod keys;
mod manifest;
mod outline;
mod verify;

pub use build::{PackageParts, build_package, build_rotation};
pub use claim::claimed_release;
pub use front::VerifiedFront;
pub use keys::{KeyError, KeyId, MAX_COMMENT, NotAKeyId, SigningKey, TrustedKey};
pub use manifest::{KeyChanges, MAX_KEY_CHANGES, ManifestError, Target};
pub use outline::front_digest;
pub use verify::{Trust, TrustedBy, VerifiedPackage, Verifier, verify_package};

/// The longest package. The shipped ones have some 10 KiB.
pub const MAX_PACKAGE_BYTES: usize = 64 * 1024 * 1024;

/// The longest manifest: three parts take some 500 bytes, the keys it may name 5000 more.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024;

/// The most signatures: enough for a maker, an owner and their successors.
pub const MAX_SIGNATURES: usize = 8;

/// The longest front: all that is held before anybody is believed.
pub const MAX_FRONT_BYTES: usize = HEADER_BYTES + MAX_MANIFEST_BYTES + MAX_SIGNATURES * SIGNATURE_BYTES;

/// The longest `release.toml`: ten times what the shipped ones have.
pub const MAX_DESCRIPTION_BYTES: usize = 64 * 1024;

/// The longest template: what can be read as one.
pub const MAX_TEMPLATE_BYTES: usize = framework::dcf::LONGEST_FILE;

/// The longest notes: they are for people, so they may fill the file beside the other parts. A meter digests them
/// and keeps none, and nobody is given any longer than 256 KiB.
pub const MAX_NOTES_BYTES: usize = MAX_PACKAGE_BYTES - MAX_FRONT_BYTES - MAX_DESCRIPTION_BYTES - MAX_TEMPLATE_BYTES;

/// The longest notes that are held in memory and given out: 256 KiB, some hundred pages. Longer ones are only digested.
pub const MAX_KEPT_NOTES_BYTES: usize = crate::bundle::MAX_NOTES_BYTES;

/// The bounds of the parts, in their order.
const MAX_PART_BYTES: [usize; manifest::PARTS.len()] = [MAX_DESCRIPTION_BYTES, MAX_TEMPLATE_BYTES, MAX_NOTES_BYTES];

/// The first bytes of every package.
const MAGIC: [u8; 8] = *b"\x89UPG\r\n\x1a\n";

/// The format that is written, and the only one that is read.
const FORMAT: u16 = 1;

/// Magic, format, signature count, manifest length, file length.
const HEADER_BYTES: usize = 24;

/// Key id and signature.
const SIGNATURE_BYTES: usize = 8 + 64;

/// What stands before the manifest in the signed message, so that no signature made for another purpose fits.
const SIGNING_CONTEXT: &[u8] = b"wattkeep upgrade package manifest, format 1\0";

fn signed_message(manifest: &[u8]) -> Vec<u8> {
    [SIGNING_CONTEXT, manifest].concat()
}

/// Why a package is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It doesn't begin as a package does.
    #[error("this is not an upgrade package for this meter: it does not begin as a .upg of ours does")]
    NotAPackage,
    /// A later format, or a damaged one.
    #[error("this package has format {found}, but only format {FORMAT} is known here; use a newer program to read it")]
    UnknownFormat {
        /// The format it says it has.
        found: u16,
    },
    /// Beyond [`MAX_PACKAGE_BYTES`].
    #[error("this package has {bytes} bytes; the largest that is accepted has {MAX_PACKAGE_BYTES}")]
    TooLarge {
        /// The length found or announced.
        bytes: u64,
    },
    /// The file ends early.
    #[error("this package was cut short: at least {missing} bytes are missing; fetch it again")]
    Truncated {
        /// How many bytes are missing: exactly, if the header is there; else those of the header.
        missing: u64,
    },
    /// The file goes on after its end.
    #[error("this package goes on after its end; fetch it again")]
    TrailingBytes,
    /// The header contradicts itself or the manifest.
    #[error("this package was altered: {0} in its header does not fit the rest; fetch it again")]
    HeaderAltered(&'static str),
    /// A trusted key's signature doesn't fit the manifest.
    #[error("this package was altered: its manifest is not the one that key {key} signed; fetch it again")]
    ManifestAltered {
        /// The key that is named in the package.
        key: KeyId,
    },
    /// A part doesn't have the digest that the manifest says.
    #[error("this package was altered: its part {part} is not the one that the manifest names; fetch it again")]
    PartAltered {
        /// The part's name.
        part: &'static str,
    },
    /// A part beyond its bound.
    #[error("this package's part {part} has {bytes} bytes; at most {bound} are accepted")]
    PartTooLarge {
        /// The part's name.
        part: &'static str,
        /// The length announced.
        bytes: u64,
        /// The part's bound.
        bound: usize,
    },
    /// No signature, and not one of the releases compiled in.
    #[error(
        "this package is not signed, and it is not, byte for byte, a release that this program was built with, so it is refused"
    )]
    Unsigned,
    /// Signed, but by none of the trusted keys.
    #[error(
        "this package was signed by {}, which this meter does not trust; have its owner add that key, or use another package",
        strangers(keys)
    )]
    Stranger {
        /// The keys it names.
        keys: Vec<KeyId>,
    },
    /// Trusted, but for another product.
    #[error("this package is for product {found}; this meter is product {wanted}")]
    OtherProduct {
        /// What the package says.
        found: String,
        /// What the meter is.
        wanted: String,
    },
    /// Trusted, but for other hardware.
    #[error("this package is for hardware {found}; this meter has hardware {wanted}")]
    OtherHardware {
        /// What the package says.
        found: String,
        /// What the meter has.
        wanted: String,
    },
    /// Trusted, but not understood: made by another program, or a newer one.
    #[error("this package's manifest can't be used: {0}")]
    Manifest(#[from] ManifestError),
    /// A part that should be text isn't.
    #[error("this package can't be used: its part {part} is not text in UTF-8")]
    NotText {
        /// The part's name.
        part: &'static str,
    },
}

fn strangers(keys: &[KeyId]) -> String {
    let names: Vec<_> = keys.iter().map(KeyId::to_string).collect();
    let word = if names.len() == 1 { "key" } else { "keys" };
    format!("{word} {}", names.join(", "))
}

#[cfg(test)]
mod tests;
