//! Who is logged in: sessions as a table, so that a password's hash is paid for once.
//!
//! The table keeps a digest of each token, never the token. It is bounded and never refuses a login for
//! being full: whoever holds most sessions loses the one unused for longest, so that a reader can't shut
//! the owner out. Times are milliseconds of one clock that never goes back.

use core::net::SocketAddr;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::account::AccountId;
use crate::decide::{Path, Who};
use crate::secret::Token;

/// How many sessions a meter holds at once: far above what people use, small enough to compare a token
/// with each of them.
pub const MAX_SESSIONS: usize = 64;

const MINUTE_MS: i64 = 60_000;

/// One login, as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// A number to name it by; never used twice.
    pub number: u64,
    /// Who has logged in.
    pub who: Who,
    /// By what road.
    pub path: Path,
    /// From where; none at the meter itself.
    pub peer: Option<SocketAddr>,
    /// When, in the caller's milliseconds.
    pub since: i64,
    /// When it was last used.
    pub last_used: i64,
}

struct Entry {
    token: [u8; 32],
    session: Session,
}

/// All sessions of a meter.
pub struct SessionTable {
    timeout_minutes: u16,
    next_number: u64,
    entries: Vec<Entry>,
}

impl SessionTable {
    /// No sessions yet; each ends after this many minutes without use.
    pub fn new(timeout_minutes: u16) -> Self {
        Self { timeout_minutes, next_number: 1, entries: Vec::new() }
    }

    /// The time-out register has changed: it holds for running sessions too.
    pub fn set_timeout(&mut self, minutes: u16) {
        self.timeout_minutes = minutes;
    }

    /// Begins a session. `token` must be random and new.
    ///
    /// Gives the session's number, and the session that had to end for it when the table was full.
    pub fn open(
        &mut self,
        token: &Token,
        who: Who,
        path: Path,
        peer: Option<SocketAddr>,
        now: i64,
    ) -> (u64, Option<Session>) {
        let ended = if self.entries.len() >= MAX_SESSIONS { self.make_room(now) } else { None };
        let number = self.next_number;
        self.next_number += 1;
        let session = Session { number, who, path, peer, since: now, last_used: now };
        self.entries.push(Entry { token: token.digest(), session });
        (number, ended)
    }

    /// The session of this token, now used again; `None` if there is none or it has timed out.
    pub fn touch(&mut self, token: &Token, now: i64) -> Option<Session> {
        let at = self.find(token)?;
        if self.is_over(&self.entries[at].session, now) {
            self.entries.remove(at);
            return None;
        }
        let session = &mut self.entries[at].session;
        session.last_used = session.last_used.max(now);
        Some(session.clone())
    }

    /// Whether this token has a session now. Looking is not using: it doesn't put the time-out off.
    pub fn holds(&self, token: &Token, now: i64) -> bool {
        self.find(token).is_some_and(|at| !self.is_over(&self.entries[at].session, now))
    }

    /// Whether the session with this number holds now.
    pub fn is_open(&self, number: u64, now: i64) -> bool {
        self.entries.iter().any(|entry| entry.session.number == number && !self.is_over(&entry.session, now))
    }

    /// Whether the session with this number is still in the table: neither ended nor [reaped](Self::reap).
    pub fn is_kept(&self, number: u64) -> bool {
        self.entries.iter().any(|entry| entry.session.number == number)
    }

    /// The digest of the token of the session with this number.
    pub fn token_digest(&self, number: u64) -> Option<[u8; 32]> {
        self.entries.iter().find(|entry| entry.session.number == number).map(|entry| entry.token)
    }

    /// Ends the session of this token.
    pub fn close(&mut self, token: &Token) -> Option<Session> {
        let at = self.find(token)?;
        Some(self.entries.remove(at).session)
    }

    /// Ends the session with this number.
    pub fn close_number(&mut self, number: u64) -> Option<Session> {
        self.end_where(|session| session.number == number).pop()
    }

    /// Ends every session of an account: it has a new password, or is no longer active.
    pub fn close_all_of(&mut self, account: AccountId) -> Vec<Session> {
        let who = match account {
            AccountId::FrontPanel => Who::Standard,
            AccountId::User(user) => Who::User(user),
        };
        self.end_where(|session| session.who == who)
    }

    /// Ends every session: the mode or the release has changed.
    pub fn close_all(&mut self) -> Vec<Session> {
        self.end_where(|_| true)
    }

    /// The sessions that hold now, the oldest first.
    pub fn list(&self, now: i64) -> impl Iterator<Item = &Session> {
        self.entries.iter().map(|entry| &entry.session).filter(move |session| !self.is_over(session, now))
    }

    /// Ends the sessions that have timed out.
    pub fn reap(&mut self, now: i64) -> Vec<Session> {
        let timeout = self.timeout_minutes;
        self.end_where(|session| timed_out(session, timeout, now))
    }

    fn is_over(&self, session: &Session, now: i64) -> bool {
        timed_out(session, self.timeout_minutes, now)
    }

    fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> Vec<Session> {
        self.entries.extract_if(.., |entry| ends(&entry.session)).map(|entry| entry.session).collect()
    }

    /// Compares with every token kept, in a time that depends on their number alone.
    fn find(&self, token: &Token) -> Option<usize> {
        let wanted = token.digest();
        let mut found = u64::MAX;
        for (at, entry) in (0u64..).zip(&self.entries) {
            found.conditional_assign(&at, entry.token.ct_eq(&wanted));
        }
        usize::try_from(found).ok().filter(|at| *at < self.entries.len())
    }

    /// Ends what has timed out, or else the longest unused session of whoever holds most.
    fn make_room(&mut self, now: i64) -> Option<Session> {
        self.reap(now);
        if self.entries.len() < MAX_SESSIONS {
            return None;
        }
        let held = |who: Who| self.entries.iter().filter(|entry| entry.session.who == who).count();
        let most = self.entries.iter().map(|entry| held(entry.session.who)).max()?;
        let (at, _) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| held(entry.session.who) == most)
            .min_by_key(|(_, entry)| entry.session.last_used)?;
        Some(self.entries.remove(at).session)
    }
}

fn timed_out(session: &Session, timeout_minutes: u16, now: i64) -> bool {
    now.saturating_sub(session.last_used) >= i64::from(timeout_minutes) * MINUTE_MS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::UserId;

    fn token(n: u8) -> Token {
        Token::new(&[n; 32])
    }

    fn user(n: u8) -> Who {
        Who::User(UserId::new(n).unwrap())
    }

    fn open(table: &mut SessionTable, n: u8, who: Who, now: i64) -> Option<Session> {
        table.open(&token(n), who, Path::Setup, None, now).1
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_ends_when_it_is_not() {
        let mut table = SessionTable::new(15);
        open(&mut table, 1, user(1), 0);
        assert_eq!(table.touch(&token(2), 0), None);
        for minute in [14, 28, 42] {
            let session = table.touch(&token(1), minute * MINUTE_MS).unwrap();
            assert_eq!((session.who, session.since, session.last_used), (user(1), 0, minute * MINUTE_MS));
        }
        assert_eq!(table.list(57 * MINUTE_MS - 1).count(), 1);
        assert_eq!(table.list(57 * MINUTE_MS).count(), 0);
        assert_eq!(table.touch(&token(1), 57 * MINUTE_MS), None);
        assert!(table.entries.is_empty());
    }

    #[test]
    fn a_shorter_time_out_holds_for_running_sessions_and_reaping_says_which_ended() {
        let mut table = SessionTable::new(15);
        open(&mut table, 1, user(1), 0);
        open(&mut table, 2, user(2), 4 * MINUTE_MS);
        assert!(table.reap(5 * MINUTE_MS).is_empty());
        table.set_timeout(5);
        assert!(!table.holds(&token(1), 5 * MINUTE_MS), "looking puts nothing off");
        assert!(table.holds(&token(2), 5 * MINUTE_MS));
        assert_eq!(table.reap(5 * MINUTE_MS).iter().map(|s| s.number).collect::<Vec<_>>(), [1]);
        assert_eq!(table.list(5 * MINUTE_MS).map(|s| s.who).collect::<Vec<_>>(), [user(2)]);
    }

    #[test]
    fn closing_ends_one_or_all_of_an_account_or_all() {
        let mut table = SessionTable::new(15);
        for (n, who) in [(1, user(1)), (2, user(2)), (3, user(1)), (4, Who::Standard), (5, user(3)), (6, user(4))] {
            open(&mut table, n, who, 0);
        }
        assert_eq!(table.close(&token(2)).unwrap().number, 2);
        assert_eq!(table.close(&token(2)), None);
        assert_eq!(table.close_number(5).unwrap().who, user(3));
        assert_eq!(table.close_number(5), None);
        assert_eq!(table.close_all_of(AccountId::User(UserId::new(1).unwrap())).len(), 2);
        assert_eq!(table.touch(&token(1), 0), None);
        assert_eq!(table.close_all_of(AccountId::FrontPanel).len(), 1);
        assert_eq!(table.close_all().len(), 1);
        assert_eq!(table.list(0).count(), 0);
    }

    #[test]
    fn a_full_table_ends_the_longest_unused_session_of_whoever_holds_most() {
        let mut table = SessionTable::new(15);
        let max = u8::try_from(MAX_SESSIONS).unwrap();
        assert_eq!(open(&mut table, 0, user(1), 0), None);
        for n in 1..max {
            assert_eq!(open(&mut table, n, user(2), i64::from(n)), None);
        }
        table.touch(&token(1), 500);
        let ended = open(&mut table, max, user(2), 600).unwrap();
        assert_eq!((ended.who, ended.since), (user(2), 2), "not the owner's, and not the one just used");
        assert!(table.touch(&token(0), 600).is_some());
        assert_eq!(table.list(600).count(), MAX_SESSIONS);
        assert_eq!(open(&mut table, max + 1, user(3), 16 * MINUTE_MS), None, "what has timed out makes room");
    }

    #[test]
    fn the_table_keeps_no_token() {
        let mut table = SessionTable::new(15);
        open(&mut table, 7, user(1), 0);
        assert_ne!(table.entries[0].token, [7; 32]);
    }

    proptest! {
        #[test]
        fn a_token_opens_its_own_session_and_no_other_at_any_time(
            steps in proptest::collection::vec((0u8..100, 1u8..17, any::<i64>()), 0..200),
            timeout: u16,
        ) {
            let mut table = SessionTable::new(timeout);
            let mut opened = std::collections::BTreeSet::new();
            for (n, owner, now) in steps {
                if opened.insert(n) {
                    table.open(&token(n), user(owner), Path::Ssh, None, now);
                    if let Some(session) = table.touch(&token(n), now) {
                        prop_assert_eq!(session.who, user(owner));
                    } else {
                        prop_assert_eq!(timeout, 0);
                    }
                }
                prop_assert!(table.touch(&token(n ^ 0x80), now).is_none());
                prop_assert!(table.entries.len() <= MAX_SESSIONS);
            }
        }
    }
}
