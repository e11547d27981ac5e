//! The security file over Setup: saved, shown as what it would change, and loaded once that is accepted.
//! The gate decides.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use framework::Scf;
use framework::scf::LONGEST_FILE;
use meter::{ChangeSet, Edit, SecurityChange};
use security::Right;

use super::asked::{Asker, Queried, body_of, new_passwords};
use super::edit::new_password;
use super::refused::Refused;
use super::{Connection, remarks};

/// The file, as it is now.
pub(super) async fn save(State(connection): State<Arc<Connection>>, Asker(caller): Asker) -> Result<Response, Refused> {
    let text = connection.gate(move |site| crate::security_file::text(site, &caller)).await?;
    Ok(([(header::CONTENT_TYPE, api::routes::TEMPLATE_TYPE)], text).into_response())
}

/// What a file would change; with `?accept=` it is done if that is still what was accepted.
pub(super) async fn load(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
    headers: HeaderMap,
    file: Body,
) -> Result<Json<api::SecurityPlan>, Refused> {
    let force = asked.flag("force")?;
    let accept = asked.all("accept").last().map(str::to_owned);
    let file = body_of(&connection, caller, Right::SecurityConfig, file, LONGEST_FILE).await?;
    let file = connection.gate(move |_| Ok(Scf::parse(&file))).await??;
    let (mut edits, mut strengths) = (Vec::new(), Vec::new());
    for (account, password) in new_passwords(&headers)? {
        let (edit, strength) = new_password(&connection, caller, account, password).await?;
        edits.push(edit);
        strengths.push(strength);
    }
    edits.push(Edit::Security(Box::new(file.security)));
    let change = ChangeSet { edits, force };
    let Some(accept) = accept else {
        let planned = connection.gate(move |site| site.gate.plan_security(site.now(), &caller, change)).await?;
        return Ok(Json(api::SecurityPlan { strengths, ..document(planned) }));
    };
    let before = connection.site.view();
    let done = connection.gate(move |site| site.gate.load_security(site.now(), &caller, change, &accept)).await?;
    let remarks = remarks::after(&before, &connection.site.view());
    Ok(Json(api::SecurityPlan { loaded: true, strengths, remarks, ..document(done) }))
}

fn document(change: SecurityChange) -> api::SecurityPlan {
    let register = |(register, before, after)| api::ChangedRegister { register, before, after };
    let row = |row: firmware::access::Difference| api::AccessChange {
        subject: row.subject(),
        severity: row.severity(),
        text: row.text(),
        before: row.before,
        after: row.after,
    };
    api::SecurityPlan {
        digest: change.digest,
        loaded: false,
        changed: change.registers.into_iter().map(register).collect(),
        passwords: change.passwords.into_iter().map(|account| account.to_string()).collect(),
        access: change.access.into_iter().map(row).collect(),
        strengths: Vec::new(),
        dangers: change.dangers,
        remarks: Vec::new(),
    }
}
