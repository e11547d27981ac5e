//! The header: where a package's front ends and how long the whole file is. Numbers only: nothing of the package
//! has been verified here, and nothing is allocated by what they say before their bounds are checked.

use super::SIGNATURE_BYTES;
use super::{FORMAT, HEADER_BYTES, MAGIC, MAX_MANIFEST_BYTES, MAX_PACKAGE_BYTES, MAX_SIGNATURES, PackageError};
use crate::digest::Sha256Digest;

/// What the header says, each number within its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) signatures: usize,
    /// Bytes of the manifest.
    pub(super) manifest: usize,
    /// Bytes of the whole file.
    pub(super) length: u64,
}

impl Outline {
    pub(super) fn read(header: &[u8; HEADER_BYTES]) -> Result<Self, PackageError> {
        begins_as_a_package(header)?;
        let [_, _, _, _, _, _, _, _, f0, f1, s0, s1, m0, m1, m2, m3, length @ ..] = *header;
        let found = u16::from_be_bytes([f0, f1]);
        if found != FORMAT {
            return Err(PackageError::UnknownFormat { found });
        }
        let signatures = usize::from(u16::from_be_bytes([s0, s1]));
        if signatures > MAX_SIGNATURES {
            return Err(PackageError::HeaderAltered("the number of signatures"));
        }
        let manifest = u32::from_be_bytes([m0, m1, m2, m3]) as usize;
        if manifest > MAX_MANIFEST_BYTES {
            return Err(PackageError::HeaderAltered("the length of the manifest"));
        }
        let length = u64::from_be_bytes(length);
        if length > MAX_PACKAGE_BYTES as u64 {
            return Err(PackageError::TooLarge { bytes: length });
        }
        let outline = Self { signatures, manifest, length };
        if length < outline.front() as u64 {
            return Err(PackageError::HeaderAltered("the length of the file"));
        }
        Ok(outline)
    }

    /// Bytes of the front: header, manifest, signatures.
    pub(super) fn front(self) -> usize {
        HEADER_BYTES + self.manifest + self.signatures * SIGNATURE_BYTES
    }

    /// Bytes of the parts together.
    pub(super) fn bodies(self) -> u64 {
        self.length - self.front() as u64
    }
}

/// Refuses what is no package by its first bytes, however few there are yet.
pub(super) fn begins_as_a_package(bytes: &[u8]) -> Result<(), PackageError> {
    let seen = &bytes[..bytes.len().min(MAGIC.len())];
    if MAGIC.starts_with(seen) { Ok(()) } else { Err(PackageError::NotAPackage) }
}

/// The digest of the front of these bytes, which begin with a whole one: what shipped releases are known by.
/// It pins the manifest, which pins every part.
pub fn front_digest(package: &[u8]) -> Result<Sha256Digest, PackageError> {
    begins_as_a_package(package)?;
    let missing = |wanted: usize| PackageError::Truncated { missing: (wanted - package.len()) as u64 };
    let header = package.first_chunk().ok_or_else(|| missing(HEADER_BYTES))?;
    let front = Outline::read(header)?.front();
    Ok(Sha256Digest::of(package.get(..front).ok_or_else(|| missing(front))?))
}
