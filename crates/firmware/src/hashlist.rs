//! Is this file what was published? Reads the lists of hashes that come with a release, in whatever format
//! the tool that made them writes, and compares (B2, B3).
//!
//! The check never looks inside a file, so that anyone's files can be checked. It reads no file itself:
//! the caller feeds a [`FileHasher`]. What can't be read in a list never makes a file good.

mod algorithm;
mod encoding;
mod hasher;
mod lines;

use std::fmt;

pub use algorithm::{Algorithm, HashValue, NotAHash};
pub use hasher::{FileHasher, FileHashes};
use lines::{Entry, LineReader, Subject, fold};

use crate::digest::Sha256Digest;

/// The longest list that is read, in bytes. A release's has some hundred; a large archive's has some 100,000.
pub const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// The most hashes of a list.
pub const MAX_ENTRIES: usize = 10_000;

/// A list of hashes of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashList {
    entries: Vec<Entry>,
    unread_lines: usize,
}

/// Why a file is not a hash list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashListError {
    /// Longer than [`MAX_LIST_BYTES`].
    #[error("this is no hash list: it is longer than {} MiB", MAX_LIST_BYTES / 1024 / 1024)]
    TooLong,
    /// More than [`MAX_ENTRIES`] hashes.
    #[error("this hash list has more than {MAX_ENTRIES} hashes; keep the lines of the files to be checked")]
    TooManyHashes,
    /// Binary data.
    #[error("this is no hash list: it is not a text file")]
    NotText,
    /// An odd number of bytes in UTF-16.
    #[error("this hash list ends in the middle of a character; fetch it again")]
    CutShort,
    /// No line in any known format.
    #[error(
        "no hash was found in this list; the formats of sha256sum, BSD --tag, certutil -hashfile and Get-FileHash are read"
    )]
    NoHashes,
    /// Hashes without a name, of which nobody can say which file they are of.
    #[error("this list has hashes without a file name beside others, so it can't be told which file they are of")]
    Nameless,
}

impl HashList {
    /// Reads a list: UTF-8 or UTF-16, any of the formats, also mixed.
    pub fn parse(bytes: &[u8]) -> Result<Self, HashListError> {
        if bytes.len() > MAX_LIST_BYTES {
            return Err(HashListError::TooLong);
        }
        let text = encoding::decode(bytes)?;
        let mut reader = LineReader::default();
        for line in text.lines() {
            reader.line(line);
            if reader.entries.len() > MAX_ENTRIES {
                return Err(HashListError::TooManyHashes);
            }
        }
        let (entries, unread_lines) = reader.finish();
        let unnamed: Vec<_> =
            entries.iter().filter(|e| e.subject == Subject::Unnamed).map(|e| e.value.algorithm()).collect();
        let of_one_file = unnamed.len() == entries.len()
            && Algorithm::ALL.iter().all(|a| unnamed.iter().filter(|u| *u == a).count() <= 1);
        match (entries.is_empty(), unnamed.is_empty() || of_one_file) {
            (true, _) => Err(HashListError::NoHashes),
            (_, false) => Err(HashListError::Nameless),
            _ => Ok(Self { entries, unread_lines }),
        }
    }

    /// The list that says of whatever file is checked that it has this hash (`--hash HEX`).
    pub fn of_one(value: HashValue) -> Self {
        Self { entries: vec![Entry { subject: Subject::Unnamed, value }], unread_lines: 0 }
    }

    /// How many lines were in no known format: prose, or damaged. A file they were about is not listed.
    pub fn unread_lines(&self) -> usize {
        self.unread_lines
    }

    /// A hasher that computes what this list needs for any file.
    pub fn hasher(&self) -> FileHasher {
        FileHasher::new(self.entries.iter().map(|entry| entry.value.algorithm()))
    }

    /// Compares a file, by its name (or path) and its hashes from [`Self::hasher`]. A file that is listed
    /// several times must match each time.
    pub fn check(&self, name: &str, hashes: &FileHashes) -> Verdict {
        let name = fold(name);
        let mut good = None;
        for Entry { value: expected, .. } in self.entries.iter().filter(|e| !name.is_empty() && e.subject.is(&name)) {
            let found = hashes.get(expected.algorithm());
            if found.as_ref() != Some(expected) {
                return Verdict::Bad { expected: expected.clone(), found };
            }
            good = good.max(Some(expected.algorithm()));
        }
        good.map_or(Verdict::NotListed, |algorithm| Verdict::Good { algorithm })
    }
}

/// The text of a list that `sha256sum -c` accepts, in the order given.
pub fn write_sha256sum(files: &[(&str, Sha256Digest)]) -> String {
    let mut list = String::new();
    for (name, digest) in files {
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        let mark = if escaped == *name { "" } else { "\\" };
        list.push_str(&format!("{mark}{digest}  {escaped}\n"));
    }
    list
}

/// What a list says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was published; the strongest algorithm that says so.
    Good {
        /// The strongest of those that were listed for this file.
        algorithm: Algorithm,
    },
    /// It is not what was published.
    Bad {
        /// What the list says.
        expected: HashValue,
        /// What the file hashes to; `None` if the hasher wasn't made for this list.
        found: Option<HashValue>,
    },
    /// The list doesn't speak of it.
    NotListed,
}

impl Verdict {
    /// What a person must know about a verdict by a broken algorithm.
    pub fn warning(&self) -> Option<WeakHash> {
        let algorithm = match self {
            Self::Good { algorithm } => *algorithm,
            Self::Bad { expected, .. } => expected.algorithm(),
            Self::NotListed => return None,
        };
        (!algorithm.protects_against_tampering()).then_some(WeakHash(algorithm))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { algorithm } => write!(f, "good: its {algorithm} is the published one"),
            Self::Bad { expected, found: Some(found) } => {
                write!(f, "bad: its {} is {found}, but {expected} was published", expected.algorithm())
            }
            Self::Bad { expected, found: None } => write!(f, "bad: its {} was not computed", expected.algorithm()),
            Self::NotListed => f.write_str("not in the list: nothing is known about this file"),
        }
    }
}

/// A verdict that rests on a broken algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakHash(pub Algorithm);

impl fmt::Display for WeakHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shows a damaged transfer but does not protect against tampering; ask for a SHA-256 list", self.0)
    }
}

#[cfg(test)]
mod tests;
