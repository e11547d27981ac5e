//! Which faces there are, and what really listens. The supervisor opens and closes faces by this list;
//! adding a face is adding a folder and a line here.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use framework::modules::security_options::Service;
use tokio::net::TcpListener;

use crate::{Site, Stop, ftp, modbus, setup, ssh, telnet, web};

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
pub static FACES: [Face; 6] = [
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
    Face {
        services: &[Service::Ftp],
        run: |site, listener, stop| Box::pin(ftp::run(site, listener, stop)),
        connections: ftp::CONNECTIONS,
        outlives_release: false,
    },
];

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
    /// Each service that is on.
    pub services: BTreeMap<Service, Listening>,
    /// Ports that were moved for this run only.
    pub moved: BTreeMap<Service, u16>,
    /// While a release is on trial, once each of them has been tried: why those that failed did.
    pub proved: Option<Vec<String>>,
}

impl Faces {
    /// Whether a service accepts connections.
    pub fn listens(&self, service: Service) -> bool {
        matches!(self.services.get(&service), Some(Listening::On(_)))
    }
}
