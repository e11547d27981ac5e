//! The tree as one session sees it: which files there are, their size and time, and their content.
//! A file that was looked at and hasn't changed since is the same when it is opened: clients compare
//! the size they were told with what they got.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use meter::Caller;
use security::{Ask, Refusal};

use super::content::{self, Snapshot};
use super::{FileError, Files, PIECE, normalise};

/// A file of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    Events,
    Template,
    Security,
    #[cfg(test)]
    Large,
}

const DIRECTORIES: [&str; 3] = ["/", "/config", "/logs"];

impl File {
    const ALL: &[Self] = &[
        Self::Template,
        Self::Security,
        Self::Events,
        #[cfg(test)]
        Self::Large,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Events => "/logs/events.csv",
            Self::Template => "/config/template.dcf",
            Self::Security => "/config/security.scf",
            #[cfg(test)]
            Self::Large => "/logs/large.bin",
        }
    }

    /// What reading it is.
    fn ask(self) -> Ask {
        match self {
            Self::Events => Ask::Read,
            Self::Template => Ask::ReadSetup,
            Self::Security => Ask::ReadSecurity,
            #[cfg(test)]
            Self::Large => Ask::Read,
        }
    }
}

/// Directory or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It can be listed.
    Directory,
    /// It can be read.
    File,
}

/// What is known of an entry without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which it is.
    pub kind: Kind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When it was made, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// What a snapshot was made from: while it is the same, so is the file.
type Version = (u64, bool);

/// The tree as somebody sees it.
pub struct Tree {
    files: Arc<Files>,
    caller: Caller,
    seen: Mutex<BTreeMap<File, (Version, Arc<Snapshot>)>>,
}

impl Tree {
    pub(super) fn new(files: Arc<Files>, caller: Caller) -> Self {
        Self { files, caller, seen: Mutex::default() }
    }

    /// What there is at a path.
    pub fn stat(&self, path: &str) -> Result<Stat, FileError> {
        let path = self.resolve(path)?;
        if DIRECTORIES.contains(&path.as_str()) { Ok(self.directory()) } else { self.stat_file(self.file(&path)?) }
    }

    /// The entries of a directory: name, and what is known of it. Files that the caller may not read
    /// are left out.
    pub fn list(&self, path: &str) -> Result<Vec<(&'static str, Stat)>, FileError> {
        let path = self.resolve(path)?;
        if !DIRECTORIES.contains(&path.as_str()) {
            self.file(&path)?;
            return Err(FileError::NotDirectory(path));
        }
        let mut entries = Vec::new();
        for directory in DIRECTORIES {
            entries.extend(name_in(&path, directory).map(|name| (name, self.directory())));
        }
        for file in File::ALL.iter().copied().filter(|file| self.may_read(*file).is_ok() && self.is_there(*file)) {
            if let Some(name) = name_in(&path, file.path()) {
                entries.push((name, self.stat_file(file)?));
            }
        }
        Ok(entries)
    }

    /// A file's content.
    pub fn open(&self, path: &str) -> Result<Arc<Snapshot>, FileError> {
        let path = self.resolve(path)?;
        if DIRECTORIES.contains(&path.as_str()) {
            return Err(FileError::IsDirectory(path));
        }
        self.snapshot(self.file(&path)?)
    }

    /// The path's absolute form, for a caller who may read anything at all.
    fn resolve(&self, path: &str) -> Result<String, FileError> {
        if let Some(road) = self.caller.path {
            self.files.site.view().may(road, self.caller.who, Ask::Read)?;
        }
        normalise(path).ok_or_else(|| FileError::NotThere(shown(path)))
    }

    fn file(&self, path: &str) -> Result<File, FileError> {
        let mut files = File::ALL.iter().copied().filter(|file| self.is_there(*file));
        files.find(|file| file.path() == path).ok_or_else(|| FileError::NotThere(shown(path)))
    }

    fn is_there(&self, file: File) -> bool {
        match file {
            #[cfg(test)]
            File::Large => self.files.large.is_some(),
            _ => true,
        }
    }

    fn may_read(&self, file: File) -> Result<(), Refusal> {
        let Some(road) = self.caller.path else { return Ok(()) };
        self.files.site.view().may(road, self.caller.who, file.ask())
    }

    fn directory(&self) -> Stat {
        Stat { kind: Kind::Directory, size: 0, utc_ms: self.files.site.now().utc_ms }
    }

    fn stat_file(&self, file: File) -> Result<Stat, FileError> {
        let snapshot = self.snapshot(file)?;
        Ok(Stat { kind: Kind::File, size: snapshot.bytes.len() as u64, utc_ms: snapshot.utc_ms })
    }

    fn snapshot(&self, file: File) -> Result<Arc<Snapshot>, FileError> {
        self.may_read(file)?;
        let version = self.version(file)?;
        if let Some((_, snapshot)) = self.seen().get(&file).filter(|(of, _)| *of == version) {
            return Ok(Arc::clone(snapshot));
        }
        let (site, caller) = (&self.files.site, &self.caller);
        let bytes = match file {
            File::Events => Bytes::from(content::events(site, caller, version.0)?),
            File::Template => Bytes::from(content::template(site, caller)?),
            File::Security => Bytes::from(content::security(site, caller)?),
            #[cfg(test)]
            File::Large => self.files.large.clone().unwrap_or_default(),
        };
        let pieces = u32::try_from(bytes.len().div_ceil(PIECE)).map_err(|_| FileError::Full)?;
        let room = Arc::clone(&self.files.room).try_acquire_many_owned(pieces).map_err(|_| FileError::Full)?;
        let snapshot = Arc::new(Snapshot { bytes, utc_ms: site.now().utc_ms, _room: Some(room) });
        self.seen().insert(file, (version, Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    fn version(&self, file: File) -> Result<Version, FileError> {
        let site = &self.files.site;
        Ok(match file {
            File::Events => (site.gate.next_event()?, true),
            File::Template | File::Security => (site.view().generation, content::may_read_security(site, &self.caller)),
            #[cfg(test)]
            File::Large => (0, true),
        })
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<File, (Version, Arc<Snapshot>)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of an entry in a directory, if that is where it lies.
fn name_in(directory: &str, entry: &'static str) -> Option<&'static str> {
    let below = entry.strip_prefix(directory)?;
    let name = if directory == "/" { below } else { below.strip_prefix('/')? };
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// A name as messages show it, cut to a length that can't flood them.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use meter::{ChangeSet, Edit};
    use security::{Path, Right, Rights, Who};

    use super::*;
    use crate::testbed::Bench;

    fn tree(bench: &Bench, who: Who) -> Tree {
        let files = Arc::new(Files::new(Arc::clone(&bench.site)));
        files.tree(Caller::on(Path::Sftp, who, "127.0.0.1:9".parse().unwrap()))
    }

    fn names(tree: &Tree, path: &str) -> Vec<&'static str> {
        tree.list(path).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(tree.open(path).unwrap().bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_tree_shows_what_there_is_and_sizes_are_those_of_what_is_read() {
        let bench = Bench::new("4.40.1");
        let tree = tree(&bench, Who::Standard);
        assert_eq!(names(&tree, "/"), ["config", "logs"]);
        assert_eq!(names(&tree, "config/."), ["template.dcf", "security.scf"]);
        assert_eq!(names(&tree, "/logs/"), ["events.csv"]);
        for (directory, name) in [("/config", "template.dcf"), ("/config", "security.scf"), ("/logs", "events.csv")] {
            let path = format!("{directory}/{name}");
            let (_, listed) = tree.list(directory).unwrap().into_iter().find(|(entry, _)| *entry == name).unwrap();
            assert_eq!(tree.stat(&path).unwrap(), listed);
            assert_eq!(tree.open(&path).unwrap().bytes.len() as u64, listed.size, "{path}");
        }
        for missing in ["/log", "/logs/events.csv/x", "/etc/passwd", "a\0b", "/logs/large.bin"] {
            assert!(matches!(tree.stat(missing), Err(FileError::NotThere(_))), "{missing:?}");
        }
        assert!(matches!(tree.open("/logs"), Err(FileError::IsDirectory(_))));
        assert!(matches!(tree.list("/logs/events.csv"), Err(FileError::NotDirectory(_))));
    }

    #[test]
    fn an_open_file_stays_as_it_was_and_a_new_one_has_the_news() {
        let bench = Bench::new("4.40.1");
        let tree = tree(&bench, Who::Standard);
        let before = tree.open("/logs/events.csv").unwrap();
        assert!(Arc::ptr_eq(&before, &tree.open("/logs/events.csv").unwrap()), "nothing has happened since");
        let old = before.bytes.clone();
        bench.set(&[("Owner", "Stadtwerke, \"Nord\"")]);
        assert_eq!(before.bytes, old);
        let now = text(&tree, "/logs/events.csv");
        assert!(now.as_bytes().starts_with(&old), "the log only grows");
        assert!(now.ends_with(",\"Stadtwerke, \"\"Nord\"\"\"\r\n"), "{now}");
        assert!(text(&tree, "/config/template.dcf").contains("Stadtwerke"));
    }

    #[test]
    fn more_events_than_a_page_are_all_there() {
        let bench = Bench::new("4.40.1");
        let last = 2 * 500 + 7;
        for owner in 0..last {
            bench.set(&[("Owner", &format!("owner {owner}"))]);
        }
        let log = text(&tree(&bench, Who::Standard), "/logs/events.csv");
        for owner in 0..last {
            assert!(log.contains(&format!(",owner {owner}\r\n")), "owner {owner}");
        }
    }

    #[tokio::test]
    async fn b9_under_advanced_the_security_part_takes_security_config_and_everything_takes_read() {
        let bench = Bench::new("4.40.1");
        let user = |n| security::UserId::new(n).unwrap();
        bench.set_password("USER1", "abc").await;
        let edits = vec![
            Edit::Rights(user(3), Rights::NONE.with(Right::TimeSync)),
            Edit::Active(user(3), true),
            Edit::Register("Mode".into(), "advanced".into()),
        ];
        bench.set_password("USER3", "def").await;
        let change = ChangeSet { edits, force: false };
        bench.site.gate.apply(bench.site.now(), &Caller::meter(), change).unwrap();
        let all = tree(&bench, Who::User(user(1)));
        assert!(text(&all, "/config/template.dcf").contains("[security"));
        assert!(text(&all, "/config/security.scf").contains("mode = \"advanced\""));
        let reader = tree(&bench, Who::User(user(2)));
        assert_eq!(names(&reader, "/config"), ["template.dcf"]);
        assert!(!text(&reader, "/config/template.dcf").contains("security"));
        let refused = reader.open("/config/security.scf").unwrap_err().to_string();
        assert_eq!(refused, "this takes the right \"Security Config\": a user with Security Config can grant it");
        for nobody in [Who::User(user(3)), Who::Standard, Who::Nobody] {
            let tree = tree(&bench, nobody);
            assert!(matches!(tree.list("/"), Err(FileError::Denied(_))), "{nobody}");
            assert!(matches!(tree.open("/logs/events.csv"), Err(FileError::Denied(_))), "{nobody}");
        }
    }

    #[test]
    fn open_files_are_bounded_in_memory_together() {
        let bench = Bench::new("4.40.1");
        let mut files = Files::new(Arc::clone(&bench.site));
        files.room = Arc::new(tokio::sync::Semaphore::new(8));
        files.large = Some(Bytes::from(vec![0; 5 * PIECE]));
        let files = Arc::new(files);
        let caller = Caller::on(Path::Sftp, Who::Standard, "127.0.0.1:9".parse().unwrap());
        let (one, two) = (files.tree(caller), files.tree(caller));
        let open = one.open("/logs/large.bin").unwrap();
        assert!(matches!(two.open("/logs/large.bin"), Err(FileError::Full)));
        drop((open, one));
        assert!(two.open("/logs/large.bin").is_ok());
    }
}
