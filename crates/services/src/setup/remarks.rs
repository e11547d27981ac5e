//! What whoever has changed security should know now: what Advanced still shows without a login (B9),
//! and where passwords lie or travel in the clear (B30).

use firmware::{PasswordStorage, access};
use framework::modules::security_options::Service;
use meter::{Edited, View};
use security::{AccountId, Mode, UserId, Who};

use crate::info::in_clear;

/// The remarks on a change.
pub(crate) fn after(before: &View, after: &View, edited: &Edited) -> Vec<String> {
    let mut remarks = Vec::new();
    if before.settings.mode() != after.settings.mode() {
        if after.settings.mode() == Mode::Advanced {
            remarks.push(still_open(after));
        }
        remarks.push("The security mode has changed, so every session has ended: log in again.".to_owned());
    }
    remarks.extend(UserId::all().filter_map(|user| keys_gone(before, after, user)));
    remarks.extend(crate::syslog::remark(before, after));
    let passwords = !edited.passwords.is_empty();
    if passwords && after.release().password_storage == PasswordStorage::Readable {
        remarks.push(format!(
            "Release {} keeps passwords readable: whoever gets at the meter's storage can read them.",
            after.release().release
        ));
    }
    let opened = in_clear(after).iter().any(|service| !in_clear(before).contains(service));
    let names: Vec<_> = in_clear(after).into_iter().map(Service::title).collect();
    if (passwords || opened) && !names.is_empty() {
        remarks.push(format!("Passwords cross the network in the clear over {}.", names.join(", ")));
    }
    remarks
}

/// A user that is deactivated loses its SSH keys.
fn keys_gone(before: &View, after: &View, user: UserId) -> Option<String> {
    let gone = before.settings.keys_of(AccountId::User(user)).len();
    let deactivated = before.settings.user(user).active && !after.settings.user(user).active;
    let keys = if gone == 1 { "SSH key was" } else { "SSH keys were" };
    (deactivated && gone > 0).then(|| format!("{user} is no longer active, so its {gone} {keys} removed."))
}

/// Faces that can't carry a user follow their own switches, Advanced or not.
fn still_open(view: &View) -> String {
    let table = access::table(&view.settings, view.release());
    let rows = table.iter().filter(|((_, who), _)| *who == Who::Nobody);
    let open: Vec<_> = rows.map(|((path, _), row)| format!("{path} ({})", access::words(Some(row)))).collect();
    if open.is_empty() {
        return "Advanced is on: nothing is shown without a login.".to_owned();
    }
    format!("Advanced is on. Without a login there still are: {}.", open.join("; "))
}
