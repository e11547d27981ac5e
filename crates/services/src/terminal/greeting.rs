//! What a terminal says before the first command, and what asks for each.

use security::{AccountId, Ask, CredentialKind};

use super::{Desk, plain};

/// What this meter is and who has logged in.
pub fn greeting(desk: &Desk, columns: usize) -> String {
    let view = desk.view();
    let release = view.release();
    let mode = view.settings.mode();
    let mut text =
        format!("wattkeep {} {}, release {}, {mode} security\n", release.model, view.identity.serial, release.release);
    let rights = view.policy.rights(desk.who());
    text.push_str(&plain::hanging("", &format!("You are {}. Rights: {rights}.", desk.who()), columns));
    if desk.may(&view, Ask::ReadSecurity).is_ok() && view.settings.factory_password() {
        let panel = view.settings.credential(AccountId::FrontPanel) == CredentialKind::Factory;
        let what = match desk.who() {
            security::Who::Standard if panel => {
                "The front-panel password is still 0, which lets anyone in: type passwd."
            }
            _ => "A password is still the factory 0, which lets anyone in: users shows whose, passwd changes it.",
        };
        text.push_str(&plain::hanging("", &format!("WARNING: {what}"), columns));
    }
    for remark in view.identity.lost_key.iter() {
        text.push_str(&plain::hanging("", remark, columns));
    }
    text.push_str("Type help for the commands.\n");
    text
}

/// What asks for a command: who, at which meter.
pub fn prompt(desk: &Desk) -> String {
    format!("{}@{}> ", desk.who(), desk.site.view().identity.serial)
}
