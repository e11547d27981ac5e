//! Who holds which connection: every face enters its connections here, so that limits are visible and
//! whoever looks can always see who is connected, from where and since when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framework::modules::security_options::Service;
use security::Who;

/// A connection as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The service.
    pub service: Service,
    /// From where.
    pub peer: SocketAddr,
    /// Who has logged in on it.
    pub who: Who,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
}

/// All connections of a meter.
#[derive(Debug, Default)]
pub struct Connections {
    entries: Mutex<BTreeMap<u64, Connection>>,
    next: std::sync::atomic::AtomicU64,
}

/// A connection's entry, for as long as it lasts.
#[derive(Debug)]
pub struct Entry {
    list: Arc<Connections>,
    number: u64,
}

impl Connections {
    /// Enters a connection. It is listed until the entry is dropped.
    pub fn enter(self: &Arc<Self>, service: Service, peer: SocketAddr, since_utc_ms: i64) -> Entry {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let connection = Connection { service, peer, who: Who::Nobody, since_utc_ms };
        self.entries().insert(number, connection);
        Entry { list: Arc::clone(self), number }
    }

    /// The connections, the oldest first.
    pub fn list(&self) -> Vec<Connection> {
        self.entries().values().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Somebody has logged in on it.
    pub fn logged_in(&self, who: Who) {
        if let Some(connection) = self.list.entries().get_mut(&self.number) {
            connection.who = who;
        }
    }

    /// It turns out to be for another service (SSH or SFTP on one listener).
    pub fn serves(&self, service: Service) {
        if let Some(connection) = self.list.entries().get_mut(&self.number) {
            connection.service = service;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.list.entries().remove(&self.number);
    }
}
