//! Which faces there are, and what really listens. The supervisor opens and closes faces by this list;
//! adding a face is adding a folder and a line here.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use framework::modules::security_options::Service;
use tokio::net::TcpListener;

use crate::{Site, Stop, modbus, setup, ssh, telnet, web};

/// A running face.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A face: the services it gives, on one listener.
pub struct Face {
    /// The services. The face listens while one of them is on; they share a port.
    pub services: &'static [Service],
    /// Runs it until it is stopped.
    pub run: fn(Arc<Site>, TcpListener, Stop) -> Running,
    /// How many connections it takes at once.
    pub connections: usize,
    /// Whether it goes on through a change of release: only Setup does, which drives the change.
    pub outlives_release: bool,
}

/// Every face of this program.
pub static FACES: [Face; 5] = [
    Face {
        services: &[Service::Setup],
        run: |site, listener, stop| Box::pin(setup::run(site, listener, stop)),
        connections: setup::CONNECTIONS,
        outlives_release: true,
    },
    Face {
        services: &[Service::Modbus],
        run: |site, listener, stop| Box::pin(modbus::run(site, listener, stop)),
        connections: modbus::CONNECTIONS,
        outlives_release: false,
    },
    Face {
        services: &[Service::Ssh, Service::Sftp],
        run: |site, listener, stop| Box::pin(ssh::run(site, listener, stop)),
        connections: ssh::CONNECTIONS,
        outlives_release: false,
    },
    Face {
        services: &[Service::Web],
        run: |site, listener, stop| Box::pin(web::run(site, listener, stop)),
        connections: web::CONNECTIONS,
        outlives_release: false,
    },
    Face {
        services: &[Service::Telnet],
        run: |site, listener, stop| Box::pin(telnet::run(site, listener, stop)),
        connections: telnet::CONNECTIONS,
        outlives_release: false,
    },
];

/// Whether this program has a face for a service, and if not, why an enabled one doesn't listen.
pub fn why_not_built(service: Service) -> Option<&'static str> {
    let built = FACES.iter().any(|face| face.services.contains(&service));
    (!built).then_some("this version of wattkeep has no FTP server yet; the setting is kept and planned for")
}

/// Where a face listens, or why it doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    /// On this port, which is not the settings' when ports were moved for this run.
    On(u16),
    /// It should, and can't.
    Failed(String),
}

/// What really listens, as of a generation of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faces {
    /// The generation that the faces match (see [`meter::View`]).
    pub generation: u64,
    /// Each service that is on and has a face.
    pub services: BTreeMap<Service, Listening>,
    /// Ports that were moved for this run only.
    pub moved: BTreeMap<Service, u16>,
}

impl Faces {
    /// Whether a service accepts connections; `None` where this program has no face for it.
    pub fn listens(&self, service: Service) -> Option<bool> {
        match self.services.get(&service) {
            Some(Listening::On(_)) => Some(true),
            Some(Listening::Failed(_)) => Some(false),
            None => why_not_built(service).is_none().then_some(false),
        }
    }
}
