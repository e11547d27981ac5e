//! Sessions that end, as the log tells of them: whose, by which road, and how. A login is logged at once; an end
//! waits for the next commit, at most a second, so that whoever hangs up makes nobody wait for the disk.

use firmware::{KeyChange, Settings};
use security::{AccountId, Path, Session, UserId, Who};
use store::NewEvent;

use crate::events::{Draft, LogSetup, priority};
use crate::{Caller, Now};

/// Ends that wait for their commit. More in one second are counted in the last entry.
const WAITING: usize = 256;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its owner logged out or hung up.
    Closed,
    /// Nobody used it for too long.
    TimedOut,
    /// The table was full.
    GaveWay,
    /// Somebody changed something that ended it.
    By(Why, Who, Option<Path>),
}

/// What ended a session that its owner didn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Password,
    /// No session remembers what opened it, so a key that is taken away ends all of its account's.
    Key,
    Deactivated,
    Mode,
    Release,
}

impl Ended {
    fn effect(self) -> String {
        let (why, who, path) = match self {
            Self::Closed => return "closed".to_owned(),
            Self::TimedOut => return "timed out".to_owned(),
            Self::GaveWay => return "ended: too many sessions".to_owned(),
            Self::By(why, who, path) => (why, who, path.map_or("meter", Path::name)),
        };
        let why = match why {
            Why::Password => "the password was changed",
            Why::Key => "an SSH key was removed",
            Why::Deactivated => "the user was deactivated",
            Why::Mode => "the security mode was changed",
            Why::Release => "the release was changed",
        };
        format!("ended: {why} by {who}, {path}")
    }
}

/// What the log says of a session's end.
pub(crate) fn event(log: LogSetup, now: Now, session: &Session, ended: Ended) -> Option<NewEvent> {
    let draft = Draft::ordinary(priority::INFORMATION, format!("session {}", session.number), ended.effect());
    log.take(now, &Caller::in_session(session), vec![draft]).pop()
}

/// Whether a change of settings ends what anybody has logged in for, sessions or the logins that were about to open one.
pub(crate) fn anybody(before: &Settings, after: &Settings, passwords: &[AccountId]) -> bool {
    let users = UserId::all().map(Who::User);
    users.chain([Who::Standard, Who::Nobody]).any(|who| why(before, after, passwords, who).is_some())
}

/// Why a change of settings ends somebody's sessions, if it does.
pub(crate) fn why(before: &Settings, after: &Settings, passwords: &[AccountId], who: Who) -> Option<Why> {
    let account = match who {
        Who::User(user) => Some(AccountId::User(user)),
        Who::Standard => Some(AccountId::FrontPanel),
        Who::Nobody => None,
    };
    if before.mode() != after.mode() {
        return Some(Why::Mode);
    }
    if account.is_some_and(|account| passwords.contains(&account)) {
        return Some(Why::Password);
    }
    // A user that is deactivated loses its keys with it.
    if matches!(who, Who::User(user) if before.user(user).active && !after.user(user).active) {
        return Some(Why::Deactivated);
    }
    let mut keys = before.key_differences(after);
    keys.any(|(of, _, change)| account == Some(of) && change == KeyChange::Removed).then_some(Why::Key)
}

/// Ends that wait for the next commit.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    events: Vec<NewEvent>,
    uncounted: u32,
}

impl Waiting {
    /// One more.
    pub fn push(&mut self, event: Option<NewEvent>) {
        match event {
            Some(event) if self.events.len() < WAITING => self.events.push(event),
            Some(_) => self.uncounted = self.uncounted.saturating_add(1),
            None => {}
        }
    }

    /// All of them, for a commit that is about to be made. What isn't committed comes back by
    /// [`put_back`](Self::put_back).
    pub fn take(&mut self) -> Vec<NewEvent> {
        let more = std::mem::take(&mut self.uncounted);
        if let (Some(last), true) = (self.events.last_mut(), more > 0) {
            last.effect.push_str(&format!(" ({more} more sessions ended in this second)"));
        }
        std::mem::take(&mut self.events)
    }

    /// These were not committed after all.
    pub fn put_back(&mut self, events: Vec<NewEvent>) {
        self.events.splice(0..0, events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Keep;

    fn event(number: usize) -> NewEvent {
        let text = || "-".to_owned();
        NewEvent {
            utc_ms: 0,
            priority: 25,
            user: text(),
            path: text(),
            cause: format!("session {number}"),
            effect: "closed".to_owned(),
            keep: Keep::Ring,
            chain: None,
        }
    }

    #[test]
    fn no_more_wait_than_there_is_room_and_the_others_are_counted() {
        let mut waiting = Waiting::default();
        (0..WAITING + 3).for_each(|number| waiting.push(Some(event(number))));
        waiting.push(None);
        let taken = waiting.take();
        assert_eq!(taken.len(), WAITING);
        assert_eq!(taken[WAITING - 1].effect, "closed (3 more sessions ended in this second)");
        assert!(waiting.take().is_empty());
        waiting.push(Some(event(7)));
        waiting.put_back(taken);
        assert_eq!(waiting.take().last().unwrap().cause, "session 7");
    }
}
