//! Carries a change of release through: accept, make the new credentials, commit, wait until the new release has
//! proved its faces and its clock, confirm or take back. It runs as a task of its own, so that a client who goes away
//! in the middle changes nothing about how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firmware::report::Report;
use firmware::{PasswordStorage, Plan};
use framework::modules::security_options::Service;
use meter::{Caller, Facing, GateError, Request, TRIAL_SECONDS, Ticket};
use security::{AccountId, Credential, Password};

use crate::faces::{Faces, Listening};
use crate::{Site, vault};

/// How long a new release has to prove its faces and its clock: with a fast machine that is what two measured seconds
/// take, and a slow one under load is not taken for a broken release.
pub const TRIAL_DEADLINE: Duration = Duration::from_secs(50);
/// How often it is looked whether another second was committed.
const LOOK: Duration = Duration::from_millis(50);

/// Between two tries to take a change back.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a change didn't come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The gate.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The vault; nothing has been changed.
    #[error("nothing was changed: {0}")]
    Vault(#[from] vault::MakeError),
    /// The task ended early. Boot takes back what wasn't confirmed.
    #[error("the meter stopped in the middle of the change: when it starts again it is wholly old or wholly new")]
    Stopped,
}

/// Carries an accepted plan through. Gives the plan and the report, when the change is confirmed or
/// taken back.
pub async fn carry_through(
    site: Arc<Site>,
    caller: Caller,
    request: Request,
    digest: String,
    new_passwords: Vec<(AccountId, Password)>,
) -> Result<(Plan, Report), ChangeError> {
    let task = tokio::spawn(async move {
        let ticket = site.gate.accept(site.now(), &caller, request, &digest)?;
        let made = match credentials(&site, &ticket, new_passwords).await {
            Ok(made) => made,
            Err(error) => {
                abandon(&site, &ticket, &error.to_string()).await;
                return Err(error);
            }
        };
        if let Err(error) = site.gate.commit_change(site.now(), &ticket, made) {
            abandon(&site, &ticket, &error.to_string()).await;
            return Err(error.into());
        }
        let facing = trial(&site, &ticket).await;
        let report = match site.gate.end_trial(site.now(), &ticket, &facing) {
            Ok(report) => report,
            // Over, if only the erasure is still to be done; otherwise the meter goes back to what it had.
            Err(error) => {
                abandon(&site, &ticket, &error.to_string()).await;
                return Err(error.into());
            }
        };
        Ok((ticket.plan().clone(), report))
    });
    task.await.unwrap_or(Err(ChangeError::Stopped))
}

/// Gives a change up, however many tries the disk makes it take: a meter with a change under way refuses every setting.
async fn abandon(site: &Site, ticket: &Ticket, why: &str) {
    let mut told = false;
    loop {
        match site.gate.abandon_change(site.now(), ticket, why) {
            // Over now, or over before; what is still to be erased is erased when it can be.
            Ok(()) | Err(GateError::ChangeOver | GateError::NotErased(_)) => return,
            Err(error) if told => tracing::debug!(%error, "the change can't be taken back yet"),
            Err(error) => tracing::error!(%error, "the change can't be taken back yet; trying again every second"),
        }
        told = true;
        tokio::time::sleep(AGAIN).await;
    }
}

/// The credentials that the plan wants made: readable passwords hashed, new ones in the form of the
/// release to come.
async fn credentials(
    site: &Site,
    ticket: &Ticket,
    new_passwords: Vec<(AccountId, Password)>,
) -> Result<BTreeMap<AccountId, Credential>, ChangeError> {
    let mut made = BTreeMap::new();
    for (account, credential) in ticket.to_hash() {
        let Credential::Readable(password) = &*credential else { continue };
        let copy = Password::new(password.expose()).map_err(|_| vault::MakeError::Busy)?;
        let hashed = site.vault.make(copy, PasswordStorage::Hashed, ticket.key.clone()).await?;
        made.insert(account, hashed);
    }
    for (account, password) in new_passwords {
        ticket.check_password(account, &password)?;
        made.insert(account, site.vault.make(password, ticket.storage(), ticket.key.clone()).await?);
    }
    Ok(made)
}

/// Waits until the new release has proved its faces and its clock, or it is clear that it doesn't.
async fn trial(site: &Site, ticket: &Ticket) -> Facing {
    let proofs = async { tokio::join!(faces(site), clock(site, ticket)) };
    let deadline = tokio::time::sleep(TRIAL_DEADLINE);
    tokio::select! {
        (facing, ()) = proofs => facing,
        () = deadline => late(site, ticket),
    }
}

/// Waits until the supervisor has opened and closed what the settings now say, and has tried each that is open.
async fn faces(site: &Site) -> Facing {
    let wanted = site.view().generation;
    let mut faces = site.faces.clone();
    let tried = |faces: &Faces| faces.generation >= wanted && (faces.proved.is_some() || !closed(faces).is_empty());
    match faces.wait_for(tried).await {
        Ok(faces) => found(&faces),
        Err(_) => Facing { failures: vec!["the meter is being stopped".to_owned()], ..Facing::default() },
    }
}

/// Waits until enough measured seconds have been committed, one right after the other.
async fn clock(site: &Site, ticket: &Ticket) {
    while site.gate.seconds_on_trial(ticket) < TRIAL_SECONDS {
        tokio::time::sleep(LOOK).await;
    }
}

fn found(faces: &Faces) -> Facing {
    let listening = Service::ALL.into_iter().map(|service| (service, faces.listens(service)));
    let mut failures = closed(faces);
    failures.extend(faces.proved.iter().flatten().cloned());
    Facing { listening: listening.collect(), failures }
}

/// Why services that should listen don't.
fn closed(faces: &Faces) -> Vec<String> {
    let failed = faces.services.iter().filter_map(|(service, listening)| match listening {
        Listening::On(_) => None,
        Listening::Failed(why) => Some(format!("{} can't listen: {why}", service.title())),
    });
    failed.collect()
}

/// What is missing when time is up.
fn late(site: &Site, ticket: &Ticket) -> Facing {
    let faces = site.faces.borrow().clone();
    let limit = TRIAL_DEADLINE.as_secs();
    let mut facing = found(&faces);
    if faces.proved.is_none() {
        facing.failures.push(format!("the services did not prove themselves within {limit} s"));
    }
    if site.gate.seconds_on_trial(ticket) < TRIAL_SECONDS {
        let seconds = format!("{TRIAL_SECONDS} measured seconds were not stored one right after the other");
        facing.failures.push(format!("the clock did not go on: {seconds} within {limit} s"));
    }
    facing
}

#[cfg(test)]
mod tests {
    use firmware::report::Outcome;

    use super::*;
    use crate::testbed::{Bench, START_UTC_MS};

    /// The change of a 4.40.1 to 4.0.9, accepted and begun.
    fn begin(bench: &Bench) -> tokio::task::JoinHandle<Result<(Plan, Report), ChangeError>> {
        let (request, digest) = bench.planned("4.0.9");
        tokio::spawn(carry_through(Arc::clone(&bench.site), Caller::meter(), request, digest, Vec::new()))
    }

    fn runs(bench: &Bench) -> String {
        bench.site.view().release().release.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn b26_a_release_whose_clock_stands_still_is_taken_back() {
        let bench = Bench::new("4.40.1");
        let (_, report) = begin(&bench).await.unwrap().unwrap();
        let reason = report.reason.unwrap();
        assert!(report.outcome == Outcome::TakenBack && reason.contains("the clock did not go on"), "{reason}");
        assert_eq!(runs(&bench), "4.40.1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_the_disk_lets_neither_stand_nor_go_is_taken_back_once_it_can_be() {
        // Ten minutes of the meter's clock, which goes a second in each 20 ms of this test's.
        let stuck = format!(
            "CREATE TRIGGER stuck BEFORE INSERT ON event
             WHEN NEW.utc_ms < {} AND (NEW.effect LIKE '%confirmed' OR NEW.effect LIKE '%taken back%')
             BEGIN SELECT RAISE(ABORT, 'stuck'); END",
            START_UTC_MS + 600_000
        );
        let bench = Bench::with_statements("4.40.1", &stuck);
        bench.goes_on();
        let change = begin(&bench);
        tokio::time::sleep(5 * AGAIN).await;
        assert!(bench.site.view().on_trial && !change.is_finished());
        assert!(matches!(change.await.unwrap(), Err(ChangeError::Gate(GateError::Store(_)))));
        assert!(!bench.site.view().on_trial && runs(&bench) == "4.40.1");
        bench.set(&[("CT Prim", "800")]);
    }
}
