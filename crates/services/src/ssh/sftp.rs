//! SFTP version 3 (draft-ietf-secsh-filexfer-02) on one channel: packets in, packets out, in order. It
//! shows [`Tree`], and refuses every write.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use framework::modules::security_options::Service;
use russh_sftp::extensions::{LIMITS, LimitsExtension};
use russh_sftp::protocol::{
    Attrs, Data, ExtendedReply, File, FileAttributes, FileMode, Handle, Name, OpenFlags, Packet, Status, StatusCode,
    Version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::login::Login;
use crate::files::{FileError, Kind, Snapshot, Stat, Tree, normalise};

/// A packet of a client is at most this long, as with OpenSSH; a longer one ends the channel.
const MAX_PACKET: u32 = 256 << 10;
/// One read gives at most this much: a packet, less its head.
const MAX_READ: u32 = MAX_PACKET - 1024;
/// Files and directories open at once on one channel.
const MAX_HANDLES: usize = 64;

/// Serves files until the client ends or breaks the protocol. Gives the exit status.
pub(super) async fn serve(mut stream: DuplexStream, login: Arc<Login>, tree: Tree) -> u32 {
    let mut session = SftpSession { login, tree: Arc::new(tree), open: BTreeMap::new(), next: 0 };
    match converse(&mut stream, &mut session).await {
        Ok(()) => 0,
        Err(error) => {
            tracing::debug!(%error, "SFTP channel ended");
            1
        }
    }
}

async fn converse(stream: &mut DuplexStream, session: &mut SftpSession) -> io::Result<()> {
    loop {
        let length = match stream.read_u32().await {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            length => length?,
        };
        if length > MAX_PACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a packet of {length} bytes")));
        }
        let mut packet = vec![0; length as usize];
        stream.read_exact(&mut packet).await?;
        let answer = session.answer(packet.into()).await;
        let answer = Bytes::try_from(answer).map_err(io::Error::other)?;
        stream.write_all(&answer).await?;
    }
}

enum Open {
    File(Arc<Snapshot>),
    /// The entries that haven't been sent yet; none when they all have.
    Directory(Option<Vec<File>>),
}

struct SftpSession {
    login: Arc<Login>,
    tree: Arc<Tree>,
    open: BTreeMap<u32, Open>,
    next: u32,
}

/// Why a request is refused: code and sentence.
struct No(StatusCode, String);

impl From<FileError> for No {
    fn from(error: FileError) -> Self {
        let code = match error {
            FileError::NotThere(_) => StatusCode::NoSuchFile,
            FileError::ReadOnly | FileError::Denied(_) => StatusCode::PermissionDenied,
            _ => StatusCode::Failure,
        };
        Self(code, error.to_string())
    }
}

impl SftpSession {
    /// The answer to a packet, whatever it is.
    async fn answer(&mut self, mut packet: Bytes) -> Packet {
        // Type and request number stand at the beginning, even of a packet that makes no sense further on.
        let id = packet.get(1..5).and_then(|id| id.try_into().ok()).map_or(0, u32::from_be_bytes);
        let Ok(request) = Packet::try_from(&mut packet) else {
            return status(id, StatusCode::BadMessage, "this packet can't be read");
        };
        match self.do_it(id, request).await {
            Ok(packet) => packet,
            Err(No(code, sentence)) => status(id, code, &sentence),
        }
    }

    async fn do_it(&mut self, id: u32, request: Packet) -> Result<Packet, No> {
        let allowed = match request {
            Packet::Read(_) | Packet::Close(_) => self.login.goes_on(Service::Sftp),
            _ => self.login.uses(Service::Sftp),
        };
        allowed.map_err(|sentence| No(StatusCode::PermissionDenied, sentence))?;
        match request {
            Packet::Init(_) => {
                let extensions = [(LIMITS.to_owned(), "1".to_owned())].into();
                Ok(Version { extensions, ..Version::new() }.into())
            }
            Packet::Open(open) if open.pflags.intersects(!OpenFlags::READ) => Err(FileError::ReadOnly.into()),
            Packet::Open(open) => {
                self.room()?;
                let file = self.ask(move |tree| tree.open(&open.filename)).await?;
                Ok(self.hold(id, Open::File(file)))
            }
            Packet::OpenDir(open) => {
                self.room()?;
                let entries = self.ask(move |tree| listing(tree, &open.path)).await?;
                Ok(self.hold(id, Open::Directory(Some(entries))))
            }
            Packet::Read(read) => match self.held(&read.handle)? {
                Open::File(file) => {
                    let data = file.read(read.offset, read.len.min(MAX_READ) as usize);
                    if data.is_empty() { Ok(end(id)) } else { Ok(Data { id, data: data.into() }.into()) }
                }
                Open::Directory(_) => Err(No(StatusCode::Failure, "this is an open directory".to_owned())),
            },
            Packet::ReadDir(read) => match self.held(&read.handle)? {
                Open::Directory(entries) => match entries.take() {
                    Some(files) => Ok(Name { id, files }.into()),
                    None => Ok(end(id)),
                },
                Open::File(_) => Err(No(StatusCode::Failure, "this is an open file".to_owned())),
            },
            Packet::Close(close) => match number(&close.handle).and_then(|number| self.open.remove(&number)) {
                Some(_) => Ok(status(id, StatusCode::Ok, "closed")),
                None => Err(not_open()),
            },
            Packet::Stat(stat) => self.stat(id, stat.path).await,
            Packet::Lstat(stat) => self.stat(id, stat.path).await,
            Packet::Fstat(stat) => {
                let attrs = match self.held(&stat.handle)? {
                    Open::File(file) => {
                        attributes(Stat { kind: Kind::File, size: file.bytes.len() as u64, utc_ms: file.utc_ms })
                    }
                    Open::Directory(_) => attributes(Stat { kind: Kind::Directory, size: 0, utc_ms: 0 }),
                };
                Ok(Attrs { id, attrs }.into())
            }
            Packet::RealPath(real) => {
                let path = normalise(&real.path).ok_or(FileError::NotThere(String::new()))?;
                Ok(Name { id, files: vec![File::dummy(path)] }.into())
            }
            Packet::Write(_)
            | Packet::SetStat(_)
            | Packet::FSetStat(_)
            | Packet::Remove(_)
            | Packet::MkDir(_)
            | Packet::RmDir(_)
            | Packet::Rename(_)
            | Packet::Symlink(_) => Err(FileError::ReadOnly.into()),
            Packet::ReadLink(_) => Err(No(StatusCode::NoSuchFile, "the meter's files are no links".to_owned())),
            Packet::Extended(extended) if extended.request == LIMITS => limits(id),
            _ => Err(No(StatusCode::OpUnsupported, "this meter's SFTP doesn't do that".to_owned())),
        }
    }

    async fn stat(&self, id: u32, path: String) -> Result<Packet, No> {
        let stat = self.ask(move |tree| tree.stat(&path)).await?;
        Ok(Attrs { id, attrs: attributes(stat) }.into())
    }

    /// Asks the tree off the network's threads: a file is made when it is looked at.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Tree) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, No> {
        let tree = Arc::clone(&self.tree);
        match tokio::task::spawn_blocking(move || question(&tree)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(No(StatusCode::Failure, "the meter is stopping".to_owned())),
        }
    }

    fn room(&self) -> Result<(), No> {
        if self.open.len() < MAX_HANDLES {
            return Ok(());
        }
        Err(No(StatusCode::Failure, format!("at most {MAX_HANDLES} files can be open at once: close some")))
    }

    fn hold(&mut self, id: u32, open: Open) -> Packet {
        // Numbers go round after four thousand million files; one that is still open is passed over.
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let handle = self.next.to_string();
        self.open.insert(self.next, open);
        self.next = self.next.wrapping_add(1);
        Handle { id, handle }.into()
    }

    fn held(&mut self, handle: &str) -> Result<&mut Open, No> {
        number(handle).and_then(|number| self.open.get_mut(&number)).ok_or_else(not_open)
    }
}

fn number(handle: &str) -> Option<u32> {
    handle.parse().ok()
}

fn not_open() -> No {
    No(StatusCode::Failure, "no file is open under this handle".to_owned())
}

fn status(id: u32, code: StatusCode, sentence: &str) -> Packet {
    Packet::Status(Status { id, status_code: code, error_message: sentence.to_owned(), language_tag: "en".to_owned() })
}

fn end(id: u32) -> Packet {
    status(id, StatusCode::Eof, "end of file")
}

fn limits(id: u32) -> Result<Packet, No> {
    let limits = LimitsExtension {
        max_packet_len: MAX_PACKET.into(),
        max_read_len: MAX_READ.into(),
        max_write_len: MAX_READ.into(),
        max_open_handles: MAX_HANDLES as u64,
    };
    let data = russh_sftp::ser::to_bytes(&limits).map_err(|error| No(StatusCode::Failure, error.to_string()))?;
    Ok(ExtendedReply { id, data: data.into() }.into())
}

/// A directory as clients list it.
fn listing(tree: &Tree, path: &str) -> Result<Vec<File>, FileError> {
    let here = attributes(tree.stat(path)?);
    let dots = [".", ".."].map(|name| File::new(name, here.clone()));
    let entries = tree.list(path)?;
    Ok(dots.into_iter().chain(entries.into_iter().map(|(name, stat)| File::new(name, attributes(stat)))).collect())
}

fn attributes(stat: Stat) -> FileAttributes {
    let (mode, permissions) = match stat.kind {
        Kind::Directory => (FileMode::DIR, 0o555),
        Kind::File => (FileMode::REG, 0o444),
    };
    // The protocol's times end in 2106; beyond either end the nearest is shown.
    let seconds = u32::try_from(stat.utc_ms.max(0) / 1000).unwrap_or(u32::MAX);
    FileAttributes {
        size: Some(stat.size),
        uid: Some(0),
        user: Some("meter".to_owned()),
        gid: Some(0),
        group: Some("meter".to_owned()),
        permissions: Some(permissions | mode.bits()),
        atime: Some(seconds),
        mtime: Some(seconds),
    }
}

#[cfg(test)]
mod tests {
    use meter::Caller;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use security::{Path, Who};

    use super::*;
    use crate::files::Files;
    use crate::testbed::Bench;

    #[test]
    fn whatever_comes_is_answered_under_its_number_and_holds_no_more_than_the_handles_there_are() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = Bench::new("4.40.1");
        let peer = "127.0.0.1:9".parse().unwrap();
        let caller = Caller::on(Path::Sftp, Who::Standard, peer);
        let login = Arc::new(Login::new(Arc::clone(&bench.site), &caller, peer));
        let tree = Arc::new(Arc::new(Files::new(Arc::clone(&bench.site))).tree(caller));
        // Every type of request, with a length, a path and what may follow; and plain noise.
        let path = prop::sample::select(vec!["/", "/logs/events.csv", "0", "limits@openssh.com", "", "\u{fffd}"]);
        let request = (1u8..22, any::<u32>(), path, any::<Vec<u8>>()).prop_map(|(kind, id, path, rest)| {
            let length = path.len() as u32;
            [&[kind][..], &id.to_be_bytes(), &length.to_be_bytes(), path.as_bytes(), &rest].concat()
        });
        let packets = prop::collection::vec(prop_oneof![request, any::<Vec<u8>>()], 1..100);
        let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        let law = runner.run(&packets, |packets| {
            let mut session =
                SftpSession { login: Arc::clone(&login), tree: Arc::clone(&tree), open: BTreeMap::new(), next: 0 };
            for packet in packets {
                let id = packet.get(1..5).map_or(0, |id| u32::from_be_bytes(id.try_into().unwrap()));
                let is_init = packet.first() == Some(&1);
                let answer = runtime.block_on(session.answer(packet.into()));
                let answer = Bytes::try_from(answer).unwrap();
                prop_assert!(answer[4] > 100 || (is_init && answer[4] == 2), "an answer, not a request");
                if answer[4] != 2 {
                    prop_assert_eq!(&answer[5..9], &id.to_be_bytes());
                }
                prop_assert!(answer.len() as u64 <= u64::from(MAX_PACKET));
                prop_assert!(session.open.len() <= MAX_HANDLES);
            }
            Ok(())
        });
        law.unwrap();
    }
}
