//! Watches for a scheduled change's time and carries it through, the way every change goes; and says in words how it
//! stands. It decides nothing: whether, and with whose rights, is the gate's.

use std::sync::Arc;
use std::time::Duration;

use firmware::report::{Outcome, differing};
use meter::{GateError, MISSED, Schedule, ScheduleState};

use crate::change::{ChangeError, carry_through};
use crate::info::utc_text;
use crate::{Site, Stop, accept};

/// How often the meter's clock is looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Carries out what is scheduled when its time has come, until told to stop.
pub async fn run(site: Arc<Site>, mut stop: Stop) {
    let mut round = tokio::time::interval(ROUND);
    let (mut ended, mut told) = (None, false);
    loop {
        tokio::select! {
            () = accept::stopped(&mut stop) => return,
            _ = round.tick() => {}
        }
        let waits = site.view().schedule.as_ref().is_some_and(|schedule| schedule.state == ScheduleState::Waiting);
        if !waits && ended.is_none() {
            continue;
        }
        match look(&site, &mut ended).await {
            Ok(()) => told = false,
            Err(error) if told => tracing::debug!(%error, "the scheduled change can't be looked after yet"),
            Err(error) => {
                tracing::error!(%error, "the scheduled change can't be looked after; trying again every second");
                told = true;
            }
        }
    }
}

/// One round. What a change has ended as is kept in `ended` until it could be written down.
async fn look(site: &Arc<Site>, ended: &mut Option<ScheduleState>) -> Result<(), GateError> {
    if ended.is_none() {
        let Some(due) = site.gate.due(site.now())? else { return Ok(()) };
        let done = carry_through(Arc::clone(site), due.caller, due.request, due.digest, Vec::new()).await;
        *ended = Some(match done {
            Ok((_, report)) => ScheduleState::Done(Box::new(report)),
            Err(ChangeError::Gate(GateError::PlanChanged(plan))) => ScheduleState::PlanDiffers(plan),
            Err(error) => ScheduleState::NotDone(error.to_string()),
        });
    }
    if let Some(state) = ended.clone() {
        site.gate.end_schedule(site.now(), state)?;
        *ended = None;
    }
    Ok(())
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
            format!("{what} was NOT done: {MISSED}.")
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
            ScheduleState::Missed => api::ScheduleState::Missed { reason: MISSED.to_owned() },
            ScheduleState::NotDone(reason) => api::ScheduleState::NotDone { reason: reason.clone() },
        },
    }
}

#[cfg(test)]
mod tests {
    use meter::Caller;

    use super::*;
    use crate::testbed::{Bench, START_UTC_MS};

    #[tokio::test(start_paused = true)]
    async fn how_a_change_ended_is_written_down_once_the_disk_takes_it() {
        // A minute to wait for it, and another one in which the disk takes no word of how it ended.
        let stuck = format!(
            "CREATE TRIGGER stuck BEFORE INSERT ON event
             WHEN NEW.utc_ms < {} AND NEW.effect LIKE '%not done: the plan would be another one%'
             BEGIN SELECT RAISE(ABORT, 'stuck'); END",
            START_UTC_MS + 120_000
        );
        let bench = Bench::with_statements("4.40.1", &stuck);
        let (request, digest) = bench.planned("4.0.9");
        let (now, caller) = (bench.site.now(), Caller::meter());
        bench.site.gate.schedule(now, &caller, request, &digest, START_UTC_MS + 60_000, 600).unwrap();
        bench.set(&[("CT Prim", "800")]);
        tokio::spawn(run(Arc::clone(&bench.site), bench.stop()));
        let (mut begun, mut seconds) = (false, 0);
        loop {
            match &bench.site.view().schedule.as_ref().unwrap().state {
                ScheduleState::Waiting => {}
                ScheduleState::Begun(_) => begun = true,
                ScheduleState::PlanDiffers(_) => break,
                other => panic!("{other:?}"),
            }
            assert!(seconds < 200, "it is being carried out for ever");
            seconds += 1;
            bench.clock.advance_ms(1000);
            tokio::time::sleep(ROUND).await;
        }
        assert!(begun && seconds >= 120, "the disk took it at once");
        bench.set(&[("CT Prim", "900")]);
    }
}
