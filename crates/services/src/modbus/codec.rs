//! The PDU: function code and data of a request taken apart and judged, and the data of a response put
//! together. Source: Modbus Application Protocol V1.1b3, clauses 6.3, 6.4, 6.6, 6.12, 6.21 and 7.
//!
//! Judges form only: the function, the counts, the lengths, the 16-bit address range. Which registers exist
//! and who may reach them is not known here.

use super::{Exception, Identity};

/// The most registers one read may ask for.
pub const MAX_READ: u16 = 125;
/// The most registers one write may carry.
pub const MAX_WRITE: u16 = 123;
/// The most bytes one identity object takes, so that all three fit into one PDU of 253.
pub const MAX_OBJECT: usize = 64;

/// MEI type 14, Read Device Identification.
const READ_DEVICE_ID: u8 = 14;
/// Conformity: the basic objects, by stream and one by one.
const BASIC_CONFORMITY: u8 = 0x81;

/// A well-formed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Functions 03 and 04: `1..=125` registers that stay inside the 16-bit range.
    Read { function: u8, first: u16, count: u16 },
    /// Function 06.
    WriteOne { first: u16, value: u16 },
    /// Function 16: `1..=123` registers that stay inside the 16-bit range.
    WriteMany { first: u16, values: Words<'a> },
    /// Function 43/14.
    Identify(Objects),
}

/// Which objects function 43/14 asks for. This meter has the basic ones, 0 to 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// ReadDevId codes 1, 2 and 3: all from this one on. The code is sent back.
    From { code: u8, first: u8 },
    /// ReadDevId code 4.
    One(u8),
}

/// Register values as they came, high byte first; always an even number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// How many registers, `1..=123`.
    pub fn count(self) -> u16 {
        (self.0.len() / 2) as u16 // at most 246 bytes
    }

    /// The values in order.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.0.chunks_exact(2).map(word)
    }
}

fn word(bytes: &[u8]) -> u16 {
    match bytes {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// Takes a PDU apart. The order of checks is the standard's: function, then counts and lengths, then range.
pub fn parse(pdu: &[u8]) -> Result<Request<'_>, Exception> {
    let [function, data @ ..] = pdu else { return Err(Exception::IllegalFunction) };
    match function {
        3 | 4 => {
            let [a, b, c, d] = exactly(data)?;
            let (first, count) = span(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), MAX_READ)?;
            Ok(Request::Read { function: *function, first, count })
        }
        6 => {
            let [a, b, c, d] = exactly(data)?;
            Ok(Request::WriteOne { first: u16::from_be_bytes([a, b]), value: u16::from_be_bytes([c, d]) })
        }
        16 => {
            let [a, b, c, d, bytes, values @ ..] = data else { return Err(Exception::IllegalDataValue) };
            let count = u16::from_be_bytes([*c, *d]);
            if usize::from(*bytes) != values.len() || values.len() != 2 * usize::from(count) {
                return Err(Exception::IllegalDataValue);
            }
            let (first, _) = span(u16::from_be_bytes([*a, *b]), count, MAX_WRITE)?;
            Ok(Request::WriteMany { first, values: Words(values) })
        }
        43 => match data {
            [READ_DEVICE_ID, code @ 1..=3, first] => {
                Ok(Request::Identify(Objects::From { code: *code, first: *first }))
            }
            [READ_DEVICE_ID, 4, object] => Ok(Request::Identify(Objects::One(*object))),
            [READ_DEVICE_ID, ..] | [] => Err(Exception::IllegalDataValue),
            _ => Err(Exception::IllegalFunction),
        },
        _ => Err(Exception::IllegalFunction),
    }
}

fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], Exception> {
    data.try_into().map_err(|_| Exception::IllegalDataValue)
}

fn span(first: u16, count: u16, most: u16) -> Result<(u16, u16), Exception> {
    if count == 0 || count > most {
        return Err(Exception::IllegalDataValue);
    }
    // The last register's address must exist; `first + count` may be 65536.
    first.checked_add(count - 1).ok_or(Exception::IllegalDataAddress)?;
    Ok((first, count))
}

/// Response to a read: `words` are at most 125, so the byte count fits its byte.
pub fn put_read(function: u8, words: &[u16], out: &mut Vec<u8>) {
    out.extend_from_slice(&[function, (words.len() * 2) as u8]);
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

/// Response to a write: function 06 sends the value back, function 16 the count.
pub fn put_write(function: u8, first: u16, value_or_count: u16, out: &mut Vec<u8>) {
    out.push(function);
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&value_or_count.to_be_bytes());
}

/// Response to 43/14; [`Exception::IllegalDataAddress`] if the one object asked for isn't there. Nothing is
/// written then.
pub fn put_identity(objects: Objects, identity: &Identity, out: &mut Vec<u8>) -> Result<(), Exception> {
    let texts = [&identity.vendor, &identity.product, &identity.revision];
    let (code, chosen) = match objects {
        Objects::One(object) if usize::from(object) < texts.len() => (4, usize::from(object)..usize::from(object) + 1),
        Objects::One(_) => return Err(Exception::IllegalDataAddress),
        // A stream that would start past the end starts over (clause 6.21).
        Objects::From { code, first } if usize::from(first) < texts.len() => (code, usize::from(first)..texts.len()),
        Objects::From { code, .. } => (code, 0..texts.len()),
    };
    // No more follows: all objects fit into one response.
    out.extend_from_slice(&[43, READ_DEVICE_ID, code, BASIC_CONFORMITY, 0, 0, chosen.len() as u8]);
    for (id, text) in texts.into_iter().enumerate().take(chosen.end).skip(chosen.start) {
        let bytes = &text.as_bytes()[..text.len().min(MAX_OBJECT)];
        out.extend_from_slice(&[id as u8, bytes.len() as u8]);
        out.extend_from_slice(bytes);
    }
    Ok(())
}

/// An exception response.
pub fn put_exception(function: u8, exception: Exception, out: &mut Vec<u8>) {
    out.extend_from_slice(&[function | 0x80, exception as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use Exception::{IllegalDataAddress, IllegalDataValue, IllegalFunction};
    use proptest::prelude::*;

    #[test]
    fn every_malformed_request_has_its_exception() {
        let mut long_write = vec![16, 0, 0, 0, 124, 248];
        long_write.resize(6 + 248, 0);
        let table: &[(&str, &[u8], Exception)] = &[
            ("empty", &[], IllegalFunction),
            ("function 0", &[0], IllegalFunction),
            ("coils", &[1, 0, 0, 0, 1], IllegalFunction),
            ("write coil", &[5, 0, 0, 0, 1], IllegalFunction),
            ("report server id", &[17], IllegalFunction),
            ("read/write multiple", &[23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0], IllegalFunction),
            ("a response's function", &[0x83, 2], IllegalFunction),
            ("another MEI type", &[43, 13, 0, 0], IllegalFunction),
            ("read of 0", &[3, 0, 0, 0, 0], IllegalDataValue),
            ("read of 126", &[3, 0, 0, 0, 126], IllegalDataValue),
            ("read of 126 by 04", &[4, 0, 0, 0, 126], IllegalDataValue),
            ("read of 65535", &[3, 0, 0, 0xFF, 0xFF], IllegalDataValue),
            ("cut-off read", &[3, 0, 0, 0], IllegalDataValue),
            ("overlong read", &[3, 0, 0, 0, 1, 0], IllegalDataValue),
            ("count before range", &[3, 0xFF, 0xFF, 0, 126], IllegalDataValue),
            ("read over the end", &[3, 0xFF, 0xFF, 0, 2], IllegalDataAddress),
            ("cut-off write", &[6, 0, 0, 1], IllegalDataValue),
            ("overlong write", &[6, 0, 0, 0, 1, 0], IllegalDataValue),
            ("write of nothing", &[16, 0, 0, 0, 0, 0], IllegalDataValue),
            ("write of 124", &long_write, IllegalDataValue),
            ("byte count too small", &[16, 0, 0, 0, 2, 2, 0, 1], IllegalDataValue),
            ("byte count too large", &[16, 0, 0, 0, 1, 4, 0, 1], IllegalDataValue),
            ("data cut off", &[16, 0, 0, 0, 2, 4, 0, 1, 0], IllegalDataValue),
            ("header cut off", &[16, 0, 0, 0], IllegalDataValue),
            ("write over the end", &[16, 0xFF, 0xFF, 0, 2, 4, 0, 1, 0, 1], IllegalDataAddress),
            ("identity code 0", &[43, 14, 0, 0], IllegalDataValue),
            ("identity code 5", &[43, 14, 5, 0], IllegalDataValue),
            ("identity cut off", &[43, 14, 1], IllegalDataValue),
            ("43 alone", &[43], IllegalDataValue),
        ];
        for (name, pdu, exception) in table {
            assert_eq!(parse(pdu), Err(*exception), "{name}");
        }
    }

    #[test]
    fn well_formed_requests_come_apart() {
        assert_eq!(parse(&[3, 0, 10, 0, 125]), Ok(Request::Read { function: 3, first: 10, count: 125 }));
        assert_eq!(parse(&[4, 0xFF, 0xFF, 0, 1]), Ok(Request::Read { function: 4, first: 0xFFFF, count: 1 }));
        assert_eq!(parse(&[6, 1, 2, 3, 4]), Ok(Request::WriteOne { first: 0x102, value: 0x304 }));
        let Ok(Request::WriteMany { first: 1, values }) = parse(&[16, 0, 1, 0, 2, 4, 1, 2, 3, 4]) else {
            panic!("function 16 was refused")
        };
        assert_eq!((values.count(), values.iter().collect::<Vec<_>>()), (2, vec![0x102, 0x304]));
        assert_eq!(parse(&[43, 14, 2, 9]), Ok(Request::Identify(Objects::From { code: 2, first: 9 })));
    }

    #[test]
    fn identity_streams_and_single_objects() {
        let identity = Identity { vendor: "wattkeep".into(), product: "8650".into(), revision: "4.40.1".into() };
        let asked = |objects| {
            let mut out = Vec::new();
            put_identity(objects, &identity, &mut out).map(|()| out)
        };
        let head = |code, count| vec![43, 14, code, 0x81, 0, 0, count];
        let all = b"\x00\x08wattkeep\x01\x048650\x02\x064.40.1";
        assert_eq!(asked(Objects::From { code: 1, first: 0 }), Ok([&head(1, 3)[..], all].concat()));
        assert_eq!(asked(Objects::From { code: 3, first: 7 }), Ok([&head(3, 3)[..], all].concat()), "starts over");
        assert_eq!(asked(Objects::From { code: 1, first: 2 }), Ok([&head(1, 1)[..], b"\x02\x064.40.1"].concat()));
        assert_eq!(asked(Objects::One(1)), Ok([&head(4, 1)[..], b"\x01\x048650"].concat()));
        assert_eq!(asked(Objects::One(3)), Err(IllegalDataAddress));
    }

    #[test]
    fn the_longest_identity_fits_a_pdu() {
        let long = "x".repeat(1000);
        let identity = Identity { vendor: long.clone(), product: long.clone(), revision: long };
        let mut out = Vec::new();
        put_identity(Objects::From { code: 1, first: 0 }, &identity, &mut out).unwrap();
        assert!(out.len() <= 253, "{} bytes", out.len());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_request_within_bounds_or_an_exception(
            function in prop_oneof![Just(3u8), Just(4), Just(6), Just(16), Just(43), any::<u8>()],
            data in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let pdu = [vec![function], data].concat();
            match parse(&pdu) {
                Ok(Request::Read { first, count, .. }) => {
                    prop_assert!((1..=MAX_READ).contains(&count) && u32::from(first) + u32::from(count) <= 65536);
                }
                Ok(Request::WriteMany { first, values }) => {
                    prop_assert!((1..=MAX_WRITE).contains(&values.count()));
                    prop_assert!(u32::from(first) + u32::from(values.count()) <= 65536);
                    prop_assert_eq!(values.iter().count(), usize::from(values.count()));
                }
                Ok(Request::WriteOne { .. } | Request::Identify(_)) => prop_assert!(pdu.len() <= 5),
                Err(exception) => prop_assert!((1..=3).contains(&(exception as u8))),
            }
        }
    }
}
