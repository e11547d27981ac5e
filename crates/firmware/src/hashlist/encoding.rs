//! From the bytes of a list to its text: UTF-8 or UTF-16, as the console that wrote it pleased.
//!
//! `certutil` in a console writes that console's code page, PowerShell 5 writes UTF-16, editors add byte order
//! marks or drop them. Hash digits are ASCII in all of them, so a character that can't be read is replaced,
//! not refused: at worst a name isn't found.

use super::HashListError;

/// The list's text. Refuses what is not text at all, a firmware file given in place of its list for instance.
pub(super) fn decode(bytes: &[u8]) -> Result<String, HashListError> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => {
            // Without a mark: digits and line ends have a zero byte in UTF-16, high or low tells the order.
            let zeros = |parity: usize| bytes.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
            match (zeros(0), zeros(1)) {
                (0, 0) => String::from_utf8_lossy(bytes).into_owned(),
                (even, odd) if odd > even => utf16(bytes, u16::from_le_bytes)?,
                (even, odd) if even > odd => utf16(bytes, u16::from_be_bytes)?,
                _ => return Err(HashListError::NotText),
            }
        }
    };
    if text.contains('\0') { Err(HashListError::NotText) } else { Ok(text) }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, HashListError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HashListError::CutShort);
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    Ok(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SHA256 ハッシュ (対象 8650.upg):\r\nba7816bf 😀\r\n";

    fn le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn be(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn b3_utf8_and_utf16_are_read_with_and_without_a_mark() {
        for (what, bytes) in [
            ("UTF-8", TEXT.as_bytes().to_vec()),
            ("UTF-8 with a mark", [b"\xEF\xBB\xBF", TEXT.as_bytes()].concat()),
            ("UTF-16 LE", le(TEXT)),
            ("UTF-16 LE with a mark", [b"\xFF\xFE".to_vec(), le(TEXT)].concat()),
            ("UTF-16 BE", be(TEXT)),
            ("UTF-16 BE with a mark", [b"\xFE\xFF".to_vec(), be(TEXT)].concat()),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(TEXT), "{what}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(decode(b"\x89PNG\x00\x00\x00\x00"), Err(HashListError::NotText));
        assert_eq!(decode(b"\0\0\0\0"), Err(HashListError::NotText));
        assert_eq!(decode(b"\xFF\xFEa\0b"), Err(HashListError::CutShort));
    }

    #[test]
    fn an_old_code_page_leaves_the_digits_readable() {
        assert_eq!(decode(b"Cl\x82 8650.upg:\n00ff").as_deref(), Ok("Cl\u{FFFD} 8650.upg:\n00ff"));
    }
}
