//! The SSH keys of accounts over Setup: shown, given, taken. The gate decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meter::{Caller, ChangeSet, Edit};
use security::ssh_key::KeyError;
use security::{AccountId, Ask, Fingerprint, Path, PublicKey};

use super::Connection;
use super::asked::{Asker, Document, Queried};
use super::refused::Refused;
use crate::info;

pub(super) async fn list(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Keys>, Refused> {
    let account = asked.all("account").last().map(account).transpose()?;
    let view = connection.site.view();
    view.may(Path::Setup, caller.who, Ask::ReadSecurity)?;
    Ok(Json(api::Keys { keys: info::ssh_keys(&view, account) }))
}

pub(super) async fn add(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    Document(request): Document<api::KeyRequest>,
) -> Result<Json<api::Keys>, Refused> {
    let key: PublicKey = request.key.parse().map_err(|error: KeyError| Refused::request(error.to_string()))?;
    apply(&connection, caller, request.account, Edit::AddKey(request.account, key)).await
}

pub(super) async fn remove(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Keys>, Refused> {
    let missing = || Refused::request("whose key? Name the account with ?account= and the key with &key=");
    let account = account(asked.all("account").last().ok_or_else(missing)?)?;
    let key: Result<Fingerprint, _> = asked.all("key").last().ok_or_else(missing)?.parse();
    let key = key.map_err(|error| Refused::request(error.to_string()))?;
    apply(&connection, caller, account, Edit::RemoveKey(account, key)).await
}

fn account(login: &str) -> Result<AccountId, Refused> {
    AccountId::from_login(login).ok_or_else(|| Refused::request("an account is 8650 or USER1 to USER16"))
}

/// The keys are for whoever may read them, by who that is: the change may have ended the very session that asked.
async fn apply(
    connection: &Connection,
    caller: Caller,
    account: AccountId,
    edit: Edit,
) -> Result<Json<api::Keys>, Refused> {
    let change = ChangeSet { edits: vec![edit], force: false };
    connection.gate(move |site| site.gate.apply(site.now(), &caller, change)).await?;
    let view = connection.site.view();
    view.may(Path::Setup, caller.who, Ask::ReadSecurity)?;
    Ok(Json(api::Keys { keys: info::ssh_keys(&view, Some(account)) }))
}
