//! From bytes to a package that may be believed. The two are different types: what hasn't been verified gives
//! out nothing that a meter could act on.

use super::keys::{KeyId, TrustedKey};
use super::manifest::{Manifest, PARTS, Target};
use super::{
    FORMAT, HEADER_BYTES, MAGIC, MAX_MANIFEST_BYTES, MAX_PACKAGE_BYTES, MAX_SIGNATURES, PackageError, SIGNATURE_BYTES,
    signed_message,
};
use crate::digest::Sha256Digest;
use crate::version::Version;

/// Whom a meter believes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The releases compiled into the program, by the digest of the whole file.
    pub digests: &'a [Sha256Digest],
    /// The keys in the meter's own list; empty as made.
    pub keys: &'a [TrustedKey],
}

/// Why a package was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedBy {
    /// It is a release that the program was built with.
    Digest,
    /// This key of the meter's list signed it.
    Key(KeyId),
}

/// Bytes that have the outline of a package. Nothing in them has been verified.
#[derive(Debug)]
pub struct UnverifiedPackage<'a> {
    file: &'a [u8],
    manifest: &'a [u8],
    signatures: Vec<(KeyId, &'a [u8; 64])>,
    bodies: &'a [u8],
}

impl<'a> UnverifiedPackage<'a> {
    /// Finds the outline: the header, and that the file is as long as it says.
    pub fn read(file: &'a [u8]) -> Result<Self, PackageError> {
        if file.len() > MAX_PACKAGE_BYTES {
            return Err(PackageError::TooLarge { bytes: file.len() as u64 });
        }
        if !MAGIC.starts_with(&file[..file.len().min(MAGIC.len())]) {
            return Err(PackageError::NotAPackage);
        }
        let Some((header, rest)) = file.split_first_chunk::<HEADER_BYTES>() else {
            return Err(PackageError::Truncated { missing: (HEADER_BYTES - file.len()) as u64 });
        };
        let [_, _, _, _, _, _, _, _, f0, f1, s0, s1, m0, m1, m2, m3, length @ ..] = *header;
        let found = u16::from_be_bytes([f0, f1]);
        if found != FORMAT {
            return Err(PackageError::UnknownFormat { found });
        }
        let signatures = usize::from(u16::from_be_bytes([s0, s1]));
        if signatures > MAX_SIGNATURES {
            return Err(PackageError::HeaderAltered("the number of signatures"));
        }
        let manifest_len = u32::from_be_bytes([m0, m1, m2, m3]) as usize;
        if manifest_len > MAX_MANIFEST_BYTES {
            return Err(PackageError::HeaderAltered("the length of the manifest"));
        }
        let length = u64::from_be_bytes(length);
        if length > MAX_PACKAGE_BYTES as u64 {
            return Err(PackageError::TooLarge { bytes: length });
        }
        let front = manifest_len + signatures * SIGNATURE_BYTES;
        if length < (HEADER_BYTES + front) as u64 {
            return Err(PackageError::HeaderAltered("the length of the file"));
        }
        let have = file.len() as u64;
        if have < length {
            return Err(PackageError::Truncated { missing: length - have });
        }
        if have > length {
            return Err(PackageError::TrailingBytes { extra: have - length });
        }
        let (manifest, rest) = rest.split_at(manifest_len);
        let (blocks, bodies) = rest.split_at(signatures * SIGNATURE_BYTES);
        let signatures = blocks
            .as_chunks::<SIGNATURE_BYTES>()
            .0
            .iter()
            .filter_map(|block| {
                let (id, signature) = block.split_first_chunk()?;
                Some((KeyId(*id), signature.first_chunk()?))
            })
            .collect();
        Ok(Self { file, manifest, signatures, bodies })
    }

    /// SHA-256 of the whole file: what a package is stored under and what a shipped release is known by.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.file)
    }

    /// Believes the package or says why not. `meter` is what the package must be made for.
    pub fn verify(self, trust: &Trust<'_>, meter: Target<'_>) -> Result<VerifiedPackage<'a>, PackageError> {
        let digest = self.digest();
        let trusted_by =
            if trust.digests.contains(&digest) { TrustedBy::Digest } else { TrustedBy::Key(self.signer(trust.keys)?) };
        let manifest = Manifest::parse(self.manifest)?;
        if manifest.product != meter.product {
            return Err(PackageError::OtherProduct { found: manifest.product, wanted: meter.product.to_owned() });
        }
        if manifest.hardware != meter.hardware {
            return Err(PackageError::OtherHardware { found: manifest.hardware, wanted: meter.hardware.to_owned() });
        }
        let [release_toml, template_dcf, notes_md] = self.parts(&manifest)?;
        Ok(VerifiedPackage { release: manifest.release, digest, trusted_by, release_toml, template_dcf, notes_md })
    }

    /// The trusted key that signed the manifest. Signatures by strangers are passed over, but a signature in a
    /// trusted key's name must fit: one that doesn't says that the package was altered.
    fn signer(&self, keys: &[TrustedKey]) -> Result<KeyId, PackageError> {
        if self.signatures.is_empty() {
            return Err(PackageError::Unsigned);
        }
        let message = signed_message(self.manifest);
        let mut signer = None;
        for (id, signature) in &self.signatures {
            let mut named = keys.iter().filter(|key| key.id() == *id).peekable();
            if named.peek().is_some() {
                if !named.any(|key| key.signed(&message, signature)) {
                    return Err(PackageError::ManifestAltered { key: *id });
                }
                signer = signer.or(Some(*id));
            }
        }
        signer.ok_or_else(|| PackageError::Stranger { keys: self.signatures.iter().map(|(id, _)| *id).collect() })
    }

    /// The parts, cut where the manifest says and compared with its digests.
    fn parts(&self, manifest: &Manifest) -> Result<[&'a str; PARTS.len()], PackageError> {
        const WRONG_LENGTH: PackageError = PackageError::HeaderAltered("the length of the file");
        let mut texts = [""; PARTS.len()];
        let mut rest = self.bodies;
        for ((text, name), part) in texts.iter_mut().zip(PARTS).zip(&manifest.parts) {
            let length = usize::try_from(part.length).map_err(|_| WRONG_LENGTH)?;
            let (body, after) = rest.split_at_checked(length).ok_or(WRONG_LENGTH)?;
            if Sha256Digest::of(body) != part.sha256 {
                return Err(PackageError::PartAltered { part: name });
            }
            *text = std::str::from_utf8(body).map_err(|_| PackageError::NotText { part: name })?;
            rest = after;
        }
        if rest.is_empty() { Ok(texts) } else { Err(WRONG_LENGTH) }
    }
}

/// A package that is whole, for this meter, and from somebody it trusts. Made only by
/// [`UnverifiedPackage::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPackage<'a> {
    release: Version,
    digest: Sha256Digest,
    trusted_by: TrustedBy,
    release_toml: &'a str,
    template_dcf: &'a str,
    notes_md: &'a str,
}

impl<'a> VerifiedPackage<'a> {
    /// The release it holds, as its manifest says; [`Self::release_toml`] must say the same.
    pub fn release(&self) -> &Version {
        &self.release
    }

    /// SHA-256 of the whole file.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Why it was believed.
    pub fn trusted_by(&self) -> TrustedBy {
        self.trusted_by
    }

    /// What the release is, as data.
    pub fn release_toml(&self) -> &'a str {
        self.release_toml
    }

    /// The template it brings.
    pub fn template_dcf(&self) -> &'a str {
        self.template_dcf
    }

    /// What's new in it, in Markdown.
    pub fn notes_md(&self) -> &'a str {
        self.notes_md
    }
}
