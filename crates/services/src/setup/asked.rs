//! What a request says, bounded and checked before anything is done with it: who asks, the query, the
//! body, new passwords.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::login::{self, Authorization};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::BodyExt;
use meter::Caller;
use security::{AccountId, Ask, Password, Path, Right, Who};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::refused::Refused;
use super::{Connection, DISCARDED, LONGEST_JSON, STALL};

/// A refusal repeats at most this much of what a parser says about a document.
const LONGEST_COMPLAINT: usize = 200;

/// Who asks: whoever the session's token belongs to, or nobody.
pub(super) struct Asker(pub Caller);

impl FromRequestParts<Arc<Connection>> for Asker {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, connection: &Arc<Connection>) -> Result<Self, Refused> {
        let caller = match parts.headers.get(login::AUTHORIZATION) {
            None => Caller::on(Path::Setup, Who::Nobody, connection.peer),
            Some(header) => match login::read(header.as_bytes()) {
                Some(Authorization::Session(token)) => {
                    let site = &connection.site;
                    let session = site.gate.session(site.now(), &token).filter(|session| session.path == Path::Setup);
                    let session = session.ok_or_else(|| Refused::wants_login("this session is over: log in again"))?;
                    // The number goes along: a body that arrives when the session is over finds it so.
                    Caller { peer: Some(connection.peer), ..Caller::in_session(&session) }
                }
                Some(Authorization::Login(..)) => {
                    return Err(Refused::request("a login opens a session; what is asked takes the session's token"));
                }
                None => return Err(Refused::request("the authorization header can't be read")),
            },
        };
        connection.entry.logged_in(caller.who);
        connection.entry.in_session(caller.session);
        connection.entry.used(connection.site.now());
        Ok(Self(caller))
    }
}

/// What stands behind the question mark.
pub(super) struct Queried(Vec<(String, String)>);

impl Queried {
    /// Every value of a key.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key says `true`.
    pub fn flag(&self, key: &str) -> Result<bool, Refused> {
        match self.all(key).last() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refused::request(format!("{key} is true or false"))),
        }
    }

    /// The number that a key has.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Refused> {
        let number = |value: &str| value.parse().map_err(|_| Refused::request(format!("{key} is a number")));
        self.all(key).last().map(number).transpose()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Queried {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = Query::try_from_uri(&parts.uri).map_err(|_| Refused::request("the query can't be read"))?;
        Ok(Self(query.0))
    }
}

/// A JSON document, short enough to be anybody's.
pub(super) struct Document<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        Ok(Self(document(&body(request.into_body(), LONGEST_JSON).await?)?))
    }
}

fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|error| {
        let complaint: String = error.to_string().chars().take(LONGEST_COMPLAINT).collect();
        Refused::request(format!("this request can't be read: {complaint}"))
    })
}

/// A JSON document of at most so many bytes, of whoever may do this. It is read off the network's threads.
pub(super) async fn document_of<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    caller: Caller,
    right: Right,
    request: Body,
    limit: usize,
) -> Result<T, Refused> {
    let bytes = body_of(connection, caller, right, request, limit).await?;
    connection.gate(move |_| Ok(document(&bytes))).await?
}

/// The body of whoever may do this. Nothing of anybody else's is kept.
pub(super) async fn body_of(
    connection: &Connection,
    caller: Caller,
    right: Right,
    request: Body,
    limit: usize,
) -> Result<Vec<u8>, Refused> {
    match connection.may(caller, Ask::Do(right)).await {
        Ok(()) => body(request, limit).await,
        Err(refused) => {
            discard(request).await;
            Err(refused)
        }
    }
}

/// The next data of a body; none at its end.
pub(super) async fn data(body: &mut Body) -> Result<Option<Bytes>, Refused> {
    loop {
        let frame = timeout(STALL, body.frame()).await;
        let frame = frame.map_err(|_| Refused::request("the request stopped in the middle"))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| Refused::request("the request ended in the middle"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Reads a body of at most `limit` bytes. Of a longer one, some is thrown away unread.
pub(super) async fn body(mut body: Body, limit: usize) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let mut discarded = 0;
    while let Some(data) = data(&mut body).await? {
        if discarded == 0 && bytes.len() + data.len() <= limit {
            bytes.extend_from_slice(&data);
            continue;
        }
        bytes = Vec::new();
        discarded += data.len();
        if discarded > DISCARDED {
            break;
        }
    }
    if discarded > 0 { Err(Refused::too_large(limit)) } else { Ok(bytes) }
}

/// Throws away what a client sends that has been refused, as far as is worth it.
pub(super) async fn discard(request: Body) {
    let _ = body(request, 0).await;
}

/// The new passwords of a request, each in its own header.
pub(super) fn new_passwords(headers: &HeaderMap) -> Result<BTreeMap<AccountId, Password>, Refused> {
    let mut passwords = BTreeMap::new();
    for header in headers.get_all(login::NEW_PASSWORD) {
        let (account, password) = login::read_new_password(header.as_bytes())
            .ok_or_else(|| Refused::request("a new password's header can't be read"))?;
        if passwords.insert(account, password).is_some() {
            return Err(Refused::request(format!("{account} is given two new passwords")));
        }
    }
    Ok(passwords)
}
