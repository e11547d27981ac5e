//! The certificates of the meters that this user knows, pinned at first contact as ssh does with host keys:
//! one line of text each, in a file that only its owner can read. It holds no secret, but who can write
//! it decides whom Setup believes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use firmware::digest::Sha256Digest;

use crate::address::Address;
use crate::error::plainly;

/// The longest file that is read: some ten thousand meters.
const LONGEST_FILE: u64 = 1 << 20;
/// Only its owner reads and writes it.
const MODE: u32 = 0o600;

/// The known meters.
#[derive(Debug, Clone, Default)]
pub struct KnownMeters {
    file: Option<PathBuf>,
    entries: BTreeMap<Address, Sha256Digest>,
}

/// Why the list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// Reading or writing.
    #[error("the list of known meters, {file}, can't be used: {}", plainly(.source))]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A line that is none.
    #[error("line {line} of {file} is not \"HOST:PORT sha256:HEX\": correct it, or move the file away")]
    Line {
        /// The file.
        file: String,
        /// Which line, from 1.
        line: usize,
    },
    /// Longer than any list can be.
    #[error("{0} is too long for a list of known meters")]
    TooLong(String),
}

impl KnownMeters {
    /// Where the list lies unless somebody says otherwise: `$XDG_STATE_HOME/wattkeep/known_meters`, or under
    /// `~/.local/state`. `None` without a home.
    pub fn default_file() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(state.join("wattkeep").join("known_meters"))
    }

    /// A list that is forgotten with the process.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The list in a file; a file that isn't there is an empty list.
    pub fn open(file: &Path) -> Result<Self, KnownError> {
        Ok(Self { file: Some(file.to_owned()), entries: read(file)? })
    }

    /// The certificate known for a meter.
    pub fn get(&self, meter: &Address) -> Option<Sha256Digest> {
        self.entries.get(meter).copied()
    }

    /// Every meter that is known.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Sha256Digest)> {
        self.entries.iter()
    }

    /// Pins a meter's certificate.
    pub fn remember(&mut self, meter: &Address, certificate: Sha256Digest) -> Result<(), KnownError> {
        self.change(|entries| {
            entries.insert(meter.clone(), certificate);
        })
    }

    /// Drops a meter's certificate. Gives the one that was dropped.
    pub fn forget(&mut self, meter: &Address) -> Result<Option<Sha256Digest>, KnownError> {
        let known = self.get(meter);
        self.change(|entries| {
            entries.remove(meter);
        })?;
        Ok(known)
    }

    /// Reads the file again before writing it, so that what another Setup has pinned meanwhile stays.
    fn change(&mut self, change: impl FnOnce(&mut BTreeMap<Address, Sha256Digest>)) -> Result<(), KnownError> {
        let Some(file) = &self.file else {
            change(&mut self.entries);
            return Ok(());
        };
        let mut entries = read(file)?;
        change(&mut entries);
        write(file, &entries).map_err(|source| KnownError::Io { file: file.display().to_string(), source })?;
        self.entries = entries;
        Ok(())
    }
}

fn read(file: &Path) -> Result<BTreeMap<Address, Sha256Digest>, KnownError> {
    let name = || file.display().to_string();
    let io = |source| KnownError::Io { file: name(), source };
    let mut text = String::new();
    match fs::File::open(file) {
        Ok(open) => open.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(io)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(io(error)),
    };
    if text.len() as u64 > LONGEST_FILE {
        return Err(KnownError::TooLong(name()));
    }
    parse(&text).map_err(|line| KnownError::Line { file: name(), line })
}

/// Empty lines and lines with `#` before them are left out; the error is the number of a line.
fn parse(text: &str) -> Result<BTreeMap<Address, Sha256Digest>, usize> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let entry = line
                .split_once(' ')
                .and_then(|(meter, certificate)| Some((meter.parse().ok()?, certificate.trim().parse().ok()?)));
            entry.ok_or(number)
        })
        .collect()
}

/// Written beside and renamed over, so that no reader and no power cut ever sees half a list.
fn write(file: &Path, entries: &BTreeMap<Address, Sha256Digest>) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let mut text = String::from("# Certificates of meters, pinned at first contact by wattkeep setup.\n");
    for (meter, certificate) in entries {
        text.push_str(&format!("{meter} {}\n", certificate.prefixed()));
    }
    // Whatever an earlier try left behind, under whatever mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_pinned_is_there_after_a_restart_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/known_meters");
        let meter: Address = "Meter.example".parse().unwrap();
        let (one, other) = (Sha256Digest::of(b"1"), Sha256Digest::of(b"2"));
        let mut known = KnownMeters::open(&file).unwrap();
        let mut elsewhere = KnownMeters::open(&file).unwrap();
        known.remember(&meter, one).unwrap();
        elsewhere.remember(&"10.0.0.1:1".parse().unwrap(), other).unwrap();
        let again = KnownMeters::open(&file).unwrap();
        assert_eq!(again.get(&meter), Some(one));
        assert_eq!(again.iter().count(), 2, "what the other process pinned stays");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(known.forget(&meter).unwrap(), Some(one));
        assert_eq!(KnownMeters::open(&file).unwrap().get(&meter), None);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_damaged_list_is_refused_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known");
        fs::write(&file, "# mine\n\nmeter:7700 sha256:12\n").unwrap();
        assert!(matches!(KnownMeters::open(&file), Err(KnownError::Line { line: 3, .. })));
        fs::write(&file, "#".repeat(LONGEST_FILE as usize + 1)).unwrap();
        assert!(matches!(KnownMeters::open(&file), Err(KnownError::TooLong(_))));
        fs::write(&file, [0xff]).unwrap();
        assert!(matches!(KnownMeters::open(&file), Err(KnownError::Io { .. })));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(meter|[a-z:0-9. #]{0,10}) (sha256:)?[0-9a-f]{0,64}\n|.{0,60}") {
            let _ = parse(&text);
        }
    }
}
