//! Carries a change of release through: accept, make the new credentials, commit, wait for the faces,
//! confirm or take back. It runs as a task of its own, so that a client who goes away in the middle
//! changes nothing about how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firmware::report::Report;
use firmware::{PasswordStorage, Plan};
use framework::modules::security_options::Service;
use meter::{Caller, Facing, GateError, Request, Ticket};
use security::{AccountId, Credential, Password};

use crate::faces::{Faces, Listening};
use crate::{Site, vault};

/// How long the faces have to match the new release: opening a few sockets takes milliseconds.
const FACES_DEADLINE: Duration = Duration::from_secs(10);

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
                site.gate.abandon_change(site.now(), &ticket, &error.to_string())?;
                return Err(error);
            }
        };
        if let Err(error) = site.gate.commit_change(site.now(), &ticket, made) {
            site.gate.abandon_change(site.now(), &ticket, &error.to_string())?;
            return Err(error.into());
        }
        let facing = facing(&site).await;
        let report = match site.gate.end_trial(site.now(), &ticket, &facing) {
            Ok(report) => report,
            // Over, if only the erasure is still to be done; otherwise the meter goes back to what it had.
            Err(error) => {
                let _over = site.gate.abandon_change(site.now(), &ticket, &error.to_string());
                return Err(error.into());
            }
        };
        Ok((ticket.plan().clone(), report))
    });
    task.await.unwrap_or(Err(ChangeError::Stopped))
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

/// Waits until the supervisor has opened and closed what the settings now say.
async fn facing(site: &Site) -> Facing {
    let wanted = site.view().generation;
    let mut faces = site.faces.clone();
    let settled = tokio::time::timeout(FACES_DEADLINE, faces.wait_for(|faces| faces.generation >= wanted)).await;
    let Ok(Ok(faces)) = settled else {
        let failure = "the services did not come up in time".to_owned();
        return Facing { failures: vec![failure], ..Facing::default() };
    };
    found(&faces)
}

fn found(faces: &Faces) -> Facing {
    let listening = Service::ALL.into_iter().map(|service| (service, faces.listens(service)));
    let failures = faces.services.iter().filter_map(|(service, listening)| match listening {
        Listening::On(_) => None,
        Listening::Failed(why) => Some(format!("{} can't listen: {why}", service.title())),
    });
    Facing { listening: listening.collect(), failures: failures.collect() }
}
