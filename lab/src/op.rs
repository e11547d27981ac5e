//! What a program does to a directory, as a list: the alphabet of the laboratory. Paths are relative to the watched
//! directory; a file is known by a number, so that writes find it whatever it is called by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u32);

/// One operation of a program on its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A new empty file.
    Create { path: String, node: Node },
    /// Bytes at an offset.
    Write { node: Node, offset: u64, bytes: Arc<[u8]> },
    /// Another length.
    Truncate { node: Node, length: u64 },
    /// The file's content is on the disk when this returns.
    SyncFile { node: Node },
    /// Another name; a file that had it is gone.
    Rename { from: String, to: String },
    /// A name less.
    Remove { path: String },
    /// A new directory.
    MakeDir { path: String },
    /// A directory less.
    RemoveDir { path: String },
    /// The directory's names are on the disk when this returns.
    SyncDir { path: String },
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(Node),
    /// A directory.
    Directory,
}

/// A recording: what was there, and all that was done to it.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// What was there, all of it on the disk.
    pub names: BTreeMap<String, Entry>,
    /// The content of the files that were there.
    pub contents: BTreeMap<Node, Arc<Vec<u8>>>,
    /// What was done, in order.
    pub ops: Vec<Op>,
}

/// The directory that a path lies in; the watched one is the empty text.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Trace {
    /// What kind of work it is: the names it makes and takes away, and how much it does, roughly.
    pub fn kind(&self) -> (BTreeSet<String>, u32) {
        let names = self.ops.iter().filter_map(|op| match op {
            Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } | Op::MakeDir { .. } | Op::RemoveDir { .. } => {
                Some(op.told())
            }
            Op::Write { .. } | Op::Truncate { .. } | Op::SyncFile { .. } | Op::SyncDir { .. } => None,
        });
        (names.collect(), self.ops.len().checked_ilog2().unwrap_or(0))
    }
}

impl Op {
    /// What it does, in a word or two: for whoever replays a failure.
    pub fn told(&self) -> String {
        match self {
            Self::Create { path, .. } => format!("create {path}"),
            Self::Write { node, offset, bytes } => {
                format!("write {} bytes at {offset} of file {}", bytes.len(), node.0)
            }
            Self::Truncate { node, length } => format!("truncate file {} to {length}", node.0),
            Self::SyncFile { node } => format!("sync file {}", node.0),
            Self::Rename { from, to } => format!("rename {from} to {to}"),
            Self::Remove { path } => format!("remove {path}"),
            Self::MakeDir { path } => format!("make directory {path}"),
            Self::RemoveDir { path } => format!("remove directory {path}"),
            Self::SyncDir { path } => format!("sync directory {}", if path.is_empty() { "." } else { path }),
        }
    }
}
