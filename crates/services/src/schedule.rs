//! Watches for a scheduled change's time and carries it through, the way every change goes; and says in words how it
//! stands. It decides nothing: whether, and with whose rights, is the gate's.

use std::sync::Arc;
use std::time::Duration;

use firmware::report::{Outcome, differing};
use meter::{GateError, Schedule, ScheduleState};

use crate::change::{ChangeError, carry_through};
use crate::info::utc_text;
use crate::{Site, Stop, accept};

/// How often the meter's clock is looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Carries out what is scheduled when its time has come, until told to stop.
pub async fn run(site: Arc<Site>, mut stop: Stop) {
    let mut round = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            () = accept::stopped(&mut stop) => return,
            _ = round.tick() => {}
        }
        if site.view().schedule.as_ref().is_none_or(|schedule| schedule.state != ScheduleState::Waiting) {
            continue;
        }
        if let Err(error) = look(&site).await {
            tracing::error!(%error, "the scheduled change can't be looked after; trying again");
        }
    }
}

async fn look(site: &Arc<Site>) -> Result<(), GateError> {
    let Some(due) = site.gate.due(site.now())? else { return Ok(()) };
    let done = carry_through(Arc::clone(site), due.caller, due.request, due.digest, Vec::new()).await;
    let ended = match done {
        Ok((_, report)) => ScheduleState::Done(Box::new(report)),
        Err(ChangeError::Gate(GateError::PlanChanged(plan))) => ScheduleState::PlanDiffers(plan),
        Err(error) => ScheduleState::NotDone(error.to_string()),
    };
    site.gate.end_schedule(site.now(), ended)
}

/// How it stands, in a sentence.
pub fn sentence(schedule: &Schedule) -> String {
    let time = |utc_ms| utc_text(utc_ms).unwrap_or_default();
    let what = format!("The change to {} scheduled for {} UTC", schedule.plan.to, time(schedule.at_utc_ms));
    match &schedule.state {
        ScheduleState::Waiting => {
            let (who, until) = (schedule.who, time(schedule.until_utc_ms()));
            format!("{what} waits for its time; {who} accepted it, and it begins by {until} or not at all.")
        }
        ScheduleState::Begun(_) => format!("{what} is being carried out."),
        ScheduleState::Done(report) => match (report.outcome, report.as_planned) {
            (Outcome::Confirmed, true) => format!("{what} is done, as planned."),
            (Outcome::Confirmed, false) => format!("{what} is done, but not as planned: see its report."),
            (Outcome::TakenBack, _) => {
                format!("{what} was taken back: {}.", report.reason.as_deref().unwrap_or("no reason was given"))
            }
        },
        ScheduleState::PlanDiffers(_) => {
            format!("{what} was NOT done: its plan would be another one than the accepted one. See `schedule`.")
        }
        ScheduleState::Missed => {
            format!("{what} was NOT done: the meter was off, or its clock was set, past the time to begin.")
        }
        ScheduleState::NotDone(why) => format!("{what} was NOT done: {why}."),
    }
}

/// The same as Setup's document.
pub fn document(schedule: &Schedule) -> api::Schedule {
    let Schedule { who, path, peer, plan, accepted_utc_ms, at_utc_ms, state, .. } = schedule;
    api::Schedule {
        from: plan.from.clone(),
        to: plan.to.clone(),
        plan: plan.digest.clone(),
        user: who.to_string(),
        path: path.map_or("meter", security::Path::name).to_owned(),
        peer: peer.map(|peer| peer.ip().to_string()),
        accepted_utc_ms: *accepted_utc_ms,
        at_utc_ms: *at_utc_ms,
        until_utc_ms: schedule.until_utc_ms(),
        state: match state {
            ScheduleState::Waiting => api::ScheduleState::Waiting,
            ScheduleState::Begun(_) => api::ScheduleState::Begun,
            ScheduleState::Done(report) => api::ScheduleState::Done { report: report.clone() },
            ScheduleState::PlanDiffers(now) => {
                api::ScheduleState::PlanDiffers { plan: now.clone(), differing: differing(plan, now) }
            }
            ScheduleState::Missed => api::ScheduleState::Missed,
            ScheduleState::NotDone(reason) => api::ScheduleState::NotDone { reason: reason.clone() },
        },
    }
}
