//! The rules about who may hold which rights that go beyond a single access: B19, B32, and that no
//! user is activated with the factory password.

use firmware::Settings;
use security::{AccountId, CredentialKind, Mode, Right, UserId};

use crate::GateError;

/// Whether whoever asked has said that it is to be done all the same (B19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    Yes,
    No,
}

/// Checks a change of settings as a whole.
pub(crate) fn check(before: &Settings, after: &Settings, force: Force) -> Result<(), GateError> {
    activation(before, after)?;
    mode(before, after)?;
    keeps_an_editor(before, after, force)
}

/// B19: somebody can edit security afterwards if somebody could before, unless it is forced.
pub(crate) fn keeps_an_editor(before: &Settings, after: &Settings, force: Force) -> Result<(), GateError> {
    let loses_last = before.someone_can_edit_security() && !after.someone_can_edit_security();
    if loses_last && force == Force::No { Err(GateError::LastEditor) } else { Ok(()) }
}

fn activation(before: &Settings, after: &Settings) -> Result<(), GateError> {
    let newly = UserId::all().filter(|user| after.user(*user).active && !before.user(*user).active);
    let with_zero = |user: &UserId| after.credential(AccountId::User(*user)) == CredentialKind::Factory;
    let activated: Vec<UserId> = newly.filter(with_zero).collect();
    if activated.is_empty() { Ok(()) } else { Err(GateError::ActivatedWithZero(activated)) }
}

fn mode(before: &Settings, after: &Settings) -> Result<(), GateError> {
    match (before.mode(), after.mode()) {
        (before, after) if before == after => Ok(()),
        (_, Mode::Advanced) => {
            let editor = UserId::all().any(|user| {
                let account = after.user(user);
                let own = after.credential(AccountId::User(user)) != CredentialKind::Factory;
                account.active && own && account.rights.has(Right::Read) && account.rights.has(Right::SecurityConfig)
            });
            if editor { Ok(()) } else { Err(GateError::NoAdvancedEditor) }
        }
        (_, Mode::Standard) if after.credential(AccountId::FrontPanel) == CredentialKind::Factory => {
            Err(GateError::PanelPasswordZero)
        }
        _ => Ok(()),
    }
}
