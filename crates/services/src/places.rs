//! Who gets a place where places are few: so many connections a face takes at once, and no address may fill them. Pure:
//! it is told who holds a place and who wants one, and says whether there is room, or whose place is to be had.
//!
//! Three rules. An eighth of a face's places is out of one address's reach, so that somebody else always finds the
//! door: not half, since a head-end or a gateway that many people sit behind is one address too. When all places are
//! taken, the newcomer gets that of the longest waiting connection of the address that holds most, as long as
//! it holds more than the newcomer's own: whoever comes with many addresses gains no more than with one. And whoever
//! comes from where somebody has logged in before goes before those who come from anywhere, and never makes way for
//! them. A connection that somebody has logged in on (or, where nobody logs in, one that was heard just now) keeps
//! its place.
//!
//! One exception: an account that holds more than a quarter of a face's places keeps that quarter alone. When nothing
//! else is to be had, whoever comes from where somebody has logged in before gets the place of the longest held
//! connection of the account that holds most. So one account, from however many addresses, never shuts out an owner; a
//! quarter, because three accounts that are each within their share still leave a quarter of the places to others, and
//! because the smallest face that takes logins has four places. A stranger gets nobody's login to make way.

use std::collections::BTreeMap;

use security::{Source, Who};

/// Somebody who holds a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Which connection it is.
    pub number: u64,
    /// From where.
    pub source: Source,
    /// Whether somebody has logged in from there before.
    pub known: bool,
    /// Whether it keeps its place, whoever comes.
    pub keeps: bool,
    /// Who has logged in on it.
    pub who: Who,
}

/// What there is for a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// A free place.
    Free,
    /// The place of this connection, which is to be ended.
    InPlaceOf(u64),
    /// Nothing: the newcomer is closed at once.
    Full,
}

/// How many of a face's places one address may hold.
pub fn share(limit: usize) -> usize {
    // A face of very few places has none to set aside.
    if limit < 4 { limit } else { limit - limit.div_ceil(8) }
}

/// How many of a face's places one account keeps.
pub fn account_share(limit: usize) -> usize {
    (limit / 4).max(1)
}

/// The longest held connection of the account that holds most beyond its share, among those from `only`.
fn beyond_share(limit: usize, holders: &[Holder], only: Option<Source>) -> Option<&Holder> {
    let held = |who: Who| holders.iter().filter(|holder| holder.who == who).count();
    let mut victim: Option<&Holder> = None;
    for holder in holders.iter().filter(|holder| holder.keeps && holder.who != Who::Nobody) {
        let is_asked_for = only.is_none_or(|source| holder.source == source);
        let most = victim.map_or(account_share(limit), |victim| held(victim.who));
        if is_asked_for && held(holder.who) > most {
            victim = Some(holder);
        }
    }
    victim
}

/// Whether there is room for one more from `source`. `holders` come with the one that should go first in front.
pub fn room(limit: usize, holders: &[Holder], source: Source, known: bool) -> Room {
    let mut held: BTreeMap<Source, usize> = BTreeMap::new();
    for holder in holders {
        *held.entry(holder.source).or_default() += 1;
    }
    let holds = |source: &Source| held.get(source).copied().unwrap_or(0);
    let own = holds(&source);
    let in_place_of = |holder: Option<&Holder>| holder.map_or(Room::Full, |holder| Room::InPlaceOf(holder.number));
    if own >= share(limit) {
        let waiting = holders.iter().find(|holder| holder.source == source && !holder.keeps);
        return in_place_of(waiting.or_else(|| beyond_share(limit, holders, Some(source)).filter(|_| known)));
    }
    if holders.len() < limit {
        return Room::Free;
    }
    let comes_first = |holder: &&Holder| {
        let stranger = known && !holder.known;
        !holder.keeps && (stranger || holder.known == known && holds(&holder.source) > own)
    };
    // The first of those that are equal, so the longest waiting one.
    let mut victim: Option<&Holder> = None;
    for holder in holders.iter().filter(comes_first) {
        let rank = |holder: &Holder| (!holder.known, holds(&holder.source));
        if victim.is_none_or(|victim| rank(holder) > rank(victim)) {
            victim = Some(holder);
        }
    }
    in_place_of(victim.or_else(|| beyond_share(limit, holders, None).filter(|_| known)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use security::UserId;

    use super::*;

    fn from(n: u8) -> Source {
        Source::V4([192, 0, 2, n])
    }

    fn user(n: u8) -> Who {
        Who::User(UserId::new(n).unwrap())
    }

    /// `a` waits, `A` keeps its place, each letter an address; `!` before it says that it is known, a digit that this
    /// user is logged in on it.
    fn holders(line: &str) -> Vec<Holder> {
        let (mut known, mut who) = (false, Who::Nobody);
        let mut holders = Vec::new();
        for byte in line.bytes() {
            if byte == b'!' {
                known = true;
                continue;
            }
            if byte.is_ascii_digit() {
                who = user(byte - b'0');
                continue;
            }
            let number = holders.len() as u64;
            let source = from(byte.to_ascii_lowercase());
            holders.push(Holder { number, source, known, keeps: byte.is_ascii_uppercase(), who });
            (known, who) = (false, Who::Nobody);
        }
        holders
    }

    #[test]
    fn who_gets_whose_place() {
        use Room::{Free, Full, InPlaceOf};
        let rows = [
            ("", 'a', false, Free),
            ("aaaaaa", 'a', false, Free),
            // Seven of eight are all that one address gets, logged in or not.
            ("aaaaaaa", 'a', false, InPlaceOf(0)),
            ("AAAAAAA", 'a', false, Full),
            ("AAAAAAA", 'b', false, Free),
            // Full: the address that holds most makes room, its longest waiting first.
            ("baaaaaaa", 'c', false, InPlaceOf(1)),
            ("bAaaaaaa", 'c', false, InPlaceOf(2)),
            ("bbbbaaac", 'd', false, InPlaceOf(0)),
            // Nobody makes room for an address that holds as much already.
            ("aabbccdd", 'a', false, Full),
            ("aabbccdd", 'e', false, InPlaceOf(0)),
            ("abcdefgh", 'i', false, InPlaceOf(0)),
            ("ABCDEFGH", 'i', false, Full),
            // Known before unknown, whatever they hold.
            ("!a!a!a!a!a!a!ab", 'c', false, InPlaceOf(7)),
            ("!a!a!a!a!b!b!b!b", 'c', false, Full),
            ("abcdefgh", 'a', true, InPlaceOf(0)),
            ("!a!abcdefg", 'a', true, InPlaceOf(2)),
            ("!a!a!a!a!b!b!b!b", 'c', true, InPlaceOf(0)),
            // One account from two addresses fills a face: whoever is known gets its longest held place, nobody else any.
            ("!1A!1A!1A!1A!1B!1B!1B!1B", 'c', true, InPlaceOf(0)),
            ("!1A!1A!1A!1A!1B!1B!1B!1B", 'c', false, Full),
            // Of those beyond their share the one that holds most; those within it keep theirs.
            ("!2A!2A!2A!1B!1B!1B!1B!3C", 'd', true, InPlaceOf(3)),
            ("!1A!1A!2B!2B!3C!3C!4D!4D", 'e', true, Full),
            // Waiting ones first, and from a full address only its own.
            ("!1A!1A!1A!1A!1B!1B!1Bd", 'c', true, InPlaceOf(7)),
            ("!1A!1A!1A!1A!1A!1A!1A", 'a', true, InPlaceOf(0)),
            ("!1A!1A!1A!1A!1A!1A!1A", 'a', false, Full),
            // Where nobody logs in there is no account to count by.
            ("!A!A!A!A!B!B!B!B", 'c', true, Full),
        ];
        for (line, newcomer, known, room_there) in rows {
            let newcomer_from = from(newcomer as u8);
            assert_eq!(room(8, &holders(line), newcomer_from, known), room_there, "{line} and {newcomer}");
        }
    }

    #[test]
    fn an_eighth_is_out_of_one_addresss_reach() {
        assert_eq!([2, 4, 16, 32, 64].map(share), [2, 3, 14, 28, 56]);
        assert_eq!([2, 4, 16, 32, 64].map(account_share), [1, 1, 4, 8, 16]);
    }

    proptest! {
        #[test]
        fn one_address_never_fills_a_face_and_a_known_one_always_finds_a_place_among_waiting_strangers(
            flood in prop::collection::vec((0u8..40, any::<bool>()), 0..300),
            limit in 4usize..40,
        ) {
            let mut held: Vec<Holder> = Vec::new();
            for (number, (n, keeps)) in flood.into_iter().enumerate() {
                let newcomer = Holder { number: number as u64, source: from(n), known: false, keeps, who: Who::Nobody };
                match room(limit, &held, newcomer.source, false) {
                    Room::Free => held.push(newcomer),
                    Room::InPlaceOf(number) => {
                        let at = held.iter().position(|holder| holder.number == number).unwrap();
                        prop_assert!(!held.remove(at).keeps);
                        held.push(newcomer);
                    }
                    Room::Full => {}
                }
                prop_assert!(held.len() <= limit);
                let most = held.iter().map(|one| held.iter().filter(|two| two.source == one.source).count()).max();
                prop_assert!(most <= Some(share(limit)));
            }
            let found = room(limit, &held, from(200), true);
            prop_assert_eq!(found == Room::Full, held.len() == limit && held.iter().all(|holder| holder.keeps));
        }

        #[test]
        fn an_account_keeps_a_quarter_and_who_is_known_gets_in_unless_every_account_is_within_its_own(
            comers in prop::collection::vec((0u8..6, 1u8..8, any::<bool>()), 0..300),
            limit in 4usize..40,
        ) {
            let mut held: Vec<Holder> = Vec::new();
            let count = |held: &[Holder], who: Who| held.iter().filter(|one| one.who == who).count();
            for (number, (n, account, logs_in)) in comers.into_iter().enumerate() {
                let who = if logs_in { user(account) } else { Who::Nobody };
                let (number, source) = (number as u64, from(n));
                let newcomer = Holder { number, source, known: true, keeps: logs_in, who };
                match room(limit, &held, source, true) {
                    Room::Free => held.push(newcomer),
                    Room::InPlaceOf(number) => {
                        let at = held.iter().position(|holder| holder.number == number).unwrap();
                        let gone = held.remove(at);
                        prop_assert!(!gone.keeps || count(&held, gone.who) >= account_share(limit), "its share is kept");
                        held.push(newcomer);
                    }
                    Room::Full => {}
                }
                prop_assert!(held.len() <= limit);
            }
            if held.iter().any(|one| one.keeps && count(&held, one.who) > account_share(limit)) {
                prop_assert!(room(limit, &held, from(200), true) != Room::Full);
            }
            held.retain(|holder| holder.keeps);
            if held.len() == limit {
                prop_assert_eq!(room(limit, &held, from(200), false), Room::Full, "no login makes way for a stranger");
            }
        }
    }
}
