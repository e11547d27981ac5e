//! The command engine of the terminals: one line in, text and an outcome out, the same over SSH and
//! Telnet. It knows nothing of channels, prompts or screens, and holds no rule about rights: what a
//! caller may see is asked of the meter.

pub mod editor;
mod info;
pub mod plain;
mod show;
mod words;

use security::{Path, Who};

use crate::Site;

/// A command line is at most this long.
pub const LONGEST_LINE: usize = 1024;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Refused, or not understood; the text is the sentence that says why.
    Failed,
}

impl Outcome {
    /// The exit status, where there is such a thing.
    pub fn exit_status(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
        }
    }
}

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Lines, each ended with a line feed.
    pub text: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Output {
    /// A command done.
    fn done(text: String) -> Self {
        Self { text, outcome: Outcome::Done }
    }

    /// A command refused, in one sentence.
    pub fn failed(sentence: impl std::fmt::Display) -> Self {
        Self { text: format!("{sentence}\n"), outcome: Outcome::Failed }
    }
}

/// What there is to type; every refusal of a command ends with it.
pub const COMMANDS: &str = "\"info\" tells about this meter, \"show\" lists its registers, \"show REGISTER\" shows one";

/// Runs one command line for whoever has logged in on a path.
pub fn run(site: &Site, path: Path, who: Who, line: &str) -> Output {
    if line.len() > LONGEST_LINE {
        return Output::failed(format!("a command has at most {LONGEST_LINE} bytes"));
    }
    let words = match words::split(line) {
        Ok(words) => words,
        Err(error) => return Output::failed(error),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let view = site.view();
    match words.as_slice() {
        ["info"] => info::info(&view, &site.faces.borrow(), path, who),
        ["info", ..] => Output::failed("\"info\" takes nothing after it"),
        ["show", names @ ..] => show::show(&view, path, who, names),
        ["help"] => Output::done(format!("{COMMANDS}\n")),
        [] => Output::failed(format!("no command was given: {COMMANDS}")),
        [unknown, ..] => {
            let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(40).collect();
            Output::failed(format!("there is no command \"{unknown}\": {COMMANDS}"))
        }
    }
}

/// Rows of cells under one another; the last cell of a row is not padded.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn run_as(bench: &Bench, who: Who, line: &str) -> Output {
        run(&bench.site, Path::Ssh, who, line)
    }

    #[test]
    fn what_is_not_a_command_gets_a_sentence_with_those_that_are() {
        let bench = Bench::new("4.40.1");
        for line in ["", "  ", "rm -rf /", "infos", "info now", "show \"kW", "\u{1b}[2J", &"x".repeat(5000)] {
            let output = run_as(&bench, Who::Standard, line);
            assert_eq!(output.outcome, Outcome::Failed, "{line:?}");
            assert_eq!(output.text.lines().count(), 1, "{line:?}: {}", output.text);
            assert!(!output.text.contains('\u{1b}'));
        }
        assert!(run_as(&bench, Who::Standard, "reboot").text.contains("\"show\" lists its registers"));
    }

    #[test]
    fn info_tells_what_the_meter_is_and_security_only_to_whoever_may_read_it() {
        let bench = Bench::new("4.40.1");
        let all = run_as(&bench, Who::Standard, "info");
        assert_eq!(all.outcome, Outcome::Done);
        for line in ["Serial number     MW-2611A001-01", "Release           4.40.1", "  USER1", "Factory password  yes"]
        {
            assert!(all.text.contains(line), "{line}\n{}", all.text);
        }
        let nobody = run_as(&bench, Who::Nobody, "info");
        assert_eq!(nobody.text, "this takes the front-panel password: log in with it (over the network as 8650)\n");
        assert_eq!(nobody.outcome, Outcome::Failed);
    }

    #[test]
    fn show_finds_registers_with_blanks_in_their_names_quoted_or_not() {
        let bench = Bench::new("4.40.1");
        bench.tick(123_456_000);
        bench.set(&[("CT Prim", "800")]);
        let cases = [
            ("show kWh del", "kWh del  123456"),
            ("show 'kWh del'", "kWh del  123456"),
            ("show KWH DEL \"ct prim\"", "CT Prim"),
            ("show kWh del CT Prim kWh rec", "kWh rec"),
            ("show Power Meter 1/CT Prim", "Power Meter 1/CT Prim  800"),
        ];
        for (line, expected) in cases {
            let output = run_as(&bench, Who::Standard, line);
            assert_eq!(output.outcome, Outcome::Done, "{line}: {}", output.text);
            assert!(output.text.contains(expected), "{line}: {}", output.text);
        }
        let list = run_as(&bench, Who::Standard, "show").text;
        assert!(list.contains("Security Options 1/Mode"), "{list}");
        assert!(list.lines().count() > 100, "{list}");
        let missing = run_as(&bench, Who::Standard, "show kWh foo");
        assert_eq!(missing.text, "there is no register \"kWh foo\": \"show\" without a name lists them all\n");
        assert_eq!(missing.outcome, Outcome::Failed);
    }

    #[tokio::test]
    async fn b9_show_gives_each_what_they_may_read() {
        let bench = Bench::new("4.40.1");
        bench.set_password("USER1", "abc").await;
        bench.set(&[("Mode", "advanced")]);
        let reader = Who::User(security::UserId::new(2).unwrap());
        assert_eq!(run_as(&bench, reader, "show CT Prim").outcome, Outcome::Done);
        let refused = run_as(&bench, reader, "show Invalid Attempts");
        assert_eq!(refused.outcome, Outcome::Failed);
        assert!(refused.text.starts_with("this takes the right \"Security Config\""), "{}", refused.text);
        assert!(!run_as(&bench, reader, "show").text.contains("Security Options"));
        assert!(run_as(&bench, Who::Standard, "show").text.starts_with("this login is not valid"));
    }
}
