//! One connection's conversation without its socket: bytes in, answers out, in the order of the requests.
//!
//! Unit 1 answers. Unit 0 is the broadcast: a write by function 16 is done and nothing is sent back, any
//! other function is passed over. Every other unit is somebody else's, 255 among them, and gets no answer:
//! a wrongly addressed poll must not look like a reading of this meter.

use super::codec::{self, Request};
use super::framing::{Frame, Framing, Lost, MAX_FRAME, Step};
use super::{Exception, Registers};

/// The unit that this meter answers to.
pub const UNIT: u8 = 1;
/// The unit that means everybody.
pub const BROADCAST: u8 = 0;
/// How many bytes of answers are gathered before they must be sent: enough that pipelined polls share a
/// packet, small enough that 64 connections take next to nothing.
pub const MAX_OUTPUT: usize = 4096;

/// The conversation of one connection.
pub struct Conversation {
    framing: Framing,
    registers: Box<dyn Registers>,
    /// Words of the request or answer at hand, kept so that a poll allocates nothing.
    words: Vec<u16>,
}

impl Conversation {
    /// A conversation that asks `registers`.
    pub fn new(framing: Framing, registers: Box<dyn Registers>) -> Self {
        Conversation { framing, registers, words: Vec::with_capacity(codec::MAX_READ.into()) }
    }

    /// Answers the whole requests at the front of `input` into `output` and returns how many bytes they took.
    /// It stops when `output` might pass [`MAX_OUTPUT`]; send it, clear it and call again until nothing is
    /// taken any more. An error ends the connection; answers already in `output` are still good.
    pub fn answer(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Lost> {
        let mut taken = 0;
        while output.len() + MAX_FRAME <= MAX_OUTPUT {
            match self.framing.next(&input[taken..])? {
                Step::Incomplete => break,
                Step::Foreign(length) => taken += length,
                Step::Frame(frame, length) => {
                    self.answer_one(&frame, output);
                    taken += length;
                }
            }
        }
        Ok(taken)
    }

    fn answer_one(&mut self, frame: &Frame<'_>, output: &mut Vec<u8>) {
        match frame.unit {
            UNIT => {
                let open = self.framing.begin(frame, output);
                if let Err(exception) = self.ask(frame.pdu, output) {
                    output.truncate(open.pdu);
                    codec::put_exception(frame.pdu.first().copied().unwrap_or(0), exception, output);
                }
                self.framing.finish(open, output);
            }
            BROADCAST => {
                if let Ok(Request::WriteMany { first, values }) = codec::parse(frame.pdu) {
                    self.words.clear();
                    self.words.extend(values.iter());
                    // Nobody waits for an answer; the gate has logged what it refused.
                    let _ = self.registers.write(first, &self.words);
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, pdu: &[u8], output: &mut Vec<u8>) -> Result<(), Exception> {
        self.words.clear();
        match codec::parse(pdu)? {
            Request::Read { function, first, count } => {
                self.registers.read(first, count, &mut self.words)?;
                if self.words.len() != usize::from(count) {
                    return Err(Exception::DeviceFailure);
                }
                codec::put_read(function, &self.words, output);
            }
            Request::WriteOne { first, value } => {
                self.registers.write(first, &[value])?;
                codec::put_write(6, first, value, output);
            }
            Request::WriteMany { first, values } => {
                self.words.extend(values.iter());
                self.registers.write(first, &self.words)?;
                codec::put_write(16, first, values.count(), output);
            }
            Request::Identify(objects) => codec::put_identity(objects, &self.registers.identity(), output)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Identity;
    use super::super::framing::crc16;
    use super::*;
    use proptest::prelude::*;
    use std::sync::{Arc, Mutex};

    type Writes = Arc<Mutex<Vec<(u16, Vec<u16>)>>>;

    /// Registers read their own address; 5000 on is protected, 6000 on answers too few words; writes are kept.
    #[derive(Clone, Default)]
    struct Fake(Writes);

    impl Registers for Fake {
        fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception> {
            match first {
                0..5000 => out.extend((first..).take(count.into())),
                5000..6000 => {
                    out.push(0xDEAD);
                    return Err(Exception::IllegalDataAddress);
                }
                _ => out.push(0),
            }
            Ok(())
        }

        fn write(&mut self, first: u16, values: &[u16]) -> Result<(), Exception> {
            if first >= 5000 {
                return Err(Exception::DeviceFailure);
            }
            self.0.lock().unwrap().push((first, values.to_vec()));
            Ok(())
        }

        fn identity(&self) -> Identity {
            Identity { vendor: "wattkeep".into(), product: "8650".into(), revision: "4.40.1".into() }
        }
    }

    fn tcp(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
        let [t0, t1] = transaction.to_be_bytes();
        [&[t0, t1, 0, 0, 0, pdu.len() as u8 + 1, unit], pdu].concat()
    }

    fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
        let mut frame = [&[unit], pdu].concat();
        let crc = crc16(&frame);
        frame.extend_from_slice(&crc.to_le_bytes());
        frame
    }

    fn answers(framing: Framing, input: &[u8]) -> (Vec<u8>, Vec<(u16, Vec<u16>)>) {
        let fake = Fake::default();
        let mut output = Vec::new();
        let taken = Conversation::new(framing, Box::new(fake.clone())).answer(input, &mut output);
        assert_eq!(taken, Ok(input.len()));
        let writes = fake.0.lock().unwrap().clone();
        (output, writes)
    }

    #[test]
    fn every_function_is_answered_in_both_framings() {
        let table: &[(&[u8], &[u8])] = &[
            (&[3, 0, 10, 0, 2], &[3, 4, 0, 10, 0, 11]),
            (&[4, 0, 10, 0, 1], &[4, 2, 0, 10]),
            (&[6, 1, 0, 0, 9], &[6, 1, 0, 0, 9]),
            (&[16, 1, 0, 0, 2, 4, 0, 9, 0, 8], &[16, 1, 0, 0, 2]),
            (&[43, 14, 4, 1], b"\x2B\x0E\x04\x81\0\0\x01\x01\x048650"),
            (&[43, 14, 4, 3], &[0xAB, 2]),
            (&[3, 0, 0, 0, 126], &[0x83, 3]),
            (&[3, 0xFF, 0xFF, 0, 2], &[0x83, 2]),
            (&[3, 0x13, 0x88, 0, 1], &[0x83, 2]), // 5000, protected
            (&[4, 0x17, 0x70, 0, 2], &[0x84, 4]), // 6000, the meter's fault
            (&[6, 0x13, 0x88, 0, 1], &[0x86, 4]),
            (&[16, 0, 0, 0, 2, 2, 0, 1], &[0x90, 3]),
            (&[1, 0, 0, 0, 1], &[0x81, 1]),
            (&[0x11], &[0x91, 1]),
            (&[0x83, 2], &[0x83, 1]),
        ];
        for (request, response) in table {
            assert_eq!(answers(Framing::Tcp, &tcp(0xBEEF, 1, request)).0, tcp(0xBEEF, 1, response), "{request:?}");
            assert_eq!(answers(Framing::RtuOverTcp, &rtu(1, request)).0, rtu(1, response), "{request:?}");
        }
    }

    #[test]
    fn only_unit_1_is_answered_and_only_function_16_is_broadcast() {
        for unit in [0, 2, 247, 255] {
            assert_eq!(answers(Framing::Tcp, &tcp(1, unit, &[3, 0, 10, 0, 1])), (vec![], vec![]), "unit {unit}");
            assert_eq!(answers(Framing::Tcp, &tcp(1, unit, &[6, 0, 10, 0, 1])), (vec![], vec![]), "unit {unit}");
        }
        let write = [16, 0, 10, 0, 1, 2, 0, 7];
        assert_eq!(answers(Framing::Tcp, &tcp(1, 0, &write)), (vec![], vec![(10, vec![7])]));
        assert_eq!(answers(Framing::RtuOverTcp, &rtu(0, &write)), (vec![], vec![(10, vec![7])]));
        assert_eq!(answers(Framing::Tcp, &tcp(1, 2, &write)), (vec![], vec![]));
        assert_eq!(answers(Framing::Tcp, &tcp(1, 0, &[16, 0, 10, 0, 2, 2, 0, 7])), (vec![], vec![]), "malformed");
    }

    #[test]
    fn another_protocol_in_between_is_passed_over() {
        let mut foreign = tcp(1, 1, &[3, 0, 10, 0, 1]);
        foreign[3] = 1;
        let input = [foreign, tcp(2, 1, &[3, 0, 10, 0, 1])].concat();
        assert_eq!(answers(Framing::Tcp, &input).0, tcp(2, 1, &[3, 2, 0, 10]));
    }

    #[test]
    fn pipelined_requests_are_answered_in_order_a_bounded_piece_at_a_time() {
        let asked: Vec<u8> = (0..100).flat_map(|n| tcp(n, 1, &[3, 0, 10, 0, 125])).collect();
        let expected: Vec<u16> = (0..100).collect();
        let mut conversation = Conversation::new(Framing::Tcp, Box::new(Fake::default()));
        let (mut taken, mut transactions, mut output) = (0, Vec::new(), Vec::new());
        loop {
            output.clear();
            let more = conversation.answer(&asked[taken..], &mut output).unwrap();
            if more == 0 {
                break;
            }
            assert!(output.len() <= MAX_OUTPUT);
            transactions.extend(output.chunks(9 + 250).map(|frame| u16::from_be_bytes([frame[0], frame[1]])));
            taken += more;
        }
        assert_eq!((taken, transactions), (asked.len(), expected));
    }

    #[test]
    fn answers_before_lost_framing_are_still_there() {
        let mut output = Vec::new();
        let input = [&tcp(7, 1, &[3, 0, 10, 0, 1])[..], b"GET / HTTP/1.1\r\n"].concat();
        let lost = Conversation::new(Framing::Tcp, Box::new(Fake::default())).answer(&input, &mut output);
        assert!(matches!(lost, Err(Lost::Length(_))));
        assert_eq!(output, tcp(7, 1, &[3, 2, 0, 10]));
    }

    /// All that a connection answers when its bytes come in pieces of these sizes, and whether it was ended.
    fn in_pieces(framing: Framing, input: &[u8], sizes: &[usize]) -> (Vec<u8>, bool) {
        let mut conversation = Conversation::new(framing, Box::new(Fake::default()));
        let (mut said, mut waiting, mut rest) = (Vec::new(), Vec::new(), input);
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            waiting.extend_from_slice(piece);
            rest = after;
            loop {
                let mut output = Vec::new();
                let taken = conversation.answer(&waiting, &mut output);
                said.extend(output);
                match taken {
                    Ok(0) => break,
                    Ok(taken) => drop(waiting.drain(..taken)),
                    Err(_) => return (said, true),
                }
            }
            assert!(waiting.len() < MAX_FRAME, "more than a frame is left waiting");
        }
        (said, false)
    }

    fn any_request() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (any::<u16>(), 0u16..130)
                .prop_map(|(first, count)| { [&[3], &first.to_be_bytes()[..], &count.to_be_bytes()].concat() }),
            (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(first, data)| {
                [&[16], &first.to_be_bytes()[..], &[0, data.len() as u8 / 2, data.len() as u8], &data].concat()
            }),
            proptest::collection::vec(any::<u8>(), 1..20),
        ]
    }

    proptest! {
        #[test]
        fn any_chopping_gives_the_same_answers(
            requests in proptest::collection::vec((any_request(), 0u8..3), 0..12),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
            sizes in proptest::collection::vec(1usize..40, 1..10),
            serial in any::<bool>(),
        ) {
            let framing = if serial { Framing::RtuOverTcp } else { Framing::Tcp };
            let mut input: Vec<u8> = requests
                .iter()
                .flat_map(|(pdu, unit)| if serial { rtu(*unit, pdu) } else { tcp(3, *unit, pdu) })
                .collect();
            input.extend(noise);
            let whole = in_pieces(framing, &input, &[usize::MAX]);
            prop_assert_eq!(in_pieces(framing, &input, &sizes), whole.clone());
            prop_assert_eq!(in_pieces(framing, &input, &[1]), whole);
        }
    }
}
