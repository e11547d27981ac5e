//! The Telnet protocol (RFC 854) under the conversation: takes its commands out of what a client sends and
//! says what to answer them. Without I/O, and without memory beyond a few bytes of state, so that the same
//! bytes mean the same however the network cuts them.
//!
//! The server keeps to lines: the client echoes and edits them. The one option it offers is ECHO (RFC 857),
//! and only while a password is typed, so that the client shows nothing. Everything else is declined.

/// Interpret As Command.
pub(super) const IAC: u8 = 255;
/// The server performs an option, or offers to.
pub(super) const WILL: u8 = 251;
/// The server doesn't perform an option.
pub(super) const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const SUBNEGOTIATION: u8 = 250;
const SUBNEGOTIATION_END: u8 = 240;
const INTERRUPT: u8 = 244;
const ARE_YOU_THERE: u8 = 246;
const ERASE_CHARACTER: u8 = 247;
const ERASE_LINE: u8 = 248;

/// The option under which the server echoes, or rather doesn't.
pub(super) const ECHO: u8 = 1;

/// A subnegotiation longer than this ends the connection. Nothing that clients send to a server that has
/// agreed to no option comes near it.
pub(super) const MAX_SUBNEGOTIATION: usize = 256;

/// A subnegotiation that doesn't end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Telnet subnegotiation of more than {MAX_SUBNEGOTIATION} bytes was sent: the connection was closed")]
pub(super) struct Endless;

/// One connection's Telnet state.
#[derive(Debug, Default)]
pub(super) struct Filter {
    state: State,
    hiding: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Data,
    Command,
    Option(u8),
    /// Inside a subnegotiation of so many bytes.
    Sub(usize),
    /// After an IAC inside one.
    SubCommand(usize),
}

impl Filter {
    /// Takes what a client has sent: typed characters go to `data`, answers to `reply`. An answer is never
    /// longer than twice what it answers.
    pub fn take(&mut self, bytes: &[u8], data: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<(), Endless> {
        for byte in bytes {
            self.state = self.step(*byte, data, reply)?;
        }
        Ok(())
    }

    /// What asks the client to stop showing what is typed.
    pub fn hide(&mut self) -> [u8; 3] {
        self.hiding = true;
        [IAC, WILL, ECHO]
    }

    /// What asks it to show it again.
    pub fn show(&mut self) -> [u8; 3] {
        self.hiding = false;
        [IAC, WONT, ECHO]
    }

    fn step(&mut self, byte: u8, data: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<State, Endless> {
        Ok(match (self.state, byte) {
            (State::Data, IAC) => State::Command,
            (State::Data, byte) => {
                data.push(byte);
                State::Data
            }
            (State::Command, WILL | WONT | DO | DONT) => State::Option(byte),
            (State::Command, SUBNEGOTIATION) => State::Sub(0),
            (State::Command, command) => {
                match command {
                    IAC => data.push(IAC),
                    // As the keys that mean the same.
                    INTERRUPT => data.push(super::line::CTRL_C),
                    ERASE_CHARACTER => data.push(super::line::DELETE),
                    ERASE_LINE => data.push(super::line::CTRL_U),
                    ARE_YOU_THERE => reply.extend(b"\r\n"),
                    _ => {}
                }
                State::Data
            }
            (State::Option(verb), option) => {
                self.negotiate(verb, option, reply);
                State::Data
            }
            (State::Sub(length), _) if length >= MAX_SUBNEGOTIATION => return Err(Endless),
            (State::Sub(length), IAC) => State::SubCommand(length + 1),
            (State::Sub(length), _) => State::Sub(length + 1),
            (State::SubCommand(_), SUBNEGOTIATION_END) => State::Data,
            (State::SubCommand(length), _) => State::Sub(length + 1),
        })
    }

    /// Answers requests only, never refusals, so that two ends can't talk in circles (RFC 854).
    fn negotiate(&mut self, verb: u8, option: u8, reply: &mut Vec<u8>) {
        match (verb, option) {
            // It agrees to what was offered.
            (DO, ECHO) if self.hiding => {}
            (DO, option) => reply.extend([IAC, WONT, option]),
            (WILL, option) => reply.extend([IAC, DONT, option]),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Result<(), Endless>) {
        let mut filter = Filter::default();
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        let result = pieces.iter().try_for_each(|piece| filter.take(piece, &mut data, &mut reply));
        (data, reply, result)
    }

    #[test]
    fn commands_are_taken_out_and_requests_declined() {
        let rows: &[(&[u8], &[u8], &[u8])] = &[
            (b"8650\r\n", b"8650\r\n", b""),
            // What PuTTY opens with: WILL NAWS, DO SUPPRESS-GO-AHEAD.
            (&[IAC, WILL, 31, IAC, DO, 3, b'x'], b"x", &[IAC, DONT, 31, IAC, WONT, 3]),
            (&[IAC, DO, ECHO], b"", &[IAC, WONT, ECHO]),
            (&[IAC, WONT, 31, IAC, DONT, ECHO], b"", b""),
            (&[b'a', IAC, IAC, b'b'], &[b'a', 255, b'b'], b""),
            (&[b'a', IAC, SUBNEGOTIATION, 24, 0, b'v', IAC, IAC, 1, IAC, SUBNEGOTIATION_END, b'b'], b"ab", b""),
            (&[IAC, INTERRUPT, IAC, ERASE_CHARACTER, IAC, ERASE_LINE, IAC, 241], &[3, 127, 21], b""),
        ];
        for (sent, data, reply) in rows {
            assert_eq!(filtered(&[sent]), (data.to_vec(), reply.to_vec(), Ok(())), "{sent:?}");
        }
    }

    #[test]
    fn an_agreement_to_hide_a_password_is_not_answered() {
        let mut filter = Filter::default();
        assert_eq!(filter.hide(), [IAC, WILL, ECHO]);
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        filter.take(&[IAC, DO, ECHO], &mut data, &mut reply).unwrap();
        assert!(reply.is_empty());
        assert_eq!(filter.show(), [IAC, WONT, ECHO]);
        filter.take(&[IAC, DONT, ECHO], &mut data, &mut reply).unwrap();
        assert!(reply.is_empty());
    }

    #[test]
    fn a_subnegotiation_without_end_is_given_up() {
        let opening = [IAC, SUBNEGOTIATION];
        let within = [b'x'; MAX_SUBNEGOTIATION];
        assert_eq!(filtered(&[&opening, &within]).2, Ok(()));
        assert_eq!(filtered(&[&opening, &within, b"x"]).2, Err(Endless));
        let escapes = [IAC; MAX_SUBNEGOTIATION * 2];
        assert_eq!(filtered(&[&opening, &escapes]).2, Err(Endless));
    }

    /// Bytes among which Telnet's own are as frequent as all others.
    fn traffic() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(IAC), 240u8..=254, Just(ECHO), any::<u8>()];
        proptest::collection::vec(byte, 0..600)
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(bytes in traffic(), size in 1usize..20) {
            let whole = filtered(&[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(&filtered(&pieces), &whole);
            prop_assert!(whole.0.len() <= bytes.len());
            prop_assert!(whole.1.len() <= bytes.len() * 2);
        }
    }
}
