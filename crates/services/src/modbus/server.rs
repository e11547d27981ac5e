//! The listener of the Modbus face: accepts connections, runs one [`Conversation`] on each, and keeps their
//! number, their idle time and their memory bounded.
//!
//! When the table is full, or an address has all the places that one may have (see [`crate::places`]), the connection
//! that has been silent longest gives way to the new one. A head-end that lost its network leaves dead connections
//! behind and must get in again at once; it is a polling one that must not be pushed out, so nobody gives way who spoke
//! within [`KEEP`], and then the new one is closed instead.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use security::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::RegisterSpace;
use super::answer::{Conversation, MAX_OUTPUT};
use super::framing::{Framing, Lost, MAX_FRAME};
use crate::places::{Holder, Room, room};

/// How many connections one meter holds at a time: far above what head-ends open, far below what a process
/// has descriptors for.
pub const MAX_CONNECTIONS: usize = 64;
/// A connection that sent no whole frame for this long is closed.
pub const IDLE: Duration = Duration::from_secs(5 * 60);
/// A connection that sent a whole frame within this time keeps its place when the table is full.
pub const KEEP: Duration = Duration::from_secs(30);

/// Bytes read ahead per connection: some thirty pipelined polls, and always a whole frame.
const INPUT: usize = 1024;
const _: () = assert!(INPUT > MAX_FRAME);
/// The first and the longest pause after the system refused to accept (no descriptors left, say).
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The bounds of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// See [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// See [`IDLE`].
    pub idle: Duration,
    /// See [`KEEP`].
    pub keep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: MAX_CONNECTIONS, idle: IDLE, keep: KEEP }
    }
}

/// Serves `space` on `listener` until `stop` turns true or its sender is gone; then every connection is
/// closed before this returns. Dropping the future does the same.
pub async fn serve(
    listener: TcpListener,
    framing: Framing,
    space: Arc<dyn RegisterSpace>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    accept_from(listener, framing, space, limits, stop).await;
}

/// Where connections come from; tests put one in that fails.
trait Accept {
    fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        TcpListener::accept(self).await
    }
}

async fn accept_from(
    mut source: impl Accept,
    framing: Framing,
    space: Arc<dyn RegisterSpace>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let mut table = Table { tasks: JoinSet::new(), slots: Vec::new() };
    let mut pause = BACK_OFF.0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = table.tasks.join_next_with_id() => {
                table.ended(ended.map(|(id, ())| id));
                continue;
            }
            accepted = source.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = BACK_OFF.0;
                if table.make_room(peer, &limits) {
                    table.open(stream, peer, framing, &*space, &limits);
                } else {
                    tracing::debug!(%peer, "Modbus connection closed at once: all {} are busy", limits.connections);
                }
            }
            // The peer gave up before it was accepted: nothing is wrong here.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                if pause == BACK_OFF.0 {
                    tracing::warn!(%error, "the Modbus listener can't accept connections just now and goes on trying");
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
    }
    table.tasks.shutdown().await;
}

/// The open connections.
struct Table {
    tasks: JoinSet<()>,
    slots: Vec<Slot>,
}

struct Slot {
    task: AbortHandle,
    heard: Arc<Heard>,
    source: Source,
}

impl Table {
    fn open(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        framing: Framing,
        space: &dyn RegisterSpace,
        limits: &Limits,
    ) {
        let heard = Arc::new(Heard::now());
        let conversation = Conversation::new(framing, space.connect(peer));
        let connection = run(stream, peer, conversation, heard.clone(), limits.idle);
        let task = self.tasks.spawn(connection);
        self.slots.push(Slot { task, heard, source: Source::from(peer.ip()) });
    }

    /// Whether one more may come in; closes the connection longest silent if that is what it takes.
    fn make_room(&mut self, peer: SocketAddr, limits: &Limits) -> bool {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(ended.map(|(id, ())| id));
        }
        // The longest silent one in front. Nobody logs in on Modbus, so nobody is known by it.
        self.slots.sort_by_key(|slot| slot.heard.at());
        let holder = |(number, slot): (u64, &Slot)| Holder {
            number,
            source: slot.source,
            known: false,
            keeps: slot.heard.at().elapsed() < limits.keep,
            who: security::Who::Nobody,
        };
        let holders: Vec<_> = (0..).zip(&self.slots).map(holder).collect();
        match room(limits.connections, &holders, Source::from(peer.ip()), false) {
            Room::Free => true,
            Room::Full => false,
            Room::InPlaceOf(number) => {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                if place < self.slots.len() {
                    self.slots.remove(place).task.abort();
                }
                true
            }
        }
    }

    fn ended(&mut self, ended: Result<tokio::task::Id, JoinError>) {
        let id = ended.unwrap_or_else(|error| {
            if !error.is_cancelled() {
                tracing::error!(%error, "a Modbus connection broke down; the others go on");
            }
            error.id()
        });
        self.slots.retain(|slot| slot.task.id() != id);
    }
}

/// When a connection was last heard, readable by the accept loop without a lock.
struct Heard {
    opened: Instant,
    micros: AtomicU64,
}

impl Heard {
    fn now() -> Self {
        Heard { opened: Instant::now(), micros: AtomicU64::new(0) }
    }

    fn again(&self) {
        self.micros.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.opened + Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

/// Why a connection was ended from this side.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("no whole frame came, or no answer was taken, for too long")]
    Idle,
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Io(#[from] io::Error),
}

async fn run(stream: TcpStream, peer: SocketAddr, conversation: Conversation, heard: Arc<Heard>, idle: Duration) {
    match converse(stream, conversation, &heard, idle).await {
        Ok(()) => tracing::debug!(%peer, "Modbus connection closed by the client"),
        Err(end) => tracing::debug!(%peer, %end, "Modbus connection ended"),
    }
}

/// Until the client closes (`Ok`) or there is a reason to.
async fn converse(
    mut stream: TcpStream,
    mut conversation: Conversation,
    heard: &Heard,
    idle: Duration,
) -> Result<(), End> {
    // An answer is one small packet: Nagle's algorithm would hold it back for the next poll.
    stream.set_nodelay(true)?;
    let mut input = vec![0; INPUT];
    let mut filled = 0;
    let mut output = Vec::with_capacity(MAX_OUTPUT);
    let mut deadline = std::pin::pin!(sleep_until(heard.at() + idle));
    loop {
        let count = tokio::select! {
            biased;
            // What is left over is less than a frame, so there is always room to read into.
            count = stream.read(&mut input[filled..]) => count?,
            () = &mut deadline => {
                // The timer is set again only when it rings: a poll costs no timer.
                let due = heard.at() + idle;
                if due <= Instant::now() {
                    return Err(End::Idle);
                }
                deadline.as_mut().reset(due);
                continue;
            }
        };
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let mut taken = 0;
        loop {
            output.clear();
            let answered = conversation.answer(&input[taken..filled], &mut output);
            if !output.is_empty() {
                timeout(idle, stream.write_all(&output)).await.map_err(|_| End::Idle)??;
            }
            match answered? {
                0 => break,
                bytes => taken += bytes,
            }
        }
        if taken > 0 {
            heard.again();
            input.copy_within(taken..filled, 0);
            filled -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Exception, Identity, Registers};
    use super::*;

    /// Every register reads its own address.
    struct Addresses;

    impl RegisterSpace for Addresses {
        fn connect(&self, _peer: SocketAddr) -> Box<dyn Registers> {
            Box::new(Addresses)
        }
    }

    impl Registers for Addresses {
        fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception> {
            out.extend((first..).take(count.into()));
            Ok(())
        }

        fn write(&mut self, _first: u16, _values: &[u16]) -> Result<(), Exception> {
            Err(Exception::IllegalDataAddress)
        }

        fn identity(&self) -> Identity {
            Identity { vendor: String::new(), product: String::new(), revision: String::new() }
        }
    }

    /// Refuses as a system without descriptors does, then hands out real connections.
    struct Starved {
        refusals: Vec<io::Error>,
        listener: TcpListener,
    }

    impl Accept for Starved {
        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            match self.refusals.pop() {
                Some(refusal) => Err(refusal),
                None => self.listener.accept().await,
            }
        }
    }

    struct Running {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        server: tokio::task::JoinHandle<()>,
    }

    async fn start(limits: Limits, refusals: Vec<io::Error>) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let source = Starved { refusals, listener };
        let server = tokio::spawn(accept_from(source, Framing::Tcp, Arc::new(Addresses), limits, stopped));
        Running { address, stop, server }
    }

    /// One poll; `None` when the connection turns out to be closed.
    async fn poll(stream: &mut TcpStream) -> Option<u16> {
        stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1]).await.ok()?;
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).await.ok()?;
        Some(u16::from_be_bytes([answer[9], answer[10]]))
    }

    async fn closed(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn a_refusing_system_is_waited_out() {
        let refusals = vec![
            io::Error::from(io::ErrorKind::OutOfMemory),
            io::Error::from(io::ErrorKind::ConnectionAborted),
            io::Error::other("too many open files"),
        ];
        let running = start(Limits::default(), refusals).await;
        let mut client = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut client).await, Some(10));
    }

    #[tokio::test]
    async fn a_full_table_drops_who_was_silent_longest() {
        let limits = Limits { connections: 2, keep: Duration::ZERO, ..Limits::default() };
        let running = start(limits, vec![]).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut first).await, Some(10));
        let mut second = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut second).await, Some(10));
        assert_eq!(poll(&mut first).await, Some(10));
        let mut third = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut third).await, Some(10));
        assert!(closed(&mut second).await, "the one silent longest");
        assert_eq!(poll(&mut first).await, Some(10));
    }

    #[tokio::test]
    async fn a_full_table_of_busy_connections_closes_the_new_one() {
        let limits = Limits { connections: 1, ..Limits::default() };
        let running = start(limits, vec![]).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut first).await, Some(10));
        let mut second = TcpStream::connect(running.address).await.unwrap();
        assert!(closed(&mut second).await);
        assert_eq!(poll(&mut first).await, Some(10));
        drop(first);
        // Its place is free as soon as the server has seen it go.
        loop {
            let mut next = TcpStream::connect(running.address).await.unwrap();
            if poll(&mut next).await.is_some() {
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_connection_without_whole_frames_is_closed_when_idle_time_is_over() {
        let limits = Limits { idle: Duration::from_millis(80), ..Limits::default() };
        let running = start(limits, vec![]).await;
        let mut silent = TcpStream::connect(running.address).await.unwrap();
        assert!(closed(&mut silent).await, "never said a word");
        let mut dripping = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut dripping).await, Some(10));
        dripping.write_all(&[0, 1, 0, 0]).await.unwrap();
        assert!(closed(&mut dripping).await, "half a frame is no sign of life");
    }

    #[tokio::test]
    async fn stopping_closes_every_connection_at_once() {
        let running = start(Limits::default(), vec![]).await;
        let mut client = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(poll(&mut client).await, Some(10));
        running.stop.send(true).unwrap();
        running.server.await.unwrap();
        assert!(closed(&mut client).await);
        assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_vanished_owner_stops_it_too() {
        let Running { server, stop, .. } = start(Limits::default(), vec![]).await;
        drop(stop);
        server.await.unwrap();
    }
}
