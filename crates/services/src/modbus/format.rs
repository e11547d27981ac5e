//! How one value becomes one or two registers: the formats of a Modbus Slave module.
//!
//! Values are rounded to the nearest integer, halves away from zero, and held at the ends of the format's
//! range. A value that isn't there (an unlinked source, or not a number) reads 0xFFFF in each of its words,
//! which is -1 in the signed formats. So full scale of U16 and U32 can't be told from "not there"; a map
//! that gets near it needs a wider format or a smaller scaling.

/// The format of a Modbus Slave module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 0 to 65,535 in one register.
    U16,
    /// -32,768 to 32,767 in one register.
    S16,
    /// 0 to 4,294,967,295 in two registers, high word first.
    U32,
    /// -2,147,483,648 to 2,147,483,647 in two registers, high word first.
    S32,
    /// 0 to 327,679,999 in two registers, w0 · 10,000 + w1.
    U32M10K,
    /// -327,679,999 to 327,679,999 in two registers, w0 · 10,000 + w1, the sign in bit 15 of w0.
    S32M10K,
    /// Sixteen booleans in one register, source 1 in bit 0.
    PackedBool,
}

/// What a word reads when there is nothing to read.
pub const NOTHING: u16 = 0xFFFF;
/// The largest value of both M10K formats: w0 = 0x7FFF, w1 = 9999.
pub const M10K_CEILING: u64 = 327_679_999;
/// What both M10K formats show above their ceiling (S32-M10K sets the sign bit too when below it).
const M10K_OVERFLOW: [u16; 2] = [0x7FFF, 0];
/// The sign of S32-M10K in its first word.
const M10K_SIGN: u16 = 0x8000;

impl Format {
    /// How many registers one value takes; for packed booleans, all sixteen together.
    pub const fn words(self) -> u16 {
        match self {
            Format::U16 | Format::S16 | Format::PackedBool => 1,
            Format::U32 | Format::S32 | Format::U32M10K | Format::S32M10K => 2,
        }
    }

    /// The registers of one scaled value. One-word formats use the first word; the second is 0xFFFF.
    /// A packed boolean is given to [`pack`] instead; here it is the register with this number.
    pub fn encode(self, scaled: Option<f64>) -> [u16; 2] {
        let Some(scaled) = scaled.filter(|value| !value.is_nan()) else { return [NOTHING; 2] };
        let whole = scaled.round() as i64; // saturates; every range below is narrower than i64
        match self {
            Format::U16 | Format::PackedBool => [whole.clamp(0, u16::MAX.into()) as u16, NOTHING],
            Format::S16 => [whole.clamp(i16::MIN.into(), i16::MAX.into()) as u16, NOTHING],
            Format::U32 => split(whole.clamp(0, u32::MAX.into()) as u32),
            Format::S32 => split(whole.clamp(i32::MIN.into(), i32::MAX.into()) as u32),
            Format::U32M10K => m10k(whole.max(0).unsigned_abs()),
            Format::S32M10K => {
                let [high, low] = m10k(whole.unsigned_abs());
                [if whole < 0 { high | M10K_SIGN } else { high }, low]
            }
        }
    }
}

/// Sixteen booleans in one word, the first in bit 0; anything but 0 is true. One that isn't there is 0 among
/// others; when none is there the word is 0xFFFF.
pub fn pack(values: impl Iterator<Item = Option<f64>>) -> u16 {
    let mut any = false;
    let mut word = 0;
    for (bit, value) in values.take(16).enumerate() {
        if let Some(value) = value.filter(|value| !value.is_nan()) {
            any = true;
            word |= u16::from(value != 0.0) << bit;
        }
    }
    if any { word } else { NOTHING }
}

/// High word first.
pub const fn split(value: u32) -> [u16; 2] {
    [(value >> 16) as u16, value as u16]
}

fn m10k(magnitude: u64) -> [u16; 2] {
    if magnitude > M10K_CEILING {
        return M10K_OVERFLOW;
    }
    [(magnitude / 10_000) as u16, (magnitude % 10_000) as u16]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats_round_clamp_and_show_what_is_not_there() {
        use Format::*;
        let nothing = [NOTHING; 2];
        let one = |word: u16| [word, NOTHING];
        let table: &[(Format, f64, [u16; 2])] = &[
            (U16, 2400.4, one(2400)),
            (U16, 0.5, one(1)),
            (U16, 65_535.0, one(65_535)),
            (U16, 1e9, one(65_535)),
            (U16, -3.0, one(0)),
            (U16, f64::INFINITY, one(65_535)),
            (S16, -0.5, one(0xFFFF)),
            (S16, -0.4, one(0)),
            (S16, -40_000.0, one(0x8000)),
            (S16, 40_000.0, one(0x7FFF)),
            (U32, 70_000.0, [1, 4464]),
            (U32, 1e12, nothing),
            (U32, -1.0, [0, 0]),
            (S32, 143_640.0, [2, 12_568]),
            (S32, -2.0, [0xFFFF, 0xFFFE]),
            (S32, -1e12, [0x8000, 0]),
            (S32, f64::NEG_INFINITY, [0x8000, 0]),
            (S32, 1e12, [0x7FFF, 0xFFFF]),
            (U32M10K, 123_456_789.0, [12_345, 6_789]),
            (U32M10K, -5.0, [0, 0]),
            (U32M10K, 327_679_999.0, [0x7FFF, 9_999]),
            (U32M10K, 327_680_000.0, [0x7FFF, 0]),
            (U32M10K, f64::INFINITY, [0x7FFF, 0]),
            (S32M10K, -123_456_789.0, [0x8000 | 12_345, 6_789]),
            (S32M10K, -0.4, [0, 0]),
            (S32M10K, -1.0, [0x8000, 1]),
            (S32M10K, 327_679_999.4, [0x7FFF, 9_999]),
            (S32M10K, 327_679_999.5, [0x7FFF, 0]),
            (S32M10K, -327_679_999.0, [0xFFFF, 9_999]),
            (S32M10K, -1e12, [0xFFFF, 0]),
        ];
        for (format, value, words) in table {
            assert_eq!(format.encode(Some(*value)), *words, "{format:?} of {value}");
            assert_eq!(format.encode(None), nothing, "{format:?} unlinked");
            assert_eq!(format.encode(Some(f64::NAN)), nothing, "{format:?} of no number");
        }
    }

    #[test]
    fn booleans_are_packed_from_bit_0_up() {
        let mut sources = [None; 16];
        assert_eq!(pack(sources.into_iter()), NOTHING);
        sources[0] = Some(1.0);
        sources[1] = Some(0.0);
        sources[15] = Some(2.0);
        assert_eq!(pack(sources.into_iter()), 0x8001);
        assert_eq!(pack([Some(f64::NAN); 16].into_iter()), NOTHING);
        assert_eq!(pack([Some(1.0); 40].into_iter()), 0xFFFF);
    }

    /// As a head-end reads it: w0 · 10,000 + w1, sign in bit 15.
    fn read_m10k([high, low]: [u16; 2]) -> i64 {
        let magnitude = i64::from(high & 0x7FFF) * 10_000 + i64::from(low);
        if high & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    proptest! {
        #[test]
        fn m10k_reads_back_what_was_written(value in -327_679_999i64..=327_679_999) {
            let words = Format::S32M10K.encode(Some(value as f64));
            prop_assert_eq!(read_m10k(words), value);
            prop_assert!(words[1] <= 9_999);
            prop_assert_eq!(read_m10k(Format::U32M10K.encode(Some(value as f64))), value.max(0));
        }

        #[test]
        fn two_word_formats_read_back_what_was_written(value in any::<i32>(), unsigned in any::<u32>()) {
            let join = |[high, low]: [u16; 2]| u32::from(high) << 16 | u32::from(low);
            prop_assert_eq!(join(Format::S32.encode(Some(value.into()))) as i32, value);
            prop_assert_eq!(join(Format::U32.encode(Some(unsigned.into()))), unsigned);
        }
    }
}
