//! What Tab finds: commands and their words, registers that the caller may read, users, rights, releases.

use std::collections::BTreeMap;
use std::sync::Arc;

use framework::Range;
use meter::View;
use security::{Path, Right, UserId, Who};

use super::editor::{Candidates, Complete};
use super::registers::{self, Register};
use super::{Desk, table};

/// Completes for one caller, as the meter is at that moment.
pub struct Completer {
    view: Arc<View>,
    path: Path,
    who: Who,
}

impl Completer {
    /// For whoever works at a desk.
    pub fn new(desk: &Desk) -> Self {
        Self { view: desk.view(), path: desk.path, who: desk.who() }
    }

    /// Every register's name: alone where only one has it, and with its module.
    fn registers(&self, setup_only: bool) -> (Vec<String>, Vec<String>) {
        let may = |ask| self.view.may(self.path, self.who, ask).is_ok();
        if !may(security::Ask::Read) {
            return (Vec::new(), Vec::new());
        }
        let outputs = self.view.readings.directory.outputs().iter();
        let outputs = outputs.filter(|_| !setup_only).map(|output| (output.label.clone(), output.name.to_string()));
        let registers = self.view.settings.template.registers();
        let registers = registers.filter(|(_, described, _)| may(registers::to_read(described)));
        let setup = registers.map(|(name, ..)| (name.register.clone(), name.to_string()));
        let mut short: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut full = Vec::new();
        for (name, with_module) in outputs.chain(setup) {
            let alike = short.entry(name.to_lowercase());
            alike.and_modify(|known| *known = None).or_insert(Some(name));
            full.push(with_module);
        }
        (short.into_values().flatten().collect(), full)
    }

    /// Registers that begin with what was typed last. Typed names may have blanks: as many of the last
    /// words as make the beginning of a name belong together.
    fn register(&self, text: &str, from: usize, setup_only: bool) -> Candidates {
        let (short, full) = self.registers(setup_only);
        let typed = &text[from..];
        if let Some(open) = open_quote(typed) {
            let start = from + open + 1;
            let words = beginning(&short, &text[start..]);
            let words = if words.is_empty() { beginning(&full, &text[start..]) } else { words };
            return Candidates { start, words, after: if typed[open..].starts_with('"') { "\" " } else { "' " } };
        }
        let mut starts: Vec<usize> = vec![from];
        starts.extend(typed.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, c)| from + at + c.len_utf8()));
        for start in starts {
            let last = &text[start..];
            if last.starts_with(char::is_whitespace) {
                continue;
            }
            for names in [&short, &full] {
                let words = beginning(names, last);
                if !words.is_empty() && (!last.is_empty() || start == text.len()) {
                    return Candidates { start, words, after: " " };
                }
            }
        }
        Candidates { start: text.len(), ..Candidates::default() }
    }

    /// The value of the register before it, where there are words for it; or the register.
    fn setting(&self, text: &str, from: usize) -> Candidates {
        let typed = &text[from..];
        let at = typed.char_indices().rfind(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
        let words: Vec<&str> = typed[..at].split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        if let Ok(Some((Register::Setup(_, described), taken))) = registers::longest(&self.view, &words)
            && taken == words.len()
        {
            let choices: Vec<String> = match described.range {
                Range::YesNo => vec!["yes".to_owned(), "no".to_owned()],
                Range::Choice(choices) => choices.iter().map(|choice| (*choice).to_owned()).collect(),
                Range::Number { .. } | Range::Text(_) => Vec::new(),
            };
            let words = beginning(&choices, &typed[at..]);
            if !words.is_empty() {
                return Candidates { start: from + at, words, after: " " };
            }
        }
        self.register(text, from, true)
    }
}

/// Where a quotation mark stands that isn't closed.
fn open_quote(text: &str) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        match open {
            Some((_, quote)) if quote == c => open = None,
            None if c == '"' || c == '\'' => open = Some((at, c)),
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

/// Those that begin with what was typed, upper and lower case alike.
fn beginning<S: AsRef<str>>(names: &[S], typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let names = names.iter().map(AsRef::as_ref);
    names.filter(|name| name.to_lowercase().starts_with(&typed)).map(str::to_owned).collect()
}

impl Complete for Completer {
    fn candidates(&self, text: &str) -> Candidates {
        let begun = text.trim_start();
        let indent = text.len() - begun.len();
        let Some((name, arguments)) = begun.split_once(char::is_whitespace) else {
            let names: Vec<_> = table::COMMANDS.iter().map(|command| command.name).collect();
            return Candidates { start: indent, words: beginning(&names, begun), after: " " };
        };
        let from = text.len() - arguments.len();
        // The last word, and how many are before it.
        let start =
            text.rfind(char::is_whitespace).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
        let (before, last) = (text[from..start].split_whitespace().count(), &text[start..]);
        let one_of = |words: Vec<String>| Candidates { start, words: beginning(&words, last), after: " " };
        let users = || UserId::all().map(|user| user.to_string());
        let given = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match (name.to_ascii_lowercase().as_str(), before) {
            ("show", _) => self.register(text, from, false),
            ("set", 2..) if last.starts_with('-') => one_of(given(&["--force"])),
            ("set", _) => self.setting(text, from),
            ("help", 0) => one_of(table::COMMANDS.iter().map(|command| command.name.to_owned()).collect()),
            ("users" | "rights", 0) => one_of(users().collect()),
            ("users", 1) => one_of(given(&["active", "inactive"])),
            ("users" | "rights", 2) if last.starts_with('-') => one_of(given(&["--force"])),
            ("rights", _) => {
                let start = start + last.rfind(',').map_or(0, |at| at + 1);
                let rights: Vec<_> = Right::ALL.iter().map(|right| right.name()).chain(["all", "none"]).collect();
                Candidates { start, words: beginning(&rights, &text[start..]), after: "" }
            }
            ("passwd", 0) => one_of(users().chain(["8650".to_owned()]).collect()),
            ("events", 0) if last.starts_with('-') => one_of(given(&["--follow"])),
            ("log", 0) => one_of(self.view.recorders.iter().map(|recorder| recorder.module.to_string()).collect()),
            ("log", 1 | 3) => one_of(given(&["last", "epoch"])),
            ("demand", 0) => one_of(given(&["reset"])),
            ("clock", 0) => one_of(given(&["set"])),
            ("upgrade", 0) => one_of(given(&["list", "stage", "plan", "accept"])),
            _ => Candidates { start, ..Candidates::default() },
        }
    }
}
