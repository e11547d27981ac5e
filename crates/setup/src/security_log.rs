//! `SECURITY.LOG`: what this user's Setup has done to the security of meters, one line for each action, as
//! CSV (RFC 4180). Only its owner can read it; it is written to its end alone, by any number of Setups at
//! once, and never holds a secret. What comes from elsewhere, a meter's sentence above all, is made
//! harmless first: it can neither begin a line nor move a terminal's cursor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use security::unseen::{is_formula, is_unseen};

use crate::error::plainly;
use crate::known::KnownMeters;

/// The file's name.
pub const NAME: &str = "SECURITY.LOG";
/// Beyond this it becomes `SECURITY.LOG.1`, in place of the one before: some ten thousand actions each.
const LONGEST_FILE: u64 = 1 << 20;
/// What a line takes over of one field, in characters.
const LONGEST_FIELD: usize = 300;
/// Only its owner reads and writes it.
const MODE: u32 = 0o600;
const HEAD: &str = "Time (UTC),Meter,Address,User,Action,Outcome\r\n";

/// The log.
#[derive(Debug, Clone)]
pub struct SecurityLog {
    file: PathBuf,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// The meter's serial number, where it is known.
    pub serial: Option<&'a str>,
    /// Where the meter is.
    pub address: &'a str,
    /// Who is logged in, or tried to.
    pub user: &'a str,
    /// What was to be done.
    pub action: &'a str,
    /// What came of it.
    pub outcome: &'a str,
}

/// Why a line couldn't be written.
#[derive(Debug, thiserror::Error)]
#[error("{file} can't be written ({}), so this action is not in it", plainly(.source))]
pub struct LogError {
    file: String,
    source: io::Error,
}

impl SecurityLog {
    /// Where it lies: beside the known meters. `None` without a home.
    pub fn default_file() -> Option<PathBuf> {
        Some(KnownMeters::default_file()?.with_file_name(NAME))
    }

    /// The log in a file, which need not be there yet.
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Writes a line.
    pub fn append(&self, entry: &Entry<'_>) -> Result<(), LogError> {
        let line = line(entry);
        write(&self.file, &line).map_err(|source| LogError { file: self.file.display().to_string(), source })
    }
}

/// One Setup at a time: a lock of its own, because the log's file is another one after it has been renamed.
fn write(file: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let lock = beside(file, ".lock");
    let lock = OpenOptions::new().create(true).append(true).mode(MODE).open(lock)?;
    lock.lock()?;
    let mut log = open(file)?;
    let mut length = log.metadata()?.len();
    if length > 0 && length + line.len() as u64 > LONGEST_FILE {
        fs::rename(file, beside(file, ".1"))?;
        log = open(file)?;
        length = 0;
    }
    let head = if length == 0 { HEAD } else { "" };
    // One write, so that a line that is cut off by a full disk is all that is lost.
    log.write_all(format!("{head}{line}").as_bytes())
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(MODE).open(file)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    file.with_file_name(name)
}

fn line(entry: &Entry<'_>) -> String {
    let Entry { utc_ms, serial, address, user, action, outcome } = entry;
    let time = Timestamp::from_millisecond(*utc_ms).map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    let time = time.unwrap_or_else(|_| "-".to_owned());
    let fields = [time.as_str(), serial.unwrap_or("-"), address, user, action, outcome].map(field);
    format!("{}\r\n", fields.join(","))
}

/// A field in quotes where it needs them, cut to a bound, every control character and every one that is
/// invisible or turns the writing direction written as its number; never a formula of a spreadsheet.
fn field(text: &str) -> String {
    let mut plain = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_FIELD {
            plain.push('…');
            break;
        }
        if is_unseen(c) {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    if is_formula(&plain) {
        plain.insert(0, '\'');
    }
    if plain.contains([',', '"']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    const ENTRY: Entry<'static> = Entry {
        utc_ms: 1_767_225_600_123,
        serial: Some("MW-2611A001-01"),
        address: "192.0.2.7:7700",
        user: "USER1",
        action: "user USER3 active=yes",
        outcome: "done",
    };
    const LINE: &str = "2026-01-01T00:00:00.123Z,MW-2611A001-01,192.0.2.7:7700,USER1,user USER3 active=yes,done\r\n";

    #[test]
    fn a_line_for_each_action_below_a_head_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep").join(NAME);
        let log = SecurityLog::new(file.clone());
        log.append(&ENTRY).unwrap();
        log.append(&ENTRY).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{HEAD}{LINE}{LINE}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn what_a_meter_says_can_not_forge_a_line() {
        let said = "no\r\n2026-01-01T00:00:00.000Z,MW-1,x,USER1,\"set\",done\u{1b}[2J\u{202e}";
        let line = line(&Entry { outcome: said, serial: None, ..ENTRY });
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.ends_with(
            "\"no\\u{d}\\u{a}2026-01-01T00:00:00.000Z,MW-1,x,USER1,\"\"set\"\",done\\u{1b}[2J\\u{202e}\"\r\n"
        ));
        assert!(line.contains("Z,-,192"));
        let formula = super::line(&Entry { action: "=cmd|' /C calc'!A0", outcome: "-1+\u{200e}2", ..ENTRY });
        assert!(formula.ends_with(",'=cmd|' /C calc'!A0,'-1+\\u{200e}2\r\n"), "{formula}");
    }

    #[test]
    fn it_is_bounded_and_the_file_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let full = "x".repeat(usize::try_from(LONGEST_FILE).unwrap() - LINE.len());
        fs::write(&file, &full).unwrap();
        let log = SecurityLog::new(file.clone());
        log.append(&ENTRY).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), LONGEST_FILE, "the last line that fits");
        log.append(&ENTRY).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{HEAD}{LINE}"));
        assert_eq!(fs::read_to_string(beside(&file, ".1")).unwrap(), format!("{full}{LINE}"));
    }

    #[test]
    fn setups_that_write_at_once_lose_no_line_and_mix_none() {
        const WRITERS: usize = 8;
        const LINES: usize = 200;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        // Close to its bound, so that it is renamed while they write.
        fs::write(&file, "x".repeat(usize::try_from(LONGEST_FILE).unwrap() - 50 * LINE.len())).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let log = SecurityLog::new(file.clone());
                scope.spawn(move || {
                    for number in 0..LINES {
                        log.append(&Entry { action: &format!("writer {writer} line {number}"), ..ENTRY }).unwrap();
                    }
                });
            }
        });
        let both = fs::read_to_string(beside(&file, ".1")).unwrap() + &fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = both.split("\r\n").filter(|line| line.ends_with(",done")).collect();
        assert_eq!(lines.len(), WRITERS * LINES);
        for writer in 0..WRITERS {
            let of_one: Vec<_> = lines.iter().filter(|line| line.contains(&format!("writer {writer} "))).collect();
            assert!((0..LINES).all(|number| of_one[number].ends_with(&format!("line {number},done"))), "in order");
        }
        assert_eq!(both.matches("Time (UTC)").count(), 1);
    }

    #[test]
    fn a_log_that_can_not_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let log = SecurityLog::new(folder.path().join("file").join(NAME));
        assert!(log.append(&ENTRY).unwrap_err().to_string().contains("not in it"));
    }

    proptest! {
        #[test]
        fn a_field_is_one_field(text in any::<String>()) {
            let line = line(&Entry { outcome: &text, ..ENTRY });
            let body = line.strip_suffix("\r\n").unwrap();
            prop_assert!(!body.chars().any(char::is_control));
            // The last field alone may have commas, and then it is in quotes.
            let last = body.splitn(6, ',').nth(5).unwrap();
            let inner = last.strip_prefix('"').and_then(|last| last.strip_suffix('"'));
            match inner {
                Some(inner) => prop_assert!(!inner.replace("\"\"", "").contains('"')),
                None => prop_assert!(!last.contains([',', '"'])),
            }
        }
    }
}
