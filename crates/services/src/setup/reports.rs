//! Reports of changes of release, how a change goes, and a change that waits for its time.

use std::sync::Arc;

use api::login::{self, Authorization};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use meter::{Caller, Progress};
use security::{Ask, Right};

use super::Connection;
use super::asked::{Asker, document_of};
use super::change::{LONGEST_PLAN, accepted};
use super::refused::Refused;
use crate::schedule;

/// The reports that the meter keeps.
pub(super) async fn list(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Reports>, Refused> {
    let reports = connection.gate(move |site| site.gate.reports(site.now(), &caller)).await?;
    Ok(Json(api::Reports { reports }))
}

/// How the change goes that a session began, for whoever has its token, whether or not it has ended since.
pub(super) async fn progress(
    State(connection): State<Arc<Connection>>,
    headers: HeaderMap,
) -> Result<Json<api::Progress>, Refused> {
    let authorization = headers.get(login::AUTHORIZATION).and_then(|header| login::read(header.as_bytes()));
    let Some(Authorization::Session(token)) = authorization else {
        return Err(Refused::wants_login("how a change goes is told to the session that began it"));
    };
    let progress = connection.gate(move |site| Ok(site.gate.progress(&token))).await?;
    Ok(Json(match progress {
        Progress::Unknown => api::Progress::Unknown,
        Progress::Preparing => api::Progress::Preparing,
        Progress::OnTrial => api::Progress::OnTrial,
        Progress::Over(report) => api::Progress::Over { report },
    }))
}

/// What is scheduled.
pub(super) async fn scheduled(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Scheduled>, Refused> {
    stands(&connection, caller).await
}

/// Accepts a plan for a set time.
pub(super) async fn schedule(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    request: Body,
) -> Result<Json<api::Scheduled>, Refused> {
    let request = document_of(&connection, caller, Right::SecurityConfig, request, LONGEST_PLAN).await?;
    let api::ScheduleRequest { change, at_utc_ms, window_s } = request;
    let (request, digest) = accepted(change);
    connection.gate(move |site| site.gate.schedule(site.now(), &caller, request, &digest, at_utc_ms, window_s)).await?;
    stands(&connection, caller).await
}

/// Drops it, or what became of it.
pub(super) async fn drop_schedule(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Scheduled>, Refused> {
    connection.gate(move |site| site.gate.drop_schedule(site.now(), &caller)).await?;
    stands(&connection, caller).await
}

async fn stands(connection: &Connection, caller: Caller) -> Result<Json<api::Scheduled>, Refused> {
    let stands = connection
        .gate(move |site| {
            // A refusal is the gate's, which logs it.
            site.gate.ask(site.now(), &caller, Ask::ReadSecurity)?;
            site.gate.scheduled(&caller)
        })
        .await?;
    Ok(Json(api::Scheduled { schedule: stands.as_deref().map(schedule::document) }))
}
