//! What OpenSSH has added to version 3 and clients look for: limits, renaming that replaces, syncing, room on the disk,
//! `~` in paths. (PROTOCOL, section 4, of OpenSSH.) Others are refused as not supported.

use bytes::Bytes;
use meter::DocumentSpace;
use russh_sftp::extensions::{EXPAND_PATH, FSYNC, LIMITS, LimitsExtension, STATVFS, Statvfs};
use russh_sftp::protocol::{Extended, ExtendedReply, FileAttributes, Packet};
use serde::{Deserialize, Serialize};

use super::answer::{No, done};
use super::session::Session;
use super::{MAX_DATA, MAX_FILES, MAX_PACKET};

const POSIX_RENAME: &str = "posix-rename@openssh.com";
const FSTATVFS: &str = "fstatvfs@openssh.com";
const LSETSTAT: &str = "lsetstat@openssh.com";

/// What is told at the beginning: name and version.
pub(super) const OFFERED: [(&str, &str); 7] = [
    (LIMITS, "1"),
    (POSIX_RENAME, "1"),
    (FSYNC, "1"),
    (STATVFS, "2"),
    (FSTATVFS, "2"),
    (LSETSTAT, "1"),
    (EXPAND_PATH, "1"),
];

/// Room is told in pieces of this size.
const BLOCK: u64 = 4096;
/// Nothing here can run as somebody else: ST_NOSUID.
const NO_SETUID: u64 = 2;

#[derive(Deserialize)]
struct One {
    text: String,
}

#[derive(Deserialize)]
struct Two {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Attributed {
    path: String,
    attrs: FileAttributes,
}

impl Session {
    pub(super) async fn extended(&mut self, id: u32, extended: Extended) -> Result<Packet, No> {
        let data = extended.data;
        match extended.request.as_str() {
            LIMITS => {
                let limits = LimitsExtension {
                    max_packet_len: MAX_PACKET.into(),
                    max_read_len: MAX_DATA.into(),
                    max_write_len: MAX_DATA.into(),
                    max_open_handles: MAX_FILES as u64,
                };
                reply(id, &limits)
            }
            POSIX_RENAME => {
                let Two { from, to } = read(data)?;
                self.ask(move |tree| tree.rename(&from, &to, true)).await?;
                Ok(done(id))
            }
            FSYNC => {
                let One { text } = read(data)?;
                self.sync(id, &text).await
            }
            STATVFS => {
                let One { text } = read(data)?;
                reply(id, &statvfs(self.ask(move |tree| tree.stat(&text).and_then(|_| tree.space())).await?))
            }
            FSTATVFS => {
                let One { text } = read(data)?;
                self.held(&text)?;
                reply(id, &statvfs(self.ask(|tree| tree.space()).await?))
            }
            LSETSTAT => {
                let Attributed { path, attrs } = read(data)?;
                self.set(id, path, &attrs).await
            }
            EXPAND_PATH => {
                let One { text } = read(data)?;
                // Everybody is at home at the root.
                let path = match text.strip_prefix('~').map(|rest| rest.split_once('/')) {
                    Some(Some((_, below))) => below,
                    Some(None) => "",
                    None => &text,
                };
                self.real_path(id, path)
            }
            _ => Err(No::unsupported()),
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(data: Vec<u8>) -> Result<T, No> {
    russh_sftp::de::from_bytes(&mut Bytes::from(data)).map_err(|_| No::failure("this request can't be read"))
}

fn reply(id: u32, answer: &impl Serialize) -> Result<Packet, No> {
    let data = russh_sftp::ser::to_bytes(answer).map_err(|error| No::failure(error.to_string()))?;
    Ok(ExtendedReply { id, data: data.into() }.into())
}

fn statvfs(space: DocumentSpace) -> Statvfs {
    let free = space.bytes.saturating_sub(space.used_bytes) / BLOCK;
    let entries = space.entries.saturating_sub(space.used_entries) as u64;
    Statvfs {
        block_size: BLOCK,
        fragment_size: BLOCK,
        blocks: space.bytes / BLOCK,
        blocks_free: free,
        blocks_avail: free,
        inodes: space.entries as u64,
        inodes_free: entries,
        inodes_avail: entries,
        fs_id: 0,
        flags: NO_SETUID,
        name_max: meter::MAX_DOCUMENT_NAME as u64,
    }
}
