//! Who holds which connection: every face enters its connections here, so that limits are visible, whoever looks can
//! always see who is connected, from where, since when and how long silent, and a session that is ended takes its
//! connections along, on every face.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framework::modules::security_options::Service;
use meter::Now;
use security::Who;
use tokio::task::AbortHandle;

/// A connection as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Counts connections; the later, the higher.
    pub number: u64,
    /// The service.
    pub service: Service,
    /// From where.
    pub peer: SocketAddr,
    /// Who has logged in on it.
    pub who: Who,
    /// The session that it was last used under.
    pub session: Option<u64>,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
    /// When it was last used, in the process's own milliseconds.
    pub used_up_ms: i64,
}

/// What of a connection is personal, as it may be told to somebody: `-` and no number where it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Who has logged in on it.
    pub user: String,
    /// From where.
    pub peer: String,
    /// The session that it is used under.
    pub session: Option<u64>,
}

impl Connection {
    /// Whose it is: told to whoever may read security, and to the session that it is itself used under. Others see that
    /// there is a connection, for which service, since when and how long silent.
    pub fn whose(&self, reads_security: bool, asking: Option<u64>) -> Whose {
        if reads_security || (asking.is_some() && self.session == asking) {
            return Whose { user: self.who.to_string(), peer: self.peer.to_string(), session: self.session };
        }
        Whose { user: Who::Nobody.to_string(), peer: "-".to_owned(), session: None }
    }
}

/// All connections of a meter.
#[derive(Debug, Default)]
pub struct Connections {
    entries: Mutex<BTreeMap<u64, Held>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Held {
    connection: Connection,
    used_up_ms: Arc<AtomicI64>,
    /// Ends the task that serves it, and with the task the connection.
    task: Option<AbortHandle>,
}

impl Held {
    fn shown(&self) -> Connection {
        Connection { used_up_ms: self.used_up_ms.load(Ordering::Relaxed), ..self.connection.clone() }
    }

    fn end(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A connection's entry, for as long as it lasts.
#[derive(Debug)]
pub struct Entry {
    list: Arc<Connections>,
    number: u64,
    used_up_ms: Arc<AtomicI64>,
}

impl Connections {
    /// Enters a connection. It is listed until the entry is dropped.
    pub fn enter(self: &Arc<Self>, service: Service, peer: SocketAddr, now: Now) -> Entry {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let used_up_ms = Arc::new(AtomicI64::new(now.up_ms));
        let connection = Connection {
            number,
            service,
            peer,
            who: Who::Nobody,
            session: None,
            since_utc_ms: now.utc_ms,
            used_up_ms: now.up_ms,
        };
        self.entries().insert(number, Held { connection, used_up_ms: Arc::clone(&used_up_ms), task: None });
        Entry { list: Arc::clone(self), number, used_up_ms }
    }

    /// The connections, the oldest first.
    pub fn list(&self) -> Vec<Connection> {
        self.entries().values().map(Held::shown).collect()
    }

    /// The connections of some services, the oldest first.
    pub fn of(&self, services: &[Service]) -> Vec<Connection> {
        let entries = self.entries();
        entries.values().filter(|held| services.contains(&held.connection.service)).map(Held::shown).collect()
    }

    /// The task that serves a connection, so that ending it ends the connection.
    pub fn served_by(&self, number: u64, task: AbortHandle) {
        if let Some(held) = self.entries().get_mut(&number) {
            held.task = Some(task);
        }
    }

    /// Ends a connection.
    pub fn end(&self, number: u64) {
        // Taken off the list at once: its place is free, whenever its task comes to its end.
        if let Some(held) = self.entries().remove(&number) {
            held.end();
        }
    }

    /// Ends the connections of a session that is over, all but the one through which it was asked for: that one is
    /// still owed an answer.
    pub fn end_session(&self, session: u64, asked_by: Option<u64>) {
        for held in self.entries().values_mut().filter(|held| held.connection.session == Some(session)) {
            if Some(held.connection.number) == asked_by {
                (held.connection.session, held.connection.who) = (None, Who::Nobody);
            } else {
                held.end();
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Which of the connections it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Somebody has logged in on it.
    pub fn logged_in(&self, who: Who) {
        if let Some(held) = self.list.entries().get_mut(&self.number) {
            held.connection.who = who;
        }
    }

    /// It is used under this session from now on: when the session is ended, so is the connection.
    pub fn in_session(&self, session: Option<u64>) {
        if let Some(held) = self.list.entries().get_mut(&self.number) {
            held.connection.session = session;
        }
    }

    /// It is used now.
    pub fn used(&self, now: Now) {
        self.used_up_ms.store(now.up_ms, Ordering::Relaxed);
    }

    /// It turns out to be for another service (SSH or SFTP on one listener).
    pub fn serves(&self, service: Service) {
        if let Some(held) = self.list.entries().get_mut(&self.number) {
            held.connection.service = service;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.list.entries().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_connection_is_is_told_to_its_own_session_and_to_those_who_may_read_security() {
        let connection = Connection {
            number: 1,
            service: Service::Ssh,
            peer: "192.0.2.1:7".parse().unwrap(),
            who: Who::Standard,
            session: Some(4),
            since_utc_ms: 5,
            used_up_ms: 7,
        };
        let all = Whose { user: "8650".into(), peer: "192.0.2.1:7".into(), session: Some(4) };
        let nothing = Whose { user: "-".into(), peer: "-".into(), session: None };
        assert_eq!(connection.whose(true, None), all);
        assert_eq!(connection.whose(false, Some(4)), all);
        assert_eq!(connection.whose(false, Some(5)), nothing);
        assert_eq!(connection.whose(false, None), nothing);
        assert_eq!(
            Connection { session: None, ..connection }.whose(false, None),
            nothing,
            "nobody's is not anybody's own"
        );
    }

    #[tokio::test]
    async fn a_session_that_is_ended_takes_its_connections_along_but_for_the_one_that_asked() {
        let list = Arc::new(Connections::default());
        let peer = "192.0.2.1:7".parse().unwrap();
        let now = Now { utc_ms: 5, up_ms: 7 };
        let mut tasks = Vec::new();
        for session in [1, 1, 2] {
            let entry = list.enter(Service::Ssh, peer, now);
            let number = entry.number();
            entry.in_session(Some(session));
            entry.logged_in(Who::Standard);
            entry.used(Now { up_ms: 9, ..now });
            let task = tokio::spawn(async move {
                let _entry = entry;
                std::future::pending::<()>().await;
            });
            list.served_by(number, task.abort_handle());
            tasks.push(task);
        }
        let asking = list.list()[0].number;
        list.end_session(1, Some(asking));
        assert!(tasks.remove(1).await.unwrap_err().is_cancelled());
        let left = list.list();
        assert_eq!(left.iter().map(|one| one.session).collect::<Vec<_>>(), [None, Some(2)]);
        assert_eq!(
            (left[0].who, left[1].who, left[1].used_up_ms, left[1].since_utc_ms),
            (Who::Nobody, Who::Standard, 9, 5)
        );
        list.end(left[1].number);
        assert_eq!(list.list().len(), 1, "its place is free at once");
        assert!(tasks.remove(1).await.unwrap_err().is_cancelled());
    }
}
