//! Sentences on lines of a given width, and what of a text reaches a terminal at all.
//!
//! Texts of meters and of files may have been chosen by anybody. Cells of tables, wrapped texts, headings, lines and
//! sentences of errors make them harmless here by themselves; whoever writes one past them calls [`printable`].

use std::borrow::Cow;
use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};
use security::unseen::is_unseen;

/// Stands for a character that isn't shown.
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// A text that stays on its line, moves no cursor and shows all that is in it, in the order in which it is read. It is as
/// wide as before.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let shown = |c: char| match c {
        c if !is_unseen(c) => c,
        c if c.is_whitespace() => ' ',
        _ => REPLACED,
    };
    text.chars().map(shown).collect::<String>().into()
}

/// The same, with the text's own lines.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// What is shown of a text that nothing bounds.
pub fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Columns that a text takes: one for each character, as the terms of the trade are written.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// The lines of a text, broken at its spaces. A word longer than a line has a line to itself.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(printable) {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word.into_owned()),
        }
    }
    lines
}

/// Writes a text on one line, however long it is: what is compared or copied.
///
/// # Errors
/// Those of the stream.
pub fn line(out: &mut dyn Write, style: Style, text: &str) -> io::Result<()> {
    writeln!(out, "{}", printable(text).style(style))
}

/// Writes a text from column `indent` on, within 80 columns.
///
/// # Errors
/// Those of the stream.
pub fn paragraph(out: &mut dyn Write, indent: usize, style: Style, text: &str) -> io::Result<()> {
    hanging(out, &" ".repeat(indent), style, text)
}

/// Writes a text after `lead`, its other lines below its first.
///
/// # Errors
/// Those of the stream.
pub fn hanging(out: &mut dyn Write, lead: &str, style: Style, text: &str) -> io::Result<()> {
    let indent = width(lead);
    for (index, line) in wrap(text, super::WIDTH.saturating_sub(indent)).iter().enumerate() {
        let before = if index == 0 { lead.to_owned() } else { " ".repeat(indent) };
        writeln!(out, "{before}{}", line.style(style))?;
    }
    Ok(())
}

/// `1 danger`, `2 dangers`.
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}

/// A moment, given in milliseconds since 1970, as people write it; milliseconds where they count.
pub fn utc(ms: i64, precision: Precision) -> String {
    let Ok(moment) = jiff::Timestamp::from_millisecond(ms) else { return "at no time".to_owned() };
    let form = match precision {
        Precision::Seconds => "%Y-%m-%d %H:%M:%S",
        Precision::Milliseconds => "%Y-%m-%d %H:%M:%S%.3f",
    };
    moment.strftime(form).to_string()
}

/// How exactly a moment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// To the second.
    Seconds,
    /// To the millisecond, as events are recorded.
    Milliseconds,
}

/// A heading.
///
/// # Errors
/// Those of the stream.
pub fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", printable(text).style(super::style::HEADING))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  one   two ", 80), ["one two"]);
        assert_eq!(wrap("extraordinarily long", 5), ["extraordinarily", "long"]);
        assert_eq!(wrap("", 5), [""; 0]);
    }

    #[test]
    fn what_is_not_seen_is_shown_as_such_and_turns_nothing() {
        for (text, shown) in [
            ("kWh del, Zähler 7", "kWh del, Zähler 7"),
            ("a\u{1b}[2Jb\u{9b}1mc", "a\u{fffd}[2Jb\u{fffd}1mc"),
            ("\u{202e}0.9.4\u{feff}", "\u{fffd}0.9.4\u{fffd}"),
            ("one\ntwo\tthree\u{2028}four\r", "one two three four "),
        ] {
            assert_eq!((printable(text).as_ref(), width(&printable(text))), (shown, width(text)));
        }
        assert_eq!(printable_lines("a\u{7}\n  b\r\n"), "a\u{fffd}\n  b");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_line_is_longer_than_it_must(text in "[a-zé ]{0,200}", columns in 1usize..60) {
            let lines = wrap(&text, columns);
            let words: Vec<_> = text.split_whitespace().collect();
            let joined = lines.join(" ");
            prop_assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words);
            prop_assert!(lines.iter().all(|line| width(line) <= columns || !line.contains(' ')));
        }
    }
}
