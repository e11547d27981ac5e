//! The accept loop that faces share: a limit on connections, one task each, an end for all when the
//! face stops. Errors of accepting (no descriptors left, a peer that is gone already) never end it.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Stop;

/// How long to wait after an accept that failed: long enough for descriptors to come back, short
/// enough that nobody notices.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Serves connections until told to stop; then closes them all. Beyond `limit`, a new connection is
/// closed at once.
pub async fn accept<F, S>(listener: TcpListener, limit: usize, mut stop: Stop, mut serve: S)
where
    F: Future<Output = ()> + Send + 'static,
    S: FnMut(TcpStream, SocketAddr) -> F,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < limit => {
                    // Small answers must not wait for one another.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, peer));
                }
                Ok((stream, peer)) => {
                    tracing::debug!(%peer, limit, "connection refused: too many");
                    drop(stream);
                }
                Err(error) => {
                    tracing::debug!(%error, "accepting failed");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// Returns when a face is to stop.
pub async fn stopped(stop: &mut Stop) {
    // An error says that the sender is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
