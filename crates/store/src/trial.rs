//! A version change as slots: written beside the old one, tried, then confirmed or taken back (B26).
//!
//! Each step is one transaction, so a power cut comes up wholly before or wholly after it. The old slot is whole until
//! the new one is confirmed. What a change does is decided above; this only keeps both and switches between them.

use rusqlite::{Transaction, params};

use crate::change::{Committed, mark_for_scrub};
use crate::error::{During, StoreError};
use crate::events::{self, EventBatch};
use crate::packages;
use crate::store::{MeterId, NewSlot, Store, active_slot, bound_document, insert_slot};

impl Store {
    /// Writes the new release's slot and makes it the active one, on trial. Its package must be staged.
    pub fn begin_trial(
        &mut self,
        meter: MeterId,
        new: &NewSlot<'_>,
        report: &str,
        events: EventBatch<'_>,
    ) -> Result<(), StoreError> {
        if let Some(package) = new.package {
            packages::require(&self.dir, package)?;
        }
        self.transact(|transaction| {
            let (old, trial) = active_slot(transaction, meter)?;
            if trial {
                return Err(StoreError::TrialPending);
            }
            let slot = other(&old);
            insert_slot(transaction, meter, slot, new)?;
            switch(transaction, meter, slot, true)?;
            write_report(transaction, meter, report)?;
            events::append(transaction, meter, events)
        })
    }

    /// The new release stays: the old slot and its credentials go. Call [`Store::scrub`] before reporting it.
    pub fn confirm_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        events: EventBatch<'_>,
    ) -> Result<Committed, StoreError> {
        self.end_trial(meter, report, events, |new| (new, other(new)))
    }

    /// The old release comes back as it was: the new slot and its credentials go. Call [`Store::scrub`] after it.
    pub fn revert_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        events: EventBatch<'_>,
    ) -> Result<Committed, StoreError> {
        self.end_trial(meter, report, events, |new| (other(new), new))
    }

    /// `choose` gets the slot on trial and says which stays and which goes.
    fn end_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        events: EventBatch<'_>,
        choose: fn(&str) -> (&str, &str),
    ) -> Result<Committed, StoreError> {
        let doing = "ending a version change";
        self.transact(|transaction| {
            let (new, trial) = active_slot(transaction, meter)?;
            if !trial {
                return Err(StoreError::NoTrial);
            }
            let (stays, goes) = choose(&new);
            switch(transaction, meter, stays, false)?;
            for removal in [
                "DELETE FROM credential WHERE meter = ?1 AND slot = ?2",
                "DELETE FROM slot WHERE meter = ?1 AND slot = ?2",
            ] {
                transaction.execute(removal, params![meter.0, goes]).during(doing)?;
            }
            // What has become active needs no staging any more.
            transaction
                .execute(
                    "DELETE FROM staged WHERE meter = ?1
                     AND package IN (SELECT package FROM slot WHERE meter = ?1 AND slot = ?2)",
                    params![meter.0, stays],
                )
                .during(doing)?;
            mark_for_scrub(transaction, meter)?;
            write_report(transaction, meter, report)?;
            events::append(transaction, meter, events)
        })?;
        // The change stands whether or not the old package's file goes now; opening sweeps again.
        let _ = self.sweep_packages();
        Ok(Committed::ScrubPending)
    }
}

fn other(slot: &str) -> &'static str {
    if slot == "A" { "B" } else { "A" }
}

fn switch(transaction: &Transaction<'_>, meter: MeterId, slot: &str, trial: bool) -> Result<(), StoreError> {
    transaction
        .execute("UPDATE meter SET active = ?2, trial = ?3 WHERE meter = ?1", params![meter.0, slot, trial])
        .during("switching releases")
        .map(drop)
}

fn write_report(transaction: &Transaction<'_>, meter: MeterId, report: &str) -> Result<(), StoreError> {
    bound_document(report)?;
    transaction
        .execute(
            "INSERT INTO change_report (meter, report) VALUES (?1, ?2)
             ON CONFLICT (meter) DO UPDATE SET report = excluded.report",
            params![meter.0, report],
        )
        .during("writing a report")
        .map(drop)
}
