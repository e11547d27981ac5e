//! Erasing old secrets from every file the meter owns, before the change is reported (law 4, B16).
//!
//! `secure_delete` is not enough, twice over. SQLite zeroes a cell that is freed and a page that is freed, but when it
//! rebalances a b-tree it rebuilds pages in place (`rebuildPage`) and leaves what was there in the gap between the
//! cell pointers and the cells (the property test below finds such pieces at once if step 1 is left out); and the
//! journal keeps whole old pages until it is overwritten. So:
//!
//! 1. The credential table is read, dropped and made anew with what is current, in one transaction. Dropping frees each
//!    of its pages, overflow pages too, and `secure_delete` zeroes a freed page whole, gap and all. Secrets live in no
//!    other table, and that table is one b-tree, so no page outside has ever held one.
//! 2. A checkpoint copies those pages into the database and cuts the journal to nothing. Its busy flag is looked at.
//! 3. The mark is taken away. That commit syncs the journal, and with it its new length.
//!
//! A cut anywhere leaves the mark, and the next start does it again. VACUUM would do as well, at the price of copying
//! every event of every meter in the file. What the file system itself released is out of reach.

use rusqlite::{Transaction, params};

use crate::error::{During, StoreError};
use crate::schema::{self, CREDENTIAL_TABLE};
use crate::secret::Secret;
use crate::store::{MeterId, Store};

impl Store {
    /// Finishes every erasure that is pending in this file and returns whose it was. Until it returns `Ok`, old secrets
    /// may be on the disk, and the change must not be reported as done.
    pub fn scrub(&mut self) -> Result<Vec<MeterId>, StoreError> {
        let pending = self.scrub_pending()?;
        if pending.is_empty() {
            return Ok(pending);
        }
        self.transact_on_reserve(|writing| rewrite_credentials(writing))?;
        if !schema::cut_journal(&self.connection)? {
            return Err(StoreError::ScrubBusy);
        }
        self.transact_on_reserve(|transaction| {
            transaction
                .execute("UPDATE meter SET scrub_pending = 0 WHERE scrub_pending = 1", [])
                .during("unmarking old secrets")
        })?;
        Ok(pending)
    }

    /// The meters whose old secrets may still be on the disk.
    pub fn scrub_pending(&self) -> Result<Vec<MeterId>, StoreError> {
        let doing = "looking for old secrets";
        let mut statement = self
            .connection
            .prepare_cached("SELECT meter FROM meter WHERE scrub_pending = 1 ORDER BY meter")
            .during(doing)?;
        let rows = statement.query_map([], |row| row.get(0).map(MeterId)).during(doing)?;
        rows.collect::<Result<_, _>>().during(doing)
    }
}

fn rewrite_credentials(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let doing = "erasing old secrets";
    let current = {
        let mut statement = transaction.prepare("SELECT meter, slot, account, stored FROM credential").during(doing)?;
        let rows = statement
            .query_map([], |row| {
                let meter: u32 = row.get(0)?;
                let slot: String = row.get(1)?;
                let account: String = row.get(2)?;
                Ok((meter, slot, account, Secret::new(row.get(3)?)))
            })
            .during(doing)?;
        rows.collect::<Result<Vec<_>, _>>().during(doing)?
    };
    transaction.execute_batch("DROP TABLE credential").during(doing)?;
    transaction.execute_batch(CREDENTIAL_TABLE).during(doing)?;
    let mut statement = transaction
        .prepare("INSERT INTO credential (meter, slot, account, stored) VALUES (?1, ?2, ?3, ?4)")
        .during(doing)?;
    for (meter, slot, account, stored) in &current {
        statement.execute(params![meter, slot, account, stored.expose()]).during(doing)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::testbed::{DEPTH, METER, Testbed, credential, event, marked, meter, slot};
    use crate::{
        Committed, Confirmed, Credential, CredentialChange, EventBatch, Keep, MAX_STORED_SECRET, RecorderBatch,
        SettingsChange, Tick,
    };

    fn set(store: &mut Store, account: &str, number: u32, length: usize) -> Result<Committed, StoreError> {
        let changes = [CredentialChange::Set(credential(account, marked(number, length)))];
        store.commit_settings(METER, &SettingsChange { credentials: &changes, ..SettingsChange::default() })
    }

    #[test]
    fn b16_a_changed_password_is_in_no_file_once_the_change_is_reported() {
        let bed = Testbed::new();
        let mut store = bed.born(&[credential("USER1", marked(1, 16)), credential("USER2", marked(2, 16))]);
        assert_eq!(bed.marks_on_disk(), BTreeSet::from([1, 2]), "the search finds what is there");
        assert_eq!(set(&mut store, "USER1", 3, 16).unwrap(), Committed::ScrubPending);
        assert_eq!(bed.marks_on_disk(), BTreeSet::from([1, 2, 3]), "before the scrub the old one is still about");
        assert!(store.load(METER).unwrap().scrub_pending);
        assert_eq!(store.scrub().unwrap(), [METER]);
        assert_eq!(bed.marks_on_disk(), BTreeSet::from([2, 3]));
        assert!(!store.load(METER).unwrap().scrub_pending);
        assert!(store.scrub().unwrap().is_empty());
        assert_eq!(store.load(METER).unwrap().active.credentials[0].stored.expose(), marked(3, 16).expose());
    }

    #[test]
    fn b26_a_cut_before_the_scrub_leaves_the_mark_for_the_next_start() {
        let bed = Testbed::new();
        let mut store = bed.born(&[credential("USER1", marked(1, 16))]);
        let _: Committed = set(&mut store, "USER1", 2, 16).unwrap();
        drop(store);
        let mut store = bed.again();
        assert_eq!(store.scrub_pending().unwrap(), [METER]);
        store.scrub().unwrap();
        assert_eq!(bed.marks_on_disk(), BTreeSet::from([2]));
    }

    #[test]
    fn a_refused_change_leaves_its_secret_nowhere() {
        let bed = Testbed::new();
        let mut store = bed.born(&[]);
        let changes = [
            CredentialChange::Set(credential("USER1", marked(7, 64))),
            CredentialChange::Set(credential("USER2", marked(8, MAX_STORED_SECRET + 1))),
        ];
        let change = SettingsChange { credentials: &changes, ..SettingsChange::default() };
        assert!(matches!(store.commit_settings(METER, &change), Err(StoreError::TooLarge { .. })));
        assert!(bed.marks_on_disk().is_empty());
    }

    /// One step of a meter's life with secrets.
    #[derive(Debug, Clone)]
    enum Step {
        Set { account: u8, length: usize },
        Remove { account: u8 },
        OtherMeter { account: u8, length: usize },
        Begin { accounts: u8, length: usize },
        Confirm,
        Revert,
        Life { text: usize },
        Reopen,
        Scrub,
    }

    fn step() -> impl Strategy<Value = Step> {
        let length = || prop_oneof![3 => 8..120usize, 1 => 120..=MAX_STORED_SECRET - 8];
        prop_oneof![
            8 => (0..40u8, length()).prop_map(|(account, length)| Step::Set { account, length }),
            4 => (0..40u8).prop_map(|account| Step::Remove { account }),
            2 => (0..40u8, length()).prop_map(|(account, length)| Step::OtherMeter { account, length }),
            1 => (1..40u8, length()).prop_map(|(accounts, length)| Step::Begin { accounts, length }),
            1 => Just(Step::Confirm),
            1 => Just(Step::Revert),
            2 => (0..9000usize).prop_map(|text| Step::Life { text }),
            1 => Just(Step::Reopen),
            2 => Just(Step::Scrub),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        /// Whatever happened before, a scrub leaves the bytes of current secrets in the files and no others.
        #[test]
        fn b16_a_scrub_leaves_no_old_secret_after_any_history(steps in proptest::collection::vec(step(), 1..120)) {
            const OTHER: MeterId = MeterId(2);
            let bed = Testbed::new();
            let mut store = bed.born(&[]);
            store.add_meter(OTHER, &meter(&[])).unwrap();
            // Account by account, the number of the secret that is current.
            let mut active: BTreeMap<String, u32> = BTreeMap::new();
            let mut other: BTreeMap<String, u32> = BTreeMap::new();
            let mut previous: Option<BTreeMap<String, u32>> = None;
            let mut number = 0;
            for step in steps.into_iter().chain([Step::Scrub]) {
                number += 1;
                match step {
                    Step::Set { account, length } if previous.is_none() => {
                        let account = format!("USER{account}");
                        let _: Committed = set(&mut store, &account, number, length).unwrap();
                        active.insert(account, number);
                    }
                    Step::Remove { account } if previous.is_none() => {
                        let account = format!("USER{account}");
                        let changes = [CredentialChange::Remove(account.clone())];
                        let change = SettingsChange { credentials: &changes, ..SettingsChange::default() };
                        let _: Committed = store.commit_settings(METER, &change).unwrap();
                        active.remove(&account);
                    }
                    Step::OtherMeter { account, length } => {
                        let account = format!("USER{account}");
                        let changes = [CredentialChange::Set(credential(&account, marked(number, length)))];
                        let change = SettingsChange { credentials: &changes, ..SettingsChange::default() };
                        let _: Committed = store.commit_settings(OTHER, &change).unwrap();
                        other.insert(account, number);
                    }
                    Step::Begin { accounts, length } if previous.is_none() => {
                        let new: Vec<Credential> =
                            (0..accounts).map(|n| credential(&format!("USER{n}"), marked(number, length))).collect();
                        store.begin_trial(METER, &slot("4.40.1", &new), "{}", EventBatch::NONE).unwrap();
                        let names = new.into_iter().map(|credential| (credential.account, number)).collect();
                        previous = Some(std::mem::replace(&mut active, names));
                    }
                    Step::Confirm if previous.is_some() => {
                        let _: Committed = store.confirm_trial(METER, "{}", &Confirmed::default(), EventBatch::NONE).unwrap();
                        previous = None;
                    }
                    Step::Revert => if let Some(old) = previous.take() {
                        let _: Committed = store.revert_trial(METER, "{}", &[], EventBatch::NONE).unwrap();
                        active = old;
                    }
                    Step::Life { text } => {
                        let (record, happened) = ("x".repeat(text), [event(&"e".repeat(text / 9), Keep::Ring)]);
                        store.tick(&[Tick {
                            meter: METER,
                            energies: &[("kWh del", i64::from(number))],
                            records: &[("demand", &record)],
                            recorders: RecorderBatch::NONE, events: EventBatch { events: &happened, depth: DEPTH },
                        }]).unwrap();
                    }
                    Step::Reopen => {
                        drop(store);
                        store = bed.again();
                    }
                    Step::Scrub => {
                        store.scrub().unwrap();
                        let current: BTreeSet<u32> =
                            active.values().chain(other.values()).chain(previous.iter().flat_map(|p| p.values())).copied().collect();
                        prop_assert_eq!(bed.marks_on_disk(), current);
                    }
                    _ => {}
                }
            }
        }
    }
}
