//! Plans a change of release, shows the plan, asks, carries it out, and shows the report.

use api::{Changed, Schedule, ScheduleState, Scheduled};
use firmware::migrate::Direction;
use firmware::report::Outcome;
use firmware::{Choices, Consequence, Kind, Plan, Severity, Version};
use jiff::Timestamp;
use security::{AccountId, Password};
use serde::Serialize;
use setup::{Bundle, Client, Prepared, SetupError};

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
use crate::output::text::{Precision, utc};
use crate::output::{self, plan as show};
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// How often it is asked how a change goes.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// What is wished for besides a plan.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// An upgrade or a downgrade; a mere plan goes either way.
    way: Option<Direction>,
    /// When it is to be carried out, if not at once.
    at: Option<Moment>,
}

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
    let (prepared, _) = prepare(&args.bundle, Wish::default(), session, screen).await?;
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
    wish: Wish,
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
    spared(&bundle, wish, session).await?;
    let bars = output::progress::several(screen);
    let bar = bars.bytes("Sending", bundle.bytes().len() as u64);
    let prepared = session.prepare(&bundle, choices, bar.sending().0).await;
    bar.finish();
    Ok((prepared?, new_passwords))
}

fn shown(screen: &mut Screen<'_>, prepared: &Prepared, all: bool) -> Result<(), Failure> {
    let detail = if all { Detail::Everything } else { Detail::Folded };
    let direction = prepared.plan.direction();
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
    let wish = Wish { way: Some(way), at: args.later.at };
    let (mut prepared, mut new_passwords) = prepare(&args.bundle, wish, session, screen).await?;
    prepared.request.choices.force = args.force;
    must_go(Some(way), &prepared.plan.from, &prepared.plan.to)?;
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

/// Turns away what can come to nothing before anything is sent or written. Whatever passes here the meter judges anew.
async fn spared(bundle: &Bundle, Wish { way, at }: Wish, session: &mut Session) -> Result<(), Failure> {
    let info = session.ask(async |client: &mut Client| client.info().await).await?;
    if let Some(to) = bundle.release() {
        must_go(way, &info.release, &to)?;
    }
    let Some(Moment(at)) = at else { return Ok(()) };
    must_be_ahead(at, info.utc_ms)?;
    // Whoever may not look is told so by the meter, in its own time.
    match session.client().scheduled().await {
        Ok(Scheduled { schedule: Some(Schedule { state: ScheduleState::Waiting | ScheduleState::Begun, .. }) }) => {
            let sentence = "a change is scheduled already: `schedule` shows it, `schedule drop` drops it";
            Err(Failure::InTheWay(sentence.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whoever asks for an upgrade doesn't get a downgrade, nor the other way round; and no release is changed to itself.
fn must_go(way: Option<Direction>, from: &Version, to: &Version) -> Result<(), Failure> {
    let goes = Direction::between(from, to);
    let goes = goes.ok_or_else(|| Failure::Usage(format!("the meter already has release {to}")))?;
    if way.is_none_or(|way| way == goes) {
        return Ok(());
    }
    let (name, article) = (goes.name(), if goes == Direction::Upgrade { "an" } else { "a" });
    Err(Failure::Usage(format!("from {from} to {to} is {article} {name}: use `setup METER {name}`")))
}

/// A time that was already when the meter last measured is past by the meter's own clock too.
fn must_be_ahead(at: Timestamp, meter_utc_ms: i64) -> Result<(), Failure> {
    if at.as_millisecond() > meter_utc_ms {
        return Ok(());
    }
    let now = utc(meter_utc_ms, Precision::Seconds);
    Err(Failure::InTheWay(format!("that time is past: by the meter's clock it is {now} UTC")))
}

/// Says how a change ended, and what is to be done about it.
fn tell(screen: &mut Screen<'_>, json: bool, Changed { plan, report }: &Changed) -> Result<(), Failure> {
    if json {
        screen.json(&Done { plan, report })?;
    } else {
        writeln!(screen.out)?;
        output::report::write(screen.out, report)?;
    }
    let zeros = zeros(plan);
    if report.outcome == Outcome::Confirmed && !zeros.is_empty() {
        let are = zeros_are(&zeros, ["are 0 now", "are 0 as before", "are 0"]);
        let note = format!(
            "passwords {are}: set new ones with `setup METER security set front-panel-password` \
             and `setup METER users set`"
        );
        output::error::remark(screen, &note);
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

/// An account that is open to everybody after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Zero {
    account: AccountId,
    /// Whether it was so before.
    before: bool,
}

/// The accounts whose password is `0` after a plan, as a danger.
fn zeros(plan: &Plan) -> Vec<Zero> {
    let lines = plan.consequences.iter().filter(|line| line.kind == Kind::Account);
    let zeros = lines.filter(|line| line.after == "0" && line.severity == Severity::Danger);
    let zero = |line: &Consequence| Some(Zero { account: line.subject.parse().ok()?, before: line.before == "0" });
    zeros.filter_map(zero).collect()
}

/// The words for passwords that all become `0`, that all were, or of which some were.
fn zeros_are<'a>(zeros: &[Zero], [become_zero, were_zero, either]: [&'a str; 3]) -> &'a str {
    match (zeros.iter().all(|zero| zero.before), zeros.iter().any(|zero| zero.before)) {
        (true, _) => were_zero,
        (false, false) => become_zero,
        (false, true) => either,
    }
}

/// B21: without `--new-passwords`, new ones can be given before any face but Setup opens. The plan is another one then.
async fn offered_new_passwords(
    prepared: &mut Prepared,
    all: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<NewPasswords, Failure> {
    let zeros = zeros(&prepared.plan);
    let what = zeros_are(&zeros, ["become 0", "are 0 and stay 0", "are 0 afterwards"]);
    if zeros.is_empty() || !asked(screen.err, &format!("These passwords {what}. Give new ones now?"))? {
        return Ok(NewPasswords::new());
    }
    let mut given = NewPasswords::new();
    for Zero { account, before } in zeros {
        let whose = match account {
            AccountId::FrontPanel => "the front panel".to_owned(),
            AccountId::User(user) => user.to_string(),
        };
        let else_it = if before { "stays" } else { "becomes" };
        let prompt = format!("New password of {whose} (empty: it {else_it} 0)");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_way_and_no_way_are_usage_errors_and_a_plan_goes_either_way() {
        let [old, new]: [Version; 2] = ["4.0.9", "4.40.1"].map(|version| version.parse().unwrap());
        let (up, down) = (Some(Direction::Upgrade), Some(Direction::Downgrade));
        for (way, from, to, refused) in [
            (up, &old, &new, None),
            (down, &new, &old, None),
            (None, &old, &new, None),
            (None, &new, &old, None),
            (up, &new, &old, Some("use `setup METER downgrade`")),
            (down, &old, &new, Some("use `setup METER upgrade`")),
            (up, &old, &old, Some("the meter already has release 4.0.9")),
            (None, &new, &new, Some("the meter already has release 4.40.1")),
        ] {
            let error = must_go(way, from, to).err();
            assert_eq!(error.is_some(), refused.is_some(), "{way:?} {from} {to}");
            if let (Some(error), Some(refused)) = (error, refused) {
                assert!(error.to_string().contains(refused), "{error}");
                assert_eq!(error.status(), Status::Usage);
            }
        }
    }

    #[test]
    fn a_password_that_was_0_is_not_said_to_become_it() {
        let shipped = firmware::shipped().unwrap();
        let [from, to] = [&shipped[0].carried, &shipped[1].carried];
        let settings = firmware::Settings::factory(&from.release, &from.template);
        let mut plan = firmware::plan_between(&settings, from, to, Choices::default(), Vec::new()).unwrap().plan;
        assert!(zeros(&plan).iter().all(|zero| zero.before), "a factory meter's are 0 before an upgrade");
        let some_line = plan.consequences[0].clone();
        let line = |subject: &str, before: &str| {
            let [subject, before, after] = [subject, before, "0"].map(str::to_owned);
            Consequence { kind: Kind::Account, severity: Severity::Danger, subject, before, after, ..some_line.clone() }
        };
        let words = ["become", "were", "either"];
        for (lines, said) in [
            (vec![line("front panel", "hashed"), line("USER1", "hashed")], "become"),
            (vec![line("front panel", "0")], "were"),
            (vec![line("front panel", "0"), line("USER1", "hashed")], "either"),
        ] {
            plan.consequences = lines;
            assert_eq!(zeros(&plan).len(), plan.consequences.len());
            assert_eq!(zeros_are(&zeros(&plan), words), said);
        }
    }
}
