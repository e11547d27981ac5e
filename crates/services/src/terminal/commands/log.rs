//! `events`: what happened.

use std::time::Duration;

use meter::EventEntry;

use crate::info::utc_text;
use crate::terminal::plain::hanging;
use crate::terminal::{Desk, Failed, Peer, table as commands};

/// Events shown, unless another number is asked for.
const EVENTS: usize = 20;
/// Events shown at most: some hundred kilobytes.
const MOST_EVENTS: usize = 500;
/// How often `--follow` looks for new ones.
const LOOK: Duration = Duration::from_secs(1);
/// Texts of an event stand beside its head only where there is so much room for them.
const BESIDE: usize = 48;

pub(in crate::terminal) async fn events(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    let wrong = || Failed::from(format!("{}; N is at most {MOST_EVENTS}", commands::usage("events")));
    let wanted = match words {
        [] => EVENTS,
        [number] => number.parse().ok().filter(|number| (1..=MOST_EVENTS).contains(number)).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    let last = before(desk, None, wanted).await?;
    if last.is_empty() {
        return Ok("no events\n".to_owned());
    }
    Ok(last.iter().map(|event| entry(event, columns)).collect())
}

/// The last events before a number, or of all; the newest last.
async fn before(desk: &Desk, end: Option<u64>, wanted: usize) -> Result<Vec<EventEntry>, Failed> {
    desk.gate(move |gate, _, caller| {
        // Those that the caller may not see are left out, so it is looked further back until there are
        // enough, or no more.
        let end = end.unwrap_or(gate.next_event()?);
        let mut back = wanted as u64;
        loop {
            let from = end.saturating_sub(back);
            let mut found = gate.events(caller, from, MOST_BACK)?;
            found.retain(|event| event.number < end);
            if found.len() >= wanted || from == 0 || back >= MOST_BACK as u64 {
                return Ok(found.split_off(found.len().saturating_sub(wanted)));
            }
            back *= 4;
        }
    })
    .await
}

/// A page of the log: so many events before a number, or of all, the newest first; and the number that the next page
/// is before. None where there are no more.
pub(crate) async fn page(
    desk: &Desk,
    end: Option<u64>,
    events: usize,
    columns: usize,
) -> Result<Option<(String, u64)>, Failed> {
    let found = before(desk, end, events).await?;
    let text = found.iter().rev().map(|event| entry(event, Some(columns))).collect();
    Ok(found.first().map(|oldest| (text, oldest.number)))
}

/// How far back it is looked for events that somebody may see: the log's usual depth.
const MOST_BACK: usize = 5_000;

/// Shows events as they come, until it is interrupted.
pub(in crate::terminal) async fn follow<P: Peer>(desk: &Desk, peer: &mut P) -> Result<String, Failed> {
    let mut next = desk
        .gate(|gate, _, caller| {
            let next = gate.next_event()?;
            // Whoever may not see any is told so, rather than left waiting.
            gate.events(caller, next, 1).map(|_| next)
        })
        .await?;
    peer.say("Events follow as they come.\n").await?;
    loop {
        let new = desk.gate(move |gate, _, caller| gate.events(caller, next, MOST_EVENTS)).await?;
        if let Some(last) = new.last() {
            next = last.number + 1;
            let columns = peer.columns();
            let text: String = new.iter().map(|event| entry(event, columns)).collect();
            peer.say(&text).await?;
        }
        tokio::select! {
            interrupted = peer.interrupted() => {
                interrupted?;
                return Ok(String::new());
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn entry(event: &EventEntry, columns: Option<usize>) -> String {
    let EventEntry { number, utc_ms, priority, user, path, cause, effect } = event;
    let time = utc_text(*utc_ms).unwrap_or_else(|| "-".to_owned());
    let head = format!("{number:>5}  {time}  {priority:>3}  {user:<6}  {path:<11}");
    let text = format!("{cause} -> {effect}");
    match columns {
        None => format!("{head}  {text}\n"),
        Some(columns) if columns >= head.len() + 2 + BESIDE => hanging(&format!("{head}  "), &text, columns),
        Some(columns) => format!("{}\n{}", head.trim_end(), hanging("       ", &text, columns)),
    }
}
