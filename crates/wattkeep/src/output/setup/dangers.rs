//! What endangers a meter: a word that says how much, in its colour, and the sentence.

use std::io::{self, Write};

use firmware::Danger;

use super::super::style;
use super::super::table::{Align, Cell, Table};

/// Each danger, the worst first, as they come.
///
/// # Errors
/// Those of the stream.
pub fn dangers(out: &mut dyn Write, dangers: &[Danger]) -> io::Result<()> {
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for Danger { severity, text, .. } in dangers {
        let word = severity.name().to_uppercase();
        table.row([Cell::styled(word, style::of(*severity)), text.as_str().into()]);
    }
    table.write(out)
}
