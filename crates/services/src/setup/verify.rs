//! Looking through the event log for what isn't as it was logged.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use security::chain::Finding;

use super::Connection;
use super::asked::Asker;
use super::refused::Refused;

/// The whole log, in pages, off the network's threads. It takes the right to read security.
pub(super) async fn events(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::LogVerified>, Refused> {
    let verified = connection.gate(move |site| site.gate.verify_log(site.now(), &caller)).await?;
    Ok(Json(api::LogVerified {
        whole: verified.findings.is_empty(),
        checked: verified.checked,
        unchained: verified.unchained,
        chained_from: verified.begins,
        findings: verified.findings.iter().map(finding).collect(),
        more: verified.more,
    }))
}

fn finding(finding: &Finding) -> api::LogFinding {
    api::LogFinding { kind: finding.kind().to_owned(), number: finding.number(), text: finding.to_string() }
}
