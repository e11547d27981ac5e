//! The front of a package: header, manifest and signatures. It is verified as a whole before a byte of the manifest
//! is parsed and before any byte behind it is looked at. A [`VerifiedFront`] is made nowhere else.

use super::keys::KeyId;
use super::manifest::{KeyChanges, Manifest, PARTS, Part, Target};
use super::outline::Outline;
use super::{HEADER_BYTES, MAX_PART_BYTES, PackageError, SIGNATURE_BYTES, Trust, TrustedBy, signed_message};
use crate::digest::Sha256Digest;
use crate::version::Version;

/// What a package says of itself, believed: the parts that follow are held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFront {
    release: Version,
    trusted_by: TrustedBy,
    keys: KeyChanges,
    length: u64,
    parts: [(u64, Sha256Digest); PARTS.len()],
}

impl VerifiedFront {
    /// Believes a front or says why not. `bytes` are those of the outline, and `meter` is what the package must be
    /// made for.
    pub(super) fn verify(
        outline: Outline,
        bytes: &[u8],
        trust: &Trust,
        meter: Target<'_>,
    ) -> Result<Self, PackageError> {
        let (manifest, blocks) = bytes[HEADER_BYTES..].split_at(outline.manifest);
        let trusted_by = if trust.fronts.contains(&Sha256Digest::of(bytes)) {
            TrustedBy::Digest
        } else {
            TrustedBy::Key(signer(manifest, blocks, trust)?)
        };
        let Manifest { product, hardware, release, keys, parts } = Manifest::parse(manifest)?;
        if product != meter.product {
            return Err(PackageError::OtherProduct { found: product, wanted: meter.product.to_owned() });
        }
        if hardware != meter.hardware {
            return Err(PackageError::OtherHardware { found: hardware, wanted: meter.hardware.to_owned() });
        }
        Ok(Self { release, trusted_by, keys, length: outline.length, parts: bounded(&parts, outline)? })
    }

    /// The release that the package says it holds.
    pub fn release(&self) -> &Version {
        &self.release
    }

    /// Why it is believed.
    pub fn trusted_by(&self) -> TrustedBy {
        self.trusted_by
    }

    /// What the package wants changed in the meter's list of keys.
    pub fn key_changes(&self) -> &KeyChanges {
        &self.keys
    }

    /// Bytes of the whole file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Length and digest of a part, by its place.
    pub(super) fn part(&self, at: usize) -> Option<(u64, Sha256Digest)> {
        self.parts.get(at).copied()
    }
}

/// The trusted key that signed the manifest. Signatures by strangers are passed over, but a signature in a
/// trusted key's name must fit: one that doesn't says that the package was altered.
fn signer(manifest: &[u8], blocks: &[u8], trust: &Trust) -> Result<KeyId, PackageError> {
    let signatures: Vec<(KeyId, &[u8; 64])> = blocks
        .as_chunks::<SIGNATURE_BYTES>()
        .0
        .iter()
        .filter_map(|block| {
            let (id, signature) = block.split_first_chunk()?;
            Some((KeyId(*id), signature.first_chunk()?))
        })
        .collect();
    if signatures.is_empty() {
        return Err(PackageError::Unsigned);
    }
    let message = signed_message(manifest);
    let mut signer = None;
    for (id, signature) in &signatures {
        let mut named = trust.keys.iter().filter(|key| key.id() == *id).peekable();
        if named.peek().is_some() {
            if !named.any(|key| key.signed(&message, signature)) {
                return Err(PackageError::ManifestAltered { key: *id });
            }
            signer = signer.or(Some(*id));
        }
    }
    signer.ok_or_else(|| PackageError::Stranger { keys: signatures.iter().map(|(id, _)| *id).collect() })
}

/// The parts' lengths and digests, each within its bound and all together as long as the header says.
fn bounded(parts: &[Part], outline: Outline) -> Result<[(u64, Sha256Digest); PARTS.len()], PackageError> {
    let mut found = [(0, Sha256Digest::from_bytes([0; 32])); PARTS.len()];
    let mut together = 0u64;
    for (((slot, name), bound), part) in found.iter_mut().zip(PARTS).zip(MAX_PART_BYTES).zip(parts) {
        if part.length > bound as u64 {
            return Err(PackageError::PartTooLarge { part: name, bytes: part.length, bound });
        }
        together += part.length;
        *slot = (part.length, part.sha256);
    }
    if together == outline.bodies() { Ok(found) } else { Err(PackageError::HeaderAltered("the length of the file")) }
}
