//! A meter's own keys: what its TLS listener and its SSH listener prove themselves with. Made once, kept
//! in the state directory by the host, and outliving every release.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use zeroize::Zeroizing;

use crate::ssh;

/// The meter's keys.
pub struct Keys {
    /// Private key of Setup's TLS listener, PKCS#8 DER.
    pub tls_key: Zeroizing<Vec<u8>>,
    /// Its self-signed certificate, DER.
    pub tls_certificate: Vec<u8>,
    /// Host key of the SSH listener, in OpenSSH's text form.
    pub ssh_host: Zeroizing<Vec<u8>>,
}

/// Why keys can't be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The certificate.
    #[error("the meter's certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The host key.
    #[error("the meter's SSH host key can't be made: {0}")]
    HostKey(String),
}

impl Keys {
    /// New keys for the meter with this serial number.
    pub fn new(serial: &str) -> Result<Self, KeyError> {
        let tls_key = new_tls_key()?;
        let tls_certificate = certificate(serial, &tls_key)?;
        Ok(Self { tls_key, tls_certificate, ssh_host: new_ssh_host()? })
    }
}

/// A new private key for the TLS listener.
pub fn new_tls_key() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    Ok(Zeroizing::new(KeyPair::generate()?.serialize_der()))
}

/// A new host key for the SSH listener.
pub fn new_ssh_host() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    ssh::new_host_key().map_err(KeyError::HostKey)
}

/// The self-signed certificate of a private key.
///
/// It has no end and no name that a browser would check: clients pin it at first contact, as they do an SSH
/// host key.
pub fn certificate(serial: &str, tls_key: &[u8]) -> Result<Vec<u8>, KeyError> {
    let key = KeyPair::try_from(tls_key)?;
    let mut params = CertificateParams::new(vec!["meter".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("8650 meter {serial}"));
    // "No well-defined expiration date" (RFC 5280, 4.1.2.5).
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    Ok(params.self_signed(&key)?.der().to_vec())
}
