//! The line being edited: text of a bounded length and a cursor that stands between characters as people
//! see them, never between a letter and the accents on it.

use crate::terminal::plain;

/// A line and the place in it.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: String,
    /// A byte position, at a character with a width of its own or at the end.
    cursor: usize,
    most: usize,
}

impl Line {
    /// An empty line of at most so many bytes. It never grows beyond what is reserved here.
    pub fn new(most: usize) -> Self {
        Self { text: String::with_capacity(most), cursor: 0, most }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the character went in.
    pub fn insert(&mut self, c: char) -> bool {
        // An accent needs something to stand on.
        let stands = plain::columns(c) > 0 || self.cursor > 0;
        if !stands || self.text.len() + c.len_utf8() > self.most {
            return false;
        }
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
        true
    }

    /// Puts a text where `start` to the cursor was. Whether there was room for it.
    pub fn replace_from(&mut self, start: usize, text: &str) -> bool {
        if self.text.len() - (self.cursor - start) + text.len() > self.most {
            return false;
        }
        self.text.replace_range(start..self.cursor, text);
        self.go(start + text.len());
        true
    }

    /// Takes the text out, and leaves the line empty.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::replace(&mut self.text, String::with_capacity(self.most))
    }

    /// Puts another text in its place, as far as it fits, the cursor behind it.
    pub fn set(&mut self, text: &str) {
        self.text.clear();
        self.text.extend(text.chars().scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= self.most).then_some(c)
        }));
        self.cursor = self.text.len();
    }

    pub fn left(&mut self) {
        self.go(self.before(self.cursor));
    }

    pub fn right(&mut self) {
        self.go(self.after(self.cursor));
    }

    pub fn home(&mut self) {
        self.go(0);
    }

    pub fn end(&mut self) {
        self.go(self.text.len());
    }

    pub fn word_left(&mut self) {
        self.go(self.start_of_word());
    }

    pub fn word_right(&mut self) {
        self.go(self.end_of_word());
    }

    /// Goes to a place, or behind the accents that stand there on what is before it.
    fn go(&mut self, place: usize) {
        let accents = self.text[place..].chars().take_while(|c| plain::columns(*c) == 0);
        self.cursor = place + accents.map(char::len_utf8).sum::<usize>();
    }

    /// Takes a part out and goes to where it was; gives what was there.
    fn cut(&mut self, from: usize, to: usize) -> String {
        let cut = self.text.drain(from..to).collect();
        self.go(from);
        cut
    }

    pub fn backspace(&mut self) -> String {
        self.cut(self.before(self.cursor), self.cursor)
    }

    pub fn delete(&mut self) -> String {
        self.cut(self.cursor, self.after(self.cursor))
    }

    pub fn kill_to_end(&mut self) -> String {
        self.cut(self.cursor, self.text.len())
    }

    pub fn kill_to_start(&mut self) -> String {
        self.cut(0, self.cursor)
    }

    pub fn kill_word_left(&mut self) -> String {
        self.cut(self.start_of_word(), self.cursor)
    }

    pub fn kill_word_right(&mut self) -> String {
        self.cut(self.cursor, self.end_of_word())
    }

    fn before(&self, place: usize) -> usize {
        let wide = |(_, c): &(usize, char)| plain::columns(*c) > 0;
        self.text[..place].char_indices().rev().find(wide).map_or(0, |(at, _)| at)
    }

    fn after(&self, place: usize) -> usize {
        let wide = |(_, c): &(usize, char)| plain::columns(*c) > 0;
        let next = self.text[place..].char_indices().skip(1).find(wide);
        next.map_or(self.text.len(), |(at, _)| place + at)
    }

    /// Words are parted by blanks, as the engine parts them.
    fn start_of_word(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn end_of_word(&self) -> usize {
        let after = &self.text[self.cursor..];
        let blanks = after.len() - after.trim_start().len();
        let word = after.trim_start();
        self.cursor + blanks + word.find(char::is_whitespace).unwrap_or(word.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_never_stands_between_a_letter_and_its_accents() {
        let mut line = Line::new(64);
        "ae\u{301}漢".chars().for_each(|c| assert!(line.insert(c)));
        line.left();
        line.left();
        assert_eq!(line.cursor(), 1);
        line.right();
        assert_eq!(line.cursor(), 4);
        assert_eq!(line.backspace(), "e\u{301}");
        assert_eq!(line.text(), "a漢");
        line.home();
        assert!(!line.insert('\u{301}'), "an accent on nothing");
    }

    #[test]
    fn an_accent_that_loses_its_letter_stands_on_what_is_before_it() {
        let mut line = Line::new(64);
        line.set("a b\u{301}c");
        line.left();
        line.kill_word_left();
        assert_eq!((line.text(), line.cursor()), ("a c", 2));
        line.set("a \u{301}c");
        line.word_left();
        assert_eq!(line.cursor(), 4, "behind the accent on the blank");
    }

    #[test]
    fn words_as_the_engine_parts_them() {
        let mut line = Line::new(64);
        line.set("show  kW tot ");
        assert_eq!(line.kill_word_left(), "tot ");
        line.word_left();
        line.word_left();
        assert_eq!(line.cursor(), 0);
        line.word_right();
        assert_eq!(line.kill_word_right(), "  kW");
        assert_eq!(line.text(), "show ");
    }

    #[test]
    fn a_line_is_never_longer_than_it_may_be() {
        let mut line = Line::new(4);
        assert!("äö".chars().all(|c| line.insert(c)) && !line.insert('x'));
        assert!(!line.replace_from(0, "12345") && line.replace_from(0, "1234"));
        line.set("abcdef");
        assert_eq!(line.text(), "abcd");
        line.set("äöü");
        assert_eq!(line.text(), "äö");
    }
}
