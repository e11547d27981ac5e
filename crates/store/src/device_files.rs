//! Keys and certificate of a meter, beside its database: each is written once, and no release, template or restore replaces
//! it. The rooms that need one make and read it; this owns their names and how they are written.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::files;
use crate::secret::SecretBytes;

/// Largest key or certificate, in bytes. A certificate with its chain is a few thousand.
pub const MAX_DEVICE_FILE: u64 = 64 * 1024;

/// A key that its own room makes and reads, and the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFile {
    /// Private key of Setup's TLS listener.
    TlsKey,
    /// Its self-signed certificate.
    TlsCertificate,
    /// Host key of the SSH listener.
    SshHostKey,
    /// Keys the chain over the event log.
    ChainKey,
}

impl DeviceFile {
    /// Every device file but the device key itself.
    pub const ALL: [Self; 4] = [Self::TlsKey, Self::TlsCertificate, Self::SshHostKey, Self::ChainKey];

    /// Its name in the state directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::TlsKey => "tls.key",
            Self::TlsCertificate => "tls.crt",
            Self::SshHostKey => "ssh_host_ed25519",
            Self::ChainKey => "chain.key",
        }
    }
}

/// The device files of a state directory. It holds no lock: whoever asks stands beside what does.
#[derive(Debug, Clone)]
pub struct DeviceFiles {
    dir: PathBuf,
}

impl DeviceFiles {
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn path(&self, file: DeviceFile) -> PathBuf {
        self.dir.join(file.file_name())
    }

    /// What a device file holds; `None` until it has been written.
    pub fn read(&self, file: DeviceFile) -> Result<Option<SecretBytes>, StoreError> {
        files::read_bounded(&self.path(file), MAX_DEVICE_FILE, "a key file (bytes)")
    }

    /// Writes a device file for good: private, whole or not at all. One that exists is never replaced
    /// ([`StoreError::Exists`]).
    pub fn write_once(&self, file: DeviceFile, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 > MAX_DEVICE_FILE {
            return Err(StoreError::TooLarge { what: "a key file (bytes)", limit: MAX_DEVICE_FILE });
        }
        files::write_once(&self.path(file), bytes)
    }

    /// What a device file holds that needs nothing but random bytes; drawn and written if there is none yet.
    pub fn random(&self, file: DeviceFile, bytes: usize) -> Result<SecretBytes, StoreError> {
        if let Some(there) = self.read(file)? {
            return Ok(there);
        }
        let mut random = Zeroizing::new(vec![0; bytes]);
        getrandom::fill(&mut random).map_err(|error| {
            StoreError::io("drawing random bytes for", &self.path(file), io::Error::other(error.to_string()))
        })?;
        self.write_once(file, &random)?;
        Ok(SecretBytes::new(random.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn they_are_written_once_and_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = DeviceFiles::of(dir.path());
        for file in DeviceFile::ALL {
            assert!(files.read(file).unwrap().is_none());
            files.write_once(file, file.file_name().as_bytes()).unwrap();
            assert!(matches!(files.write_once(file, b"other"), Err(StoreError::Exists(_))));
            assert_eq!(files.read(file).unwrap().unwrap().expose(), file.file_name().as_bytes());
            assert_eq!(fs::metadata(files.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let huge = vec![0; MAX_DEVICE_FILE as usize + 1];
        assert!(matches!(files.write_once(DeviceFile::TlsKey, &huge), Err(StoreError::TooLarge { .. })));
    }

    #[test]
    fn random_bytes_are_drawn_once_and_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = DeviceFiles::of(dir.path());
        let drawn = files.random(DeviceFile::ChainKey, 32).unwrap().expose().to_vec();
        assert_eq!(drawn.len(), 32);
        assert_eq!(files.random(DeviceFile::ChainKey, 32).unwrap().expose(), drawn);
        assert_eq!(fs::metadata(files.path(DeviceFile::ChainKey)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
