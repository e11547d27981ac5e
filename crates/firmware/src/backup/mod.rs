//! Backups (`.wkb`): all that a meter has been set to and has measured, in one file of JSON lines in a fixed order, the
//! last of which is a digest over all of them. docs/backup.md has the form.
//!
//! There are two forms of one format. A *secret-free* backup holds no password, hash or key; a *sealed* one has one line
//! more, which only its passphrase opens and which vouches for all the others. Reading is bounded by the line, whatever
//! the file says of itself, and nothing that a file holds is acted on here.

mod parts;
mod plan;
mod read;
mod secrets;
mod write;

pub use parts::{
    BackedUpDocument, Ending, Form, Head, LogPart, LoggedEvent, Part, RecordPart, RecordingPart, SealedPart,
};
pub use plan::{LineKind, RestoreLine, RestorePlan, Source};
pub use read::{BackupError, Reader};
pub use secrets::{Secrets, SecretsError};
pub use write::Writer;

/// The only format there is so far. A reader refuses newer ones; a change that older readers can't ignore takes the
/// next number.
pub const FORMAT: u32 = 1;
/// How a backup begins: by this a file is known, before anything of it is parsed.
pub const MAGIC: &[u8] = b"{\"backup\":{\"format\":";
/// What backups are called.
pub const EXTENSION: &str = "wkb";
/// A backup is at most this long: the recorders as shipped, all epochs full, and a full log are some 40 MB.
pub const MAX_BACKUP_BYTES: u64 = 128 * 1024 * 1024;
/// A line is at most this long: settings are the longest, and a full template is about 200 kB.
pub const MAX_LINE: usize = 2 * 1024 * 1024;
/// Recordings in a backup: sixteen recorders with nine epochs each, and room.
pub const MAX_RECORDINGS: usize = 256;
/// Records in a backup, the newest: of sixteen values each they are some 100 MB.
pub const MAX_RECORDS: u64 = 250_000;
/// Documents that are named in one.
pub const MAX_DOCUMENTS: usize = 256;

#[cfg(test)]
mod tests;
