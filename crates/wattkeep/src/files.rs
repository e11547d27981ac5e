//! Small files, read as a whole and never beyond a bound; big ones are read piece by piece elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file of at most `max` bytes, `what` being what it is taken for.
///
/// # Errors
/// If it can't be read or is longer.
pub fn read(path: &Path, what: &'static str, max: usize) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::Read(path.to_owned(), error);
    let mut bytes = Vec::new();
    let one_more = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(unreadable)?.take(one_more).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > max {
        return Err(Failure::TooLong { path: path.to_owned(), what, max });
    }
    Ok(bytes)
}

/// A text file of at most `max` bytes.
///
/// # Errors
/// As [`read`], or if it isn't UTF-8.
pub fn read_text(path: &Path, what: &'static str, max: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, what, max)?).map_err(|_| Failure::NotText(path.to_owned()))
}

/// Whether a new file is for its owner alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Mode 0600 from its first byte on.
    Owner,
    /// As the user's umask has it.
    Everyone,
}

/// Writes a file that mustn't be there yet, and sees it on the disk.
///
/// # Errors
/// If it is there already or can't be written.
pub fn write_new(path: &Path, bytes: &[u8], whom: For) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if whom == For::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Failure::Write(path.to_owned(), error))
}

/// A new file that something will be written to later. Dropped before that, it is gone again.
pub struct Reserved {
    path: PathBuf,
    file: Option<File>,
}

impl Reserved {
    /// Makes it.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|error| Failure::Write(path.to_owned(), error))?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    /// Writes it, and sees it on the disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|error| Failure::Write(self.path.clone(), error))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // An empty file is left at worst.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The names of the files in a folder, sorted; folders and names that aren't UTF-8 are left out.
///
/// # Errors
/// If the folder can't be read.
pub fn names_in(folder: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |error| Failure::Read(folder.to_owned(), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}
