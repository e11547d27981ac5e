//! Whole faces, each with a real meter behind it, as a stranger meets them: a connection's bytes, from the first
//! to the hanging up. Time stands still but for what the face itself waits for, which passes at once.

use std::cell::OnceCell;
use std::sync::Arc;

use framework::modules::security_options::Service;
use rustls::ServerConfig;
use services::strangers;
use services::testbed::Bench;
use tokio::runtime::{Builder, Runtime};

/// More than any page, template or list of a meter.
const LARGEST_ANSWER: usize = 4 << 20;

/// A meter, and the runtime that its faces live in.
struct House {
    bench: Bench,
    runtime: Runtime,
}

impl House {
    fn new(release: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let bench = Bench::new(release);
        bench.set(match release {
            "4.40.1" => &[("SSH", "yes"), ("Web Server", "yes")],
            // So that what a form sends is read.
            _ => &[("Web Server Configuration Access", "yes")],
        });
        Self { bench, runtime }
    }

    /// A legacy meter whose password isn't the factory's: what FTP does for whoever is in takes real sockets.
    fn shut() -> Self {
        let house = Self::new("4.0.9");
        house.runtime.block_on(house.bench.set_password("8650", "58317462"));
        house
    }

    fn hear(&self, service: Service, bytes: &[u8]) {
        let answers = self.runtime.block_on(strangers::say(&self.bench.site, service, bytes));
        assert!(answers.len() <= LARGEST_ANSWER, "{} bytes of answers", answers.len());
        assert!(self.bench.site.connections.list().is_empty(), "who has hung up is off the list");
    }
}

thread_local! {
    static LEGACY: OnceCell<House> = const { OnceCell::new() };
    static NEWEST: OnceCell<House> = const { OnceCell::new() };
    static SHUT: OnceCell<House> = const { OnceCell::new() };
}

fn newest(service: Service, bytes: &[u8]) {
    NEWEST.with(|house| house.get_or_init(|| House::new("4.40.1")).hear(service, bytes));
}

fn legacy(service: Service, bytes: &[u8]) {
    LEGACY.with(|house| house.get_or_init(|| House::new("4.0.9")).hear(service, bytes));
}

fn shut(service: Service, bytes: &[u8]) {
    SHUT.with(|house| house.get_or_init(House::shut).hear(service, bytes));
}

/// A face, which the first byte picks: Setup's protocol inside TLS, SSH up to the key exchange (which a fuzzer
/// can't pass), the web pages of either release, Telnet and FTP with their logins.
pub fn faces(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    match first % 6 {
        0 => newest(Service::Setup, bytes),
        1 => newest(Service::Ssh, bytes),
        2 => newest(Service::Web, bytes),
        3 => legacy(Service::Web, bytes),
        4 => legacy(Service::Telnet, bytes),
        _ => shut(Service::Ftp, bytes),
    }
}

/// The TLS handshake, with the library and the configuration that Setup has.
pub fn tls(bytes: &[u8]) {
    thread_local! {
        static CONFIG: OnceCell<Arc<ServerConfig>> = const { OnceCell::new() };
    }
    let config = CONFIG.with(|config| Arc::clone(config.get_or_init(|| Arc::new(tls_config()))));
    let Ok(mut server) = rustls::ServerConnection::new(config) else { panic!("a connection without bytes") };
    let mut bytes = bytes;
    while !bytes.is_empty() {
        match server.read_tls(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) if server.process_new_packets().is_err() => return,
            Ok(_) => {}
        }
    }
    assert!(server.is_handshaking(), "nobody gets through without the other half of a handshake");
}

fn tls_config() -> ServerConfig {
    let Ok(keys) = services::Keys::new("MW-2611A001-01") else { panic!("no keys") };
    match services::setup::tls(&keys) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}
