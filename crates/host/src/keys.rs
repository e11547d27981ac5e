//! The meter's own keys in its state directory: read where they are, made where they aren't yet.

use services::Keys;
use services::keys::KeyError;
use store::{DeviceFile, SecretBytes, StateDir, StoreError};
use zeroize::Zeroizing;

use crate::run::StartError;

/// The keys of the meter in this directory. Those that are missing are made anew: a key that was lost
/// shows to clients as a changed one, which they refuse until somebody says that it is right.
pub(crate) fn load_or_make(dir: &StateDir, serial: &str) -> Result<Keys, StartError> {
    let [tls_key, tls_certificate, ssh_host] =
        [DeviceFile::TlsKey, DeviceFile::TlsCertificate, DeviceFile::SshHostKey].map(|file| dir.device_file(file));
    match (tls_key?, tls_certificate?, ssh_host?) {
        (Some(key), Some(certificate), Some(host)) => {
            Ok(Keys { tls_key: wiped(&key), tls_certificate: certificate.expose().to_vec(), ssh_host: wiped(&host) })
        }
        (key, certificate, host) => make(dir, serial, key.is_some() && certificate.is_some(), host.is_some()),
    }
}

fn make(dir: &StateDir, serial: &str, has_tls: bool, has_host: bool) -> Result<Keys, StartError> {
    let made = Keys::new(serial)?;
    if !has_tls {
        dir.write_device_file_once(DeviceFile::TlsKey, &made.tls_key)?;
        dir.write_device_file_once(DeviceFile::TlsCertificate, &made.tls_certificate)?;
    }
    if !has_host {
        dir.write_device_file_once(DeviceFile::SshHostKey, &made.ssh_host)?;
    }
    let read = |file| -> Result<SecretBytes, StartError> {
        let missing = || StoreError::Damaged("a key that was just written isn't there".to_owned());
        Ok(dir.device_file(file)?.ok_or_else(missing)?)
    };
    Ok(Keys {
        tls_key: wiped(&read(DeviceFile::TlsKey)?),
        tls_certificate: read(DeviceFile::TlsCertificate)?.expose().to_vec(),
        ssh_host: wiped(&read(DeviceFile::SshHostKey)?),
    })
}

fn wiped(bytes: &SecretBytes) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.expose().to_vec())
}

impl From<KeyError> for StartError {
    fn from(error: KeyError) -> Self {
        Self::Keys(error.to_string())
    }
}
