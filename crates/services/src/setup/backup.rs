//! Backups over Setup: streamed out as they are read, taken in piece by piece, shown as what they would change, and
//! restored once that is accepted. A passphrase costs a turn in the vault's queue, as a password does. The gate decides.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use firmware::backup::{Form, RestorePlan, Secrets};
use hyper::body::Frame;
use meter::{BackupUpload, Caller, GateError, Inspected, Restoring, ToMake};
use security::sealed::check_passphrase;
use security::{AccountId, Ask, Credential, Password, Right};
use tokio::sync::mpsc;

use super::asked::{Asker, Queried, data, discard, new_passwords};
use super::refused::Refused;
use super::{Connection, remarks};
use crate::disk::noted;
use crate::site::random;

/// A backup travels and is written down in pieces of about this size.
const PIECE: usize = 256 * 1024;
/// Pieces that wait for a slow client; then the reading waits.
const WAITING: usize = 2;

/// Streams a backup.
pub(super) async fn take(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let form = if asked.flag("sealed")? { Form::Sealed } else { Form::SecretFree };
    // Asked before a passphrase costs anything.
    connection.gate(move |site| site.gate.ask(site.now(), &caller, Ask::Do(Right::SecurityConfig))).await?;
    let sealing = match form {
        Form::SecretFree => None,
        Form::Sealed => {
            let passphrase = passphrase(&headers)?;
            check_passphrase(&passphrase).map_err(|error| Refused::request(error.to_string()))?;
            let salt = *random();
            Some((salt, connection.site.vault.passphrase_key(passphrase, salt).await?))
        }
    };
    let backup = connection.gate(move |site| site.gate.begin_backup(site.now(), &caller, form)).await?;
    let (sender, pieces) = mpsc::channel(WAITING);
    let site = Arc::clone(&connection.site);
    tokio::task::spawn_blocking(move || {
        let send = |piece: Vec<u8>| sender.blocking_send(Ok(piece.into())).map_err(|_| GateError::NobodyReads);
        let mut piece = Vec::with_capacity(PIECE);
        let seal = |secrets: &Secrets, over: &_| sealing.map(|(salt, key)| secrets.seal(over, &salt, key));
        let written = site.gate.write_backup(backup, seal, |line| {
            piece.extend_from_slice(&line);
            if piece.len() < PIECE { Ok(()) } else { send(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))) }
        });
        if let Err(error) = written.and_then(|_| send(piece)) {
            // The connection breaks off, and what has come is no backup: its last line is missing.
            let _ = sender.blocking_send(Err(io::Error::other(noted(error).to_string())));
        }
    });
    Ok(([(header::CONTENT_TYPE, api::routes::BACKUP_TYPE)], Body::new(Pieces(pieces))).into_response())
}

/// A backup as it is read.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// What a backup would change; with `?accept=` it is restored if that is still what was accepted.
pub(super) async fn restore(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
    headers: HeaderMap,
    mut file: Body,
) -> Result<Json<RestorePlan>, Refused> {
    let force = asked.flag("force")?;
    let accept = asked.all("accept").last().map(str::to_owned);
    let received = match connection.gate(move |site| site.gate.receive_backup(site.now(), &caller)).await {
        Ok(upload) => receive(&connection, upload, &mut file).await,
        Err(refused) => Err(refused),
    };
    let backup = match received {
        Ok(backup) => backup,
        Err(refused) => {
            discard(file).await;
            return Err(refused);
        }
    };
    let secrets = opened(&connection, &backup, &headers).await?;
    let passwords = new_passwords(&headers)?;
    let given: BTreeSet<AccountId> = passwords.keys().copied().collect();
    let wanted = Arc::new(Restoring { backup, secrets, new_passwords: given, force });
    let Some(accept) = accept else {
        for (account, password) in passwords {
            connection.gate(move |site| site.gate.check_password(site.now(), &caller, account, &password)).await?;
        }
        let plan = connection.gate(move |site| site.gate.plan_restore(site.now(), &caller, &wanted)).await?;
        return Ok(Json(plan));
    };
    let made = made(&connection, caller, &wanted, passwords).await?;
    let before = connection.site.view();
    let mut plan = connection.gate(move |site| site.gate.restore(site.now(), &caller, &wanted, made, &accept)).await?;
    plan.remarks.extend(remarks::after(&before, &connection.site.view()));
    Ok(Json(plan))
}

/// Writes a backup down as it comes in, and looks through it.
async fn receive(connection: &Connection, mut upload: BackupUpload, file: &mut Body) -> Result<Inspected, Refused> {
    let mut piece = Vec::new();
    loop {
        let data = data(file).await?;
        piece.extend_from_slice(data.as_deref().unwrap_or_default());
        if piece.len() >= PIECE || data.is_none() {
            let whole = std::mem::take(&mut piece);
            let write = move |_: &crate::Site| {
                upload.append(&whole)?;
                Ok(upload)
            };
            upload = connection.gate(write).await?;
        }
        if data.is_none() {
            return connection.gate(move |_| upload.finish()).await;
        }
    }
}

async fn opened(connection: &Connection, backup: &Inspected, headers: &HeaderMap) -> Result<Option<Secrets>, Refused> {
    let Some((part, over)) = backup.sealed() else { return Ok(None) };
    let salt = part.salt().map_err(GateError::from)?;
    let key = connection.site.vault.passphrase_key(passphrase(headers)?, salt).await?;
    Ok(Some(Secrets::open(part, over, &key).map_err(GateError::from)?))
}

fn passphrase(headers: &HeaderMap) -> Result<Password, Refused> {
    let header = headers.get(api::login::PASSPHRASE);
    let header = header.ok_or_else(|| Refused::request("a sealed backup takes its passphrase"))?;
    let read = api::login::read_passphrase(header.as_bytes());
    read.ok_or_else(|| Refused::request("the passphrase's header can't be read"))
}

/// The credentials that a restore needs made: readable passwords hashed, new ones as the release stores them.
async fn made(
    connection: &Connection,
    caller: Caller,
    wanted: &Arc<Restoring>,
    passwords: BTreeMap<AccountId, Password>,
) -> Result<BTreeMap<AccountId, Credential>, Refused> {
    let asked_for = Arc::clone(wanted);
    let makes = connection.gate(move |site| site.gate.restore_makes(site.now(), &caller, &asked_for)).await?;
    let ToMake { hash, key, storage } = makes;
    let vault = &connection.site.vault;
    let mut made = BTreeMap::new();
    for (account, credential) in hash {
        let Credential::Readable(readable) = &*credential else { continue };
        let copy = Password::new(readable.expose()).map_err(|error| Refused::request(error.to_string()))?;
        made.insert(account, vault.make(copy, storage, key.clone()).await?);
    }
    for (account, password) in passwords {
        let password = connection
            .gate(move |site| {
                site.gate.check_password(site.now(), &caller, account, &password)?;
                Ok(password)
            })
            .await?;
        made.insert(account, vault.make(password, storage, key.clone()).await?);
    }
    Ok(made)
}
