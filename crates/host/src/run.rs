//! Starting and stopping a meter: state directory, keys, boot, faces, measuring, in this order. It is
//! ready when every face that is enabled accepts connections.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firmware::{CarriedError, Version};
use framework::modules::security_options::Service;
use meter::{Birth, BootError, boot};
use services::faces::{Faces, Listening};
use services::syslog::Syslog;
use services::{Clock, Connections, Site, Vault};
use store::{OpenOptions, Opened, RESERVE_BYTES, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::keys;
use crate::measuring::{self, Measuring};
use crate::ports::{PortChoice, Sockets};
use crate::source::{self, SourceChoice, SourceError};
use crate::supervisor::Supervisor;

/// How long the end of the log may take to be told over syslog.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How to run a meter.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory.
    pub state: PathBuf,
    /// The release of a new meter; what is expected of an existing one.
    pub release: Option<Version>,
    /// What to measure.
    pub source: SourceChoice,
    /// The address to listen on.
    pub bind: IpAddr,
    /// Where the device key is, if not in the state directory.
    pub device_key: Option<PathBuf>,
    /// Keys that a new meter trusts to sign releases, one line each.
    pub trust: Vec<String>,
    /// The ports.
    pub ports: PortChoice,
    /// The serial number of a new meter.
    pub serial: Option<String>,
}

/// Why a meter doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What to measure.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The meter's state.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The program's own releases.
    #[error(transparent)]
    Releases(#[from] CarriedError),
    /// The meter's keys.
    #[error("{0}")]
    Keys(String),
    /// Ports.
    #[error("{0}")]
    Ports(String),
    /// The thread that measures.
    #[error("measuring can't start: {0}")]
    Measuring(std::io::Error),
    /// A service can't listen.
    #[error("{0} can't start: {1}")]
    Listen(&'static str, String),
}

/// A meter that runs. Dropping it without [`RunningMeter::stop`] ends it as a power cut would.
pub struct RunningMeter {
    /// What its faces stand on.
    pub site: Arc<Site>,
    /// Whether it has just been made.
    pub born: bool,
    /// What whoever started it should know.
    pub remarks: Vec<String>,
    bind: IpAddr,
    stop: watch::Sender<bool>,
    supervising: JoinHandle<()>,
    syslog: JoinHandle<Syslog>,
    /// Measuring ends when this goes.
    stop_measuring: std::sync::mpsc::Sender<()>,
    measuring: std::thread::JoinHandle<()>,
}

/// Starts a meter and returns when it is ready.
pub async fn start(options: Options) -> Result<RunningMeter, StartError> {
    let clock = Arc::new(SystemClock::start());
    let source = source::open(&options.source)?;
    let shipped = Arc::new(firmware::shipped()?);
    let open = OpenOptions {
        device_key: options.device_key.clone(),
        create: true,
        reserve_bytes: RESERVE_BYTES,
        ..OpenOptions::default()
    };
    let opened = Store::open(&options.state, &open)?;
    let device_files = opened.dir().device_files();
    let (birth_ports, moved) = ports(&options, matches!(opened, Opened::New(_)))?;
    let birth = Birth {
        serial: options.serial.clone().unwrap_or_else(|| serial_number(clock.now().utc_ms)),
        release: options.release.clone(),
        ports: birth_ports,
        trust: options.trust.clone(),
        source: source.source.describe(),
    };
    let sockets = Arc::new(Sockets::new(options.bind, moved.into_iter().collect()));
    let booted = boot(opened, birth, shipped, clock.now(), Arc::clone(&sockets) as _)?;
    // Only now it is certain whose they are.
    let keys = keys::load_or_make(&device_files, &booted.gate.view().identity.serial)?;
    let (faces, really) = watch::channel(Faces::default());
    let site = Arc::new(Site {
        gate: booted.gate,
        clock,
        vault: Arc::new(Vault::default()),
        connections: Arc::new(Connections::default()),
        faces: really,
        keys,
    });
    let mut measuring = Measuring::new(source.source);
    measuring.first_look(&site);
    let mut supervisor = Supervisor::new(Arc::clone(&site), sockets, faces);
    supervisor.reconcile().await;
    let failed = failed(&site.faces.borrow());
    if let Some((service, why)) = failed {
        supervisor.close_all().await;
        return Err(StartError::Listen(service.title(), why));
    }
    let (stop, stopped) = watch::channel(false);
    let (stop_measuring, stopped_measuring) = std::sync::mpsc::channel();
    let measuring = measuring::start(measuring, Arc::clone(&site), stopped_measuring).map_err(StartError::Measuring)?;
    let supervising = tokio::spawn(supervisor.run(stopped.clone()));
    tokio::spawn(services::schedule::run(Arc::clone(&site), stopped.clone()));
    let syslog = tokio::spawn(Syslog::new(booted.first_event).run(Arc::clone(&site), stopped));
    let remarks = booted.remarks.into_iter().chain(source.remarks).collect();
    let bind = options.bind;
    Ok(RunningMeter { site, born: booted.born, remarks, bind, stop, supervising, syslog, stop_measuring, measuring })
}

fn failed(faces: &Faces) -> Option<(Service, String)> {
    faces.services.iter().find_map(|(service, listening)| match listening {
        Listening::Failed(why) => Some((*service, why.clone())),
        Listening::On(_) => None,
    })
}

type Ports = Vec<(Service, u16)>;

/// The registers of a new meter, or the ports that an existing one has for this run only.
fn ports(options: &Options, new: bool) -> Result<(Ports, Ports), StartError> {
    if !new && !options.ports.is_given() {
        return Ok((Ports::new(), Ports::new()));
    }
    let chosen = options.ports.resolve(options.bind).map_err(StartError::Ports)?.into_iter().collect();
    Ok(if new { (chosen, Ports::new()) } else { (Ports::new(), chosen) })
}

impl RunningMeter {
    /// Each service that listens, and where.
    pub fn addresses(&self) -> Vec<(Service, SocketAddr)> {
        let faces = self.site.faces.borrow();
        let on = faces.services.iter().filter_map(|(service, listening)| match listening {
            Listening::On(port) => Some((*service, SocketAddr::new(self.bind, *port))),
            Listening::Failed(_) => None,
        });
        on.collect()
    }

    /// Where Setup reaches it.
    pub fn setup_address(&self) -> Option<SocketAddr> {
        self.addresses().into_iter().find(|(service, _)| *service == Service::Setup).map(|(_, address)| address)
    }

    /// Stops it cleanly: faces closed, the last second stored, the end logged.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // Whoever panicked has ended already.
        let _ = self.supervising.await;
        drop(self.stop_measuring);
        let measuring = self.measuring;
        let _ = tokio::task::spawn_blocking(move || measuring.join()).await;
        if let Err(error) = self.site.gate.power_down(self.site.now()) {
            tracing::error!(%error, "the end could not be logged");
        }
        if let Ok(mut syslog) = self.syslog.await {
            let _ = tokio::time::timeout(LAST_WORDS, syslog.flush(&self.site)).await;
        }
    }
}

/// A serial number in the field's form: year and month, a line, a number, a place.
fn serial_number(utc_ms: i64) -> String {
    let now = jiff::Timestamp::from_millisecond(utc_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%y%m").to_string();
    let [a, b] = *services::site::random::<2>();
    format!("MW-{date}A{:03}-01", u16::from_be_bytes([a, b]) % 1000)
}
