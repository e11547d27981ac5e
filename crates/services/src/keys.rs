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
    ///
    /// The certificate has no end and no name that a browser would check: clients pin it at first
    /// contact, as they do an SSH host key.
    pub fn new(serial: &str) -> Result<Self, KeyError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["meter".to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("8650 meter {serial}"));
        // "No well-defined expiration date" (RFC 5280, 4.1.2.5).
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            tls_key: Zeroizing::new(key.serialize_der()),
            tls_certificate: certificate.der().to_vec(),
            ssh_host: ssh::new_host_key().map_err(KeyError::HostKey)?,
        })
    }
}
