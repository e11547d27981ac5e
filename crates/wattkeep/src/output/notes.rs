//! What's New in the terminal: the headings, paragraphs and bullets of a release's notes.

use std::io::{self, Write};

use super::style;
use super::text::{hanging, heading, paragraph};

/// Writes notes. Marks within a line stay as they are; so does what isn't known here.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, markdown: &str) -> io::Result<()> {
    for block in markdown.split("\n\n") {
        let mut text = String::new();
        for line in block.lines().map(str::trim) {
            if line.starts_with('#') {
                heading(out, line.trim_start_matches('#').trim())?;
            } else if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
                hanging(out, "  • ", style::PLAIN, item)?;
            } else {
                text.push_str(line);
                text.push(' ');
            }
        }
        paragraph(out, 2, style::PLAIN, &text)?;
    }
    Ok(())
}
