//! The SSH listener, terminal and files: the one place of this crate that knows the SSH library.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::ChannelMsg;
use russh::client::{self, AuthResult};
use russh::keys::PublicKeyOrCertificate;

use super::{Login, Outcome, at};

/// What is wanted of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The terminal: `meter info` is run.
    Terminal,
    /// The file tree: the SFTP subsystem is opened.
    Files,
}

/// Any host key will do: a rehearsal's meter is one of its own making, and what is tried is the login.
struct AnyHost;

impl client::Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Logs in with a password and opens what is wanted. The password is handed to the SSH library, which
/// keeps it no longer than the login takes, but does not wipe it.
pub async fn ssh(address: SocketAddr, wanted: Channel, login: Login<'_>) -> Outcome {
    at(address, async |stream| {
        let mut session = client::connect_stream(Arc::new(client::Config::default()), stream, AnyHost).await?;
        let password = String::from_utf8_lossy(login.password.expose());
        if !matches!(session.authenticate_password(login.name, password).await?, AuthResult::Success) {
            return Ok(Outcome::Refused("the login was not accepted".to_owned()));
        }
        let mut channel = session.channel_open_session().await?;
        match wanted {
            Channel::Files => channel.request_subsystem(true, "sftp").await?,
            Channel::Terminal => channel.exec(true, "meter info").await?,
        }
        loop {
            return match channel.wait().await {
                Some(ChannelMsg::Success) => Ok(Outcome::LoggedIn),
                Some(ChannelMsg::Failure) => {
                    let what = if wanted == Channel::Files { "SFTP" } else { "the terminal" };
                    Ok(Outcome::Refused(format!("the login was accepted, but {what} is refused")))
                }
                Some(ChannelMsg::Close) | None => Ok(Outcome::Refused("the meter closed the channel".to_owned())),
                Some(_) => continue,
            };
        }
    })
    .await
}
