//! All that a stopped meter keeps, thing by thing, read without the meter's own code: each table of its database, each
//! record, each file beside it. Whatever a meter keeps one day is compared without a word here; only what a start
//! changes by itself is named. It must never change what it looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use sha2::{Digest, Sha256};

/// Files that are read in another way (the database), or that each process writes anew (the lock).
const LOOSE_FILES: [&str; 2] = ["state/meter.db", "state/lock"];
/// What has come in of a package, which is no package: whoever goes on with it has it looked at as a whole.
const PARTIAL_PACKAGE: &str = ".part";
/// Columns that a start may write: the number of the next event, which the log says, and when a recording was opened.
const LOOSE_COLUMNS: [(&str, &str); 2] = [("meter", "next_event"), ("recording", "opened_utc_ms")];
/// The record of where the log's chain ends, which a start goes on with; that it is right is seen by verifying the log.
const LOOSE_RECORD: &str = "event-chain";
/// One row a thing, for its rows belong to different commits.
const BY_ROW: &str = "record";
/// Compared as a sequence, for it only grows.
const LOG: &str = "event";
/// Of these, each stored form is a secret that must go when it is replaced.
const CREDENTIALS: &str = "SELECT stored FROM credential WHERE stored <> 'factory'";

/// What a meter keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// By name: `table slot`, `record demand`, `file state/packages/….upg`.
    pub things: BTreeMap<String, String>,
    /// What its log told before the start that was to be looked at, in order.
    pub log: Vec<String>,
    /// What is stored of its passwords.
    pub secrets: BTreeSet<String>,
}

impl Kept {
    /// Reads what lies in a directory in which no meter runs. Events from `started` (UTC, in milliseconds since 1970) on
    /// are those of the start that was to be looked at.
    pub fn read(dir: &Path, started: i64) -> Result<Self, String> {
        let mut kept = Self::default();
        kept.files(dir, "")?;
        kept.database(&dir.join("state/meter.db"), started).map_err(|error| format!("its database: {error}"))?;
        Ok(kept)
    }

    fn files(&mut self, root: &Path, below: &str) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{below}: {error}");
        for entry in fs::read_dir(root.join(below)).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.file_type().map_err(told)?.is_dir() {
                self.things.insert(format!("directory {path}"), String::new());
                self.files(root, &path)?;
            } else if !LOOSE_FILES.contains(&path.as_str()) && !path.ends_with(PARTIAL_PACKAGE) {
                let bytes = fs::read(entry.path()).map_err(told)?;
                let digest =
                    Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                self.things.insert(format!("file {path}"), format!("{} bytes, {digest}", bytes.len()));
            }
        }
        Ok(())
    }

    fn database(&mut self, path: &Path, started: i64) -> Result<(), String> {
        let told = |error: rusqlite::Error| error.to_string();
        // Closed and whole, it has no journal: nothing is read but this file, and nothing written.
        let name = format!("file:{}?immutable=1", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(name, flags).map_err(told)?;
        let whole: String = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(told)?;
        if whole != "ok" {
            return Err(whole);
        }
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        for table in texts(&database, tables).map_err(told)? {
            let rows = rows(&database, &table, started).map_err(told)?;
            match table.as_str() {
                LOG => self.log = rows,
                BY_ROW => self.things.extend(rows.into_iter().filter_map(|row| {
                    let key = row.split(SEPARATOR).nth(1).unwrap_or_default().to_owned();
                    (key != LOOSE_RECORD).then(|| (format!("record {key}"), row))
                })),
                _ => drop(self.things.insert(format!("table {table}"), rows.join("\n"))),
            }
        }
        self.secrets = texts(&database, CREDENTIALS).map_err(told)?.into_iter().collect();
        Ok(())
    }

    /// In words, which things are not as in another one.
    pub fn difference(&self, other: &Self) -> String {
        let names: BTreeSet<&String> = self.things.keys().chain(other.things.keys()).collect();
        let mut told: Vec<&str> = names
            .into_iter()
            .filter(|name| self.things.get(*name) != other.things.get(*name))
            .map(String::as_str)
            .collect();
        if told.is_empty() && self.log != other.log {
            told.push("the event log");
        }
        told.join(", ")
    }
}

/// Between the columns of a row.
const SEPARATOR: char = '|';

fn texts(database: &Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    database.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

/// A table's rows as text, in the order of their keys, which are the first columns.
fn rows(database: &Connection, table: &str, started: i64) -> rusqlite::Result<Vec<String>> {
    let earlier = if table == LOG { format!("WHERE utc_ms < {started}") } else { String::new() };
    let mut statement = database.prepare(&format!("SELECT * FROM {table} {earlier} ORDER BY 1, 2"))?;
    let loose: Vec<bool> = statement.column_names().map(|column| LOOSE_COLUMNS.contains(&(table, column))).collect();
    let told = |row: &Row<'_>| {
        let mut text = String::new();
        for (at, _) in loose.iter().enumerate().filter(|(_, loose)| !**loose) {
            match row.get_ref(at)? {
                ValueRef::Null => text.push('-'),
                ValueRef::Integer(number) => text += &number.to_string(),
                ValueRef::Real(number) => text += &number.to_string(),
                ValueRef::Text(bytes) => text += &String::from_utf8_lossy(bytes),
                ValueRef::Blob(bytes) => bytes.iter().for_each(|byte| text += &format!("{byte:02x}")),
            }
            text.push(SEPARATOR);
        }
        Ok(text)
    };
    statement.query_map([], told)?.collect()
}
