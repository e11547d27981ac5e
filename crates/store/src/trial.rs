//! A version change as slots: written beside the old one, tried, then confirmed or taken back (B26).
//!
//! Each step is one transaction, so a power cut comes up wholly before or wholly after it. The old slot is whole until
//! the new one is confirmed. What a change does is decided above; this only keeps both and switches between them.

use rusqlite::{Transaction, params};

use crate::change::{Committed, DeviceChange, change_device, mark_for_scrub, put_records};
use crate::error::{During, StoreError};
use crate::events::{self, EventBatch};
use crate::packages;
use crate::recordings::{self, RecordingChange};
use crate::store::{MeterId, NewSlot, Store, active_slot, bound_document, insert_slot};

/// What else is so from the confirming of a version change on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Confirmed<'a> {
    /// What the change makes of the device.
    pub device: &'a [DeviceChange],
    /// Records that are written.
    pub records: &'a [(&'a str, &'a str)],
    /// What becomes of recordings.
    pub recordings: &'a [RecordingChange<'a>],
}

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

    /// The new release stays: the old slot and its credentials go, and what it changes of the device is changed with
    /// it. Call [`Store::scrub`] before reporting it.
    pub fn confirm_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        new: &Confirmed<'_>,
        events: EventBatch<'_>,
    ) -> Result<Committed, StoreError> {
        let with_it = |transaction: &Transaction<'_>| {
            change_device(transaction, meter, new.device)?;
            put_records(transaction, meter, new.records)?;
            recordings::change(transaction, meter, new.recordings)
        };
        self.end_trial(meter, report, events, |new| (new, other(new)), with_it)
    }

    /// The old release comes back as it was: the new slot and its credentials go, and these records are written. Call
    /// [`Store::scrub`] after it.
    pub fn revert_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        records: &[(&str, &str)],
        events: EventBatch<'_>,
    ) -> Result<Committed, StoreError> {
        self.end_trial(
            meter,
            report,
            events,
            |new| (other(new), new),
            |transaction| put_records(transaction, meter, records),
        )
    }

    /// `choose` gets the slot on trial and says which stays and which goes.
    fn end_trial(
        &mut self,
        meter: MeterId,
        report: &str,
        events: EventBatch<'_>,
        choose: fn(&str) -> (&str, &str),
        with_it: impl Fn(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<Committed, StoreError> {
        let doing = "ending a version change";
        self.transact_on_reserve(|transaction| {
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
            with_it(transaction)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{DEPTH, METER, Testbed, credential, event, marked, slot};
    use crate::{Credential, Keep, MeterId, SettingsChange, StoreError};

    fn old() -> Vec<Credential> {
        vec![credential("8650", marked(1, 8)), credential("USER1", marked(2, 8))]
    }

    fn on_trial(bed: &Testbed) -> Store {
        let mut store = bed.born(&old());
        let new = [credential("USER1", marked(3, 100))];
        let happened = [event("4.40.1", Keep::Always)];
        let events = EventBatch { events: &happened, depth: DEPTH };
        store.begin_trial(METER, &slot("4.40.1", &new), r#"{"state":"begun"}"#, events).unwrap();
        store
    }

    fn accounts(credentials: &[Credential]) -> Vec<&str> {
        credentials.iter().map(|credential| credential.account.as_str()).collect()
    }

    #[test]
    fn b26_a_change_that_was_not_confirmed_is_seen_at_the_next_start_with_the_old_one_whole() {
        let bed = Testbed::new();
        drop(on_trial(&bed));
        let mut store = bed.again();
        let state = store.load(METER).unwrap();
        assert_eq!((state.active.release.as_str(), accounts(&state.active.credentials)), ("4.40.1", vec!["USER1"]));
        let previous = state.trial.unwrap().previous;
        assert_eq!((previous.release.as_str(), accounts(&previous.credentials)), ("4.0.9", vec!["8650", "USER1"]));
        assert_eq!(state.change_report.as_deref(), Some(r#"{"state":"begun"}"#));

        assert_eq!(store.revert_trial(METER, "{}", &[], EventBatch::NONE).unwrap(), Committed::ScrubPending);
        store.scrub().unwrap();
        let state = store.load(METER).unwrap();
        assert!(state.trial.is_none());
        assert_eq!((state.active.release.as_str(), state.change_report.as_deref()), ("4.0.9", Some("{}")));
        assert_eq!(bed.marks_on_disk(), [1, 2].into(), "nothing of the release that was taken back stays");
    }

    #[test]
    fn b26_a_confirmed_change_leaves_nothing_of_the_old_release() {
        let bed = Testbed::new();
        let mut store = on_trial(&bed);
        let happened = [event("confirmed", Keep::Always)];
        let events = EventBatch { events: &happened, depth: 0 };
        assert_eq!(store.confirm_trial(METER, "{}", &Confirmed::default(), events).unwrap(), Committed::ScrubPending);
        store.scrub().unwrap();
        drop(store);
        let store = bed.again();
        let state = store.load(METER).unwrap();
        assert!(state.trial.is_none() && !state.scrub_pending);
        assert_eq!((state.active.release.as_str(), state.events.next_number), ("4.40.1", 3));
        assert_eq!(bed.marks_on_disk(), [3].into());
    }

    #[test]
    fn there_and_back_many_times() {
        let bed = Testbed::new();
        let mut store = bed.born(&old());
        for round in 0..6 {
            let release = format!("5.0.{round}");
            store.begin_trial(METER, &slot(&release, &old()), "{}", EventBatch::NONE).unwrap();
            let ended = if round % 2 == 0 {
                store.confirm_trial(METER, "{}", &Confirmed::default(), EventBatch::NONE)
            } else {
                store.revert_trial(METER, "{}", &[], EventBatch::NONE)
            };
            assert_eq!(ended.unwrap(), Committed::ScrubPending);
            let expected = format!("5.0.{}", round / 2 * 2);
            assert_eq!(store.load(METER).unwrap().active.release, expected);
        }
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let bed = Testbed::new();
        let mut store = on_trial(&bed);
        let again = store.begin_trial(METER, &slot("5.0.0", &[]), "{}", EventBatch::NONE);
        assert!(matches!(again, Err(StoreError::TrialPending)));
        let settings = SettingsChange { settings: Some("{}"), ..SettingsChange::default() };
        assert!(matches!(store.commit_settings(METER, &settings), Err(StoreError::TrialPending)));
        let _: Committed = store.revert_trial(METER, "{}", &[], EventBatch::NONE).unwrap();
        assert!(matches!(store.revert_trial(METER, "{}", &[], EventBatch::NONE), Err(StoreError::NoTrial)));
        assert!(matches!(
            store.confirm_trial(METER, "{}", &Confirmed::default(), EventBatch::NONE),
            Err(StoreError::NoTrial)
        ));
        let unknown = store.begin_trial(MeterId(8), &slot("5.0.0", &[]), "{}", EventBatch::NONE);
        assert!(matches!(unknown, Err(StoreError::NoSuchMeter(_))));
    }
}
