//! Hashing a file piece by piece: the caller reads it, in pieces of any size, so that files of any length fit.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::algorithm::{Algorithm, HashValue};
use crate::digest::Sha256Digest;

/// Hashes one file with the algorithms asked for, and with SHA-256 always: it names the file in reports.
#[derive(Clone, Default)]
pub struct FileHasher {
    length: u64,
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Sha256,
    sha512: Option<Sha512>,
}

impl FileHasher {
    /// A hasher for these algorithms. [`super::HashList::hasher`] makes the right one for a list.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut hasher = Self::default();
        for algorithm in algorithms {
            match algorithm {
                Algorithm::Md5 => hasher.md5 = Some(Md5::new()),
                Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
                Algorithm::Sha256 => {}
                Algorithm::Sha512 => hasher.sha512 = Some(Sha512::new()),
            }
        }
        hasher
    }

    /// The next piece of the file.
    pub fn update(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len() as u64);
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(piece);
        }
        self.sha256.update(piece);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(piece);
        }
    }

    /// The file has ended.
    pub fn finish(self) -> FileHashes {
        FileHashes {
            length: self.length,
            md5: self.md5.map(|h| HashValue::computed(Algorithm::Md5, &h.finalize())),
            sha1: self.sha1.map(|h| HashValue::computed(Algorithm::Sha1, &h.finalize())),
            sha256: Sha256Digest::from_bytes(self.sha256.finalize().into()),
            sha512: self.sha512.map(|h| HashValue::computed(Algorithm::Sha512, &h.finalize())),
        }
    }
}

/// What a file hashes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHashes {
    length: u64,
    md5: Option<HashValue>,
    sha1: Option<HashValue>,
    sha256: Sha256Digest,
    sha512: Option<HashValue>,
}

impl FileHashes {
    /// The hashes of bytes that are at hand as a whole, by every algorithm.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = FileHasher::new(Algorithm::ALL);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256, which is always computed.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The hash by this algorithm, if the hasher was made for it.
    pub fn get(&self, algorithm: Algorithm) -> Option<HashValue> {
        match algorithm {
            Algorithm::Md5 => self.md5.clone(),
            Algorithm::Sha1 => self.sha1.clone(),
            Algorithm::Sha256 => Some(HashValue::computed(algorithm, self.sha256.as_bytes())),
            Algorithm::Sha512 => self.sha512.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_examples_hash_as_published() {
        // RFC 1321, appendix A.5; FIPS 180-4's example "abc".
        let hashes = FileHashes::of(b"abc");
        for (algorithm, expected) in [
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hashes.get(algorithm).unwrap().to_string(), expected);
        }
        assert_eq!(hashes.length(), 3);
    }

    #[test]
    fn only_what_was_asked_for_is_computed() {
        let hashes = FileHasher::new([Algorithm::Sha1]).finish();
        assert!(hashes.get(Algorithm::Sha1).is_some());
        assert!(hashes.get(Algorithm::Sha256).is_some());
        assert!(hashes.get(Algorithm::Md5).is_none() && hashes.get(Algorithm::Sha512).is_none());
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut hasher = FileHasher::new(Algorithm::ALL);
            for piece in &pieces {
                hasher.update(piece);
            }
            prop_assert_eq!(hasher.finish(), FileHashes::of(&pieces.concat()));
        }
    }
}
