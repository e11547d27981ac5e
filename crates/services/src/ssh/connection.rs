//! One connection from its first byte to its last: a deadline until somebody has logged in, then for as
//! long as the session lasts. When this future is dropped, everything of the connection ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::Disconnect;
use russh::server::Config;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::LOGIN_GRACE;
use super::handler::Conversation;
use super::login::{ENDED, login_path};
use super::sever::Severable;
use crate::connections::Entry;
use crate::files::Files;

/// How often a connection's session is looked for: it ends at most so much later than its time-out.
const LOOK: Duration = Duration::from_secs(5);
/// How long a client has to take the last message.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) async fn serve<S>(files: Arc<Files>, config: Arc<Config>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    entry.serves(login_path(files.site()).1);
    let (stream, _knife) = Severable::new(stream);
    let (report, logged_in) = oneshot::channel();
    let conversation = Conversation::new(files, peer, entry, report);
    let begin = async {
        let running = russh::server::run_stream(config, stream, conversation).await?;
        Ok::<_, russh::Error>((running, logged_in.await))
    };
    let (mut running, login) = match timeout(LOGIN_GRACE, begin).await {
        Ok(Ok((running, Ok(login)))) => (running, login),
        Ok(Ok((running, Err(_)))) => return ended(peer, running.await),
        Ok(Err(error)) => return ended(peer, Err(error)),
        Err(_) => {
            tracing::debug!(%peer, "SSH connection closed: nobody logged in on it in time");
            return;
        }
    };
    loop {
        tokio::select! {
            end = &mut running => return ended(peer, end),
            () = sleep(LOOK) => if !login.lives() { break },
        }
    }
    let handle = running.handle();
    let goodbye = async {
        let _ = handle.disconnect(Disconnect::ByApplication, ENDED.to_owned(), String::new()).await;
        let _ = running.await;
    };
    let _ = timeout(GOODBYE, goodbye).await;
    tracing::debug!(%peer, "SSH connection closed: its session has ended");
}

fn ended(peer: SocketAddr, end: Result<(), russh::Error>) {
    match end {
        Ok(()) => tracing::debug!(%peer, "SSH connection closed by the client"),
        Err(error) => tracing::debug!(%peer, %error, "SSH connection ended"),
    }
}
