//! A file that is written piece by piece and has its name only when it is whole and on the disk. One that is there
//! already is never replaced; one that isn't finished is gone. Whatever this program writes is written here.

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

/// A file that isn't whole yet. Its name is taken meanwhile, by an empty file.
pub struct NewFile {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    whole: bool,
}

/// Writes a small file at once.
///
/// # Errors
/// If it is there already or can't be written.
pub fn write(path: &Path, bytes: &[u8], whom: For) -> Result<(), Failure> {
    NewFile::create(path, whom)?.finish_with(bytes)
}

impl NewFile {
    /// Takes the name.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn create(path: &Path, whom: For) -> Result<Self, Failure> {
        let unwritable = |error| Failure::Write(path.to_owned(), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(whom.mode());
        options.open(path).map_err(unwritable)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let unfinished = PathBuf::from(name);
        let file = options.open(&unfinished).map_err(|error| {
            let _ = fs::remove_file(path);
            unwritable(error)
        })?;
        Ok(Self { path: path.to_owned(), unfinished, file, whole: false })
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
    /// If it can't be seen onto the disk; it is gone then.
    pub fn finish(mut self) -> Result<(), Failure> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let done = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.unfinished, &self.path))
            .and_then(|()| File::open(parent)?.sync_all());
        self.whole = done.is_ok();
        done.map_err(|error| Failure::Write(self.path.clone(), error))
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
        if !self.whole {
            // Whoever runs out of disk here can't do better.
            let _ = fs::remove_file(&self.unfinished);
            let _ = fs::remove_file(&self.path);
        }
    }
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
    fn what_is_for_its_owner_is_so_from_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = dir.path().join("secret");
        let file = NewFile::create(&path, For::Owner).unwrap();
        assert_eq!((mode(&file.path), mode(&file.unfinished)), (0o600, 0o600));
        file.finish().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
