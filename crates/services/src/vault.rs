//! The queue in front of the password vault: a few checks at once, a few dozen waiting, and a clear
//! "busy" beyond. A check takes 19 MiB and some 20 ms of a core; without bounds, a flood of logins
//! would take the meter's memory and its processor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use firmware::PasswordStorage;
use security::{Credential, Delay, DeviceKey, HashMemory, Password, Queue, StoredError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::site::random;

/// Hashes computed at once: one per core of the small machines that meters run on.
pub const CHECKS_AT_ONCE: usize = 2;
/// Logins that wait in each of the two queues. At 20 ms a check the last of them waits under a second.
pub const WAITING: usize = 32;

/// Checks and makes passwords.
pub struct Vault {
    running: Arc<Semaphore>,
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    memories: Arc<Mutex<Vec<HashMemory>>>,
}

/// A turn in the vault. Dropping it lets the next one in.
pub struct Turn {
    _waiting: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    memories: Arc<Mutex<Vec<HashMemory>>>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            known: Arc::new(Semaphore::new(WAITING)),
            strangers: Arc::new(Semaphore::new(WAITING)),
            memories: Arc::default(),
        }
    }
}

impl Vault {
    /// Waits for a turn. `None` when the queue is full: say so at once rather than let it grow.
    pub async fn wait(&self, delay: &Delay) -> Option<Turn> {
        let queue = match delay.queue {
            Queue::Known => &self.known,
            Queue::Strangers => &self.strangers,
        };
        // Whoever has to wait as a penalty takes no place while waiting; the faces' own limits bound how many
        // wait.
        if delay.millis > 0 {
            tokio::time::sleep(Duration::from_millis(u64::from(delay.millis))).await;
        }
        let waiting = Arc::clone(queue).try_acquire_owned().ok()?;
        let running = Arc::clone(&self.running).acquire_owned().await.ok()?;
        Some(Turn { _waiting: waiting, _running: running, memories: Arc::clone(&self.memories) })
    }

    /// The stored form of a new password under a release. Whoever asks has been let through the gate.
    pub async fn make(
        &self,
        password: Password,
        storage: PasswordStorage,
        key: Option<Arc<DeviceKey>>,
    ) -> Result<Credential, MakeError> {
        match storage {
            PasswordStorage::Readable => Ok(Credential::readable(password)?),
            PasswordStorage::Hashed => {
                let key = key.ok_or(MakeError::KeyLost)?;
                let turn = self.wait(&Delay { millis: 0, queue: Queue::Known }).await.ok_or(MakeError::Busy)?;
                let salt = *random();
                turn.run(move |memory| security::vault::hash(&password, salt, &key, memory))
                    .await
                    .ok_or(MakeError::Busy)
            }
        }
    }
}

impl Turn {
    /// Runs a check off the network's threads, in memory of the pool. `None` if it could not run.
    pub async fn run<T: Send + 'static>(self, check: impl FnOnce(&mut HashMemory) -> T + Send + 'static) -> Option<T> {
        // The turn goes with the check: whoever stops waiting for the answer does not let another in early.
        let checked = tokio::task::spawn_blocking(move || {
            let pooled = self.memories.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = pooled.unwrap_or_default();
            let result = check(&mut memory);
            self.memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            result
        });
        checked.await.ok()
    }
}

/// Why a password can't be stored.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// No key to hash with.
    #[error("passwords can't be stored without the meter's device key, which is missing")]
    KeyLost,
    /// Too many wait.
    #[error("the meter is busy with logins: try again in a few seconds")]
    Busy,
    /// A form that can't be stored.
    #[error(transparent)]
    Stored(#[from] StoredError),
}
