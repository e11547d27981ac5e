//! A file that is written piece by piece beside its name and has its name only when it is whole and on the disk. One that
//! is there already is never replaced, and one that fails is gone. Whatever this program writes is written here.
//!
//! Nothing is tidied up after ^C or kill: they leave `NAME.PID.tmp` beside, at most. It stands in nobody's way and may be
//! deleted; under the name there is the whole file or nothing. On a file system without hard links that moment is not
//! one: a kill in it leaves an empty file under the name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Its owner alone, from its first byte on.
    Owner,
    /// Whom the user's umask lets.
    Everyone,
}

impl For {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o666,
        }
    }
}

/// Files that killed processes of the same number may have left beside one name.
const MOST_LEFT: u32 = 100;

/// A file that isn't whole yet and hasn't its name yet.
pub struct NewFile {
    path: PathBuf,
    folder: File,
    unfinished: PathBuf,
    file: File,
}

/// Writes a small file at once.
///
/// # Errors
/// If it is there already or can't be written.
pub fn write(path: &Path, bytes: &[u8], whom: For) -> Result<(), Failure> {
    NewFile::create(path, whom)?.finish_with(bytes)
}

impl NewFile {
    /// Begins one. What could stand in the way of its name later is found now: that there is a file of this name, or a
    /// folder that can't be written.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn create(path: &Path, whom: For) -> Result<Self, Failure> {
        let unwritable = |error| Failure::Write(path.to_owned(), error);
        match fs::symlink_metadata(path) {
            Ok(_) => return Err(unwritable(io::ErrorKind::AlreadyExists.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(error)),
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = File::open(parent).map_err(unwritable)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(whom.mode());
        let mut number = 0;
        loop {
            let unfinished = beside(path, number);
            match options.open(&unfinished) {
                Ok(file) => return Ok(Self { path: path.to_owned(), folder, unfinished, file }),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unwritable(error)),
                Err(error) if number == MOST_LEFT => return Err(Failure::Write(unfinished, error)),
                Err(_) => number += 1,
            }
        }
    }

    /// Writes on.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// What has been written, to be read from its start.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn reopened(&self) -> io::Result<File> {
        File::open(&self.unfinished)
    }

    /// It is whole: on the disk under its name when this returns.
    ///
    /// # Errors
    /// If something else has the name meanwhile, or it can't be seen onto the disk; it is gone then.
    pub fn finish(self) -> Result<(), Failure> {
        self.finish_by(|unfinished, path| fs::hard_link(unfinished, path))
    }

    fn finish_by(self, link: impl FnOnce(&Path, &Path) -> io::Result<()>) -> Result<(), Failure> {
        let named = self.file.sync_all().and_then(|()| self.take_name(link));
        let done = named.and_then(|()| {
            self.folder.sync_all().inspect_err(|_| {
                let _ = fs::remove_file(&self.path);
            })
        });
        done.map_err(|error| Failure::Write(self.path.clone(), error))
    }

    /// Gives it its name, which a second link does in one step and never in place of anything.
    fn take_name(&self, link: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
        let Self { path, unfinished, .. } = self;
        match link(unfinished, path) {
            Ok(()) => {
                // The file stands; what is left of the other name is in nobody's way.
                let _ = fs::remove_file(unfinished);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // There are no links here (FAT, some file systems of networks): an empty file takes the name, a rename puts
            // the whole one in its place.
            Err(_) => {
                OpenOptions::new().write(true).create_new(true).open(path)?;
                fs::rename(unfinished, path).inspect_err(|_| {
                    let _ = fs::remove_file(path);
                })
            }
        }
    }

    /// These bytes make it whole.
    ///
    /// # Errors
    /// If they can't be written or seen onto the disk; it is gone then.
    pub fn finish_with(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write(bytes).map_err(|error| Failure::Write(self.path.clone(), error))?;
        self.finish()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // One that has its name has no other any more; whoever runs out of disk here can't do better.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// What a file is called until it has its name.
fn beside(path: &Path, number: u32) -> PathBuf {
    let again = if number == 0 { String::new() } else { format!("-{number}") };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}{again}.tmp", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_whole_or_gone_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wkb");
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let mut file = NewFile::create(&path, For::Everyone).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(names(), 0);
        let mut file = NewFile::create(&path, For::Everyone).unwrap();
        file.write(b"wh").unwrap();
        file.finish_with(b"ole").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), names()), (&b"whole"[..], 1));
        for refused in [NewFile::create(&path, For::Owner).err(), write(&path, b"other", For::Owner).err()] {
            let refused = refused.unwrap().to_string();
            assert!(refused.contains("it is there already"), "{refused}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_killed_process_leaves_nothing_under_the_name_and_nothing_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        for killed in 1..=2 {
            let mut file = NewFile::create(&path, For::Owner).unwrap();
            file.write(b"half").unwrap();
            std::mem::forget(file);
            assert_eq!((path.exists(), fs::read_dir(dir.path()).unwrap().count()), (false, killed));
        }
        write(&path, b"whole", For::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn what_has_the_name_meanwhile_keeps_it_with_links_and_without() {
        let no_links = |_: &Path, _: &Path| Err(io::ErrorKind::Unsupported.into());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let [mut first, second, third] = [(); 3].map(|()| NewFile::create(&path, For::Owner).unwrap());
        first.write(b"first").unwrap();
        first.finish_by(no_links).unwrap();
        for refused in [second.finish(), third.finish_by(no_links)] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("it is there already"), "{refused}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_for_its_owner_is_so_from_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = dir.path().join("secret");
        let file = NewFile::create(&path, For::Owner).unwrap();
        assert_eq!(mode(&file.unfinished), 0o600);
        file.finish().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
