//! Packages on their way in: one at a time, whoever sends it and by whatever road. What is announced with its digest may
//! come in pieces and go on after its link broke; what comes over SFTP comes whole.
//!
//! It owns the one place and knows whose it is. Bytes are written beside the meter's lock. Of what comes in only the
//! front is looked at, by `verifying` as soon as it is there; the whole is for `packages` to judge. It must never let a
//! second writer into an upload, nor one whose session or right is gone.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firmware::package::{MAX_FRONT_BYTES, PackageError};
use security::unseen::is_unseen;
use security::{Ask, Right, Who};
use store::{IncomingPackage, MAX_PACKAGE_BYTES, PackageId, StoreError};

use crate::change::{Step, on_its_road};
use crate::gate::{Caller, Gate, decide, stands_still};
use crate::packages::{self, MAX_PACKAGE_NAME, Staged};
use crate::{GateError, Now};

/// How long an upload may stand still before its place is anybody's, in milliseconds: far above what a bad link takes
/// to come back, far below what a colleague waits for.
pub const STANDS_STILL_MS: i64 = 30_000;
/// What has to come within that time: whoever sends less, byte by byte, stands still. It is a seventh of what 9600 baud
/// bring, below which nobody sends packages.
pub const MOVES_BYTES: u64 = 4 * 1024;

/// A package that somebody wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its SHA-256, in hex.
    pub package: String,
    /// Its size.
    pub bytes: u64,
    /// What it is called.
    pub name: String,
}

/// What the meter has of an announced package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// All of it: it waits to be planned with.
    Staged(Staged),
    /// So many bytes; the next go there.
    GoOn {
        /// What the upload is called from now on.
        upload: u64,
        /// Bytes that are here.
        bytes: u64,
    },
}

/// An upload that is under way, for whoever may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// What it is called, if it was announced.
    pub name: Option<String>,
    /// Its announced SHA-256, in hex.
    pub package: Option<String>,
    /// Bytes so far.
    pub bytes: u64,
    /// Its announced size.
    pub size: Option<u64>,
    /// Who sends it.
    pub who: Who,
    /// By what road.
    pub path: &'static str,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// Since when, UTC, in milliseconds since 1970.
    pub since_utc_ms: i64,
    /// For how long nothing has come, in milliseconds.
    pub still_ms: i64,
}

impl fmt::Display for Moving {
    /// `USER1 is sending a package over setup from 192.0.2.7 since 12:00:00 UTC, 1.0 of 40.0 MiB so far`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_S: i64 = 86_400;
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * KIB;
        match self.who {
            Who::Nobody => f.write_str("somebody")?,
            who => write!(f, "{who}")?,
        }
        write!(f, " is sending a package over {}", self.path)?;
        if let Some(peer) = self.peer {
            write!(f, " from {}", peer.ip())?;
        }
        let second = self.since_utc_ms.div_euclid(1000).rem_euclid(DAY_S);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, " since {hour:02}:{minute:02}:{second:02} UTC, ")?;
        // In the unit of all of it, so that the two can be compared.
        let (unit, one, digits) = match self.size.unwrap_or(self.bytes) {
            0..MIB => ("KiB", KIB as f64, 0),
            _ => ("MiB", MIB as f64, 1),
        };
        write!(f, "{:.digits$}", self.bytes as f64 / one)?;
        if let Some(size) = self.size {
            write!(f, " of {:.digits$}", size as f64 / one)?;
        }
        write!(f, " {unit} so far")
    }
}

/// The one place.
#[derive(Default)]
pub(crate) struct Uploads {
    turn: Mutex<Option<Arc<Turn>>>,
    numbers: AtomicU64,
}

/// Somebody's hold on the place.
struct Turn {
    number: u64,
    caller: Caller,
    name: Option<String>,
    announced: Option<(PackageId, u64)>,
    began_utc_ms: i64,
    came: AtomicU64,
    /// How much had come when its pace was last looked at, and when that was.
    paced: AtomicU64,
    paced_up_ms: AtomicI64,
    /// When it last moved.
    used_up_ms: AtomicI64,
    /// With how many bytes the front is looked at next.
    front_at: AtomicU64,
    /// None once the place is another's, or all of it is here.
    file: Mutex<Option<IncomingPackage>>,
}

impl Turn {
    fn file(&self) -> MutexGuard<'_, Option<IncomingPackage>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, which counts as moving once it has brought enough.
    fn write_at(&self, now: Now, offset: u64, bytes: &[u8]) -> Result<u64, GateError> {
        let mut file = self.file();
        let Some(incoming) = file.as_mut() else { return Err(GateError::UploadOver) };
        if self.announced.is_some() && offset != incoming.size() {
            return Err(GateError::UploadElsewhere(incoming.size()));
        }
        if let Err(error) = incoming.write_at(offset, bytes).and_then(|()| incoming.came(now.utc_ms)) {
            // What doesn't fit beside the reserve mustn't stay there in part either.
            if matches!(error, StoreError::Full(_) | StoreError::NoRoom { .. } | StoreError::OnReserve)
                && let Some(incoming) = file.take()
            {
                incoming.discard();
            }
            return Err(error.into());
        }
        let size = incoming.size();
        self.came.store(size, Ordering::Relaxed);
        self.pace(now, size);
        Ok(size)
    }

    /// Looks at how fast it comes, each time enough has come: too slowly is no moving.
    fn pace(&self, now: Now, size: u64) {
        let came = size.saturating_sub(self.paced.load(Ordering::Relaxed));
        if came < MOVES_BYTES {
            return;
        }
        self.paced.store(size, Ordering::Relaxed);
        let within_ms = now.up_ms.saturating_sub(self.paced_up_ms.swap(now.up_ms, Ordering::Relaxed));
        // As many bytes a second as that, however many they are.
        let fast_enough =
            i128::from(came) * i128::from(STANDS_STILL_MS) >= i128::from(MOVES_BYTES) * i128::from(within_ms);
        if fast_enough {
            self.used_up_ms.store(now.up_ms, Ordering::Relaxed);
        }
    }

    /// Whether it is this caller's, over whatever connection. Without a session nothing but the address tells.
    fn is_of(&self, caller: &Caller) -> bool {
        let (mine, theirs) = (&self.caller, caller);
        let from = |caller: &Caller| caller.peer.map(|peer| peer.ip());
        mine.who == theirs.who
            && mine.path == theirs.path
            && mine.session == theirs.session
            && (mine.session.is_some() || from(mine) == from(theirs))
    }

    /// Whether all of it is here, or it has been given up.
    fn is_over(&self) -> bool {
        self.file.try_lock().is_ok_and(|file| file.is_none())
    }

    /// Lets go of the file, unless somebody holds it: whoever does is writing or verifying it, and moves.
    fn give_up(&self) -> bool {
        let held = self.file.try_lock();
        held.map(|mut file| drop(file.take())).is_ok()
    }

    fn still_ms(&self, now: Now) -> i64 {
        now.up_ms.saturating_sub(self.used_up_ms.load(Ordering::Relaxed))
    }

    fn moving(&self, now: Now) -> Moving {
        Moving {
            name: self.name.clone(),
            package: self.announced.as_ref().map(|(id, _)| id.to_string()),
            bytes: self.came.load(Ordering::Relaxed),
            size: self.announced.as_ref().map(|(_, size)| *size),
            who: self.caller.who,
            path: self.caller.path_name(),
            peer: self.caller.peer,
            since_utc_ms: self.began_utc_ms,
            still_ms: self.still_ms(now),
        }
    }
}

impl Uploads {
    fn turn(&self) -> MutexGuard<'_, Option<Arc<Turn>>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sends at this moment. What stands still has no place any more.
    pub fn moving(&self, now: Now) -> Option<Moving> {
        let turn = self.turn().clone()?;
        (!turn.is_over() && turn.still_ms(now) <= STANDS_STILL_MS).then(|| turn.moving(now))
    }

    /// Takes the place, if it is free, given up, or this caller's own already. `kept` says whether a session still is.
    fn take(
        &self,
        now: Now,
        caller: &Caller,
        name: Option<String>,
        announced: Option<(PackageId, u64)>,
        kept: impl FnOnce(u64) -> bool,
        open: impl FnOnce() -> Result<IncomingPackage, StoreError>,
    ) -> Result<Arc<Turn>, GateError> {
        let mut place = self.turn();
        let mut used_up_ms = now.up_ms;
        if let Some(turn) = place.as_ref() {
            let own = announced.is_some() && turn.is_of(caller);
            let gone = turn.caller.session.is_some_and(|session| !kept(session));
            let free = own || gone || turn.still_ms(now) > STANDS_STILL_MS;
            let freed = (free || turn.is_over()) && turn.give_up();
            if own {
                // Announcing again is no moving: the place is held by bytes.
                used_up_ms = turn.used_up_ms.load(Ordering::Relaxed);
            }
            if !freed {
                return Err(GateError::UploadUnderWay { moving: Box::new(turn.moving(now)) });
            }
        }
        *place = None;
        let file = open()?;
        let turn = Arc::new(Turn {
            number: self.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            caller: *caller,
            name,
            announced,
            began_utc_ms: now.utc_ms,
            came: AtomicU64::new(file.size()),
            paced: AtomicU64::new(file.size()),
            paced_up_ms: AtomicI64::new(now.up_ms),
            used_up_ms: AtomicI64::new(used_up_ms),
            front_at: AtomicU64::new(0),
            file: Mutex::new(Some(file)),
        });
        *place = Some(Arc::clone(&turn));
        Ok(turn)
    }

    /// The upload of this number, if it is this caller's.
    fn of(&self, caller: &Caller, number: u64) -> Result<Arc<Turn>, GateError> {
        let place = self.turn();
        let turn = place.as_ref().filter(|turn| turn.number == number).ok_or(GateError::UploadOver)?;
        if turn.is_of(caller) { Ok(Arc::clone(turn)) } else { Err(GateError::UploadOver) }
    }

    /// Frees the place of an announced package of which nothing has come for too long: whoever sent it may be gone
    /// without a word, and what is held can be neither swept nor given back to the disk. Whoever is there still
    /// announces it again.
    pub fn leave_still(&self, now: Now) {
        let mut place = self.turn();
        let still = |turn: &Arc<Turn>| turn.announced.is_some() && turn.still_ms(now) > STANDS_STILL_MS;
        if place.as_ref().is_some_and(|turn| still(turn) && turn.give_up()) {
            *place = None;
        }
    }

    /// Frees the place of this package, if it stands still, and drops what has come in of it, before anybody else can begin
    /// to send it; otherwise says who sends it.
    pub fn leave_package(
        &self,
        now: Now,
        id: &PackageId,
        drop_partial: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<(), GateError> {
        let mut place = self.turn();
        let is_its = |turn: &&Arc<Turn>| turn.announced.as_ref().is_some_and(|(announced, _)| announced == id);
        if let Some(turn) = place.as_ref().filter(is_its) {
            let free = turn.is_over() || (turn.still_ms(now) > STANDS_STILL_MS && turn.give_up());
            if !free {
                return Err(GateError::UploadUnderWay { moving: Box::new(turn.moving(now)) });
            }
            *place = None;
        }
        drop_partial()?;
        Ok(())
    }

    /// Frees the place, if it is still this turn's. What was announced stays for going on.
    fn leave(&self, turn: &Arc<Turn>) {
        let mut place = self.turn();
        if place.as_ref().is_some_and(|held| Arc::ptr_eq(held, turn)) {
            *place = None;
        }
        drop(place);
        drop(turn.file().take());
    }
}

/// A package that comes in whole, over a road where nothing can be announced. Dropped, it is gone.
pub struct PackageUpload {
    turn: Arc<Turn>,
    uploads: Arc<Uploads>,
}

impl PackageUpload {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.turn.came.load(Ordering::Relaxed)
    }

    /// Writes at an offset; what goes beyond the largest package is refused, and so is what comes after the place has
    /// been given to another.
    pub fn write_at(&mut self, now: Now, offset: u64, bytes: &[u8]) -> Result<(), GateError> {
        self.turn.write_at(now, offset, bytes).map(drop)
    }

    /// At most `length` bytes from an offset on; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, GateError> {
        match &*self.turn.file() {
            Some(incoming) => Ok(incoming.read_at(offset, length)?),
            None => Err(GateError::UploadOver),
        }
    }

    /// All of it is here.
    pub(crate) fn finish(&self) -> Result<IncomingPackage, GateError> {
        self.turn.file().take().ok_or(GateError::UploadOver)
    }
}

impl Drop for PackageUpload {
    fn drop(&mut self) {
        self.uploads.leave(&self.turn);
    }
}

impl Gate {
    /// Begins to receive a package that comes in whole. There is one at a time, on whatever face.
    pub fn receive_package(&self, now: Now, caller: &Caller) -> Result<PackageUpload, GateError> {
        on_its_road(caller, Step::Stage)?;
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::Do(Right::SecurityConfig))?;
        let kept = |session| state.sessions.is_kept(session);
        let turn = self.uploads.take(now, caller, None, None, kept, || self.inbox().receive())?;
        Ok(PackageUpload { turn, uploads: Arc::clone(&self.uploads) })
    }

    /// Announces a package: the answer says where to go on. One that waits already needn't be sent; one for which there
    /// is no room, on the disk or among those that wait, is refused before anything of it is sent.
    pub fn announce_package(
        &self,
        now: Now,
        caller: &Caller,
        announcement: &Announcement,
    ) -> Result<Announced, GateError> {
        on_its_road(caller, Step::Stage)?;
        let Announcement { package, bytes, name } = announcement;
        self.ask(now, caller, Ask::Do(Right::SecurityConfig))?;
        let id = PackageId::parse(package)?;
        if *bytes == 0 {
            return Err(PackageError::NotAPackage.into());
        }
        if *bytes > MAX_PACKAGE_BYTES {
            return Err(PackageError::TooLarge { bytes: *bytes }.into());
        }
        if !may_be_called(name) {
            return Err(GateError::PackageName);
        }
        if let Some(staged) = self.staged_already(&id)? {
            return Ok(Announced::Staged(staged));
        }
        let state = self.to_configure(now, caller)?;
        packages::room_among_those_that_wait(&state, &id, *bytes, None)?;
        let kept = |session| state.sessions.is_kept(session);
        let open = || self.inbox().go_on(&id, *bytes, now.utc_ms);
        let announced = Some((id.clone(), *bytes));
        let turn = self.uploads.take(now, caller, Some(name.clone()), announced, kept, open)?;
        Ok(Announced::GoOn { upload: turn.number, bytes: turn.came.load(Ordering::Relaxed) })
    }

    /// Takes a piece of an announced package, which goes on where it left off; says how much is here. Whoever may not
    /// any more loses the place.
    pub fn take_piece(
        &self,
        now: Now,
        caller: &Caller,
        upload: u64,
        offset: u64,
        piece: &[u8],
    ) -> Result<u64, GateError> {
        let turn = self.uploads.of(caller, upload);
        if let Err(refused) = self.ask(now, caller, Ask::Do(Right::SecurityConfig)) {
            turn.iter().for_each(|turn| self.uploads.leave(turn));
            return Err(refused);
        }
        let turn = turn?;
        let written = turn.write_at(now, offset, piece).and_then(|size| {
            if size >= turn.front_at.load(Ordering::Relaxed) {
                self.believe_front(now, caller, &turn)?;
            }
            Ok(size)
        });
        if written.is_err() && turn.file().is_none() {
            self.uploads.leave(&turn);
        }
        written
    }

    /// Verifies the front of an upload as far as it is there; one that isn't believed is thrown away.
    fn believe_front(&self, now: Now, caller: &Caller, turn: &Turn) -> Result<(), GateError> {
        let front = match &*turn.file() {
            Some(incoming) => incoming.read_at(0, MAX_FRONT_BYTES)?,
            None => return Err(GateError::UploadOver),
        };
        match self.check_front(now, caller, &front) {
            Ok(next) => turn.front_at.store(next.unwrap_or(u64::MAX), Ordering::Relaxed),
            Err(error) => {
                if let Some(incoming) = turn.file().take() {
                    incoming.discard();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// The link of an upload broke: its place is free at once, and what came in stays for going on.
    pub fn interrupt_upload(&self, caller: &Caller, upload: u64) {
        if let Ok(turn) = self.uploads.of(caller, upload) {
            self.uploads.leave(&turn);
        }
    }

    /// All of an announced package is here: it is staged if it is what was announced, and if the meter itself believes
    /// it (B27).
    pub fn finish_upload(&self, now: Now, caller: &Caller, upload: u64) -> Result<Staged, GateError> {
        self.ask(now, caller, Ask::Do(Right::SecurityConfig))?;
        // Before anything is finished: what comes in a moment too early stays for going on.
        stands_still(&self.state())?;
        let turn = self.uploads.of(caller, upload)?;
        let Some((id, size)) = &turn.announced else { return Err(GateError::UploadOver) };
        // Held as long as it is verified: nobody else gets the place meanwhile.
        let mut file = turn.file();
        match file.as_ref() {
            None => return Err(GateError::UploadOver),
            Some(incoming) if incoming.size() != *size => return Err(GateError::UploadElsewhere(incoming.size())),
            Some(_) => {}
        }
        let incoming = file.take().ok_or(GateError::UploadOver)?;
        let staged =
            self.stage_incoming(now, caller, incoming, Some(id), packages::Called::IfFree(turn.name.as_deref()));
        drop(file);
        self.uploads.leave(&turn);
        staged
    }
}

/// Whether a package may have this name. It is only ever shown and compared: files are named by their digest.
fn may_be_called(name: &str) -> bool {
    (1..=MAX_PACKAGE_NAME).contains(&name.len())
        && !name.contains(['/', '\\'])
        && !name.contains(is_unseen)
        && !matches!(name, "." | "..")
        && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_path() {
        let longest = "n".repeat(MAX_PACKAGE_NAME);
        for good in ["4.40.1.upg", "8650 V4.40.1 (factory).upg", "Zähler.upg", "...", &longest] {
            assert!(may_be_called(good), "{good:?}");
        }
        let long = format!("{longest}n");
        for bad in ["", ".", "..", "../x", "/etc/passwd", "a\\b", "a\0b", "a\nb", "\u{202e}gpu.x", " a", "a ", &long] {
            assert!(!may_be_called(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_said_of_an_upload_is_one_short_line() {
        let mut moving = Moving {
            name: Some("4.40.1.upg".to_owned()),
            package: None,
            bytes: 12_900_000,
            size: Some(41_943_040),
            who: Who::Standard,
            path: "setup",
            peer: Some("192.0.2.7:4711".parse().unwrap()),
            since_utc_ms: 1_767_225_600_000 + 3_723_000,
            still_ms: 0,
        };
        let said = "8650 is sending a package over setup from 192.0.2.7 since 01:02:03 UTC, 12.3 of 40.0 MiB so far";
        assert_eq!(moving.to_string(), said);
        moving = Moving { size: None, who: Who::Nobody, peer: None, path: "meter", since_utc_ms: -1, ..moving };
        assert_eq!(moving.to_string(), "somebody is sending a package over meter since 23:59:59 UTC, 12.3 MiB so far");
        for (bytes, size, said) in [
            (5_000, Some(12_000), "5 of 12 KiB so far"),
            (0, Some((1 << 20) - 1), "0 of 1024 KiB so far"),
            (5_000, Some(1 << 20), "0.0 of 1.0 MiB so far"),
            (12_000, None, "12 KiB so far"),
        ] {
            moving = Moving { bytes, size, ..moving };
            assert!(moving.to_string().ends_with(&format!(" UTC, {said}")), "{moving}");
        }
    }
}
