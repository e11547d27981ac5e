//! The meter's own keys in its state directory: read where they are, made where they aren't yet.

use services::Keys;
use services::keys::{KeyError, certificate, new_ssh_host, new_tls_key};
use store::{DeviceFile, DeviceFiles, StoreError};
use zeroize::Zeroizing;

use crate::run::StartError;

/// The keys of a meter that is there, with the serial number that it keeps. Each that is missing is made and written
/// before the next one, so that a power cut between two of them leaves nothing that can't be gone on from. A key that was
/// lost shows to clients as a changed one, which they refuse until somebody says that it is right.
pub(crate) fn load_or_make(files: &DeviceFiles, serial: &str) -> Result<Keys, StartError> {
    let tls_key = read_or_make(files, DeviceFile::TlsKey, new_tls_key)?;
    let made = || Ok(Zeroizing::new(certificate(serial, &tls_key)?));
    let tls_certificate = read_or_make(files, DeviceFile::TlsCertificate, made)?.to_vec();
    let ssh_host = read_or_make(files, DeviceFile::SshHostKey, new_ssh_host)?;
    Ok(Keys { tls_key, tls_certificate, ssh_host })
}

fn read_or_make(
    files: &DeviceFiles,
    file: DeviceFile,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, KeyError>,
) -> Result<Zeroizing<Vec<u8>>, StartError> {
    if files.read(file)?.is_none() {
        files.write_once(file, &make()?)?;
    }
    let missing = || StoreError::Damaged("a key that was just written isn't there".to_owned());
    let bytes = files.read(file)?.ok_or_else(missing)?;
    Ok(Zeroizing::new(bytes.expose().to_vec()))
}

impl From<KeyError> for StartError {
    fn from(error: KeyError) -> Self {
        Self::Keys(error.to_string())
    }
}
