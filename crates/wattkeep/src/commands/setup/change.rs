//! Plans a change of release, shows the plan, asks, carries it out, and shows the report.

use api::Changed;
use firmware::migrate::Direction;
use firmware::report::Outcome;
use firmware::{Choices, Kind, Plan, Severity};
use jiff::Timestamp;
use security::{AccountId, Password};
use serde::Serialize;
use setup::{Client, Prepared, SetupError};

use super::packages;
use super::reports::Destination;
use super::schedule;
use super::session::Session;
use crate::args::setup::{BundleArgs, ChangeArgs, Moment, PlanArgs, Window};
use crate::commands::asking::{accepted, asked, on_a_terminal};
use crate::commands::template;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::plan::{Detail, Heading};
use crate::output::{self, plan as show};
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// How often it is asked how a change goes.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

type NewPasswords = Vec<(AccountId, Password)>;

/// A plan with its report, as JSON.
#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    report: &'a firmware::report::Report,
}

pub(super) async fn plan(
    args: &PlanArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let (prepared, _) = prepare(&args.bundle, session, screen).await?;
    if json {
        screen.json(&prepared.plan)?;
    } else {
        shown(screen, &prepared, args.all)?;
    }
    Ok(Status::Done)
}

pub(super) async fn upgrade(
    args: &ChangeArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    change(Direction::Upgrade, args, json, session, screen).await
}

pub(super) async fn downgrade(
    args: &ChangeArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    change(Direction::Downgrade, args, json, session, screen).await
}

/// Sends the package and lets the meter plan. The hash is checked before anything is sent (B2).
async fn prepare(
    args: &BundleArgs,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(Prepared, NewPasswords), Failure> {
    let template = template::choice(&args.template)?;
    let bundle = packages::bundle(&args.to, args.hashes.as_deref(), args.no_hash_list, screen)?;
    let new_passwords: NewPasswords = match &args.new_passwords {
        Some(file) => passwords::new_passwords(file)?.into_iter().collect(),
        None => Vec::new(),
    };
    let accounts = new_passwords.iter().map(|(account, _)| *account).collect();
    let choices = Choices { new_passwords: accounts, template, ..Choices::default() };
    if !session.logged_in() {
        // Whoever has to log in is asked before a bar is on the screen.
        session.ask(async |client: &mut Client| client.packages().await).await?;
    }
    let bars = output::progress::several(screen);
    let bar = bars.bytes("Sending", bundle.bytes().len() as u64);
    let prepared = session.prepare(&bundle, choices, bar.sending().0).await;
    bar.finish();
    Ok((prepared?, new_passwords))
}

fn shown(screen: &mut Screen<'_>, prepared: &Prepared, all: bool) -> Result<(), Failure> {
    let detail = if all { Detail::Everything } else { Detail::Folded };
    let Plan { from, to, .. } = &prepared.plan;
    let direction = if to > from { Direction::Upgrade } else { Direction::Downgrade };
    let what = format!("{}; nothing is done until the plan is accepted", prepared.hash_check);
    show::write(screen.out, &prepared.plan, &Heading { direction, what, setup: None }, detail)?;
    for notice in &prepared.unknown_notices {
        output::error::remark(screen, notice);
    }
    Ok(())
}

async fn change(
    way: Direction,
    args: &ChangeArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let report_to = Destination::reserve(&args.later.report)?;
    let (mut prepared, mut new_passwords) = prepare(&args.bundle, session, screen).await?;
    prepared.request.choices.force = args.force;
    must_go(way, &prepared.plan)?;
    if !json {
        shown(screen, &prepared, args.all)?;
    }
    let people = !json && !args.yes && args.accept.is_none() && on_a_terminal();
    // Passwords don't wait in the meter for a change's time.
    if people && args.later.at.is_none() && new_passwords.is_empty() {
        new_passwords = offered_new_passwords(&mut prepared, args.all, session, screen).await?;
    }
    show_strengths(&prepared.plan, &new_passwords, screen)?;
    let (question, unless) = ("Carry out this plan?", "the plan was not accepted");
    let accepted = accepted(screen, args.accept.as_ref(), args.yes, &prepared.plan.digest, question, unless)?;
    let Some(digest) = accepted else {
        if json {
            screen.json(&prepared.plan)?;
        }
        return Ok(Status::NotAccepted);
    };
    // On the disk before the change is asked for or left with the meter; without it nothing is changed.
    let waits = args.later.at.is_some();
    prepared.request.choices.backup = super::backup::before_a_change(&args.backup, waits, session, screen).await?;
    if let Some(Moment(at)) = args.later.at {
        return wait_for(at, args, &prepared, &digest, json, session, screen).await;
    }
    let changed = match watched(session.client(), &prepared, &digest, &new_passwords, screen).await {
        Err(SetupError::PlanChanged(plan)) => {
            prepared.plan = *plan;
            if json {
                screen.json(&prepared.plan)?;
            } else {
                shown(screen, &prepared, args.all)?;
            }
            return Err(SetupError::PlanChanged(Box::new(prepared.plan)).into());
        }
        changed => changed?,
    };
    let written = report_to.map_or(Ok(()), |file| file.write(&changed.report));
    tell(screen, json, &changed)?;
    written?;
    Ok(schedule::outcome(&changed.report))
}

/// Whoever asks for an upgrade doesn't get a downgrade, nor the other way round.
fn must_go(way: Direction, Plan { from, to, .. }: &Plan) -> Result<(), Failure> {
    let goes = if to > from { Direction::Upgrade } else { Direction::Downgrade };
    if way == goes {
        return Ok(());
    }
    let (is, command) = match goes {
        Direction::Upgrade => ("an upgrade", "upgrade"),
        Direction::Downgrade => ("a downgrade", "downgrade"),
    };
    Err(Failure::Usage(format!("from {from} to {to} is {is}: use `setup METER {command}`")))
}

/// Says how a change ended, and what is to be done about it.
fn tell(screen: &mut Screen<'_>, json: bool, Changed { plan, report }: &Changed) -> Result<(), Failure> {
    if json {
        screen.json(&Done { plan, report })?;
    } else {
        writeln!(screen.out)?;
        output::report::write(screen.out, report)?;
    }
    if report.outcome == Outcome::Confirmed && !zeros(plan).is_empty() {
        output::error::remark(
            screen,
            "passwords are 0 now: set new ones with `setup METER security set front-panel-password` \
             and `setup METER users set`",
        );
    }
    Ok(())
}

/// Carries it out and says meanwhile how it goes.
async fn watched(
    client: &mut Client,
    prepared: &Prepared,
    digest: &str,
    new_passwords: &NewPasswords,
    screen: &Screen<'_>,
) -> Result<Changed, SetupError> {
    let spinner = output::progress::spinner(screen, "The meter makes its passwords");
    let watch = client.watch().filter(|_| !spinner.is_hidden());
    let looks = async {
        while let Some(watch) = &watch {
            tokio::time::sleep(LOOK).await;
            if let Ok(api::Progress::OnTrial) = watch.progress().await {
                spinner.set_message("On trial: the new release proves its faces and its clock");
                break;
            }
        }
        std::future::pending().await
    };
    let changed = tokio::select! {
        changed = client.carry_out(prepared, digest, new_passwords) => changed,
        never = looks => never,
    };
    spinner.finish_and_clear();
    changed
}

/// Leaves an accepted plan with the meter until its time.
async fn wait_for(
    at: Timestamp,
    args: &ChangeArgs,
    prepared: &Prepared,
    digest: &str,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let Window(window_s) = args.later.window;
    let scheduled = session.client().schedule(prepared, digest, at.as_millisecond(), window_s).await?;
    if json {
        screen.json(&scheduled)?;
    } else {
        writeln!(screen.out)?;
        output::setup::schedule(screen.out, &scheduled)?;
    }
    Ok(Status::Done)
}

/// What the new passwords are worth under the release to come, where this program knows its rules.
fn show_strengths(plan: &Plan, new_passwords: &NewPasswords, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if new_passwords.is_empty() {
        return Ok(());
    }
    let shipped = firmware::shipped()?;
    let Some(to) = shipped.iter().map(|shipped| &shipped.carried.release).find(|known| known.release == plan.to) else {
        return Ok(());
    };
    for (account, password) in new_passwords {
        let strength = security::strength(*account, password, &to.password_rules);
        writeln!(screen.err, "New password of {account}: {strength}")?;
    }
    Ok(())
}

/// The accounts whose password a plan makes `0`.
fn zeros(plan: &Plan) -> Vec<AccountId> {
    let lines = plan.consequences.iter().filter(|line| line.kind == Kind::Account);
    let reset = lines.filter(|line| line.after == "0" && line.severity == Severity::Danger);
    reset.filter_map(|line| line.subject.parse().ok()).collect()
}

/// B21: without `--new-passwords`, new ones can be given before any face but Setup opens. The plan is another one then.
async fn offered_new_passwords(
    prepared: &mut Prepared,
    all: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<NewPasswords, Failure> {
    let accounts = zeros(&prepared.plan);
    if accounts.is_empty() || !asked(screen.err, "These passwords become 0. Give new ones now?")? {
        return Ok(NewPasswords::new());
    }
    let mut given = NewPasswords::new();
    for account in accounts {
        let whose = match account {
            AccountId::FrontPanel => "the front panel".to_owned(),
            AccountId::User(user) => user.to_string(),
        };
        let prompt = format!("New password of {whose} (empty: it becomes 0)");
        let password = passwords::password(Wanted::New, None, &prompt)?;
        if !password.expose().is_empty() {
            given.push((account, password));
        }
    }
    if !given.is_empty() {
        prepared.request.choices.new_passwords = given.iter().map(|(account, _)| *account).collect();
        prepared.plan = session.client().plan(&prepared.request).await?;
        shown(screen, prepared, all)?;
    }
    Ok(given)
}
