//! One client's requests, one after the other: who may, what is open under which handle, and what the tree says. What
//! may wait for the disk is done off the network's threads.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use framework::modules::security_options::Service;
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, Open, OpenFlags, Packet, Read, StatusCode, Version,
};

use super::ahead::Ahead;
use super::answer::{No, attributes, done, end, entry, status};
use super::extended::OFFERED;
use super::{MAX_DATA, MAX_FILES, MAX_HANDLES, MAX_NAMES};
use crate::files::{Change, Content, FileError, How, Kind, Stat, Tree, Writing, normalise};
use crate::ssh::login::Login;

pub(super) enum Held {
    File(Arc<Content>),
    Writing(Arc<Writing>),
    /// The entries that haven't been sent yet.
    Directory(Vec<File>),
}

pub(super) struct Session {
    login: Arc<Login>,
    tree: Arc<Tree>,
    held: BTreeMap<u32, Held>,
    next: u32,
    ahead: Ahead,
}

impl Session {
    pub(super) fn new(login: Arc<Login>, tree: Tree) -> Self {
        Self { login, tree: Arc::new(tree), held: BTreeMap::new(), next: 0, ahead: Ahead::default() }
    }

    /// How many handles are open.
    #[cfg(test)]
    pub(super) fn handles(&self) -> usize {
        self.held.len()
    }

    /// The answer to a packet, whatever it is, as a packet.
    pub(super) async fn answer(&mut self, mut packet: Bytes) -> io::Result<Bytes> {
        // Type and request number stand at the beginning, even of a packet that makes no sense further on.
        let id = packet.get(1..5).and_then(|id| id.try_into().ok()).map_or(0, u32::from_be_bytes);
        let answer = match Packet::try_from(&mut packet) {
            Ok(Packet::Read(read)) => match self.read(id, &read).await {
                Ok(Some(data)) => return Ok(data),
                Ok(None) => Ok(end(id)),
                Err(no) => Err(no),
            },
            Ok(request) => self.do_it(id, request).await,
            Err(_) => Err(No(StatusCode::BadMessage, "this packet can't be read".to_owned())),
        };
        let answer = answer.unwrap_or_else(|No(code, sentence)| status(id, code, &sentence));
        Bytes::try_from(answer).map_err(io::Error::other)
    }

    async fn do_it(&mut self, id: u32, request: Packet) -> Result<Packet, No> {
        let allowed = match request {
            Packet::Write(_) => self.login.goes_on(Service::Sftp),
            _ => self.login.uses(Service::Sftp),
        };
        allowed.map_err(|sentence| No(StatusCode::PermissionDenied, sentence))?;
        match request {
            Packet::Init(_) => {
                let extensions = OFFERED.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
                Ok(Version { extensions, ..Version::new() }.into())
            }
            Packet::Open(open) => self.open(id, open).await,
            Packet::OpenDir(open) => {
                self.room()?;
                let entries = self.ask(move |tree| listing(tree, &open.path)).await?;
                Ok(self.hold(id, Held::Directory(entries)))
            }
            Packet::Write(write) => {
                let Held::Writing(writing) = self.held(&write.handle)? else {
                    return Err(No::failure("this file isn't open for writing"));
                };
                let writing = Arc::clone(writing);
                self.ask(move |_| writing.write_at(write.offset, &write.data)).await?;
                Ok(done(id))
            }
            Packet::ReadDir(read) => match self.held(&read.handle)? {
                Held::Directory(entries) if entries.is_empty() => Ok(end(id)),
                Held::Directory(entries) => {
                    let files = entries.drain(..MAX_NAMES.min(entries.len())).collect();
                    Ok(Name { id, files }.into())
                }
                _ => Err(No::failure("this is an open file")),
            },
            Packet::Close(close) => {
                self.held(&close.handle)?;
                let number = number(&close.handle);
                number.into_iter().for_each(|number| self.ahead.closed(number));
                let held = number.and_then(|number| self.held.remove(&number));
                if let Some(Held::Writing(writing)) = held {
                    self.ask(move |tree| tree.close(&writing)).await?;
                }
                Ok(done(id))
            }
            Packet::Stat(stat) => self.stat(id, stat.path).await,
            Packet::Lstat(stat) => self.stat(id, stat.path).await,
            Packet::Fstat(stat) => {
                let stat = match self.held(&stat.handle)? {
                    Held::File(file) => {
                        Stat { kind: Kind::File, size: file.size(), utc_ms: file.utc_ms(), writable: false }
                    }
                    Held::Writing(writing) => writing.stat()?,
                    Held::Directory(_) => Stat { kind: Kind::Directory, size: 0, utc_ms: 0, writable: false },
                };
                Ok(Attrs { id, attrs: attributes(stat) }.into())
            }
            Packet::SetStat(set) => self.set(id, set.path, &set.attrs).await,
            Packet::FSetStat(set) => {
                let Held::Writing(writing) = self.held(&set.handle)? else {
                    return Err(FileError::ReadOnly.into());
                };
                let (writing, change) = (Arc::clone(writing), change(&set.attrs));
                self.ask(move |_| writing.set(change)).await?;
                Ok(done(id))
            }
            Packet::RealPath(real) => self.real_path(id, &real.path),
            Packet::Remove(remove) => self.does(id, move |tree| tree.remove(&remove.filename)).await,
            Packet::MkDir(make) => self.does(id, move |tree| tree.make_dir(&make.path)).await,
            Packet::RmDir(remove) => self.does(id, move |tree| tree.remove_dir(&remove.path)).await,
            Packet::Rename(rename) => {
                self.does(id, move |tree| tree.rename(&rename.oldpath, &rename.newpath, false)).await
            }
            Packet::ReadLink(_) => Err(No::failure("there are no links on this meter")),
            Packet::Symlink(_) => {
                Err(No(StatusCode::OpUnsupported, "there are no links on this meter: copy the file".to_owned()))
            }
            Packet::Extended(extended) => self.extended(id, extended).await,
            _ => Err(No::unsupported()),
        }
    }

    async fn open(&mut self, id: u32, open: Open) -> Result<Packet, No> {
        self.room_for_a_file()?;
        let flags = open.pflags;
        let held = if flags.intersects(!OpenFlags::READ) {
            let how = How {
                create: flags.contains(OpenFlags::CREATE),
                new: flags.contains(OpenFlags::EXCLUDE),
                empty: flags.contains(OpenFlags::TRUNCATE),
                append: flags.contains(OpenFlags::APPEND),
            };
            Held::Writing(self.ask(move |tree| tree.create(&open.filename, how)).await?)
        } else {
            Held::File(self.ask(move |tree| tree.open(&open.filename)).await?)
        };
        Ok(self.hold(id, held))
    }

    /// The answer to a read as a packet; none at the end of the file.
    async fn read(&mut self, id: u32, read: &Read) -> Result<Option<Bytes>, No> {
        self.login.goes_on(Service::Sftp).map_err(|sentence| No(StatusCode::PermissionDenied, sentence))?;
        let length = read.len.min(MAX_DATA) as usize;
        let writing = match (self.held(&read.handle)?, number(&read.handle)) {
            (Held::File(file), Some(number)) => {
                let file = Arc::clone(file);
                return self.ahead.answer(id, (number, &file), read.offset, length).await;
            }
            (Held::Writing(writing), _) => Arc::clone(writing),
            _ => return Err(No::failure("this is an open directory")),
        };
        let offset = read.offset;
        let data = self.ask(move |_| writing.read_at(offset, length)).await?;
        if data.is_empty() && length > 0 {
            return Ok(None);
        }
        Bytes::try_from(Packet::from(Data { id, data })).map(Some).map_err(|error| No::failure(error.to_string()))
    }

    async fn stat(&self, id: u32, path: String) -> Result<Packet, No> {
        let stat = self.ask(move |tree| tree.stat(&path)).await?;
        Ok(Attrs { id, attrs: attributes(stat) }.into())
    }

    /// Sets what a client may set: size and time. Owner and permissions are the meter's, and asking for others does
    /// nothing: clients do so after every transfer.
    pub(super) async fn set(&self, id: u32, path: String, attrs: &FileAttributes) -> Result<Packet, No> {
        let change = change(attrs);
        self.does(id, move |tree| tree.set(&path, change)).await
    }

    pub(super) async fn sync(&mut self, id: u32, handle: &str) -> Result<Packet, No> {
        if let Held::Writing(writing) = self.held(handle)? {
            let writing = Arc::clone(writing);
            self.ask(move |_| writing.sync()).await?;
        }
        Ok(done(id))
    }

    pub(super) fn real_path(&self, id: u32, path: &str) -> Result<Packet, No> {
        let path = normalise(path).ok_or(FileError::NotThere(String::new()))?;
        Ok(Name { id, files: vec![File::dummy(path)] }.into())
    }

    async fn does(
        &self,
        id: u32,
        work: impl FnOnce(&Tree) -> Result<(), FileError> + Send + 'static,
    ) -> Result<Packet, No> {
        self.ask(work).await?;
        Ok(done(id))
    }

    /// Asks the tree off the network's threads: it may wait for the disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Tree) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, No> {
        let tree = Arc::clone(&self.tree);
        match tokio::task::spawn_blocking(move || question(&tree)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(No::failure("the meter is stopping")),
        }
    }

    fn room(&self) -> Result<(), No> {
        if self.held.len() < MAX_HANDLES {
            return Ok(());
        }
        Err(No::failure(format!("at most {MAX_HANDLES} files and directories can be open at once: close some")))
    }

    fn room_for_a_file(&self) -> Result<(), No> {
        let files = self.held.values().filter(|held| !matches!(held, Held::Directory(_)));
        if files.count() < MAX_FILES {
            return self.room();
        }
        Err(No::failure(format!("at most {MAX_FILES} files can be open at once on one channel: close some")))
    }

    fn hold(&mut self, id: u32, held: Held) -> Packet {
        // Numbers go round after four thousand million files; one that is still open is passed over.
        while self.held.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let handle = self.next.to_string();
        self.held.insert(self.next, held);
        self.next = self.next.wrapping_add(1);
        Handle { id, handle }.into()
    }

    pub(super) fn held(&mut self, handle: &str) -> Result<&mut Held, No> {
        let held = number(handle).and_then(|number| self.held.get_mut(&number));
        held.ok_or_else(|| No::failure("no file is open under this handle"))
    }
}

fn number(handle: &str) -> Option<u32> {
    handle.parse().ok()
}

fn change(attrs: &FileAttributes) -> Change {
    Change { size: attrs.size, utc_ms: attrs.mtime.map(|seconds| i64::from(seconds) * 1000) }
}

/// A directory as clients list it.
fn listing(tree: &Tree, path: &str) -> Result<Vec<File>, FileError> {
    let here = tree.stat(path)?;
    let entries = tree.list(path)?;
    let dots = [".", ".."].into_iter().map(|name| entry(name, here));
    Ok(dots.chain(entries.iter().map(|(name, stat)| entry(name, *stat))).collect())
}
