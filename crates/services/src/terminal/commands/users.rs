//! `users` and `rights`: who may log in and what each may do. Whether it may be changed, the gate says
//! (B19).

use std::str::FromStr;

use meter::{ChangeSet, Edit};
use security::{AccountId, Ask, CredentialKind, Mode, Right, Rights, UserId};

use super::flag;
use crate::terminal::plain::{hanging, table};
use crate::terminal::{Desk, Failed, repeated, table as commands};

pub(in crate::terminal) async fn users(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    let mut words = words.to_vec();
    let force = flag(&mut words, "--force");
    match words.as_slice() {
        [] => list(desk, columns),
        [name, state @ ("active" | "inactive")] => {
            let user = user(name)?;
            change(desk, Edit::Active(user, *state == "active"), force).await?;
            Ok(format!("{user} is {state}\n"))
        }
        _ => Err(commands::usage("users").into()),
    }
}

pub(in crate::terminal) async fn rights(desk: &Desk, words: &[&str]) -> Result<String, Failed> {
    let mut words = words.to_vec();
    let force = flag(&mut words, "--force");
    let [name, given @ ..] = words.as_slice() else { return Err(commands::usage("rights").into()) };
    if given.is_empty() {
        return Err(commands::usage("rights").into());
    }
    let user = user(name)?;
    change(desk, Edit::Rights(user, parse(&given.join(","))?), force).await?;
    Ok(format!("{user} has: {}\n", desk.view().settings.user(user).rights))
}

async fn change(desk: &Desk, edit: Edit, force: bool) -> Result<(), Failed> {
    let change = ChangeSet { edits: vec![edit], force };
    desk.gate(move |gate, now, caller| gate.apply(now, caller, change)).await.map(drop)
}

fn user(name: &str) -> Result<UserId, Failed> {
    UserId::from_str(name).map_err(|_| format!("\"{}\" is no user: they are USER1 to USER16", repeated(name)).into())
}

/// Rights by name or label, parted by commas.
fn parse(typed: &str) -> Result<Rights, Failed> {
    match typed.to_ascii_lowercase().as_str() {
        "all" => return Ok(Rights::ALL),
        "none" => return Ok(Rights::NONE),
        _ => {}
    }
    let words = typed.split(',').filter(|word| !word.is_empty());
    let right = |word: &str| {
        let alike = |right: &Right| right.name().eq_ignore_ascii_case(word) || right.label().eq_ignore_ascii_case(word);
        let names: Vec<_> = Right::ALL.iter().map(|right| right.name()).collect();
        let unknown = || format!("\"{}\" is no right: they are {}", repeated(word), names.join(", "));
        Right::ALL.into_iter().find(alike).ok_or_else(unknown)
    };
    Ok(words.map(right).collect::<Result<Rights, String>>()?)
}

fn list(desk: &Desk, columns: Option<usize>) -> Result<String, Failed> {
    let view = desk.view();
    desk.may(&view, Ask::ReadSecurity)?;
    let settings = &view.settings;
    let password = |account| match settings.credential(account) {
        CredentialKind::Factory => "factory password 0",
        CredentialKind::Readable | CredentialKind::Hashed => "own password",
    };
    let standard = settings.mode() != Mode::Advanced;
    let panel = if standard { "logs in" } else { "front panel only" };
    let mut rows = vec![[
        AccountId::STANDARD_LOGIN.to_owned(),
        panel.to_owned(),
        password(AccountId::FrontPanel).to_owned(),
        String::new(),
    ]];
    let users = crate::info::users(&view);
    rows.extend(users.iter().map(|user| {
        let rights: Rights = user.rights.iter().copied().collect();
        let active = if user.active { "active" } else { "inactive" };
        [user.user.to_string(), active.to_owned(), password(AccountId::User(user.user)).to_owned(), rights.to_string()]
    }));
    let room = columns.unwrap_or(usize::MAX);
    let mut text = table(&rows, room);
    if users.len() < usize::from(UserId::COUNT) {
        text.push_str("The other users are inactive and as shipped.\n");
    }
    if standard {
        let sentence = "Under Standard security only 8650 logs in; users do under Advanced (set Mode advanced).";
        text.push_str(&hanging("", sentence, room));
    }
    Ok(text)
}
