//! Sending a package so that a broken link costs no more than what was on its way: announced, sent in pieces, gone on
//! with where the meter has it up to, by itself while the link comes back and by the next command for the same package.

use std::time::Duration;

use api::routes;
use firmware::digest::Sha256Digest;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use tokio::time::Instant;

use super::{ANSWER, Client, document, json, queried};
use crate::bundle::Bundle;
use crate::error::{Kind, SetupError};

/// One request's share of a package at its longest: a round trip for each costs a fast link little.
const LONGEST_PIECE: usize = 512 * 1024;
/// What each connection begins with: most packages are sent by then, and a slow link brings it in time.
const FIRST_PIECE: usize = 32 * 1024;
/// The shortest: as much as a meter counts as moving.
const SHORTEST_PIECE: usize = 4 * 1024;
/// A piece that took less is followed by a longer one,
const SHORT_TIME: Duration = Duration::from_secs(1);
/// and one that took more by a shorter one, so that a person sees it move and a broken link costs little.
const LONG_TIME: Duration = Duration::from_secs(4);
/// How long a piece may take. After it the link counts as broken; what has come counts.
const PIECE_TIME: Duration = Duration::from_secs(2 * 60);
/// How long the meter may verify and store the largest package.
const FINISH: Duration = Duration::from_secs(2 * 60);
/// How long is waited before each new try, in seconds; after the last there is none. What comes through in between
/// begins the waits anew.
const WAITS: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// How sending goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// The meter has so many bytes, of so many.
    Bytes(u64, u64),
    /// The link is lost; it is tried again, from so many bytes on of so many.
    LinkLost(u64, u64),
    /// The link is there, but the meter takes no more of it now: the upload stood still and its place may be another's, or a
    /// piece was refused. It is asked again, from so many bytes on of so many.
    TurnedAway(u64, u64),
    /// The meter has the package: nothing needs to be sent.
    There,
}

/// How long the piece is that follows one which took so long.
fn next_piece(length: usize, took: Duration) -> usize {
    let next = if took < SHORT_TIME {
        length * 2
    } else if took > LONG_TIME {
        length / 2
    } else {
        length
    };
    next.clamp(SHORTEST_PIECE, LONGEST_PIECE)
}

impl Client {
    /// Sends a bundle's package, unless the meter has it staged already. `told` learns how it goes.
    pub async fn stage(
        &mut self,
        bundle: &Bundle,
        told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<api::Staged, SetupError> {
        self.send_package(Bytes::from(bundle.bytes().to_vec()), bundle.name(), told).await
    }

    /// The same with any bytes: the meter says what is wrong with them.
    pub async fn send_package(
        &mut self,
        package: Bytes,
        name: &str,
        mut told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<api::Staged, SetupError> {
        let announcement = api::Announcement {
            package: Sha256Digest::of(&package).to_string(),
            bytes: package.len() as u64,
            name: name.to_owned(),
        };
        let (mut furthest, mut tries) = (0, 0);
        // Bytes of somebody else's may have been gone on with: then all of them are sent once.
        let mut began_anew = false;
        // A piece was refused and nothing has come since: refused again, it is refused for good.
        let mut refused = false;
        loop {
            let mut here = furthest;
            let failed = match self.send_rest(&announcement, &package, &mut here, &mut told).await {
                Ok(staged) => return Ok(staged),
                Err(failed) => failed,
            };
            let came = here > furthest;
            if came {
                (furthest, tries, refused) = (here, 0, false);
            }
            let (lost, error) = match failed {
                Interrupted::Refused(error) => return Err(error),
                Interrupted::OtherBytes(error) if began_anew => return Err(error),
                Interrupted::OtherBytes(_) => {
                    began_anew = true;
                    furthest = 0;
                    continue;
                }
                Interrupted::Lost(error) => (Some(Sending::LinkLost(furthest, announcement.bytes)), error),
                Interrupted::Elsewhere(error) if refused => return Err(error),
                // Who has the place now, or what is wrong with the package, is said when it is tried again.
                Interrupted::Elsewhere(error) => {
                    refused = true;
                    (came.then_some(Sending::TurnedAway(furthest, announcement.bytes)), error)
                }
            };
            let Some(wait) = WAITS.get(tries) else { return Err(error) };
            lost.into_iter().for_each(&mut told);
            tries += 1;
            tokio::time::sleep(Duration::from_secs(*wait)).await;
        }
    }

    /// Announces the package and sends what the meter hasn't got of it. `here` becomes how far the meter has it.
    async fn send_rest(
        &mut self,
        announcement: &api::Announcement,
        package: &Bytes,
        here: &mut u64,
        told: &mut (impl FnMut(Sending) + Send),
    ) -> Result<api::Staged, Interrupted> {
        let request = self.request(Method::POST, routes::PACKAGES);
        let answer = self.ask(request, json(announcement)?, ANSWER).await?;
        let announced: api::Announced = document(&answer)?;
        let upload = match announced {
            api::Announced { staged: Some(staged), .. } => {
                told(Sending::There);
                return Ok(staged);
            }
            api::Announced { upload: Some(upload), .. } => upload.to_string(),
            _ => return Err(SetupError::Answer("an upload without a number".to_owned()).into()),
        };
        let began = announced.bytes;
        *here = began;
        let total = announcement.bytes;
        told(Sending::Bytes(began, total));
        let mut length = FIRST_PIECE;
        while *here < total {
            let from = usize::try_from(*here).ok().filter(|from| *from < package.len());
            let from = from.ok_or_else(|| SetupError::Answer("more of a package than there is".to_owned()))?;
            let piece = package.slice(from..package.len().min(from + length));
            let query = [("upload", upload.clone()), ("offset", here.to_string())];
            let request = self.request(Method::POST, &queried(routes::PACKAGE_BYTES, &query));
            let request = request.header(CONTENT_TYPE, routes::PACKAGE_TYPE);
            let sent = Instant::now();
            let answer = self.ask(request, piece, PIECE_TIME).await;
            let received: api::Received = document(&answer.map_err(Interrupted::of_a_piece)?)?;
            if received.bytes <= *here {
                return Err(SetupError::Answer("a piece that brought nothing".to_owned()).into());
            }
            *here = received.bytes;
            // What the meter has, not what the socket took: only that is a rate.
            told(Sending::Bytes(*here, total));
            length = next_piece(length, sent.elapsed());
        }
        let request = self.request(Method::POST, &queried(routes::PACKAGE_FINISH, &[("upload", upload)]));
        match self.ask(request, Bytes::new(), FINISH).await {
            Ok(answer) => Ok(document(&answer)?),
            Err(error) if began > 0 && error.kind() == Kind::Untrusted => Err(Interrupted::OtherBytes(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The packages of the meter.
    pub async fn packages(&mut self) -> Result<api::Packages, SetupError> {
        self.get(routes::PACKAGES).await
    }

    /// Drops a package that waits, by its name or its digest's beginning, or a part of one.
    pub async fn drop_package(&mut self, which: &str) -> Result<api::Dropped, SetupError> {
        let done = self.delete(&queried(routes::PACKAGES, &[("package", which.to_owned())])).await;
        self.note(&format!("drop package {which}"), &done).await;
        done
    }
}

/// Why sending stopped.
enum Interrupted {
    /// The link is gone, or the meter for a moment.
    Lost(SetupError),
    /// A piece was refused: announcing again says whether the upload may go on.
    Elsewhere(SetupError),
    /// What was gone on with is not what was announced.
    OtherBytes(SetupError),
    /// The meter doesn't want it.
    Refused(SetupError),
}

impl Interrupted {
    fn of_a_piece(error: SetupError) -> Self {
        match Self::from(error) {
            Self::Refused(error @ SetupError::Meter(_)) if error.kind() == Kind::Failed => Self::Elsewhere(error),
            other => other,
        }
    }
}

impl From<SetupError> for Interrupted {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Lost(_) | SetupError::Timeout(_) | SetupError::Unreachable { .. } => Self::Lost(error),
            // A meter that is just being started or stopped takes a connection and lets it go.
            SetupError::NotAMeter { .. } => Self::Lost(error),
            error => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_long_as_the_link_brings_in_a_few_seconds() {
        // Bytes per second, seconds for a round trip, and the length that pieces come to.
        for (rate, trip, length) in [
            (100e6, 0.001, LONGEST_PIECE),
            (100e6, 0.9, LONGEST_PIECE),
            (100e6, 3.0, FIRST_PIECE),
            (15e3, 0.05, FIRST_PIECE),
            (3e3, 0.3, 8 * 1024),
            (960.0, 0.3, SHORTEST_PIECE),
            (1.0, 10.0, SHORTEST_PIECE),
        ] {
            let took = |length: usize| Duration::from_secs_f64(trip + length as f64 / rate);
            let came_to = (0..20).fold(FIRST_PIECE, |length, _| next_piece(length, took(length)));
            assert_eq!(came_to, length, "{rate} B/s, {trip} s");
        }
        for edge in [SHORT_TIME, LONG_TIME] {
            assert_eq!(next_piece(FIRST_PIECE, edge), FIRST_PIECE);
        }
    }
}
