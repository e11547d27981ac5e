//! Looking through a chained log: fed page by page, so that whoever reads it needs no more than a page at a time
//! and the log may grow, and its ring move on, between two of them. It names what it finds, and stops at nothing.

use std::collections::BTreeSet;
use std::fmt;

use super::{ChainKey, Class, Head, Link, Record, Seal};

/// Findings that are named; the others are counted. Whoever has a hundred has seen enough.
pub const MAX_FINDINGS: usize = 100;

/// Something that isn't as it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A seal that doesn't fit its record.
    Altered(u64),
    /// No seal where there must be one.
    Unsealed(u64),
    /// Its seal is right, but not for this place.
    Unlinked(u64),
    /// Records are gone that the ring has not dropped.
    Missing {
        /// Of which class.
        class: Class,
        /// How many.
        count: u64,
        /// The number of the newest of them, where that is known.
        newest: Option<u64>,
        /// They lie before this number.
        before: u64,
    },
    /// One that the ring had dropped is there again.
    PutBack(u64),
    /// The chain begins anew here, because its head was lost or not right.
    BegunAgain(u64),
    /// The head is lost or not right at this moment.
    NoHead,
}

impl Finding {
    /// The number that it is about, where it is about one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Altered(number)
            | Self::Unsealed(number)
            | Self::Unlinked(number)
            | Self::PutBack(number)
            | Self::BegunAgain(number) => Some(*number),
            Self::Missing { newest, .. } => *newest,
            Self::NoHead => None,
        }
    }

    /// What it is, in one word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Altered(_) => "altered",
            Self::Unsealed(_) => "unsealed",
            Self::Unlinked(_) => "unlinked",
            Self::Missing { .. } => "missing",
            Self::PutBack(_) => "put-back",
            Self::BegunAgain(_) => "begun-again",
            Self::NoHead => "no-head",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(number) => write!(f, "event {number} was changed or put in: its seal doesn't fit it"),
            Self::Unsealed(number) => write!(f, "event {number} was put in, or its seal was taken away: it has none"),
            Self::Unlinked(number) => {
                write!(f, "event {number} doesn't follow the one before it: it is from another time of this log")
            }
            Self::Missing { class, count: 1, newest: Some(number), .. } => {
                write!(f, "event {number} ({}) is missing", class.name())
            }
            Self::Missing { class, count: 1, newest: None, before } => {
                write!(f, "an event ({}) before number {before} is missing", class.name())
            }
            Self::Missing { class, count, newest: Some(number), .. } => {
                write!(f, "{count} events ({}) are missing, the newest of them number {number}", class.name())
            }
            Self::Missing { class, count, newest: None, before } => {
                write!(f, "{count} events ({}) before number {before} are missing", class.name())
            }
            Self::PutBack(number) => write!(f, "event {number} had been dropped by the ring and is there again"),
            Self::BegunAgain(number) => write!(
                f,
                "the chain begins anew at event {number}, because its head was lost or not right: what is missing \
                 before that can't be told"
            ),
            Self::NoHead => {
                f.write_str("the chain's head is lost or not right: what is missing at its end can't be told")
            }
        }
    }
}

/// What looking through a log has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records whose seal was checked.
    pub checked: u64,
    /// Records from before the chain began, which nothing vouches for.
    pub unchained: u64,
    /// The number that the chain begins with.
    pub begins: Option<u64>,
    /// What is wrong, the first [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings there are besides.
    pub more: u64,
}

/// The last good record of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    number: u64,
    ordinal: u64,
    /// The first that the ring should have dropped.
    surplus: Option<u64>,
    missing: bool,
}

/// Looks through a log in the order of its numbers.
pub struct Verifier<'k> {
    key: &'k ChainKey,
    meter: u32,
    seen: [Seen; 2],
    /// The record before, with its seal if that was right.
    previous: Option<(u64, Option<Seal>)>,
    /// Whether the chain's beginning is behind us.
    inside: bool,
    /// Numbers whose record isn't the one that was sealed. At most as many as the log has.
    altered: BTreeSet<u64>,
    verified: Verified,
}

impl<'k> Verifier<'k> {
    /// Nothing has been looked at.
    pub fn new(key: &'k ChainKey, meter: u32) -> Self {
        Self {
            key,
            meter,
            seen: Default::default(),
            previous: None,
            inside: false,
            altered: BTreeSet::new(),
            verified: Verified::default(),
        }
    }

    /// The next record with its link as it is stored, under the head as it was when the record was read.
    pub fn look(&mut self, head: Option<&Head>, record: &Record<'_>, link: Option<&[u8]>) {
        let number = record.number;
        let before_the_chain = head.is_some_and(|head| number < head.begins);
        let Some(stored) = link else {
            if before_the_chain {
                self.verified.unchained += 1;
            } else {
                self.not_sealed(Finding::Unsealed(number));
            }
            return;
        };
        self.verified.checked += 1;
        let link = Link::from_bytes(stored).filter(|link| link.is_right(self.key, self.meter, record));
        let Some(link) = link else { return self.not_sealed(Finding::Altered(number)) };
        match head {
            Some(head) if !before_the_chain => self.follow(head, record, &link),
            // Without a head, or before the one there is, its own seal is all that can be checked.
            _ => {}
        }
    }

    /// The log ends here, under this head.
    pub fn finish(mut self, head: Option<&Head>) -> Verified {
        match head {
            None => self.found(Finding::NoHead),
            Some(head) => {
                self.verified.begins = Some(head.begins);
                self.begin(head);
                if head.again {
                    self.found(Finding::BegunAgain(head.begins));
                }
                for class in [Class::Ordinary, Class::Kept] {
                    let run = head.runs[class.at()];
                    self.gap(head, class, run.count + 1, run.newest, head.next);
                    let Seen { surplus, missing, .. } = self.seen[class.at()];
                    // Where some are missing, the ring holds older ones in their place.
                    if let (Some(number), false) = (surplus, missing) {
                        self.found(Finding::PutBack(number));
                    }
                }
            }
        }
        self.verified
    }

    /// A record that is what was sealed, in the chain that the head is of.
    fn follow(&mut self, head: &Head, record: &Record<'_>, link: &Link) {
        self.begin(head);
        let (number, class) = (record.number, record.class);
        let run = head.runs[class.at()];
        let right_after = match self.previous {
            Some((before, seal)) if before + 1 == number => seal.is_none_or(|seal| seal == link.previous),
            None if number == head.begins => link.previous == [0; 32],
            _ => true,
        };
        self.previous = Some((number, Some(link.seal)));
        let seen = self.seen[class.at()];
        if !right_after || number >= head.next || link.ordinal <= seen.ordinal || link.ordinal > run.count {
            self.altered.insert(number);
            return self.found(Finding::Unlinked(number));
        }
        if link.ordinal <= run.dropped {
            self.seen[class.at()].surplus.get_or_insert(number);
        } else {
            self.gap(head, class, link.ordinal, link.before, number);
        }
        let seen = &mut self.seen[class.at()];
        (seen.number, seen.ordinal) = (number, link.ordinal);
    }

    /// What lies between the last one seen of a class and the one with this ordinal, whose link names the number
    /// before it.
    fn gap(&mut self, head: &Head, class: Class, ordinal: u64, newest: u64, before: u64) {
        let seen = self.seen[class.at()];
        let there = seen.ordinal.max(head.runs[class.at()].dropped);
        let gone = (ordinal - 1).saturating_sub(there);
        if gone == 0 {
            return;
        }
        // An altered record is there, whatever it says of its class; one between counts as one of these.
        let from = head.begins.max(seen.number + 1);
        let altered = self.altered.range(from..before.max(from)).count() as u64;
        let newest = Some(newest).filter(|newest| !self.altered.contains(newest));
        let count = gone.saturating_sub(altered).max(u64::from(newest.is_some()));
        if count > 0 {
            self.seen[class.at()].missing = true;
            self.found(Finding::Missing { class, count, newest, before });
        }
    }

    fn begin(&mut self, head: &Head) {
        if !self.inside {
            self.inside = true;
            self.previous = self.previous.filter(|(number, _)| *number >= head.begins);
        }
    }

    fn not_sealed(&mut self, finding: Finding) {
        if let Some(number) = finding.number() {
            self.altered.insert(number);
            self.previous = Some((number, None));
        }
        self.found(finding);
    }

    fn found(&mut self, finding: Finding) {
        if self.verified.findings.len() < MAX_FINDINGS {
            self.verified.findings.push(finding);
        } else {
            self.verified.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METER: u32 = 1;

    fn key() -> ChainKey {
        ChainKey::new(&[7; 32])
    }

    /// A record as a database has it.
    #[derive(Debug, Clone, PartialEq)]
    struct Row {
        number: u64,
        utc_ms: i64,
        priority: u8,
        texts: [String; 4],
        class: Class,
        link: Option<Vec<u8>>,
    }

    impl Row {
        fn record(&self) -> Record<'_> {
            let [user, path, cause, effect] = self.texts.each_ref().map(String::as_str);
            let Self { number, utc_ms, priority, class, .. } = *self;
            Record { number, utc_ms, priority, user, path, cause, effect, class }
        }
    }

    /// A log as the store keeps it: a ring of ordinary records, and kept ones.
    #[derive(Debug, Clone)]
    struct Log {
        rows: Vec<Row>,
        dropped: Vec<Row>,
        head: Head,
    }

    impl Log {
        fn new(begins: u64) -> Self {
            Self { rows: Vec::new(), dropped: Vec::new(), head: Head::begin(begins) }
        }

        fn add(&mut self, class: Class, depth: usize) {
            let number = self.head.next();
            let texts = ["USER1", "setup", "cause", "effect"].map(|text| format!("{text} {number}"));
            let mut row = Row { number, utc_ms: number as i64 * 1000, priority: 10, texts, class, link: None };
            row.link = Some(self.head.seal(&key(), METER, &row.record()).to_bytes());
            self.rows.push(row);
            self.head.trim(class, depth as u64);
            while self.rows.iter().filter(|row| row.class == class).count() > depth {
                let oldest = self.rows.iter().position(|row| row.class == class).unwrap();
                self.dropped.push(self.rows.remove(oldest));
            }
        }

        fn verify(&self) -> Verified {
            let key = key();
            let mut verifier = Verifier::new(&key, METER);
            for row in &self.rows {
                verifier.look(Some(&self.head), &row.record(), row.link.as_deref());
            }
            verifier.finish(Some(&self.head))
        }

        fn numbers(&self) -> Vec<Option<u64>> {
            self.verify().findings.iter().map(Finding::number).collect()
        }
    }

    /// Ordinary and kept records, under a depth that changes.
    fn logs() -> impl Strategy<Value = Log> {
        proptest::collection::vec((prop_oneof![3 => Just(Class::Ordinary), 1 => Just(Class::Kept)], 1usize..12), 1..60)
            .prop_map(|steps| {
                let mut log = Log::new(3);
                for (class, depth) in steps {
                    log.add(class, if class == Class::Kept { 1_000 } else { depth });
                }
                log
            })
    }

    /// Fifteen records: 4, 8 and 12 are kept; of the others, the ring has dropped 1 to 6.
    fn small() -> Log {
        let mut log = Log::new(1);
        for number in 1..=15 {
            log.add(if number % 4 == 0 { Class::Kept } else { Class::Ordinary }, 7);
        }
        assert_eq!(log.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        log
    }

    #[test]
    fn each_kind_of_damage_is_named() {
        let at = |number| move |row: &Row| row.number == number;
        type Damage = fn(&mut Log);
        let cases: [(Damage, &[&str]); 9] = [
            (|_| {}, &[]),
            (
                |log| log.rows[1].texts[3] = "nothing".to_owned(),
                &["event 7 was changed or put in: its seal doesn't fit it"],
            ),
            (|log| log.rows.retain(|row| row.number != 10), &["event 10 (ordinary) is missing"]),
            (|log| log.rows.retain(|row| row.number != 15), &["event 15 (ordinary) is missing"]),
            (|log| log.rows.retain(|row| row.number != 4), &["event 4 (always kept) is missing"]),
            (|log| log.rows.retain(|row| row.number != 7), &["event 7 (ordinary) is missing"]),
            (
                |log| log.rows.truncate(4),
                &["5 events (ordinary) are missing, the newest of them number 15", "event 12 (always kept) is missing"],
            ),
            (|log| log.rows[2].link = None, &["event 8 was put in, or its seal was taken away: it has none"]),
            (
                |log| log.rows.insert(1, log.dropped.last().unwrap().clone()),
                &["event 6 had been dropped by the ring and is there again"],
            ),
        ];
        for (damage, expected) in cases {
            let mut log = small();
            damage(&mut log);
            let said: Vec<_> = log.verify().findings.iter().map(Finding::to_string).collect();
            assert_eq!(said, expected);
        }
        let mut log = small();
        log.head = Head::begin_again(16);
        assert!(log.verify().findings.contains(&Finding::BegunAgain(16)));
        let mut log = small();
        let other = log.rows.iter().position(at(9)).unwrap();
        log.rows.swap(other, other + 1);
        log.rows[other].number = 9;
        log.rows[other + 1].number = 10;
        assert_eq!(log.numbers(), [Some(9), Some(10)], "two that changed places");
    }

    #[test]
    fn what_was_there_before_the_chain_is_counted_and_what_grows_meanwhile_is_no_finding() {
        let mut log = Log::new(5);
        let key = key();
        let old = |number| Row { number, link: None, ..small().rows[0].clone() };
        (0..6).for_each(|_| log.add(Class::Ordinary, 4));
        let mut verifier = Verifier::new(&key, METER);
        for row in [old(1), old(4), log.rows[0].clone(), log.rows[1].clone()] {
            verifier.look(Some(&log.head), &row.record(), row.link.as_deref());
        }
        // The ring moves on past what comes next.
        (0..5).for_each(|_| log.add(Class::Ordinary, 4));
        for row in &log.rows {
            verifier.look(Some(&log.head), &row.record(), row.link.as_deref());
        }
        let verified = verifier.finish(Some(&log.head));
        assert_eq!((verified.findings.as_slice(), verified.unchained, verified.begins), (&[][..], 2, Some(5)));
    }

    #[test]
    fn a_part_of_the_log_as_it_was_at_another_time_is_found() {
        let mut log = small();
        let mut other = log.clone();
        log.add(Class::Ordinary, 7);
        log.add(Class::Ordinary, 7);
        // As if the meter had gone on from an older copy: sealed by the same key, and not the same.
        other.add(Class::Kept, 7);
        other.add(Class::Ordinary, 7);
        let last = log.rows.len() - 1;
        log.rows[last] = other.rows.last().unwrap().clone();
        assert!(!log.verify().findings.is_empty());
        let mut log = small();
        let head = log.head.clone();
        log.add(Class::Ordinary, 8);
        log.head = head;
        assert_eq!(log.numbers(), [Some(16)], "beyond the head");
    }

    proptest! {
        /// Whatever the ring has dropped and however its depth was changed, a log nobody touched verifies.
        #[test]
        fn a_log_that_nobody_touched_verifies(log in logs()) {
            let verified = log.verify();
            prop_assert_eq!(&verified.findings, &[]);
            prop_assert_eq!(verified.checked, log.rows.len() as u64);
        }

        /// A record that is missing is named, whichever it is.
        #[test]
        fn a_record_that_is_missing_is_named(mut log in logs(), which: prop::sample::Index) {
            let row = log.rows.remove(which.index(log.rows.len()));
            let findings = log.verify().findings;
            let missing = Finding::Missing {
                class: row.class, count: 1, newest: Some(row.number), before: 0,
            }.to_string();
            prop_assert_eq!(findings.iter().map(Finding::to_string).collect::<Vec<_>>(), [missing]);
        }

        /// Any other change of a single record is found, and its number is named.
        #[test]
        fn a_record_that_is_not_as_it_was_is_named(
            mut log in logs(),
            which: prop::sample::Index,
            how in 0usize..10,
            byte: prop::sample::Index,
        ) {
            let at = which.index(log.rows.len());
            let row = &mut log.rows[at];
            let number = row.number;
            match how {
                0 => row.utc_ms += 1,
                1 => row.priority ^= 1,
                2..=5 => row.texts[how - 2].push('x'),
                6 => {
                    // A character that moves from one text to the next.
                    let moved = row.texts[2].pop().unwrap();
                    row.texts[3].insert(0, moved);
                }
                7 => row.class = if row.class == Class::Kept { Class::Ordinary } else { Class::Kept },
                8 => row.link = None,
                _ => {
                    let link = row.link.as_mut().unwrap();
                    let byte = byte.index(link.len());
                    link[byte] ^= 1;
                }
            }
            prop_assert_eq!(log.numbers(), [Some(number)]);
        }

        /// Of many that are missing, every one is counted; one that is put in, is found where it stands.
        #[test]
        fn what_is_missing_is_counted_and_what_is_put_in_is_named(
            mut log in logs(),
            gone in proptest::collection::vec(any::<prop::sample::Index>(), 1..10),
            copied: prop::sample::Index,
        ) {
            let mut damaged = log.clone();
            let before = damaged.rows.len();
            for which in gone {
                if !damaged.rows.is_empty() {
                    damaged.rows.remove(which.index(damaged.rows.len()));
                }
            }
            let counted: u64 = damaged.verify().findings.iter().map(|finding| match finding {
                Finding::Missing { count, .. } => *count,
                _ => 0,
            }).sum();
            prop_assert_eq!(counted, (before - damaged.rows.len()) as u64);

            let number = log.head.next();
            let copy = Row { number, ..log.rows[copied.index(log.rows.len())].clone() };
            log.rows.push(copy);
            prop_assert_eq!(log.numbers(), [Some(number)]);
        }
    }
}
