//! Watching what a thread does to a directory, by standing between the program and the C library: the functions
//! below have the names of the library's, so that Rust's own and SQLite's calls come here, are done by the library,
//! and are noted. Watching is per thread; calls of other threads, and on other files, pass by.
//!
//! The functions that take a variable number of arguments are written with all that they may take, which is the same
//! to the caller on Linux for x86-64 and AArch64. Nothing here is part of any program but the laboratory's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libc::{AT_FDCWD, c_char, c_int, c_void, iovec, mode_t, off_t, size_t, ssize_t};

use crate::op::{Entry, Node, Op, Trace};

/// Whether syncs of the watched thread reach the real disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// They are noted and done.
    Done,
    /// They are noted: the disk is a simulated one anyway.
    Noted,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

struct Watch {
    root: PathBuf,
    trace: Trace,
    /// By the file system's own number. It is given again when a file is gone, so a new file overwrites.
    nodes: HashMap<u64, Node>,
    directories: HashMap<u64, String>,
    next: u32,
    syncs: Syncs,
}

/// Watches what this thread does below a directory until [`finish`].
pub fn begin(root: &Path, syncs: Syncs) {
    let mut watch = Watch {
        root: root.to_owned(),
        trace: Trace::default(),
        nodes: HashMap::new(),
        directories: HashMap::new(),
        next: 0,
        syncs,
    };
    watch.survey("");
    WATCH.set(Some(watch));
}

/// What has been done so far.
pub fn done() -> usize {
    WATCH.with_borrow(|watch| watch.as_ref().map_or(0, |watch| watch.trace.ops.len()))
}

/// Ends watching and gives what was seen.
pub fn finish() -> Trace {
    WATCH.take().map_or_else(Trace::default, |watch| watch.trace)
}

impl Watch {
    fn survey(&mut self, dir: &str) {
        let real = self.root.join(dir);
        let number = std::fs::metadata(&real).expect("the watched directory is there").ino();
        self.directories.insert(number, dir.to_owned());
        let mut entries: Vec<_> = std::fs::read_dir(&real).expect("it can be listed").map(Result::unwrap).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            if entry.file_type().expect("it has a type").is_dir() {
                self.trace.names.insert(path.clone(), Entry::Directory);
                self.survey(&path);
            } else {
                let node = self.new_node(entry.metadata().expect("it is there").ino());
                let content = std::fs::read(entry.path()).expect("it can be read");
                self.trace.contents.insert(node, Arc::new(content));
                self.trace.names.insert(path, Entry::File(node));
            }
        }
    }

    fn new_node(&mut self, number: u64) -> Node {
        let node = Node(self.next);
        self.next += 1;
        self.nodes.insert(number, node);
        node
    }

    /// A path below the watched directory, relative to it.
    fn below(&self, path: &Path) -> Option<String> {
        Some(path.strip_prefix(&self.root).ok()?.to_string_lossy().into_owned())
    }

    fn note(&mut self, op: Op) {
        self.trace.ops.push(op);
    }
}

/// Runs with the watch, if this thread has one. Never re-enters: what the watch itself does isn't noted.
fn watching<T>(look: impl FnOnce(&mut Watch) -> Option<T>) -> Option<T> {
    WATCH.try_with(|watch| look(watch.try_borrow_mut().ok()?.as_mut()?)).ok()?
}

fn number_of(fd: c_int) -> Option<(u64, bool)> {
    // SAFETY: `fstat` fills the structure it is given, which is valid as all zeros.
    let (failed, found) = unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &mut found), found)
    };
    (failed == 0).then_some((found.st_ino, found.st_mode & libc::S_IFMT == libc::S_IFDIR))
}

/// The C library's own function.
macro_rules! real {
    ($name:literal as fn($($argument:ty),*) -> $result:ty) => {{
        static FOUND: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let found = *FOUND.get_or_init(|| {
            // SAFETY: the name is a C string; the next object after this one that has it is the C library.
            unsafe { libc::dlsym(libc::RTLD_NEXT, concat!($name, "\0").as_ptr().cast()) as usize }
        });
        assert!(found != 0, concat!("the C library has no ", $name));
        // SAFETY: the C library's function of this name has this signature.
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn($($argument),*) -> $result>(found) }
    }};
}

/// # Safety
/// `path` is a C string or null.
unsafe fn path_of(path: *const c_char) -> Option<PathBuf> {
    if path.is_null() {
        return None;
    }
    // SAFETY: it isn't null, and the caller vouches for the rest.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// Opens, and notes what that made or cut off.
///
/// # Safety
/// As the C library's `open`.
unsafe fn opened(path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the caller gives what `open` takes.
    let path = unsafe { path_of(path) };
    let before = watching(|watch| {
        let path = path.as_deref()?;
        Some((watch.below(path)?, exists(path)))
    });
    let fd = open();
    if let (Some((path, there)), true) = (before, fd >= 0)
        && let Some((number, directory)) = number_of(fd)
    {
        watching(|watch| {
            if directory {
                watch.directories.insert(number, path);
            } else if !there {
                let node = watch.new_node(number);
                watch.note(Op::Create { path, node });
            } else if flags & libc::O_TRUNC != 0 {
                let node = *watch.nodes.get(&number)?;
                watch.note(Op::Truncate { node, length: 0 });
            }
            Some(())
        });
    }
    fd
}

fn exists(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: `path` is a C string, and `lstat` fills what it is given.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        libc::lstat(path.as_ptr(), &mut found) == 0
    }
}

/// Notes bytes written to a file at an offset.
///
/// # Safety
/// `bytes` has `count` bytes.
unsafe fn wrote(fd: c_int, bytes: *const c_void, count: ssize_t, offset: Option<off_t>) {
    let Ok(length) = usize::try_from(count) else { return };
    if length == 0 {
        return;
    }
    watching(|watch| {
        let node = *watch.nodes.get(&number_of(fd)?.0)?;
        let offset = offset.unwrap_or_else(|| {
            // SAFETY: asks where the file stands, which is behind what was written.
            unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) - length as off_t }
        });
        // SAFETY: the caller vouches for it.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
        watch.note(Op::Write { node, offset: offset as u64, bytes: Arc::from(bytes) });
        Some(())
    });
}

fn synced(fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    let noted = watching(|watch| {
        let (number, directory) = number_of(fd)?;
        let op = if directory {
            Op::SyncDir { path: watch.directories.get(&number)?.clone() }
        } else {
            Op::SyncFile { node: *watch.nodes.get(&number)? }
        };
        watch.note(op);
        Some(watch.syncs)
    });
    if noted == Some(Syncs::Noted) { 0 } else { sync() }
}

fn cut(fd: c_int, length: off_t) {
    watching(|watch| {
        let node = *watch.nodes.get(&number_of(fd)?.0)?;
        watch.note(Op::Truncate { node, length: length as u64 });
        Some(())
    });
}

/// # Safety
/// `path` is a C string.
unsafe fn named(path: *const c_char, succeeded: bool, op: impl FnOnce(String) -> Op) {
    // SAFETY: the caller vouches for it.
    let Some(path) = (unsafe { path_of(path) }).filter(|_| succeeded) else { return };
    watching(|watch| {
        let below = watch.below(&path)?;
        let op = op(below);
        if let Op::MakeDir { path: dir } = &op {
            watch.directories.insert(std::fs::metadata(&path).ok()?.ino(), dir.clone());
        }
        watch.note(op);
        Some(())
    });
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let real = real!("open" as fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: passed on as it came.
    unsafe { opened(path, flags, || real(path, flags, mode)) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let real = real!("open64" as fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: passed on as it came.
    unsafe { opened(path, flags, || real(path, flags, mode)) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    let real = real!("write" as fn(c_int, *const c_void, size_t) -> ssize_t);
    // SAFETY: passed on as it came; what was written is part of what was given.
    unsafe {
        let written = real(fd, bytes, count);
        wrote(fd, bytes, written, None);
        written
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    let real = real!("writev" as fn(c_int, *const iovec, c_int) -> ssize_t);
    let watched = watching(|watch| watch.nodes.get(&number_of(fd)?.0).copied()).is_some();
    assert!(!watched, "the laboratory doesn't know writev on a watched file: teach it");
    // SAFETY: passed on as it came.
    unsafe { real(fd, pieces, count) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    let real = real!("pwrite" as fn(c_int, *const c_void, size_t, off_t) -> ssize_t);
    // SAFETY: passed on as it came; what was written is part of what was given.
    unsafe {
        let written = real(fd, bytes, count, offset);
        wrote(fd, bytes, written, Some(offset));
        written
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    let real = real!("pwrite64" as fn(c_int, *const c_void, size_t, off_t) -> ssize_t);
    // SAFETY: passed on as it came; what was written is part of what was given.
    unsafe {
        let written = real(fd, bytes, count, offset);
        wrote(fd, bytes, written, Some(offset));
        written
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    let real = real!("ftruncate" as fn(c_int, off_t) -> c_int);
    // SAFETY: passed on as it came.
    let failed = unsafe { real(fd, length) };
    if failed == 0 {
        cut(fd, length);
    }
    failed
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    let real = real!("ftruncate64" as fn(c_int, off_t) -> c_int);
    // SAFETY: passed on as it came.
    let failed = unsafe { real(fd, length) };
    if failed == 0 {
        cut(fd, length);
    }
    failed
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    let real = real!("fsync" as fn(c_int) -> c_int);
    // SAFETY: passed on as it came.
    synced(fd, || unsafe { real(fd) })
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    let real = real!("fdatasync" as fn(c_int) -> c_int);
    // SAFETY: passed on as it came.
    synced(fd, || unsafe { real(fd) })
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!("rename" as fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: passed on as they came; both are C strings.
    unsafe {
        let failed = real(from, to);
        let below = watching(|watch| watch.below(&path_of(from)?));
        if let Some(from) = below {
            named(to, failed == 0, |to| Op::Rename { from, to });
        }
        failed
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = real!("unlink" as fn(*const c_char) -> c_int);
    // SAFETY: passed on as it came; it is a C string.
    unsafe {
        let failed = real(path);
        named(path, failed == 0, |path| Op::Remove { path });
        failed
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = real!("unlinkat" as fn(c_int, *const c_char, c_int) -> c_int);
    // SAFETY: passed on as it came; it is a C string.
    unsafe {
        let failed = real(at, path, flags);
        if at == AT_FDCWD {
            named(path, failed == 0, |path| Op::Remove { path });
        }
        failed
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let real = real!("mkdir" as fn(*const c_char, mode_t) -> c_int);
    // SAFETY: passed on as it came; it is a C string.
    unsafe {
        let failed = real(path, mode);
        named(path, failed == 0, |path| Op::MakeDir { path });
        failed
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let real = real!("rmdir" as fn(*const c_char) -> c_int);
    // SAFETY: passed on as it came; it is a C string.
    unsafe {
        let failed = real(path);
        named(path, failed == 0, |path| Op::RemoveDir { path });
        failed
    }
}
