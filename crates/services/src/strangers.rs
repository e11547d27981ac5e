//! A stranger at a face, without a socket: bytes go in as a client would send them, and what the face answers
//! comes out when it has had enough. For fuzzers; every byte takes the way that it takes on the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use framework::modules::security_options::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::modbus::{self, Registers};
use crate::{Site, ftp, setup, ssh, telnet, web};

/// What may wait in each direction, as in a socket's buffers.
const PIPE: usize = 16 << 10;

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// The registers that a stranger's Modbus conversation is about.
pub fn registers(site: &Arc<Site>) -> Box<dyn Registers> {
    modbus::registers(site, PEER)
}

/// Says `bytes` to a face that hears strangers, and then nothing more; gives its answers, up to when it loses
/// patience: with a clock that is paused that takes no time. At Telnet the stranger hangs up instead. Modbus has a
/// conversation without I/O of its own ([`crate::modbus::answer`]), about [`registers`].
pub async fn say(site: &Arc<Site>, service: Service, bytes: &[u8]) -> Vec<u8> {
    let (mut stranger, face) = tokio::io::duplex(PIPE);
    let peer = PEER;
    let entry = site.connections.enter(service, peer, site.now());
    let site = Arc::clone(site);
    let serving = tokio::spawn(async move {
        match service {
            Service::Setup => setup::hear(site, face, peer, entry).await,
            Service::Ssh | Service::Sftp => ssh::hear(site, face, peer, entry).await,
            Service::Telnet => telnet::serve(site, face, peer, entry).await,
            Service::Ftp => ftp::hear(site, face, peer, entry).await,
            Service::Web | Service::Modbus => web::hear(site, face, peer, entry).await,
        }
    });
    let (mut answers, mut question) = tokio::io::split(&mut stranger);
    let mut heard = Vec::new();
    // A face that closes before it has heard all is within its rights.
    let (_, _) = tokio::join!(answers.read_to_end(&mut heard), async {
        let _ = question.write_all(bytes).await;
        if service == Service::Telnet {
            // Whoever has got in has a session, which ends by the meter's own clock: that one may stand still here.
            let _ = question.shutdown().await;
        }
    });
    serving.await.expect("a face doesn't break down, whatever it hears");
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    #[tokio::test(start_paused = true)]
    async fn every_face_answers_a_stranger_as_over_the_network() {
        let (newest, legacy) = (Bench::new("4.40.1"), Bench::new("4.0.9"));
        newest.set(&[("SSH", "yes"), ("Web Server", "yes")]);
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: m\r\n\r\n");
        let cases = [
            (&newest, Service::Setup, get(api::routes::INFO), "\"serial\":\"MW-2611A001-01\""),
            (&newest, Service::Web, get("/Operation.html"), "<!DOCTYPE html>"),
            (&legacy, Service::Web, get("/Operation.html"), "401 Unauthorized"),
            (&newest, Service::Ssh, "SSH-2.0-x\r\n".to_owned(), "mlkem768x25519-sha256"),
            (&legacy, Service::Ftp, "USER 8650\r\nPASS 1234\r\n".to_owned(), "530 "),
            (&legacy, Service::Telnet, "8650\r\n1234\r\n".to_owned(), "login:"),
        ];
        for (bench, service, said, answer) in cases {
            let heard = say(&bench.site, service, said.as_bytes()).await;
            let heard = String::from_utf8_lossy(&heard);
            assert!(heard.contains(answer), "{service:?}: {heard}");
        }
        assert!(newest.site.connections.list().is_empty() && legacy.site.connections.list().is_empty());
    }
}
