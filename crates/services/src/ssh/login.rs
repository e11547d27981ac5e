//! What a login on a connection is worth: a session of the meter, which ends when the account gets
//! another password, when the mode changes or when nobody has used it for too long; and the services
//! that it may be used for, as the settings are at that moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use framework::modules::security_options::Service;
use meter::{Caller, GateError, Proved};
use security::{Path, Refusal, Token, Who};

use crate::Site;
use crate::terminal::Desk;

/// Reading a file uses the session, but asks for it only this often: a transfer is thousands of reads.
const USED_MS: i64 = 1_000;

/// Why a login is no longer worth anything.
pub(crate) const ENDED: &str = "this session has ended: log in again";

/// A login.
pub(crate) struct Login {
    pub(crate) site: Arc<Site>,
    pub(crate) who: Who,
    peer: SocketAddr,
    token: Token,
    /// The number that its session is listed under.
    pub(crate) number: u64,
    used_ms: AtomicI64,
}

impl Login {
    /// Opens a session for whoever has just logged in, unless what was proved has changed since.
    pub(crate) fn new(site: Arc<Site>, path: Path, peer: SocketAddr, proved: Proved) -> Result<Self, GateError> {
        let token = site.begin_session(path, peer, proved)?;
        let used_ms = AtomicI64::new(site.now().up_ms);
        let number = site.session_number(&token).ok_or(Refusal::SessionOver)?;
        Ok(Self { site, who: proved.who, peer, token, number, used_ms })
    }

    /// The caller, by what a channel does. The session's number goes along: what is asked when it is over is refused.
    pub(crate) fn caller(&self, path: Path) -> Caller {
        Caller { session: Some(self.number), ..Caller::on(path, self.who, self.peer) }
    }

    /// Where commands are carried out.
    pub(super) fn desk(&self) -> Desk {
        Desk::new(Arc::clone(&self.site), Path::Ssh, self.caller(Path::Ssh))
    }

    /// Uses the session for a service, or says why not.
    pub(crate) fn uses(&self, service: Service) -> Result<(), String> {
        let now = self.site.now();
        if self.site.gate.session(now, &self.token).is_none() {
            return Err(ENDED.to_owned());
        }
        self.used_ms.store(now.up_ms, Ordering::Relaxed);
        is_on(&self.site, service)
    }

    /// The same for one of thousands of requests.
    pub(crate) fn goes_on(&self, service: Service) -> Result<(), String> {
        let since = self.site.now().up_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed));
        if since < USED_MS { is_on(&self.site, service) } else { self.uses(service) }
    }

    /// Whether the session is still there. Asking is not using.
    pub(crate) fn lives(&self) -> bool {
        self.site.gate.holds_session(self.site.now(), &self.token)
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.site.gate.close_session(self.site.now(), &self.token);
    }
}

/// Whether a service is on, or the sentence that says it is off.
fn is_on(site: &Site, service: Service) -> Result<(), String> {
    match site.view().settings.service(service) {
        Some(true) => Ok(()),
        _ => Err(Refusal::SwitchOff(service.switch()).to_string()),
    }
}

/// The path that somebody logs in on, before it is known what for: SFTP's where there is nothing else.
pub(super) fn login_path(site: &Site) -> (Path, Service) {
    match is_on(site, Service::Ssh) {
        Ok(()) => (Path::Ssh, Service::Ssh),
        Err(_) => (Path::Sftp, Service::Sftp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{FileError, Files, How};
    use crate::testbed::Bench;

    #[tokio::test]
    async fn what_a_channel_does_is_done_under_the_session_and_not_beyond_it() {
        let bench = Bench::new("4.40.1");
        let peer = "127.0.0.1:9".parse().unwrap();
        let factory = security::Password::new("0").unwrap();
        let proved = bench.site.login(Path::Sftp, "8650", factory, peer).await.unwrap();
        let login = Login::new(Arc::clone(&bench.site), Path::Sftp, peer, proved).unwrap();
        let caller = login.caller(Path::Sftp);
        assert_eq!((caller.session, login.desk().caller.session), (Some(login.number), Some(login.number)));
        let tree = Arc::new(Files::new(Arc::clone(&bench.site))).tree(caller);
        let how = How { create: true, ..How::default() };
        let writing = tree.create("/documents/a", how).unwrap();
        writing.write_at(0, b"a").unwrap();
        bench.site.end_session(&Caller::meter(), login.number, None).unwrap();
        // Each of them would have been done by a caller without a session.
        assert!(matches!(tree.close(&writing), Err(FileError::Denied(_) | FileError::Gate(_))));
        assert!(tree.create("/documents/b", how).is_err());
        assert!(tree.make_dir("/documents/c").is_err());
    }
}
