//! What somebody who has logged in can ask for: where they are in the tree, how and where data goes, and what the
//! library does for them. Every path reaches the library whole, absolute and without `..`; every refusal reaches the
//! client in the meter's own words.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::command::{Answer, Command, Deed, Family, Passive, Sent};
use super::data::{self, Meeting};
use super::library::{Library, Reply};
use super::session::{End, Ends};
use super::shelf::Transaction;
use crate::files::{Tree, normalise};
use crate::ssh::login::Login;

/// What a connection has come to so far.
pub(super) struct Work {
    pub(super) login: Arc<Login>,
    pub(super) transaction: Arc<Transaction>,
    pub(super) library: Library,
    pub(super) ends: Ends,
    pub(super) sent: Sent,
    pub(super) meeting: Option<Meeting>,
    directory: String,
    restart: u64,
    /// `EPSV ALL` was said (RFC 2428, 4).
    extended_only: bool,
}

impl Work {
    /// Begins at the root of the tree.
    pub(super) async fn begin(tree: Tree, login: Arc<Login>, ends: Ends) -> io::Result<Self> {
        let transaction = Arc::new(Transaction::new(tree, &login));
        let library = Library::start(Arc::clone(&transaction)).await?;
        Ok(Self {
            login,
            transaction,
            library,
            ends,
            directory: "/".to_owned(),
            sent: Sent::Binary,
            restart: 0,
            meeting: None,
            extended_only: false,
        })
    }

    /// Carries out a command.
    pub(super) async fn carry_out<S>(&mut self, client: &mut Client<S>, command: Command) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        // Where a transfer begins is said for the next transfer, and only its data connection may come between.
        if !matches!(command, Command::Passive(_) | Command::Active(_) | Command::Type(_) | Command::Transfer(..)) {
            self.restart = 0;
        }
        let answer = match command {
            Command::Restart(from) => {
                self.restart = from;
                Answer::new(350, format!("the next transfer begins at {from}"))
            }
            Command::Type(sent) => {
                self.sent = sent;
                Answer::new(200, if sent == Sent::Binary { "files are sent as they are" } else { "listings are text" })
            }
            Command::Passive(passive) => self.passive(passive),
            Command::Active(address) => self.active(address),
            Command::WorkingDirectory => Answer::new(257, format!("{} is where you are", quoted(&self.directory))),
            Command::Up => return self.deed(client, Deed::Enter, "..").await,
            Command::Path(deed, path) => return self.deed(client, deed, &path).await,
            Command::Transfer(transfer, path) => {
                let from = std::mem::take(&mut self.restart);
                return self.transfer(client, transfer, path.as_deref(), from).await;
            }
            Command::Abort => Answer::new(226, "nothing was under way"),
            Command::Status => Answer::new(211, format!("logged in as {}, in {}", self.login.who, self.directory)),
            // The conversation's own, not this room's.
            Command::User(_) | Command::Pass(_) | Command::Quit | Command::Say(_) | Command::Features => return Ok(()),
        };
        Ok(client.say(&answer).await?)
    }

    /// What a path means from where the client is.
    pub(super) fn path(&self, path: &str) -> Result<String, Answer> {
        let absolute = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory) };
        normalise(&absolute).ok_or_else(|| Answer::new(553, "nothing on this meter can be called that"))
    }

    async fn deed<S>(&mut self, client: &mut Client<S>, deed: Deed, path: &str) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let path = match self.path(path) {
            Ok(path) => path,
            Err(answer) => return Ok(client.say(&answer).await?),
        };
        let reply = self.library.ask(&format!("{} {path}", deed.word())).await.map_err(End::Library)?;
        if !reply.is_refusal() {
            match deed {
                Deed::Enter => self.directory.clone_from(&path),
                Deed::MakeDirectory => {
                    return Ok(client.say(&Answer::new(257, format!("{} is made", quoted(&path)))).await?);
                }
                _ => {}
            }
        }
        self.pass_on(client, &reply).await
    }

    /// Gives the client an answer of the library's; a refusal in the meter's words, where it is the meter's.
    pub(super) async fn pass_on<S>(&self, client: &mut Client<S>, reply: &Reply) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let refusal = self.transaction.refusal();
        match refusal.filter(|_| reply.is_refusal()) {
            Some(sentence) => client.say(&Answer::new(reply.code, sentence)).await?,
            None => client.send(reply.text.as_bytes()).await?,
        }
        Ok(())
    }

    fn passive(&mut self, passive: Passive) -> Answer {
        let family = Family::of(self.ends.local);
        match passive {
            Passive::Only => {
                self.extended_only = true;
                return Answer::new(200, "EPSV alone, from now on");
            }
            Passive::Address if self.extended_only => return extended_only(),
            Passive::Address if family == Family::V6 => {
                return Answer::new(425, "PASV has no words for an IPv6 address: use EPSV");
            }
            Passive::Port(Some(asked)) if asked != family => {
                let only = if family == Family::V4 { 1 } else { 2 };
                return Answer::new(522, format!("network protocol not supported, use ({only})"));
            }
            Passive::Address | Passive::Port(_) => {}
        }
        // The port of the last one is free for this one.
        self.meeting = None;
        let listener = data::listen(&self.login.site.view(), self.ends.local);
        let (listener, address) = match listener.and_then(|listener| listener.local_addr().map(|at| (listener, at))) {
            Ok(listening) => listening,
            Err(error) => {
                tracing::warn!(%error, "no port for an FTP data connection");
                return Answer::new(425, "no data port is free: try again in a minute");
            }
        };
        self.meeting = Some(Meeting::Here(listener));
        let port = address.port();
        match (passive, address.ip().to_canonical()) {
            (Passive::Address, IpAddr::V4(ip)) => {
                let ([a, b, c, d], [high, low]) = (ip.octets(), port.to_be_bytes());
                Answer::new(227, format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})"))
            }
            _ => Answer::new(229, format!("Entering Extended Passive Mode (|||{port}|)")),
        }
    }

    fn active(&mut self, address: SocketAddr) -> Answer {
        if self.extended_only {
            return extended_only();
        }
        match data::there(address, self.ends.peer) {
            Ok(meeting) => {
                self.meeting = Some(meeting);
                Answer::new(200, "data will go there")
            }
            Err(answer) => {
                self.meeting = None;
                answer
            }
        }
    }
}

fn extended_only() -> Answer {
    Answer::new(501, "EPSV ALL was said: it is EPSV alone from then on")
}

/// A path as answers show it (RFC 959, appendix II).
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

pub(super) fn as_they_are() -> Answer {
    Answer::new(550, "only logs are sent as text: say TYPE I (binary) first")
}
