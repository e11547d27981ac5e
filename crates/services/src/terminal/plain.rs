//! What may reach a client's terminal: characters that show themselves, and line ends. Everything that
//! could be a command to the terminal, or change the order in which people read, becomes U+FFFD; labels,
//! values and typed text all pass here, whoever chose them.

use security::unseen::is_unseen;
use unicode_width::UnicodeWidthChar;

/// Stands for what isn't shown.
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// The character itself, if it only shows itself. The two joiners stay: scripts are written with them.
pub fn printable(c: char) -> char {
    if is_unseen(c) { REPLACED } else { c }
}

/// Text with nothing in it but what shows itself and line feeds.
pub fn lines(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { printable(c) }).collect()
}

/// The columns that a printable character takes: 0 for what stands on the character before it.
pub(super) fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The lines of a text, broken at its spaces. A word longer than a line has a line to itself.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text after `lead`, within so many columns, its other lines below its first.
pub(crate) fn hanging(lead: &str, text: &str, room: usize) -> String {
    let indent = width(lead);
    let mut out = String::new();
    for (index, line) in wrap(text, room.saturating_sub(indent).max(1)).iter().enumerate() {
        if index == 0 {
            out.push_str(lead);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Rows of cells under one another; the last cell of a row is not padded, and folds within the room that
/// is left for it.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], room: usize) -> String {
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(widest);
    let mut text = String::new();
    for row in rows {
        let mut lead = String::new();
        for (cell, wide) in row.iter().zip(widths).take(N.saturating_sub(1)) {
            lead.push_str(cell);
            lead.push_str(&" ".repeat(wide + 2 - width(cell)));
        }
        let last = row.last().map_or("", String::as_str);
        // A last cell with next to no room is not folded into a column of syllables.
        if width(&lead) + width(last) <= room || room < width(&lead) + LEAST_ROOM {
            text.push_str(format!("{lead}{last}").trim_end());
            text.push('\n');
        } else {
            text.push_str(&hanging(&lead, last, room));
        }
    }
    text
}

/// A folded cell has at least so many columns.
const LEAST_ROOM: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_to_the_terminal_and_hidden_order_do_not_pass() {
        assert_eq!(
            lines("a\u{1b}[2Jb\r\n\u{9b}31m\u{202e}c\u{7f}\té漢"),
            "a\u{fffd}[2Jb\u{fffd}\n\u{fffd}31m\u{fffd}c\u{fffd}\u{fffd}é漢"
        );
    }

    #[test]
    fn a_table_folds_its_last_cell() {
        let rows =
            [["a".to_owned(), "one two three four five six seven eight".to_owned()], ["漢".to_owned(), "x".to_owned()]];
        assert_eq!(table(&rows, 30), "a   one two three four five\n    six seven eight\n漢  x\n");
    }

    proptest! {
        #[test]
        fn what_passes_shows_itself(text in "\\PC*|[\\x00-\\xff\\u{2000}-\\u{2100}]*") {
            let shown = lines(&text);
            prop_assert!(shown.chars().all(|c| c == '\n' || (!c.is_control() && printable(c) == c)));
            prop_assert_eq!(shown.chars().count(), text.chars().count());
        }
    }
}
