//! Sending a package so that a broken link costs no more than what was on its way: announced, sent in pieces, gone on
//! with where the meter has it up to, by itself while the link comes back and by the next command for the same package.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::routes;
use firmware::digest::Sha256Digest;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;

use super::{ANSWER, Client, document, json, queried};
use crate::bundle::Bundle;
use crate::error::{Kind, SetupError};
use crate::upload::{Progress, Upload};

/// One request's share of a package: a round trip for each costs a fast link little, and a slow one sends it in time.
const PIECE: usize = 512 * 1024;
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
    /// So many bytes are on their way or there, of so many.
    Bytes(u64, u64),
    /// The link is lost; it is tried again, from so many bytes on of so many.
    LinkLost(u64, u64),
    /// The meter has the package: nothing needs to be sent.
    There,
}

type Told = Arc<Mutex<dyn FnMut(Sending) + Send>>;

fn tell(told: &Told, sending: Sending) {
    (told.lock().unwrap_or_else(PoisonError::into_inner))(sending);
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
        told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<api::Staged, SetupError> {
        let told: Told = Arc::new(Mutex::new(told));
        let announcement = api::Announcement {
            package: Sha256Digest::of(&package).to_string(),
            bytes: package.len() as u64,
            name: name.to_owned(),
        };
        let (mut furthest, mut tries) = (0, 0);
        // Bytes of somebody else's may have been gone on with: then all of them are sent once.
        let mut began_anew = false;
        loop {
            let mut here = furthest;
            let failed = match self.send_rest(&announcement, &package, &mut here, &told).await {
                Ok(staged) => return Ok(staged),
                Err(failed) => failed,
            };
            if here > furthest {
                (furthest, tries) = (here, 0);
            }
            let wait = match failed {
                Interrupted::Refused(error) => return Err(error),
                Interrupted::OtherBytes(error) if began_anew => return Err(error),
                Interrupted::OtherBytes(_) => {
                    began_anew = true;
                    furthest = 0;
                    continue;
                }
                // Whoever has lost the place is told why when the package is announced again.
                Interrupted::Elsewhere(error) | Interrupted::Lost(error) => match WAITS.get(tries) {
                    Some(wait) => Duration::from_secs(*wait),
                    None => return Err(error),
                },
            };
            tell(&told, Sending::LinkLost(furthest, announcement.bytes));
            tries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// Announces the package and sends what the meter hasn't got of it. `here` becomes how far the meter has it.
    async fn send_rest(
        &mut self,
        announcement: &api::Announcement,
        package: &Bytes,
        here: &mut u64,
        told: &Told,
    ) -> Result<api::Staged, Interrupted> {
        let request = self.request(Method::POST, routes::PACKAGES);
        let answer = self.ask(request, json(announcement)?, ANSWER).await?;
        let announced: api::Announced = document(&answer)?;
        let upload = match announced {
            api::Announced { staged: Some(staged), .. } => {
                tell(told, Sending::There);
                return Ok(staged);
            }
            api::Announced { upload: Some(upload), .. } => upload.to_string(),
            _ => return Err(SetupError::Answer("an upload without a number".to_owned()).into()),
        };
        let began = announced.bytes;
        *here = began;
        let total = announcement.bytes;
        tell(told, Sending::Bytes(began, total));
        while *here < total {
            let from = usize::try_from(*here).ok().filter(|from| *from < package.len());
            let from = from.ok_or_else(|| SetupError::Answer("more of a package than there is".to_owned()))?;
            let piece = package.slice(from..package.len().min(from + PIECE));
            let query = [("upload", upload.clone()), ("offset", here.to_string())];
            let request = self.request(Method::POST, &queried(routes::PACKAGE_BYTES, &query));
            let request = request.header(CONTENT_TYPE, routes::PACKAGE_TYPE);
            let (to, offset) = (Arc::clone(told), *here);
            let progress: Progress = Box::new(move |sent, _| tell(&to, Sending::Bytes(offset + sent, total)));
            let answer = self.send(request, Upload::new(piece, Some(progress)), PIECE_TIME).await;
            let received: api::Received = document(&answer.map_err(Interrupted::of_a_piece)?)?;
            if received.bytes <= *here {
                return Err(SetupError::Answer("a piece that brought nothing".to_owned()).into());
            }
            *here = received.bytes;
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
