//! Packages over Setup: announced, sent in pieces that go on after a broken link, finished, listed and dropped. Each piece
//! goes to the disk as it comes, so that a link which breaks in the middle of one costs nothing that has arrived.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use firmware::package::MAX_FRONT_BYTES;
use meter::{Caller, MAX_STAGED_BYTES, MAX_STAGED_PACKAGES};
use security::Ask;
use tokio::select;
use tokio::time::sleep;

use super::Connection;
use super::asked::{Asker, Document, Queried, data, discard};
use super::refused::Refused;

/// What is gathered of a piece before it is written down: it bounds the memory, and the pieces that are written.
const GATHERED: usize = 256 * 1024;
/// The same while the front comes in (a TLS record at its longest): it is to be believed before much follows it.
const GATHERED_OF_FRONT: usize = 16 * 1024;
/// How long what has come waits for more: what a slow link brings is on the disk, and counts, after a second.
const GATHERING: Duration = Duration::from_secs(1);
/// The longest piece of one request: as much as a slow link sends within its deadline.
const LONGEST_PIECE: u64 = 16 * 1024 * 1024;

/// Announces a package.
pub(super) async fn announce(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    Document(wanted): Document<api::Announcement>,
) -> Result<Json<api::Announced>, Refused> {
    let api::Announcement { package, bytes, name } = wanted;
    let wanted = meter::Announcement { package, bytes, name };
    let announced = connection.gate(move |site| site.gate.announce_package(site.now(), &caller, &wanted)).await?;
    Ok(Json(match announced {
        meter::Announced::Staged(staged) => api::Announced { upload: None, bytes, staged: Some(document(staged)) },
        meter::Announced::GoOn { upload, bytes } => api::Announced { upload: Some(upload), bytes, staged: None },
    }))
}

/// Takes a piece. Whatever of it has come counts, though the link breaks in the middle.
pub(super) async fn piece(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
    mut piece: Body,
) -> Result<Json<api::Received>, Refused> {
    let upload = number_of_upload(&asked)?;
    let offset = asked.number("offset")?.ok_or_else(|| Refused::request("from where? Say it with ?offset="))?;
    let taken = take(&connection, caller, upload, offset, &mut piece).await;
    if taken.is_err() {
        discard(piece).await;
    }
    Ok(Json(api::Received { bytes: taken? }))
}

async fn take(
    connection: &Connection,
    caller: Caller,
    upload: u64,
    offset: u64,
    piece: &mut Body,
) -> Result<u64, Refused> {
    // Asked before anything is taken in from anybody.
    connection.may(caller, Ask::Do(security::Right::SecurityConfig)).await?;
    let mut here = offset;
    let mut gathered = Vec::new();
    let mut waited = pin!(sleep(GATHERING));
    let write = async |here, gathered: &mut Vec<u8>| {
        let whole = std::mem::take(gathered);
        connection.gate(move |site| site.gate.take_piece(site.now(), &caller, upload, here, &whole)).await
    };
    loop {
        let mut next = pin!(data(piece));
        let next = loop {
            select! {
                next = &mut next => break next,
                () = &mut waited, if !gathered.is_empty() => here = write(here, &mut gathered).await?,
            }
        };
        if let Ok(Some(data)) = &next {
            if gathered.is_empty() {
                waited.set(sleep(GATHERING));
            }
            gathered.extend_from_slice(data);
        }
        if (here - offset) + gathered.len() as u64 > LONGEST_PIECE {
            return Err(Refused::too_large(LONGEST_PIECE as usize));
        }
        let goes_on = matches!(next, Ok(Some(_)));
        let enough = if here < MAX_FRONT_BYTES as u64 { GATHERED_OF_FRONT } else { GATHERED };
        if gathered.len() >= enough || (!goes_on && !gathered.is_empty()) {
            here = write(here, &mut gathered).await?;
        }
        match next {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(here),
            Err(broken) => {
                let interrupt = move |site: &crate::Site| {
                    site.gate.interrupt_upload(&caller, upload);
                    Ok(())
                };
                connection.gate(interrupt).await?;
                return Err(broken);
            }
        }
    }
}

/// All pieces have been sent: the meter verifies the package itself and stages it (B27).
pub(super) async fn finish(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Staged>, Refused> {
    let upload = number_of_upload(&asked)?;
    let staged = connection.gate(move |site| site.gate.finish_upload(site.now(), &caller, upload)).await?;
    Ok(Json(document(staged)))
}

/// Lists the packages.
pub(super) async fn list(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Packages>, Refused> {
    let packages = connection.gate(move |site| site.gate.packages(site.now(), &caller)).await?;
    let view = connection.site.view();
    let meter::Packages { waiting, running, partial, moving } = packages;
    let bytes = waiting.iter().map(|one| one.bytes).sum();
    // Until a change is confirmed its package waits and runs; staged again after that, it does so too.
    let runs = if view.on_trial { api::Use::OnTrial } else { api::Use::Running };
    let used = |package: &str| match &running {
        Some((id, _)) if id == package => runs,
        _ => api::Use::Waiting,
    };
    let mut listed: Vec<_> = waiting.into_iter().map(|one| waits(used(&one.package), one)).collect();
    if let Some((package, bytes)) = running.filter(|(id, _)| listed.iter().all(|one| one.package != *id)) {
        let release = view.release().release.clone();
        listed.push(api::Package {
            name: format!("{release}.upg"),
            package,
            bytes,
            used: api::Use::Running,
            since_utc_ms: None,
            release: Some(release),
            trusted_by: None,
            refused: None,
        });
    }
    let partial = partial.into_iter().map(|one| api::Partial {
        package: one.id.to_string(),
        bytes: one.bytes,
        size: one.size,
        utc_ms: one.utc_ms,
    });
    Ok(Json(api::Packages {
        packages: listed,
        partial: partial.collect(),
        moving: moving.map(moves),
        most_packages: MAX_STAGED_PACKAGES,
        most_bytes: MAX_STAGED_BYTES,
        bytes,
        largest_bytes: meter::MAX_PACKAGE_BYTES,
    }))
}

/// Drops one that waits, or a part of one.
pub(super) async fn drop_one(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Dropped>, Refused> {
    let which = asked.all("package").last().ok_or_else(|| Refused::request("which one? Name it with ?package="))?;
    let which = which.to_owned();
    let dropped = connection.gate(move |site| site.gate.drop_package(site.now(), &caller, &which)).await?;
    Ok(Json(api::Dropped { dropped }))
}

fn number_of_upload(asked: &Queried) -> Result<u64, Refused> {
    asked.number("upload")?.ok_or_else(|| Refused::request("which upload? Announce the package first"))
}

fn document(staged: meter::Staged) -> api::Staged {
    let meter::Staged { package, release, trusted_by } = staged;
    api::Staged { package, release, trusted_by }
}

fn waits(used: api::Use, one: meter::StagedRelease) -> api::Package {
    let meter::StagedRelease { name, utc_ms, trusted_by, package, bytes, release } = one;
    let (release, refused) = match release {
        Ok(release) => (Some(release), None),
        Err(why) => (None, Some(why)),
    };
    let since_utc_ms = (utc_ms != 0).then_some(utc_ms);
    api::Package { name, package, bytes, used, since_utc_ms, release, trusted_by, refused }
}

fn moves(one: meter::Moving) -> api::Moving {
    api::Moving {
        name: one.name,
        package: one.package,
        bytes: one.bytes,
        size: one.size,
        user: one.who.to_string(),
        path: one.path.to_owned(),
        peer: one.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string()),
        since_utc_ms: one.since_utc_ms,
        still_s: u64::try_from(one.still_ms / 1000).unwrap_or(0),
    }
}
