//! Which Telnet options are on, by the Q method of RFC 1143: a request is answered where it changes something or is
//! refused, a refusal only where it turns something off, and nothing that is as it was is said again. So two ends
//! can't talk in circles, whoever begins and however late an answer comes.
//!
//! The method's states for taking an offer back aren't here: this server offers once and takes nothing back.

/// Interpret As Command.
pub(super) const IAC: u8 = 255;
pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;

/// The side that does it shows what is typed (RFC 857).
pub(super) const ECHO: u8 = 1;
/// The side that does it sends without go-aheads (RFC 858), which nobody here needs.
pub(super) const SUPPRESS_GO_AHEAD: u8 = 3;
/// The client says what its terminal is called (RFC 1091).
pub(super) const TERMINAL_TYPE: u8 = 24;
/// The client says how large its window is (RFC 1073).
pub(super) const WINDOW_SIZE: u8 = 31;

/// What the server offers to do when a client connects, and what it asks the client for. A client that answers
/// nothing has asked for nothing, and gets lines.
const OFFERED: [u8; 2] = [ECHO, SUPPRESS_GO_AHEAD];
const WANTED: [u8; 2] = [TERMINAL_TYPE, WINDOW_SIZE];
/// What the client may do as well, should it offer to.
const WELCOME: [u8; 3] = [SUPPRESS_GO_AHEAD, TERMINAL_TYPE, WINDOW_SIZE];

/// Requests, refusals and subnegotiations on one connection. Clients send a dozen, and one more with each ctrl-C; whoever turns
/// something on and off without end is let go.
pub(super) const MAX_NEGOTIATIONS: usize = 10_000;

/// An option of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    No,
    /// Offered or asked for, and not yet answered: RFC 1143's WANTYES.
    Asked,
    Yes,
}

/// Whose an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// An option that has been turned on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turned {
    pub side: Side,
    pub option: u8,
    pub on: bool,
}

/// One connection's options.
#[derive(Debug)]
pub(super) struct Options {
    ours: [State; OFFERED.len()],
    theirs: [State; WELCOME.len()],
}

impl Options {
    /// As they are when a client connects, and what it is told.
    pub fn open() -> (Self, Vec<u8>) {
        let ours = OFFERED.map(|_| State::Asked);
        let theirs = WELCOME.map(|option| if WANTED.contains(&option) { State::Asked } else { State::No });
        let offers = OFFERED.iter().flat_map(|option| [IAC, WILL, *option]);
        let said = offers.chain(WANTED.iter().flat_map(|option| [IAC, DO, *option])).collect();
        (Self { ours, theirs }, said)
    }

    /// Takes a request (DO, WILL) or a refusal (DONT, WONT); says what there is to say to it.
    pub fn negotiate(&mut self, verb: u8, option: u8, reply: &mut Vec<u8>) -> Option<Turned> {
        let (side, yes, no) = match verb {
            DO | DONT => (Side::Server, WILL, WONT),
            _ => (Side::Client, DO, DONT),
        };
        let on = matches!(verb, DO | WILL);
        let Some(state) = self.state(side, option) else {
            if on {
                reply.extend([IAC, no, option]);
            }
            return None;
        };
        let before = std::mem::replace(state, if on { State::Yes } else { State::No });
        match (before, on) {
            (State::No, true) => reply.extend([IAC, yes, option]),
            (State::Yes, false) => reply.extend([IAC, no, option]),
            (State::Asked, true) => {}
            (State::Yes, true) | (State::No | State::Asked, false) => return None,
        }
        Some(Turned { side, option, on })
    }

    /// Whether an option is on.
    pub fn on(&mut self, side: Side, option: u8) -> bool {
        self.state(side, option).is_some_and(|state| *state == State::Yes)
    }

    fn state(&mut self, side: Side, option: u8) -> Option<&mut State> {
        let at = |known: &[u8]| known.iter().position(|one| *one == option);
        match side {
            Side::Server => at(&OFFERED).map(|at| &mut self.ours[at]),
            Side::Client => at(&WELCOME).map(|at| &mut self.theirs[at]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: [u8; 0] = [];

    fn said(options: &mut Options, verb: u8, option: u8) -> Vec<u8> {
        let mut reply = Vec::new();
        options.negotiate(verb, option, &mut reply);
        reply
    }

    #[test]
    fn offers_that_are_accepted_or_refused_are_not_talked_about_again() {
        let (mut options, opening) = Options::open();
        assert_eq!(
            opening,
            [IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, DO, TERMINAL_TYPE, IAC, DO, WINDOW_SIZE]
        );
        assert_eq!(said(&mut options, DO, ECHO), NOTHING);
        assert!(options.on(Side::Server, ECHO));
        assert_eq!(said(&mut options, DO, ECHO), NOTHING, "it is on already");
        assert_eq!(said(&mut options, WONT, WINDOW_SIZE), NOTHING);
        assert!(!options.on(Side::Client, WINDOW_SIZE));
        // Thinking better of it is acknowledged once, either way.
        assert_eq!(said(&mut options, DONT, ECHO), [IAC, WONT, ECHO]);
        assert_eq!(said(&mut options, DONT, ECHO), NOTHING);
        assert_eq!(said(&mut options, DO, ECHO), [IAC, WILL, ECHO]);
        assert_eq!(said(&mut options, WILL, WINDOW_SIZE), [IAC, DO, WINDOW_SIZE]);
    }

    #[test]
    fn what_is_unknown_is_refused_each_time_it_is_asked_for() {
        // A client that has sent ctrl-C shows nothing until its DO TIMING-MARK is answered.
        let (mut options, _) = Options::open();
        for _ in 0..3 {
            assert_eq!(said(&mut options, DO, 6), [IAC, WONT, 6]);
            assert_eq!(said(&mut options, WILL, 34), [IAC, DONT, 34]);
            assert_eq!(said(&mut options, WILL, ECHO), [IAC, DONT, ECHO], "a client doesn't echo to a server");
            assert_eq!(said(&mut options, DO, WINDOW_SIZE), [IAC, WONT, WINDOW_SIZE]);
            assert_eq!(said(&mut options, DONT, 6), NOTHING);
            assert_eq!(said(&mut options, WONT, 34), NOTHING);
        }
    }

    proptest! {
        #[test]
        fn a_request_has_at_most_one_answer_and_a_refusal_none_but_where_it_turns_something_off(
            requests in proptest::collection::vec((WILL..=DONT, prop_oneof![0u8..40, any::<u8>()]), 0..200),
        ) {
            let (mut options, _) = Options::open();
            for (verb, option) in requests {
                let mut reply = Vec::new();
                let turned = options.negotiate(verb, option, &mut reply);
                prop_assert!(reply.len() == 3 || reply.is_empty());
                if matches!(verb, DONT | WONT) {
                    prop_assert!(reply.is_empty() || turned.is_some());
                }
                if let Some(Turned { side, option, on }) = turned {
                    prop_assert_eq!(options.on(side, option), on);
                }
            }
        }

        /// Two ends with the same rules fall silent, whatever one of them is made to believe of each option.
        #[test]
        fn two_ends_do_not_talk_in_circles(
            requests in proptest::collection::btree_map(0u8..40, WILL..=DONT, 0..20),
        ) {
            let (mut here, opening) = Options::open();
            let (mut there, opening_there) = Options::open();
            let begun = requests.iter().flat_map(|(option, verb)| [IAC, *verb, *option]);
            let mut to_there = opening;
            let mut to_here: Vec<u8> = opening_there.into_iter().chain(begun).collect();
            let mut turns = 0;
            while !(to_there.is_empty() && to_here.is_empty()) {
                let (mut from_there, mut from_here) = (Vec::new(), Vec::new());
                for said in to_there.chunks(3) {
                    there.negotiate(said[1], said[2], &mut from_there);
                }
                for said in to_here.chunks(3) {
                    here.negotiate(said[1], said[2], &mut from_here);
                }
                (to_here, to_there) = (from_there, from_here);
                turns += 1;
                prop_assert!(turns < 10, "{to_here:?} {to_there:?}");
            }
        }
    }
}
