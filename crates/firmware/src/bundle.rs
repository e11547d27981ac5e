//! The release bundle: the folder that a release is published as (B1), made and read.
//!
//! Makes the files from a package's parts, names them, and finds out from names which file is which. Decides
//! whether a package may be sent to a meter by its hash (B2). Touches no folder itself: names and bytes come
//! and go.

mod face;
mod layout;
mod notes;
mod whats_new;

use std::fmt;

use crate::digest::Sha256Digest;
use crate::hashlist::{Algorithm, FileHashes, HashList, HashValue, Verdict, WeakHash, write_sha256sum};
use crate::package::{KeyChanges, PackageError, PackageParts, SigningKey, build_package, build_rotation};

/// The longest notes that What's New is made of: some hundred pages.
pub const MAX_NOTES_BYTES: usize = 256 * 1024;

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its name in the folder.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Why a bundle can't be made, or a folder is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The package can't be made.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Beyond [`MAX_NOTES_BYTES`].
    #[error("the notes have {0} bytes; What's New is made of at most {MAX_NOTES_BYTES}")]
    NotesTooLong(usize),
    /// A folder without a package.
    #[error("this folder holds no firmware file: no name in it ends in .upg")]
    NoPackage,
    /// A folder of several releases.
    #[error("this folder holds several firmware files ({}); name the one to use", .0.join(", "))]
    SeveralPackages(Vec<String>),
    /// Several lists, none of which is nearer to the package by its name.
    #[error("several files may be the hash list ({}); say which with --hashes", .0.join(", "))]
    SeveralHashLists(Vec<String>),
}

/// Makes the whole folder: package, template, What's New, and the list with the hashes of all three.
/// The same input gives the same bytes.
pub fn build_bundle(parts: &PackageParts<'_>, sign: Option<&SigningKey>) -> Result<Vec<BundleFile>, BundleError> {
    bundle_of(parts, build_package(parts, sign)?)
}

/// The same of a signed package that also changes which keys a meter trusts.
pub fn build_rotation_bundle(
    parts: &PackageParts<'_>,
    keys: &KeyChanges,
    sign: &SigningKey,
) -> Result<Vec<BundleFile>, BundleError> {
    bundle_of(parts, build_rotation(parts, keys, sign)?)
}

fn bundle_of(parts: &PackageParts<'_>, package: Vec<u8>) -> Result<Vec<BundleFile>, BundleError> {
    if parts.notes_md.len() > MAX_NOTES_BYTES {
        return Err(BundleError::NotesTooLong(parts.notes_md.len()));
    }
    let (product, release) = (parts.target.product, parts.release);
    let whats_new = whats_new::whats_new(&format!("{product} V{release}"), parts.notes_md);
    let named = |ending: &str, bytes| BundleFile { name: format!("{product}_V{release}{ending}"), bytes };
    let mut files = vec![
        named(".upg", package),
        named(".dcf", parts.template_dcf.as_bytes().to_vec()),
        named("_Whats_New.pdf", whats_new),
    ];
    let hashes: Vec<_> = files.iter().map(|file| (file.name.as_str(), Sha256Digest::of(&file.bytes))).collect();
    let list = write_sha256sum(&hashes).into_bytes();
    files.push(named("_hashes.txt", list));
    Ok(files)
}

/// Which file of a release folder is which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFiles<'a> {
    /// The firmware file.
    pub package: &'a str,
    /// The list of hashes, if there is one.
    pub hash_list: Option<&'a str>,
    /// The templates.
    pub templates: Vec<&'a str>,
    /// What's New.
    pub documents: Vec<&'a str>,
}

impl<'a> BundleFiles<'a> {
    /// Sorts the names in a folder. There must be one `.upg`.
    pub fn find(names: &[&'a str]) -> Result<Self, BundleError> {
        let ending = |ending: &str| names.iter().copied().filter(|n| extension(n) == ending).collect::<Vec<_>>();
        let package = match ending("upg")[..] {
            [] => return Err(BundleError::NoPackage),
            [package] => package,
            ref several => return Err(BundleError::SeveralPackages(owned(several))),
        };
        let hash_list = hash_list_beside(package, names)?;
        Ok(Self { package, hash_list, templates: ending("dcf"), documents: ending("pdf") })
    }
}

/// The hash list for a package among the names in its folder: a `.txt` that begins with the package's own name
/// comes before one that is called a list of hashes, and that before the only one there is.
pub fn hash_list_beside<'a>(package: &str, names: &[&'a str]) -> Result<Option<&'a str>, BundleError> {
    let texts: Vec<_> = names.iter().copied().filter(|name| extension(name) == "txt").collect();
    let own = |name: &str| belongs_to(name, package);
    let called = |name: &str| {
        let name = name.to_lowercase();
        ["hash", "checksum", "sha256", "sha512", "sha1", "md5"].iter().any(|word| name.contains(word))
    };
    let nearest: [&dyn Fn(&str) -> bool; 3] =
        [&|name| own(name) && called(name), &|name| called(name), &|name| own(name)];
    for near in nearest {
        match texts.iter().copied().filter(|name| near(name)).collect::<Vec<_>>()[..] {
            [] => {}
            [list] => return Ok(Some(list)),
            ref several => return Err(BundleError::SeveralHashLists(owned(several))),
        }
    }
    match texts[..] {
        [only] => Ok(Some(only)),
        _ => Ok(None),
    }
}

/// Whether a name begins with the package's, less its ending: `8650_V4.40.1_hashes.txt` does with
/// `8650_V4.40.1.upg`, `8650_V4.40.12_hashes.txt` and `8650_V4.40.1.2.txt` do not.
fn belongs_to(name: &str, package: &str) -> bool {
    let (name, package) = (name.to_lowercase(), package.to_lowercase());
    let stem = package.strip_suffix(".upg").unwrap_or(&package);
    let Some(rest) = name.strip_prefix(stem) else { return false };
    !rest.strip_prefix('.').unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit())
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What is at hand to check a firmware file with.
#[derive(Debug, Clone, Copy)]
pub enum HashSource<'a> {
    /// The list beside it, or the one that was named.
    List(&'a HashList),
    /// No list was found and none named.
    Missing,
    /// Somebody said that it goes without one (`--no-hash-list`).
    Waived,
}

/// Why a firmware file may be sent to a meter; goes into the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashEvidence {
    /// Its hash is the published one.
    Matched(Algorithm),
    /// Somebody said that it goes without a check.
    Waived,
}

impl HashEvidence {
    /// What a person must know about it, if it rests on a broken algorithm.
    pub fn warning(self) -> Option<WeakHash> {
        match self {
            Self::Matched(algorithm) => Verdict::Good { algorithm }.warning(),
            Self::Waived => None,
        }
    }
}

impl fmt::Display for HashEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched(algorithm) => write!(f, "its {algorithm} is the published one"),
            Self::Waived => f.write_str("not checked against a hash list, as was asked for"),
        }
    }
}

/// Why a firmware file is not sent to a meter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Its hash is another one.
    #[error(
        "this firmware file is not what was published (its {} differs from the list's {expected}), so nothing was sent; fetch it again",
        expected.algorithm()
    )]
    Bad {
        /// What the list says.
        expected: HashValue,
    },
    /// The list is silent about it.
    #[error(
        "the hash list does not name this firmware file, so nothing was sent; use the list that was published with it"
    )]
    NotListed,
    /// There is no list.
    #[error(
        "there is no hash list to check this firmware file with, so nothing was sent; name one with --hashes, or say --no-hash-list"
    )]
    NoList,
}

/// Whether a firmware file of this name and hashes may be sent to a meter (B2). Asked before anything is sent.
pub fn may_be_sent(name: &str, hashes: &FileHashes, source: HashSource<'_>) -> Result<HashEvidence, NotSent> {
    match source {
        HashSource::Waived => Ok(HashEvidence::Waived),
        HashSource::Missing => Err(NotSent::NoList),
        HashSource::List(list) => match list.check(name, hashes) {
            Verdict::Good { algorithm } => Ok(HashEvidence::Matched(algorithm)),
            Verdict::Bad { expected, .. } => Err(NotSent::Bad { expected }),
            Verdict::NotListed => Err(NotSent::NotListed),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::package::{Target, Trust, front_digest, verify_package};
    use crate::version::Version;

    fn bundle() -> Vec<BundleFile> {
        let release: Version = "4.40.1".parse().unwrap();
        let parts = PackageParts {
            target: Target::METER,
            release: &release,
            release_toml: "version = \"4.40.1\"\n",
            template_dcf: "[factory]\n",
            notes_md: "# Secure passwords\n\nPasswords are hashed.\n",
        };
        build_bundle(&parts, None).unwrap()
    }

    #[test]
    fn b1_a_release_folder_has_firmware_template_whats_new_and_a_list_of_every_other_file() {
        let files = bundle();
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            ["8650_V4.40.1.upg", "8650_V4.40.1.dcf", "8650_V4.40.1_Whats_New.pdf", "8650_V4.40.1_hashes.txt"]
        );
        let (list, others) = files.split_last().unwrap();
        let list = HashList::parse(&list.bytes).unwrap();
        for file in others {
            let good = Verdict::Good { algorithm: Algorithm::Sha256 };
            assert_eq!(list.check(&file.name, &FileHashes::of(&file.bytes)), good, "{}", file.name);
        }
        let trust = Trust { fronts: vec![front_digest(&files[0].bytes).unwrap()], keys: Vec::new() };
        let package = verify_package(&files[0].bytes, &trust, Target::METER).unwrap();
        assert_eq!(package.template_dcf().as_bytes(), files[1].bytes);
        let found = BundleFiles::find(&names).unwrap();
        assert_eq!((found.package, found.hash_list), (names[0], Some(names[3])));
        assert_eq!((found.templates, found.documents), (vec![names[1]], vec![names[2]]));
    }

    #[test]
    fn b1_the_same_release_makes_the_same_folder() {
        assert_eq!(bundle(), bundle());
    }

    #[test]
    fn b1_a_folder_must_say_which_firmware_it_is() {
        assert_eq!(BundleFiles::find(&["a.txt", "b.dcf", "upg"]), Err(BundleError::NoPackage));
        let several = BundleError::SeveralPackages(vec!["a.upg".into(), "B.UPG".into()]);
        assert_eq!(BundleFiles::find(&["a.upg", "c.txt", "B.UPG"]), Err(several));
    }

    #[test]
    fn b2_the_list_beside_a_bare_package_is_found() {
        let package = "8650_V4.40.1.upg";
        for (names, list) in [
            (&["8650_v4.40.1_HASHES.TXT", "8650_V4.0.9_hashes.txt", "readme.txt"][..], Some("8650_v4.40.1_HASHES.TXT")),
            (&["8650_V4.40.12_hashes.txt", "8650_V4.40.1.upg.sha256.txt"], Some("8650_V4.40.1.upg.sha256.txt")),
            (&["8650_V4.40.1.2_hashes.txt"], Some("8650_V4.40.1.2_hashes.txt")),
            (&["readme.txt", "Firmware Hash List.txt"], Some("Firmware Hash List.txt")),
            (&["readme.txt", "8650_V4.40.1.txt"], Some("8650_V4.40.1.txt")),
            (&["only.txt"], Some("only.txt")),
            (&["readme.txt", "licence.txt"], None),
            (&["8650_V4.40.1.upg", "hashes.pdf"], None),
            (&[], None),
        ] {
            assert_eq!(hash_list_beside(package, names), Ok(list), "{names:?}");
        }
        let several = BundleError::SeveralHashLists(vec!["hashes.txt".into(), "sha256.txt".into()]);
        assert_eq!(hash_list_beside(package, &["hashes.txt", "sha256.txt", "a.txt"]), Err(several));
    }

    #[test]
    fn b2_nothing_but_a_matching_hash_or_an_explicit_waiver_lets_a_file_be_sent() {
        let files = bundle();
        let (file, list) = (&files[0], HashList::parse(&files[3].bytes).unwrap());
        let hashes = FileHashes::of(&file.bytes);
        let mut altered = file.bytes.clone();
        altered[100] ^= 1;
        let wrong = FileHashes::of(&altered);
        let source = HashSource::List(&list);
        assert_eq!(may_be_sent(&file.name, &hashes, source), Ok(HashEvidence::Matched(Algorithm::Sha256)));
        assert!(matches!(may_be_sent(&file.name, &wrong, source), Err(NotSent::Bad { .. })));
        assert_eq!(may_be_sent("other.upg", &hashes, source), Err(NotSent::NotListed));
        assert_eq!(may_be_sent(&file.name, &hashes, HashSource::Missing), Err(NotSent::NoList));
        assert_eq!(may_be_sent(&file.name, &wrong, HashSource::Waived), Ok(HashEvidence::Waived));
    }

    #[test]
    fn b3_sending_by_an_md5_list_warns() {
        let hashes = FileHashes::of(b"abc");
        let list = HashList::parse(b"900150983cd24fb0d6963f7d28e17f72  abc.upg\n").unwrap();
        let evidence = may_be_sent("abc.upg", &hashes, HashSource::List(&list)).unwrap();
        assert_eq!(evidence.warning(), Some(WeakHash(Algorithm::Md5)));
    }

    #[test]
    fn notes_without_end_make_no_pdf() {
        let release: Version = "4.40.1".parse().unwrap();
        let notes_md = "x ".repeat(MAX_NOTES_BYTES / 2 + 1);
        let parts = PackageParts {
            target: Target::METER,
            release: &release,
            release_toml: "",
            template_dcf: "",
            notes_md: &notes_md,
        };
        assert_eq!(build_bundle(&parts, None), Err(BundleError::NotesTooLong(MAX_NOTES_BYTES + 2)));
    }

    proptest! {
        #[test]
        fn sorting_any_names_never_panics(names in prop::collection::vec("[a-z.]{0,5}(\\.upg|\\.txt|\\.TXT|hash)?|.{0,9}", 0..6)) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            if let Ok(found) = BundleFiles::find(&names) {
                prop_assert!(names.contains(&found.package));
            }
        }
    }
}
