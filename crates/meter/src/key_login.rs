//! Logins with an SSH key: an account that is live lets in whoever proves to hold one of its keys. The SSH
//! face's library checks signatures; whether a key counts is decided here, under the lock, from the
//! settings as they are at that moment.
//!
//! A key can't be guessed, so nothing about keys counts as a bad try: clients offer all the keys they have
//! as a matter of course, and a wrong signature brings nobody nearer. For the same reason a lock-out,
//! which stands against guessing a password, refuses no key and isn't lifted by one: else whoever shares
//! an owner's address could shut the owner out, or the owner's key would give a guesser new tries. No hash
//! is computed, so a lost device key (B29) or a password `0` changes nothing either.

use std::net::SocketAddr;

use framework::modules::security_options as options;
use security::{AccountId, Fingerprint, Path, Source, Who};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate};
use crate::locks::News;
use crate::login::{Proved, is_live, level, who_is};
use crate::refusals::{Kind, unlogged_text};
use crate::state::State;
use crate::{Denied, GateError, Now};

impl Gate {
    /// Whether a login name's account is live and has this key. The answer is the same for a name that is
    /// nobody's, an account that isn't active or not of this mode, one without keys and another's key, and
    /// takes as long: every key of the meter is looked at each time.
    pub fn has_key(&self, name: &str, key: &Fingerprint) -> bool {
        holder(&self.state(), name, key).is_some()
    }

    /// Lets in whoever has proved to hold this key, logs it without saying which key, and remembers where it came from.
    pub fn login_with_key(
        &self,
        now: Now,
        path: Path,
        name: &str,
        peer: Option<SocketAddr>,
        key: &Fingerprint,
    ) -> Result<Proved, Denied> {
        let mut state = self.state();
        let account = holder(&state, name, key).ok_or(Denied::Verdict("the user name or the key is wrong"))?;
        let who = who_is(account);
        let caller = Caller { path: Some(path), who, peer, session: None };
        let (from, level) = (source(peer), level(&state, options::VALID_LOGIN_PRIORITY));
        let before = state.lockouts.revision();
        state.lockouts.remember(account, from);
        let news = if state.lockouts.revision() == before { News::None } else { News::Urgent };
        // Whoever may read the meter reads this: which key it was is security's.
        let draft = Draft::ordinary(level, "login", "valid, by SSH key");
        state.log_with_locks(now, &caller, vec![draft], news).map_err(GateError::from)?;
        Ok(Proved::now(&state, who))
    }

    /// Somebody has offered so many keys on a connection, none of which opened anything, and has gone
    /// without logging in. At most one such entry a minute says how many more there were.
    pub fn keys_refused(&self, now: Now, path: Path, peer: SocketAddr, keys: usize) -> Result<(), GateError> {
        let mut state = self.state();
        let Some(unlogged) = state.refusals.count(now.up_ms, Kind::Keys(path)) else { return Ok(()) };
        let level = level(&state, options::INVALID_LOGIN_PRIORITY);
        let effect = format!("invalid: SSH keys offered {keys}, none taken{}", unlogged_text(unlogged));
        let caller = Caller::on(path, Who::Nobody, peer);
        let draft = Draft::ordinary(level.max(priority::SETUP), format!("login from {}", source(Some(peer))), effect);
        Ok(state.log(now, &caller, vec![draft])?)
    }
}

fn source(peer: Option<SocketAddr>) -> Source {
    peer.map_or(Source::Local, |peer| Source::from(peer.ip()))
}

/// The account that this name opens with this key.
fn holder(state: &State, name: &str, key: &Fingerprint) -> Option<AccountId> {
    let claimed = AccountId::from_login(name).filter(|account| is_live(state, *account));
    let mut held = false;
    for (account, keys) in &state.settings.keys {
        for known in keys {
            held |= (known.fingerprint() == *key) & (Some(*account) == claimed);
        }
    }
    claimed.filter(|_| held)
}
