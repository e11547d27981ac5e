//! How the disk stands: that it was full is logged once and shown until there is room again.
//!
//! The store gives its reserve up by itself; here that is noticed, told, and mended once a second or so. It must never
//! keep a second from being stored.

use store::{Reserve, Store};

use crate::Now;
use crate::events::{Draft, priority};

/// How often it is tried to make the reserve again, and how often what was never gone on with is looked for, in
/// milliseconds.
const EVERY_MS: i64 = 10_000;

/// How the disk that holds the meter's state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    /// There is room.
    #[default]
    Room,
    /// It was full: the meter lives on the room of its reserve.
    OnReserve,
    /// It is full: nothing can be stored since then, UTC in milliseconds since 1970.
    Full {
        /// Since when.
        since_utc_ms: i64,
    },
}

/// What has been told of the disk.
#[derive(Debug, Default)]
pub(crate) struct DiskKeeping {
    on_reserve: bool,
    full_since_utc_ms: Option<i64>,
    next_up_ms: i64,
}

impl DiskKeeping {
    /// Tries, now and then, to have the reserve again, and drops what of packages nobody goes on with. The disk's
    /// refusal is no news here.
    pub fn mend(&mut self, now: Now, store: &mut Store) {
        if now.up_ms < self.next_up_ms {
            return;
        }
        self.next_up_ms = now.up_ms.saturating_add(EVERY_MS);
        let on_reserve = store.reserve() == Reserve::GivenUp;
        let _ = store.package_inbox().sweep_partial(now.utc_ms, on_reserve);
        let _ = store.restore_reserve();
    }

    /// What the log is to be told; it has been when [`stored`](Self::stored) is called.
    pub fn drafts(&self, now: Now, store: &Store) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let on_reserve = store.reserve() == Reserve::GivenUp;
        if on_reserve && !self.on_reserve {
            let effect =
                "full: the reserve was given up so that energy goes on being stored, and nothing new is taken in";
            drafts.push(Draft::kept(priority::ERROR, "disk", effect));
        }
        if let Some(since) = self.full_since_utc_ms {
            let seconds = now.utc_ms.saturating_sub(since).max(0) / 1000;
            let effect = format!("nothing could be stored for {seconds} s: the energy of that time was kept in memory");
            drafts.push(Draft::kept(priority::ERROR, "disk", effect));
        }
        if !on_reserve && self.on_reserve {
            drafts.push(Draft::kept(priority::WARNING, "disk", "there is room again: the reserve is back"));
        }
        drafts
    }

    /// A second was stored, with what there was to tell of the disk before it.
    pub fn stored(&mut self, told_on_reserve: bool) {
        self.on_reserve = told_on_reserve;
        self.full_since_utc_ms = None;
    }

    /// A second could not be stored because the disk is full.
    pub fn full(&mut self, now: Now) {
        self.full_since_utc_ms.get_or_insert(now.utc_ms);
    }

    /// How it stands.
    pub fn disk(&self, store: &Store) -> Disk {
        match self.full_since_utc_ms {
            Some(since_utc_ms) => Disk::Full { since_utc_ms },
            None if store.reserve() == Reserve::GivenUp => Disk::OnReserve,
            None => Disk::Room,
        }
    }
}
