//! One transfer: what it moves is opened, the client is met, the library does its part, and the data goes through
//! here, where it can be ended. It ends when either side has had enough, when it stands still, when the client takes it
//! back, and when the session ends.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::client::{Client, Gone, Interruption};
use super::command::{Answer, Sent, Transfer};
use super::data;
use super::session::{End, ends};
use super::shelf::code;
use super::work::{Work, as_they_are};

/// Where the logs are.
const LOGS: &str = "/logs/";
/// How long a transfer may stand still.
const STALLED: Duration = Duration::from_secs(60);
/// How long what a client had sent before it went may still come in.
const LINGER: Duration = Duration::from_secs(5);
/// How long after the end of its data a client that has gone is noticed: a packet that got lost comes again after 200 ms
/// (the least there is on Linux).
const SETTLED: Duration = Duration::from_millis(250);
/// Moved between a client and the library at once.
const PIECE: usize = 64 << 10;

/// How the moving of data ended.
enum Moved {
    /// All of it, as far as this side knows.
    All,
    /// Not all of it, for this reason.
    Broken(Answer),
    /// The client has taken it back.
    TakenBack,
    /// The client has gone altogether.
    Gone,
}

impl From<Interruption> for Moved {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Abort => Self::TakenBack,
            Interruption::Gone => Self::Gone,
        }
    }
}

impl Work {
    pub(super) async fn transfer<S>(
        &mut self,
        client: &mut Client<S>,
        transfer: Transfer,
        path: Option<&str>,
        from: u64,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let ended = self.try_transfer(client, transfer, path, from).await;
        self.transaction.end();
        match ended? {
            Some(answer) => Ok(client.say(&answer).await?),
            None => Ok(()),
        }
    }

    /// The last answer, where it isn't the library's, which has been given.
    async fn try_transfer<S>(
        &mut self,
        client: &mut Client<S>,
        transfer: Transfer,
        path: Option<&str>,
        from: u64,
    ) -> Result<Option<Answer>, End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let Some(meeting) = self.meeting.take() else {
            return Ok(Some(Answer::new(425, "say where the data goes first: PASV or EPSV, or PORT or EPRT")));
        };
        let path = match self.path(path.unwrap_or(".")) {
            Ok(path) => path,
            Err(answer) => return Ok(Some(answer)),
        };
        // Logs are text whose lines end as the network's do (RFC 959, 3.1.1.1): either type gives the same bytes.
        let same_as_text = transfer == Transfer::Get && path.starts_with(LOGS);
        if transfer.is_file() && self.sent == Sent::Text && !same_as_text {
            return Ok(Some(as_they_are()));
        }
        if let Err(answer) = self.open(transfer, &path, from).await {
            return Ok(Some(answer));
        }
        let (local, peer) = (self.ends.local, self.ends.peer);
        let met = tokio::select! {
            met = data::meet(meeting, local, peer) => met,
            interruption = client.interrupts() => return match interruption {
                Interruption::Abort => aborted(client).await,
                Interruption::Gone => Err(Gone::Closed.into()),
            },
            () = ends(&self.login) => return Err(End::Over),
        };
        let outside = match met {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%peer, %error, "no FTP data connection");
                return Ok(Some(Answer::new(425, "the data connection could not be made")));
            }
        };
        let inside = self.library.data().await.map_err(End::Library)?;
        let reply = self.library.ask(&format!("{} {path}", transfer.word())).await.map_err(End::Library)?;
        self.pass_on(client, &reply).await?;
        if !reply.is_preliminary() {
            return Ok(None);
        }
        self.run(client, transfer, outside, inside).await
    }

    /// Opens what is to be moved. A refusal comes before any data connection.
    async fn open(&self, transfer: Transfer, path: &str, from: u64) -> Result<(), Answer> {
        let (transaction, path) = (Arc::clone(&self.transaction), path.to_owned());
        match tokio::task::spawn_blocking(move || transaction.begin(transfer, &path, from)).await {
            Ok(begun) => begun.map_err(|error| Answer::new(code(&error), error.to_string())),
            Err(_) => Err(Answer::new(451, "the meter is stopping")),
        }
    }

    /// Whether the end of the data is the end of a file. Whoever falls silent in the middle ends both connections, and
    /// the end of the data alone is that of a file. So where a whole file is at stake, the other end is waited for.
    async fn is_that_all<S>(&self, client: &mut Client<S>) -> Moved
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let wait = if self.transaction.replaces() { SETTLED } else { Duration::ZERO };
        tokio::select! {
            biased;
            interruption = client.interrupts() => interruption.into(),
            () = sleep(wait) => Moved::All,
        }
    }

    /// Moves the data, and hears what the library says when it has done its part.
    async fn run<S>(
        &mut self,
        client: &mut Client<S>,
        transfer: Transfer,
        mut outside: TcpStream,
        mut inside: TcpStream,
    ) -> Result<Option<Answer>, End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let moved = {
            let carried = async {
                if transfer.is_upload() {
                    carry(&mut outside, &mut inside).await
                } else {
                    carry(&mut inside, &mut outside).await
                }
            };
            let mut carried = pin!(carried);
            let moved = tokio::select! {
                moved = &mut carried => moved,
                interruption = client.interrupts() => interruption.into(),
                () = ends(&self.login) => return Err(End::Over),
            };
            if matches!(moved, Moved::Gone) && transfer.is_upload() {
                // What it had sent is on its way, and worth as much as what has come.
                let _ = timeout(LINGER, carried).await;
            }
            moved
        };
        let moved = match moved {
            Moved::All if transfer.is_upload() => self.is_that_all(client).await,
            moved => moved,
        };
        match (&moved, transfer.is_upload()) {
            (Moved::All, true) => self.transaction.is_whole(),
            (Moved::All, false) => drop(outside.shutdown().await),
            _ => self.transaction.stop(),
        }
        drop(outside);
        let finished = async {
            if transfer.is_upload() {
                // The library may have hung up already.
                drop(inside.shutdown().await);
            } else {
                // To its end: of a listing that nobody takes the library says nothing.
                tokio::io::copy(&mut inside, &mut tokio::io::sink()).await?;
            }
            self.library.reply().await
        };
        let reply = timeout(STALLED, finished).await.map_err(io::Error::from).flatten().map_err(End::Library)?;
        match moved {
            Moved::Gone => Err(Gone::Closed.into()),
            Moved::TakenBack => aborted(client).await,
            Moved::Broken(why) if !(reply.is_refusal() && self.transaction.has_refusal()) => Ok(Some(why)),
            Moved::Broken(_) | Moved::All => self.pass_on(client, &reply).await.map(|()| None),
        }
    }
}

/// Both answers to whoever takes a transfer back (RFC 959, 4.1.3): the transfer's, and that to the taking back.
async fn aborted<S>(client: &mut Client<S>) -> Result<Option<Answer>, End>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    client.say(&Answer::new(426, "the transfer was taken back")).await?;
    Ok(Some(Answer::new(226, "it is over")))
}

/// Carries data from one side to the other until the first has no more.
async fn carry(from: &mut TcpStream, to: &mut TcpStream) -> Moved {
    let mut piece = vec![0; PIECE];
    let moved = async {
        loop {
            let count = timeout(STALLED, from.read(&mut piece)).await??;
            if count == 0 {
                return Ok::<_, io::Error>(());
            }
            timeout(STALLED, to.write_all(&piece[..count])).await??;
        }
    };
    match moved.await {
        Ok(()) => Moved::All,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Moved::Broken(Answer::new(426, "nothing has moved for too long: the transfer was ended"))
        }
        Err(_) => Moved::Broken(Answer::new(426, "the data connection broke")),
    }
}
