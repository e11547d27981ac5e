//! Tables: columns as wide as their widest cell, two spaces between them, the last one unpadded.

use std::borrow::Cow;
use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};

use super::text::{printable, width, wrap};
use super::{WIDTH, style};

/// A cell: its text and its colour.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in this colour.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: printable(&text.into()).into_owned(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, style::PLAIN)
    }
}

/// How a column's cells stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings.
pub struct Table {
    headings: Vec<(Cow<'static, str>, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns; headings that are all empty aren't shown.
    pub fn new<const N: usize>(headings: [(&'static str, Align); N]) -> Self {
        Self::with(headings.into_iter().map(|(heading, align)| (heading.into(), align)).collect())
    }

    /// The same, if only the meter knows what columns there are.
    pub fn with(headings: Vec<(Cow<'static, str>, Align)>) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it, two columns from the left. What is too long in the last column goes on below.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let widths: Vec<_> = (0..self.headings.len()).map(|column| self.width_of(column)).collect();
        if self.headings.iter().any(|(heading, _)| !heading.is_empty()) {
            let headings: Vec<_> =
                self.headings.iter().map(|(heading, _)| Cell::styled(heading.as_ref(), style::QUIET)).collect();
            self.write_row(out, &headings, &widths)?;
        }
        self.rows.iter().try_for_each(|row| self.write_row(out, row, &widths))
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text));
        cells.chain(self.headings.get(column).map(|(heading, _)| width(heading))).max().unwrap_or(0)
    }

    fn write_row(&self, out: &mut dyn Write, row: &[Cell], widths: &[usize]) -> io::Result<()> {
        let mut line = String::new();
        // Spaces that are owed to the next cell that isn't empty, so that no line ends in any.
        let mut owed = 2;
        let (last, others) = match row.split_last() {
            Some(split) => split,
            None => return writeln!(out),
        };
        let columns = others.iter().zip(widths).zip(&self.headings);
        let mut at = 2;
        for ((cell, column), (_, align)) in columns {
            let padding = column.saturating_sub(width(&cell.text));
            let (before, after) = if *align == Align::Right { (padding, 0) } else { (0, padding) };
            owed += before;
            if !cell.text.is_empty() {
                line.push_str(&" ".repeat(owed));
                line.push_str(&cell.text.style(cell.style).to_string());
                owed = 0;
            } else {
                owed += width(&cell.text);
            }
            owed += after + 2;
            at += column + 2;
        }
        let right = self.headings.last().is_some_and(|(_, align)| *align == Align::Right);
        if right {
            owed += widths.last().copied().unwrap_or(0).saturating_sub(width(&last.text));
        }
        for (index, piece) in wrap(&last.text, WIDTH.saturating_sub(at)).iter().enumerate() {
            if index > 0 {
                writeln!(out, "{line}")?;
                line.clear();
                owed = at;
            }
            line.push_str(&" ".repeat(owed));
            line.push_str(&piece.style(last.style).to_string());
        }
        writeln!(out, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(table: &Table) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn columns_stand_below_each_other_and_no_line_ends_in_spaces() {
        let mut table = Table::new([("name", Align::Left), ("value", Align::Right), ("unit", Align::Left)]);
        table.row(["kW tot".into(), "143.64".into(), "kW".into()]);
        table.row(["Phase Rev".into(), "no".into(), "".into()]);
        let wanted = "  name        value  unit\n  kW tot     143.64  kW\n  Phase Rev      no\n";
        assert_eq!(shown(&table), wanted);
    }

    #[test]
    fn a_long_last_cell_goes_on_below_itself() {
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        table.row(["a".into(), "word ".repeat(20).into()]);
        let text = shown(&table);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("     word") && lines.iter().all(|line| line.len() <= WIDTH), "{text}");
    }
}
