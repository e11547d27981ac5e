//! A lost password: whoever holds the machine (never whoever reaches the network) resets security to what the meter's
//! release ships with. Energy, logs, clock and all other set-up stay, and the reset is an event that is always kept.

use std::sync::Arc;

use firmware::{Settings, Shipped, Version};
use framework::modules::security_options as options;
use framework::{RegisterName, Value};
use security::{AccountId, Credential, UserId};
use store::{CredentialChange, Opened, SettingsChange};

use crate::boot::{BootError, resume};
use crate::chain::Newest;
use crate::events::{Draft, priority};
use crate::gate::Caller;
use crate::state::{State, stored_credential};
use crate::stored::serialised;
use crate::{GateError, Now, edit, locks, schedule};

/// What a reset has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityReset {
    /// The meter's serial number.
    pub serial: String,
    /// The release whose factory security it has now.
    pub release: Version,
    /// Each register that is different now: name, before, after.
    pub registers: Vec<(String, String, String)>,
    /// What whoever did it should know.
    pub remarks: Vec<String>,
}

/// Resets the security of the meter in an opened state directory, which no running meter holds.
///
/// Mode, switches, users and rights become the release's factory ones, every password becomes `0`, SSH keys are taken
/// away, lock-outs and remembered sources are forgotten. Services are back on the ports that the meter was made with. A
/// change of release that waits for its time is dropped. The keys that may sign releases stay: they are the device's,
/// and no release ships any. When it returns, the old hashes are gone from the disk.
pub fn reset_security(opened: Opened, shipped: Arc<Vec<Shipped>>, now: Now) -> Result<SecurityReset, BootError> {
    let store = match opened {
        Opened::Existing(store) => *store,
        Opened::New(_) => return Err(BootError::Unborn),
    };
    let (mut state, ahead, mut remarks) = resume(store, None, shipped, now, Newest::default())?;
    let now = ahead.now(now);
    let mut after = factory_security(&state)?;
    after.check(&state.carried.release)?;
    let registers: Vec<_> = edit::differences(&state.settings, &after);
    let release = state.carried.release.release.clone();
    let reset = Draft::kept(
        priority::WARNING,
        "security",
        format!("reset at the machine to the factory state of release {release}: every password is 0"),
    );
    let registers_and_keys = registers.iter().map(edit::setup_change).chain(edit::key_changes(&state.settings, &after));
    // Whoever had a change scheduled could have been anybody who is shut out now.
    let scheduled = state.schedule.clone();
    let dropped = scheduled.iter().map(|schedule| schedule.dropped());
    let drafts = std::iter::once(reset).chain(registers_and_keys).chain(dropped).collect();
    let log = state.log_setup();
    let events = log.take(now, &Caller::meter(), drafts);
    let settings = serialised(&after)?;
    let credentials: Vec<_> = AccountId::all()
        .map(|account| CredentialChange::Set(stored_credential(account, &Credential::Factory)))
        .collect();
    let mut records = locks::forgotten().to_vec();
    records.push(schedule::NONE);
    let change = SettingsChange {
        settings: Some(&settings),
        credentials: &credentials,
        records: &records,
        recordings: &[],
        events: log.batch(&events),
    };
    // Always old credentials to erase, and this is where it is done.
    let _scrub_pending = state.store.commit_settings(state.id, &change)?;
    state.scrub().map_err(GateError::NotErased)?;
    if let Some(schedule) = scheduled.filter(|schedule| schedule.waits()) {
        remarks.push(format!("the change to {} that was scheduled was dropped", schedule.plan.to));
    }
    Ok(SecurityReset { serial: state.identity.serial.clone(), release, registers, remarks })
}

/// The meter's settings with the security its release ships with.
fn factory_security(state: &State) -> Result<Settings, GateError> {
    let mut after = (*state.settings).clone();
    let factory = Settings::factory(&state.carried.release, &state.carried.template);
    let module = options::module();
    let shipped = factory.template.modules.get(&module).map(|module| module.setup.clone()).unwrap_or_default();
    for (register, value) in shipped {
        let made_with = state.ports.get(&register).map(|port| Value::Number(f64::from(*port)));
        after.template.set(&RegisterName { module, register }, &made_with.unwrap_or(value))?;
    }
    for user in UserId::all() {
        after.set_user(user, factory.user(user));
    }
    after.credentials = factory.credentials;
    after.keys = factory.keys;
    Ok(after)
}
