//! Logging in and out. One login gives a token, so that the hash is paid once.

use std::sync::Arc;

use api::login::{self, Authorization};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use framework::modules::security_options::SESSION_TIMEOUT;
use meter::{Caller, Proved};
use security::{Path, Who};

use super::Connection;
use super::refused::Refused;

/// Opens a session for whoever proves who they are. A meter without security asks nobody.
pub(super) async fn open(State(connection): State<Arc<Connection>>, headers: HeaderMap) -> Result<Response, Refused> {
    let (site, peer) = (&connection.site, connection.peer);
    let (who, token) = if site.gate.open_to_all() {
        (Who::Nobody, site.open_session(&Caller::on(Path::Setup, Who::Nobody, peer)))
    } else {
        let proved = proved(&connection, &headers).await?;
        (proved.who, site.begin_session(Path::Setup, peer, proved)?)
    };
    connection.entry.logged_in(who);
    connection.entry.in_session(site.session_number(&token));
    // The register's range ends at 43200.
    let timeout_minutes = site.view().settings.option_number(SESSION_TIMEOUT) as u16;
    let mut response = Json(api::Opened { user: who.to_string(), timeout_minutes }).into_response();
    let mut header = HeaderValue::from_str(&login::opened(&token)).map_err(|_| Refused::broken())?;
    header.set_sensitive(true);
    response.headers_mut().insert(HeaderName::from_static(login::SESSION_TOKEN), header);
    Ok(response)
}

async fn proved(connection: &Connection, headers: &HeaderMap) -> Result<Proved, Refused> {
    let header = headers.get(login::AUTHORIZATION).and_then(|header| login::read(header.as_bytes()));
    let Some(Authorization::Login(name, password)) = header else {
        return Err(Refused::wants_login("a login is a user name and a password"));
    };
    // A task of its own: a client that hangs up in the middle of the check has tried all the same.
    let (site, peer) = (Arc::clone(&connection.site), connection.peer);
    let login = tokio::spawn(async move { site.login(Path::Setup, &name, password, peer).await });
    Ok(login.await.map_err(|_| Refused::broken())??)
}

/// Ends the session.
pub(super) async fn close(State(connection): State<Arc<Connection>>, headers: HeaderMap) -> StatusCode {
    let header = headers.get(login::AUTHORIZATION).and_then(|header| login::read(header.as_bytes()));
    if let Some(Authorization::Session(token)) = header {
        connection.site.gate.close_session(connection.site.now(), &token);
        connection.entry.logged_in(Who::Nobody);
        connection.entry.in_session(None);
    }
    StatusCode::NO_CONTENT
}
