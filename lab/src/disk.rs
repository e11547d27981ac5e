//! A disk that may lose what wasn't synced. It is fed a recording, operation by operation, and knows at each moment
//! what is on the plates and what only waits; a *state* is what somebody would find who came back after the power
//! had gone: what is on the plates, and of what waits any part in any order.
//!
//! It is stricter than common file systems: a new name is not on the disk until its directory has been synced, and a
//! rename between two directories not until both have.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::op::{Entry, Node, Op, Trace, parent};

/// What a disk writes at once or not at all, in bytes.
pub const SECTOR: u64 = 512;
/// What is found in a sector that was being written when the power went, where a write isn't powersafe.
const GARBAGE: u8 = 0xA5;

/// Names and contents.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    names: BTreeMap<String, Entry>,
    contents: BTreeMap<Node, Arc<Content>>,
}

/// A file's bytes, with their digest once somebody has asked for it. Disks share what they haven't changed.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    digest: OnceLock<[u8; 32]>,
}

impl Clone for Content {
    /// To be changed.
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), digest: OnceLock::new() }
    }
}

impl Content {
    fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| Sha256::digest(&self.bytes).into())
    }
}

/// What becomes of a write that was under way or waiting when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Its first bytes alone.
    First(u64),
    /// All but its first bytes.
    AllBut(u64),
    /// Each sector as a coin falls.
    Sectors(u64),
    /// The file has become longer, but what was written isn't there: zeros are.
    Zeros,
}

/// What of a sector that a torn write touches only in part is lost besides what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sectors {
    /// Nothing: bytes that aren't written are safe (SQLite's "powersafe overwrite").
    Powersafe,
    /// All of it.
    Lost,
}

impl Disk {
    /// What was there when a recording began.
    pub fn of(trace: &Trace) -> Self {
        let content = |bytes: &Arc<Vec<u8>>| Arc::new(Content { bytes: bytes.to_vec(), digest: OnceLock::new() });
        let contents = trace.contents.iter().map(|(node, bytes)| (*node, content(bytes))).collect();
        Self { names: trace.names.clone(), contents }
    }

    fn content(&mut self, node: Node) -> &mut Vec<u8> {
        let content = Arc::make_mut(self.contents.entry(node).or_default());
        content.digest = OnceLock::new();
        &mut content.bytes
    }

    fn bytes(&self, node: Node) -> &[u8] {
        self.contents.get(&node).map_or(&[], |content| &content.bytes)
    }

    /// Does an operation whole. One that makes no sense on this disk, because what it builds on was lost, does nothing.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { path, node } => {
                self.names.insert(path.clone(), Entry::File(*node));
                self.contents.entry(*node).or_default();
            }
            Op::Write { node, offset, bytes } => self.write(*node, *offset, bytes),
            Op::Truncate { node, length } => self.content(*node).resize(*length as usize, 0),
            Op::Rename { from, to } => {
                if let Some(entry) = self.names.remove(from) {
                    self.names.insert(to.clone(), entry);
                }
            }
            Op::Remove { path } | Op::RemoveDir { path } => drop(self.names.remove(path)),
            Op::MakeDir { path } => drop(self.names.insert(path.clone(), Entry::Directory)),
            Op::SyncFile { .. } | Op::SyncDir { .. } => {}
        }
    }

    fn write(&mut self, node: Node, offset: u64, bytes: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        let content = self.content(node);
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
    }

    /// Does a write in part.
    pub fn tear(&mut self, op: &Op, tear: Tear, sectors: Sectors) {
        let Op::Write { node, offset, bytes } = op else { return };
        let (offset, length) = (*offset, bytes.len() as u64);
        let piece = |from: u64, to: u64| &bytes[from as usize..to as usize];
        match tear {
            Tear::First(count) => {
                let count = count.min(length);
                self.write(*node, offset, piece(0, count));
                self.spoil(*node, offset + count.min(length - 1), sectors);
            }
            Tear::AllBut(count) => {
                let count = count.min(length);
                if count < length {
                    self.write(*node, offset + count, piece(count, length));
                }
                self.spoil(*node, offset + count.saturating_sub(1), sectors);
            }
            Tear::Sectors(coins) => {
                let (mut at, mut coins) = (offset, coins);
                while at < offset + length {
                    let next = ((at / SECTOR + 1) * SECTOR).min(offset + length);
                    if coins & 1 == 1 {
                        self.write(*node, at, piece(at - offset, next - offset));
                    } else if coins & 2 == 2 {
                        self.spoil(*node, at, sectors);
                    }
                    coins = coins.rotate_right(1);
                    at = next;
                }
            }
            Tear::Zeros => {
                let end = (offset + length) as usize;
                let content = self.content(*node);
                if content.len() < end {
                    content.resize(end, 0);
                }
            }
        }
    }

    /// The sector of this place was being written when the power went. Where sectors aren't powersafe, nothing that
    /// stood in it is left.
    fn spoil(&mut self, node: Node, at: u64, sectors: Sectors) {
        if sectors == Sectors::Powersafe {
            return;
        }
        let content = self.content(node);
        let from = ((at / SECTOR) * SECTOR) as usize;
        let to = (from + SECTOR as usize).min(content.len());
        if from < to {
            content[from..to].fill(GARBAGE);
        }
    }

    /// What tells two states apart.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for (path, entry) in self.there() {
            hasher.update(path.as_bytes());
            match entry {
                Entry::Directory => hasher.update([0]),
                Entry::File(node) => {
                    hasher.update([1]);
                    if let Some(content) = self.contents.get(&node) {
                        hasher.update(content.digest());
                    }
                }
            }
        }
        hasher.finalize().into()
    }

    /// What can be reached by its name.
    fn there(&self) -> impl Iterator<Item = (&str, Entry)> {
        let reachable = |path: &str| {
            let mut above = parent(path);
            while !above.is_empty() {
                if self.names.get(above) != Some(&Entry::Directory) {
                    return false;
                }
                above = parent(above);
            }
            true
        };
        self.names.iter().filter(move |(path, _)| reachable(path)).map(|(path, entry)| (path.as_str(), *entry))
    }

    /// Every file's content.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.there().filter_map(|(path, entry)| match entry {
            Entry::File(node) => Some((path, self.bytes(node))),
            Entry::Directory => None,
        })
    }

    /// Puts it into an empty directory.
    pub fn write_to(&self, dir: &Path) -> io::Result<()> {
        for (path, entry) in self.there() {
            let at = dir.join(path);
            match entry {
                Entry::Directory => fs::create_dir(at)?,
                Entry::File(node) => fs::write(at, self.bytes(node))?,
            }
        }
        Ok(())
    }
}
