//! Lines that were entered before, the newest last. Bounded; never holds what was typed unseen.

use std::collections::VecDeque;

/// Lines kept: with lines of at most 1024 bytes, 100 KiB a session.
pub(super) const LINES: usize = 100;

/// Entered lines, and where somebody looks at them.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    /// The line shown; none is the one being written.
    at: Option<usize>,
    draft: String,
}

impl History {
    /// Adds a line, unless it is blank or the last one again.
    pub fn add(&mut self, line: &str) {
        self.at = None;
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before; `now` is what is being written.
    pub fn up(&mut self, now: &str) -> Option<&str> {
        let at = match self.at {
            None => {
                now.clone_into(&mut self.draft);
                self.lines.len()
            }
            Some(at) => at,
        };
        let at = at.checked_sub(1)?;
        self.at = Some(at);
        self.lines.get(at).map(String::as_str)
    }

    /// The line after; at last the one that was being written.
    pub fn down(&mut self) -> Option<&str> {
        let at = self.at? + 1;
        if at < self.lines.len() {
            self.at = Some(at);
            self.lines.get(at).map(String::as_str)
        } else {
            self.at = None;
            Some(&self.draft)
        }
    }

    /// Nobody looks at it any more.
    pub fn leave(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_and_back_to_what_was_being_written() {
        let mut history = History::default();
        assert_eq!(history.up("draft"), None);
        ["one", " ", "two", "two"].into_iter().for_each(|line| history.add(line));
        assert_eq!(history.up("draft"), Some("two"));
        assert_eq!(history.up("two"), Some("one"));
        assert_eq!(history.up("one"), None);
        assert_eq!(history.down(), Some("two"));
        assert_eq!(history.down(), Some("draft"));
        assert_eq!(history.down(), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        (0..3 * LINES).for_each(|n| history.add(&n.to_string()));
        assert_eq!(history.lines.len(), LINES);
        assert_eq!(history.up(""), Some((3 * LINES - 1).to_string().as_str()));
    }
}
