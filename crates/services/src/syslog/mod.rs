//! Tells of each event over syslog: RFC 5424 in UDP datagrams (RFC 5426), once, in the order of the log, from the
//! start of the meter on. The log itself is the queue, so nothing here grows and the meter never waits for it. It is
//! off as shipped, tells nothing that the log doesn't, and says in the log when what it tells gets lost.

mod message;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framework::Value;
use framework::modules::event_log;
use meter::{Caller, EventEntry, View};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::{Site, Stop, accept};

/// How soon an event is told, where syslog is on.
const ROUND: Duration = Duration::from_millis(250);
/// How soon it is seen that syslog was turned on.
const ROUND_OFF: Duration = Duration::from_secs(1);
/// Events told in one round: 200 a second, which no receiver's buffer minds.
const BURST: usize = 50;
/// Events that wait at most while the receiver can't be reached; older ones are passed over, and counted.
const BACKLOG: u64 = 1_000;
/// How long a name has to be resolved, and a datagram to be taken by the system.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to leave a receiver alone that can't be reached.
const RETRY_MS: i64 = 10_000;
/// Without a failure for so long, it is reached again. An entry for each end keeps the log from being about itself.
const CLEAR_MS: i64 = 60_000;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Receiver {
    host: String,
    port: u16,
}

/// A receiver that can't be reached.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// When it failed last, in milliseconds of the clock that never goes back.
    failed_ms: i64,
    lost: u64,
}

/// The teller of one meter.
pub struct Syslog {
    /// The number of the next event to tell.
    next: u64,
    receiver: Option<Receiver>,
    socket: Option<UdpSocket>,
    outage: Option<Outage>,
}

impl Syslog {
    /// Will tell of the events from this number on, if syslog is on then.
    pub fn new(first_event: u64) -> Self {
        Self { next: first_event, receiver: None, socket: None, outage: None }
    }

    /// Tells until told to stop; gives itself back, so that the meter's last words can be told by
    /// [`flush`](Self::flush).
    pub async fn run(mut self, site: Arc<Site>, mut stop: Stop) -> Self {
        loop {
            self.round(&site).await;
            let pause = if self.receiver.is_some() { ROUND } else { ROUND_OFF };
            tokio::select! {
                () = accept::stopped(&mut stop) => return self,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tells what is still to be told, as far as it can be told at once.
    pub async fn flush(&mut self, site: &Arc<Site>) {
        loop {
            let before = self.next;
            self.round(site).await;
            if self.next == before || self.receiver.is_none() {
                return;
            }
        }
    }

    /// One look at the log.
    async fn round(&mut self, site: &Arc<Site>) {
        // The log before the settings: what turns syslog on is then among what is told.
        let newest = site.gate.newest_event();
        let wanted = receiver(&site.view());
        if self.receiver != wanted {
            (self.socket, self.outage) = (None, None);
            self.receiver = wanted;
        }
        let Some(receiver) = self.receiver.clone() else {
            self.next = self.next.max(newest + 1);
            return;
        };
        let now = site.now().up_ms;
        // A receiver that has said that nobody listens there: what went before was lost.
        if let Some(Ok(Some(error))) = self.socket.as_ref().map(UdpSocket::take_error) {
            return self.failed(site, &receiver, 1, &error.to_string()).await;
        }
        if let Some(outage) = &mut self.outage {
            // What is too far behind is not worth waiting for.
            let oldest = (newest + 1).saturating_sub(BACKLOG);
            outage.lost += oldest.saturating_sub(self.next);
            self.next = self.next.max(oldest);
        }
        if self.outage.is_some_and(|outage| now - outage.failed_ms >= CLEAR_MS) && self.socket.is_some() {
            self.reached_again(site, &receiver).await;
        }
        if newest < self.next {
            return;
        }
        if self.socket.is_none() {
            if self.outage.is_some_and(|outage| now - outage.failed_ms < RETRY_MS) {
                return;
            }
            match connect(&receiver).await {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => return self.failed(site, &receiver, 0, &error).await,
            }
        }
        // One at a time, until it is known that somebody takes them.
        let burst = if self.outage.is_some() { 1 } else { BURST };
        let serial = site.view().identity.serial.clone();
        for event in events(site, self.next, burst).await {
            let bytes = message::message(&serial, &event);
            let Some(socket) = &self.socket else { return };
            match timeout(PATIENCE, socket.send(&bytes)).await {
                Ok(Ok(_)) => self.next = event.number + 1,
                // It is the one before that was refused; this one waits.
                Ok(Err(error)) => return self.failed(site, &receiver, 1, &error.to_string()).await,
                Err(_) => return self.failed(site, &receiver, 0, "the network takes nothing").await,
            }
        }
    }

    async fn failed(&mut self, site: &Arc<Site>, receiver: &Receiver, lost: u64, why: &str) {
        self.socket = None;
        let failed_ms = site.now().up_ms;
        match &mut self.outage {
            Some(outage) => (outage.failed_ms, outage.lost) = (failed_ms, outage.lost + lost),
            None => {
                self.outage = Some(Outage { failed_ms, lost });
                let Receiver { host, port } = receiver;
                tracing::warn!(%host, port, %why, "syslog can't be told");
                log(site, format!("{host}:{port} can't be told ({why}); events wait in the log, the newest {BACKLOG}"))
                    .await;
            }
        }
    }

    async fn reached_again(&mut self, site: &Arc<Site>, receiver: &Receiver) {
        if let Some(outage) = self.outage.take() {
            let Receiver { host, port } = receiver;
            tracing::info!(%host, port, lost = outage.lost, "syslog is told again");
            log(site, format!("{host}:{port} is told again; at least {} events were lost", outage.lost)).await;
        }
    }
}

/// What whoever turns syslog on should know now.
pub(crate) fn remark(before: &View, after: &View) -> Option<String> {
    match (switched_on(before), receiver(before), switched_on(after), receiver(after)) {
        (_, _, true, None) => Some("Syslog is on, but Syslog Host is empty: nothing is told to anybody.".to_owned()),
        (_, old, true, new) if old != new => Some(
            "Events cross the network to the syslog host in the clear, without proof of whom they are from.".to_owned(),
        ),
        _ => None,
    }
}

fn switched_on(view: &View) -> bool {
    let mut modules = view.settings.template.modules.iter();
    let module = modules.find(|(name, _)| name.kind().name() == event_log::NAME);
    module.is_some_and(|(_, module)| module.setup.get(event_log::SYSLOG) == Some(&Value::Flag(true)))
}

/// Where the settings want messages, if anywhere.
fn receiver(view: &View) -> Option<Receiver> {
    let mut modules = view.settings.template.modules.iter();
    let (_, module) = modules.find(|(name, _)| name.kind().name() == event_log::NAME)?;
    let host = module.text(event_log::SYSLOG_HOST).trim();
    // The register's range is 1 to 65535.
    let port = module.number(event_log::SYSLOG_PORT)? as u16;
    (switched_on(view) && !host.is_empty()).then(|| Receiver { host: host.to_owned(), port })
}

/// A socket that sends to the receiver alone, and hears if nobody listens there.
async fn connect(receiver: &Receiver) -> Result<UdpSocket, String> {
    let looked_up = timeout(PATIENCE, tokio::net::lookup_host((receiver.host.as_str(), receiver.port))).await;
    let mut addresses = looked_up.map_err(|_| "its name is not resolved".to_owned())?.map_err(|e| e.to_string())?;
    let address = addresses.next().ok_or("its name has no address")?;
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(|error| error.to_string())?;
    socket.connect(address).await.map_err(|error| error.to_string())?;
    Ok(socket)
}

/// A page of the log, read off the network's threads. What can't be read now is read in the next round.
async fn events(site: &Arc<Site>, from: u64, limit: usize) -> Vec<EventEntry> {
    let site = Arc::clone(site);
    let read = tokio::task::spawn_blocking(move || site.gate.events(&Caller::meter(), from, limit)).await;
    read.ok().and_then(Result::ok).unwrap_or_default()
}

/// Says in the log how telling goes.
async fn log(site: &Arc<Site>, effect: String) {
    let site = Arc::clone(site);
    let logged = tokio::task::spawn_blocking(move || site.gate.note(site.now(), "syslog", effect)).await;
    if !matches!(logged, Ok(Ok(()))) {
        tracing::warn!("the event log could not be told how syslog goes");
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Plain;

    use super::*;
    use crate::testbed::Bench;

    /// A receiver on a port of the loopback.
    fn listening(port: u16) -> (Plain, String) {
        let socket = Plain::bind(("127.0.0.1", port)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port().to_string();
        (socket, port)
    }

    /// Everything that has arrived (on the loopback it is there when sending returns): number and MSGID.
    fn arrived(socket: &Plain) -> Vec<(u64, String)> {
        let mut messages = Vec::new();
        let mut buffer = [0; message::LONGEST];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            let number = text.split_once("number=\"").unwrap().1.split_once('"').unwrap().0;
            messages.push((number.parse().unwrap(), text.split(' ').nth(5).unwrap().to_owned()));
        }
        messages
    }

    fn numbers(socket: &Plain) -> Vec<u64> {
        arrived(socket).into_iter().map(|(number, _)| number).collect()
    }

    fn newest_effect(bench: &Bench) -> String {
        let newest = bench.site.gate.newest_event();
        bench.site.gate.events(&Caller::meter(), newest, 1).unwrap().remove(0).effect
    }

    #[tokio::test]
    async fn each_event_is_told_once_and_in_order_from_the_start_on() {
        let (socket, port) = listening(0);
        let bench = Bench::new("4.40.1");
        let mut syslog = Syslog::new(1);
        bench.set(&[("Syslog Host", "127.0.0.1"), ("Syslog Port", &port), ("Syslog", "yes")]);
        syslog.round(&bench.site).await;
        let word = |number, word: &str| (number, word.to_owned());
        let setup = (4..=6).map(|number| word(number, "SETUP"));
        // The third is that the Revenue Log begins.
        let start = [word(1, "RELEASE"), word(2, "POWER"), word(3, "EVENT")];
        let expected: Vec<_> = start.into_iter().chain(setup).collect();
        assert_eq!(arrived(&socket), expected);
        bench.set(&[("CT Prim", "800")]);
        for _ in 0..3 {
            syslog.round(&bench.site).await;
        }
        assert_eq!(numbers(&socket), [7]);
        (0..120).for_each(|round| bench.set(&[("CT Prim", &(100 + round).to_string())]));
        syslog.flush(&bench.site).await;
        assert_eq!(numbers(&socket), (8..=127).collect::<Vec<_>>(), "more than a round's worth");
    }

    #[tokio::test]
    async fn nothing_is_told_while_it_is_off_and_turning_it_on_is_the_first_thing_told() {
        let (socket, port) = listening(0);
        let bench = Bench::new("4.0.9");
        let mut syslog = Syslog::new(1);
        bench.set(&[("Syslog Host", "127.0.0.1"), ("Syslog Port", &port)]);
        syslog.round(&bench.site).await;
        bench.set(&[("Syslog", "yes")]);
        syslog.round(&bench.site).await;
        assert_eq!(numbers(&socket), [6]);
        bench.set(&[("Syslog", "no")]);
        syslog.round(&bench.site).await;
        bench.set(&[("Syslog Host", ""), ("Syslog", "yes")]);
        syslog.round(&bench.site).await;
        assert_eq!(numbers(&socket), Vec::<u64>::new());
    }

    #[tokio::test]
    async fn a_receiver_that_is_away_is_said_once_and_gets_what_has_waited() {
        let (gone, port) = listening(0);
        let bench = Bench::new("4.40.1");
        let mut syslog = Syslog::new(1);
        bench.set(&[("Syslog Host", "127.0.0.1"), ("Syslog Port", &port), ("Syslog", "yes")]);
        syslog.flush(&bench.site).await;
        drop(gone);
        bench.set(&[("CT Prim", "800")]);
        for _ in 0..50 {
            syslog.round(&bench.site).await;
            bench.clock.advance_ms(1_000);
        }
        assert!(newest_effect(&bench).contains("can't be told"), "{}", newest_effect(&bench));
        assert_eq!(bench.site.gate.newest_event(), 8, "said once");
        let (back, _) = listening(port.parse().unwrap());
        bench.set(&[("CT Prim", "900")]);
        for _ in 0..200 {
            syslog.round(&bench.site).await;
            bench.clock.advance_ms(1_000);
        }
        let said = newest_effect(&bench);
        assert!(said.contains("is told again; at least ") && bench.site.gate.newest_event() == 10, "{said}");
        let told = numbers(&back);
        assert!(told.ends_with(&[9, 10]) && told.is_sorted(), "{told:?}");
    }

    #[tokio::test]
    async fn a_name_that_no_address_has_is_said_and_stops_nothing() {
        let bench = Bench::new("4.40.1");
        let mut syslog = Syslog::new(1);
        bench.set(&[("Syslog Host", "no such host, by its spaces"), ("Syslog", "yes")]);
        syslog.flush(&bench.site).await;
        let said = newest_effect(&bench);
        assert!(said.starts_with("no such host, by its spaces:514 can't be told ("), "{said}");
    }
}
