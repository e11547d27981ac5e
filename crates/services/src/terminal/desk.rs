//! Where commands are carried out: a meter, and who has logged in on which path. Every access is decided
//! by the gate; nothing here knows a rule.

use std::sync::Arc;

use meter::{Caller, Gate, GateError, Now, View};
use security::{Ask, Path, Refusal, Who};

use super::{Failed, Site};

/// A meter and who works at it.
#[derive(Clone)]
pub struct Desk {
    /// The meter.
    pub site: Arc<Site>,
    /// Who has logged in, and the session that proves it.
    pub caller: Caller,
    /// The terminal it is done on.
    pub path: Path,
}

impl Desk {
    /// The desk of whoever has logged in on a path.
    pub fn new(site: Arc<Site>, path: Path, caller: Caller) -> Self {
        Self { site, caller: Caller { path: Some(path), ..caller }, path }
    }

    /// Who has logged in.
    pub fn who(&self) -> Who {
        self.caller.who
    }

    /// The meter as of now.
    pub fn view(&self) -> Arc<View> {
        self.site.view()
    }

    /// Whether a read is allowed.
    pub(crate) fn may(&self, view: &View, ask: Ask) -> Result<(), Refusal> {
        view.may(self.path, self.who(), ask)
    }

    /// Asks the gate for something that may wait for the disk, off the network's threads.
    pub(super) async fn gate<T, F>(&self, ask: F) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: FnOnce(&Gate, Now, &Caller) -> Result<T, GateError> + Send + 'static,
    {
        let (site, caller) = (Arc::clone(&self.site), self.caller);
        self.off_the_network(move || ask(&site.gate, site.now(), &caller)).await
    }

    /// Does what may wait for the disk, off the network's threads.
    pub(super) async fn off_the_network<T, F>(&self, ask: F) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, GateError> + Send + 'static,
    {
        let asked = tokio::task::spawn_blocking(ask).await;
        Ok(asked.map_err(|_| Failed::Refused(BROKEN.to_owned()))??)
    }
}

/// A task of the meter's has broken down.
const BROKEN: &str = "the meter could not finish this command, because of an error of its own: see its output";
