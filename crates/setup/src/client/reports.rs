//! Reports of changes of release, a change that waits for its time, and how a change goes that this client has begun:
//! asked on a connection of its own, so that a broken link doesn't leave anybody without an answer.

use std::sync::Arc;
use std::time::Duration;

use api::{Progress, ScheduleRequest, login, routes};
use firmware::report::Report;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Method, Request};
use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::{ANSWER, Client, Prepared, document, refused, secret};
use crate::address::Address;
use crate::error::SetupError;
use crate::link::Link;
use crate::tls::Verifier;
use crate::upload::Upload;

/// How long the outcome of a change is asked for once the link is broken: as long as a change may take, and a meter that
/// starts again meanwhile.
const OUTCOME: Duration = Duration::from_secs(3 * 60);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(500);
/// So many times in a row a meter says that it knows of no such change before that is believed: the request may still
/// have been on its way.
const BELIEVED: usize = 10;

/// Asks how a change goes that a session has begun. It holds the session's token, which is good for nothing else once
/// the change has ended the session.
pub struct Watch {
    address: Address,
    verifier: Arc<Verifier>,
    session: Zeroizing<String>,
}

impl Watch {
    /// How it goes.
    pub async fn progress(&self) -> Result<Progress, SetupError> {
        let request = Request::builder().method(Method::GET).uri(routes::CHANGE).header(HOST, self.address.host());
        let request = secret(request, login::AUTHORIZATION, self.session.clone());
        let request = request.body(Upload::new(Bytes::new()));
        let request = request.map_err(|error| SetupError::Answer(error.to_string()))?;
        let mut link = Link::open(&self.address, &self.verifier).await?;
        let answer = link.ask(request, ANSWER).await.map_err(|_| SetupError::Lost(self.address.clone()))?;
        if answer.status.is_success() { document(&answer) } else { Err(refused(&answer)) }
    }

    /// Waits until it is over.
    pub(super) async fn outcome(&self) -> Result<Report, SetupError> {
        let over = async {
            let mut unknown = 0;
            loop {
                match self.progress().await {
                    Ok(Progress::Over { report }) => return Ok(*report),
                    Ok(Progress::Unknown) => unknown += 1,
                    Ok(Progress::Preparing | Progress::OnTrial) => unknown = 0,
                    Err(error @ (SetupError::CertificateChanged { .. } | SetupError::Meter(_))) => return Err(error),
                    // It starts again, or the way to it is broken.
                    Err(_) => {}
                }
                if unknown == BELIEVED {
                    return Err(SetupError::NothingChanged(self.address.clone()));
                }
                sleep(AGAIN).await;
            }
        };
        timeout(OUTCOME, over).await.unwrap_or_else(|_| Err(SetupError::ChangeLost(self.address.clone())))
    }
}

impl Client {
    /// What asks how this session's change goes; none where nobody has logged in.
    pub fn watch(&self) -> Option<Watch> {
        let session = login::session(self.token.as_ref()?);
        Some(Watch { address: self.address.clone(), verifier: Arc::clone(&self.verifier), session })
    }

    /// The reports of the last changes of release, the newest first.
    pub async fn reports(&mut self) -> Result<Vec<Report>, SetupError> {
        Ok(self.get::<api::Reports>(routes::REPORTS).await?.reports)
    }

    /// The change that waits for its time, or what became of the last one.
    pub async fn scheduled(&mut self) -> Result<api::Scheduled, SetupError> {
        self.get(routes::SCHEDULE).await
    }

    /// Has a change carried out at a time, whose plan somebody has accepted by its digest.
    pub async fn schedule(
        &mut self,
        prepared: &Prepared,
        accept: &str,
        at_utc_ms: i64,
        window_s: u32,
    ) -> Result<api::Scheduled, SetupError> {
        let request = ScheduleRequest { change: prepared.accepted(accept), at_utc_ms, window_s };
        let done = self.post(routes::SCHEDULE, &request, &[]).await;
        let (from, to) = (&prepared.plan.from, &prepared.plan.to);
        let at = Timestamp::from_millisecond(at_utc_ms).map_or_else(|_| at_utc_ms.to_string(), |at| at.to_string());
        self.note(&format!("schedule from {from} to {to} plan {accept} for {at}"), &done).await;
        done
    }

    /// Drops it.
    pub async fn drop_schedule(&mut self) -> Result<api::Scheduled, SetupError> {
        let done = self.delete(routes::SCHEDULE).await;
        self.note("schedule drop", &done).await;
        done
    }
}
