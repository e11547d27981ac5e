//! The three typefaces of What's New: their names, their widths, and which byte draws which character.
//!
//! They are among the fourteen that every PDF reader has, so no font is carried along. The widths are those of
//! Adobe's font metrics, in thousandths of the type size, for WinAnsiEncoding (ISO 32000-1, annex D.2).

/// A typeface and weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Plain,
    Bold,
    Code,
}

impl Face {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Bold, Self::Code];

    /// The font's name in PDF.
    pub(super) fn base_font(self) -> &'static [u8] {
        match self {
            Self::Plain => b"Helvetica",
            Self::Bold => b"Helvetica-Bold",
            Self::Code => b"Courier",
        }
    }

    /// The font's name on our pages.
    pub(super) fn resource(self) -> &'static [u8] {
        match self {
            Self::Plain => b"F1",
            Self::Bold => b"F2",
            Self::Code => b"F3",
        }
    }

    /// How wide a text is, in points, at a type size in points.
    pub(super) fn width(self, text: &[u8], size: f32) -> f32 {
        let thousandths: u32 = text.iter().map(|byte| u32::from(self.advance(*byte))).sum();
        thousandths as f32 / 1000.0 * size
    }

    fn advance(self, byte: u8) -> u16 {
        let table = match self {
            Self::Plain => &HELVETICA,
            Self::Bold => &HELVETICA_BOLD,
            Self::Code => return COURIER,
        };
        byte.checked_sub(FIRST).and_then(|index| table.get(usize::from(index))).copied().unwrap_or(0)
    }
}

/// A text in WinAnsiEncoding. What that can't draw is written with what it can, or as `?`.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' | '\u{A0}'..='\u{FF}' => bytes.push(c as u8),
            '→' => bytes.extend(b"->"),
            '←' => bytes.extend(b"<-"),
            '≤' => bytes.extend(b"<="),
            '≥' => bytes.extend(b">="),
            '−' | '‐' | '‑' => bytes.push(b'-'),
            _ => bytes.push(WINDOWS_1252.iter().find(|(own, _)| *own == c).map_or(b'?', |(_, byte)| *byte)),
        }
    }
    bytes
}

/// The characters between ASCII and Latin-1 that a text is likely to have.
const WINDOWS_1252: [(char, u8); 27] = [
    ('€', 0x80),
    ('‚', 0x82),
    ('ƒ', 0x83),
    ('„', 0x84),
    ('…', 0x85),
    ('†', 0x86),
    ('‡', 0x87),
    ('ˆ', 0x88),
    ('‰', 0x89),
    ('Š', 0x8A),
    ('‹', 0x8B),
    ('Œ', 0x8C),
    ('Ž', 0x8E),
    ('‘', 0x91),
    ('’', 0x92),
    ('“', 0x93),
    ('”', 0x94),
    ('•', 0x95),
    ('–', 0x96),
    ('—', 0x97),
    ('˜', 0x98),
    ('™', 0x99),
    ('š', 0x9A),
    ('›', 0x9B),
    ('œ', 0x9C),
    ('ž', 0x9E),
    ('Ÿ', 0x9F),
];

/// The first byte in the tables of widths.
const FIRST: u8 = 0x20;

/// Every character of Courier.
const COURIER: u16 = 600;

#[rustfmt::skip]
const HELVETICA: [u16; 224] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, 0,
    556, 0, 222, 556, 333, 1000, 556, 556, 333, 1000, 667, 333, 1000, 0, 611, 0,
    0, 222, 222, 333, 333, 350, 556, 1000, 333, 1000, 500, 333, 944, 0, 500, 667,
    278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556, 584, 333, 737, 333,
    400, 584, 333, 333, 333, 578, 537, 278, 333, 333, 365, 556, 834, 834, 834, 611,
    667, 667, 667, 667, 667, 667, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278,
    722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611,
    556, 556, 556, 556, 556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];

#[rustfmt::skip]
const HELVETICA_BOLD: [u16; 224] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584, 0,
    556, 0, 278, 556, 500, 1000, 556, 556, 333, 1000, 667, 333, 1000, 0, 611, 0,
    0, 278, 278, 500, 500, 350, 556, 1000, 333, 1000, 556, 333, 944, 0, 500, 667,
    278, 333, 556, 556, 556, 556, 280, 556, 333, 737, 370, 556, 584, 333, 737, 333,
    400, 584, 333, 333, 333, 611, 556, 278, 333, 333, 365, 556, 834, 834, 834, 611,
    722, 722, 722, 722, 722, 722, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278,
    722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611,
    556, 556, 556, 556, 556, 556, 889, 556, 556, 556, 556, 556, 278, 278, 278, 278,
    611, 611, 611, 611, 611, 611, 611, 584, 611, 611, 611, 611, 611, 556, 611, 556,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font_metrics() {
        for (face, text, thousandths) in [
            (Face::Plain, "Wi ", 944 + 222 + 278),
            (Face::Plain, "\u{2014}é", 1000 + 556),
            (Face::Bold, "Wi ", 944 + 278 + 278),
            (Face::Code, "Wi ", 1800),
        ] {
            assert_eq!(face.width(&encode(text), 1000.0), thousandths as f32, "{text}");
        }
        assert_eq!(Face::Plain.width(&[0x00, 0x1F, 0x7F], 10.0), 0.0);
    }

    #[test]
    fn what_cannot_be_drawn_is_still_said() {
        assert_eq!(encode("4.0.9 → 4.40.1"), b"4.0.9 -> 4.40.1");
        assert_eq!(encode("“ü”…"), b"\x93\xFC\x94\x85");
        assert_eq!(encode("日\u{7F}"), b"??");
    }
}
