//! Where a command writes: one stream for what was asked for, one for errors and progress.
//!
//! Commands always write with colour; the streams given here drop it where it isn't wanted. Someone
//! who stops reading (`| head`) stops no command.

use std::io::{self, Write};

use security::unseen::is_unseen;
use serde::Serialize;

/// Whether a person sees how far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// On a terminal.
    Shown,
    /// Anywhere else.
    Hidden,
}

/// A command's two streams.
pub struct Screen<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// Errors and progress.
    pub err: &'a mut dyn Write,
    /// Whether progress is shown.
    pub progress: Progress,
}

impl Screen<'_> {
    /// Shows a document as JSON, or as `show` shows it to people.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn show<T: Serialize>(
        &mut self,
        document: &T,
        json: bool,
        show: impl FnOnce(&mut dyn Write, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        if json { self.json(document) } else { show(self.out, document) }
    }

    /// Shows one JSON document.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        writeln!(self.out, "{}", json(document)?)
    }
}

/// The text of a JSON document. What a terminal would act on or not show is written as its number, which JSON reads as
/// the same.
///
/// # Errors
/// If it can't be one.
pub fn json(document: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string_pretty(document)?;
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Between the strings there are line feeds, in them there are none.
        if c != '\n' && is_unseen(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    Ok(shown)
}

/// A stream whose reader may go away: from then on what is written is dropped, and the command goes
/// on to its exit status.
pub struct Pipe<W> {
    to: W,
    gone: bool,
}

impl<W> Pipe<W> {
    /// This stream, until its reader goes.
    pub fn new(to: W) -> Self {
        Self { to, gone: false }
    }

    fn unless_gone<T>(&mut self, dropped: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.gone {
            return Ok(dropped);
        }
        match write(&mut self.to) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(dropped)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), Write::flush)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    /// What a person without colour sees. No line may be wider than the terminal or end in a space.
    pub(crate) fn shown(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        write(&mut out).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        for line in text.lines() {
            assert!(!line.ends_with(' '), "{line:?} ends in a space");
            let fits = crate::output::text::width(line) <= crate::output::WIDTH;
            assert!(fits, "{line:?} is wider than the terminal");
        }
        text
    }

    /// Writes a document whose every text is a stranger's, as far as it then still is one: nothing of it may reach a
    /// terminal but what shows itself. Without our own colours, which are taken off first.
    pub(crate) fn harmless<T: Serialize + DeserializeOwned>(
        document: &T,
        write: impl FnOnce(&mut dyn Write, &T) -> io::Result<()>,
    ) {
        const STRANGERS: &str = "\u{1b}[2J\u{9b}8m\u{202e}\u{2028}\r\u{7}x";
        let mut spoiled = serde_json::to_value(document).unwrap();
        let mut texts = Vec::new();
        pointers(&spoiled, String::new(), &mut texts);
        let mut count = 0;
        for pointer in texts {
            let before = spoiled.pointer(&pointer).cloned().unwrap();
            let stranger = format!("{}{STRANGERS}", before.as_str().unwrap());
            *spoiled.pointer_mut(&pointer).unwrap() = stranger.into();
            // A release or a word of the trade is no free text.
            match serde_json::from_value::<T>(spoiled.clone()) {
                Ok(_) => count += 1,
                Err(_) => *spoiled.pointer_mut(&pointer).unwrap() = before,
            }
        }
        assert!(count > 0, "nothing in it is free text");
        let mut out = Vec::new();
        write(&mut out, &serde_json::from_value(spoiled).unwrap()).unwrap();
        let mut text = String::from_utf8(out).unwrap();
        for ours in ["0", "1", "2", "31", "32", "33", "31;1", "32;1", "33;1", "1;31", "1;32", "1;33"] {
            text = text.replace(&format!("\u{1b}[{ours}m"), "");
        }
        let odd: Vec<_> = text.lines().filter(|line| line.contains(is_unseen)).collect();
        assert!(odd.is_empty(), "{odd:#?}");
    }

    fn pointers(value: &Value, at: String, texts: &mut Vec<String>) {
        match value {
            Value::String(_) => texts.push(at),
            Value::Array(all) => {
                all.iter().enumerate().for_each(|(index, one)| pointers(one, format!("{at}/{index}"), texts));
            }
            Value::Object(all) => all.iter().for_each(|(name, one)| {
                pointers(one, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), texts);
            }),
            _ => {}
        }
    }

    #[test]
    fn json_is_the_same_document_and_moves_no_cursor() {
        let text = "\u{1b}[2J\u{9b}\u{7f}\u{202e}\u{e0041}\n\"é";
        let written = json(&[text]).unwrap();
        assert!(written.lines().all(|line| !line.contains(is_unseen)), "{written:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
    }

    /// Fails each time, with this kind of error.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_goes_stops_nothing_and_a_full_disk_is_told() {
        let mut gone = Pipe::new(Failing(io::ErrorKind::BrokenPipe));
        assert!(writeln!(gone, "a line").is_ok() && gone.flush().is_ok());
        let mut full = Pipe::new(Failing(io::ErrorKind::StorageFull));
        assert!(writeln!(full, "a line").is_err());
    }
}
