//! The library behind the guard: one server for one client, reached over a pair of sockets of this process and by
//! nobody else. It is told a path that is absolute, and given a data connection at the moment it needs one.
//!
//! It is there from the moment somebody has logged in. So nothing that a stranger sends reaches it, and no password
//! does: what it would log of one it has never seen. Its logger is a sink all the same.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use libunftp::ServerBuilder;
use libunftp::options::ActivePassiveMode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, Principal};

use super::shelf::{Shelf, Transaction};

/// The guard ends what is silent for too long; the library only waits.
const NEVER_S: u64 = u32::MAX as u64;

/// Whoever comes over the private pair: the guard, when the meter has let somebody in.
#[derive(Debug)]
struct LetIn;

#[async_trait::async_trait]
impl Authenticator for LetIn {
    async fn authenticate(&self, name: &str, _: &Credentials) -> Result<Principal, AuthenticationError> {
        Ok(Principal { username: name.to_owned() })
    }
}

/// An answer of the library's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub code: u16,
    /// As it came, however many lines.
    pub text: String,
}

impl Reply {
    /// Whether more follows.
    pub(super) fn is_preliminary(&self) -> bool {
        self.code < 200
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.code >= 400
    }
}

/// A server for one client. When it is dropped its connection ends, and with it everything that the library does.
pub(super) struct Library {
    control: BufReader<TcpStream>,
}

impl Library {
    /// Starts one, logged in.
    pub(super) async fn start(transaction: Arc<Transaction>) -> io::Result<Self> {
        let (near, far) = pair().await?;
        let shelf = Box::new(move || Shelf::new(Arc::clone(&transaction)));
        let server = ServerBuilder::with_authenticator(shelf, Arc::new(LetIn))
            .logger(slog::Logger::root(slog::Discard, slog::o!()))
            .greeting("ready")
            .active_passive_mode(ActivePassiveMode::ActiveOnly)
            .idle_session_timeout(NEVER_S)
            .build()
            .map_err(io::Error::other)?;
        // It ends with its connection.
        tokio::spawn(async move {
            if let Err(error) = server.service(far).await {
                tracing::debug!(%error, "the FTP library ended");
            }
        });
        let mut library = Self { control: BufReader::new(near) };
        expect(&library.reply().await?, 220)?;
        expect(&library.ask("USER meter").await?, 331)?;
        expect(&library.ask("PASS -").await?, 230)?;
        Ok(library)
    }

    /// Asks for something, and waits for the first answer.
    pub(super) async fn ask(&mut self, line: &str) -> io::Result<Reply> {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// The next answer (RFC 959, 4.2): one line, or several up to the one that begins with the same code and a blank.
    pub(super) async fn reply(&mut self) -> io::Result<Reply> {
        let mut text = String::new();
        loop {
            let begins = text.len();
            if self.control.read_line(&mut text).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let code = |line: &str| line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let first = code(&text).ok_or(io::ErrorKind::InvalidData)?;
            let last = &text[begins..];
            if code(last) == Some(first) && !last[3..].starts_with('-') {
                return Ok(Reply { code: first, text });
            }
        }
    }

    /// Gives it a data connection; the other end of it. It is used at once: one that waits, waits for minutes.
    ///
    /// The library comes to a port of this process. Should somebody of the same machine come there first, nobody can
    /// tell who is who, and neither is taken.
    pub(super) async fn data(&mut self) -> io::Result<TcpStream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let [high, low] = listener.local_addr()?.port().to_be_bytes();
        expect(&self.ask(&format!("PORT 127,0,0,1,{high},{low}")).await?, 200)?;
        let (stream, _) = listener.accept().await?;
        tokio::select! {
            biased;
            _ = listener.accept() => Err(strangers()),
            () = std::future::ready(()) => Ok(stream),
        }
    }
}

fn expect(reply: &Reply, code: u16) -> io::Result<()> {
    if reply.code == code { Ok(()) } else { Err(io::Error::other(format!("it said {}", reply.text.trim_end()))) }
}

fn strangers() -> io::Error {
    io::Error::other("somebody else connected to a port of this process")
}

/// Two ends of a connection within this process, which nobody else has.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, peer) = listener.accept().await?;
    if peer != near.local_addr()? {
        return Err(strangers());
    }
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}
