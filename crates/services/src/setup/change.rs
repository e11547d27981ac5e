//! The change of release over Setup: the plan of a package that waits is shown, and an accepted plan is
//! carried through. Also the keys that may sign packages for this meter.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use firmware::Plan;
use framework::dcf::LONGEST_FILE;
use meter::{Caller, Request};
use security::unseen::is_unseen;
use security::{AccountId, Right};

use super::asked::{Asker, Queried, body, document_of, new_passwords};
use super::refused::Refused;
use super::{Connection, LONGEST_JSON};
use crate::change::carry_through;

/// What is planned may have a template file with it, in JSON: a line of one is a byte longer there, and each of its
/// quotation marks.
pub(super) const LONGEST_PLAN: usize = 2 * LONGEST_FILE + LONGEST_JSON;
/// What a report takes over of Setup's word about the hash list.
const LONGEST_HASH_CHECK: usize = 300;

/// Shows what a change would do.
pub(super) async fn plan(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    request: Body,
) -> Result<Json<Plan>, Refused> {
    let request = document_of(&connection, caller, Right::SecurityConfig, request, LONGEST_PLAN).await?;
    let request = wanted(request, String::new());
    Ok(Json(connection.gate(move |site| site.gate.plan(site.now(), &caller, &request)).await?))
}

/// Carries out the plan that was accepted. Every session ends with the release, this one's too; the
/// answer comes all the same, because whoever asked was let through before.
pub(super) async fn carry_out(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<api::Changed>, Refused> {
    let request: api::ChangeRequest =
        document_of(&connection, caller, Right::SecurityConfig, request, LONGEST_PLAN).await?;
    let passwords = new_passwords(&headers)?;
    let given: BTreeSet<AccountId> = passwords.keys().copied().collect();
    if given != request.plan.choices.new_passwords {
        return Err(Refused::request("the new passwords that were sent are not those of the accounts in the plan"));
    }
    let (wanted, digest) = accepted(request);
    let site = Arc::clone(&connection.site);
    let (plan, report) = carry_through(site, caller, wanted, digest, passwords.into_iter().collect()).await?;
    Ok(Json(api::Changed { plan, report }))
}

/// What was accepted, and by which digest.
pub(super) fn accepted(request: api::ChangeRequest) -> (Request, String) {
    let hash_check = request.hash_check.chars().filter(|c| !is_unseen(*c)).take(LONGEST_HASH_CHECK).collect();
    (wanted(request.plan, hash_check), request.accept)
}

fn wanted(request: api::PlanRequest, hash_check: String) -> Request {
    let api::PlanRequest { package, choices, setup } = request;
    Request { package, choices, setup, hash_check }
}

/// The keys that may sign packages for this meter.
pub(super) async fn trusted(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Trusted>, Refused> {
    list(&connection, caller).await
}

/// Trusts a key, given as the line of text that its file holds.
pub(super) async fn trust(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    key: Body,
) -> Result<Json<api::Trusted>, Refused> {
    let key =
        String::from_utf8(body(key, LONGEST_JSON).await?).map_err(|_| Refused::request("a key is a line of text"))?;
    connection.gate(move |site| site.gate.trust(site.now(), &caller, &key)).await?;
    list(&connection, caller).await
}

/// Trusts a key no more.
pub(super) async fn revoke(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Trusted>, Refused> {
    let key = asked.all("key").last().ok_or_else(|| Refused::request("which key? Name it with ?key="))?.to_owned();
    connection.gate(move |site| site.gate.revoke(site.now(), &caller, &key)).await?;
    list(&connection, caller).await
}

async fn list(connection: &Connection, caller: Caller) -> Result<Json<api::Trusted>, Refused> {
    let keys = connection.gate(move |site| site.gate.trusted(site.now(), &caller)).await?;
    Ok(Json(api::Trusted { keys }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_takes_over_of_setups_word_shows_itself() {
        let request = serde_json::json!({
            "plan": { "package": "00", "choices": {}, "setup": "3.2.30377.02" },
            "accept": "sha256:00",
            "hash_check": format!("good\n\u{202e}\u{200b} {}", "x".repeat(LONGEST_HASH_CHECK)),
        });
        let (wanted, digest) = accepted(serde_json::from_value(request).unwrap());
        assert_eq!(digest, "sha256:00");
        assert_eq!(wanted.hash_check.chars().count(), LONGEST_HASH_CHECK);
        assert!(wanted.hash_check.starts_with("good xxx"), "{}", wanted.hash_check);
    }
}
