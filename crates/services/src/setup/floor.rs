//! The floor over Setup: shown, raised. The gate decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meter::{Caller, NewFloor};

use super::Connection;
use super::asked::{Asker, Document};
use super::refused::Refused;

pub(super) async fn show(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Floor>, Refused> {
    answer(&connection, caller).await
}

pub(super) async fn raise(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    Document(request): Document<api::FloorRequest>,
) -> Result<Json<api::Floor>, Refused> {
    let to = request.raise_to.map_or(NewFloor::Current, NewFloor::Release);
    connection.gate(move |site| site.gate.raise_floor(site.now(), &caller, &to)).await?;
    answer(&connection, caller).await
}

async fn answer(connection: &Connection, caller: Caller) -> Result<Json<api::Floor>, Refused> {
    let floor = connection.gate(move |site| site.gate.floor(&caller)).await?;
    Ok(Json(api::Floor { floor, release: connection.site.view().release().release.clone() }))
}
