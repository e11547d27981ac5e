//! Loading a security file: what it would change is shown, accepted by a digest, and done only if it is
//! still what was accepted. The same decision, checks and commit as for any other change set.

use firmware::digest::Sha256Digest;
use firmware::{Danger, access};
use security::AccountId;

use crate::edit::{ChangeSet, Checked, carry_out, checked};
use crate::gate::{Caller, Gate};
use crate::state::State;
use crate::{GateError, Now};

/// What a security file changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityChange {
    /// Over all that follows. Accepting is naming it.
    pub digest: String,
    /// Each register that is different: full name, before, after.
    pub registers: Vec<(String, String, String)>,
    /// The accounts that get a new password with it.
    pub passwords: Vec<AccountId>,
    /// Each row of the access table that is different.
    pub access: Vec<access::Difference>,
    /// What is dangerous then and wasn't, or otherwise.
    pub dangers: Vec<Danger>,
}

impl SecurityChange {
    fn of(state: &State, checked: &Checked) -> Self {
        let release = &state.carried.release;
        let access =
            access::differences(&access::table(&state.settings, release), &access::table(&checked.after, release));
        let (passwords, dangers) = (checked.passwords(), checked.dangers(state));
        let registers = checked.registers.clone();
        // The table follows from the registers and the release, and is named with them all the same; what is
        // dangerous follows as well.
        let rows: Vec<_> = access.iter().map(|row| (row.subject(), &row.before, &row.after)).collect();
        let named = ("wattkeep security file 1", release.release.to_string(), &registers, &passwords, rows);
        let bytes = serde_json::to_vec(&named).expect("tuples of text are always JSON");
        Self { digest: Sha256Digest::of(&bytes).prefixed(), registers, passwords, access, dangers }
    }
}

impl Gate {
    /// What a change would do, checked in the same way but for the ports, with nothing done.
    pub fn plan_security(&self, now: Now, caller: &Caller, change: ChangeSet) -> Result<SecurityChange, GateError> {
        let mut state = self.state();
        let checked = checked(&mut state, now, caller, change)?;
        Ok(SecurityChange::of(&state, &checked))
    }

    /// Does it, if it is still what was accepted.
    pub fn load_security(
        &self,
        now: Now,
        caller: &Caller,
        change: ChangeSet,
        accept: &str,
    ) -> Result<SecurityChange, GateError> {
        let mut state = self.state();
        let checked = checked(&mut state, now, caller, change)?;
        let planned = SecurityChange::of(&state, &checked);
        if planned.digest != accept {
            return Err(GateError::SecurityChanged);
        }
        let done = carry_out(self, &mut state, now, caller, checked);
        self.show(&state);
        done.map(|_| planned)
    }
}
