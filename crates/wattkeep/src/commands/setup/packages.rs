//! Sends a package to one meter or to several at once, lists the packages of a meter, drops one.

use std::sync::Arc;

use api::{Packages, Use};
use firmware::Version;
use firmware::digest::Sha256Digest;
use setup::{Address, Bundle, Client, HashCheck, SetupError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::session::Session;
use crate::args::setup::{PackagesCommand, SetupArgs, StageArgs};
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::setup::packages::{self as show, Sent};
use crate::output::{self, progress};
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// Meters that are sent to at once: enough to fill a line, few enough to watch.
const AT_ONCE: usize = 8;

pub(super) async fn run(
    change: Option<PackagesCommand>,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match change {
        None => {
            let packages = session.ask(async |client: &mut Client| client.packages().await).await?;
            screen.show(&packages, json, show::packages)?;
        }
        Some(PackagesCommand::Drop { package }) => {
            let packages = session.ask(async |client: &mut Client| client.packages().await).await?;
            let which = named(&package, &packages).map_err(Failure::InTheWay)?;
            let dropped = session.ask(async |client: &mut Client| client.drop_package(which).await).await?;
            screen.show(&dropped, json, show::dropped)?;
        }
    }
    Ok(())
}

/// What the meter knows a package by that is named here by its name, its digest's beginning, or its release if no
/// other package waits that has it.
fn named<'a>(which: &'a str, packages: &'a Packages) -> Result<&'a str, String> {
    let digits = which.strip_prefix("sha256:").unwrap_or(which).to_ascii_lowercase();
    let begins = |package: &str| !digits.is_empty() && package.starts_with(&digits);
    let mut partial = packages.partial.iter();
    let waits = || packages.packages.iter().filter(|one| one.used != Use::Running);
    if waits().any(|one| one.name == which || begins(&one.package)) || partial.any(|one| begins(&one.package)) {
        return Ok(which);
    }
    let release: Option<Version> = which.parse().ok();
    let of_release: Vec<_> = waits().filter(|one| release.is_some() && one.release == release).collect();
    match of_release.as_slice() {
        [one] => Ok(&one.package),
        [] => Err(format!("no package \"{which}\" waits in the meter: `packages` shows what does")),
        _ => Err(format!("several packages of {which} wait in the meter: name one as `packages` shows it")),
    }
}

/// Opens what is to be sent; its hash is checked before anything is (B2).
pub(super) fn bundle(
    to: &str,
    hashes: Option<&std::path::Path>,
    no_hash_list: bool,
    screen: &mut Screen<'_>,
) -> Result<Bundle, Failure> {
    let check = match (hashes, no_hash_list) {
        (Some(list), _) => HashCheck::List(list),
        (None, true) => HashCheck::Waived,
        (None, false) => HashCheck::Beside,
    };
    let bundle = Bundle::open(to, check).map_err(SetupError::from)?;
    if let Some(warning) = bundle.evidence().warning() {
        output::error::remark(screen, &warning);
    }
    Ok(bundle)
}

/// Sends a package to all meters at once. How it went with each is shown at the end; the exit status is that of the
/// worst, which is the highest.
pub(super) async fn stage(args: &SetupArgs, what: &StageArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let bundle = Arc::new(bundle(&what.to, what.hashes.as_deref(), what.no_hash_list, screen)?);
    let meters = args.meter.all();
    let login = &args.login;
    // Asked and read once, for all of them.
    let password = if Session::login_is_given(login) {
        let who = login.user.map_or_else(|| "the front panel".to_owned(), |user| user.login());
        Some(passwords::password(Wanted::Login, login.password_file.as_deref(), &format!("Password of {who}"))?)
    } else {
        None
    };
    let mut done: Vec<Option<Result<(api::Staged, bool), Failure>>> = meters.iter().map(|_| None).collect();
    let bars = progress::several(screen);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();
    for (at, meter) in meters.iter().enumerate() {
        // One after the other, because each may ask something.
        let mut session = match Session::open(meter.clone(), login, password.as_ref(), screen).await {
            Ok(session) => session,
            Err(failure) => {
                done[at] = Some(Err(failure));
                continue;
            }
        };
        if !session.logged_in() {
            // Whoever may not stage is told or asked now, before the others begin.
            if let Err(failure) = session.ask(async |client: &mut Client| client.packages().await).await {
                done[at] = Some(Err(failure));
                continue;
            }
        }
        let bar = bars.bytes(&meter.to_string(), bundle.bytes().len() as u64);
        let (places, bundle) = (Arc::clone(&places), Arc::clone(&bundle));
        sending.spawn(async move {
            let _place = places.acquire().await;
            let (told, was_there) = bar.sending();
            let sent = session.stage(&bundle, told).await;
            bar.finish();
            (at, sent.map(|staged| (staged, was_there.get())), session)
        });
    }
    while let Some(ended) = sending.join_next().await {
        let Ok((at, sent, mut session)) = ended else { continue };
        session.tell_of_log(screen);
        done[at] = Some(sent);
    }
    bars.clear();
    let digest = Sha256Digest::of(bundle.bytes()).to_string();
    let sent: Vec<_> = meters.iter().zip(done).map(|(meter, done)| sent(meter, &digest, done)).collect();
    let worst = sent.iter().map(|one| one.status).max_by_key(|status| *status as u8).unwrap_or(Status::Done);
    if args.json {
        screen.json(&show::document(&sent))?
    } else {
        show::sent(screen.out, &sent)?
    }
    Ok(worst)
}

fn sent(meter: &Address, digest: &str, done: Option<Result<(api::Staged, bool), Failure>>) -> Sent {
    let meter = meter.to_string();
    let package = digest.to_owned();
    match done {
        Some(Ok((staged, was_there))) => Sent {
            meter,
            package,
            release: Some(staged.release.to_string()),
            trusted_by: Some(staged.trusted_by),
            result: if was_there { "was there already" } else { "staged" }.to_owned(),
            status: Status::Done,
        },
        Some(Err(failure)) => {
            let status = failure.status();
            Sent { meter, package, release: None, trusted_by: None, result: failure.to_string(), status }
        }
        None => {
            let result = "sending broke down, because of an error of this program's".to_owned();
            Sent { meter, package, release: None, trusted_by: None, result, status: Status::Failed }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_by_what_the_list_shows_if_that_is_one() {
        let package = |name: &str, digit: &str, release: &str, used: &str| {
            let package = digit.repeat(64);
            serde_json::json!({ "name": name, "package": package, "bytes": 1, "use": used, "release": release })
        };
        let packages: Packages = serde_json::from_value(serde_json::json!({
            "packages": [
                package("a.upg", "a", "4.31.1", "waiting"),
                package("b.upg", "b", "4.40.1", "waiting"),
                package("c.upg", "c", "4.40.1", "waiting"),
                package("d.upg", "d", "4.0.9", "running"),
            ],
            "partial": [{ "package": "f".repeat(64), "bytes": 1, "size": 2, "utc_ms": 0 }],
            "most_packages": 8, "most_bytes": 9, "bytes": 3, "largest_bytes": 9,
        }))
        .unwrap();
        let whole = "a".repeat(64);
        for (which, known_by) in [
            ("a.upg", Ok("a.upg")),
            ("AAAAAAAA", Ok("AAAAAAAA")),
            ("sha256:ffffffff", Ok("sha256:ffffffff")),
            ("4.31.1", Ok(whole.as_str())),
            ("4.031.01", Ok(whole.as_str())),
            ("4.40.1", Err("several packages of 4.40.1")),
            ("4.0.9", Err("no package \"4.0.9\" waits")),
            ("d.upg", Err("no package \"d.upg\" waits")),
            ("", Err("`packages` shows what does")),
        ] {
            match (named(which, &packages), known_by) {
                (Ok(found), Ok(known_by)) => assert_eq!(found, known_by, "{which}"),
                (Err(said), Err(words)) => assert!(said.contains(words), "{which}: {said}"),
                (found, _) => panic!("{which}: {found:?}"),
            }
        }
    }
}
