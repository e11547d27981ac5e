//! Finding a release by what a person types: a shipped version, a release folder, or a `.upg`.
//!
//! A package that the program wasn't built with is read only to be shown or rehearsed. That it was
//! transferred whole is checked here; whether it may be trusted is for the meter that gets it.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use firmware::bundle::{BundleFiles, MAX_NOTES_BYTES};
use firmware::package::{MAX_DESCRIPTION_BYTES, PackageParts, Target, Trust, VerifiedPackage, Verifier, build_package};
use firmware::release::{Release, ReleaseError};
use firmware::{Carried, CarriedError, Shipped, Version};
use framework::Dcf;
use framework::dcf::LONGEST_FILE;

use crate::failure::Failure;
use crate::files;

/// Bytes of a package that are read at once.
const PIECE: usize = 64 * 1024;

/// Where a release lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the program.
    BuiltIn,
    /// A package.
    File(PathBuf),
    /// A folder of sources.
    Folder(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built into this program"),
            Self::File(path) | Self::Folder(path) => path.display().fmt(f),
        }
    }
}

/// A release that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it carries.
    pub carried: Carried,
    /// What's new, in Markdown.
    pub notes: String,
    /// Where it lies.
    pub place: Place,
    /// Bytes of its package.
    pub bytes: usize,
}

/// The releases built into the program, oldest first.
///
/// # Errors
/// A defect of the build.
pub fn shipped() -> Result<Vec<Found>, Failure> {
    Ok(firmware::shipped()?.into_iter().map(built_in).collect())
}

fn built_in(shipped: Shipped) -> Found {
    let notes = shipped.sources.notes_md.to_owned();
    Found { carried: shipped.carried, notes, place: Place::BuiltIn, bytes: shipped.bytes.len() }
}

/// The release that `named` means.
///
/// # Errors
/// If there is none, or it can't be read or trusted.
pub fn find(named: &str) -> Result<Found, Failure> {
    if let Ok(version) = named.parse::<Version>()
        && let Some(found) = shipped()?.into_iter().find(|found| found.carried.release.release == version)
    {
        return Ok(found);
    }
    let path = Path::new(named);
    if path.is_dir() {
        return if path.join(DESCRIPTION).is_file() { Sources::read(path)?.found(path) } else { bundle(path) };
    }
    if path.is_file() {
        return package(path);
    }
    let known: Vec<_> = shipped()?.iter().map(|found| found.carried.release.release.to_string()).collect();
    let known = known.join(" and ");
    Err(Failure::InTheWay(format!(
        "there is no release \"{named}\": {known} are built in, others are a folder or a .upg"
    )))
}

fn bundle(folder: &Path) -> Result<Found, Failure> {
    let names = files::names_in(folder)?;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let files = BundleFiles::find(&names).map_err(Failure::from).map_err(Failure::of(folder))?;
    package(&folder.join(files.package))
}

fn package(path: &Path) -> Result<Found, Failure> {
    let trust = Trust { fronts: firmware::shipped()?.iter().map(|shipped| shipped.front).collect(), keys: Vec::new() };
    let (verified, bytes) = verified(path, &trust)?;
    let carried = Carried::read(&verified).map_err(Failure::from).map_err(Failure::of(path))?;
    let notes = verified.notes_md().unwrap_or("(These notes are too long to be shown.)").to_owned();
    Ok(Found { carried, notes, place: Place::File(path.to_owned()), bytes })
}

/// Reads a package as far as it is one, and says how many bytes it has.
fn verified(path: &Path, trust: &Trust) -> Result<(VerifiedPackage, usize), Failure> {
    let unreadable = |error| Failure::Read(path.to_owned(), error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut verifier = Verifier::new(trust, Target::METER);
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            read => {
                verifier.push(&piece[..read]).map_err(Failure::from).map_err(Failure::of(path))?;
                bytes += read;
            }
        }
    }
    let verified = verifier.finish().map_err(Failure::from).map_err(Failure::of(path))?;
    Ok((verified, bytes))
}

const DESCRIPTION: &str = "release.toml";
const TEMPLATE: &str = "template.dcf";
const NOTES: &str = "whats-new.md";

/// What a release is made from, read and checked.
pub struct Sources {
    /// The description.
    pub release: Release,
    /// `release.toml`.
    pub release_toml: String,
    /// `template.dcf`.
    pub template_dcf: String,
    /// `whats-new.md`.
    pub notes_md: String,
    template: Dcf,
}

impl Sources {
    /// Those of a shipped version, or those in a folder.
    ///
    /// # Errors
    /// If there are none, or one of them is wrong; the sentence names the file.
    pub fn find(named: &str) -> Result<Self, Failure> {
        if let Ok(version) = named.parse::<Version>()
            && let Some(shipped) =
                firmware::shipped()?.into_iter().find(|shipped| shipped.carried.release.release == version)
        {
            let Carried { release, template, .. } = shipped.carried;
            let [release_toml, template_dcf, notes_md] =
                [shipped.sources.release_toml, shipped.sources.template_dcf, shipped.sources.notes_md]
                    .map(str::to_owned);
            return Ok(Self { release, release_toml, template_dcf, notes_md, template });
        }
        Self::read(Path::new(named))
    }

    fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(DESCRIPTION);
        let release_toml = files::read_text(&path, "a release's description", MAX_DESCRIPTION_BYTES)?;
        // The sentence names `release.toml` itself; which one it is, the folder says.
        let release = Release::parse(&release_toml)
            .map_err(|error: ReleaseError| Failure::from(CarriedError::from(error)))
            .map_err(Failure::of(folder))?;
        let path = folder.join(TEMPLATE);
        let template_dcf = files::read_text(&path, "a template", LONGEST_FILE)?;
        let template = Dcf::parse(template_dcf.as_bytes())
            .map_err(|error| Failure::InTheWay(error.to_string()))
            .map_err(Failure::of(&path))?;
        let notes_md = files::read_text(&folder.join(NOTES), "a release's notes", MAX_NOTES_BYTES)?;
        Ok(Self { release, release_toml, template_dcf, notes_md, template })
    }

    /// The parts of its package.
    pub fn parts(&self) -> PackageParts<'_> {
        PackageParts {
            target: Target::METER,
            release: &self.release.release,
            release_toml: &self.release_toml,
            template_dcf: &self.template_dcf,
            notes_md: &self.notes_md,
        }
    }

    fn found(self, folder: &Path) -> Result<Found, Failure> {
        let bytes = build_package(&self.parts(), None)?;
        let package = firmware::digest::Sha256Digest::of(&bytes);
        let carried = Carried { release: self.release, template: self.template, package };
        let place = Place::Folder(folder.to_owned());
        Ok(Found { carried, notes: self.notes_md, place, bytes: bytes.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_version_is_found_in_any_spelling_and_nothing_else_by_chance() {
        for (named, release) in [("4.0.9", "4.0.9"), ("4.40.1", "4.40.1"), ("4.040.01", "4.40.1")] {
            assert_eq!(find(named).unwrap().carried.release.release.to_string(), release, "{named}");
        }
        for named in ["4.41", "4", "", "no/such/folder"] {
            let error = find(named).unwrap_err();
            assert!(error.to_string().contains("4.0.9 and 4.40.1 are built in"), "{named}: {error}");
        }
    }

    #[test]
    fn b27_a_bundle_on_disk_is_the_release_it_was_made_of_and_an_altered_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources::find("4.40.1").unwrap();
        let mut package = build_package(&sources.parts(), None).unwrap();
        let path = folder.path().join("8650_V4.40.1.upg");
        std::fs::write(&path, &package).unwrap();
        let found = find(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(found.carried, find("4.40.1").unwrap().carried);
        assert_eq!(found.place, Place::File(path.clone()));

        let last = package.len() - 1;
        package[last] ^= 1;
        std::fs::write(&path, &package).unwrap();
        let error = find(path.to_str().unwrap()).unwrap_err();
        assert_eq!(error.status(), crate::exit::Status::Untrusted, "{error}");
    }
}
