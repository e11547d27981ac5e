//! A file that is written piece by piece, for its owner alone, and has its name only when it is whole and on the disk.
//! One that is there already is never replaced; one that isn't finished is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Only its owner reads and writes it.
const MODE: u32 = 0o600;

/// A file that isn't whole yet. Its name is taken meanwhile, by an empty file.
pub struct NewFile {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    whole: bool,
}

impl NewFile {
    /// Takes the name.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let unwritable = |error| Failure::Write(path.to_owned(), error);
        let create = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path);
        create(path).map_err(unwritable)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let unfinished = PathBuf::from(name);
        let file = create(&unfinished).map_err(|error| {
            let _ = fs::remove_file(path);
            unwritable(error)
        })?;
        Ok(Self { path: path.to_owned(), unfinished, file, whole: false })
    }

    /// Writes on.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// What has been written, to be read from its start.
    pub fn reopened(&self) -> io::Result<File> {
        File::open(&self.unfinished)
    }

    /// It is whole: on the disk under its name when this returns.
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
    fn a_file_is_private_whole_or_gone_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wkb");
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let mut file = NewFile::create(&path).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(names(), 0);
        let mut file = NewFile::create(&path).unwrap();
        file.write(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), names()), (&b"whole"[..], 1));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = NewFile::create(&path).err().unwrap().to_string();
        assert!(refused.contains("it is there already"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
