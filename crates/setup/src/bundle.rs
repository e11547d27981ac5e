//! What `--to BUNDLE` names: a release folder, a `.upg`, or the version of a shipped release. A [`Bundle`]
//! exists only if its package may be sent: its hash is the published one, or somebody has said that it
//! goes without a list (B2).

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use firmware::bundle::{BundleFiles, HashEvidence, HashSource, NotSent, hash_list_beside, may_be_sent};
use firmware::hashlist::{FileHashes, HashList, HashListError, MAX_LIST_BYTES};
use firmware::package::{MAX_PACKAGE_BYTES, claimed_release};
use firmware::{CarriedError, Version, shipped};

use crate::error::{Kind, plainly};

/// Names that are looked at in a folder: a release has four.
const MOST_NAMES: usize = 4096;

/// What a firmware file is checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashCheck<'a> {
    /// The list that lies beside it.
    Beside,
    /// This list (`--hashes`).
    List(&'a Path),
    /// None (`--no-hash-list`); the report says so.
    Waived,
}

/// Why a firmware file may be sent; goes into the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It is built into this program.
    Shipped,
    /// Its hash was compared, or not.
    Checked(HashEvidence),
}

impl Evidence {
    /// What a person must know about it.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Shipped => None,
            Self::Checked(evidence) => evidence.warning().map(|warning| warning.to_string()),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("built into this Setup"),
            Self::Checked(evidence) => evidence.fmt(f),
        }
    }
}

/// A firmware file that may be sent.
#[derive(Debug, Clone)]
pub struct Bundle {
    name: String,
    bytes: Vec<u8>,
    evidence: Evidence,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Neither a path nor a shipped version.
    #[error("there is no folder, file or shipped release \"{name}\"; shipped are {shipped}")]
    NoSuch {
        /// What was named.
        name: String,
        /// The shipped ones.
        shipped: String,
    },
    /// Reading.
    #[error("{file} can't be read: {}", plainly(.source))]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Too long for what it should be.
    #[error("{file} is too long for a {what}: nothing was sent")]
    TooLong {
        /// The file.
        file: String,
        /// What it should be.
        what: &'static str,
    },
    /// The folder.
    #[error(transparent)]
    Folder(#[from] firmware::bundle::BundleError),
    /// The list.
    #[error("{file}: {source}")]
    HashList {
        /// The file.
        file: String,
        /// Why.
        source: HashListError,
    },
    /// The hash.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// A shipped release that can't be made: a defect of the build.
    #[error(transparent)]
    Shipped(#[from] CarriedError),
}

impl BundleError {
    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotSent(_) | Self::HashList { .. } => Kind::Untrusted,
            _ => Kind::Failed,
        }
    }
}

impl Bundle {
    /// Opens what `--to` names. What reads as the version of a shipped release is that one, whatever lies
    /// in the current folder; a folder of the same name is `./4.40.1`.
    pub fn open(to: &str, check: HashCheck<'_>) -> Result<Self, BundleError> {
        let shipped = shipped()?;
        let version: Option<Version> = to.parse().ok();
        if let Some(release) = shipped.iter().find(|one| Some(&one.carried.release.release) == version.as_ref()) {
            let name = format!("8650_V{}.upg", release.carried.release.release);
            return Ok(Self { name, bytes: release.bytes.clone(), evidence: Evidence::Shipped });
        }
        let path = Path::new(to);
        if !path.exists() {
            let versions: Vec<_> = shipped.iter().map(|one| one.carried.release.release.to_string()).collect();
            return Err(BundleError::NoSuch { name: to.to_owned(), shipped: versions.join(" and ") });
        }
        if path.is_dir() { folder(path, check) } else { file(path, check) }
    }

    /// The name of the firmware file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The firmware file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The release that it says it holds, where a hash list vouches for that; none if it doesn't say so in a way that this
    /// Setup reads. The meter judges.
    pub fn release(&self) -> Option<Version> {
        let vouched_for = self.evidence != Evidence::Checked(HashEvidence::Waived);
        claimed_release(&self.bytes).ok().filter(|_| vouched_for)
    }

    /// Why it may be sent.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

fn folder(folder: &Path, check: HashCheck<'_>) -> Result<Bundle, BundleError> {
    let names = names_in(folder)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files = match check {
        HashCheck::Beside => BundleFiles::find(&names)?,
        // Which of several lists is the right one doesn't matter here.
        _ => {
            let others: Vec<&str> = names.into_iter().filter(|name| !name.to_lowercase().ends_with(".txt")).collect();
            BundleFiles::find(&others)?
        }
    };
    let beside = files.hash_list.map(|list| folder.join(list));
    checked(&folder.join(files.package), files.package, check, beside)
}

fn file(path: &Path, check: HashCheck<'_>) -> Result<Bundle, BundleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = match check {
        HashCheck::Beside => {
            let names = names_in(folder)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            hash_list_beside(&name, &names)?.map(|list| folder.join(list))
        }
        _ => None,
    };
    checked(path, &name, check, beside)
}

fn checked(path: &Path, name: &str, check: HashCheck<'_>, beside: Option<PathBuf>) -> Result<Bundle, BundleError> {
    let list = match check {
        HashCheck::Beside => beside,
        HashCheck::List(list) => Some(list.to_owned()),
        HashCheck::Waived => None,
    };
    let list = list.map(|list| hash_list(&list)).transpose()?;
    let bytes = read(path, MAX_PACKAGE_BYTES, "firmware file")?;
    let source = match (&list, check) {
        (_, HashCheck::Waived) => HashSource::Waived,
        (Some(list), _) => HashSource::List(list),
        (None, _) => HashSource::Missing,
    };
    let evidence = may_be_sent(name, &hashes(list.as_ref(), &bytes), source)?;
    Ok(Bundle { name: name.to_owned(), bytes, evidence: Evidence::Checked(evidence) })
}

fn hashes(list: Option<&HashList>, bytes: &[u8]) -> FileHashes {
    let Some(list) = list else { return FileHashes::of(bytes) };
    let mut hasher = list.hasher();
    hasher.update(bytes);
    hasher.finish()
}

fn hash_list(file: &Path) -> Result<HashList, BundleError> {
    let bytes = read(file, MAX_LIST_BYTES, "hash list")?;
    HashList::parse(&bytes).map_err(|source| BundleError::HashList { file: file.display().to_string(), source })
}

fn names_in(folder: &Path) -> Result<Vec<String>, BundleError> {
    let io = |source| BundleError::Io { file: folder.display().to_string(), source };
    let entries = fs::read_dir(folder).map_err(io)?.take(MOST_NAMES);
    let names = entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose());
    names.collect::<Result<_, _>>().map_err(io)
}

/// Reads a file whole, if it isn't longer than what it should be can be.
fn read(file: &Path, longest: usize, what: &'static str) -> Result<Vec<u8>, BundleError> {
    let name = || file.display().to_string();
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|open| open.take(longest as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|source| BundleError::Io { file: name(), source })?;
    if bytes.len() > longest { Err(BundleError::TooLong { file: name(), what }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use firmware::bundle::build_bundle;
    use firmware::package::{PackageParts, Target};

    use super::*;

    /// A release folder of 4.40.1, and the path of its package.
    fn release_folder() -> (tempfile::TempDir, PathBuf) {
        let shipped = shipped().unwrap().pop().unwrap();
        let parts = PackageParts {
            target: Target::METER,
            release: &shipped.carried.release.release,
            release_toml: shipped.sources.release_toml,
            template_dcf: shipped.sources.template_dcf,
            notes_md: shipped.sources.notes_md,
        };
        let folder = tempfile::tempdir().unwrap();
        for file in build_bundle(&parts, None).unwrap() {
            fs::write(folder.path().join(file.name), file.bytes).unwrap();
        }
        let package = folder.path().join("8650_V4.40.1.upg");
        (folder, package)
    }

    fn open(path: &Path, check: HashCheck<'_>) -> Result<Bundle, BundleError> {
        Bundle::open(path.to_str().unwrap(), check)
    }

    #[test]
    fn b1_a_folder_a_file_and_a_version_name_the_same_package() {
        let (folder, package) = release_folder();
        let by_version = Bundle::open("4.40.1", HashCheck::Beside).unwrap();
        assert_eq!(*by_version.evidence(), Evidence::Shipped);
        assert_eq!(by_version.release().map(|release| release.to_string()), Some("4.40.1".to_owned()));
        for path in [folder.path(), &package] {
            let bundle = open(path, HashCheck::Beside).unwrap();
            assert_eq!(bundle.bytes(), by_version.bytes());
            assert_eq!(bundle.name(), "8650_V4.40.1.upg");
            assert_eq!(bundle.evidence().to_string(), "its SHA-256 is the published one");
        }
    }

    #[test]
    fn b2_a_byte_changed_on_the_way_stops_before_anything_is_sent() {
        let (folder, package) = release_folder();
        let mut bytes = fs::read(&package).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&package, &bytes).unwrap();
        for path in [folder.path(), &package] {
            let error = open(path, HashCheck::Beside).unwrap_err();
            assert!(matches!(error, BundleError::NotSent(NotSent::Bad { .. })), "{error}");
            assert_eq!(error.kind(), Kind::Untrusted);
        }
        let waived = open(&package, HashCheck::Waived).unwrap();
        assert_eq!(*waived.evidence(), Evidence::Checked(HashEvidence::Waived));
        assert_eq!(waived.release(), None, "nobody vouches for what it says");
    }

    #[test]
    fn b2_without_a_list_or_beside_a_silent_one_it_stops_too() {
        let (folder, package) = release_folder();
        let list = folder.path().join("8650_V4.40.1_hashes.txt");
        let elsewhere = folder.path().join("mine.list");
        fs::rename(&list, &elsewhere).unwrap();
        let error = open(&package, HashCheck::Beside).unwrap_err();
        assert!(matches!(error, BundleError::NotSent(NotSent::NoList)), "{error}");
        assert!(open(folder.path(), HashCheck::List(&elsewhere)).is_ok());
        fs::write(&elsewhere, format!("{}  other.upg\n", "0".repeat(64))).unwrap();
        let error = open(&package, HashCheck::List(&elsewhere)).unwrap_err();
        assert!(matches!(error, BundleError::NotSent(NotSent::NotListed)), "{error}");
        fs::write(&elsewhere, "no hashes here").unwrap();
        let error = open(&package, HashCheck::List(&elsewhere)).unwrap_err();
        assert_eq!((error.kind(), matches!(error, BundleError::HashList { .. })), (Kind::Untrusted, true));
    }

    #[test]
    fn what_is_nothing_says_what_there_is() {
        let error = Bundle::open("4.41", HashCheck::Beside).unwrap_err();
        assert!(error.to_string().contains("4.0.9 and 4.40.1"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(open(empty.path(), HashCheck::Beside), Err(BundleError::Folder(_))));
    }
}
