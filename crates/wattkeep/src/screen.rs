//! Where a command writes: one stream for what was asked for, one for errors and progress.
//!
//! Commands always write with colour; the streams given here drop it where it isn't wanted. Someone
//! who stops reading (`| head`) stops no command.

use std::io::{self, Write};

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
    /// Shows one JSON document.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.out, document)?;
        writeln!(self.out)
    }
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
