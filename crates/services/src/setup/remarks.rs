//! What whoever has changed security should know now besides what it endangers, which the gate's own answer says.

use meter::{Edited, View};
use security::{AccountId, UserId};

/// The same with what the change endangers and erases before it, each in one line: for those who read text.
pub(crate) fn told(before: &View, after: &View, edited: &Edited) -> Vec<String> {
    let dangers = edited.dangers.iter().map(|danger| format!("{}: {}", danger.severity, danger.text));
    dangers.chain(edited.erased.iter().cloned()).chain(self::after(before, after)).collect()
}

/// The remarks on a change.
pub(crate) fn after(before: &View, after: &View) -> Vec<String> {
    let mut remarks = Vec::new();
    if before.settings.mode() != after.settings.mode() {
        remarks.push("The security mode has changed, so every session has ended: log in again.".to_owned());
    }
    remarks.extend(UserId::all().filter_map(|user| keys_gone(before, after, user)));
    remarks.extend(crate::syslog::remark(before, after));
    remarks
}

/// A user that is deactivated loses its SSH keys.
fn keys_gone(before: &View, after: &View, user: UserId) -> Option<String> {
    let gone = before.settings.keys_of(AccountId::User(user)).len();
    let deactivated = before.settings.user(user).active && !after.settings.user(user).active;
    let keys = if gone == 1 { "SSH key was" } else { "SSH keys were" };
    (deactivated && gone > 0).then(|| format!("{user} is no longer active, so its {gone} {keys} removed."))
}
