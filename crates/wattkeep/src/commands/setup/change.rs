//! Plans a change of release, shows the plan, asks, carries it out, and shows the report.

use std::io::IsTerminal;

use firmware::migrate::Direction;
use firmware::report::Outcome;
use firmware::{Choices, Kind, Plan, Severity};
use security::{AccountId, Password};
use serde::Serialize;
use setup::{Bundle, Client, HashCheck, Prepared, SetupError};

use super::session::Session;
use crate::args::setup::{BundleArgs, ChangeArgs, PlanArgs, TemplateChoice};
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::plan::{Detail, Heading};
use crate::output::{self, plan as show};
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

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
    if args.template != TemplateChoice::Keep {
        let sentence = "this version of wattkeep keeps the meter's own template in a change of release: \
                        leave out --template, or load a template afterwards";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    let check = match (&args.hashes, args.no_hash_list) {
        (Some(list), _) => HashCheck::List(list),
        (None, true) => HashCheck::Waived,
        (None, false) => HashCheck::Beside,
    };
    let bundle = Bundle::open(&args.to, check).map_err(SetupError::from)?;
    if let Some(warning) = bundle.evidence().warning() {
        output::error::remark(screen, &warning);
    }
    let new_passwords: NewPasswords = match &args.new_passwords {
        Some(file) => passwords::new_passwords(file)?.into_iter().collect(),
        None => Vec::new(),
    };
    let accounts = new_passwords.iter().map(|(account, _)| *account).collect();
    let choices = Choices { new_passwords: accounts, ..Choices::default() };
    let bar = output::progress::bytes(screen, "Sending", bundle.bytes().len() as u64);
    let prepared = session
        .ask(async |client: &mut Client| {
            let bar = bar.clone();
            client.prepare(&bundle, choices.clone(), move |sent, _| bar.set_position(sent)).await
        })
        .await;
    bar.finish_and_clear();
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
    let prepared = prepare(&args.bundle, session, screen).await;
    let (mut prepared, mut new_passwords) = prepared?;
    let Plan { from, to, .. } = &prepared.plan;
    let asked_for = if to > from { Direction::Upgrade } else { Direction::Downgrade };
    if way != asked_for {
        let (is, command) = match asked_for {
            Direction::Upgrade => ("an upgrade", "upgrade"),
            Direction::Downgrade => ("a downgrade", "downgrade"),
        };
        return Err(Failure::Usage(format!("from {from} to {to} is {is}: use `setup METER {command}`")));
    }
    if !json {
        shown(screen, &prepared, args.all)?;
    }
    let people = !json && !args.yes && args.accept.is_none() && on_a_terminal();
    if people && new_passwords.is_empty() && !zeros(&prepared.plan).is_empty() {
        new_passwords = offer_new_passwords(&prepared.plan, screen)?;
        if !new_passwords.is_empty() {
            prepared.request.choices.new_passwords = new_passwords.iter().map(|(account, _)| *account).collect();
            prepared.plan = session.client().plan(&prepared.request).await?;
            shown(screen, &prepared, args.all)?;
        }
    }
    show_strengths(&prepared.plan, &new_passwords, screen)?;
    let digest = match accepted(args, &prepared.plan, screen)? {
        Some(digest) => digest,
        None => {
            if json {
                screen.json(&prepared.plan)?;
            }
            return Ok(Status::NotAccepted);
        }
    };
    // On the disk before the change is asked for; without it nothing is changed.
    prepared.request.choices.backup = super::backup::before_a_change(&args.backup, session, screen).await?;
    let spinner = output::progress::spinner(screen, "The meter changes its release");
    let changed = session.client().carry_out(&prepared, &digest, &new_passwords).await;
    spinner.finish_and_clear();
    let changed = match changed {
        Ok(changed) => changed,
        Err(SetupError::PlanChanged(plan)) => {
            prepared.plan = *plan;
            if json {
                screen.json(&prepared.plan)?;
            } else {
                shown(screen, &prepared, args.all)?;
            }
            return Err(SetupError::PlanChanged(Box::new(prepared.plan)).into());
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        screen.json(&Done { plan: &changed.plan, report: &changed.report })?;
    } else {
        writeln!(screen.out)?;
        output::report::write(screen.out, &changed.report)?;
    }
    if changed.report.outcome == Outcome::Confirmed && !zeros(&changed.plan).is_empty() {
        output::error::remark(
            screen,
            "passwords are 0 now: set new ones with `setup METER security set front-panel-password` \
             and `setup METER users set`",
        );
    }
    Ok(match (changed.report.outcome, changed.report.as_planned) {
        (Outcome::Confirmed, true) => Status::Done,
        (Outcome::Confirmed, false) => Status::NotAsPlanned,
        (Outcome::TakenBack, _) => Status::Failed,
    })
}

/// The digest that is accepted: the given one, the plan's own by `--yes` or by a person, or none.
fn accepted(args: &ChangeArgs, plan: &Plan, screen: &mut Screen<'_>) -> Result<Option<String>, Failure> {
    if let Some(digest) = &args.accept {
        return Ok(Some(digest.prefixed()));
    }
    if args.yes {
        return Ok(Some(plan.digest.clone()));
    }
    if !on_a_terminal() {
        output::error::sentence(
            screen,
            "the plan was not accepted, so nothing was done: accept it with --accept and its digest, or with --yes",
        );
        return Ok(None);
    }
    if asked(screen, "Carry out this plan?")? {
        return Ok(Some(plan.digest.clone()));
    }
    output::error::sentence(screen, "the plan was not accepted, so nothing was done");
    Ok(None)
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

pub(super) fn on_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A question that only "yes" says yes to.
pub(super) fn asked(screen: &mut Screen<'_>, question: &str) -> Result<bool, Failure> {
    write!(screen.err, "{question} [y/N] ")?;
    screen.err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The accounts whose password a plan makes `0`.
fn zeros(plan: &Plan) -> Vec<AccountId> {
    let lines = plan.consequences.iter().filter(|line| line.kind == Kind::Account);
    let reset = lines.filter(|line| line.after == "0" && line.severity == Severity::Danger);
    reset.filter_map(|line| line.subject.parse().ok()).collect()
}

/// B21: without `--new-passwords`, new ones can be given before any face but Setup opens.
fn offer_new_passwords(plan: &Plan, screen: &mut Screen<'_>) -> Result<NewPasswords, Failure> {
    let accounts = zeros(plan);
    if !asked(screen, "These passwords become 0. Give new ones now?")? {
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
    Ok(given)
}
