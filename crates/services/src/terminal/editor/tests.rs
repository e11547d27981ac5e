//! What is drawn is what the line holds: a terminal emulator that nobody here wrote is fed what the editor
//! sends, and compared with the editor's own line.

use std::num::NonZero;

use proptest::prelude::*;
use vt100::Parser;

use super::*;

const PROMPT: &str = "8650> ";

struct Names;

impl Complete for Names {
    fn candidates(&self, text: &str) -> Candidates {
        let start = text.find(' ').map_or(0, |at| at + 1);
        let known = ["kW tot", "kW tot mx", "kWh del", "Überwachung"];
        let typed = text[start..].to_lowercase();
        let words = known.iter().filter(|name| name.to_lowercase().starts_with(&typed)).map(|name| (*name).to_owned());
        Candidates { start, words: words.collect(), after: " " }
    }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

/// An editor with a terminal before it.
struct Desk {
    editor: Editor,
    terminal: Parser,
    sent: Vec<u8>,
}

impl Desk {
    fn new(columns: u16, rows: u16) -> Self {
        let editor = Editor::new(Kind::Usual, columns.into(), rows.into());
        let mut desk = Self { editor, terminal: Parser::new(nonzero(rows), nonzero(columns), 100), sent: Vec::new() };
        desk.ask(Wanted::Command);
        desk
    }

    fn ask(&mut self, wanted: Wanted) {
        let mut out = Vec::new();
        self.editor.ask(wanted, PROMPT, &mut out);
        self.show(&out);
    }

    fn show(&mut self, out: &[u8]) {
        // This emulator drops U+FFFD, which terminals show as any other sign.
        let text = std::str::from_utf8(out).unwrap().replace(char::REPLACEMENT_CHARACTER, "¿");
        self.terminal.process(text.as_bytes());
        self.sent.extend(out);
    }

    /// Types; what is entered on the way.
    fn type_in(&mut self, mut bytes: &[u8]) -> Vec<Entered> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let mut out = Vec::new();
            let (taken, entered) = self.editor.take(bytes, &Names, &mut out);
            self.show(&out);
            bytes = &bytes[taken..];
            if let Some(entered) = entered {
                all.push(entered);
                self.ask(Wanted::Command);
            }
        }
        all
    }

    fn line(&self) -> &str {
        self.editor.line.text()
    }

    /// The rows of the screen, from the one that the prompt begins on.
    fn below_prompt(&self) -> String {
        let screen = self.terminal.screen();
        let (_, columns) = screen.size();
        let rows: Vec<String> = screen.rows(0, columns.get()).collect();
        let from = rows.iter().rposition(|row| row.starts_with(PROMPT.trim_end())).unwrap_or(0);
        // A row that a wide character has left ends in a blank of its own.
        rows[from..].concat()
    }

    /// Prompt and line as the window should have them, folded as terminals fold, and where the cursor is
    /// in it.
    fn expected(&self) -> (Vec<String>, (u16, u16), usize) {
        let (_, columns) = self.terminal.screen().size();
        let columns = usize::from(columns.get());
        let mut rows = vec![String::new()];
        let (mut column, mut cursor) = (0, None);
        let at = PROMPT.len() + self.editor.line.cursor();
        let text = format!("{PROMPT}{}", self.line());
        for (index, c) in text.char_indices() {
            let wide = plain::columns(c);
            if column + wide > columns && wide > 0 {
                rows.push(String::new());
                column = 0;
            }
            if index == at {
                cursor = Some((rows.len() - 1, column));
            }
            rows.last_mut().unwrap().push(if c == char::REPLACEMENT_CHARACTER { '¿' } else { c });
            column += wide;
        }
        let end = if column == columns { (rows.len(), 0) } else { (rows.len() - 1, column) };
        // A wide character that doesn't fit is on the next row, but the cursor waits where it would be.
        let (row, column) = cursor.unwrap_or(end);
        (rows, (row as u16, column as u16), end.0)
    }

    /// The screen shows the line and nothing else below the prompt, and the cursor is where it should be.
    #[track_caller]
    fn check(&self) {
        let (rows, cursor, end) = self.expected();
        let screen = self.terminal.screen();
        let (height, columns) = screen.size();
        if end >= usize::from(height.get()) {
            // More than the window has room for: another test's.
            return;
        }
        let shown: Vec<String> = screen.rows(0, columns.get()).collect();
        let from = (0..shown.len()).rev().find(|at| {
            let end = (at + rows.len()).min(shown.len());
            shown[*at..end].iter().zip(&rows).all(|(one, other)| one.trim_end() == other.trim_end())
                && end - at == rows.len()
                && shown[end..].iter().all(|row| row.trim().is_empty())
        });
        let from = from.unwrap_or_else(|| panic!("{rows:#?}\nis not at the end of\n{shown:#?}"));
        let (row, column) = screen.cursor_position();
        // Before a wide character that is on the next row, the cursor may be in either place.
        let text = &self.line()[self.editor.line.cursor()..];
        let wide_next = text.chars().next().is_some_and(|c| plain::columns(c) == 2);
        let at = (row - from as u16, column);
        assert!(
            at == cursor || (wide_next && cursor.1 == 0 && at.0 + 1 == cursor.0),
            "{at:?} and not {cursor:?}\n{shown:#?}"
        );
    }
}

#[test]
fn editing_keys_do_what_people_know_them_to_do() {
    let rows: &[(&str, &str)] = &[
        ("show kW tot", "show kW tot"),
        ("tot\x01show kW \x05!", "show kW tot!"),
        ("abc\x1b[D\x1b[DX\x1b[CY", "aXbYc"),
        ("abc\x1b[D\x7f\x1b[3~", "a"),
        ("one two three\x17\x17x", "one x"),
        ("one two\x1bb\x0b", "one "),
        ("one two\x1b[1;5D\x15", "two"),
        ("one two\x15\x19\x19", "one twoone two"),
        ("abc\x01\x04", "bc"),
        ("e\u{301}漢\x7f\x7f", ""),
        ("a\u{1b}[200~b\tc\x1b[201~d", "ab cd"),
        ("a\u{202e}\u{9b}b", "a\u{fffd}\u{fffd}b"),
    ];
    for (typed, expected) in rows {
        for columns in [80, 13, 8] {
            let mut desk = Desk::new(columns, 24);
            assert_eq!(desk.type_in(typed.as_bytes()), []);
            assert_eq!(desk.line(), *expected, "{typed:?}");
            desk.check();
        }
    }
}

#[test]
fn lines_are_entered_given_up_and_ended() {
    let mut desk = Desk::new(40, 10);
    let entered = desk.type_in(b"show\r\ninfo\nabc\x03\x04");
    let line = |text: &str| Entered::Line(text.to_owned());
    assert_eq!(entered, [line("show"), line("info"), Entered::Interrupted, Entered::Ended]);
    let text = desk.terminal.screen().contents();
    assert!(text.starts_with("8650> show\n8650> info\n8650> abc^C\n8650> \n8650> "), "{text}");
    assert_eq!(desk.type_in(b"\x1b[A\x1b[A\r"), [line("show")]);
    assert_eq!(desk.type_in(b"dr\x1b[A\x1b[B\r"), [line("dr")]);
}

#[test]
fn tab_completes_and_lists_on_the_second() {
    let mut desk = Desk::new(40, 10);
    desk.type_in(b"show \xc3\x9c\t");
    assert_eq!(desk.line(), "show Überwachung ");
    desk.type_in(b"\x15show kw");
    desk.type_in(b"\t");
    assert_eq!(desk.line(), "show kw");
    assert!(desk.sent.ends_with(&[BELL]));
    desk.type_in(b"\t");
    assert!(
        desk.terminal.screen().contents().contains("kW tot     kW tot mx  kWh del\n8650> show kw"),
        "{}",
        desk.terminal.screen().contents()
    );
    desk.check();
    desk.type_in(b" \t");
    assert_eq!(desk.line(), "show kW tot");
    desk.type_in(b" m\t");
    assert_eq!(desk.line(), "show kW tot mx ");
    desk.type_in(b"x\t");
    assert_eq!(desk.line(), "show kW tot mx x", "nothing to complete");
    desk.check();
}

#[test]
fn a_password_is_neither_shown_nor_remembered() {
    let mut desk = Desk::new(40, 10);
    desk.ask(Wanted::Secret);
    let mut out = Vec::new();
    let typed = b"wrong\x15sec\xc3\xa9\x7f\x1b[Aret\t\x1b[200~1\x1b[201~\r";
    let (taken, entered) = desk.editor.take(typed, &Names, &mut out);
    assert_eq!(taken, typed.len());
    assert_eq!(entered, Some(Entered::Secret(Zeroizing::new(b"secret1".to_vec()))));
    assert_eq!(out, b"\r\n");
    desk.ask(Wanted::Command);
    desk.type_in(b"\x1b[A");
    assert_eq!(desk.line(), "");
    // As many as a password has at most, and then some: not cut off, refused.
    desk.ask(Wanted::Secret);
    let long = [&[b'x'; Password::MAX_BYTES + 1][..], b"\r"].concat();
    assert_eq!(desk.editor.take(&long, &Names, &mut out).1, Some(Entered::TooLong));
}

#[test]
fn a_line_too_long_rings_and_is_not_run_and_ten_megabytes_of_it_cost_nothing() {
    let mut desk = Desk::new(80, 24);
    let most = "x".repeat(LONGEST_LINE);
    assert_eq!(desk.type_in(format!("{most}\r").as_bytes()), [Entered::Line(most.clone())]);
    assert_eq!(desk.type_in(format!("{most}y\r").as_bytes()), [Entered::TooLong]);
    assert_eq!(desk.type_in(format!("{most}y\x7f\r").as_bytes()), [Entered::Line(most[1..].to_owned())]);
    let piece = [b'z'; 32 * 1024];
    let before = desk.sent.len();
    for _ in 0..320 {
        assert_eq!(desk.type_in(&piece), []);
    }
    assert_eq!(desk.line().len(), LONGEST_LINE);
    assert_eq!(desk.editor.line.text().len(), LONGEST_LINE);
    assert!(desk.sent.len() - before < 320 + 2 * LONGEST_LINE, "a bell for each piece, and the line once");
    assert_eq!(desk.type_in(b"\r"), [Entered::TooLong]);
}

#[test]
fn the_window_may_change_under_the_line() {
    let mut desk = Desk::new(40, 10);
    desk.type_in(b"show kWh del");
    for columns in [20, 9, 70] {
        let mut out = Vec::new();
        desk.terminal.screen_mut().set_size(nonzero(10), nonzero(columns));
        // This emulator doesn't fold lines anew as others do: it is given a clean sheet.
        desk.terminal.process(b"\x1b[H\x1b[2J");
        desk.editor.resize(columns.into(), 10, true, &mut out);
        desk.show(&out);
        desk.check();
    }
    desk.type_in(b" and more\x01\x1b[Cx");
    desk.check();
}

#[test]
fn a_line_longer_than_the_window_shows_where_the_cursor_is() {
    let mut desk = Desk::new(20, 3);
    let long: String = (0..200).map(|n| format!("{n} ")).collect();
    desk.type_in(long.as_bytes());
    assert!(desk.below_prompt().trim_end().ends_with("198 199"), "{}", desk.below_prompt());
    desk.type_in(b"\x01");
    let shown = desk.terminal.screen().contents();
    assert!(shown.starts_with("8650> 0 1 2"), "{shown}");
    assert_eq!(desk.terminal.screen().cursor_position(), (0, 6));
}

#[test]
fn the_terminal_is_never_asked_anything() {
    let mut desk = Desk::new(30, 5);
    desk.type_in(b"abc\t\t\x0c\x1b[6n\x1b[c\x05\x1b]0;x\x07\x1bP\x90\r\x1b[A");
    // Queries end in n, c, t or q, or are DCS and OSC.
    let text = String::from_utf8(desk.sent.clone()).unwrap();
    for part in text.split('\u{1b}').skip(1) {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        assert!(part.starts_with('[') && "ABCDHJKhl".contains(&part[end..=end]), "{part:?}");
    }
}

/// Bytes among which keys and other traps are as frequent as text.
fn typing() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9 ]{1,9}",
        2 => "[äé漢字😀e\u{301}\u{300}]{1,5}",
        1 => Just("kW".to_owned()),
        3 => prop::sample::select(vec!["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[1;5C", "\x1b[1;5D", "\x1b[3~", "\x01", "\x05"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["\x0b", "\x15", "\x17", "\x19", "\x1bd", "\x7f", "\x08", "\x04x", "\t", "\t\t", "\x0c"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\r", "\x03", "\x1b[200~", "\x1b[201~", "\x1b", "\x1b["]).prop_map(str::to_owned),
    ];
    let text = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => text, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_is_drawn_is_what_the_line_holds(typed in typing(), columns in 8u16..60, rows in 6u16..30, cut in 1usize..30) {
        let mut desk = Desk::new(columns, rows);
        for piece in typed.chunks(cut) {
            desk.type_in(piece);
            desk.check();
            prop_assert!(desk.line().len() <= LONGEST_LINE);
        }
    }

    #[test]
    fn bytes_mean_the_same_however_they_are_cut(typed in typing(), cut in 1usize..10) {
        let mut whole = Desk::new(60, 20);
        let mut pieces = Desk::new(60, 20);
        let all = whole.type_in(&typed);
        let entered: Vec<_> = typed.chunks(cut).flat_map(|piece| pieces.type_in(piece)).collect();
        prop_assert_eq!(all, entered);
        prop_assert_eq!(whole.line(), pieces.line());
    }

    #[test]
    fn no_bytes_break_it_down(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        fuzz(&bytes);
    }
}
