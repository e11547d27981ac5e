//! A backup while it is restored: one file with a name that nothing else reads, written as it comes in while there is room
//! beside the reserve, read from start to end as often as it takes, and gone when it is dropped. What a power cut leaves
//! of it is swept at the next start.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::error::StoreError;
use crate::reserve::Room;
use crate::state_dir::{INCOMING, StateDir};
use crate::store::Store;
use crate::turn::{Turn, Turns};
use crate::unfinished::Unfinished;

/// The file's number: documents count from 0 and never come so far.
const NUMBER: u64 = u64::MAX;

/// Where backups come in, one at a time, beside the store: receiving one never holds the meter up.
#[derive(Debug, Clone)]
pub struct BackupInbox {
    dir: PathBuf,
    room: Room,
    turns: Turns,
}

/// A backup that is coming in. Dropped, it is gone.
pub struct IncomingBackup {
    // The order of dropping: the file is gone before another one may come in.
    file: Unfinished,
    room: Room,
    turn: Turn,
}

/// A backup that has come in whole. Nobody changes it any more.
pub struct ReceivedBackup {
    file: Unfinished,
    _turn: Turn,
}

impl BackupInbox {
    /// Takes the inbox for one backup.
    pub fn receive(&self) -> Result<IncomingBackup, StoreError> {
        let turn = self.turns.take().ok_or(StoreError::BackupComing)?;
        self.room.for_more(0)?;
        Ok(IncomingBackup { file: Unfinished::create(&self.dir, NUMBER)?, room: self.room.clone(), turn })
    }
}

impl IncomingBackup {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// Writes on at the end, while there is room beside the reserve. The caller has bounded it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.room.for_more(bytes.len() as u64)?;
        self.file.write_at(self.file.size(), bytes)
    }

    /// It is whole.
    pub fn finish(self) -> ReceivedBackup {
        ReceivedBackup { file: self.file, _turn: self.turn }
    }
}

impl ReceivedBackup {
    /// Its bytes from the first on.
    pub fn reader(&self) -> impl Read + '_ {
        Pieces { of: &self.file, at: 0 }
    }
}

/// Reads a file from its start.
struct Pieces<'a> {
    of: &'a Unfinished,
    at: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.of.read_at(self.at, buffer.len()).map_err(|error| io::Error::other(error.told()))?;
        buffer[..piece.len()].copy_from_slice(&piece);
        self.at += piece.len() as u64;
        Ok(piece.len())
    }
}

impl Store {
    /// Where this state's backups come in. There is one, whoever asks.
    pub fn backup_inbox(&self) -> BackupInbox {
        self.backups.clone()
    }
}

/// The one inbox of a state directory.
pub(crate) fn inbox(dir: &StateDir, room: Room) -> BackupInbox {
    BackupInbox { dir: dir.join(INCOMING), room, turns: Turns::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Testbed;

    #[test]
    fn one_backup_comes_in_at_a_time_is_read_twice_and_leaves_nothing() {
        let bed = Testbed::new();
        let store = bed.born(&[]);
        let inbox = store.backup_inbox();
        let mut coming = inbox.receive().unwrap();
        assert!(matches!(store.backup_inbox().receive(), Err(StoreError::BackupComing)));
        for piece in [&b"one "[..], b"two"] {
            coming.append(piece).unwrap();
        }
        assert_eq!(coming.size(), 7);
        let received = coming.finish();
        for _ in 0..2 {
            let mut text = String::new();
            received.reader().read_to_string(&mut text).unwrap();
            assert_eq!(text, "one two");
        }
        assert!(inbox.receive().is_err());
        drop(received);
        assert!(std::fs::read_dir(bed.path.join(INCOMING)).unwrap().next().is_none());
        drop(inbox.receive().unwrap());
    }
}
