//! `upgrade`: the change of release from the terminal, with the gate's functions and the driver that Setup
//! uses. Nothing is done but what was accepted by its digest.

use std::sync::Arc;

use firmware::report::{Outcome, Report};
use firmware::{Choices, Plan, Version};
use meter::{Request, StagedRelease};

use super::{flag, plan};
use crate::change::carry_through;
use crate::schedule;
use crate::terminal::plain::{hanging, table};
use crate::terminal::{Desk, Failed, Peer, USUAL_COLUMNS, repeated, table as commands};

/// A digest may be cut to so many hexadecimal digits: as many as nobody meets by chance.
const SHORTEST_DIGEST: usize = 8;
/// What a report says about the hash list, which is Setup's to check (B2).
const HASH_CHECK: &str = "accepted on the terminal: the package was staged before";

pub(in crate::terminal) async fn upgrade<P: Peer>(desk: &Desk, peer: &mut P, words: &[&str]) -> Result<String, Failed> {
    let mut words = words.to_vec();
    let yes = flag(&mut words, "--yes");
    match words.as_slice() {
        [] | ["list"] => list(desk, peer.columns()).await,
        ["stage", version] => stage(desk, version).await,
        ["plan", version] => {
            let package = staged(desk, version).await?.package;
            let request = request(desk, package);
            let planned = desk.gate(move |gate, now, caller| gate.plan(now, caller, &request)).await?;
            Ok(shown(&planned, peer))
        }
        ["accept", digest] => accept(desk, peer, digest, yes).await,
        _ => Err(commands::usage("upgrade").into()),
    }
}

async fn list(desk: &Desk, columns: Option<usize>) -> Result<String, Failed> {
    let waiting = desk.gate(|gate, now, caller| gate.staged_releases(now, caller)).await?;
    let running = desk.view().release().release.clone();
    let mut rows: Vec<[String; 3]> = vec![[running.to_string(), "runs".to_owned(), String::new()]];
    for one in &waiting {
        let what = match &one.release {
            Ok(release) => release.to_string(),
            Err(why) => format!("refused: {why}"),
        };
        rows.push([what, "staged".to_owned(), format!("{} bytes, sha256 {}", one.bytes, short(&one.package))]);
    }
    for shipped in desk.site.gate.shipped().iter() {
        let release = &shipped.carried.release.release;
        let known = *release == running || waiting.iter().any(|one| one.release.as_ref() == Ok(release));
        if !known {
            rows.push([release.to_string(), "shipped".to_owned(), format!("type upgrade stage {release}")]);
        }
    }
    let mut text = table(&rows, columns.unwrap_or(usize::MAX));
    if let Some(schedule) = desk.gate(|gate, _, caller| gate.scheduled(caller)).await? {
        text.push_str(&hanging("", &schedule::sentence(&schedule), columns.unwrap_or(USUAL_COLUMNS)));
    }
    Ok(text)
}

async fn stage(desk: &Desk, version: &str) -> Result<String, Failed> {
    let wanted = parse(version)?;
    let shipped = desk.site.gate.shipped();
    let found = shipped.iter().position(|one| one.carried.release.release == wanted);
    let Some(at) = found else {
        let known: Vec<_> = shipped.iter().map(|one| one.carried.release.release.to_string()).collect();
        let known = known.join(" and ");
        return Err(format!("this program was built with {known}: send other releases with Setup or SFTP").into());
    };
    let staged = desk.gate(move |gate, now, caller| gate.stage(now, caller, &shipped[at].bytes)).await?;
    let release = staged.release;
    Ok(format!("release {release} is staged: type upgrade plan {release}\n"))
}

/// The waiting package of a release.
async fn staged(desk: &Desk, version: &str) -> Result<StagedRelease, Failed> {
    let wanted = parse(version)?;
    let waiting = desk.gate(|gate, now, caller| gate.staged_releases(now, caller)).await?;
    let found = waiting.into_iter().find(|one| one.release.as_ref() == Ok(&wanted));
    found.ok_or_else(|| format!("release {wanted} is not staged: type upgrade stage {wanted}, or send it").into())
}

fn parse(version: &str) -> Result<Version, Failed> {
    version.parse().map_err(|error| format!("\"{}\" is no release: {error}", repeated(version)).into())
}

/// The terminal shows every line of a plan, as the newest Setup that a release asks for does (B6).
fn request(desk: &Desk, package: String) -> Request {
    let shipped = desk.site.gate.shipped();
    let recommended = shipped.iter().filter_map(|one| one.carried.release.recommended_setup.clone()).max();
    let setup = recommended.unwrap_or_else(|| desk.view().release().release.clone());
    Request { package, choices: Choices::default(), setup, hash_check: HASH_CHECK.to_owned() }
}

fn shown<P: Peer>(planned: &Plan, peer: &P) -> String {
    let columns = peer.columns().unwrap_or(USUAL_COLUMNS);
    let mut text = plan::text(planned, columns);
    let digest = short(&planned.digest);
    let next = format!(
        "Nothing is done yet, and no backup is taken here; Setup's backup takes one. To do it: upgrade accept {digest}"
    );
    text.push_str(&hanging("", &next, columns));
    text
}

async fn accept<P: Peer>(desk: &Desk, peer: &mut P, digest: &str, yes: bool) -> Result<String, Failed> {
    let typed = digest.strip_prefix("sha256:").unwrap_or(digest).to_ascii_lowercase();
    if typed.len() < SHORTEST_DIGEST || !typed.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "type the digest of the plan that you accept, or its first {SHORTEST_DIGEST} digits or more: it is the last \
             word of what upgrade plan VERSION shows"
        )
        .into());
    }
    let waiting = desk.gate(|gate, now, caller| gate.staged_releases(now, caller)).await?;
    let mut others = Vec::new();
    let mut found = None;
    for one in waiting.into_iter().filter(|one| one.release.is_ok()) {
        let request = request(desk, one.package);
        let asked = request.clone();
        // A release that can't be changed to, the one that runs say, has no plan.
        let Ok(planned) = desk.gate(move |gate, now, caller| gate.plan(now, caller, &asked)).await else { continue };
        if planned.digest.strip_prefix("sha256:").is_some_and(|whole| whole.starts_with(&typed)) {
            found = Some((request, planned));
            break;
        }
        others.push(planned);
    }
    let Some((request, planned)) = found else {
        // What was planned may have become another plan: it is shown as it is now (B25).
        return Err(match others.as_slice() {
            [only] => {
                let text = shown(only, peer);
                peer.say(&text).await?;
                Failed::NotAccepted(
                    "the plan is no longer the one with this digest, so nothing was done; above is the plan now"
                        .to_owned(),
                )
            }
            _ => "no staged release has a plan with this digest: type upgrade plan VERSION".into(),
        });
    };
    let columns = peer.columns().unwrap_or(USUAL_COLUMNS);
    let (from, to) = (&planned.from, &planned.to);
    let before = format!(
        "{from} becomes {to}. Every session ends, and this connection with it: the change goes on without it. \
         See with Setup's info, or by logging in again, what has become of it."
    );
    peer.say(&hanging("", &before, columns)).await?;
    if !yes {
        if !peer.is_person() {
            return Err(Failed::NotAccepted("nothing was done: without a terminal, add --yes to accept".to_owned()));
        }
        let answer = peer.answer("Type yes to do it: ").await?;
        if answer.as_deref().map(str::trim) != Some("yes") {
            return Err(Failed::NotAccepted("the plan was not accepted: nothing was done".to_owned()));
        }
    }
    let site = Arc::clone(&desk.site);
    let (plan, report) = carry_through(site, desk.caller, request, planned.digest, Vec::new()).await?;
    Ok(reported(&plan, &report))
}

fn reported(plan: &Plan, report: &Report) -> String {
    match report.outcome {
        Outcome::Confirmed if report.as_planned => format!("release {} runs, as planned\n", plan.to),
        Outcome::Confirmed => format!("release {} runs, but not all is as planned: see Setup's report\n", plan.to),
        Outcome::TakenBack => {
            let why = report.reason.as_deref().unwrap_or("no reason was given");
            format!("taken back, {} runs as before: {why}\n", plan.from)
        }
    }
}

/// The start of a digest, as much as people copy.
fn short(digest: &str) -> &str {
    let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
    digest.get(..16).unwrap_or(digest)
}
