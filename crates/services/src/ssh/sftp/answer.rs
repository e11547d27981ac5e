//! Answers: a status with its sentence, a file's attributes, a directory's entries.

use russh_sftp::protocol::{File, FileAttributes, FileMode, Packet, Status, StatusCode};

use crate::files::{Failure, FileError, Kind, Stat};

/// Why a request is refused: code and sentence.
pub(super) struct No(pub StatusCode, pub String);

impl No {
    pub(super) fn failure(sentence: impl Into<String>) -> Self {
        Self(StatusCode::Failure, sentence.into())
    }

    pub(super) fn unsupported() -> Self {
        Self(StatusCode::OpUnsupported, "this meter's SFTP doesn't do that".to_owned())
    }
}

impl From<FileError> for No {
    fn from(error: FileError) -> Self {
        let code = match error.failure() {
            Failure::NotThere => StatusCode::NoSuchFile,
            Failure::Denied => StatusCode::PermissionDenied,
            Failure::Failed => StatusCode::Failure,
        };
        Self(code, error.to_string())
    }
}

pub(super) fn status(id: u32, code: StatusCode, sentence: &str) -> Packet {
    Packet::Status(Status { id, status_code: code, error_message: sentence.to_owned(), language_tag: "en".to_owned() })
}

pub(super) fn done(id: u32) -> Packet {
    status(id, StatusCode::Ok, "done")
}

pub(super) fn end(id: u32) -> Packet {
    status(id, StatusCode::Eof, "end of file")
}

/// An entry of a directory.
pub(super) fn entry(name: &str, stat: Stat) -> File {
    File::new(name, attributes(stat))
}

pub(super) fn attributes(stat: Stat) -> FileAttributes {
    let (mode, permissions) = match (stat.kind, stat.writable) {
        (Kind::Directory, false) => (FileMode::DIR, 0o555),
        (Kind::Directory, true) => (FileMode::DIR, 0o755),
        (Kind::File, false) => (FileMode::REG, 0o444),
        (Kind::File, true) => (FileMode::REG, 0o644),
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
