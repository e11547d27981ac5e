//! Making a package. The same input gives the same bytes, on every machine and at any time: the releases in
//! the program are trusted by the digest of what comes out here.

use super::manifest::{KeyChanges, Manifest, PARTS, Target};
use super::{
    FORMAT, HEADER_BYTES, MAGIC, MAX_MANIFEST_BYTES, MAX_PART_BYTES, PackageError, SIGNATURE_BYTES, SigningKey,
    signed_message,
};
use crate::version::Version;

/// What a package is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageParts<'a> {
    /// What it is for; [`Target::METER`] but in tests of foreign packages.
    pub target: Target<'a>,
    /// The version that `release_toml` has.
    pub release: &'a Version,
    /// What the release is, as data.
    pub release_toml: &'a str,
    /// The template it brings.
    pub template_dcf: &'a str,
    /// What's new in it, in Markdown.
    pub notes_md: &'a str,
}

/// The bytes of a `.upg`, with one signature or none.
///
/// Fails if the target has an impossible name or the parts are too large.
pub fn build_package(parts: &PackageParts<'_>, sign: Option<&SigningKey>) -> Result<Vec<u8>, PackageError> {
    build(parts, &KeyChanges::default(), sign)
}

/// The bytes of a signed `.upg` that also changes which keys a meter trusts. Without a signature there is none:
/// no meter takes keys from a package that only its digest vouches for.
pub fn build_rotation(parts: &PackageParts<'_>, keys: &KeyChanges, sign: &SigningKey) -> Result<Vec<u8>, PackageError> {
    build(parts, keys, Some(sign))
}

fn build(parts: &PackageParts<'_>, keys: &KeyChanges, sign: Option<&SigningKey>) -> Result<Vec<u8>, PackageError> {
    let bodies = [parts.release_toml, parts.template_dcf, parts.notes_md].map(str::as_bytes);
    for ((part, bound), body) in PARTS.into_iter().zip(MAX_PART_BYTES).zip(bodies) {
        if body.len() > bound {
            return Err(PackageError::PartTooLarge { part, bytes: body.len() as u64, bound });
        }
    }
    let manifest = Manifest::write(parts.target, parts.release, keys, bodies)?;
    Ok(assemble(manifest.as_bytes(), bodies, sign.as_slice()))
}

/// A package of a manifest and parts that needn't fit each other, signed by each of the keys.
pub(super) fn assemble(manifest: &[u8], bodies: [&[u8]; PARTS.len()], sign: &[&SigningKey]) -> Vec<u8> {
    let front = HEADER_BYTES + manifest.len() + sign.len() * SIGNATURE_BYTES;
    let total = bodies.iter().fold(front, |sum, body| sum + body.len());
    debug_assert!(
        manifest.len() <= MAX_MANIFEST_BYTES,
        "three parts, two names and all the keys it may name take some 5000 bytes"
    );
    let mut file = Vec::with_capacity(total);
    file.extend(MAGIC);
    file.extend(FORMAT.to_be_bytes());
    file.extend((sign.len() as u16).to_be_bytes());
    file.extend((manifest.len() as u32).to_be_bytes());
    file.extend((total as u64).to_be_bytes());
    file.extend(manifest);
    let message = signed_message(manifest);
    for key in sign {
        file.extend(key.public().id().0);
        file.extend(key.sign(&message));
    }
    for body in bodies {
        file.extend(body);
    }
    file
}
