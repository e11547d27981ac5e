//! What a sealed backup carries under its passphrase: stored credentials, the device key that their hashes name, and the
//! key of the event log's chain, by which the log in the backup can be verified.
//!
//! It can't be printed, serialised or cloned, and is wiped when dropped. Its text is a name and a value on each line.

use std::collections::BTreeMap;
use std::sync::Arc;

use security::sealed::{NotOpened, PassphraseKey, SALT_BYTES};
use security::{AccountId, Credential, DeviceKey};
use zeroize::Zeroizing;

use super::parts::SealedPart;
use crate::digest::Sha256Digest;

const DEVICE_KEY: &str = "device-key";
const CHAIN_KEY: &str = "chain-key";

/// The secrets of a backup.
pub struct Secrets {
    /// The key that password hashes are made with.
    pub device_key: Arc<DeviceKey>,
    /// The key of the event log's chain.
    pub chain_key: Zeroizing<Vec<u8>>,
    /// Each account's password as it was stored.
    pub credentials: BTreeMap<AccountId, Arc<Credential>>,
}

/// Why there is nothing to be had from a sealed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The passphrase.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    /// Not a sealed part of this format.
    #[error("the sealed part of this backup is in a form that this program doesn't know")]
    Form,
    /// Opened, and not what it should be.
    #[error("the sealed part of this backup opens, but does not hold a meter's credentials")]
    Content,
}

impl Secrets {
    /// Sealed over the digest of all that stands before it, with a key made of the salt.
    pub fn seal(&self, over: &Sha256Digest, salt: &[u8; SALT_BYTES], key: PassphraseKey) -> SealedPart {
        let bytes = key.seal(&self.to_text(), over.as_bytes());
        SealedPart { cipher: SealedPart::CIPHER.to_owned(), salt: hex::encode(salt), bytes: hex::encode(bytes) }
    }

    /// Opens a sealed part, with a key made of its salt.
    pub fn open(part: &SealedPart, over: &Sha256Digest, key: &PassphraseKey) -> Result<Self, SecretsError> {
        let bytes = hex::decode(&part.bytes).map_err(|_| SecretsError::Form)?;
        Self::parse(&key.open(&bytes, over.as_bytes())?).ok_or(SecretsError::Content)
    }

    fn to_text(&self) -> Zeroizing<Vec<u8>> {
        // All the room at once: a vector that grows leaves unwiped copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(SealedPart::MAX_BYTES / 2));
        let mut line = |name: &str, value: &[u8]| {
            text.extend_from_slice(name.as_bytes());
            text.push(b' ');
            text.extend_from_slice(value);
            text.push(b'\n');
        };
        line(DEVICE_KEY, Zeroizing::new(hex::encode(self.device_key.expose())).as_bytes());
        line(CHAIN_KEY, Zeroizing::new(hex::encode(&*self.chain_key)).as_bytes());
        for (account, credential) in &self.credentials {
            line(&account.login(), credential.to_stored().as_bytes());
        }
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines().map(|line| line.split_once(' '));
        let mut key = |name: &str| match lines.next() {
            Some(Some((found, value))) if found == name => hex::decode(value).ok().map(Zeroizing::new),
            _ => None,
        };
        let device: Zeroizing<Vec<u8>> = key(DEVICE_KEY)?;
        let device_key = Arc::new(DeviceKey::new(device.as_slice().try_into().ok()?));
        let chain_key = key(CHAIN_KEY)?;
        let mut credentials = BTreeMap::new();
        for line in lines {
            let (login, stored) = line?;
            let account = AccountId::from_login(login)?;
            if credentials.insert(account, Arc::new(Credential::from_stored(stored).ok()?)).is_some() {
                return None;
            }
        }
        AccountId::all().all(|account| credentials.contains_key(&account)).then_some(Self {
            device_key,
            chain_key,
            credentials,
        })
    }
}

impl SealedPart {
    /// The salt that its key is made of, if it is sealed in the one way there is.
    pub fn salt(&self) -> Result<[u8; SALT_BYTES], SecretsError> {
        let mut salt = [0; SALT_BYTES];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| SecretsError::Form)?;
        let known = self.cipher == Self::CIPHER && self.bytes.len() <= 2 * Self::MAX_BYTES;
        if known { Ok(salt) } else { Err(SecretsError::Form) }
    }
}
