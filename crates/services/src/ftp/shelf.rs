//! What the library takes files from and puts them on: the meter's tree, as one session sees it. What a transfer moves
//! has been opened before the library hears of it, so that a refusal comes before any data connection; and whether an
//! upload came whole is known from the guard, since to the library every end looks alike.

use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use framework::modules::security_options::Service;
use meter::{DocumentError, GateError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use unftp_core::auth::DefaultUser;
use unftp_core::storage::{Error, ErrorKind, Fileinfo, Metadata, Permissions, Result, StorageBackend};

use super::command::Transfer;
use crate::files::{Change, Content, Failure, FileError, How, Kind, Stat, Tree, Writing};
use crate::ssh::login::{ENDED, Login};

/// Moved at a time: one turn at the disk.
const PIECE: usize = 128 << 10;

/// What is open for the transfer that comes next.
enum Opened {
    Content { content: Arc<Content>, from: u64 },
    Writing(Upload),
}

/// A file that is coming in.
struct Upload {
    writing: Arc<Writing>,
    from: u64,
    /// Whether a part of it is worth keeping: where nothing was before, or what was before is still in it.
    part_is_kept: bool,
}

/// What the guard and the library's side of a transfer know of each other.
pub(super) struct Transaction {
    tree: Tree,
    /// The guard's, which ends with it.
    login: Weak<Login>,
    opened: Mutex<Option<Opened>>,
    replaces: AtomicBool,
    whole: AtomicBool,
    stopped: AtomicBool,
    refusal: Mutex<Option<String>>,
}

impl Transaction {
    pub(super) fn new(tree: Tree, login: &Arc<Login>) -> Self {
        Self {
            tree,
            login: Arc::downgrade(login),
            opened: Mutex::default(),
            replaces: AtomicBool::new(false),
            whole: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            refusal: Mutex::default(),
        }
    }

    /// Opens what a transfer is to move, or says why it can't. May wait for the disk.
    pub(super) fn begin(&self, transfer: Transfer, path: &str, from: u64) -> std::result::Result<(), FileError> {
        self.end();
        let opened = match transfer {
            Transfer::Get => {
                if self.tree.stat(path)?.kind == Kind::Directory {
                    return Err(FileError::IsDirectory(path.to_owned()));
                }
                let content = self.tree.open(path)?;
                if from > content.size() {
                    return Err(FileError::Beyond(content.size()));
                }
                Opened::Content { content, from }
            }
            Transfer::Put | Transfer::Append => Opened::Writing(self.upload(transfer, path, from)?),
            Transfer::List | Transfer::Names | Transfer::Facts => {
                let is_file = self.tree.stat(path)?.kind == Kind::File;
                if is_file && transfer == Transfer::Facts {
                    return Err(FileError::NotDirectory(path.to_owned()));
                }
                return Ok(());
            }
        };
        *lock(&self.opened) = Some(opened);
        Ok(())
    }

    fn upload(&self, transfer: Transfer, path: &str, from: u64) -> std::result::Result<Upload, FileError> {
        let was_there = self.tree.stat(path).is_ok();
        let empty = transfer == Transfer::Put && from == 0;
        let writing = self.tree.create(path, How { create: true, empty, ..How::default() })?;
        let size = writing.stat()?.size;
        let from = if transfer == Transfer::Append { size } else { from };
        if from > size {
            return Err(FileError::Beyond(size));
        }
        if from < size {
            writing.set(Change { size: Some(from), ..Change::default() })?;
        }
        let part_is_kept = !was_there || (from == size && !empty);
        self.replaces.store(!part_is_kept, Ordering::Release);
        Ok(Upload { writing, from, part_is_kept })
    }

    /// Whether what comes in is to take the place of a file.
    pub(super) fn replaces(&self) -> bool {
        self.replaces.load(Ordering::Acquire)
    }

    /// The client has sent all of it: only now can it become a file in place of another.
    pub(super) fn is_whole(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// Nobody wants the rest.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Forgets what was open.
    pub(super) fn end(&self) {
        *lock(&self.opened) = None;
        *lock(&self.refusal) = None;
        self.replaces.store(false, Ordering::Release);
        self.whole.store(false, Ordering::Release);
        self.stopped.store(false, Ordering::Release);
    }

    /// Why the library's last answer was a refusal, in the meter's words.
    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.refusal).take()
    }

    /// Whether it was.
    pub(super) fn has_refusal(&self) -> bool {
        lock(&self.refusal).is_some()
    }

    /// Whether the session still is, and FTP is on.
    fn goes_on(&self) -> std::result::Result<(), String> {
        self.login.upgrade().map_or_else(|| Err(ENDED.to_owned()), |login| login.goes_on(Service::Ftp))
    }

    fn refuse(&self, kind: ErrorKind, sentence: String) -> Error {
        *lock(&self.refusal) = Some(sentence);
        kind.into()
    }

    fn refused(&self, error: &FileError) -> Error {
        self.refuse(kind(error), error.to_string())
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refusal is to a client: for good, or worth another try.
pub(super) fn kind(error: &FileError) -> ErrorKind {
    match (error.failure(), error) {
        (Failure::Denied, _) => ErrorKind::PermissionDenied,
        (_, FileError::Gate(GateError::Document(DocumentError::Full(_) | DocumentError::TooMany))) => {
            ErrorKind::ExceededStorageAllocationError
        }
        (_, FileError::Gate(GateError::Document(DocumentError::Name | DocumentError::TooDeep))) => {
            ErrorKind::FileNameNotAllowedError
        }
        (_, FileError::Full | FileError::TooManyOpen | FileError::Overtaken)
        | (
            _,
            FileError::Gate(GateError::Store(_) | GateError::Document(DocumentError::Busy | DocumentError::Store(_))),
        ) => ErrorKind::LocalError,
        _ => ErrorKind::PermanentFileNotAvailable,
    }
}

/// The code that a kind of refusal has on the control connection, as the library has it.
pub(super) fn code(error: &FileError) -> u16 {
    if matches!(error, FileError::Beyond(_)) {
        return 554;
    }
    match kind(error) {
        ErrorKind::ExceededStorageAllocationError => 552,
        ErrorKind::FileNameNotAllowedError => 553,
        ErrorKind::LocalError => 451,
        _ => 550,
    }
}

/// What the library asks of a store of files.
pub(super) struct Shelf(Arc<Transaction>);

impl Shelf {
    pub(super) fn new(transaction: Arc<Transaction>) -> Self {
        Self(transaction)
    }

    /// Asks the tree off the network's threads: it may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Tree) -> std::result::Result<T, FileError> + Send + 'static,
    ) -> Result<T> {
        let transaction = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || question(&transaction.tree)).await {
            Ok(answer) => answer.map_err(|error| self.0.refused(&error)),
            Err(_) => Err(ErrorKind::LocalError.into()),
        }
    }

    async fn entries(&self, path: &Path) -> Result<Vec<Fileinfo<PathBuf, Meta>>> {
        let path = text(path);
        let of = |(name, stat): (String, Stat)| Fileinfo { path: PathBuf::from(name), metadata: Meta(stat) };
        Ok(self.ask(move |tree| tree.list(&path)).await?.into_iter().map(of).collect())
    }

    /// The entries of a directory; of a file, itself.
    async fn listing(&self, path: &Path) -> Result<Vec<Fileinfo<PathBuf, Meta>>> {
        let (asked, name) = (text(path), path.file_name().map(PathBuf::from));
        let stat = self.ask(move |tree| tree.stat(&asked)).await?;
        match (stat.kind, name) {
            (Kind::File, Some(path)) => Ok(vec![Fileinfo { path, metadata: Meta(stat) }]),
            _ => self.entries(path).await,
        }
    }
}

/// The guard makes paths of text alone.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

/// What there is to say of an entry.
#[derive(Debug)]
pub(super) struct Meta(Stat);

impl Metadata for Meta {
    fn len(&self) -> u64 {
        self.0.size
    }

    fn is_dir(&self) -> bool {
        self.0.kind == Kind::Directory
    }

    fn is_file(&self) -> bool {
        self.0.kind == Kind::File
    }

    fn is_symlink(&self) -> bool {
        false
    }

    fn modified(&self) -> Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.utc_ms.try_into().unwrap_or(0)))
    }

    fn gid(&self) -> u32 {
        0
    }

    fn uid(&self) -> u32 {
        0
    }

    fn permissions(&self) -> Permissions {
        let write = if self.0.writable { 0o200 } else { 0 };
        Permissions(write | if self.is_dir() { 0o555 } else { 0o444 })
    }
}

#[async_trait]
impl StorageBackend<DefaultUser> for Shelf {
    type Metadata = Meta;

    async fn metadata<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<Meta> {
        let path = text(path.as_ref());
        Ok(Meta(self.ask(move |tree| tree.stat(&path)).await?))
    }

    async fn list<P: AsRef<Path> + Send + fmt::Debug>(
        &self,
        _: &DefaultUser,
        path: P,
    ) -> Result<Vec<Fileinfo<PathBuf, Meta>>> {
        self.entries(path.as_ref()).await
    }

    async fn list_fmt<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<Cursor<Vec<u8>>> {
        let lines = self.listing(path.as_ref()).await?.into_iter().map(|entry| format!("{entry}\r\n"));
        Ok(Cursor::new(lines.collect::<String>().into_bytes()))
    }

    async fn list_vec<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<Vec<String>> {
        Ok(self.listing(path.as_ref()).await?.iter().map(ToString::to_string).collect())
    }

    async fn nlst<P: AsRef<Path> + Send + fmt::Debug>(
        &self,
        _: &DefaultUser,
        path: P,
    ) -> std::io::Result<Cursor<Vec<u8>>> {
        let entries = self.listing(path.as_ref()).await.map_err(std::io::Error::other)?;
        let names = entries.iter().map(|entry| format!("{}\r\n", entry.path.display()));
        Ok(Cursor::new(names.collect::<String>().into_bytes()))
    }

    async fn get_into<'a, P: AsRef<Path> + Send + fmt::Debug, W: AsyncWrite + Unpin + Sync + Send + ?Sized>(
        &self,
        _: &DefaultUser,
        _: P,
        _: u64,
        output: &'a mut W,
    ) -> Result<u64> {
        let opened = lock(&self.0.opened).take();
        let Some(Opened::Content { content, from }) = opened else { return Err(ErrorKind::LocalError.into()) };
        let mut offset = from;
        while !self.0.stopped.load(Ordering::Acquire) {
            self.0.goes_on().map_err(|sentence| self.0.refuse(ErrorKind::PermissionDenied, sentence))?;
            let from = Arc::clone(&content);
            let piece = self.ask(move |_| from.read(offset, PIECE)).await?;
            if piece.is_empty() {
                break;
            }
            output.write_all(&piece).await?;
            offset += piece.len() as u64;
        }
        Ok(offset - from)
    }

    /// The library takes the other road; there is one.
    async fn get<P: AsRef<Path> + Send + fmt::Debug>(
        &self,
        _: &DefaultUser,
        _: P,
        _: u64,
    ) -> Result<Box<dyn AsyncRead + Send + Sync + Unpin>> {
        Err(ErrorKind::CommandNotImplemented.into())
    }

    async fn put<P: AsRef<Path> + Send + fmt::Debug, R: AsyncRead + Send + Sync + Unpin + 'static>(
        &self,
        _: &DefaultUser,
        mut input: R,
        _: P,
        _: u64,
    ) -> Result<u64> {
        let opened = lock(&self.0.opened).take();
        let Some(Opened::Writing(upload)) = opened else { return Err(ErrorKind::LocalError.into()) };
        let mut offset = upload.from;
        loop {
            // Filled before it is written: a turn at the disk for each packet would be dear.
            let mut piece = Vec::with_capacity(PIECE);
            let mut ended = false;
            while !ended && piece.len() < PIECE {
                // What breaks off is an end as well; whether it is a whole file's the guard knows.
                let room = PIECE - piece.len();
                ended = (&mut input).take(room as u64).read_buf(&mut piece).await.unwrap_or(0) == 0;
            }
            self.0.goes_on().map_err(|sentence| self.0.refuse(ErrorKind::PermissionDenied, sentence))?;
            let count = piece.len() as u64;
            let writing = Arc::clone(&upload.writing);
            self.ask(move |_| writing.write_at(offset, &piece)).await?;
            offset += count;
            if ended {
                break;
            }
        }
        let is_whole = self.0.whole.load(Ordering::Acquire);
        let received = offset - upload.from;
        if is_whole || (upload.part_is_kept && received > 0) {
            let writing = Arc::clone(&upload.writing);
            self.ask(move |tree| tree.close(&writing)).await?;
        }
        if is_whole { Ok(received) } else { Err(ErrorKind::ConnectionClosed.into()) }
    }

    async fn del<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<()> {
        let path = text(path.as_ref());
        self.ask(move |tree| tree.remove(&path)).await
    }

    async fn mkd<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<()> {
        let path = text(path.as_ref());
        self.ask(move |tree| tree.make_dir(&path)).await
    }

    async fn rename<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, from: P, to: P) -> Result<()> {
        let (from, to) = (text(from.as_ref()), text(to.as_ref()));
        self.ask(move |tree| tree.rename(&from, &to, false)).await
    }

    async fn rmd<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<()> {
        let path = text(path.as_ref());
        self.ask(move |tree| tree.remove_dir(&path)).await
    }

    async fn cwd<P: AsRef<Path> + Send + fmt::Debug>(&self, _: &DefaultUser, path: P) -> Result<()> {
        let path = text(path.as_ref());
        self.ask(move |tree| match tree.stat(&path)?.kind {
            Kind::Directory => Ok(()),
            Kind::File => Err(FileError::NotDirectory(path)),
        })
        .await
    }
}
