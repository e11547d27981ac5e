//! How a change of release on trial ends: confirmed or taken back, each in one commit with its report. What the report
//! tells is read back from the disk, never taken from the plan; `firmware::report` says what can't be seen there.

use std::sync::Arc;

use firmware::WithSecurity;
use firmware::digest::Sha256Digest;
use firmware::report::{About, Facts, Line, Outcome, Report, compare};
use metrology::EnergyRegister;
use store::Confirmed;

use super::{Before, Facing, Ticket, run_with, sessions_end};
use crate::clock::Ahead;
use crate::events::{Draft, priority};
use crate::recorders::Recorders;
use crate::reports::Entry;
use crate::state::State;
use crate::trial::Trial;
use crate::{GateError, Now, boot, demand, trust};

/// Confirms a change on trial, and compares what is stored with the plan.
pub(super) fn confirm(state: &mut State, now: Now, ticket: &Ticket, facing: &Facing) -> Result<Report, GateError> {
    let id = state.id;
    // Read back before confirming: what is compared with the plan is what is stored.
    let stored = state.store.load(id)?;
    let credentials = boot::credentials(&stored.active)?;
    let after = boot::settings(&stored.active, &credentials, &ticket.to)
        .map_err(|error| GateError::Unreadable(error.to_string()))?;
    let counter = |register: EnergyRegister| stored.energies.get(register.name()).copied().unwrap_or(0);
    let kept = |register: &EnergyRegister| {
        u64::try_from(counter(*register)).is_ok_and(|stored| stored >= ticket.before.energy.micro(*register))
    };
    let mut demand = demand::stored(&stored)?.goes_on_from(&ticket.before.memory);
    // What begins anew is stored with the next second; what runs has done so already.
    for (module, goes_on) in state.framework.memory().goes_on_from(&ticket.before.memory) {
        demand.entry(module).and_modify(|stored| *stored &= goes_on);
    }
    // Recorders begin their new epochs in the commit that confirms: until then what they have must be there to go back to.
    let recorders = Recorders::load(&state.store, id, &after.template)?;
    let mut redefined = recorders.redefined(&after.template, now.utc_ms)?;
    let facts = Facts {
        before: &ticket.before.settings,
        after: &after,
        release: &ticket.to.release,
        keys: &ticket.keys,
        listening: &facing.listening,
        energy_kept: EnergyRegister::ALL.iter().all(kept),
        demand: &demand,
        recorders: &recorders.once(&redefined).go_on_from(&ticket.before.recorders),
        events_kept: stored.events.next_number >= ticket.before.next_event,
        clock_kept: Ahead::of(&stored)?.ms() == ticket.before.ahead_ms,
    };
    let lines = compare(&ticket.plan.consequences, &facts);
    let template = after.to_dcf(&ticket.to.release, WithSecurity::No).to_text();
    let template = Some(Sha256Digest::of(template.as_bytes()).to_string());
    let told = Told { outcome: Outcome::Confirmed, reason: None, lines, template };
    let entry = ticket.entry(now, state, state.trial(), told);
    let report = entry.report.clone();
    let reports = state.reports.with(entry);
    let effect = format!("{} to {} confirmed", ticket.plan.from, ticket.plan.to);
    let rotation = trust::rotation(&state.keys, &ticket.keys, &format!(", as the package of {} says", ticket.plan.to))?;
    let mut drafts = vec![Draft::kept(priority::WARNING, "change of release", effect)];
    drafts.extend(rotation.events);
    drafts.append(&mut redefined.drafts);
    let log = state.log_setup();
    let events = log.take(now, &ticket.caller, drafts);
    let confirmed = Confirmed {
        device: &rotation.changes,
        records: &[(trust::REVOKED, rotation.revoked.as_str()), (demand::BEFORE_TRIAL, "")],
        recordings: &redefined.changes(),
    };
    let _scrubbed_by_the_caller = state.store.confirm_trial(id, &reports.to_text()?, &confirmed, log.batch(&events))?;
    state.reports = reports;
    state.keys = ticket.keys.clone();
    // Confirmed whatever comes of reading them again, which is tried every second.
    state.recorders_due = state.load_recorders().is_err();
    Ok(report)
}

/// Takes a change on trial back: the meter is as it was before.
pub(super) fn take_back(state: &mut State, now: Now, ticket: &Ticket, reason: String) -> Result<Report, GateError> {
    let Before { carried, package, settings, credentials, .. } = &ticket.before;
    let told = Told { outcome: Outcome::TakenBack, reason: Some(reason.clone()), lines: Vec::new(), template: None };
    let entry = ticket.entry(now, state, state.trial(), told);
    let report = entry.report.clone();
    let reports = state.reports.with(entry);
    let log = state.log_setup();
    let effect = format!("{} to {} taken back: {reason}", ticket.plan.from, ticket.plan.to);
    let mut events = log.take(now, &ticket.caller, vec![Draft::kept(priority::WARNING, "change of release", effect)]);
    events.extend(sessions_end(state, now, &ticket.caller));
    let id = state.id;
    let memory = ticket.before.memory.brought_back(&state.memory);
    let kept = demand::text(&memory);
    let mut records = vec![(demand::BEFORE_TRIAL, "")];
    records.extend(kept.iter().map(|memory| (demand::RECORD, memory.as_str())));
    let _scrubbed_by_the_caller = state.store.revert_trial(id, &reports.to_text()?, &records, log.batch(&events))?;
    state.reports = reports;
    state.memory = memory;
    run_with(state, Arc::clone(carried), package.clone(), credentials.clone(), (**settings).clone())?;
    Ok(report)
}

/// What a report tells of how a change ended.
pub(super) struct Told {
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub lines: Vec<Line>,
    pub template: Option<String>,
}

impl Ticket {
    /// The report of this change, with whose session may ask for it.
    pub(super) fn entry(&self, now: Now, state: &State, trial: Option<&Trial>, told: Told) -> Entry {
        let Told { outcome, reason, lines, template } = told;
        let about = About {
            serial: state.identity.serial.clone(),
            from: Some(self.plan.from.clone()),
            to: Some(self.plan.to.clone()),
            path: self.caller.path_name().to_owned(),
            peer: self.caller.peer.map(|peer| peer.ip().to_string()),
            begun_utc_ms: Some(self.begun_utc_ms),
            committed_utc_ms: trial.map(Trial::begun_utc_ms),
            template,
            backup: self.request.choices.backup.map(|digest| digest.to_string()),
        };
        let report = Report {
            outcome,
            reason,
            as_planned: outcome == Outcome::Confirmed && lines.iter().all(|line| line.same),
            lines,
            plan: self.plan.digest.clone(),
            package: self.package.to_string(),
            hash_check: self.request.hash_check.clone(),
            setup: self.request.setup.clone(),
            user: self.caller.who.to_string(),
            utc_ms: now.utc_ms,
            about,
        };
        Entry { receipt: self.receipt.clone(), report }
    }
}
