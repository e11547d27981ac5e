//! HTTP Basic (RFC 7617), for the releases whose pages ask for a login. The header is read by `api` alone;
//! the check is the site's. What this module owns is one connection's memory of its last good login: a
//! program that polls every second would otherwise fill the event log with logins. The memory says who
//! somebody is and nothing else: what they may do is decided again at every request.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use api::login::{AUTHORIZATION, Authorization, read};
use axum::http::{HeaderMap, HeaderValue};
use meter::Denied;
use security::{Password, Path, Who};

use crate::Site;
use crate::connections::Entry;

/// The last good login of one connection.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Option<Login>>);

struct Login {
    /// The settings and release it was good under: any change of them asks anew.
    generation: u64,
    name: String,
    password: Password,
    who: Who,
}

impl Remembered {
    /// Who sent these headers; nobody, where there is no login in them.
    pub async fn who(&self, site: &Site, peer: SocketAddr, entry: &Entry, headers: &HeaderMap) -> Result<Who, Denied> {
        let Some(header) = headers.get(AUTHORIZATION) else { return Ok(Who::Nobody) };
        let Some(Authorization::Login(name, password)) = read(header.as_bytes()) else { return Ok(Who::Nobody) };
        // Taken before the check, so that a change while it runs makes the login be checked again.
        let generation = site.view().generation;
        if let Some(who) = self.recall(generation, &name, &password) {
            return Ok(who);
        }
        self.replace(None);
        let copy = Password::new(password.expose()).map_err(|_| Denied::Busy)?;
        let who = site.login(Path::Web, &name, copy, peer).await?.who;
        entry.logged_in(who);
        self.replace(Some(Login { generation, name, password, who }));
        Ok(who)
    }

    fn recall(&self, generation: u64, name: &str, password: &Password) -> Option<Who> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let login = remembered.as_ref().filter(|login| login.generation == generation && login.name == name)?;
        login.password.same_as(password).then_some(login.who)
    }

    fn replace(&self, login: Option<Login>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = login;
    }
}

/// What to ask a client for. The realm names the meter, so that a browser doesn't try one meter's password
/// at another behind the same address.
pub(super) fn challenge(serial: &str) -> HeaderValue {
    // A quoted-string (RFC 9110, 5.6.4) without anything that would need quoting.
    let plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    let serial: String = serial.chars().filter(plain).collect();
    HeaderValue::from_str(&format!("Basic realm=\"8650 meter {serial}\", charset=\"UTF-8\""))
        .unwrap_or(HeaderValue::from_static("Basic realm=\"8650 meter\", charset=\"UTF-8\""))
}
