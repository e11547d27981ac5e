//! Who gets a place where places are few: so many connections a face takes at once, and no address may fill them. Pure:
//! it is told who holds a place and who wants one, and says whether there is room, or whose place is to be had.
//!
//! Three rules. An eighth of a face's places is out of one address's reach, so that somebody else always finds the
//! door: not half, since a head-end or a gateway that many people sit behind is one address too. When all places are
//! taken, the newcomer gets that of the longest waiting connection of the address that holds most, as long as
//! it holds more than the newcomer's own: whoever comes with many addresses gains no more than with one. And whoever
//! comes from where somebody has logged in before goes before those who come from anywhere, and never makes way for
//! them. A connection that somebody has logged in on (or, where nobody logs in, one that was heard just now) keeps
//! its place in any case.

use std::collections::BTreeMap;

use security::Source;

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
        return in_place_of(holders.iter().find(|holder| holder.source == source && !holder.keeps));
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
    in_place_of(victim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(n: u8) -> Source {
        Source::V4([192, 0, 2, n])
    }

    /// `a` waits, `A` keeps its place, each letter an address; `!` before it says that it is known.
    fn holders(line: &str) -> Vec<Holder> {
        let mut known = false;
        let mut holders = Vec::new();
        for byte in line.bytes() {
            if byte == b'!' {
                known = true;
                continue;
            }
            let number = holders.len() as u64;
            let source = from(byte.to_ascii_lowercase());
            holders.push(Holder { number, source, known, keeps: byte.is_ascii_uppercase() });
            known = false;
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
        ];
        for (line, newcomer, known, room_there) in rows {
            let newcomer_from = from(newcomer as u8);
            assert_eq!(room(8, &holders(line), newcomer_from, known), room_there, "{line} and {newcomer}");
        }
    }

    #[test]
    fn an_eighth_is_out_of_one_addresss_reach() {
        assert_eq!([2, 4, 16, 32, 64].map(share), [2, 3, 14, 28, 56]);
    }

    proptest! {
        #[test]
        fn one_address_never_fills_a_face_and_a_known_one_always_finds_a_place_among_waiting_strangers(
            flood in prop::collection::vec((0u8..40, any::<bool>()), 0..300),
            limit in 4usize..40,
        ) {
            let mut held: Vec<Holder> = Vec::new();
            for (number, (n, keeps)) in flood.into_iter().enumerate() {
                let newcomer = Holder { number: number as u64, source: from(n), known: false, keeps };
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
    }
}
