//! Setup's own protocol.

use super::{DEADLINE, Login, Outcome};
use crate::address::Address;
use crate::client::Client;
use crate::error::{Kind, SetupError};
use crate::tls::Trust;

/// Logs in over Setup's protocol, or reads without a login.
pub async fn setup(address: Address, trust: Trust<'_>, login: Option<Login<'_>>) -> Outcome {
    let tried = async {
        let mut client = Client::connect(address, trust).await?;
        let Some(login) = login else {
            client.info().await?;
            return Ok(Outcome::Reads);
        };
        client.login(Some(login.name), login.password).await?;
        client.logout().await?;
        Ok(Outcome::LoggedIn)
    };
    match tokio::time::timeout(DEADLINE, tried).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(SetupError::Unreachable { source, .. })) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            Outcome::NotListening
        }
        Ok(Err(error)) if error.kind() == Kind::Denied => Outcome::Refused(error.to_string()),
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(_) => Outcome::Failed("no answer in time".to_owned()),
    }
}
