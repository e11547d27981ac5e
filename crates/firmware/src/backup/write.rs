//! Writing a backup, line by line: whoever takes it hands in the parts in their order and sends what comes back.

use sha2::{Digest, Sha256};

use super::parts::{Ending, Part};
use crate::digest::Sha256Digest;

/// A backup that is being written.
#[derive(Default)]
pub struct Writer {
    digest: Sha256,
    lines: u64,
}

impl Writer {
    /// The bytes of the next part.
    pub fn line(&mut self, part: &Part) -> Vec<u8> {
        let mut line = serde_json::to_vec(part).expect("maps with string keys and finite numbers are always JSON");
        line.push(b'\n');
        self.digest.update(&line);
        self.lines += 1;
        line
    }

    /// The digest of all that has been written: what a sealed part is sealed over.
    pub fn so_far(&self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.digest.clone().finalize().into())
    }

    /// The last line, and the backup's digest.
    pub fn end(mut self) -> (Vec<u8>, Sha256Digest) {
        let sha256 = self.so_far();
        let lines = self.lines;
        (self.line(&Part::End(Ending { lines, sha256 })), sha256)
    }
}
