//! The Telnet protocol (RFC 854) under the conversation: takes its commands out of what a client sends and
//! says what to answer them. Without I/O, and without memory beyond a few bytes of state, so that the same
//! bytes mean the same however the network cuts them.
//!
//! A client that agrees to the server's echo has its keys looked at one by one; one that doesn't, or says nothing
//! at all, sends lines that it shows and edits itself. It may change its mind at any byte.

use super::options::{
    DO, DONT, ECHO, IAC, MAX_NEGOTIATIONS, Options, Side, TERMINAL_TYPE, Turned, WILL, WINDOW_SIZE, WONT,
};
use crate::terminal::editor::Kind;

const SUBNEGOTIATION: u8 = 250;
const SUBNEGOTIATION_END: u8 = 240;
const ERASE_LINE: u8 = 248;
const ERASE_CHARACTER: u8 = 247;
const ARE_YOU_THERE: u8 = 246;
const INTERRUPT: u8 = 244;
const BREAK: u8 = 243;
/// RFC 1184's, which clients send without its option too.
const ABORT: u8 = 238;
const END_OF_FILE: u8 = 236;
/// In a subnegotiation of the terminal's type: say it, and it is said.
const SEND: u8 = 1;
const IS: u8 = 0;

/// The keys that mean the same as a command.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

/// The visible answer to "are you there".
const HERE: &[u8] = b"\r\n[yes]\r\n";
/// An answer is at most so many times as long as what it answers: `HERE` is nine bytes to two.
#[cfg(any(test, feature = "testbed"))]
pub(super) const LONGEST_ANSWER: usize = 5;
/// A subnegotiation longer than this ends the connection. A window's size and a terminal's name (RFC 1091: forty
/// characters) are far below it.
pub(super) const MAX_SUBNEGOTIATION: usize = 256;

/// Nobody who means well goes on so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Endless {
    #[error("a Telnet subnegotiation of more than {MAX_SUBNEGOTIATION} bytes was sent: the connection was closed")]
    Subnegotiation,
    #[error("more than {MAX_NEGOTIATIONS} Telnet options were negotiated: the connection was closed")]
    Negotiation,
}

/// What a client has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A character was typed.
    Typed(u8),
    /// From here on its terminal does this.
    Terminal(Kind),
    /// Its window has so many columns and rows.
    Window(u16, u16),
}

/// One connection's Telnet state.
#[derive(Debug)]
pub(super) struct Filter {
    state: State,
    options: Options,
    negotiated: usize,
    /// What its terminal understands, should it send keys.
    named: Kind,
    /// The subnegotiation that is being heard. Nothing in one is secret.
    told: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Data,
    Command,
    Option(u8),
    /// Inside a subnegotiation.
    Sub,
    /// After an IAC inside one.
    SubCommand,
}

impl Filter {
    /// For a client that has just connected, and what it is told.
    pub fn open() -> (Self, Vec<u8>) {
        let (options, opening) = Options::open();
        (Self { state: State::Data, options, negotiated: 0, named: Kind::Dumb, told: Vec::new() }, opening)
    }

    /// Takes what a client has sent: what it means goes to `hear`, answers to `reply`.
    pub fn take(&mut self, bytes: &[u8], reply: &mut Vec<u8>, hear: &mut impl FnMut(Heard)) -> Result<(), Endless> {
        for byte in bytes {
            self.state = self.step(*byte, reply, hear)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, reply: &mut Vec<u8>, hear: &mut impl FnMut(Heard)) -> Result<State, Endless> {
        Ok(match (self.state, byte) {
            (State::Data, IAC) => State::Command,
            (State::Data, byte) => {
                hear(Heard::Typed(byte));
                State::Data
            }
            (State::Command, WILL | WONT | DO | DONT) => State::Option(byte),
            (State::Command, SUBNEGOTIATION) => {
                self.count()?;
                self.told.clear();
                State::Sub
            }
            (State::Command, command) => {
                match command {
                    IAC => hear(Heard::Typed(IAC)),
                    INTERRUPT | BREAK | ABORT => hear(Heard::Typed(CTRL_C)),
                    END_OF_FILE => hear(Heard::Typed(CTRL_D)),
                    ERASE_CHARACTER => hear(Heard::Typed(DELETE)),
                    ERASE_LINE => hear(Heard::Typed(CTRL_U)),
                    ARE_YOU_THERE => reply.extend(HERE),
                    // The rest, "abort output" and the mark of a SYNCH among it, have nothing to do here: output is
                    // short, and what came before such a mark is not thrown away.
                    _ => {}
                }
                State::Data
            }
            (State::Option(verb), option) => {
                self.count()?;
                if let Some(turned) = self.options.negotiate(verb, option, reply) {
                    self.turn(turned, reply, hear);
                }
                State::Data
            }
            (State::Sub | State::SubCommand, _) if self.told.len() >= MAX_SUBNEGOTIATION => {
                return Err(Endless::Subnegotiation);
            }
            (State::Sub, IAC) => State::SubCommand,
            (State::Sub, byte) => {
                self.told.push(byte);
                State::Sub
            }
            (State::SubCommand, SUBNEGOTIATION_END) => {
                self.be_told(hear);
                State::Data
            }
            // An IAC that stands for itself; anything else has no meaning here and counts all the same.
            (State::SubCommand, byte) => {
                self.told.push(byte);
                State::Sub
            }
        })
    }

    /// One more request, refusal or subnegotiation.
    fn count(&mut self) -> Result<(), Endless> {
        self.negotiated += 1;
        if self.negotiated > MAX_NEGOTIATIONS { Err(Endless::Negotiation) } else { Ok(()) }
    }

    fn turn(&mut self, turned: Turned, reply: &mut Vec<u8>, hear: &mut impl FnMut(Heard)) {
        match turned {
            Turned { side: Side::Server, option: ECHO, on } => {
                hear(Heard::Terminal(if on { self.named } else { Kind::Lines }));
            }
            Turned { side: Side::Client, option: TERMINAL_TYPE, on: true } => {
                reply.extend([IAC, SUBNEGOTIATION, TERMINAL_TYPE, SEND, IAC, SUBNEGOTIATION_END]);
            }
            _ => {}
        }
    }

    /// A subnegotiation has come to its end. One of an option that isn't on is nobody's.
    fn be_told(&mut self, hear: &mut impl FnMut(Heard)) {
        match *self.told {
            [WINDOW_SIZE, c1, c0, r1, r0] if self.options.on(Side::Client, WINDOW_SIZE) => {
                hear(Heard::Window(u16::from_be_bytes([c1, c0]), u16::from_be_bytes([r1, r0])));
            }
            [TERMINAL_TYPE, IS, ref name @ ..] if self.options.on(Side::Client, TERMINAL_TYPE) => {
                self.named = Kind::of(&String::from_utf8_lossy(name));
                if self.options.on(Side::Server, ECHO) {
                    hear(Heard::Terminal(self.named));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::options::SUPPRESS_GO_AHEAD;
    use super::*;

    type Result = std::result::Result<(), Endless>;

    fn heard(pieces: &[&[u8]]) -> (Vec<Heard>, Vec<u8>, Result) {
        let (mut filter, _) = Filter::open();
        let (mut all, mut reply) = (Vec::new(), Vec::new());
        let result = pieces.iter().try_for_each(|piece| filter.take(piece, &mut reply, &mut |one| all.push(one)));
        (all, reply, result)
    }

    fn typed(bytes: &[u8]) -> Vec<Heard> {
        bytes.iter().map(|byte| Heard::Typed(*byte)).collect()
    }

    const SEND_TYPE: [u8; 6] = [IAC, SUBNEGOTIATION, TERMINAL_TYPE, SEND, IAC, SUBNEGOTIATION_END];

    #[test]
    fn commands_are_taken_out_and_requests_declined() {
        let rows: &[(&[u8], &[u8], &[u8])] = &[
            (b"8650\r\n", b"8650\r\n", b""),
            // BSD's telnet: LINEMODE, SPEED, remote flow control, environment, STATUS.
            (
                &[IAC, WILL, 34, IAC, WILL, 32, IAC, WILL, 33, IAC, WILL, 39, IAC, DO, 5, b'x'],
                b"x",
                &[IAC, DONT, 34, IAC, DONT, 32, IAC, DONT, 33, IAC, DONT, 39, IAC, WONT, 5],
            ),
            (&[IAC, WONT, WINDOW_SIZE, IAC, DONT, ECHO], b"", b""),
            (&[b'a', IAC, IAC, b'b'], &[b'a', 255, b'b'], b""),
            (&[b'a', IAC, SUBNEGOTIATION, 39, 0, b'v', IAC, IAC, 1, IAC, SUBNEGOTIATION_END, b'b'], b"ab", b""),
            (&[IAC, INTERRUPT, IAC, BREAK, IAC, ERASE_CHARACTER, IAC, ERASE_LINE], &[3, 3, 127, 21], b""),
            (&[IAC, ABORT, IAC, END_OF_FILE], &[3, 4], b""),
            (&[IAC, ARE_YOU_THERE, b'x'], b"x", HERE),
            // NOP, data mark, abort output, go ahead, suspend.
            (&[IAC, 241, IAC, 242, IAC, 245, IAC, 249, IAC, 237, b'x'], b"x", b""),
        ];
        for (sent, data, reply) in rows {
            assert_eq!(heard(&[sent]), (typed(data), reply.to_vec(), Ok(())), "{sent:?}");
        }
    }

    #[test]
    fn a_client_that_agrees_to_the_echo_sends_keys_from_that_byte_on_and_lines_once_it_refuses() {
        let name = [IAC, SUBNEGOTIATION, TERMINAL_TYPE, IS, b'x', b't', b'e', b'r', b'm', IAC, SUBNEGOTIATION_END];
        let sent = [
            &b"a"[..],
            &[IAC, DO, ECHO, IAC, DO, SUPPRESS_GO_AHEAD],
            b"b",
            &[IAC, WILL, TERMINAL_TYPE],
            &name,
            b"c",
            &[IAC, DONT, ECHO],
            b"d",
        ]
        .concat();
        let (all, reply, result) = heard(&[&sent]);
        let [a, b, c, d] = *b"abcd".map(Heard::Typed).as_slice() else { panic!("four") };
        let expected =
            [a, Heard::Terminal(Kind::Dumb), b, Heard::Terminal(Kind::Usual), c, Heard::Terminal(Kind::Lines), d];
        assert_eq!((all.as_slice(), result), (&expected[..], Ok(())));
        assert_eq!(reply, [&SEND_TYPE[..], &[IAC, WONT, ECHO]].concat());
        // Its name may come first; and from a client that never offered it, it means nothing.
        let early = [&[IAC, WILL, TERMINAL_TYPE][..], &name, &[IAC, DO, ECHO]].concat();
        assert_eq!(heard(&[&early]).0, [Heard::Terminal(Kind::Usual)]);
        assert_eq!(heard(&[&[&name[..], &[IAC, DO, ECHO]].concat()]).0, [Heard::Terminal(Kind::Dumb)]);
    }

    #[test]
    fn a_window_has_a_size_and_255_columns_are_sent_doubled() {
        let size = |bytes: &[u8]| {
            let end = [IAC, SUBNEGOTIATION_END];
            heard(&[&[IAC, WILL, WINDOW_SIZE, IAC, SUBNEGOTIATION, WINDOW_SIZE], bytes, &end]).0
        };
        assert_eq!(size(&[0, 80, 0, 24]), [Heard::Window(80, 24)]);
        assert_eq!(size(&[0, IAC, IAC, 1, 0]), [Heard::Window(255, 256)]);
        assert_eq!(size(&[0, 80, 0]), []);
        assert_eq!(size(&[0, 80, 0, 24, 0]), []);
        let unasked = [IAC, SUBNEGOTIATION, WINDOW_SIZE, 0, 80, 0, 24, IAC, SUBNEGOTIATION_END];
        assert_eq!(heard(&[&unasked]).0, []);
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        let opening = [IAC, SUBNEGOTIATION];
        let within = [b'x'; MAX_SUBNEGOTIATION];
        assert_eq!(heard(&[&opening, &within]).2, Ok(()));
        assert_eq!(heard(&[&opening, &within, b"x"]).2, Err(Endless::Subnegotiation));
        let escapes = [IAC; MAX_SUBNEGOTIATION * 2 + 1];
        assert_eq!(heard(&[&opening, &escapes]).2, Err(Endless::Subnegotiation));
        let on_and_off = [IAC, DO, ECHO, IAC, DONT, ECHO].repeat(MAX_NEGOTIATIONS / 2);
        assert_eq!(heard(&[&on_and_off]).2, Ok(()));
        assert_eq!(heard(&[&on_and_off, &[IAC, DO, 6]]).2, Err(Endless::Negotiation));
        let told = [IAC, SUBNEGOTIATION, TERMINAL_TYPE, IS, IAC, SUBNEGOTIATION_END].repeat(MAX_NEGOTIATIONS);
        assert_eq!(heard(&[&told]).2, Ok(()));
        assert_eq!(heard(&[&told, &[IAC, SUBNEGOTIATION]]).2, Err(Endless::Negotiation));
    }

    /// Bytes among which Telnet's own are as frequent as all others.
    fn traffic() -> impl Strategy<Value = Vec<u8>> {
        let option = prop_oneof![Just(ECHO), Just(SUPPRESS_GO_AHEAD), Just(TERMINAL_TYPE), Just(WINDOW_SIZE)];
        let byte = prop_oneof![Just(IAC), 240u8..=254, option, any::<u8>()];
        proptest::collection::vec(byte, 0..600)
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(bytes in traffic(), size in 1usize..20) {
            let whole = heard(&[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(&heard(&pieces), &whole);
            prop_assert!(whole.0.len() <= bytes.len());
            prop_assert!(whole.1.len() <= bytes.len() * LONGEST_ANSWER);
        }
    }
}
