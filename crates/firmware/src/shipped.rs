//! The releases built into the program: their packages, made deterministically and trusted by the
//! digest of their front, and what any verified package carries.

use framework::{Dcf, DcfError};

use crate::digest::Sha256Digest;
use crate::package::{PackageError, PackageParts, Target, VerifiedPackage, build_package, front_digest};
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
    /// The digest of the package's front, which it is trusted by.
    pub front: Sha256Digest,
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
    pub fn read(package: &VerifiedPackage) -> Result<Self, CarriedError> {
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
    let (package, front) = (Sha256Digest::of(&bytes), front_digest(&bytes)?);
    Ok(Shipped { carried: Carried { release, template, package }, front, bytes, sources })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Trust, verify_package};

    #[test]
    fn b27_shipped_packages_are_made_the_same_each_time_and_trusted_by_their_digest_alone() {
        let (once, again) = (shipped().unwrap(), shipped().unwrap());
        assert!(once.windows(2).all(|pair| pair[0].carried.release.release < pair[1].carried.release.release));
        for (one, same) in once.iter().zip(&again) {
            assert_eq!(one.bytes, same.bytes);
            let trust = Trust { fronts: vec![one.front], keys: Vec::new() };
            let verified = verify_package(&one.bytes, &trust, Target::METER).unwrap();
            assert_eq!(Carried::read(&verified).unwrap(), one.carried);
            let alone = verify_package(&one.bytes, &Trust::default(), Target::METER);
            assert!(alone.is_err(), "nobody else vouches for it");
        }
    }

    /// Made here and nowhere else: what these packages are known by must not change unnoticed. A line changes only
    /// with its release's own files.
    #[test]
    fn b27_shipped_packages_have_the_digests_that_are_published() {
        let made: Vec<_> = shipped()
            .unwrap()
            .iter()
            .map(|one| {
                (one.carried.release.release.to_string(), one.carried.package.to_string(), one.front.to_string())
            })
            .collect();
        let published = [
            [
                "4.0.9",
                "03fbe5d751557abb449025aad2dcb6d9a0e605023843e40ae7217b0912811c11",
                "1eb0b1f7e21187ef5301749fd01b5d1e5ae6418a1041ab2142cef441ac0c29d8",
            ],
            [
                "4.40.1",
                "9b6394c883a62a3e2b3b29ccb8ea7fb7a88692df85631c768397cc3a58707608",
                "804e9544f8a1a635cb049b1a89af36b1290c1212e5b7a757e7803b69f9726567",
            ],
        ];
        assert_eq!(made, published.map(|[release, package, front]| (release.into(), package.into(), front.into())));
    }

    #[test]
    fn b5_the_new_release_recommends_its_setup_and_names_the_notice_it_needs_shown() {
        let newest = shipped().unwrap().pop().unwrap().carried.release;
        assert_eq!(newest.recommended_setup, Some("3.2.30377.2".parse().unwrap()));
        assert_eq!(newest.notices.len(), 1);
    }
}
