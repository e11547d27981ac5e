//! Sessions at the gate: who has logged in, by what road, since when, and how one is ended by somebody else. Opening,
//! using and closing one's own is in `gate`; what hangs on a session (its connections) is the faces'.

use security::{Ask, Right, Session};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, decide};
use crate::{GateError, Now};

impl Gate {
    /// The sessions that hold now, the oldest first, for whoever may read the meter.
    pub fn sessions(&self, now: Now, caller: &Caller) -> Result<Vec<Session>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Read)?;
        Ok(state.sessions.list(now.up_ms).cloned().collect())
    }

    /// Ends a session: one's own, or any with Security Config. Nothing is allowed under it from here on; its
    /// connections are the faces' to close.
    pub fn end_session(&self, now: Now, caller: &Caller, number: u64) -> Result<Session, GateError> {
        let mut state = self.state();
        let own = caller.session == Some(number);
        decide(&mut state, now, caller, if own { Ask::Read } else { Ask::Do(Right::SecurityConfig) })?;
        let found = state.sessions.list(now.up_ms).find(|session| session.number == number).cloned();
        let ended = found.ok_or(GateError::NoSuchSession(number))?;
        let cause = format!("session {number} of {}, {}", ended.who, ended.path);
        state.log(now, caller, vec![Draft::ordinary(priority::INFORMATION, cause, "ended")])?;
        state.sessions.close_number(number);
        Ok(ended)
    }
}
