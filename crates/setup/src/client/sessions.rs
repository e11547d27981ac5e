//! Ending sessions and lifting lock-outs. Listing them is `connections`.

use api::routes;
use security::Source;

use super::{Client, queried};
use crate::error::SetupError;

impl Client {
    /// Ends the session with this number and every connection it has; one's own, or with Security Config any.
    pub async fn end_session(&mut self, number: u64) -> Result<api::Ended, SetupError> {
        self.delete(&queried(routes::SESSIONS, &[("number", number.to_string())])).await
    }

    /// Lifts the lock-outs of a login (`USER1`, `8650`, `unknown`), from one source or from all.
    pub async fn lift(&mut self, login: &str, from: Option<Source>) -> Result<api::Lifted, SetupError> {
        let from = from.map(|source| ("source", source.to_string()));
        let query: Vec<_> = std::iter::once(("login", login.to_owned())).chain(from).collect();
        self.delete(&queried(routes::LOCKOUTS, &query)).await
    }
}
