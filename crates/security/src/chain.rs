//! The chain over the event log: each record carries a keyed hash over itself and over the hash of the record
//! before it, and one authenticated *head* says where the log ends and how far back it goes. This file makes both;
//! [`verify`] finds and names what was changed, removed, put in or moved.
//!
//! Two kinds of records share one numbering: ordinary ones, of which a ring keeps the newest, and those that are
//! always kept. A record therefore counts itself among its own kind and names the one of its kind before it: so what
//! the ring drops is no gap, and a kept record missing from among dropped ones is.
//!
//! # What it can't see
//! Whoever puts back an older log *with the head it had then* (a whole old state directory, say), and whoever has the
//! key's file, can make a log that verifies. So can whoever removes the key, the head and every seal: such a log begins
//! its chain anew, which is an event. What has left the meter over syslog is out of reach of all three.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

pub mod verify;

pub use verify::{Finding, Verified, Verifier};

/// A keyed hash: HMAC-SHA-256 (RFC 2104, FIPS 180-4).
pub type Seal = [u8; 32];

/// The key of a meter's chain. It can't be printed, serialised or cloned, and is wiped when dropped.
pub struct ChainKey {
    bytes: Zeroizing<Vec<u8>>,
}

impl ChainKey {
    /// The bytes of a new key: as many as the hash puts out (RFC 2104, section 3).
    pub const BYTES: usize = 32;

    /// The key with these bytes; a new one must be random. A key of another length is another key, which verifies
    /// nothing that this one has sealed.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: Zeroizing::new(bytes.to_vec()) }
    }

    fn mac(&self, what: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes a key of any length");
        mac.update(what);
        mac
    }
}

/// Which records the ring may drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It keeps the newest of these.
    Ordinary,
    /// Never these, within a bound far beyond it.
    Kept,
}

impl Class {
    fn at(self) -> usize {
        self as usize
    }

    /// In words of the log's reader.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Kept => "always kept",
        }
    }
}

/// A record as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub number: u64,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// 0 to 255.
    pub priority: u8,
    /// Who.
    pub user: &'a str,
    /// By what road.
    pub path: &'a str,
    /// Register and value.
    pub cause: &'a str,
    /// Register and value.
    pub effect: &'a str,
    /// Whether the ring may drop it.
    pub class: Class,
}

/// What is stored beside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The seal of the record before; zeros for the first.
    previous: Seal,
    /// How many of its class there are up to it.
    ordinal: u64,
    /// The number of the one of its class before it; 0 for the first.
    before: u64,
    /// Over all of these and the record.
    seal: Seal,
}

impl Link {
    /// Its length as it is stored.
    pub const BYTES: usize = 80;

    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        let (ordinal, before) = (self.ordinal.to_be_bytes(), self.before.to_be_bytes());
        [&self.previous[..], &ordinal, &before, &self.seal].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave; anything else is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (previous, rest) = bytes.split_first_chunk::<32>()?;
        let (ordinal, rest) = rest.split_first_chunk::<8>()?;
        let (before, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            previous: *previous,
            ordinal: u64::from_be_bytes(*ordinal),
            before: u64::from_be_bytes(*before),
            seal: rest.try_into().ok()?,
        })
    }

    /// Over a meter's number, every field and every link, each text behind its length, so that no two records are
    /// made of the same bytes.
    fn mac(&self, key: &ChainKey, meter: u32, record: &Record<'_>) -> Hmac<Sha256> {
        let mut mac = key.mac(b"wattkeep event\0");
        mac.update(&meter.to_be_bytes());
        mac.update(&record.number.to_be_bytes());
        mac.update(&record.utc_ms.to_be_bytes());
        mac.update(&[record.priority, record.class as u8]);
        mac.update(&self.previous);
        mac.update(&self.ordinal.to_be_bytes());
        mac.update(&self.before.to_be_bytes());
        for text in [record.user, record.path, record.cause, record.effect] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac
    }

    fn is_right(&self, key: &ChainKey, meter: u32, record: &Record<'_>) -> bool {
        self.mac(key, meter, record).verify_slice(&self.seal).is_ok()
    }
}

/// How far one class goes: counted, not numbered, so that what lies between doesn't matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Run {
    /// How many there have been, the dropped ones included.
    count: u64,
    /// How many of these the ring has dropped.
    dropped: u64,
    /// The number of the newest; 0 before the first.
    newest: u64,
}

/// Where a chain begins and ends, and what the ring has dropped. Kept with the log, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    begins: u64,
    again: bool,
    next: u64,
    last: Seal,
    runs: [Run; 2],
}

/// The head's format; a reader takes no other.
const FORMAT: &str = "1";
/// Fields before the seal: format, beginning, whether begun again, next number, last seal, two runs of three.
const FIELDS: usize = 11;

impl Head {
    /// Nothing is sealed yet; the first record will have this number.
    pub fn begin(number: u64) -> Self {
        Self { begins: number, again: false, next: number, last: [0; 32], runs: [Run::default(); 2] }
    }

    /// The same, where there was a chain whose head is lost or not right: that is never forgotten.
    pub fn begin_again(number: u64) -> Self {
        Self { again: true, ..Self::begin(number) }
    }

    /// Reads a head; `None` if it isn't one that this key has sealed for this meter.
    pub fn parse(key: &ChainKey, meter: u32, text: &str) -> Option<Self> {
        let (fields, seal) = text.rsplit_once(' ')?;
        let mut given = [0; 32];
        hex::decode_to_slice(seal, &mut given).ok()?;
        head_mac(key, meter, fields).verify_slice(&given).ok()?;
        let fields: Vec<&str> = fields.splitn(FIELDS + 1, ' ').collect();
        let [FORMAT, begins, again, next, last, runs @ ..] = fields.as_slice() else { return None };
        let mut head = Self { again: *again == "again", ..Self::begin(begins.parse().ok()?) };
        head.next = next.parse().ok()?;
        hex::decode_to_slice(last, &mut head.last).ok()?;
        let (runs, rest) = runs.as_chunks::<3>();
        if runs.len() != head.runs.len() || !rest.is_empty() {
            return None;
        }
        for (run, [count, dropped, newest]) in head.runs.iter_mut().zip(runs) {
            *run = Run { count: count.parse().ok()?, dropped: dropped.parse().ok()?, newest: newest.parse().ok()? };
        }
        Some(head)
    }

    /// As it is stored: one line, with its seal.
    pub fn to_text(&self, key: &ChainKey, meter: u32) -> String {
        let again = if self.again { "again" } else { "first" };
        let mut fields = format!("{FORMAT} {} {again} {} {}", self.begins, self.next, hex::encode(self.last));
        for Run { count, dropped, newest } in self.runs {
            fields.push_str(&format!(" {count} {dropped} {newest}"));
        }
        let seal = head_mac(key, meter, &fields).finalize().into_bytes();
        format!("{fields} {}", hex::encode(seal))
    }

    /// The number that the next record gets, at least.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The first number that is sealed.
    pub fn begins(&self) -> u64 {
        self.begins
    }

    /// Seals one more record, whose number is no lower than [`next`](Self::next).
    pub fn seal(&mut self, key: &ChainKey, meter: u32, record: &Record<'_>) -> Link {
        let run = &mut self.runs[record.class.at()];
        run.count += 1;
        let mut link = Link { previous: self.last, ordinal: run.count, before: run.newest, seal: [0; 32] };
        run.newest = record.number;
        link.seal = link.mac(key, meter, record).finalize().into_bytes().into();
        self.last = link.seal;
        self.next = record.number + 1;
        link
    }

    /// The ring drops all of a class but the newest `depth`.
    pub fn trim(&mut self, class: Class, depth: u64) {
        let run = &mut self.runs[class.at()];
        run.dropped = run.dropped.max(run.count.saturating_sub(depth));
    }
}

fn head_mac(key: &ChainKey, meter: u32, fields: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(b"wattkeep event head\0");
    mac.update(&meter.to_be_bytes());
    mac.update(fields.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record<'_> = Record {
        number: 7,
        utc_ms: 1_767_225_600_000,
        priority: 10,
        user: "USER1",
        path: "setup",
        cause: "Power Meter 1/CT Prim = 5",
        effect: "800",
        class: Class::Ordinary,
    };

    #[test]
    fn a_seal_is_what_another_program_computes_too() {
        // hmac.new(bytes(range(32)), b"wattkeep event\0" + …, hashlib.sha256) by Python's standard library.
        let key = ChainKey::new(&std::array::from_fn::<u8, 32, _>(|i| i as u8));
        let link = Head::begin(7).seal(&key, 1, &RECORD);
        assert_eq!(hex::encode(link.seal), "096e4156e3decdcbc37ca429ea0089d7b2f55b3699a4019967868d1a4904ed35");
        assert_eq!(link.to_bytes().len(), Link::BYTES);
        assert_eq!(Link::from_bytes(&link.to_bytes()), Some(link));
        assert!(link.is_right(&key, 1, &RECORD) && !link.is_right(&key, 2, &RECORD));
        assert!(!link.is_right(&ChainKey::new(&[0; 31]), 1, &RECORD));
        for wrong in [0, 79, 81] {
            assert_eq!(Link::from_bytes(&vec![0; wrong]), None);
        }
    }

    #[test]
    fn a_head_is_read_back_with_its_own_key_only() {
        let key = ChainKey::new(&[7; 32]);
        let mut head = Head::begin_again(7);
        head.seal(&key, 1, &RECORD);
        head.trim(Class::Ordinary, 0);
        let text = head.to_text(&key, 1);
        assert_eq!(Head::parse(&key, 1, &text), Some(head));
        assert_eq!(Head::parse(&key, 2, &text), None);
        assert_eq!(Head::parse(&ChainKey::new(&[8; 32]), 1, &text), None);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Head::parse(&key, 1, &changed), None, "{changed}");
        }
        for noise in ["", " ", "1", "1 2 first", &" ".repeat(100)] {
            assert_eq!(Head::parse(&key, 1, noise), None);
        }
    }
}
