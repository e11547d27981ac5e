//! Where one Modbus frame ends and the next begins: the MBAP header of Modbus TCP, or serial (RTU) frames
//! with their CRC sent through a TCP connection.
//!
//! Knows nothing of functions beyond the lengths that RTU needs. Never looks past [`MAX_FRAME`] bytes, and
//! finds the same frames however the bytes were chopped on their way.

/// The longest frame either framing can have, in bytes. TCP: 7 + 253. RTU: function 16 with a byte count of
/// 255, which is read whole so that it can be refused: 1 + 6 + 255 + 2.
pub const MAX_FRAME: usize = 264;

/// MBAP: transaction (2), protocol (2), length (2), unit (1).
const HEADER: usize = 7;
/// What the MBAP length field may say: unit and function code at least, unit and the longest PDU at most
/// (Modbus Messaging on TCP/IP V1.0b, clause 3.1.3).
const MBAP_LENGTH: std::ops::RangeInclusive<usize> = 2..=254;
/// Unit, function code and CRC.
const SHORTEST_RTU: usize = 4;
/// The longest RTU frame the serial line allows; a function of unknown length is looked for up to here.
const LONGEST_RTU: usize = 256;

/// How frames are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP.
    Tcp,
    /// RTU frames over TCP, as serial device servers pass them on.
    RtuOverTcp,
}

/// One request as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Modbus TCP's transaction number, to be sent back; 0 in RTU.
    pub transaction: u16,
    /// Who is meant.
    pub unit: u8,
    /// Function code and data; never empty.
    pub pdu: &'a [u8],
}

/// What the front of the input holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Too little to say; more bytes are needed.
    Incomplete,
    /// A frame of this many bytes.
    Frame(Frame<'a>, usize),
    /// A frame of this many bytes in a protocol that is not Modbus (MBAP protocol number other than 0): to
    /// be dropped without an answer.
    Foreign(usize),
}

/// The boundary of frames is lost; nothing that follows can be trusted, so the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The MBAP length field is impossible.
    #[error("the MBAP header gives a length of {0}, which no Modbus frame has: is this client speaking Modbus TCP?")]
    Length(usize),
    /// TCP doesn't lose bits, so a wrong CRC means that the client frames differently.
    #[error("the CRC of an RTU frame is wrong: is this client speaking RTU over TCP?")]
    Crc,
}

impl Framing {
    /// The next step from the front of `input`.
    pub fn next(self, input: &[u8]) -> Result<Step<'_>, Lost> {
        match self {
            Framing::Tcp => next_tcp(input),
            Framing::RtuOverTcp => next_rtu(input),
        }
    }

    /// Starts a response frame at the end of `output`; the PDU goes behind it, then [`Framing::finish`].
    /// Returns where the frame begins and where its PDU does.
    pub fn begin(self, request: &Frame<'_>, output: &mut Vec<u8>) -> Open {
        let frame = output.len();
        if self == Framing::Tcp {
            output.extend_from_slice(&request.transaction.to_be_bytes());
            output.extend_from_slice(&[0, 0, 0, 0]); // protocol 0; the length comes with `finish`
        }
        output.push(request.unit);
        Open { frame, pdu: output.len() }
    }

    /// Ends the response frame that `begin` opened: fills in the length or adds the CRC.
    pub fn finish(self, open: Open, output: &mut Vec<u8>) {
        match self {
            Framing::Tcp => {
                let length = (output.len() - open.pdu + 1) as u16; // a PDU is at most 253 bytes
                output[open.frame + 4..open.frame + 6].copy_from_slice(&length.to_be_bytes());
            }
            Framing::RtuOverTcp => {
                let crc = crc16(&output[open.frame..]);
                output.extend_from_slice(&crc.to_le_bytes());
            }
        }
    }
}

/// A response frame that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    frame: usize,
    /// Where its PDU begins in the output.
    pub pdu: usize,
}

fn next_tcp(input: &[u8]) -> Result<Step<'_>, Lost> {
    let [t0, t1, p0, p1, l0, l1, rest @ ..] = input else { return Ok(Step::Incomplete) };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    if !MBAP_LENGTH.contains(&length) {
        return Err(Lost::Length(length));
    }
    let Some((unit, pdu)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(Step::Incomplete) };
    let total = HEADER - 1 + length;
    if [*p0, *p1] != [0, 0] {
        return Ok(Step::Foreign(total));
    }
    Ok(Step::Frame(Frame { transaction: u16::from_be_bytes([*t0, *t1]), unit: *unit, pdu }, total))
}

fn next_rtu(input: &[u8]) -> Result<Step<'_>, Lost> {
    let length = match input {
        [] | [_] | [_, 43] => return Ok(Step::Incomplete),
        [_, 3 | 4 | 6, ..] => 8,
        [_, 16, body @ ..] => match body.get(4) {
            Some(bytes) => 9 + usize::from(*bytes),
            None => return Ok(Step::Incomplete),
        },
        [_, 43, 14, ..] => 7,
        // A function whose length only its own definition knows: its end is where the CRC comes out.
        _ => match unknown_length(input) {
            Some(length) => length,
            None if input.len() >= LONGEST_RTU => return Err(Lost::Crc),
            None => return Ok(Step::Incomplete),
        },
    };
    let Some(frame) = input.get(..length) else { return Ok(Step::Incomplete) };
    if crc16(frame) != 0 {
        return Err(Lost::Crc);
    }
    match frame {
        [unit, pdu @ .., _, _] => Ok(Step::Frame(Frame { transaction: 0, unit: *unit, pdu }, length)),
        _ => Err(Lost::Crc),
    }
}

/// The shortest front of `input` that ends in its own CRC; one that does leaves a remainder of 0.
fn unknown_length(input: &[u8]) -> Option<usize> {
    let mut crc = CRC_START;
    for (index, byte) in input.iter().take(LONGEST_RTU).enumerate() {
        crc = crc_step(crc, *byte);
        if crc == 0 && index + 1 >= SHORTEST_RTU {
            return Some(index + 1);
        }
    }
    None
}

const CRC_START: u16 = 0xFFFF;

/// CRC-16 of Modbus over Serial Line V1.02, clause 6.2.2: polynomial 0xA001 reflected, sent low byte first.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(CRC_START, |crc, byte| crc_step(crc, *byte))
}

fn crc_step(crc: u16, byte: u8) -> u16 {
    const TABLE: [u16; 256] = crc_table();
    (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
}

const fn crc_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_crc_is_modbus_own() {
        assert_eq!(crc16(b"123456789"), 0x4B37, "the check value of CRC-16/MODBUS");
        assert_eq!(crc16(&[0x01, 0x03, 0x00, 0x00, 0x00, 0x0A]).to_le_bytes(), [0xC5, 0xCD]);
    }

    #[test]
    fn an_mbap_frame_is_found_at_its_last_byte_and_not_before() {
        let bytes = [0x12, 0x34, 0, 0, 0, 6, 1, 3, 0, 10, 0, 2];
        for cut in 0..bytes.len() {
            assert_eq!(Framing::Tcp.next(&bytes[..cut]), Ok(Step::Incomplete), "{cut} bytes");
        }
        let frame = Frame { transaction: 0x1234, unit: 1, pdu: &[3, 0, 10, 0, 2] };
        assert_eq!(Framing::Tcp.next(&bytes), Ok(Step::Frame(frame, 12)));
    }

    #[test]
    fn impossible_lengths_end_the_connection_and_another_protocol_is_passed_over() {
        for length in [0u16, 1, 255, 0xFFFF] {
            let [l0, l1] = length.to_be_bytes();
            assert_eq!(Framing::Tcp.next(&[0, 0, 0, 0, l0, l1]), Err(Lost::Length(length.into())));
        }
        assert!(matches!(Framing::Tcp.next(b"GET / HTTP/1.1\r\n"), Err(Lost::Length(_))));
        assert_eq!(Framing::Tcp.next(&[0, 0, 0, 1, 0, 2, 1, 3]), Ok(Step::Foreign(8)));
    }

    fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
        let crc = crc16(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn an_rtu_frame_of_every_function_is_found_at_its_last_byte_and_not_before() {
        let frames = [
            vec![1, 3, 0, 10, 0, 2],
            vec![1, 4, 0, 10, 0, 2],
            vec![1, 6, 0, 10, 0, 2],
            vec![0, 16, 0, 10, 0, 2, 4, 1, 2, 3, 4],
            vec![1, 43, 14, 1, 0],
            vec![1, 43, 13, 1, 0, 9],
            vec![1, 0x11],
            vec![1, 23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 7, 7],
        ];
        for body in frames {
            let bytes = with_crc(body.clone());
            for cut in 0..bytes.len() {
                assert_eq!(Framing::RtuOverTcp.next(&bytes[..cut]), Ok(Step::Incomplete), "{body:?} cut at {cut}");
            }
            let frame = Frame { transaction: 0, unit: body[0], pdu: &body[1..] };
            assert_eq!(Framing::RtuOverTcp.next(&bytes), Ok(Step::Frame(frame, bytes.len())));
        }
    }

    #[test]
    fn a_wrong_crc_ends_the_connection() {
        let mut bytes = with_crc(vec![1, 3, 0, 10, 0, 2]);
        bytes[7] ^= 1;
        assert_eq!(Framing::RtuOverTcp.next(&bytes), Err(Lost::Crc));
        assert_eq!(Framing::RtuOverTcp.next(&[0x55; LONGEST_RTU - 1]), Ok(Step::Incomplete));
        assert_eq!(Framing::RtuOverTcp.next(&[0x55; LONGEST_RTU]), Err(Lost::Crc));
    }

    proptest! {
        /// The step is inside the input, and stays what it is when more bytes follow.
        #[test]
        fn any_bytes_are_stepped_over_alike_however_many_follow(
            bytes in proptest::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..300),
            more in proptest::collection::vec(any::<u8>(), 0..8),
            tcp in any::<bool>(),
        ) {
            let framing = if tcp { Framing::Tcp } else { Framing::RtuOverTcp };
            let longer = [bytes.clone(), more].concat();
            match framing.next(&bytes) {
                Ok(Step::Incomplete) => prop_assert!(bytes.len() < MAX_FRAME),
                Ok(Step::Frame(frame, length)) => {
                    prop_assert!(length <= bytes.len() && length <= MAX_FRAME && !frame.pdu.is_empty());
                    prop_assert_eq!(framing.next(&longer), Ok(Step::Frame(frame, length)));
                }
                whole => prop_assert_eq!(framing.next(&longer), whole),
            }
        }
    }
}
