//! A client's bytes become lines. Without I/O and bounded: however much comes before the end of a line, no more than
//! one line is kept, and no more than a few wait for their turn. A line may be a password, so what holds one is wiped.

use std::collections::VecDeque;

use zeroize::Zeroizing;

/// The most bytes of a line: the longest command with the longest path of a document takes some 600.
pub(super) const MAX_LINE: usize = 1024;
/// Lines that may wait while another is carried out. Clients ask one thing at a time; a few send the next one early.
const MAX_WAITING: usize = 16;
/// Telnet's commands begin here (RFC 854): old clients send two of them in front of `ABOR`.
const TELNET_COMMANDS: u8 = 0xF0;
const ABORT: &[u8] = b"ABOR";

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end. Any bytes.
    Sent(Zeroizing<Vec<u8>>),
    /// More than [`MAX_LINE`] bytes; they are gone.
    TooLong,
}

/// Puts one line together after the other.
pub(super) struct Lines {
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
    waiting: VecDeque<Line>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { line: empty(), too_long: false, waiting: VecDeque::new() }
    }
}

/// All the room at once: a vector that grows leaves unwiped copies behind.
fn empty() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(MAX_LINE))
}

impl Lines {
    /// Whether more may be taken before something is fetched.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Takes one byte. A line ends with LF; a CR in front of it belongs to the end.
    pub(super) fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end(),
            command if command >= TELNET_COMMANDS && self.line.is_empty() && !self.too_long => {}
            _ if self.line.len() == MAX_LINE => self.too_long = true,
            byte => self.line.push(byte),
        }
        // Clients send `ABOR` as urgent data, whose last byte, the LF, takes another way and never comes.
        if self.line.strip_suffix(b"\r").is_some_and(|line| line.eq_ignore_ascii_case(ABORT)) {
            self.end();
        }
    }

    /// The next line, if a whole one is there.
    pub(super) fn next(&mut self) -> Option<Line> {
        self.waiting.pop_front()
    }

    /// Whether the client wants what is under way to end. What else it has sent keeps its turn.
    pub(super) fn takes_back(&mut self) -> bool {
        let is_abort = |line: &Line| matches!(line, Line::Sent(line) if line.eq_ignore_ascii_case(ABORT));
        self.waiting.iter().position(is_abort).and_then(|at| self.waiting.remove(at)).is_some()
    }

    fn end(&mut self) {
        let mut line = std::mem::replace(&mut self.line, empty());
        let too_long = std::mem::take(&mut self.too_long);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if too_long {
            self.waiting.push_back(Line::TooLong);
        } else if !line.is_empty() {
            self.waiting.push_back(Line::Sent(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::default();
        bytes.iter().for_each(|byte| lines.take(*byte));
        std::iter::from_fn(|| lines.next())
            .map(|line| match line {
                Line::Sent(line) => String::from_utf8_lossy(&line).into_owned(),
                Line::TooLong => "too long".to_owned(),
            })
            .collect()
    }

    #[test]
    fn lines_end_as_every_client_ends_them() {
        assert_eq!(lines(b"USER 8650\r\nPASS 0\nQUIT\r\nNO"), ["USER 8650", "PASS 0", "QUIT"]);
        assert_eq!(lines(b"\r\n\n\r\n"), [""; 0]);
        assert_eq!(lines(b"RETR a\rDELE b\r\n"), ["RETR a\rDELE b"], "a CR alone ends nothing");
        // Interrupt process, data mark, and an LF that went as urgent data.
        assert_eq!(lines(b"\xff\xf4\xff\xf2ABOR\r\nNOOP\r\n"), ["ABOR", "NOOP"]);
        assert_eq!(lines(b"\xff\xf4\xffabor\rNOOP\r\n"), ["abor", "NOOP"]);
    }

    #[test]
    fn a_line_too_long_is_told_and_the_next_one_is_whole() {
        let just = "x".repeat(MAX_LINE);
        assert_eq!(lines(format!("{just}\nNOOP\n").as_bytes()), [just.as_str(), "NOOP"]);
        assert_eq!(lines(format!("{just}y\nNOOP\n").as_bytes()), ["too long", "NOOP"]);
    }

    #[test]
    fn what_is_taken_back_is_found_behind_others_which_keep_their_turn() {
        let mut sent = Lines::default();
        b"NOOP\r\nABOR\r\nQUIT\r\n".iter().for_each(|byte| sent.take(*byte));
        assert!(sent.takes_back() && !sent.takes_back());
        let left: Vec<_> = std::iter::from_fn(|| sent.next()).collect();
        assert_eq!(left, [b"NOOP", b"QUIT"].map(|line| Line::Sent(Zeroizing::new(line.to_vec()))));
    }

    proptest! {
        #[test]
        fn whatever_comes_no_line_is_longer_than_it_may_be(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let mut lines = Lines::default();
            for byte in bytes {
                lines.take(byte);
                prop_assert!(lines.line.len() <= MAX_LINE && lines.line.capacity() == MAX_LINE);
                while let Some(line) = lines.next() {
                    prop_assert!(!matches!(line, Line::Sent(line) if line.len() > MAX_LINE));
                }
            }
        }
    }
}
