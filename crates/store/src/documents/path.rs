//! Where documents lie: names that every client's system can write down, so many below one another.

use super::DocumentError;

/// How deep they lie: three directories and a file.
pub const MAX_DOCUMENT_DEPTH: usize = 4;
/// Longest name of a document or directory, in bytes: every file system takes it, with a suffix too.
pub const MAX_DOCUMENT_NAME: usize = 128;
/// Where a document lies, as the names from `documents/` on; none for `documents/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DocumentPath(pub(super) Vec<String>);

impl DocumentPath {
    /// Takes names separated by single slashes; empty is `documents/` itself.
    pub fn parse(path: &str) -> Result<Self, DocumentError> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let names: Vec<String> = path.split('/').take(MAX_DOCUMENT_DEPTH + 1).map(str::to_owned).collect();
        if !names.iter().all(|name| may_be_called(name)) {
            return Err(DocumentError::Name);
        }
        if names.len() > MAX_DOCUMENT_DEPTH { Err(DocumentError::TooDeep) } else { Ok(Self(names)) }
    }

    /// Whether this is `documents/` itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Whether a document may have a name: text that every client's system can write down.
pub(super) fn may_be_called(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | char::REPLACEMENT_CHARACTER);
    !matches!(name, "" | "." | "..") && name.len() <= MAX_DOCUMENT_NAME && !name.contains(odd)
}
