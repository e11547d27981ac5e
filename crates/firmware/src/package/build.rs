//! Making a package. The same input gives the same bytes, on every machine and at any time: the releases in
//! the program are trusted by the digest of what comes out here.

use super::manifest::{Manifest, Target};
use super::{
    FORMAT, HEADER_BYTES, MAGIC, MAX_MANIFEST_BYTES, MAX_PACKAGE_BYTES, PackageError, SIGNATURE_BYTES, SigningKey,
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
    let bodies = [parts.release_toml, parts.template_dcf, parts.notes_md].map(str::as_bytes);
    let manifest = Manifest::write(parts.target, parts.release, bodies)?;
    assemble(manifest.as_bytes(), bodies, sign.as_slice())
}

/// A package of a manifest and parts that needn't fit each other, signed by each of the keys.
pub(super) fn assemble(manifest: &[u8], bodies: [&[u8]; 3], sign: &[&SigningKey]) -> Result<Vec<u8>, PackageError> {
    let front = HEADER_BYTES + manifest.len() + sign.len() * SIGNATURE_BYTES;
    let total = bodies.iter().fold(front, |sum, body| sum.saturating_add(body.len()));
    if total > MAX_PACKAGE_BYTES {
        return Err(PackageError::TooLarge { bytes: total as u64 });
    }
    debug_assert!(manifest.len() <= MAX_MANIFEST_BYTES, "three parts and two short names take some 500 bytes");
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
    Ok(file)
}
