//! The proof that a face works: a connection like anybody's, over the machine's own network, and the first words of
//! an answer as the release gives them. Nobody logs in for it, and nothing is read that a stranger couldn't read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use framework::modules::security_options::Service;
use meter::View;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, PeerIncompatible, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::faces::{Faces, Listening};
use crate::{Site, web};

/// How long one try may take; a machine under load answers in hundreds of milliseconds.
const TRY: Duration = Duration::from_secs(10);
/// How long a face is tried again that closes the connection: in a flood its places go to whoever comes first.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// A first answer is read this far at most.
const LONGEST_ANSWER: usize = 4096;

/// Why an answer is no proof.
enum Unproved {
    /// Nothing came of it; another try may do better.
    Again(String),
    /// Something else answers.
    Another(String),
}

impl From<std::io::Error> for Unproved {
    fn from(error: std::io::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// Tries every service that listens, all at once. Gives why those that failed did, a sentence each.
pub async fn prove(site: &Site, at: IpAddr, faces: &Faces) -> Vec<String> {
    let view = site.view();
    // Services that share a listener are tried once.
    let mut ports = BTreeMap::new();
    for (service, listening) in &faces.services {
        if let Listening::On(port) = listening {
            ports.entry(*port).or_insert(*service);
        }
    }
    let mut tries = tokio::task::JoinSet::new();
    for (port, service) in ports {
        let (view, keys) = (Arc::clone(&view), site.keys.tls_certificate.clone());
        tries.spawn(async move {
            let proved = timeout(PATIENCE, prove_one(&view, &keys, service, SocketAddr::new(at, port))).await;
            let why = match proved {
                Ok(proved) => proved.err()?,
                Err(_) => format!("it did not answer within {} s", PATIENCE.as_secs()),
            };
            Some(format!("{} on port {port} does not work: {why}", service.title()))
        });
    }
    let mut failures: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
    failures.sort();
    failures
}

async fn prove_one(view: &View, certificate: &[u8], service: Service, at: SocketAddr) -> Result<(), String> {
    loop {
        match timeout(TRY, answer(view, certificate, service, at)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Unproved::Another(why))) => return Err(why),
            Ok(Err(Unproved::Again(why))) => tracing::debug!(service = service.title(), why, "not proved yet"),
            Err(_) => tracing::debug!(service = service.title(), "not proved yet: no answer"),
        }
        sleep(PAUSE).await;
    }
}

/// One try.
async fn answer(view: &View, certificate: &[u8], service: Service, at: SocketAddr) -> Result<(), Unproved> {
    let mut stream = TcpStream::connect(at).await?;
    match service {
        Service::Setup => handshake(stream, certificate).await,
        Service::Ssh | Service::Sftp => hear(&mut stream, b"SSH-2.0-").await,
        Service::Ftp => hear(&mut stream, b"220").await,
        // The banner names the release's own type of device (`8650V409`); negotiation may come before it.
        Service::Telnet => hear_within(&mut stream, view.release().device_type.as_bytes()).await,
        Service::Modbus => modbus(&mut stream).await,
        Service::Web => {
            let page = web::Page::Operation;
            let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", page.path());
            stream.write_all(request.as_bytes()).await?;
            hear(&mut stream, format!("HTTP/1.1 {}", web::status_for_strangers(view, page)).as_bytes()).await
        }
    }
}

/// The first bytes are these.
async fn hear(stream: &mut TcpStream, expected: &[u8]) -> Result<(), Unproved> {
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).await?;
    if heard == expected { Ok(()) } else { Err(another(expected, &heard)) }
}

/// These bytes are among the first.
async fn hear_within(stream: &mut TcpStream, expected: &[u8]) -> Result<(), Unproved> {
    let mut heard = Vec::new();
    let mut piece = [0; 512];
    loop {
        let read = stream.read(&mut piece).await?;
        heard.extend_from_slice(&piece[..read]);
        if heard.windows(expected.len()).any(|part| part == expected) {
            return Ok(());
        }
        match (read, heard.is_empty()) {
            (0, true) => return Err(Unproved::Again("the connection was closed".to_owned())),
            (0, false) => return Err(another(expected, &heard)),
            _ if heard.len() > LONGEST_ANSWER => return Err(another(expected, &heard)),
            _ => {}
        }
    }
}

/// What is shown of another answer: enough to know it by.
fn another(expected: &[u8], heard: &[u8]) -> Unproved {
    let shown =
        |bytes: &[u8]| bytes.iter().take(40).copied().flat_map(std::ascii::escape_default).map(char::from).collect();
    let (expected, heard): (String, String) = (shown(expected), shown(heard));
    Unproved::Another(format!("it answers \"{heard}\" where \"{expected}\" was expected"))
}

/// Function 03 for the first register of the default map. A template may have another map; then the answer is an
/// exception of the same function, which proves as much.
async fn modbus(stream: &mut TcpStream) -> Result<(), Unproved> {
    const REQUEST: [u8; 12] = [0x57, 0x4b, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1];
    stream.write_all(&REQUEST).await?;
    let mut reply = [0; 8];
    stream.read_exact(&mut reply).await?;
    let [a, b, 0, 0, 0, _, 1, function] = reply else { return Err(another(&REQUEST[..8], &reply)) };
    if [a, b] == REQUEST[..2] && function & 0x7f == REQUEST[7] { Ok(()) } else { Err(another(&REQUEST[..8], &reply)) }
}

/// A whole handshake with whoever holds the key of the meter's own certificate.
async fn handshake(stream: TcpStream, certificate: &[u8]) -> Result<(), Unproved> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = Own { certificate: certificate.to_vec(), provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let unusable = |error: rustls::Error| Unproved::Another(format!("TLS can't be used: {error}"));
    let mut config =
        config.map_err(unusable)?.dangerous().with_custom_certificate_verifier(Arc::new(own)).with_no_client_auth();
    config.alpn_protocols = vec![api::routes::ALPN.to_vec()];
    config.enable_sni = false;
    let name = ServerName::try_from("meter").map_err(|error| Unproved::Another(error.to_string()))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(())
}

/// Believes the meter's own certificate and no other.
#[derive(Debug)]
struct Own {
    certificate: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let own = **shown == *self.certificate;
        own.then(ServerCertVerified::assertion).ok_or(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::FACES;
    use crate::testbed::Bench;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn listening(services: &[(Service, u16)]) -> Faces {
        let services = services.iter().map(|(service, port)| (*service, Listening::On(*port)));
        Faces { services: services.collect(), ..Faces::default() }
    }

    /// The modes that each release offers.
    const MODES: [(&str, &[&str]); 2] =
        [("4.0.9", &["none", "standard", "advanced"]), ("4.40.1", &["standard", "advanced"])];

    /// Whether the release has this register; then it is set.
    fn set_if_there(bench: &Bench, register: &str, value: &str) -> bool {
        let name = framework::RegisterName {
            module: framework::modules::security_options::module(),
            register: register.to_owned(),
        };
        let there = bench.site.view().settings.template.get(&name).is_some();
        if there {
            bench.set(&[(register, value)]);
        }
        there
    }

    /// Each face with a service that is on, as it listens now.
    async fn serve_all(bench: &Bench) -> Vec<(Service, u16)> {
        let mut services = Vec::new();
        for face in &FACES {
            let on = |service: &&Service| bench.site.view().settings.service(**service) == Some(true);
            if let Some(service) = face.services.iter().find(on) {
                services.push((*service, bench.serve(face).await.port()));
            }
        }
        assert!(services.len() >= 4, "{services:?}");
        services
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn b26_every_face_of_each_release_proves_itself_in_every_mode() {
        for (release, modes) in MODES {
            let bench = Bench::new(release);
            for register in ["Web Server", "SSH", "SFTP", "Telnet", "FTP"] {
                set_if_there(&bench, register, "yes");
            }
            for account in ["8650", "USER1"] {
                bench.set_password(account, "4711").await;
            }
            let services = serve_all(&bench).await;
            for mode in modes {
                bench.set(&[("Mode", *mode)]);
                assert_eq!(prove(&bench.site, LOOPBACK, &listening(&services)).await, [""; 0], "{release}, {mode}");
            }
        }
    }

    /// What settings keep from strangers is kept from the proof, which takes no harm.
    #[tokio::test(flavor = "multi_thread")]
    async fn b26_a_face_that_shows_strangers_less_proves_itself_as_well() {
        for (release, modes) in MODES {
            let bench = Bench::new(release);
            for register in ["Web Server", "SFTP", "Telnet", "FTP"] {
                set_if_there(&bench, register, "yes");
            }
            for account in ["8650", "USER1"] {
                bench.set_password(account, "4711").await;
            }
            let withheld = ["SSH", "Modbus Map Access", "Web Access Read"].map(|it| set_if_there(&bench, it, "no"));
            assert!(withheld.contains(&true));
            let services = serve_all(&bench).await;
            for mode in modes {
                bench.set(&[("Mode", *mode)]);
                assert_eq!(prove(&bench.site, LOOPBACK, &listening(&services)).await, [""; 0], "{release}, {mode}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn b26_whatever_else_answers_on_a_port_is_no_face() {
        let bench = Bench::new("4.0.9");
        let web = bench.serve(&FACES[3]).await.port();
        let modbus = bench.serve(&FACES[1]).await.port();
        let setup = bench.serve(&FACES[0]).await.port();
        for (service, port) in [
            (Service::Modbus, web),
            (Service::Ftp, web),
            (Service::Ssh, setup),
            (Service::Telnet, web),
            (Service::Setup, web),
        ] {
            let failures = timeout(TRY, prove(&bench.site, LOOPBACK, &listening(&[(service, port)]))).await;
            // A face that only waits for its client's first word says nothing to a stranger's.
            if let Ok(failures) = failures {
                assert_eq!(failures.len(), 1, "{service:?}");
                assert!(failures[0].starts_with(&format!("{} on port {port} does not work", service.title())));
            }
        }
        let both = listening(&[(Service::Web, setup), (Service::Modbus, modbus)]);
        let failures = prove(&bench.site, LOOPBACK, &both).await;
        assert!(failures.len() == 1 && failures[0].starts_with("Web server on port"), "{failures:?}");
    }
}
