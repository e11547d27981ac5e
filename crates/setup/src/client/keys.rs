//! The SSH keys of accounts.

use api::routes;
use security::{AccountId, Fingerprint, PublicKey};

use super::{Client, queried};
use crate::error::SetupError;

impl Client {
    /// The SSH keys of one account, or of all.
    pub async fn ssh_keys(&mut self, account: Option<AccountId>) -> Result<api::Keys, SetupError> {
        let query: Vec<_> = account.map(|account| ("account", account.login())).into_iter().collect();
        self.get(&queried(routes::KEYS, &query)).await
    }

    /// Gives an account a key; its keys then.
    pub async fn add_ssh_key(&mut self, account: AccountId, key: &PublicKey) -> Result<api::Keys, SetupError> {
        let done = self.post(routes::KEYS, &api::KeyRequest { account, key: key.to_string() }, &[]).await;
        self.note(&format!("add SSH key {} of {}", key.fingerprint(), account.login()), &done).await;
        done
    }

    /// Takes a key from an account, and ends the account's sessions; its keys then.
    pub async fn remove_ssh_key(&mut self, account: AccountId, key: &Fingerprint) -> Result<api::Keys, SetupError> {
        let query = [("account", account.login()), ("key", key.to_string())];
        let done = self.delete(&queried(routes::KEYS, &query)).await;
        self.note(&format!("remove SSH key {key} of {}", account.login()), &done).await;
        done
    }
}
