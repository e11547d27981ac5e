//! A change of release that waits for its time, or what became of it.

use api::{Schedule, ScheduleState, Scheduled};
use firmware::report::{Outcome, Report};
use setup::Client;

use super::session::Session;
use crate::args::setup::ScheduleCommand;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::setup as show;
use crate::screen::Screen;

pub(super) async fn run(
    change: Option<ScheduleCommand>,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let scheduled = match change {
        None => session.ask(async |client: &mut Client| client.scheduled().await).await?,
        Some(ScheduleCommand::Drop) => session.ask(async |client: &mut Client| client.drop_schedule().await).await?,
    };
    if json {
        screen.json(&scheduled)?
    } else {
        show::schedule(screen.out, &scheduled)?
    }
    Ok(status(&scheduled))
}

/// A change that was carried out ends as one by hand does; one whose plan differed, as one that wasn't accepted.
fn status(Scheduled { schedule }: &Scheduled) -> Status {
    match schedule.as_ref().map(|Schedule { state, .. }| state) {
        None | Some(ScheduleState::Waiting | ScheduleState::Begun) => Status::Done,
        Some(ScheduleState::Done { report }) => outcome(report),
        Some(ScheduleState::PlanDiffers { .. }) => Status::NotAccepted,
        Some(ScheduleState::Missed | ScheduleState::NotDone { .. }) => Status::Failed,
    }
}

/// How a command ends whose change ended so.
pub(super) fn outcome(report: &Report) -> Status {
    match (report.outcome, report.as_planned) {
        (Outcome::Confirmed, true) => Status::Done,
        (Outcome::Confirmed, false) => Status::NotAsPlanned,
        (Outcome::TakenBack, _) => Status::Failed,
    }
}
