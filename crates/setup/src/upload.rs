//! A request's body, sent piece by piece so that a person can watch it go.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// One piece: a TLS record at its longest (RFC 8446, 5.1).
const PIECE: usize = 16 * 1024;

/// Told how many bytes are on their way, and of how many.
pub(crate) type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// What is left to send.
enum Left {
    Bytes(Bytes),
    /// Of a file, from where it is read on; so many bytes.
    File(std::fs::File, u64),
}

/// Bytes to send.
pub(crate) struct Upload {
    left: Left,
    total: u64,
    progress: Option<Progress>,
}

impl Upload {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let left = bytes.into();
        Self { total: left.len() as u64, left: Left::Bytes(left), progress: None }
    }

    /// So many bytes of a file, from where it is read on, a piece in memory at a time.
    pub fn file(file: std::fs::File, bytes: u64, progress: Progress) -> Self {
        Self { total: bytes, left: Left::File(file, bytes), progress: Some(progress) }
    }

    fn left(&self) -> u64 {
        match &self.left {
            Left::Bytes(left) => left.len() as u64,
            Left::File(_, left) => *left,
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        match &mut self.left {
            Left::Bytes(left) => Ok(left.split_to(left.len().min(PIECE))),
            Left::File(file, left) => {
                let mut piece = vec![0; usize::try_from(*left).unwrap_or(PIECE).min(PIECE)];
                file.read_exact(&mut piece)?;
                *left -= piece.len() as u64;
                Ok(piece.into())
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let piece = match self.next() {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let (sent, total) = (self.total - self.left(), self.total);
        if let Some(progress) = &mut self.progress {
            progress(sent, total);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
