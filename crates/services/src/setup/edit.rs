//! What Setup changes: registers, users, passwords, the template. The gate decides and does it; the
//! vault makes the stored form of a password before.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use framework::Dcf;
use framework::dcf::LONGEST_FILE;
use meter::{Caller, ChangeSet, Edit, Edited};
use security::{AccountId, Password, Right};

use super::asked::{Asker, Document, Queried, body_of, new_passwords};
use super::refused::Refused;
use super::{Connection, remarks};

/// Sets set-up registers, security's among them.
pub(super) async fn set(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    Document(request): Document<api::SetRequest>,
) -> Result<Json<api::SetAnswer>, Refused> {
    let edits = request.changes.into_iter().map(|(register, value)| Edit::Register(register, value)).collect();
    apply(&connection, caller, ChangeSet { edits, force: request.force }).await
}

/// Changes a user, and the user's password in the same request if its header is there.
pub(super) async fn user(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    headers: HeaderMap,
    Document(request): Document<api::UserRequest>,
) -> Result<Json<api::SetAnswer>, Refused> {
    let api::UserRequest { user, active, rights, force } = request;
    let (mut edits, mut strengths) = (Vec::new(), Vec::new());
    for (account, password) in new_passwords(&headers)? {
        if account != AccountId::User(user) {
            return Err(Refused::request(format!(
                "this is a change to {user}, but a new password of {account} came with it"
            )));
        }
        let (edit, strength) = new_password(&connection, caller, account, password).await?;
        edits.push(edit);
        strengths.push(strength);
    }
    edits.extend(rights.map(|rights| Edit::Rights(user, rights.into_iter().collect())));
    edits.extend(active.map(|active| Edit::Active(user, active)));
    let mut answer = apply(&connection, caller, ChangeSet { edits, force }).await?;
    answer.0.strengths = strengths;
    Ok(answer)
}

/// Gives one account a new password.
pub(super) async fn password(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    headers: HeaderMap,
    Document(request): Document<api::PasswordRequest>,
) -> Result<Json<api::SetAnswer>, Refused> {
    let mut passwords = new_passwords(&headers)?;
    let (Some(password), true) = (passwords.remove(&request.account), passwords.is_empty()) else {
        return Err(Refused::request(format!("this takes one new password, of {}", request.account)));
    };
    let (edit, strength) = new_password(&connection, caller, request.account, password).await?;
    let mut answer = apply(&connection, caller, ChangeSet { edits: vec![edit], force: false }).await?;
    answer.0.strengths = vec![strength];
    Ok(answer)
}

/// Loads a template file, or says what loading it would change.
pub(super) async fn template(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
    file: Body,
) -> Result<Json<api::SetAnswer>, Refused> {
    let (dry, force) = (asked.flag("dry")?, asked.flag("force")?);
    let file = body_of(&connection, caller, Right::FullConfig, file, LONGEST_FILE).await?;
    let file = connection.gate(move |_| Ok(Dcf::parse(&file))).await??;
    let change = ChangeSet { edits: vec![Edit::Template(Box::new(file))], force };
    if !dry {
        return apply(&connection, caller, change).await;
    }
    let edited = connection.gate(move |site| site.gate.preview(site.now(), &caller, change)).await?;
    Ok(Json(answer(edited, Vec::new())))
}

/// The edit that gives an account a password, checked by the gate before a hash is paid; and what it is worth.
pub(super) async fn new_password(
    connection: &Connection,
    caller: Caller,
    account: AccountId,
    password: Password,
) -> Result<(Edit, api::PasswordStrength), Refused> {
    let site = &connection.site;
    let password = connection
        .gate(move |site| {
            site.gate.check_password(site.now(), &caller, account, &password)?;
            Ok(password)
        })
        .await?;
    let view = site.view();
    let worth = security::strength(account, &password, &view.release().password_rules);
    let strength = api::PasswordStrength {
        account: account.to_string(),
        grade: worth.grade,
        bits: worth.bits,
        best_bits: worth.best,
        text: worth.to_string(),
    };
    let storage = view.release().password_storage;
    let made = site.vault.make(password, storage, site.gate.device_key()).await?;
    Ok((Edit::Password(account, made), strength))
}

async fn apply(connection: &Connection, caller: Caller, change: ChangeSet) -> Result<Json<api::SetAnswer>, Refused> {
    let before = connection.site.view();
    let edited = connection.gate(move |site| site.gate.apply(site.now(), &caller, change)).await?;
    let remarks = remarks::after(&before, &connection.site.view());
    Ok(Json(answer(edited, remarks)))
}

/// What a change does or would do; what it erases is the first remark on it.
fn answer(mut edited: Edited, mut remarks: Vec<String>) -> api::SetAnswer {
    edited.erased.append(&mut remarks);
    let register = |(register, before, after)| api::ChangedRegister { register, before, after };
    let passwords = edited.passwords.into_iter().map(|account| account.to_string()).collect();
    let changed = edited.registers.into_iter().map(register).collect();
    api::SetAnswer { changed, passwords, strengths: Vec::new(), dangers: edited.dangers, remarks: edited.erased }
}
