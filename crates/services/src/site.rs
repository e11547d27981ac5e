//! The ground that faces stand on: a meter's gate, the clock, the vault's queue, the list of who is
//! connected, and what really listens. The host builds one per meter.

use std::net::SocketAddr;
use std::sync::Arc;

use meter::{Caller, Denied, Gate, GateError, Now, Proved, View};
use security::{Password, Path, Session, Token, Verdict};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::connections::Connections;
use crate::faces::Faces;
use crate::keys::Keys;
use crate::vault::Vault;

/// The one clock, as faces see it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Now;
}

/// What every face of a meter needs.
pub struct Site {
    /// The meter.
    pub gate: Gate,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Checks and makes passwords, a few at a time.
    pub vault: Arc<Vault>,
    /// Who is connected.
    pub connections: Arc<Connections>,
    /// What really listens.
    pub faces: watch::Receiver<Faces>,
    /// The meter's keys.
    pub keys: Keys,
}

impl Site {
    /// The meter as of now.
    pub fn view(&self) -> Arc<View> {
        self.gate.view()
    }

    /// Now, by the meter's own clock.
    pub fn now(&self) -> Now {
        self.gate.meter_time(self.clock.now())
    }

    /// Now, by the clock of the machine, which the meter's may have been set to differ from.
    pub fn machine_time(&self) -> Now {
        self.clock.now()
    }

    /// A login on a path: waits its turn, checks, logs. What it says no to is the same sentence for an
    /// unknown user, an inactive one and a wrong password.
    pub async fn login(&self, path: Path, name: &str, password: Password, peer: SocketAddr) -> Result<Proved, Denied> {
        if let Some(proved) = self.gate.admit(self.now(), path, name, Some(peer))? {
            return Ok(proved);
        }
        let challenge = self.gate.begin_login(self.now(), path, name, Some(peer))?;
        let turn = self.vault.wait(&challenge.delay).await.ok_or(Denied::Busy)?;
        self.gate.may_still_check(self.now(), &challenge)?;
        let (credential, key, work) = (challenge.credential.clone(), challenge.key.clone(), challenge.work);
        let verdict: Verdict = turn
            .run(move |memory| security::vault::verify(credential.as_deref(), &password, key.as_deref(), memory, work))
            .await
            .ok_or(Denied::Busy)?;
        self.gate.finish_login(self.now(), &challenge, verdict)
    }

    /// A new session for whoever has logged in, unless what was proved has changed since.
    pub fn begin_session(&self, path: Path, peer: SocketAddr, proved: Proved) -> Result<Token, GateError> {
        let token = Token::new(&random());
        self.gate.begin_session(self.now(), &token, path, peer, proved)?;
        Ok(token)
    }

    /// A new session for whoever needs no login.
    pub fn open_session(&self, caller: &Caller) -> Token {
        let token = Token::new(&random());
        self.gate.open_session(self.now(), &token, caller);
        token
    }

    /// The number that a session is listed under.
    pub fn session_number(&self, token: &Token) -> Option<u64> {
        self.gate.session(self.now(), token).map(|session| session.number)
    }

    /// Ends a session, one's own or with Security Config any, and every connection that it has, on every face; but for
    /// the connection that it was `asked_by` through, which is still owed an answer.
    pub fn end_session(&self, caller: &Caller, number: u64, asked_by: Option<u64>) -> Result<Session, GateError> {
        let ended = self.gate.end_session(self.now(), caller, number)?;
        self.connections.end_session(number, asked_by);
        Ok(ended)
    }
}

/// Random bytes from the operating system.
///
/// Without them there is neither a session nor a salt: a system that has none is broken beyond what a
/// meter could say to anybody, so the process ends.
pub fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).expect("the operating system gives random bytes");
    bytes
}
