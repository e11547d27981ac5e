//! Data connections: where a client and the meter agree to meet, and how they do. One at a time for each control
//! connection, with the host at its other end and nobody else (RFC 2577): whoever else comes to a port that waits is
//! shown out, and no connection is made to another host or to a port below 1024.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use framework::modules::security_options::{FTP_PASSIVE_FIRST_PORT, FTP_PASSIVE_PORTS};
use meter::View;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::command::Answer;
use crate::site::random;

/// How long either side waits for the other to connect.
const MEETING: Duration = Duration::from_secs(20);
/// Ports below are those of services, which no meter connects to (RFC 2577, 3).
const FIRST_UNPRIVILEGED: u16 = 1024;
/// Connections that may wait at a port: one is awaited, and others are let in only to be shown out.
const BACKLOG: u32 = 4;

/// Where the next transfer's connection comes from.
pub(super) enum Meeting {
    /// The client comes here.
    Here(TcpListener),
    /// The meter goes there.
    There(SocketAddr),
}

/// Where a client may be met that listens itself.
pub(super) fn there(address: SocketAddr, peer: SocketAddr) -> Result<Meeting, Answer> {
    if address.ip().to_canonical() != peer.ip().to_canonical() {
        return Err(Answer::new(504, "data goes only to the address that you are connected from: use passive mode"));
    }
    if address.port() < FIRST_UNPRIVILEGED {
        return Err(Answer::new(504, "data goes only to ports from 1024 on"));
    }
    Ok(Meeting::There(SocketAddr::new(peer.ip(), address.port())))
}

/// The ports for data connections that clients open, as the settings have them; none is any free one.
fn ports(view: &View) -> Option<(u16, u16)> {
    let number = |register| view.settings.option_number(register) as u16;
    let first = number(FTP_PASSIVE_FIRST_PORT);
    (first > 0).then(|| (first, number(FTP_PASSIVE_PORTS).max(1)))
}

/// Listens for a client on the address that it is connected to.
pub(super) fn listen(view: &View, local: IpAddr) -> io::Result<TcpListener> {
    let bind = |port: u16| {
        let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port is free again as soon as its transfer is over.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(local, port))?;
        socket.listen(BACKLOG)
    };
    let Some((first, count)) = ports(view) else { return bind(0) };
    // From anywhere in the range on, so that nobody knows the next one (RFC 2577, 6).
    let start = u16::from_be_bytes(*random()) % count;
    let tries = (0..count)
        .filter_map(|step| first.checked_add((u32::from(start) + u32::from(step)).rem_euclid(count.into()) as u16));
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in tries {
        match bind(port) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Meets the client.
pub(super) async fn meet(meeting: Meeting, local: IpAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(MEETING, async {
        match meeting {
            Meeting::Here(listener) => {
                let mut told = false;
                loop {
                    let (stream, stranger) = listener.accept().await?;
                    if stranger.ip().to_canonical() == peer.ip().to_canonical() {
                        return Ok(stream);
                    }
                    // Once: whoever knocks a thousand times writes no thousand lines.
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%stranger, %peer, "somebody else came to a data port, and was shown out");
                    }
                }
            }
            Meeting::There(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                socket.bind(SocketAddr::new(local, 0))?;
                socket.connect(address).await
            }
        }
    });
    stream.await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_client_is_met_at_its_own_address_and_above_the_ports_of_services() {
        let peer: SocketAddr = "192.0.2.1:40000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:40000".parse().unwrap();
        for (address, refusal) in [
            ("192.0.2.1:1024", None),
            ("192.0.2.1:1023", Some("ports from 1024")),
            ("192.0.2.1:0", Some("ports from 1024")),
            ("192.0.2.2:5000", Some("use passive mode")),
            ("127.0.0.1:5000", Some("use passive mode")),
            ("[2001:db8::1]:5000", Some("use passive mode")),
        ] {
            for peer in [peer, mapped] {
                let met = there(address.parse().unwrap(), peer);
                match (met, refusal) {
                    (Ok(Meeting::There(there)), None) => assert_eq!(there, SocketAddr::new(peer.ip(), 1024)),
                    (Err(Answer(504, sentence)), Some(part)) => assert!(sentence.contains(part), "{sentence}"),
                    _ => panic!("{address}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn ports_come_from_the_range_until_it_is_used_up() {
        let bench = Bench::new("4.0.9");
        // A range that is free just now.
        let first = listen(&bench.site.view(), HOME).unwrap().local_addr().unwrap().port().min(65_530);
        bench.set(&[("FTP Passive First Port", &first.to_string()), ("FTP Passive Ports", "3")]);
        let view = bench.site.view();
        let mut held = Vec::new();
        while let Ok(listener) = listen(&view, HOME) {
            assert!((first..first + 3).contains(&listener.local_addr().unwrap().port()));
            held.push(listener);
            assert!(held.len() <= 3);
        }
        assert!(!held.is_empty());
        held.pop();
        assert!(listen(&view, HOME).is_ok(), "one that is given back");
        bench.set(&[("FTP Passive First Port", "65535"), ("FTP Passive Ports", "1000")]);
        // Beyond the last port there is none, and that is no error but a full range.
        let _ = listen(&bench.site.view(), HOME);
    }

    #[tokio::test]
    async fn whoever_else_comes_to_a_data_port_is_shown_out() {
        use tokio::io::AsyncReadExt;
        let bench = Bench::new("4.0.9");
        let listener = listen(&bench.site.view(), HOME).unwrap();
        let address = listener.local_addr().unwrap();
        // Another host of the same machine.
        let from = |ip: &str| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
            socket.connect(address)
        };
        let mut thief = from("127.0.0.2").await.unwrap();
        let peer = from("127.0.0.1").await.unwrap();
        let met = meet(Meeting::Here(listener), HOME, peer.local_addr().unwrap()).await.unwrap();
        assert_eq!(met.peer_addr().unwrap(), peer.local_addr().unwrap());
        assert_eq!(thief.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
