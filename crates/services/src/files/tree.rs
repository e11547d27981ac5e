//! The tree as one session sees it: what there is, how large it is, and what is in it.
//!
//! Clients look at a file, open it, and compare what they got with the size that they were told. So a file that is made
//! is the same for whoever looked at it and opens it within [`REMEMBERED_MS`], and for whoever looks at what is open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use meter::{Caller, DocumentChange, DocumentSpace, DocumentStat};
use security::{Ask, Path, Refusal, Right};

use super::made::{Made, Version};
use super::place::{DOCUMENTS, Directory, Place};
use super::writing::Writing;
use super::{Content, FileError, Files, shown};

/// So long what was looked at is what is opened: longer than it takes to list a directory and get what is in it.
const REMEMBERED_MS: i64 = 20_000;

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
    /// When it was made or written, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// Whether this session may write it, or into it.
    pub writable: bool,
}

/// The tree as somebody sees it.
pub struct Tree {
    pub(super) files: Arc<Files>,
    pub(super) caller: Caller,
    seen: Mutex<BTreeMap<Made, Seen>>,
    /// What this session is writing, which nobody else sees yet.
    pub(super) writing: Mutex<BTreeMap<String, Weak<Writing>>>,
}

/// A made file that was looked at or is open.
struct Seen {
    version: Version,
    since_ms: i64,
    /// For whoever opens it next.
    looked_at: Option<Arc<Content>>,
    open: Weak<Content>,
}

impl Tree {
    pub(super) fn new(files: Arc<Files>, caller: Caller) -> Self {
        Self { files, caller, seen: Mutex::default(), writing: Mutex::default() }
    }

    /// What there is at a path.
    pub fn stat(&self, path: &str) -> Result<Stat, FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        if let Some(writing) = self.written(&path) {
            return writing.stat();
        }
        match place {
            Place::Directory(directory) => {
                self.may_enter(directory)?;
                Ok(self.directory(directory))
            }
            Place::Made(made) => self.stat_made(made, &path),
            Place::Document(path) => Ok(self.document(self.gate().documents(&self.caller)?.stat(&path)?)),
            Place::Package(name) => {
                let waiting = self.gate().staged(&self.caller)?;
                let found = waiting.iter().find(|waiting| waiting.name == name);
                found.map(package).ok_or_else(|| FileError::NotThere(shown(&path)))
            }
        }
    }

    /// The entries of a directory: name, and what is known of it. What the caller may not read is left out.
    pub fn list(&self, path: &str) -> Result<Vec<(String, Stat)>, FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        let mut entries: BTreeMap<String, Stat> = match place {
            Place::Directory(Directory::Root) => {
                let documents = (name_in("/", DOCUMENTS).to_owned(), self.stat(DOCUMENTS)?);
                let here = |directory: &Directory| *directory != Directory::Upgrade || self.stages();
                let below = Directory::BELOW.into_iter().filter(here);
                let below = below.filter(|directory| self.may_enter(*directory).is_ok());
                let below = below.map(|below| (name_in("/", below.path()).to_owned(), self.directory(below)));
                below.chain([documents]).collect()
            }
            Place::Directory(Directory::Upgrade) => self
                .gate()
                .staged(&self.caller)?
                .iter()
                .map(|waiting| (waiting.name.clone(), package(waiting)))
                .collect(),
            Place::Directory(directory) => {
                let site = &self.files.site;
                let here = Made::all(site).into_iter().filter(|made| {
                    made.path().strip_prefix(directory.path()).is_some_and(|below| below.starts_with('/'))
                        && made.may_be_read(site, &self.caller).is_ok()
                });
                let entry = |made: Made| {
                    let path = made.path();
                    Ok((name_in(directory.path(), &path).to_owned(), self.stat_made(made, &path)?))
                };
                // What has gone since is not there any more.
                let there = here.map(entry).filter(|entry| !matches!(entry, Err(FileError::NotThere(_))));
                there.collect::<Result<_, FileError>>()?
            }
            Place::Document(path) => {
                let entries = self.gate().documents(&self.caller)?.list(&path)?;
                entries.into_iter().map(|(name, stat)| (name, self.document(stat))).collect()
            }
            Place::Made(_) | Place::Package(_) => return Err(FileError::NotDirectory(shown(&path))),
        };
        for (written, writing) in self.all_written() {
            if let Some(name) = written.strip_prefix(&path).and_then(|below| below.strip_prefix('/'))
                && !name.contains('/')
                && let Ok(stat) = writing.stat()
            {
                entries.insert(name.to_owned(), stat);
            }
        }
        Ok(entries.into_iter().collect())
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &str) -> Result<Arc<Content>, FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        match place {
            Place::Directory(_) => Err(FileError::IsDirectory(shown(&path))),
            Place::Made(made) => self.made(made, &path, Purpose::Open),
            Place::Document(document) => {
                let place = self.files.place()?;
                let file = self.gate().documents(&self.caller)?.read(&document)?;
                Ok(Arc::new(Content::Stored { file, _place: place }))
            }
            Place::Package(name) => {
                let place = self.files.place()?;
                let file = self.gate().read_staged(&self.caller, &name)?;
                Ok(Arc::new(Content::Stored { file, _place: place }))
            }
        }
    }

    /// Removes a document, or a package that waits.
    pub fn remove(&self, path: &str) -> Result<(), FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        match place {
            Place::Document(path) => self.change(&DocumentChange::Remove(path)),
            Place::Package(name) => Ok(self.gate().drop_staged(self.now(), &self.caller, &name)?),
            Place::Directory(_) => Err(FileError::IsDirectory(shown(&path))),
            Place::Made(_) => Err(FileError::ReadOnly),
        }
    }

    /// Makes a directory among the documents.
    pub fn make_dir(&self, path: &str) -> Result<(), FileError> {
        self.may(Ask::Read)?;
        match self.place(path) {
            Ok((Place::Document(path), _)) => self.change(&DocumentChange::MakeDir(path)),
            Ok((Place::Directory(_), path)) => Err(FileError::Exists(shown(&path))),
            Err(error @ FileError::Gate(_)) => Err(error),
            _ => Err(FileError::ReadOnly),
        }
    }

    /// Removes an empty directory among the documents.
    pub fn remove_dir(&self, path: &str) -> Result<(), FileError> {
        self.may(Ask::Read)?;
        let (place, path) = self.look(path)?;
        match place {
            Place::Document(path) => self.change(&DocumentChange::RemoveDir(path)),
            Place::Directory(_) => Err(FileError::ReadOnly),
            Place::Made(_) | Place::Package(_) => Err(FileError::NotDirectory(shown(&path))),
        }
    }

    /// Moves a document or directory, or calls a package something else. With `replace`, a file that has the new name
    /// gives way.
    pub fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), FileError> {
        self.may(Ask::Read)?;
        match (self.look(from)?.0, self.place(to)) {
            (Place::Document(from), Ok((Place::Document(to), _))) => {
                self.change(&DocumentChange::Rename { from, to, replace })
            }
            (Place::Package(from), Ok((Place::Package(to), _))) => {
                Ok(self.gate().rename_staged(self.now(), &self.caller, &from, &to, replace)?)
            }
            (Place::Document(_) | Place::Package(_), Err(error @ FileError::Gate(_))) => Err(error),
            (Place::Document(_), Ok((Place::Package(_), _))) | (Place::Package(_), Ok((Place::Document(_), _))) => {
                Err(FileError::Across)
            }
            _ => Err(FileError::ReadOnly),
        }
    }

    /// How much room there is for documents.
    pub fn space(&self) -> Result<DocumentSpace, FileError> {
        Ok(self.gate().documents(&self.caller)?.space()?)
    }

    pub(super) fn gate(&self) -> &meter::Gate {
        &self.files.site.gate
    }

    pub(super) fn now(&self) -> meter::Now {
        self.files.site.now()
    }

    pub(super) fn change(&self, change: &DocumentChange) -> Result<(), FileError> {
        Ok(self.gate().change_documents(self.now(), &self.caller, change)?)
    }

    /// Whether the caller may, without a word in the log: what is written is asked again by the gate.
    pub(super) fn may(&self, ask: Ask) -> Result<(), Refusal> {
        self.caller.path.map_or(Ok(()), |road| self.files.site.view().may(road, self.caller.who, ask))
    }

    /// What a path means here: `upgrade/` is there where packages are staged, over SFTP (B31), and nowhere else.
    pub(super) fn place(&self, path: &str) -> Result<(Place, String), FileError> {
        match Place::of(path)? {
            (Place::Package(_) | Place::Directory(Directory::Upgrade), path) if !self.stages() => {
                Err(FileError::NotThere(shown(&path)))
            }
            place => Ok(place),
        }
    }

    /// The same for something that is to be looked at: a name that nothing can have is one that nothing has.
    pub(super) fn look(&self, path: &str) -> Result<(Place, String), FileError> {
        self.place(path).map_err(|_| FileError::NotThere(shown(path)))
    }

    fn stages(&self) -> bool {
        self.caller.path != Some(Path::Ftp)
    }

    fn may_enter(&self, directory: Directory) -> Result<(), Refusal> {
        if directory == Directory::Upgrade { self.may(Ask::ReadSecurity) } else { Ok(()) }
    }

    fn directory(&self, directory: Directory) -> Stat {
        let writable = directory == Directory::Upgrade;
        Stat { kind: Kind::Directory, size: 0, utc_ms: self.now().utc_ms, writable }
    }

    fn document(&self, stat: DocumentStat) -> Stat {
        let kind = if stat.directory { Kind::Directory } else { Kind::File };
        // Documents of a meter that has never had one are as old as now.
        let utc_ms = if stat.utc_ms == 0 { self.now().utc_ms } else { stat.utc_ms };
        Stat { kind, size: stat.size, utc_ms, writable: self.may(Ask::Do(Right::FullConfig)).is_ok() }
    }

    fn stat_made(&self, made: Made, path: &str) -> Result<Stat, FileError> {
        let content = self.made(made, path, Purpose::Look)?;
        Ok(Stat { kind: Kind::File, size: content.size(), utc_ms: content.utc_ms(), writable: false })
    }

    fn made(&self, made: Made, path: &str, purpose: Purpose) -> Result<Arc<Content>, FileError> {
        let site = &self.files.site;
        if !made.is_there(site) {
            return Err(FileError::NotThere(shown(path)));
        }
        made.may_be_read(site, &self.caller)?;
        let version = made.version(site, &self.caller)?;
        let now_ms = site.now().up_ms;
        // Nothing that was made for somebody with other rights.
        let known = |seen: &Seen| {
            let still = seen.version == version || now_ms.saturating_sub(seen.since_ms) < REMEMBERED_MS;
            let looked_at = seen.looked_at.clone().filter(|_| still);
            let open = seen.open.upgrade().filter(|_| purpose == Purpose::Look || seen.version == version);
            looked_at.or(open).filter(|_| seen.version.security == version.security)
        };
        let mut seen = self.seen();
        let content = match seen.get(&made).and_then(known) {
            Some(content) => content,
            None => {
                // Making it may take a while; a session asks one thing at a time.
                let content = Arc::new(made.make(&self.files, &self.caller)?);
                let (looked_at, open) = (Some(Arc::clone(&content)), Weak::new());
                seen.insert(made, Seen { version, since_ms: now_ms, looked_at, open });
                content
            }
        };
        if let (Purpose::Open, Some(seen)) = (purpose, seen.get_mut(&made)) {
            seen.looked_at = None;
            seen.open = Arc::downgrade(&content);
        }
        Ok(content)
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Made, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To tell its size.
    Look,
    /// To be read.
    Open,
}

/// The name of an entry in the directory where it lies.
fn name_in<'a>(directory: &str, entry: &'a str) -> &'a str {
    entry.strip_prefix(directory).unwrap_or(entry).trim_start_matches('/')
}

fn package(waiting: &meter::Waiting) -> Stat {
    Stat { kind: Kind::File, size: waiting.bytes, utc_ms: waiting.utc_ms, writable: true }
}

#[cfg(test)]
mod tests {
    use meter::{ChangeSet, Edit};
    use security::{Rights, Who};

    use super::*;
    use crate::testbed::Bench;

    fn tree(bench: &Bench, who: Who) -> Tree {
        let files = Arc::new(Files::new(Arc::clone(&bench.site)));
        files.tree(Caller::on(Path::Sftp, who, "127.0.0.1:9".parse().unwrap()))
    }

    fn names(tree: &Tree, path: &str) -> Vec<String> {
        tree.list(path).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(tree.open(path).unwrap().read(0, usize::MAX).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_tree_shows_what_there_is_and_sizes_are_those_of_what_is_read() {
        let bench = Bench::new("4.40.1");
        bench.set(&[("Web Server", "yes")]);
        let tree = tree(&bench, Who::Standard);
        assert_eq!(names(&tree, "/"), ["COMTRADE", "config", "documents", "logs", "upgrade", "web"]);
        for directory in ["/config", "/logs", "/web"] {
            for (name, listed) in tree.list(directory).unwrap() {
                let path = format!("{directory}/{name}");
                assert_eq!(tree.stat(&path).unwrap(), listed);
                // What happens between looking and opening is in the next one.
                bench.set(&[("Owner", &path)]);
                bench.tick(100);
                let open = tree.open(&path).unwrap();
                assert_eq!(open.size(), listed.size, "{path}");
                assert_eq!(open.read(0, usize::MAX).unwrap().len() as u64, listed.size, "{path}");
                bench.set(&[("Owner", "Stadtwerke")]);
                assert_eq!(tree.stat(&path).unwrap(), listed, "what is open is what there is");
            }
        }
        for missing in ["/log", "/logs/events.csv/x", "/etc/passwd", "a\0b", "/documents/x", "/upgrade/x"] {
            assert_eq!(tree.stat(missing).unwrap_err().failure(), super::super::Failure::NotThere, "{missing:?}");
        }
        assert!(matches!(tree.open("/logs"), Err(FileError::IsDirectory(_))));
        assert!(matches!(tree.list("/logs/events.csv"), Err(FileError::NotDirectory(_))));
    }

    #[test]
    fn whoever_opens_again_or_waits_gets_the_news() {
        let bench = Bench::new("4.40.1");
        let tree = tree(&bench, Who::Standard);
        let before = tree.open("/logs/events.csv").unwrap();
        assert!(Arc::ptr_eq(&before, &tree.open("/logs/events.csv").unwrap()), "nothing has happened since");
        let old = before.read(0, usize::MAX).unwrap();
        bench.set(&[("Owner", "Stadtwerke, \"Nord\"")]);
        assert_eq!(before.read(0, usize::MAX).unwrap(), old);
        let now = text(&tree, "/logs/events.csv");
        assert!(now.as_bytes().starts_with(&old), "the log only grows");
        assert!(now.ends_with(",\"Stadtwerke, \"\"Nord\"\"\"\r\n"), "{now}");
        drop(before);
        let looked_at = tree.stat("/config/template.dcf").unwrap().size;
        bench.set(&[("Owner", "a much longer name than the one before it")]);
        assert_eq!(tree.stat("/config/template.dcf").unwrap().size, looked_at);
        bench.clock.advance_ms(REMEMBERED_MS);
        assert_ne!(tree.stat("/config/template.dcf").unwrap().size, looked_at);
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
        let refused = reader.open("/config/security.scf").err().unwrap().to_string();
        assert_eq!(refused, "this takes the right \"Security Config\": a user with Security Config can grant it");
        for nobody in [Who::User(user(3)), Who::Standard, Who::Nobody] {
            let tree = tree(&bench, nobody);
            assert!(matches!(tree.list("/"), Err(FileError::Denied(_))), "{nobody}");
            assert!(matches!(tree.open("/logs/events.csv"), Err(FileError::Denied(_))), "{nobody}");
            assert!(matches!(tree.remove("/documents/x"), Err(FileError::Denied(_))), "{nobody}");
        }
    }

    #[test]
    fn what_is_made_for_a_session_that_loses_security_config_is_not_shown_to_it_any_more() {
        let bench = Bench::new("4.40.1");
        let tree = tree(&bench, Who::Standard);
        let whole = tree.stat("/config/template.dcf").unwrap().size;
        let mut seen = tree.seen();
        let version = &mut seen.get_mut(&Made::Template).unwrap().version;
        version.security = !version.security;
        drop(seen);
        assert!(tree.open("/config/template.dcf").unwrap().size() == whole, "made anew, for the rights there are");
    }

    #[test]
    fn made_files_are_bounded_in_memory_together() {
        let bench = Bench::new("4.40.1");
        let mut files = Files::new(Arc::clone(&bench.site));
        let size = tree(&bench, Who::Standard).stat("/config/template.dcf").unwrap().size;
        files.room = Arc::new(tokio::sync::Semaphore::new(size.div_ceil(1024) as usize + 1));
        let files = Arc::new(files);
        let caller = Caller::on(Path::Sftp, Who::Standard, "127.0.0.1:9".parse().unwrap());
        let (one, two) = (files.tree(caller), files.tree(caller));
        let open = one.open("/config/template.dcf").unwrap();
        assert!(matches!(two.open("/config/template.dcf"), Err(FileError::Full)));
        drop((open, one));
        assert!(two.open("/config/template.dcf").is_ok());
    }
}
