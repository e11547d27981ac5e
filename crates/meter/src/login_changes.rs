//! What a change of settings or a restore does to logins: the credentials that it brings, and what people have logged in
//! for that ends with it. Both are worked out before the commit, to which they add their rows and events, and take effect
//! after it. What ends whose login stands in `ended`.

use std::sync::Arc;

use firmware::Settings;
use security::{AccountId, Credential, CredentialKind, Session, Source};
use store::{CredentialChange, NewEvent};

use crate::ended::{self, Ended, Why};
use crate::events::{Draft, LogSetup, priority};
use crate::gate::Caller;
use crate::state::{State, stored_credential};
use crate::{GateError, Now, schedule};

/// Credentials that take the place of others.
#[derive(Default)]
pub(crate) struct NewCredentials(Vec<(AccountId, Arc<Credential>)>);

impl NewCredentials {
    pub fn push(&mut self, account: AccountId, credential: Arc<Credential>) {
        self.0.push((account, credential));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose they are.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.0.iter().map(|(account, _)| *account).collect()
    }

    /// How each is kept.
    pub fn kinds(&self) -> impl Iterator<Item = CredentialKind> {
        self.0.iter().map(|(_, credential)| credential.kind())
    }

    /// What the log tells of them.
    pub fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.0.iter().map(|(account, credential)| {
            let effect = match credential.kind() {
                CredentialKind::Factory => "password reset to 0",
                _ => "new password",
            };
            Draft::kept(priority::SETUP, account.to_string(), effect)
        })
    }

    /// The rows of the commit.
    pub fn rows(&self) -> Vec<CredentialChange> {
        let row = |(account, credential): &(AccountId, Arc<Credential>)| {
            CredentialChange::Set(stored_credential(*account, credential))
        };
        self.0.iter().map(row).collect()
    }

    /// They have been committed. An account's known sources are forgotten, but for the one from which somebody has just
    /// given themselves a new password: there it works.
    pub fn take_effect(self, state: &mut State, caller: &Caller) {
        for (account, credential) in self.0 {
            state.credentials.insert(account, credential);
            state.lockouts.forget_sources_of(account);
            if let (true, Some(peer)) = (account.login() == caller.who.to_string(), caller.peer) {
                state.lockouts.remember(account, Source::from(peer.ip()));
            }
        }
    }
}

/// What ends: sessions, a change of release that one of them has scheduled, logins about to open a session.
pub(crate) struct Endings {
    sessions: Vec<(Session, Why)>,
    schedule: Option<schedule::Ended>,
    anybody: bool,
}

impl Endings {
    /// Of the change from the settings that are to these, with new credentials for these accounts.
    pub fn of(state: &State, now: Now, after: &Settings, accounts: &[AccountId]) -> Result<Self, GateError> {
        let before = &state.settings;
        let why = |session: &Session| ended::why(before, after, accounts, session.who);
        let open = state.sessions.list(now.up_ms);
        Ok(Self {
            sessions: open.filter_map(|session| Some((session.clone(), why(session)?))).collect(),
            schedule: state.schedule_ends(before, after, accounts)?,
            anybody: ended::anybody(before, after, accounts),
        })
    }

    /// What the log tells of the schedule.
    pub fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.schedule.iter().map(schedule::Ended::draft)
    }

    /// What the log tells of the sessions.
    pub fn events(&self, log: LogSetup, now: Now, caller: &Caller) -> impl Iterator<Item = NewEvent> {
        let by = |why| Ended::By(why, caller.who, caller.path);
        self.sessions.iter().filter_map(move |(session, why)| ended::event(log, now, session, by(*why)))
    }

    /// The records of the commit.
    pub fn records(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.schedule.iter().map(schedule::Ended::record)
    }

    /// The change has been committed.
    pub fn take_effect(self, state: &mut State) {
        if let Some(ended) = self.schedule {
            state.schedule = Some(ended.schedule);
        }
        for (session, _) in self.sessions {
            state.sessions.close_number(session.number);
        }
        if self.anybody {
            state.logins_ended += 1;
        }
    }
}
