//! `passwd`: a new password, typed where nobody sees it and kept nowhere. The release's rules are the
//! gate's to hold to; what it is worth is said.

use meter::{ChangeSet, Edit};
use security::{AccountId, Ask, Password, Right, Who, password};
use subtle::ConstantTimeEq;

use crate::terminal::plain::hanging;
use crate::terminal::{Desk, Failed, Peer, repeated, table};

pub(in crate::terminal) async fn passwd<P: Peer>(desk: &Desk, peer: &mut P, words: &[&str]) -> Result<String, Failed> {
    let account = match words {
        [] => match desk.who() {
            Who::Standard => AccountId::FrontPanel,
            Who::User(user) => AccountId::User(user),
            Who::Nobody => return Err(table::usage("passwd").into()),
        },
        [name] => AccountId::from_login(name).ok_or_else(|| {
            format!("\"{}\" has no password: those who have are 8650 and USER1 to USER16", repeated(name))
        })?,
        _ => return Err(table::usage("passwd").into()),
    };
    // Whoever may not is told before typing anything.
    desk.gate(|gate, now, caller| gate.ask(now, caller, Ask::Do(Right::SecurityConfig))).await?;
    let name = account.login();
    let given_up = || Failed::from("no password was given: the old one stays");
    let typed = peer.secret(&format!("New password of {name}: ")).await?.ok_or_else(given_up)?;
    let password = Password::new(&*typed).map_err(|error| error.to_string())?;
    let rules = desk.view().release().password_rules;
    let strength = password::strength(account, &password, &rules);
    let password = check(desk, account, password).await?;
    if peer.is_person() {
        let again = peer.secret("The same again: ").await?.ok_or_else(given_up)?;
        if !bool::from(again.as_slice().ct_eq(typed.as_slice())) {
            return Err("the two are not the same: the old password stays".into());
        }
    }
    let storage = desk.view().release().password_storage;
    let made = desk.site.vault.make(password, storage, desk.site.gate.device_key()).await?;
    let change = ChangeSet { edits: vec![Edit::Password(account, made)], force: false };
    desk.gate(move |gate, now, caller| gate.apply(now, caller, change)).await?;
    let done = format!("{name} has a new password. Strength: {strength}.");
    let columns = peer.columns().unwrap_or(usize::MAX);
    Ok(hanging("", &done, columns) + &format!("Every session of {name} has ended.\n"))
}

/// The gate's word on it, before a hash is paid for it.
async fn check(desk: &Desk, account: AccountId, password: Password) -> Result<Password, Failed> {
    desk.gate(move |gate, now, caller| {
        gate.check_password(now, caller, account, &password)?;
        Ok(password)
    })
    .await
}
