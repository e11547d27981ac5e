//! Bytes of a terminal become keys: UTF-8, the escape sequences of cursor and editing keys in the spellings
//! of xterm, VT220, rxvt, PuTTY and the Linux console, and pastes between their marks. A few bytes of
//! state, so that the same bytes mean the same however the network cuts them.

/// A key, or what is typed with several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character. Broken UTF-8 is U+FFFD.
    Character(char),
    Enter,
    Tab,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    KillToEnd,
    KillToStart,
    KillWordLeft,
    KillWordRight,
    Yank,
    Clear,
    /// A key that means nothing here.
    Unknown,
}

/// Parameters of a control sequence that are looked at; those beyond are swallowed with it.
const PARAMETERS: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Ground,
    /// In the middle of a character: what there is of it, and how much it is to be.
    Utf8 {
        bytes: [u8; 4],
        have: usize,
        need: usize,
    },
    Escape,
    /// After `ESC [`.
    Control {
        parameters: [u8; PARAMETERS],
        have: usize,
    },
    /// After `ESC O`.
    Single,
    /// The Linux console's function keys are `ESC [ [` and one character more.
    Console,
}

/// One terminal's keyboard.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    pasting: bool,
    after_return: bool,
}

impl Keys {
    /// Whether the last byte was a return.
    pub fn after_return(&self) -> bool {
        self.after_return
    }

    /// Takes a byte; gives the keys that it completes, two when it cuts a character short.
    pub fn take(&mut self, byte: u8) -> [Option<Key>; 2] {
        let (state, key) = match self.state {
            State::Ground => self.ground(byte),
            State::Utf8 { mut bytes, have, need } => {
                if byte & 0xc0 != 0x80 {
                    let (state, key) = self.ground(byte);
                    self.state = state;
                    return [Some(Key::Character(char::REPLACEMENT_CHARACTER)), key];
                }
                bytes[have] = byte;
                if have + 1 < need {
                    (State::Utf8 { bytes, have: have + 1, need }, None)
                } else {
                    let character = std::str::from_utf8(&bytes[..need]).ok().and_then(|text| text.chars().next());
                    (State::Ground, Some(Key::Character(character.unwrap_or(char::REPLACEMENT_CHARACTER))))
                }
            }
            State::Escape => self.escaped(byte),
            State::Control { parameters, have } => self.control(byte, parameters, have),
            State::Single => match byte {
                0x20..=0x7e => (State::Ground, Some(single(byte))),
                _ => self.ground(byte),
            },
            State::Console => match byte {
                0x20..=0x7e => (State::Ground, Some(Key::Unknown)),
                _ => self.ground(byte),
            },
        };
        self.state = state;
        [key, None]
    }

    fn ground(&mut self, byte: u8) -> (State, Option<Key>) {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        let key = match byte {
            // CR LF and CR NUL are one end of line.
            b'\n' | 0 if after_return => return (State::Ground, None),
            b'\r' | b'\n' => Key::Enter,
            0x1b => return (State::Escape, None),
            3 => {
                // Should the end of a paste never come, this is the way out of it.
                self.pasting = false;
                Key::Interrupt
            }
            // In what is pasted, a tab is a blank and nothing is a key.
            b'\t' if self.pasting => Key::Character(' '),
            0..0x20 | 0x7f if self.pasting => return (State::Ground, None),
            b'\t' => Key::Tab,
            1 => Key::Home,
            2 => Key::Left,
            4 => Key::EndOfInput,
            5 => Key::End,
            6 => Key::Right,
            8 | 0x7f => Key::Backspace,
            11 => Key::KillToEnd,
            12 => Key::Clear,
            14 => Key::Down,
            16 => Key::Up,
            21 => Key::KillToStart,
            23 => Key::KillWordLeft,
            25 => Key::Yank,
            0..0x20 => Key::Unknown,
            0x20..0x7f => Key::Character(char::from(byte)),
            0xc2..=0xdf => return utf8(byte, 2),
            0xe0..=0xef => return utf8(byte, 3),
            0xf0..=0xf4 => return utf8(byte, 4),
            _ => Key::Character(char::REPLACEMENT_CHARACTER),
        };
        (State::Ground, Some(key))
    }

    /// After an escape: a sequence's beginning, or a key with Alt.
    fn escaped(&mut self, byte: u8) -> (State, Option<Key>) {
        let key = match byte {
            b'[' => return (State::Control { parameters: [0; PARAMETERS], have: 0 }, None),
            b'O' => return (State::Single, None),
            0x1b => return (State::Escape, None),
            _ if self.pasting => return self.ground(byte),
            b'b' => Key::WordLeft,
            b'f' => Key::WordRight,
            b'd' => Key::KillWordRight,
            8 | 0x7f => Key::KillWordLeft,
            0x20..0x7f => Key::Unknown,
            _ => return self.ground(byte),
        };
        (State::Ground, Some(key))
    }

    fn control(&mut self, byte: u8, mut parameters: [u8; PARAMETERS], have: usize) -> (State, Option<Key>) {
        match byte {
            b'[' if have == 0 => (State::Console, None),
            0x20..=0x3f => {
                if have < PARAMETERS {
                    parameters[have] = byte;
                }
                // One more than there is room for says that it is a sequence of none of our keys.
                (State::Control { parameters, have: (have + 1).min(PARAMETERS + 1) }, None)
            }
            0x40..=0x7e => {
                let key = parameters.get(..have).map_or(Key::Unknown, |parameters| sequence(parameters, byte));
                match (parameters.get(..have), byte) {
                    (Some(b"200"), b'~') => self.pasting = true,
                    (Some(b"201"), b'~') => self.pasting = false,
                    _ if self.pasting => {}
                    _ => return (State::Ground, Some(key)),
                }
                (State::Ground, None)
            }
            _ => self.ground(byte),
        }
    }
}

fn utf8(first: u8, need: usize) -> (State, Option<Key>) {
    (State::Utf8 { bytes: [first, 0, 0, 0], have: 1, need }, None)
}

/// `ESC O` and a letter: keys of terminals in application mode.
fn single(letter: u8) -> Key {
    match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'M' => Key::Enter,
        b'c' => Key::WordRight,
        b'd' => Key::WordLeft,
        _ => Key::Unknown,
    }
}

/// `ESC [`, parameters and a letter. A second parameter says which keys were held down: 3 is Alt, 5 is Ctrl.
fn sequence(parameters: &[u8], letter: u8) -> Key {
    let word = matches!(parameters, b"1;3" | b"1;5" | b"3" | b"5");
    match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if word => Key::WordRight,
        b'D' if word => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'~' => match parameters {
            b"1" | b"7" => Key::Home,
            b"3" => Key::Delete,
            b"3;3" | b"3;5" => Key::KillWordRight,
            b"4" | b"8" => Key::End,
            _ => Key::Unknown,
        },
        _ => Key::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().flat_map(|byte| keys.take(*byte)).flatten().collect()
    }

    #[test]
    fn keys_in_the_spellings_of_terminals() {
        use Key::*;
        let rows: &[(&[u8], &[Key])] = &[
            (b"\x1b[A\x1bOA\x10", &[Up, Up, Up]),
            (b"\x1b[1;5C\x1b[1;3C\x1b[5C\x1bOc\x1bf", &[WordRight; 5]),
            (b"\x1b[H\x1bOH\x1b[1~\x1b[7~\x01", &[Home; 5]),
            (b"\x1b[F\x1bOF\x1b[4~\x1b[8~\x05", &[End; 5]),
            (b"\x1b[3~\x1b[3;5~\x1bd", &[Delete, KillWordRight, KillWordRight]),
            (b"\x7f\x08\x17\x1b\x7f", &[Backspace, Backspace, KillWordLeft, KillWordLeft]),
            // The Linux console's F1, and sequences that are none of our keys, leave nothing behind.
            (
                b"\x1b[[Aa\x1b[1;2;3;4;5;6;7~b\x1b[?1;2cc",
                &[Unknown, Character('a'), Unknown, Character('b'), Unknown, Character('c')],
            ),
            (b"\r\n\n\r\0\r", &[Enter; 4]),
            // A key in the middle of a sequence is that key.
            (b"\x1b[1\x03\x1b\x03\x1bO\x03", &[Interrupt; 3]),
        ];
        for (bytes, expected) in rows {
            assert_eq!(keys(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn broken_utf8_is_replaced_and_what_follows_it_is_not_lost() {
        let bad = Key::Character(char::REPLACEMENT_CHARACTER);
        let rows: &[(&[u8], &[Key])] = &[
            ("é漢😀".as_bytes(), &[Key::Character('é'), Key::Character('漢'), Key::Character('😀')]),
            (b"\xc3a", &[bad, Key::Character('a')]),
            (b"\xe6\xbc\r", &[bad, Key::Enter]),
            (b"\xff\xc0\x80", &[bad, bad, bad]),
            // Overlong, a surrogate, beyond Unicode.
            (b"\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80", &[bad, bad, bad]),
        ];
        for (bytes, expected) in rows {
            assert_eq!(keys(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_pasted_is_text_until_its_end_or_ctrl_c() {
        use Key::*;
        let rows: &[(&[u8], &[Key])] = &[
            (
                b"\x1b[200~a\tb\x01\x1b[Ac\r\n\x1b[201~\x01",
                &[Character('a'), Character(' '), Character('b'), Character('c'), Enter, Home],
            ),
            (b"\x1b[200~a\x03\x01", &[Character('a'), Interrupt, Home]),
        ];
        for (bytes, expected) in rows {
            assert_eq!(keys(bytes), *expected, "{bytes:?}");
        }
    }
}
