//! Whom Setup believes: a meter's certificate signs itself, so what counts is that it is the one that was
//! pinned, and that the other side holds its key. The handshake's signature is really checked.

use std::sync::{Arc, Mutex, PoisonError};

use firmware::digest::Sha256Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, PeerIncompatible, SignatureScheme};

use crate::address::Address;
use crate::known::KnownMeters;

/// What becomes of a certificate that nobody has seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is pinned from now on.
    Pin,
    /// Nothing is sent to this meter.
    Refuse,
}

/// Decides about a first contact: is given the meter and the SHA-256 of its certificate. Nothing has been
/// sent by then, and no connection is held while it thinks.
pub type Accept<'a> = &'a mut (dyn FnMut(&Address, &Sha256Digest) -> Acceptance + Send);

/// Whose certificate is believed.
pub enum Trust<'a> {
    /// The one with this SHA-256 and no other.
    Pin(Sha256Digest),
    /// The one that is known for the address; an unknown one if it is accepted.
    Known(&'a mut KnownMeters, Accept<'a>),
}

/// Checks that the other side holds the key of its certificate, and that this is the expected one, if
/// one is expected. Keeps the fingerprint that was shown.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    expected: Option<Sha256Digest>,
    shown: Mutex<Option<Sha256Digest>>,
}

impl Verifier {
    pub fn new(expected: Option<Sha256Digest>) -> Arc<Self> {
        Arc::new(Self { provider: Arc::new(aws_lc_rs::default_provider()), expected, shown: Mutex::default() })
    }

    /// The SHA-256 of the certificate that the other side has shown.
    pub fn shown(&self) -> Option<Sha256Digest> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// TLS 1.3 and nothing older, with this verifier.
    pub fn config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![api::routes::ALPN.to_vec()];
        // A meter has no name to ask for; its address is known to whoever listens anyway.
        config.enable_sni = false;
        Ok(config)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Sha256Digest::of(certificate);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        if self.expected.is_none_or(|expected| expected == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
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
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_recorded_is_not_read_by_a_quantum_computer_later() {
        let config = Verifier::new(None).config().unwrap();
        assert_eq!(config.crypto_provider().kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
    }
}
