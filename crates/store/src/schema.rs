//! The database file: what it holds, how it is opened, and what makes it ours.
//!
//! `application_id` and `user_version` say what the file is before SQLite touches it. The first commit happens in a
//! file of another name, so `meter.db` exists whole or not at all.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{During, DuringFile, StoreError};
use crate::files;
use crate::state_dir::{DATABASE, StateDir, UNBORN_DATABASE};

/// `WKep`: the database header says whose file this is.
const APPLICATION_ID: i64 = 0x574B_6570;
/// The state format. A change of tables raises it; a program refuses a number higher than its own.
///
/// | state | program of format 1 | program of format 2 |
/// |---|---|---|
/// | 1: no recorders | reads and writes | opening adds the tables of recorders, empty, and makes it a 2; nothing else changes |
/// | 2: recorders | refuses it, before anything is changed | reads and writes |
const FORMAT: i64 = 2;
/// The oldest format that opening brings up to date.
const OLDEST_FORMAT: i64 = 1;

/// A page of the database, in bytes: SQLite's own choice, which never changes in a file.
const PAGE_SIZE: u64 = 4096;
/// Pages in the journal before SQLite copies them into the database: 1 MiB bounds what opening reads again
/// after a cut.
const CHECKPOINT_PAGES: u32 = 256;
/// How long another program's hold on the file is waited for; our own processes are kept apart by the lock file.
const BUSY_WAIT: Duration = Duration::from_millis(200);
/// Statements kept prepared: all that a tick and the gate use.
const PREPARED: usize = 64;

/// Dropped and made anew to erase secrets (`scrub` says why), so it stands apart. One b-tree: no row id, no index.
pub(crate) const CREDENTIAL_TABLE: &str = "
CREATE TABLE credential (
    meter   INTEGER NOT NULL,
    slot    TEXT NOT NULL,
    account TEXT NOT NULL,
    stored  TEXT NOT NULL,
    PRIMARY KEY (meter, slot, account),
    FOREIGN KEY (meter, slot) REFERENCES slot
) STRICT, WITHOUT ROWID;";

/// A version change writes its slot beside the old one; `active` says which counts, `trial` that it isn't confirmed.
const TABLES: &str = "
CREATE TABLE meter (
    meter          INTEGER PRIMARY KEY,
    serial         TEXT NOT NULL,
    created_utc_ms INTEGER NOT NULL,
    floor          TEXT,
    active         TEXT NOT NULL CHECK (active IN ('A', 'B')),
    trial          INTEGER NOT NULL CHECK (trial IN (0, 1)),
    scrub_pending  INTEGER NOT NULL CHECK (scrub_pending IN (0, 1)),
    next_event     INTEGER NOT NULL
) STRICT;
CREATE TABLE change_report (
    meter  INTEGER PRIMARY KEY REFERENCES meter,
    report TEXT NOT NULL
) STRICT;
CREATE TABLE slot (
    meter    INTEGER NOT NULL REFERENCES meter,
    slot     TEXT NOT NULL CHECK (slot IN ('A', 'B')),
    release  TEXT NOT NULL,
    settings TEXT NOT NULL,
    package  TEXT,
    PRIMARY KEY (meter, slot)
) STRICT;
CREATE TABLE trust (
    meter      INTEGER NOT NULL REFERENCES meter,
    name       TEXT NOT NULL,
    public_key TEXT NOT NULL,
    PRIMARY KEY (meter, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE staged (
    meter   INTEGER NOT NULL REFERENCES meter,
    package TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (meter, package)
) STRICT, WITHOUT ROWID;
CREATE TABLE energy (
    meter    INTEGER NOT NULL REFERENCES meter,
    register TEXT NOT NULL,
    value    INTEGER NOT NULL,
    PRIMARY KEY (meter, register)
) STRICT, WITHOUT ROWID;
CREATE TABLE record (
    meter INTEGER NOT NULL REFERENCES meter,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (meter, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    meter    INTEGER NOT NULL REFERENCES meter,
    number   INTEGER NOT NULL,
    utc_ms   INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    user     TEXT NOT NULL,
    path     TEXT NOT NULL,
    cause    TEXT NOT NULL,
    effect   TEXT NOT NULL,
    kept     INTEGER NOT NULL CHECK (kept IN (0, 1)),
    chain    BLOB,
    PRIMARY KEY (meter, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_class ON event (meter, kept, number);";

/// What format 2 adds to format 1. A recorder's records have numbers without gaps; a recording has those from its
/// first to before its next, and is open while it has no time of closing.
const RECORDER_TABLES: &str = "
CREATE TABLE recorder (
    meter       INTEGER NOT NULL REFERENCES meter,
    recorder    INTEGER NOT NULL,
    next_number INTEGER NOT NULL,
    next_epoch  INTEGER NOT NULL,
    PRIMARY KEY (meter, recorder)
) STRICT, WITHOUT ROWID;
CREATE TABLE recording (
    meter         INTEGER NOT NULL,
    recorder      INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    definition    TEXT NOT NULL,
    depth         INTEGER NOT NULL,
    first_number  INTEGER NOT NULL,
    next_number   INTEGER NOT NULL,
    opened_utc_ms INTEGER NOT NULL,
    closed_utc_ms INTEGER,
    PRIMARY KEY (meter, recorder, epoch),
    FOREIGN KEY (meter, recorder) REFERENCES recorder
) STRICT, WITHOUT ROWID;
CREATE TABLE interval_record (
    meter    INTEGER NOT NULL REFERENCES meter,
    recorder INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    utc_ms   INTEGER NOT NULL,
    status   INTEGER NOT NULL,
    readings BLOB NOT NULL,
    PRIMARY KEY (meter, recorder, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX interval_record_by_time ON interval_record (meter, recorder, epoch, utc_ms);";

/// Makes the database with its first commit and gives it its name when that is on the disk.
pub(crate) fn create(
    dir: &StateDir,
    first: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
) -> Result<Connection, StoreError> {
    let unborn = dir.join(UNBORN_DATABASE);
    files::create_empty(&unborn)?;
    let mut connection = connect(&unborn)?;
    let doing = "making the database";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).during(doing)?;
    transaction.execute_batch(TABLES).during(doing)?;
    transaction.execute_batch(CREDENTIAL_TABLE).during(doing)?;
    transaction.execute_batch(RECORDER_TABLES).during(doing)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).during(doing)?;
    transaction.pragma_update(None, "user_version", FORMAT).during(doing)?;
    first(&transaction)?;
    transaction.commit().during(doing)?;
    // Closing copies the journal into the database, syncs that and removes the journal.
    connection.close().map_err(|(_, e)| e).during(doing)?;
    let born = dir.join(DATABASE);
    files::publish(&unborn, &born)?;
    open(&born)
}

/// Opens a meter's database; refuses a foreign and a newer one before SQLite changes anything.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    check_header(path)?;
    let mut connection = connect(path)?;
    let doing = "opening the database";
    // A newer program may have raised the number in the journal alone.
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).during(doing)?;
    check_format(path, found)?;
    if found < FORMAT {
        bring_up_to_date(&mut connection)?;
    }
    // Start with an empty journal: what a cut left of an unfinished commit goes, too. If the disk is full this fails
    // and harms nothing.
    let _ = cut_journal(&connection);
    Ok(connection)
}

/// Makes a state of format 1 one of format 2. The number is in the same file and the same commit as the tables.
fn bring_up_to_date(connection: &mut Connection) -> Result<(), StoreError> {
    let doing = "bringing the database up to date";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).during(doing)?;
    transaction.execute_batch(RECORDER_TABLES).during(doing)?;
    transaction.pragma_update(None, "user_version", FORMAT).during(doing)?;
    transaction.commit().during(doing)
}

/// Copies the journal into the database and cuts it to nothing; says whether that was done.
pub(crate) fn cut_journal(connection: &Connection) -> Result<bool, StoreError> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).during("emptying the journal")?;
    Ok(busy == 0)
}

/// A database header: <https://www.sqlite.org/fileformat2.html>, 1.3.
const HEADER: usize = 100;

/// Reads what the file says of itself.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; HEADER];
    let length = files::read_start(path, &mut header)?;
    if let Some(format) = format_in(&header[..length]) {
        return check_format(path, format);
    }
    // A cut while the journal was copied may have spoiled the first sector, which the journal still has.
    match format_in_journal(path)? {
        Some(format) => check_format(path, format),
        None if length == 0 => Err(StoreError::Damaged("meter.db is empty".into())),
        None => Err(StoreError::ForeignDatabase(path.to_owned())),
    }
}

/// The state format that the header of a meter's database names; none in any other one.
fn format_in(header: &[u8]) -> Option<i64> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum: i64, byte| sum << 8 | i64::from(*byte));
    let ours = header.len() == HEADER && header.starts_with(MAGIC) && number(&header[68..72]) == APPLICATION_ID;
    ours.then(|| number(&header[60..64]))
}

/// The same from the journal, which has whole pages: <https://www.sqlite.org/fileformat2.html>, 4.1. Whether they are
/// valid is SQLite's to say.
fn format_in_journal(path: &Path) -> Result<Option<i64>, StoreError> {
    /// Of the journal and of each page in it.
    const JOURNAL_HEADER: u64 = 32;
    const PAGE_HEADER: usize = 24;
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    let Some((file, found)) = files::open_to_read(Path::new(&journal))? else { return Ok(None) };
    let mut at = JOURNAL_HEADER;
    let mut page = [0; PAGE_HEADER + HEADER];
    while at + PAGE_SIZE <= found.len() {
        file.read_exact_at(&mut page, at).during("reading", Path::new(&journal))?;
        if page[..4] == [0, 0, 0, 1]
            && let Some(format) = format_in(&page[PAGE_HEADER..])
        {
            return Ok(Some(format));
        }
        at += PAGE_HEADER as u64 + PAGE_SIZE;
    }
    Ok(None)
}

fn check_format(path: &Path, found: i64) -> Result<(), StoreError> {
    match found {
        OLDEST_FORMAT..=FORMAT => Ok(()),
        _ if found > FORMAT => Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
        _ => Err(StoreError::Damaged(format!("meter.db has the unknown state format {found}"))),
    }
}

/// The database's name with the one thing that only a URI can say: that a cut inside a write may spoil what stands
/// beside it in the same sector. SQLite then fills a commit up to the next sector, so that no later write touches one
/// that holds what has been committed. <https://www.sqlite.org/psow.html>
fn uri(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;

    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri + "?psow=0"
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let doing = "opening the database";
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path), flags).during(doing)?;
    connection.busy_timeout(BUSY_WAIT).during(doing)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).during(doing)?;
    // Exclusive before the first read: the journal's index stays in memory (no -shm file), and no reader can keep a
    // scrub from cutting the journal. Temporary data and unfinished commits never reach a file, for they may hold
    // secrets. secure_delete zeroes what is freed; `scrub` says what it leaves.
    connection
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_spill = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;",
        )
        .during(doing)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).during(doing)?;
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).during(doing)?;
    if journal != "wal" {
        return Err(StoreError::Damaged(format!("meter.db has the journal mode {journal}, not wal")));
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn made() -> (tempfile::TempDir, StateDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::open(&dir.path().join("state"), None, true).unwrap();
        let connection = create(&state, |_| Ok(())).unwrap();
        (dir, state, connection)
    }

    #[test]
    fn every_switch_is_on() {
        let (_dir, _state, connection) = made();
        for (name, expected) in [
            ("journal_mode", "wal"),
            ("locking_mode", "exclusive"),
            ("synchronous", "2"),
            ("secure_delete", "1"),
            ("foreign_keys", "1"),
            ("temp_store", "2"),
            ("cache_spill", "0"),
            ("application_id", "1464558960"),
            ("user_version", "2"),
        ] {
            let found: rusqlite::types::Value = connection.pragma_query_value(None, name, |row| row.get(0)).unwrap();
            let found = match found {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{name} is {other:?}"),
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_table_is_strict_and_has_a_meter_column() {
        let (_dir, _state, connection) = made();
        let mut statement =
            connection.prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").unwrap();
        let tables: Vec<(String, bool)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        let ours: Vec<_> = tables.iter().filter(|(name, _)| !name.starts_with("sqlite_")).collect();
        assert_eq!(ours.len(), 12);
        for (name, strict) in ours {
            assert!(strict, "{name} is not STRICT");
            let meter: i64 = connection
                .query_row("SELECT count(*) FROM pragma_table_info(?1) WHERE name = 'meter'", [name], |row| row.get(0))
                .unwrap();
            assert_eq!(meter, 1, "{name} has no meter column");
        }
    }

    #[test]
    fn the_name_appears_with_the_first_commit_only() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::open(dir.path(), None, true).unwrap();
        let failed = create(&state, |_| Err(StoreError::Damaged("as if the power had gone".into())));
        assert!(failed.is_err());
        assert!(!state.join(DATABASE).exists());
        create(&state, |_| Ok(())).unwrap();
        let left = files::names(dir.path()).unwrap();
        assert!(!left.iter().any(|name| name.starts_with(UNBORN_DATABASE)), "{left:?}");
        assert!(!left.iter().any(|name| name.ends_with("-shm")), "{left:?}");
    }

    #[test]
    fn a_newer_state_is_refused_and_left_alone() {
        for in_journal_only in [false, true] {
            let (_dir, state, connection) = made();
            let path = state.join(DATABASE);
            connection.pragma_update(None, "user_version", FORMAT + 1).unwrap();
            let journal = fs::read(state.join("meter.db-wal")).unwrap();
            drop(connection);
            if in_journal_only {
                // As a cut would leave it: the old header in the file, the new one in the journal.
                let mut bytes = fs::read(&path).unwrap();
                bytes[60..64].copy_from_slice(&u32::try_from(FORMAT).unwrap().to_be_bytes());
                fs::write(&path, bytes).unwrap();
                fs::write(state.join("meter.db-wal"), journal).unwrap();
            }
            let before = fs::read(&path).unwrap();
            let refused = open(&path).err().unwrap();
            assert!(matches!(refused, StoreError::Newer { found: 3, known: 2, .. }), "{refused}");
            assert!(refused.to_string().contains("newer wattkeep"));
            if !in_journal_only {
                assert_eq!(fs::read(&path).unwrap(), before);
            }
        }
    }

    /// A state as a program of format 1 leaves it.
    fn of_format_1() -> (tempfile::TempDir, StateDir) {
        let (dir, state, connection) = made();
        connection
            .execute_batch(
                "DROP TABLE interval_record; DROP TABLE recording; DROP TABLE recorder; PRAGMA user_version = 1;
                 INSERT INTO meter VALUES (1, 'MW', 0, NULL, 'A', 0, 0, 1); INSERT INTO energy VALUES (1, 'kWh del', 7);",
            )
            .unwrap();
        connection.close().unwrap();
        (dir, state)
    }

    /// Every table and index with its text, and what the meter had.
    fn contents(connection: &Connection) -> (Vec<String>, i64) {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let tables = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        (tables, connection.query_row("SELECT value FROM energy WHERE meter = 1", [], |row| row.get(0)).unwrap())
    }

    #[test]
    fn a_state_of_format_1_becomes_one_of_format_2_and_nothing_else_of_it_changes() {
        let (_dir, state) = of_format_1();
        let brought = open(&state.join(DATABASE)).unwrap();
        let version: i64 = brought.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, FORMAT);
        let (tables, energy) = contents(&brought);
        let (_other, _state, new) = made();
        new.execute_batch(
            "INSERT INTO meter VALUES (1, 'MW', 0, NULL, 'A', 0, 0, 1); INSERT INTO energy VALUES (1, 'kWh del', 7);",
        )
        .unwrap();
        assert_eq!((tables, energy), contents(&new));
        drop(brought);
        open(&state.join(DATABASE)).unwrap();
    }

    #[test]
    fn b26_a_cut_while_the_format_changes_leaves_the_old_one_or_the_new_one() {
        let (_dir, state) = of_format_1();
        let path = state.join(DATABASE);
        let before = fs::read(&path).unwrap();
        let brought = open(&path).unwrap();
        brought.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
        drop(brought);
        // The change again, this time with its journal at hand, and cut off after each of its bytes.
        fs::write(&path, &before).unwrap();
        let mut connection = connect(&path).unwrap();
        bring_up_to_date(&mut connection).unwrap();
        let journal = fs::read(state.join("meter.db-wal")).unwrap();
        drop(connection);
        let mut formats = Vec::new();
        for length in (0..journal.len()).step_by(997).chain([journal.len() - 1, journal.len()]) {
            fs::write(&path, &before).unwrap();
            fs::write(state.join("meter.db-wal"), &journal[..length]).unwrap();
            let found: i64 =
                connect(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            formats.push(found);
            fs::write(&path, &before).unwrap();
            fs::write(state.join("meter.db-wal"), &journal[..length]).unwrap();
            assert_eq!(contents(&open(&path).unwrap()).1, 7, "cut after {length}");
        }
        assert!(formats.is_sorted() && formats.first() == Some(&1) && formats.last() == Some(&2), "{formats:?}");
    }

    #[test]
    fn what_is_no_meters_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meter.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (b); PRAGMA user_version = 1;").unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(open(&path), Err(StoreError::ForeignDatabase(_))));
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::write(&path, "hello").unwrap();
        assert!(matches!(open(&path), Err(StoreError::ForeignDatabase(_))));
        fs::write(&path, "").unwrap();
        assert!(matches!(open(&path), Err(StoreError::Damaged(_))));
    }
}
