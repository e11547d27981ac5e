//! The accept loop that faces share: a limit on connections and a fair share of them for each address, one task each,
//! an end for all when the face stops. Errors of accepting (no descriptors left, a peer that is gone already) never
//! end it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framework::modules::security_options::Service;
use meter::Now;
use security::{Source, Who};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connections::{Connection, Entry};
use crate::places::{Holder, Room, room};
use crate::{Site, Stop};

/// How long to wait after an accept that failed: long enough for descriptors to come back, short
/// enough that nobody notices.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// A face's door: whom it lets in, and how many.
pub struct Door {
    /// The meter.
    pub site: Arc<Site>,
    /// The services behind it; they share its places.
    pub services: &'static [Service],
    /// How many connections it takes at once.
    pub places: usize,
    /// Which of them keep their place when somebody else wants one.
    pub keeps: Keeps,
    /// What beginning a conversation costs the meter.
    pub greeting: Greeting,
}

/// Which connections keep their place, whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Those that somebody has logged in on.
    LoggedIn,
    /// Those that were used within this time: where nobody logs in.
    UsedWithin(Duration),
}

/// What beginning a conversation costs the meter, before it knows who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// Next to nothing.
    Free,
    /// A key exchange: a signature and two or three curve operations, about a millisecond of a core. Strangers get
    /// [`KEY_EXCHANGES`] a second, so that a flood of connections takes a small part of one core; a source that
    /// somebody has logged in from is not counted.
    KeyExchange,
}

/// Key exchanges with strangers a second, in the long run.
pub const KEY_EXCHANGES: u32 = 50;
/// The same at once: all places of a face, twice.
pub const KEY_EXCHANGES_AT_ONCE: u32 = 64;

/// So many at once, and then so many a second.
struct Pace {
    left: f64,
    since: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { left: f64::from(KEY_EXCHANGES_AT_ONCE), since: Instant::now() }
    }

    fn admits(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.since).as_secs_f64() * f64::from(KEY_EXCHANGES);
        self.left = (self.left + earned).min(f64::from(KEY_EXCHANGES_AT_ONCE));
        self.since = now;
        let admitted = self.left >= 1.0;
        self.left -= f64::from(u8::from(admitted));
        admitted
    }
}

impl Door {
    /// A place for a newcomer, or why there is none.
    fn place(&self, peer: SocketAddr, pace: &mut Pace) -> Result<(), &'static str> {
        let (source, known_sources) = (Source::from(peer.ip()), Arc::clone(&self.site.view().known_sources));
        let known = known_sources.contains(&source);
        if self.greeting == Greeting::KeyExchange && !known && !pace.admits() {
            return Err("too many strangers at once");
        }
        let now = self.site.now();
        let holders = self.site.connections.of(self.services).into_iter().map(|one| {
            let source = Source::from(one.peer.ip());
            let known = known_sources.contains(&source);
            Holder { number: one.number, source, known, keeps: self.keeps(&one, now), who: one.who }
        });
        match room(self.places, &holders.collect::<Vec<_>>(), source, known) {
            Room::Free => Ok(()),
            Room::InPlaceOf(number) => {
                self.site.connections.end(number);
                Ok(())
            }
            Room::Full => Err("all places are taken"),
        }
    }

    fn keeps(&self, connection: &Connection, now: Now) -> bool {
        match self.keeps {
            Keeps::LoggedIn => connection.who != Who::Nobody,
            Keeps::UsedWithin(time) => {
                let silent_ms = now.up_ms.saturating_sub(connection.used_up_ms);
                u128::try_from(silent_ms).is_ok_and(|silent| silent < time.as_millis())
            }
        }
    }
}

/// Serves connections until told to stop; then closes them all. Where there is no place for a new connection it is
/// closed at once.
pub async fn accept<F, S>(listener: TcpListener, door: Door, mut stop: Stop, mut serve: S)
where
    F: Future<Output = ()> + Send + 'static,
    S: FnMut(TcpStream, SocketAddr, Entry) -> F,
{
    let mut connections = JoinSet::new();
    let mut pace = Pace::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match door.place(peer, &mut pace) {
                    Ok(()) => {
                        // Small answers must not wait for one another.
                        let _ = stream.set_nodelay(true);
                        let entry = door.site.connections.enter(door.services[0], peer, door.site.now());
                        let number = entry.number();
                        let task = connections.spawn(serve(stream, peer, entry));
                        door.site.connections.served_by(number, task);
                    }
                    Err(why) => tracing::debug!(%peer, why, "connection refused"),
                },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn key_exchanges_with_strangers_come_at_a_pace() {
        let mut pace = Pace::new();
        let mut admitted = |tries: u32| (0..tries).filter(|_| pace.admits()).count();
        assert_eq!(admitted(1000), KEY_EXCHANGES_AT_ONCE as usize);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admitted(1000), KEY_EXCHANGES as usize);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(admitted(1000), KEY_EXCHANGES_AT_ONCE as usize, "no more is saved up");
    }
}
