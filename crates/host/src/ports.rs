//! Which ports a meter's services take: the sets people know, single ones moved, or free ones. The
//! sockets are opened here, so that a setting whose port is taken can be refused before it is stored.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use firmware::Settings;
use framework::modules::security_options::Service;
use meter::{Surroundings, View};
use services::faces::{FACES, Face};
use tokio::sync::watch;

/// A set of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSet {
    /// Ports that need no root: 2222, 2323, 2121, 8080, 5020, 7700.
    User,
    /// The ports that the protocols are known by.
    Standard,
    /// Free ones, whatever they are.
    Auto,
}

/// What `--ports` said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortChoice {
    /// The set; the user's unless root, if left out.
    pub set: Option<PortSet>,
    /// Single ports; 0 is a free one.
    pub single: BTreeMap<Service, u16>,
}

impl PortChoice {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.set.is_some() || !self.single.is_empty()
    }

    /// The port of each service, free ones chosen. SFTP follows SSH.
    pub(crate) fn resolve(&self, bind: IpAddr) -> Result<BTreeMap<Service, u16>, String> {
        let set = self.set.unwrap_or(if is_root() { PortSet::Standard } else { PortSet::User });
        let mut ports = BTreeMap::new();
        // Free ones are held until all are chosen, so that no two services get the same.
        let mut held = Vec::new();
        for service in Service::ALL {
            let shared = ports.iter().find(|(other, _): &(&Service, &u16)| other.port() == service.port());
            let port = match (shared, self.single.get(&service)) {
                (Some((_, port)), _) => *port,
                (None, Some(port)) => *port,
                (None, None) => port_in(set, service),
            };
            let port = if port == 0 {
                let listener = free(bind).map_err(|error| format!("no free port on {bind}: {error}"))?;
                let free = listener.local_addr().map_err(|error| error.to_string())?.port();
                held.push(listener);
                free
            } else {
                port
            };
            ports.insert(service, port);
        }
        Ok(ports)
    }
}

/// Where free ports are looked for: below those that systems give to outgoing connections (32768 and up on
/// Linux, 49152 and up by RFC 6335), since a meter comes back to its ports at each start.
const FREE: std::ops::Range<u16> = 20_000..32_768;
/// Tries to find one there before the system is asked for any.
const TRIES: usize = 100;

/// A socket on a free port.
fn free(bind: IpAddr) -> std::io::Result<TcpListener> {
    let drawn = || FREE.start + u16::from_be_bytes(*services::site::random()) % (FREE.end - FREE.start);
    let found = (0..TRIES).find_map(|_| TcpListener::bind((bind, drawn())).ok());
    found.map_or_else(|| TcpListener::bind((bind, 0)), Ok)
}

/// The port that a set has for a service; 0 is a free one.
fn port_in(set: PortSet, service: Service) -> u16 {
    let (user, standard) = match service {
        Service::Ssh | Service::Sftp => (2222, 22),
        Service::Telnet => (2323, 23),
        Service::Ftp => (2121, 21),
        Service::Web => (8080, 80),
        Service::Modbus => (5020, 502),
        Service::Setup => (7700, 7700),
    };
    match set {
        PortSet::Auto => 0,
        PortSet::User => user,
        PortSet::Standard => standard,
    }
}

/// Whether this process belongs to root, as the process file system says.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A meter's sockets, and the news of how it looks.
pub(crate) struct Sockets {
    bind: IpAddr,
    /// Ports that were moved for this run.
    pub moved: BTreeMap<Service, u16>,
    /// Opened for settings that are about to be stored, or for the start; the supervisor takes them.
    opened: Mutex<BTreeMap<u16, TcpListener>>,
    news: watch::Sender<Option<Arc<View>>>,
}

impl Sockets {
    pub fn new(bind: IpAddr, moved: BTreeMap<Service, u16>) -> Self {
        Self { bind, moved, opened: Mutex::default(), news: watch::channel(None).0 }
    }

    /// The address that this machine itself reaches the sockets at.
    pub fn reached_at(&self) -> IpAddr {
        match self.bind {
            IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            bound => bound,
        }
    }

    /// How the meter looks, from now on.
    pub fn news(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.news.subscribe()
    }

    /// The port that a face is to listen on under these settings; none while its services are off.
    pub fn port_of(&self, face: &Face, settings: &Settings) -> Option<u16> {
        let on = face.services.iter().find(|service| settings.service(**service) == Some(true))?;
        self.moved.get(on).copied().or_else(|| settings.port(*on))
    }

    /// A listening socket on a port: one that was opened beforehand, or a new one.
    pub fn listen(&self, port: u16) -> Result<TcpListener, String> {
        match self.opened().remove(&port) {
            Some(listener) => Ok(listener),
            None => self.open(port),
        }
    }

    fn open(&self, port: u16) -> Result<TcpListener, String> {
        let address = SocketAddr::new(self.bind, port);
        TcpListener::bind(address).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("port {port} is taken by another program: choose another one"),
            std::io::ErrorKind::PermissionDenied => {
                format!("port {port} takes root: choose one from 1024 on")
            }
            _ => format!("{address} can't be listened on: {error}"),
        })
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, TcpListener>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for Sockets {
    fn make_room(&self, before: &Settings, after: &Settings) -> Result<(), String> {
        let mut opened = self.opened();
        // Whatever an earlier change opened and then didn't store is closed again.
        opened.clear();
        for face in &FACES {
            let (old, new) = (self.port_of(face, before), self.port_of(face, after));
            let Some(port) = new.filter(|port| Some(*port) != old) else { continue };
            // A face that moves to a port which another one leaves in the same change finds it free
            // only afterwards; the supervisor closes before it opens.
            if FACES.iter().any(|other| self.port_of(other, before) == Some(port)) {
                continue;
            }
            opened.insert(port, self.open(port)?);
        }
        Ok(())
    }

    fn show(&self, view: &Arc<View>) {
        self.news.send_replace(Some(Arc::clone(view)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_single_ports_and_free_ones() {
        let bind = IpAddr::from([127, 0, 0, 1]);
        let choice = PortChoice { set: Some(PortSet::User), single: [(Service::Modbus, 5021)].into() };
        let ports = choice.resolve(bind).unwrap();
        assert_eq!((ports[&Service::Modbus], ports[&Service::Telnet], ports[&Service::Web]), (5021, 2323, 8080));
        assert_eq!(ports[&Service::Ssh], ports[&Service::Sftp], "they share a listener");
        let standard = PortChoice { set: Some(PortSet::Standard), ..PortChoice::default() };
        assert_eq!(standard.resolve(bind).unwrap()[&Service::Telnet], 23);
        let auto = PortChoice { set: Some(PortSet::Auto), ..PortChoice::default() };
        let ports = auto.resolve(bind).unwrap();
        let mut distinct: Vec<_> = ports.values().collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), ports.len() - 1, "all but SFTP's, which is SSH's");
        assert!(distinct.into_iter().all(|port| FREE.contains(port)), "{ports:?}");
    }
}
