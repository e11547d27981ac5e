//! The FTP face of legacy releases: the tree that SFTP shows on newer ones, with the same rights. Passwords and files
//! cross the wire in clear, which Setup says; from 4.40.1 on there is no FTP.
//!
//! A library (libunftp) speaks to the tree, and a guard of our own stands in front of it, since the library takes a
//! line of any length, opens data connections to whatever host it is told, keeps passwords in plain strings, can't end
//! a transfer, and can't tell the end of a file from the end of a client. So `line` and `command` make sense of what a
//! client sends, both without I/O; `client` owns the control connection, `session` the conversation with its login,
//! `work` what can be done after it, `data` the data connections and `transfer` what goes over them; `library` is the
//! way to libunftp, which hears only from whoever has logged in, and `shelf` is where it finds the files.

mod client;
mod command;
mod data;
mod library;
mod line;
mod session;
mod shelf;
#[cfg(test)]
mod tests;
mod transfer;
mod work;

#[cfg(any(test, feature = "testbed"))]
use std::net::SocketAddr;
use std::sync::Arc;

use framework::modules::security_options::Service;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use self::session::Ends;
use crate::accept::{Door, Greeting, Keeps, accept};
use crate::connections::Entry;
use crate::files::Files;
use crate::{Site, Stop};

/// Connections this face takes at once: as many as SFTP's, since clients that mirror open several.
pub const CONNECTIONS: usize = 16;

/// Serves files until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let files = Arc::new(Files::new(Arc::clone(&site)));
    let door =
        Door { site, services: &[Service::Ftp], places: CONNECTIONS, keeps: Keeps::LoggedIn, greeting: Greeting::Free };
    accept(listener, door, stop, |stream, peer, entry| {
        let files = Arc::clone(&files);
        async move {
            let local = match stream.local_addr() {
                Ok(local) => local.ip(),
                Err(error) => return tracing::debug!(%peer, %error, "FTP connection lost"),
            };
            serve(files, stream, Ends { local, peer }, entry).await;
        }
    })
    .await;
}

/// One conversation, over any stream.
async fn serve<S>(files: Arc<Files>, stream: S, ends: Ends, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (Ok(end) | Err(end)) = session::converse(files, stream, ends, entry).await;
    tracing::debug!(peer = %ends.peer, %end, "FTP connection ended");
}

/// One conversation with somebody on this machine, over any stream: for [`crate::strangers`].
#[cfg(any(test, feature = "testbed"))]
pub(crate) async fn hear<S>(site: Arc<Site>, stream: S, peer: SocketAddr, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    serve(Arc::new(Files::new(site)), stream, Ends { local: peer.ip(), peer }, entry).await;
}
