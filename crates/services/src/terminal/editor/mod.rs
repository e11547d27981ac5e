//! The line editor of the terminals, without I/O and without a clock: bytes of a keyboard in, bytes for a
//! screen and entered lines out. It owns the line, its history and the knowledge of what stands on the
//! screen; it never asks the terminal anything, never sends it a character that could be a command, and
//! never holds more than a line of [`LONGEST_LINE`] bytes and a bounded history.

mod complete;
mod history;
mod keys;
mod line;
mod screen;
#[cfg(test)]
mod tests;

pub use complete::{Candidates, Complete, Nothing};

use security::Password;
use zeroize::Zeroizing;

use self::history::History;
use self::keys::{Key, Keys};
use self::line::Line;
use self::screen::Screen;
use super::{LONGEST_LINE, plain};

const BELL: u8 = 7;
const MARK_PASTES: &[u8] = b"\x1b[?2004h";
const MARK_PASTES_NO_MORE: &[u8] = b"\x1b[?2004l";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// A command: with history and completion.
    #[default]
    Command,
    /// An answer to a question: with neither.
    Answer,
    /// A password: nothing of it is shown or kept.
    Secret,
    /// One of a few keys: the first that shows itself is the answer. Where lines come, a line.
    Key,
}

/// What the terminal does and understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It can mark what is pasted.
    Usual,
    /// It calls itself dumb, or nothing: it is sent no mode.
    Dumb,
    /// It shows and edits lines itself and sends them whole: it is sent prompts, and nothing of what is typed.
    Lines,
}

impl Kind {
    /// By the name that a terminal goes by.
    pub fn of(term: &str) -> Self {
        if matches!(term.to_ascii_lowercase().as_str(), "" | "dumb" | "unknown" | "network") {
            Self::Dumb
        } else {
            Self::Usual
        }
    }
}

/// What was entered.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    /// A line.
    Line(String),
    /// A password.
    Secret(Zeroizing<Vec<u8>>),
    /// A line that there was no room for; it must not be run.
    TooLong,
    /// Ctrl-C: the line is given up.
    Interrupted,
    /// Ctrl-D on an empty line: no more lines.
    Ended,
}

/// One terminal's editor.
pub struct Editor {
    kind: Kind,
    keys: Keys,
    line: Line,
    secret: Zeroizing<Vec<u8>>,
    /// Characters were refused because the line was full, and nothing was taken out since.
    full: bool,
    history: History,
    killed: String,
    screen: Screen,
    prompt: String,
    wanted: Wanted,
    /// The key before was a Tab that had several candidates.
    tabbed: bool,
    /// The key before was an answer of its own: should Enter follow, it belongs to it.
    answered: bool,
}

impl Editor {
    /// An editor for a window of this size; 0 where it isn't known.
    pub fn new(kind: Kind, columns: u32, rows: u32) -> Self {
        Self {
            kind,
            keys: Keys::default(),
            line: Line::new(LONGEST_LINE),
            secret: Self::no_secret(),
            full: false,
            history: History::default(),
            killed: String::new(),
            screen: Screen::new(columns, rows),
            prompt: String::new(),
            wanted: Wanted::Command,
            tabbed: false,
            answered: false,
        }
    }

    /// All the room at once: a vector that grows leaves unwiped copies behind.
    fn no_secret() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Vec::with_capacity(Password::MAX_BYTES))
    }

    /// The columns of the window.
    pub fn columns(&self) -> usize {
        self.screen.columns()
    }

    /// What the terminal does.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the last byte was a return, which may have a line feed to come.
    pub fn after_return(&self) -> bool {
        self.keys.after_return()
    }

    /// The terminal does something else from here on, in the middle of a line too.
    pub fn turn(&mut self, kind: Kind, out: &mut Vec<u8>) {
        self.kind = kind;
        if kind != Kind::Lines {
            self.draw(out);
        }
    }

    /// Begins a line. The cursor is taken to be at the start of a row.
    pub fn ask(&mut self, wanted: Wanted, prompt: &str, out: &mut Vec<u8>) {
        self.wanted = wanted;
        self.prompt = prompt.chars().map(plain::printable).collect();
        self.tabbed = false;
        self.forget();
        self.screen.fresh();
        if wanted == Wanted::Command && self.kind == Kind::Usual {
            out.extend(MARK_PASTES);
        }
        self.screen.draw(&self.prompt, "", 0, out);
    }

    /// The window has another size; `asking` says whether a line is being edited in it.
    pub fn resize(&mut self, columns: u32, rows: u32, asking: bool, out: &mut Vec<u8>) {
        let mut silent = Vec::new();
        let draws = asking && self.kind != Kind::Lines;
        self.screen.resize(columns, rows, if draws { &mut *out } else { &mut silent });
        if draws {
            self.draw(out);
        } else {
            // The prompt stands where it stood, should the terminal have keys one day.
            self.screen.draw(&self.prompt, "", 0, &mut silent);
        }
    }

    /// Takes typed bytes up to the first thing entered; gives it and how many bytes it took. What is left
    /// is for the next question.
    pub fn take(&mut self, bytes: &[u8], complete: &dyn Complete, out: &mut Vec<u8>) -> (usize, Option<Entered>) {
        let before = out.len();
        let mut bell = false;
        let mut entered = None;
        let mut taken = 0;
        for byte in bytes {
            taken += 1;
            for key in self.keys.take(*byte).into_iter().flatten() {
                if entered.is_none() {
                    entered = self.press(key, complete, &mut bell, out);
                }
            }
            if entered.is_some() {
                break;
            }
        }
        if entered.is_none() {
            self.draw(out);
        }
        // However much was refused, it is told once.
        if bell && self.kind != Kind::Lines {
            out.insert(before, BELL);
        }
        (taken, entered)
    }

    fn press(&mut self, key: Key, complete: &dyn Complete, bell: &mut bool, out: &mut Vec<u8>) -> Option<Entered> {
        let tabbed = std::mem::take(&mut self.tabbed);
        let answered = std::mem::take(&mut self.answered);
        match key {
            Key::Enter if answered => return None,
            Key::Enter => return Some(self.enter(out)),
            Key::Character(c) if self.wanted == Wanted::Key && self.kind != Kind::Lines => {
                self.line.insert(plain::printable(c));
                self.answered = true;
                return Some(self.enter(out));
            }
            Key::Interrupt if self.kind == Kind::Lines => {
                out.extend(b"\r\n");
                self.finish(out);
                self.forget();
                return Some(Entered::Interrupted);
            }
            Key::Interrupt => {
                let given_up = format!("{}^C", self.line.text());
                self.screen.draw(&self.prompt, &given_up, given_up.len(), out);
                self.finish(out);
                self.forget();
                return Some(Entered::Interrupted);
            }
            Key::EndOfInput if self.line.is_empty() && self.secret.is_empty() => {
                self.finish(out);
                return Some(Entered::Ended);
            }
            _ if self.wanted == Wanted::Secret => self.press_unseen(key, bell),
            // Whoever edits there is shown nothing of what other keys would do here.
            Key::Character(_) | Key::Backspace | Key::KillToStart | Key::KillWordLeft if self.kind == Kind::Lines => {
                self.edit(key, bell, out);
            }
            _ if self.kind == Kind::Lines => {}
            Key::Tab if self.wanted == Wanted::Command => self.complete(tabbed, complete, bell, out),
            Key::Up | Key::Down if self.wanted == Wanted::Command => self.look_back(key, bell),
            _ => self.edit(key, bell, out),
        }
        None
    }

    fn enter(&mut self, out: &mut Vec<u8>) -> Entered {
        self.line.end();
        self.draw(out);
        self.finish(out);
        let full = std::mem::take(&mut self.full);
        let line = self.line.take();
        let secret = std::mem::replace(&mut self.secret, Self::no_secret());
        match self.wanted {
            Wanted::Secret if full => Entered::TooLong,
            Wanted::Secret => Entered::Secret(secret),
            _ if full => Entered::TooLong,
            Wanted::Answer | Wanted::Key => Entered::Line(line),
            Wanted::Command => {
                self.history.add(&line);
                Entered::Line(line)
            }
        }
    }

    /// Nothing more will be typed: the terminal is left as it was found.
    pub fn leave(&mut self, out: &mut Vec<u8>) {
        self.finish(out);
        self.forget();
    }

    /// The line is left on the screen and the cursor goes below it.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.wanted == Wanted::Command && self.kind == Kind::Usual {
            out.extend(MARK_PASTES_NO_MORE);
        }
        if self.kind == Kind::Lines {
            self.screen.fresh();
        } else {
            self.screen.leave(out);
        }
    }

    fn forget(&mut self) {
        self.line.take();
        self.secret = Self::no_secret();
        self.full = false;
        self.history.leave();
    }

    fn press_unseen(&mut self, key: Key, bell: &mut bool) {
        match key {
            Key::Character(c) if self.secret.len() + c.len_utf8() > Password::MAX_BYTES => {
                self.full = true;
                *bell = true;
            }
            Key::Character(c) => {
                let mut bytes = Zeroizing::new([0; 4]);
                let length = c.encode_utf8(&mut *bytes).len();
                self.secret.extend_from_slice(&bytes[..length]);
            }
            Key::Backspace => {
                // Bytes that only go on with a character go with it.
                while self.secret.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                self.full = false;
            }
            Key::KillToStart => {
                self.secret = Self::no_secret();
                self.full = false;
            }
            _ => {}
        }
    }

    fn look_back(&mut self, key: Key, bell: &mut bool) {
        let found = if key == Key::Up { self.history.up(self.line.text()) } else { self.history.down() };
        match found {
            Some(line) => {
                self.line.set(line);
                self.full = false;
            }
            None => *bell = true,
        }
    }

    fn edit(&mut self, key: Key, bell: &mut bool, out: &mut Vec<u8>) {
        let length = self.line.text().len();
        match key {
            Key::Character(c) => {
                if !self.line.insert(plain::printable(c)) {
                    *bell = true;
                    // An accent on nothing is dropped; anything else had no room.
                    self.full |= plain::columns(plain::printable(c)) > 0;
                }
            }
            Key::Left => self.line.left(),
            Key::Right => self.line.right(),
            Key::WordLeft => self.line.word_left(),
            Key::WordRight => self.line.word_right(),
            Key::Home => self.line.home(),
            Key::End => self.line.end(),
            Key::Backspace => drop(self.line.backspace()),
            Key::Delete | Key::EndOfInput => drop(self.line.delete()),
            Key::KillToEnd => self.killed = self.line.kill_to_end(),
            Key::KillToStart => self.killed = self.line.kill_to_start(),
            Key::KillWordLeft => self.killed = self.line.kill_word_left(),
            Key::KillWordRight => self.killed = self.line.kill_word_right(),
            Key::Yank => {
                let here = self.line.cursor();
                let killed = std::mem::take(&mut self.killed);
                *bell |= !self.line.replace_from(here, &killed);
                self.killed = killed;
            }
            Key::Clear => {
                out.extend(b"\x1b[H\x1b[2J");
                self.screen.fresh();
            }
            _ => *bell = true,
        }
        if self.line.text().len() < length {
            self.full = false;
        }
    }

    fn complete(&mut self, again: bool, complete: &dyn Complete, bell: &mut bool, out: &mut Vec<u8>) {
        let text = &self.line.text()[..self.line.cursor()];
        let Candidates { start, words, after } = complete.candidates(text);
        let start = if text.is_char_boundary(start) { start } else { text.len() };
        let typed = text[start..].to_owned();
        let ready = match words.as_slice() {
            [] => None,
            [one] => Some(format!("{one}{after}")),
            several => Some(complete::shared(several).to_owned()),
        };
        let ready = ready.map(|text| text.chars().map(plain::printable).collect::<String>());
        match ready {
            Some(ready) if ready.chars().count() > typed.chars().count() || words.len() == 1 => {
                *bell |= !self.line.replace_from(start, &ready);
                self.tabbed = words.len() > 1;
            }
            Some(_) if again => {
                self.draw(out);
                self.screen.leave(out);
                let list = complete::list(&words, self.screen.columns());
                out.extend(list.replace('\n', "\r\n").as_bytes());
                self.tabbed = true;
            }
            Some(_) => {
                self.tabbed = true;
                *bell = true;
            }
            None => *bell = true,
        }
    }

    fn draw(&mut self, out: &mut Vec<u8>) {
        if self.kind == Kind::Lines {
            return;
        }
        self.screen.draw(&self.prompt, self.line.text(), self.line.cursor(), out);
    }
}

/// Drives an editor with any bytes, the first two of which are the window's size; for fuzzers. Gives how
/// many lines were entered.
pub fn fuzz(bytes: &[u8]) -> usize {
    struct Echo;
    impl Complete for Echo {
        fn candidates(&self, text: &str) -> Candidates {
            let start = text.rfind(' ').map_or(0, |at| at + 1);
            let words = [" tot", "h del", "é漢"].map(|end| format!("{}{end}", &text[start..])).to_vec();
            Candidates { start, words: words[..text.len() % 4 % 3 + usize::from(text.len() > 3)].to_vec(), after: " " }
        }
    }
    let (size, typed) = bytes.split_at(bytes.len().min(2));
    let dimension = |at: usize| u32::from(size.get(at).copied().unwrap_or(0));
    let mut editor = Editor::new(Kind::Usual, dimension(0), dimension(1));
    let wanted = [Wanted::Command, Wanted::Answer, Wanted::Secret, Wanted::Key];
    let kinds = [Kind::Usual, Kind::Dumb, Kind::Lines];
    let (mut lines, mut out, mut rest) = (0, Vec::new(), typed);
    editor.ask(Wanted::Command, "8650> ", &mut out);
    while !rest.is_empty() {
        let (taken, entered) = editor.take(rest, &Echo, &mut out);
        rest = &rest[taken..];
        if entered.is_some() {
            lines += 1;
            editor.turn(kinds[lines / wanted.len() % kinds.len()], &mut out);
            editor.ask(wanted[lines % wanted.len()], "8650> ", &mut out);
        }
        editor.resize(dimension(1) + lines as u32, dimension(0), lines % 2 == 0, &mut out);
        out.clear();
    }
    lines
}
