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
        Some(ScheduleCommand::Drop) => {
            let left = session.ask(async |client: &mut Client| client.drop_schedule().await).await?;
            if !json {
                write!(screen.out, "It is dropped. ")?;
            }
            left
        }
    };
    screen.show(&scheduled, json, show::schedule)?;
    Ok(status(&scheduled))
}

/// A change that was carried out ends as one by hand does; one whose plan differed, as one that wasn't accepted.
fn status(Scheduled { schedule }: &Scheduled) -> Status {
    match schedule.as_ref().map(|Schedule { state, .. }| state) {
        None | Some(ScheduleState::Waiting | ScheduleState::Begun) => Status::Done,
        Some(ScheduleState::Done { report }) => outcome(report),
        Some(ScheduleState::PlanDiffers { .. }) => Status::NotAccepted,
        Some(ScheduleState::Missed { .. } | ScheduleState::NotDone { .. }) => Status::Failed,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b25_exit_statuses_tell_how_a_change_ended() {
        let report = |outcome: Outcome, as_planned: bool| -> Report {
            let report = serde_json::json!({
                "outcome": outcome, "as_planned": as_planned, "lines": [], "plan": "sha256:00", "package": "00",
                "hash_check": "", "setup": "3.2.30377.02", "user": "USER1", "utc_ms": 0,
            });
            serde_json::from_value(report).unwrap()
        };
        let stands = |state| {
            let schedule = Schedule {
                from: "4.0.9".parse().unwrap(),
                to: "4.40.1".parse().unwrap(),
                plan: "sha256:00".to_owned(),
                user: "USER1".to_owned(),
                path: "setup".to_owned(),
                peer: None,
                accepted_utc_ms: 0,
                at_utc_ms: 0,
                until_utc_ms: 0,
                state,
            };
            status(&Scheduled { schedule: Some(schedule) })
        };
        let done = |outcome, as_planned| stands(ScheduleState::Done { report: Box::new(report(outcome, as_planned)) });
        assert_eq!(done(Outcome::Confirmed, true), Status::Done);
        assert_eq!(done(Outcome::Confirmed, false), Status::NotAsPlanned);
        assert_eq!(done(Outcome::TakenBack, false), Status::Failed);
        assert_eq!(stands(ScheduleState::Waiting), Status::Done);
        assert_eq!(stands(ScheduleState::Missed { reason: String::new() }), Status::Failed);
        assert_eq!(stands(ScheduleState::NotDone { reason: String::new() }), Status::Failed);
    }
}
