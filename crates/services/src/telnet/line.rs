//! Typed characters become lines. Without I/O and bounded: however much comes before the end of a line, no
//! more than one line is kept, and whoever typed it is told that it was too long. Lines may be passwords, so
//! what holds them is wiped.

use zeroize::Zeroizing;

/// The most bytes of a line: far above a name, a password or a menu's choice.
pub(super) const MAX_LINE: usize = 256;

/// Forgets the line.
pub(super) const CTRL_C: u8 = 3;
/// Ends the conversation, at the start of a line.
const CTRL_D: u8 = 4;
/// Erases the line.
pub(super) const CTRL_U: u8 = 21;
/// Erases a character, as does backspace.
pub(super) const DELETE: u8 = 127;
const BACKSPACE: u8 = 8;

/// What a client has entered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end. Any bytes but control characters.
    Entered(Zeroizing<Vec<u8>>),
    /// More than [`MAX_LINE`] bytes; they are gone.
    TooLong,
    /// The client wants no more.
    Leave,
}

/// Puts one line together after the other.
pub(super) struct Editor {
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
    after_return: bool,
}

impl Default for Editor {
    fn default() -> Self {
        Self { line: Self::empty(), too_long: false, after_return: false }
    }
}

impl Editor {
    /// All the room at once: a vector that grows leaves unwiped copies behind.
    fn empty() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Vec::with_capacity(MAX_LINE))
    }

    /// Takes one character; gives what it completes. A line ends with CR LF or CR NUL (RFC 854), and with
    /// LF or CR alone, as plain sockets send it.
    pub fn take(&mut self, byte: u8) -> Option<Line> {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' | 0 if after_return => {}
            b'\r' | b'\n' => return Some(self.end()),
            CTRL_D if self.line.is_empty() && !self.too_long => return Some(Line::Leave),
            CTRL_C | CTRL_U => self.forget(),
            BACKSPACE | DELETE => {
                self.line.pop();
            }
            control if control.is_ascii_control() => {}
            _ if self.line.len() == MAX_LINE => self.too_long = true,
            typed => self.line.push(typed),
        }
        None
    }

    fn end(&mut self) -> Line {
        let line = std::mem::replace(&mut self.line, Self::empty());
        if std::mem::take(&mut self.too_long) { Line::TooLong } else { Line::Entered(line) }
    }

    fn forget(&mut self) {
        self.line = Self::empty();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut editor = Editor::default();
        bytes.iter().filter_map(|byte| editor.take(*byte)).collect()
    }

    fn entered(text: &[u8]) -> Line {
        Line::Entered(Zeroizing::new(text.to_vec()))
    }

    #[test]
    fn every_end_of_line_ends_one_line() {
        for end in [&b"\r\n"[..], b"\r\0", b"\n", b"\r"] {
            let sent = [b"8650", end, b"0", end, end].concat();
            assert_eq!(lines(&sent), [entered(b"8650"), entered(b"0"), entered(b"")], "{end:?}");
        }
    }

    #[test]
    fn editing_keys_and_other_controls() {
        let rows: &[(&[u8], &[Line])] = &[
            (b"ab\x08c\x7f\x7f\x7f\x7fd\n", &[entered(b"d")]),
            (b"wrong\x15right\n", &[entered(b"right")]),
            (b"wrong\x03\n", &[entered(b"")]),
            (b"a\x1b[\x00\x07b\n", &[entered(b"a[b")]),
            (b"a\x04\n\x04", &[entered(b"a"), Line::Leave]),
            (b"\xff\xc3\xa9\n", &[entered(b"\xff\xc3\xa9")]),
        ];
        for (sent, expected) in rows {
            assert_eq!(lines(sent), *expected, "{sent:?}");
        }
    }

    #[test]
    fn a_line_too_long_is_told_once_and_kept_nowhere() {
        let most = [b'x'; MAX_LINE];
        assert_eq!(lines(&[&most[..], b"\n"].concat()), [entered(&most)]);
        assert_eq!(lines(&[&most[..], b"x\x08\ny\n"].concat()), [Line::TooLong, entered(b"y")]);
        let mut editor = Editor::default();
        assert!((0..100_000).all(|_| editor.take(b'x').is_none()));
        assert_eq!(editor.line.capacity(), MAX_LINE);
    }

    proptest! {
        #[test]
        fn any_bytes_become_bounded_lines_without_control_characters(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'x')], 0..2000),
        ) {
            let ends = bytes.iter().filter(|byte| matches!(**byte, b'\r' | b'\n' | CTRL_D)).count();
            let lines = lines(&bytes);
            prop_assert!(lines.len() <= ends);
            for line in lines {
                if let Line::Entered(line) = line {
                    prop_assert!(line.len() <= MAX_LINE && !line.iter().any(u8::is_ascii_control));
                }
            }
        }
    }
}
