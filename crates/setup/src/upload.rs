//! A request's body, sent piece by piece so that a person can watch it go.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// One piece: a TLS record at its longest (RFC 8446, 5.1).
const PIECE: usize = 16 * 1024;

/// Told how many bytes are on their way, and of how many.
pub(crate) type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// Bytes to send.
pub(crate) struct Upload {
    left: Bytes,
    total: u64,
    progress: Option<Progress>,
}

impl Upload {
    pub fn new(bytes: impl Into<Bytes>, progress: Option<Progress>) -> Self {
        let left = bytes.into();
        Self { total: left.len() as u64, left, progress }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let next = self.left.len().min(PIECE);
        let piece = self.left.split_to(next);
        let (sent, total) = (self.total - self.left.len() as u64, self.total);
        if let Some(progress) = &mut self.progress {
            progress(sent, total);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
