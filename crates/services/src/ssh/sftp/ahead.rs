//! Reading ahead: who reads a file from its beginning to its end gets the next megabyte from the disk while this one is
//! being sent, and waits for it once in four requests or more. There is one such megabyte, and one that is coming, for
//! each channel, whatever is open on it; who reads here and there gets what is asked for and no more.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::MAX_DATA;
use super::answer::No;
use crate::files::{Content, FileError};

/// Read at a time, once it is clear that a file is read in order.
const AHEAD: usize = 4 * MAX_DATA as usize;
/// SSH_FXP_DATA.
const DATA: u8 = 103;
/// Length, type, request and the length of the data.
const HEAD: usize = 13;

/// What has been read of one file before it was asked for.
#[derive(Default)]
pub(super) struct Ahead {
    /// The handle of that file.
    number: u32,
    /// Where in it the bytes begin; they may be none, and then it is where the next request is expected.
    begins: u64,
    bytes: Bytes,
    coming: Option<JoinHandle<Result<Bytes, FileError>>>,
}

impl Ahead {
    /// At most `length` bytes of a file as the packet that answers request `id`; none at the end of the file.
    pub(super) async fn answer(
        &mut self,
        id: u32,
        (number, file): (u32, &Arc<Content>),
        offset: u64,
        length: usize,
    ) -> Result<Option<Bytes>, No> {
        let left = usize::try_from(file.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = length.min(left);
        if wanted == 0 && length > 0 {
            return Ok(None);
        }
        let mut packet = BytesMut::with_capacity(HEAD + wanted);
        // A packet of MAX_DATA at most, so its lengths fit.
        packet.put_u32((HEAD - 4 + wanted) as u32);
        packet.put_u8(DATA);
        packet.put_u32(id);
        packet.put_u32(wanted as u32);
        while packet.len() < HEAD + wanted {
            let got = packet.len() - HEAD;
            let piece = self.piece(number, file, offset + got as u64, wanted - got).await?;
            if piece.is_empty() {
                return Err(No::failure("the file has ended before its end: it is damaged"));
            }
            packet.extend_from_slice(&piece);
        }
        Ok(Some(packet.freeze()))
    }

    /// A file has been closed: nothing of it is needed any more.
    pub(super) fn closed(&mut self, number: u32) {
        if self.number == number {
            *self = Self::default();
        }
    }

    /// Some of the bytes from `at` on, at most `most`.
    async fn piece(&mut self, number: u32, file: &Arc<Content>, at: u64, most: usize) -> Result<Bytes, No> {
        if let Content::Made { .. } = **file {
            return Ok(file.read(at, most)?);
        }
        let ends = self.begins + self.bytes.len() as u64;
        let is_this = self.number == number;
        if is_this && at == ends {
            let coming = self.coming.take().unwrap_or_else(|| fetch(file, at, AHEAD));
            self.begins = at;
            self.bytes = fetched(coming).await?;
            let next = at + self.bytes.len() as u64;
            self.coming = (next < file.size()).then(|| fetch(file, next, AHEAD));
        }
        let ends = self.begins + self.bytes.len() as u64;
        if is_this && (self.begins..ends).contains(&at) {
            // Within the bytes, so it fits.
            let from = (at - self.begins) as usize;
            return Ok(self.bytes.slice(from..self.bytes.len().min(from + most)));
        }
        let piece = fetched(fetch(file, at, most)).await?;
        // A request from just before is one of several under way that have overtaken one another.
        let is_late = is_this && at < self.begins && self.begins - at <= AHEAD as u64;
        if !is_late {
            *self = Self { number, begins: at + piece.len() as u64, ..Self::default() };
        }
        Ok(piece)
    }
}

/// Reads off the network's threads: it may wait for the disk.
fn fetch(file: &Arc<Content>, at: u64, most: usize) -> JoinHandle<Result<Bytes, FileError>> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || file.read(at, most))
}

async fn fetched(coming: JoinHandle<Result<Bytes, FileError>>) -> Result<Bytes, No> {
    match coming.await {
        Ok(read) => Ok(read?),
        Err(_) => Err(No::failure("the meter is stopping")),
    }
}

#[cfg(test)]
mod tests {
    use meter::Caller;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::files::{Files, How};
    use crate::testbed::Bench;

    #[test]
    fn whatever_is_read_in_whatever_order_is_what_the_file_has_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = Bench::new("4.40.1");
        let tree = Arc::new(Files::new(Arc::clone(&bench.site))).tree(Caller::meter());
        let bytes: Vec<u8> = (0..600_000u32).flat_map(u32::to_le_bytes).collect();
        for (name, bytes) in [("/documents/long", &bytes[..]), ("/documents/short", &bytes[..100_000])] {
            let writing = tree.create(name, How { create: true, ..How::default() }).unwrap();
            writing.write_at(0, bytes).unwrap();
            tree.close(&writing).unwrap();
        }
        let files = ["/documents/long", "/documents/short"].map(|name| tree.open(name).unwrap());
        // Mostly in order; now and then somewhere else, or in the other file.
        let step = (prop_oneof![6 => Just(None), 1 => any::<u32>().prop_map(Some)], 0..2usize, 1..300_000usize);
        let steps = prop::collection::vec(step, 1..60);
        let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        let law = runner.run(&steps, |steps| {
            let mut ahead = Ahead::default();
            let mut at = [0u64; 2];
            for (jump, which, length) in steps {
                let size = files[which].size();
                if let Some(jump) = jump {
                    at[which] = u64::from(jump) % (size + 10);
                }
                let file = (which as u32, &files[which]);
                let answer = runtime.block_on(ahead.answer(7, file, at[which], length));
                let answer = answer.map_err(|No(_, sentence)| TestCaseError::fail(sentence))?;
                let from = at[which].min(size) as usize;
                let expected = &bytes[from..(from + length).min(size as usize)];
                match answer {
                    None => prop_assert!(expected.is_empty()),
                    Some(packet) => {
                        prop_assert_eq!(&packet[..4], &(packet.len() as u32 - 4).to_be_bytes());
                        prop_assert_eq!(&packet[4..9], &[103, 0, 0, 0, 7]);
                        prop_assert!(packet[HEAD..] == *expected);
                    }
                }
                at[which] += expected.len() as u64;
            }
            Ok(())
        });
        law.unwrap();
    }
}
