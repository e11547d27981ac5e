//! Floods a real meter with bad logins on its owner's own name, from many addresses, over Setup and SSH, and measures
//! what the owner notices of it: how long a right login takes from a place used before, and how late the meter
//! measures. First idle, then under the flood.
//!
//! `cargo run --release -p system-tests --example flood -- [BAD LOGINS A SECOND] [SECONDS]`, after `cargo build --release
//! -p wattkeep`. Addresses are the loopback's (127.x.y.z), so this runs on Linux as it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use security::Password;
use system_tests::{Meter, run, secret_file};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

const OWN: &str = "58317462";
/// Where the owner logs in from.
const HOME: [u8; 4] = [127, 0, 0, 1];
/// Connections of the flood at once: as many as fit into the usual limit of descriptors.
const IN_FLIGHT: usize = 4000;
/// How often the owner logs in.
const EVERY: Duration = Duration::from_millis(500);

/// Believes any certificate: what is measured is the other side's work.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn tls() -> TlsConnector {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![api::routes::ALPN.to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(from: [u8; 4], port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::from((from, 0))).ok()?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.ok()
}

/// The status of a login over Setup; none if the meter hung up.
async fn over_setup(tls: &TlsConnector, from: [u8; 4], port: u16, name: &str, password: &str) -> Option<u16> {
    let stream = connect(from, port).await?;
    let mut stream = tls.connect(ServerName::try_from("meter").ok()?, stream).await.ok()?;
    let login = api::login::login(name, &Password::new(password).ok()?);
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: meter\r\nauthorization: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        api::routes::SESSION,
        *login
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

struct Anything;

impl russh::client::Handler for Anything {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &russh::keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Whether a login over SSH was accepted; none if the meter hung up.
async fn over_ssh(from: [u8; 4], port: u16, password: &str) -> Option<bool> {
    let stream = connect(from, port).await?;
    let mut client = russh::client::connect_stream(Arc::default(), stream, Anything).await.ok()?;
    Some(client.authenticate_password("8650", password).await.ok()?.success())
}

/// What became of the flood's logins.
#[derive(Default)]
struct Fates {
    tried: AtomicU64,
    refused: AtomicU64,
    hung_up: AtomicU64,
}

async fn flood(rate: u64, setup: u16, ssh: u16, fates: Arc<Fates>) {
    let (tls, places) = (Arc::new(tls()), Arc::new(Semaphore::new(IN_FLIGHT)));
    let mut timer = tokio::time::interval(Duration::from_micros(1_000_000 / rate.max(1)));
    for n in 0u32.. {
        timer.tick().await;
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (tls, fates) = (Arc::clone(&tls), Arc::clone(&fates));
        // Sixteen thousand addresses, each as often as any.
        let [.., high, low] = (n % 16_384).to_be_bytes();
        tokio::spawn(async move {
            let _place = place;
            let from = [127, 10 + (n % 5) as u8, high, low.max(1)];
            fates.tried.fetch_add(1, Ordering::Relaxed);
            let refused = if n % 2 == 0 {
                over_setup(&tls, from, setup, "8650", "1234").await.inspect(|status| assert_ne!(*status, 200)).is_some()
            } else {
                over_ssh(from, ssh, "1234").await.inspect(|accepted| assert!(!accepted)).is_some()
            };
            let fate = if refused { &fates.refused } else { &fates.hung_up };
            fate.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Right logins for so long: how long each took, by service, in milliseconds; and how many failed.
async fn log_in(seconds: u64, setup: u16, ssh: u16) -> (BTreeMap<&'static str, Vec<f64>>, usize) {
    let tls = tls();
    let (mut took, mut failed) = (BTreeMap::<_, Vec<f64>>::new(), 0);
    let start = Instant::now();
    let mut timer = tokio::time::interval(EVERY);
    while start.elapsed() < Duration::from_secs(seconds) {
        for service in ["setup", "ssh"] {
            timer.tick().await;
            let begin = Instant::now();
            let entered = match service {
                "setup" => over_setup(&tls, HOME, setup, "8650", OWN).await == Some(200),
                _ => over_ssh(HOME, ssh, OWN).await == Some(true),
            };
            if entered {
                took.entry(service).or_default().push(begin.elapsed().as_secs_f64() * 1e3);
            } else {
                failed += 1;
            }
        }
    }
    (took, failed)
}

/// Wrong passwords, by turns for an account and for nobody, each from a new address: how long the refusal takes. As many
/// as are free of any delay, since a delay would hide a difference.
async fn time_names(setup: u16) -> (Vec<f64>, Vec<f64>) {
    let tls = tls();
    let (mut there, mut nowhere) = (Vec::new(), Vec::new());
    for n in 1..=20 {
        let (name, took) = if n % 2 == 0 { ("8650", &mut there) } else { ("root", &mut nowhere) };
        let begin = Instant::now();
        over_setup(&tls, [127, 200, 0, n], setup, name, "1234").await;
        took.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    (there, nowhere)
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted.get(((sorted.len() as f64 - 1.0) * q).round() as usize).copied().unwrap_or(f64::NAN)
}

fn print(what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|q| quantile(&took, q));
    println!("  {what:24} n {:4}   p50 {p50:7.1} ms   p99 {p99:7.1} ms   max {most:7.1} ms", took.len());
}

/// How late each second was measured, from the meter's own log.
fn lateness(log: &Path, from_line: usize) -> Vec<f64> {
    let said = std::fs::read_to_string(log).unwrap();
    let late = said.lines().skip(from_line).filter_map(|line| line.split("late_ms=").nth(1)?.trim().parse().ok());
    late.collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let rate = arguments.next().unwrap_or(500);
    let seconds = arguments.next().unwrap_or(20);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let meter = Meter::start_logging(dir.path(), &["--ports", "auto"], &log, "host=trace");
    let file = secret_file(dir.path(), "new", OWN);
    meter.setup(Some(("8650", "0")), &["security", "set", "front-panel-password", "--new-password-file", &file]).ok();
    meter.setup(Some(("8650", OWN)), &["set", "SSH", "yes"]).ok();
    let (setup, ssh) = (meter.ports["setup"], meter.port(None, "ssh"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap().lines().count();

    println!("idle, {seconds} s");
    let begin = lines();
    let (took, failed) = runtime.block_on(log_in(seconds, setup, ssh));
    assert_eq!(failed, 0);
    took.into_iter().for_each(|(service, took)| print(&format!("right login, {service}"), took));
    print("a second measured late", lateness(&log, begin));

    println!("a wrong password for a name that is there, and for one that isn't");
    let (there, nowhere) = runtime.block_on(time_names(setup));
    print("8650", there);
    print("root", nowhere);

    println!("under {rate} bad logins a second on the owner's name, {seconds} s");
    let (begin, fates) = (lines(), Arc::new(Fates::default()));
    let storm = runtime.spawn(flood(rate, setup, ssh, Arc::clone(&fates)));
    let (took, failed) = runtime.block_on(log_in(seconds, setup, ssh));
    storm.abort();
    took.into_iter().for_each(|(service, took)| print(&format!("right login, {service}"), took));
    print("a second measured late", lateness(&log, begin));
    let [tried, refused, hung_up] =
        [&fates.tried, &fates.refused, &fates.hung_up].map(|fate| fate.load(Ordering::Relaxed));
    println!("  right logins that failed: {failed}");
    println!("  of the flood: {tried} tried, {refused} refused, {hung_up} hung up on");
    let status = run(std::process::Command::new("grep").args(["VmHWM", &format!("/proc/{}/status", meter.pid())]));
    println!("  the meter's memory: {}", status.out.split_whitespace().collect::<Vec<_>>().join(" "));
}
