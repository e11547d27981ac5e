//! The releases built into the program: their packages, made deterministically and trusted by the
//! digest of the whole file, and what any verified package carries.

use framework::{Dcf, DcfError};

use crate::digest::Sha256Digest;
use crate::package::{PackageError, PackageParts, Target, VerifiedPackage, build_package};
use crate::release::{Release, ReleaseError, SHIPPED, Sources};
use crate::version::Version;

/// What a package carries, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The release.
    pub release: Release,
    /// Its template.
    pub template: Dcf,
    /// The SHA-256 of the package.
    pub package: Sha256Digest,
}

/// A release that the program was built with.
#[derive(Debug, Clone)]
pub struct Shipped {
    /// What its package carries.
    pub carried: Carried,
    /// The package.
    pub bytes: Vec<u8>,
    /// What it was made from.
    pub sources: Sources,
}

/// Why the contents of a verified package, or of a release folder's sources, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    /// Its description.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Its template.
    #[error("the template in the package: {0}")]
    Template(#[from] DcfError),
    /// The manifest names another release than the description.
    #[error("the package says it is {manifest}, but what it carries is {carried}")]
    OtherRelease {
        /// What the manifest names.
        manifest: Version,
        /// What is carried.
        carried: Version,
    },
    /// It can't be put together.
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl Carried {
    /// Reads what a verified package carries.
    pub fn read(package: &VerifiedPackage<'_>) -> Result<Self, CarriedError> {
        let release = Release::parse(package.release_toml())?;
        let template = Dcf::parse(package.template_dcf().as_bytes())?;
        if release.release != *package.release() {
            return Err(CarriedError::OtherRelease { manifest: package.release().clone(), carried: release.release });
        }
        Ok(Self { release, template, package: package.digest() })
    }
}

/// The releases built into the program, oldest first. They are the program's own files, so any
/// failure is a defect of the build, which a test rules out.
pub fn shipped() -> Result<Vec<Shipped>, CarriedError> {
    SHIPPED.iter().map(|sources| ship(*sources)).collect()
}

fn ship(sources: Sources) -> Result<Shipped, CarriedError> {
    let release = Release::parse(sources.release_toml)?;
    let template = Dcf::parse(sources.template_dcf.as_bytes())?;
    let parts = PackageParts {
        release_toml: sources.release_toml,
        template_dcf: sources.template_dcf,
        notes_md: sources.notes_md,
        release: &release.release,
        target: Target::METER,
    };
    let bytes = build_package(&parts, None)?;
    let package = Sha256Digest::of(&bytes);
    Ok(Shipped { carried: Carried { release, template, package }, bytes, sources })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Trust, UnverifiedPackage};

    #[test]
    fn b27_shipped_packages_are_made_the_same_each_time_and_trusted_by_their_digest_alone() {
        let (once, again) = (shipped().unwrap(), shipped().unwrap());
        assert!(once.windows(2).all(|pair| pair[0].carried.release.release < pair[1].carried.release.release));
        for (one, same) in once.iter().zip(&again) {
            assert_eq!(one.bytes, same.bytes);
            let digests = [one.carried.package];
            let trust = Trust { digests: &digests, keys: &[] };
            let verified = UnverifiedPackage::read(&one.bytes).unwrap().verify(&trust, Target::METER).unwrap();
            assert_eq!(Carried::read(&verified).unwrap(), one.carried);
            let alone = UnverifiedPackage::read(&one.bytes).unwrap().verify(&Trust::default(), Target::METER);
            assert!(alone.is_err(), "nobody else vouches for it");
        }
    }

    #[test]
    fn b5_the_new_release_recommends_its_setup_and_names_the_notice_it_needs_shown() {
        let newest = shipped().unwrap().pop().unwrap().carried.release;
        assert_eq!(newest.recommended_setup, Some("3.2.30377.2".parse().unwrap()));
        assert_eq!(newest.notices.len(), 1);
    }
}
