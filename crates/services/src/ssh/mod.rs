//! The SSH face: one listener for SSH and SFTP, open while either is on; each channel is for the one or
//! the other, and the one that is off is refused in words. Logins go to the meter's vault, commands to
//! [`crate::terminal`], files to [`crate::files`]; this room owns the protocol alone, and russh stays
//! behind it.
//!
//! Somebody logs in with a password, which the vault checks, or with a key, whose signature the library
//! checks and which the gate knows or doesn't. `connection` bounds a connection in time, `handler` answers
//! its requests, `channel` moves a channel's bytes, `sftp` speaks the file protocol, `shell` runs commands,
//! with a window (`window`) or without (`plain`), `inbox` is what a client has typed ahead, `login` is what
//! a login is worth.

mod channel;
mod connection;
mod handler;
pub(crate) mod login;
mod plain;
mod sever;
mod sftp;
mod shell;
#[cfg(test)]
mod tests;
mod window;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use framework::modules::security_options::Service;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use security::ssh_key::MAX_KEYS;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::accept::{Door, Greeting, Keeps, accept};
use crate::files::Files;
use crate::{Site, Stop};

/// Connections this face takes at once.
pub const CONNECTIONS: usize = 16;
/// Channels of one connection: a terminal and a few transfers.
const CHANNELS: usize = 8;
/// Messages of a client that wait for a channel to take them, each at most a packet of 32 KiB.
const MESSAGES: usize = 16;
/// Channels over the life of one connection. The library keeps a little of each that the meter closes.
const CHANNELS_EVER: usize = 1000;
/// How long a connection may take until somebody has logged in on it.
const LOGIN_GRACE: Duration = Duration::from_secs(30);
/// Tries to log in on one connection: the empty one that clients begin with, the keys of a well-filled
/// agent, which are offered one by one, and three for a password. Lock-outs count bad passwords by themselves.
const AUTH_TRIES: usize = 1 + MAX_KEYS + 3;
/// A client that has been silent this long is asked whether it is still there…
const KEEPALIVE: Duration = Duration::from_secs(60);
/// …and after so many questions without an answer it isn't.
const KEEPALIVE_MAX: usize = 3;

/// What the listener calls itself. Versions are for those who have logged in.
const IDENTITY: &str = "SSH-2.0-wattkeep";

/// Key exchange, the one that a quantum computer won't undo first; X25519 under both its names, because
/// Debian 12's OpenSSH doesn't know the first one, nor its paramiko the second. Strict key exchange closes the
/// Terrapin attack (CVE-2023-48795).
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
/// Counter mode is for clients without either of the authenticated ciphers, such as Debian 12's paramiko.
const CIPHERS: &[cipher::Name] = &[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_256_CTR];
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];

/// Serves SSH and SFTP until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let files = Arc::new(Files::new(site));
    let config = match config(&files.site().keys.ssh_host) {
        Ok(config) => Arc::new(config),
        Err(error) => {
            tracing::error!(%error, "SSH and SFTP can't be served: the meter's host key is unreadable");
            return;
        }
    };
    let door = Door {
        site: Arc::clone(files.site()),
        services: &[Service::Ssh, Service::Sftp],
        places: CONNECTIONS,
        keeps: Keeps::LoggedIn,
        greeting: Greeting::KeyExchange,
    };
    accept(listener, door, stop, move |stream, peer, entry| {
        connection::serve(Arc::clone(&files), Arc::clone(&config), stream, peer, entry)
    })
    .await;
}

/// What a stranger says, without a socket: for fuzzers.
#[cfg(any(test, feature = "testbed"))]
pub(crate) async fn hear<S>(site: Arc<Site>, stream: S, peer: std::net::SocketAddr, entry: crate::connections::Entry)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let files = Arc::new(Files::new(site));
    let config = config(&files.site().keys.ssh_host).expect("the bench has made the key");
    connection::serve(files, Arc::new(config), stream, peer, entry).await;
}

/// A new Ed25519 host key, in OpenSSH's text form.
///
/// # Errors
/// A sentence, if the key can't be written as text.
pub fn new_host_key() -> Result<Zeroizing<Vec<u8>>, String> {
    let key =
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(|error| error.to_string())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

/// How somebody proves who they are: by a key of the account, or by its password. `keyboard-interactive`
/// asks for the same password: some clients offer nothing else.
fn methods() -> MethodSet {
    MethodSet::from([MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive].as_slice())
}

fn config(host_key: &[u8]) -> Result<Config, russh::keys::ssh_key::Error> {
    Ok(Config {
        server_id: SshId::Standard(Cow::Borrowed(IDENTITY)),
        methods: methods(),
        // The vault's checks take the same time for every account as it is; a lock-out's refusal is
        // meant to be quick.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: AUTH_TRIES,
        keys: vec![PrivateKey::from_openssh(host_key)?],
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        // The meter's own time-out decides, which a client's answers to keepalives don't put off.
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        channel_buffer_size: MESSAGES,
        ..Config::default()
    })
}
