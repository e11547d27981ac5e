//! What a path of the tree means: one of its own directories or files, something among the documents, a package.

use meter::{DocumentError, DocumentPath, MAX_DOCUMENT_NAME};

use super::made::Made;
use super::{FileError, normalise, shown};

/// A directory that is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    Root,
    Logs,
    Comtrade,
    Web,
    Config,
    Upgrade,
}

impl Directory {
    /// Those below the root. The documents' is one of theirs.
    pub(super) const BELOW: [Self; 5] = [Self::Comtrade, Self::Config, Self::Logs, Self::Upgrade, Self::Web];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Logs => "/logs",
            Self::Comtrade => "/COMTRADE",
            Self::Web => "/web",
            Self::Config => "/config",
            Self::Upgrade => UPGRADE,
        }
    }
}

/// Where documents are.
pub(super) const DOCUMENTS: &str = "/documents";
/// Where packages are put.
const UPGRADE: &str = "/upgrade";

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Directory(Directory),
    Made(Made),
    Document(DocumentPath),
    Package(String),
}

impl Place {
    /// What a path means; nothing where no file could have it.
    pub(super) fn of(path: &str) -> Result<(Self, String), FileError> {
        let nothing = || FileError::NotThere(shown(path));
        let path = normalise(path).ok_or_else(nothing)?;
        let place = if let Some(below) = below(&path, DOCUMENTS) {
            match DocumentPath::parse(below) {
                Ok(path) => Self::Document(path),
                Err(error @ (DocumentError::Name | DocumentError::TooDeep)) => return Err(error.into()),
                Err(_) => return Err(nothing()),
            }
        } else if let Some(name) = below(&path, UPGRADE).filter(|name| !name.is_empty()) {
            if name.contains(['/', '\\']) || name.len() > MAX_DOCUMENT_NAME {
                return Err(nothing());
            }
            Self::Package(name.to_owned())
        } else if let Some(made) = Made::at(&path) {
            Self::Made(made)
        } else {
            let known = [Directory::Root].into_iter().chain(Directory::BELOW);
            Self::Directory(known.into_iter().find(|known| known.path() == path).ok_or_else(nothing)?)
        };
        Ok((place, path))
    }
}

/// What lies below a directory, or is it.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    match path.strip_prefix(directory)? {
        "" => Some(""),
        below => below.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing_or_nothing() {
        let document = |path: &str| Place::Document(DocumentPath::parse(path).unwrap());
        let cases = [
            ("", Place::Directory(Directory::Root)),
            ("/web/../logs/", Place::Directory(Directory::Logs)),
            ("config/template.dcf", Place::Made(Made::Template)),
            ("/documents", document("")),
            ("/documents/a/../b.txt", document("b.txt")),
            ("upgrade/4.40.1.upg", Place::Package("4.40.1.upg".to_owned())),
        ];
        for (path, expected) in cases {
            assert_eq!(Place::of(path).unwrap().0, expected, "{path}");
        }
        let long = format!("/upgrade/{}", "n".repeat(200));
        for nothing in ["/document", "/documentsx/a", "/upgrade/a/b", "/upgrade/a\\b", "/logs/x", "/LOGS", "a\0", &long]
        {
            assert!(matches!(Place::of(nothing), Err(FileError::NotThere(_))), "{nothing:?}");
        }
        assert!(matches!(Place::of("/documents/a\\b"), Err(FileError::Gate(_))), "it says what names are like");
    }
}
