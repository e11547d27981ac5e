//! Who is connected, who is logged in, who is locked out; ending a session and lifting a lock-out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meter::{Caller, LockOut};
use security::{AccountId, Ask, Path, Session, Source};

use super::Connection;
use super::asked::{Asker, Queried};
use super::refused::Refused;
use crate::faces::FACES;
use crate::{Site, connections};

/// Connections; whose they are, the sessions behind them and the lock-outs for whoever may read security. Others see
/// their own session, and of others' connections no more than that there are such.
pub(super) async fn connections(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Connections>, Refused> {
    connection.site.view().may(Path::Setup, caller.who, Ask::Read)?;
    let security = connection.site.view().may(Path::Setup, caller.who, Ask::ReadSecurity).is_ok();
    let listed = connection
        .gate(move |site| {
            let sessions = site.gate.sessions(site.now(), &caller)?;
            let lockouts = security.then(|| site.gate.lockouts(site.now(), &caller)).transpose()?;
            Ok(listed(site, &sessions, lockouts, security, caller))
        })
        .await?;
    Ok(Json(listed))
}

fn listed(
    site: &Site,
    sessions: &[Session],
    lockouts: Option<Vec<LockOut>>,
    security: bool,
    caller: Caller,
) -> api::Connections {
    let now = site.now();
    let idle_s = |used_ms: i64| u64::try_from(now.up_ms.saturating_sub(used_ms) / 1000).unwrap_or(0);
    let since_utc_ms = |since_ms: i64| now.utc_ms.saturating_sub(now.up_ms.saturating_sub(since_ms));
    let held = site.connections.list();
    let one = |one: &connections::Connection| {
        let session = sessions.iter().find(|session| Some(session.number) == one.session);
        let whose = one.whose(security, caller.session);
        api::Connection {
            service: one.service.name().to_owned(),
            peer: whose.peer,
            user: whose.user,
            since_utc_ms: one.since_utc_ms,
            session: session.and(whose.session),
            idle_s: Some(idle_s(session.map_or(one.used_up_ms, |session| session.last_used.max(one.used_up_ms)))),
        }
    };
    let session = |session: &Session| api::Session {
        number: session.number,
        user: session.who.to_string(),
        path: session.path.name().to_owned(),
        peer: session.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string()),
        since_utc_ms: since_utc_ms(session.since),
        idle_s: idle_s(session.last_used),
        connections: held.iter().filter(|one| one.session == Some(session.number)).count(),
        own: caller.session == Some(session.number),
    };
    let services = FACES.iter().flat_map(|face| face.services.iter().map(|service| (service, face.connections)));
    api::Connections {
        connections: held.iter().map(one).collect(),
        limits: services.map(|(service, limit)| (service.name().to_owned(), limit)).collect(),
        sessions: sessions.iter().filter(|one| security || caller.session == Some(one.number)).map(session).collect(),
        lockouts: lockouts.map(|held| held.iter().map(lock_out).collect()),
    }
}

/// Ends the session with this number, and its connections on every face.
pub(super) async fn end(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Ended>, Refused> {
    let number = asked.number("number")?.ok_or_else(|| Refused::request("which session? Name it with ?number="))?;
    let asking = connection.entry.number();
    let ended = connection.gate(move |site| site.end_session(&caller, number, Some(asking))).await?;
    let peer = ended.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    Ok(Json(api::Ended { number, user: ended.who.to_string(), path: ended.path.name().to_owned(), peer }))
}

/// Lifts the lock-outs of a login, from one source or from all.
pub(super) async fn lift(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Lifted>, Refused> {
    let login = asked.all("login").last().ok_or_else(|| Refused::request("whose lock-out? Name it with ?login="))?;
    let account = match login {
        api::UNKNOWN_LOGIN => None,
        name => Some(AccountId::from_login(name).ok_or_else(|| {
            Refused::request("a login is 8650, USER1 to USER16, or unknown for all names that are nobody's")
        })?),
    };
    let from: Option<Source> =
        asked.all("source").last().map(str::parse).transpose().map_err(|error| Refused::request(format!("{error}")))?;
    let lifted = connection.gate(move |site| site.gate.lift(site.now(), &caller, account, from)).await?;
    Ok(Json(api::Lifted { lifted: lifted.iter().map(lock_out).collect() }))
}

fn lock_out(held: &LockOut) -> api::LockOut {
    api::LockOut {
        login: held.account.map_or_else(|| api::UNKNOWN_LOGIN.to_owned(), AccountId::login),
        path: held.path.name().to_owned(),
        source: held.source,
        // Never negative: it holds.
        minutes_left: u64::try_from(held.left_ms).unwrap_or(0).div_ceil(60_000),
    }
}

#[cfg(test)]
mod tests {
    use framework::modules::security_options::Service;
    use security::Who;

    use super::*;
    use crate::testbed::Bench;

    #[test]
    fn whose_connections_and_sessions_are_is_for_those_who_may_read_security_and_for_oneself() {
        let bench = Bench::new("4.40.1");
        let site = &bench.site;
        let peer = "192.0.2.7:5000".parse().unwrap();
        let tokens = [(); 2].map(|()| site.open_session(&Caller::on(Path::Setup, Who::Standard, peer)));
        let numbers = tokens.map(|token| site.session_number(&token).unwrap());
        let _held = numbers.map(|number| {
            let entry = site.connections.enter(Service::Setup, peer, site.now());
            entry.logged_in(Who::Standard);
            entry.in_session(Some(number));
            entry
        });
        let sessions = site.gate.sessions(site.now(), &Caller::meter()).unwrap();
        let asking = |session, security| {
            let caller = Caller { session, ..Caller::on(Path::Setup, Who::Standard, peer) };
            listed(site, &sessions, None, security, caller)
        };
        let all = asking(None, true);
        assert!(all.connections.iter().all(|one| one.user == "8650" && one.session.is_some()));
        assert_eq!(all.sessions.len(), 2);
        let own = asking(Some(numbers[0]), false);
        assert_eq!(own.connections.iter().map(|one| one.session).collect::<Vec<_>>(), [Some(numbers[0]), None]);
        assert_eq!(own.sessions.iter().map(|one| one.number).collect::<Vec<_>>(), [numbers[0]]);
        let stranger = asking(None, false);
        assert!(stranger.sessions.is_empty());
        for one in &stranger.connections {
            assert_eq!((one.user.as_str(), one.peer.as_str(), one.session), ("-", "-", None));
            assert_eq!((one.service.as_str(), one.idle_s), ("setup", Some(0)));
        }
        assert_eq!(stranger.connections.len(), 2, "that there are connections is no secret");
    }
}
