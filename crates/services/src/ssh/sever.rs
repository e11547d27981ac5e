//! A stream that can be cut from outside. The SSH library runs a connection in a task of its own, which
//! nothing can end; when its stream ends, it ends.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Cuts the stream when it is dropped.
pub(super) struct Knife {
    _held: oneshot::Sender<Infallible>,
}

/// A stream on the other side of a [`Knife`]. To be used by one task.
pub(super) struct Severable<S> {
    stream: S,
    cut: oneshot::Receiver<Infallible>,
    is_cut: bool,
}

impl<S> Severable<S> {
    /// The stream, and what cuts it.
    pub(super) fn new(stream: S) -> (Self, Knife) {
        let (held, cut) = oneshot::channel();
        (Self { stream, cut, is_cut: false }, Knife { _held: held })
    }

    /// Whether it is cut; wakes the task when it is.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> bool {
        // Nothing is ever sent, so the only thing to come is the end of the sender.
        self.is_cut = self.is_cut || Pin::new(&mut self.cut).poll(context).is_ready();
        self.is_cut
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_cut(context) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.poll_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_cut_stream_ends_for_a_reader_that_waits_and_breaks_for_a_writer() {
        let (near, mut far) = duplex(16);
        let (mut severable, knife) = Severable::new(near);
        far.write_all(b"before").await.unwrap();
        let mut six = [0; 6];
        severable.read_exact(&mut six).await.unwrap();
        let reader = tokio::spawn(async move { (severable.read(&mut [0; 1]).await.unwrap(), severable) });
        tokio::task::yield_now().await;
        drop(knife);
        let (read, mut severable) = reader.await.unwrap();
        assert_eq!(read, 0);
        assert_eq!(severable.write(b"after").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
