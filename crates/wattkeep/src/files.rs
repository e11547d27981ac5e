//! Small files, read as a whole and never beyond a bound; big ones are read piece by piece elsewhere.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

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
