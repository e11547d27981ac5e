//! SFTP version 3 (draft-ietf-secsh-filexfer-02) on one channel: packets in, packets out, in order. What a request
//! means for the meter's files is [`crate::files`]'s to say; here it becomes an answer with the right code and the
//! meter's own sentence.
//!
//! `session` answers requests, `extended` those that OpenSSH has added, `answer` writes answers down, `ahead` reads
//! files before they are asked for.

mod ahead;
mod answer;
mod extended;
mod session;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::channel::Answers;
use super::login::Login;
use crate::files::Tree;
use session::Session;

/// A packet of a client is at most this long, as with OpenSSH; a longer one ends the channel.
const MAX_PACKET: u32 = 256 << 10;
/// One read or write moves at most this much: a packet, less its head.
const MAX_DATA: u32 = MAX_PACKET - 1024;
/// Files and directories open at once on one channel.
const MAX_HANDLES: usize = 64;
/// Files among them. Clients that transfer many at once have a few open on each channel.
const MAX_FILES: usize = 16;
/// Entries of a directory in one answer: with the longest names there are, they fit a packet.
const MAX_NAMES: usize = 100;

/// Serves files until the client ends or breaks the protocol. Gives the exit status.
pub(super) async fn serve(
    mut requests: impl AsyncRead + Unpin,
    answers: Answers,
    login: Arc<Login>,
    tree: Tree,
) -> u32 {
    match converse(&mut requests, &answers, &mut Session::new(login, tree)).await {
        Ok(()) => 0,
        Err(error) => {
            tracing::debug!(%error, "SFTP channel ended");
            1
        }
    }
}

async fn converse(requests: &mut (impl AsyncRead + Unpin), answers: &Answers, session: &mut Session) -> io::Result<()> {
    loop {
        let length = match requests.read_u32().await {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            length => length?,
        };
        if length > MAX_PACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a packet of {length} bytes")));
        }
        let mut packet = vec![0; length as usize];
        requests.read_exact(&mut packet).await?;
        let answer = session.answer(packet.into()).await?;
        if !answers.send(answer).await {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}
