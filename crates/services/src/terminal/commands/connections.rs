//! `connections`: who is there, who is locked out; ending a session and lifting a lock-out.

use std::sync::Arc;

use meter::LockOut;
use security::{AccountId, Ask, Source};

use crate::info::utc_text;
use crate::terminal::plain::table;
use crate::terminal::{Desk, Failed, repeated, table as commands};

/// What a lock-out of all names that are nobody's goes by.
const UNKNOWN: &str = "unknown";

pub(in crate::terminal) async fn connections(
    desk: &Desk,
    words: &[&str],
    columns: Option<usize>,
) -> Result<String, Failed> {
    match words {
        [] => list(desk, columns).await,
        ["end", number] => {
            let number = number.parse().map_err(|_| Failed::from(commands::usage("connections")))?;
            // Somebody may end the session that this is; then there is nobody left to tell.
            let (site, caller) = (Arc::clone(&desk.site), desk.caller);
            let ended = desk.off_the_network(move || site.end_session(&caller, number, None)).await?;
            Ok(format!("session {number} of {}, {}, is ended\n", ended.who, ended.path))
        }
        ["lift", login] => lift(desk, login, None).await,
        ["lift", login, source] => {
            let source: Source = source.parse().map_err(|error| Failed::from(format!("{error}")))?;
            lift(desk, login, Some(source)).await
        }
        _ => Err(commands::usage("connections").into()),
    }
}

async fn list(desk: &Desk, columns: Option<usize>) -> Result<String, Failed> {
    desk.may(&desk.view(), Ask::Read)?;
    let security = desk.may(&desk.view(), Ask::ReadSecurity).is_ok();
    let mut rows = vec![["service", "user", "session", "since (UTC)", "from"].map(str::to_owned)];
    rows.extend(desk.site.connections.list().into_iter().map(|one| {
        let since = utc_text(one.since_utc_ms).unwrap_or_default();
        let whose = one.whose(security, desk.caller.session);
        let session = whose.session.map_or_else(|| "-".to_owned(), |number| number.to_string());
        [one.service.title().to_owned(), whose.user, session, since, whose.peer]
    }));
    let width = columns.unwrap_or(usize::MAX);
    let mut text = table(&rows, width);
    if security {
        let held = desk.gate(|gate, now, caller| gate.lockouts(now, caller)).await?;
        text.push_str(&locked_out(&held, width));
    }
    Ok(text)
}

fn locked_out(held: &[LockOut], width: usize) -> String {
    if held.is_empty() {
        return "nobody is locked out\n".to_owned();
    }
    let mut rows = vec![["locked out", "path", "minutes left", "from"].map(str::to_owned)];
    rows.extend(held.iter().map(|one| {
        let minutes = u64::try_from(one.left_ms).unwrap_or(0).div_ceil(60_000);
        [LockOut::name(one.account), one.path.to_string(), minutes.to_string(), one.source.to_string()]
    }));
    table(&rows, width)
}

async fn lift(desk: &Desk, login: &str, source: Option<Source>) -> Result<String, Failed> {
    let account = match login {
        UNKNOWN => None,
        name => Some(AccountId::from_login(name).ok_or_else(|| {
            Failed::from(format!("\"{}\" is no login: one is 8650, USER1 to USER16, or {UNKNOWN}", repeated(name)))
        })?),
    };
    let lifted = desk.gate(move |gate, now, caller| gate.lift(now, caller, account, source)).await?;
    match lifted.len() {
        1 => Ok("1 lock-out is lifted\n".to_owned()),
        more => Ok(format!("{more} lock-outs are lifted\n")),
    }
}
