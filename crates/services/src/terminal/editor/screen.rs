//! What of a line stands on the terminal, and the fewest bytes that make it what it should be. The terminal
//! is never asked anything: where the cursor is follows from what was written and from the window's size.

use std::io::Write;

use crate::terminal::plain;

/// A window of less than this is drawn for as if it had it.
const LEAST_COLUMNS: usize = 4;
/// A window of more than this is used only so far; clients send any number.
const MOST: usize = 1000;

/// A place, from where the first character is drawn. A column may be one past the last: the terminal then
/// waits with the next row until the next character comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Spot {
    row: usize,
    column: usize,
}

/// A terminal's window and what we have drawn there.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    rows: usize,
    drawn: Vec<char>,
    cursor: Spot,
}

impl Screen {
    pub fn new(columns: u32, rows: u32) -> Self {
        let (columns, rows) = size(columns, rows);
        Self { columns, rows, drawn: Vec::new(), cursor: Spot::default() }
    }

    /// The columns of the window.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The window has another size. Terminals fold the lines that are there anew; what was drawn is taken
    /// away by where the cursor is then.
    pub fn resize(&mut self, columns: u32, rows: u32, out: &mut Vec<u8>) {
        let at = self.index_of_cursor();
        (self.columns, self.rows) = size(columns, rows);
        let row = settled(self.spot(&self.drawn[..at]), self.columns).row;
        self.cursor = Spot { row, column: 1 };
        self.travel(Spot::default(), out);
        out.extend(b"\x1b[J");
        self.drawn.clear();
    }

    /// Forgets what is drawn: what comes next stands on a row of its own.
    pub fn fresh(&mut self) {
        self.drawn.clear();
        self.cursor = Spot::default();
    }

    /// Draws a prompt and a line, the cursor before the line's byte `cursor`.
    pub fn draw(&mut self, prompt: &str, line: &str, cursor: usize, out: &mut Vec<u8>) {
        let all: Vec<char> = prompt.chars().chain(line.chars()).collect();
        let cursor = prompt.chars().count() + line[..cursor].chars().count();
        let (start, end) = self.visible(&all, cursor);
        self.show(&all[start..end], cursor - start, out);
    }

    fn show(&mut self, new: &[char], cursor: usize, out: &mut Vec<u8>) {
        let mut same = self.drawn.iter().zip(new).take_while(|(old, new)| old == new).count();
        let on_another = |c: Option<&char>| c.is_some_and(|c| plain::columns(*c) == 0);
        while same > 0 && (on_another(new.get(same)) || on_another(self.drawn.get(same))) {
            same -= 1;
        }
        if new.len() != same || self.drawn.len() != same {
            let mut at = self.spot(&new[..same]);
            self.travel(settled(at, self.columns), out);
            for c in &new[same..] {
                if plain::columns(*c) == 2 && at.column + 1 == self.columns {
                    // A wide character leaves the last column of a row to whatever stood there.
                    out.extend(b"\x1b[K");
                }
                let mut bytes = [0; 4];
                out.extend(c.encode_utf8(&mut bytes).as_bytes());
                at = step(at, *c, self.columns);
            }
            if at.column == self.columns && new.len() > same {
                // Whether a terminal waits or not: after this it is at the beginning of the next row.
                out.extend(b" \r");
            }
            self.cursor = settled(at, self.columns);
            if settled(self.spot(&self.drawn), self.columns) > self.cursor {
                out.extend(b"\x1b[J");
            }
            self.drawn.clear();
            self.drawn.extend_from_slice(new);
        }
        let target = settled(self.spot(&new[..cursor]), self.columns);
        self.travel(target, out);
    }

    /// Leaves what is drawn where it is; the cursor goes to the row below it.
    pub fn leave(&mut self, out: &mut Vec<u8>) {
        let end = settled(self.spot(&self.drawn), self.columns);
        self.travel(end, out);
        // A line that ends at the edge has put the cursor there already.
        if end.column > 0 || end.row == 0 {
            out.extend(b"\r\n");
        }
        self.fresh();
    }

    /// The part that is shown: all of it, or as much as the window has room for, with the cursor in it.
    fn visible(&self, all: &[char], cursor: usize) -> (usize, usize) {
        let fits = |part: &[char]| settled(self.spot(part), self.columns).row < self.rows;
        if fits(all) {
            return (0, all.len());
        }
        // In steps of half a window, so that it doesn't jump with every key. Wide characters may leave a
        // column of each row empty.
        let half = (self.columns * self.rows / 2).saturating_sub(self.rows + 1).max(1);
        let before: usize = all[..cursor].iter().map(|c| plain::columns(*c)).sum();
        let skipped = (before / half).saturating_sub(1) * half;
        let mut start = 0;
        let mut columns = 0;
        while start < cursor && (columns < skipped || plain::columns(all[start]) == 0) {
            columns += plain::columns(all[start]);
            start += 1;
        }
        let mut end = cursor;
        let mut at = self.spot(&all[start..end]);
        while let Some(c) = all.get(end) {
            at = step(at, *c, self.columns);
            if settled(at, self.columns).row >= self.rows {
                break;
            }
            end += 1;
        }
        (start, end)
    }

    fn index_of_cursor(&self) -> usize {
        let mut at = Spot::default();
        for (index, c) in self.drawn.iter().enumerate() {
            if settled(at, self.columns) >= self.cursor {
                return index;
            }
            at = step(at, *c, self.columns);
        }
        self.drawn.len()
    }

    fn spot(&self, text: &[char]) -> Spot {
        text.iter().fold(Spot::default(), |at, c| step(at, *c, self.columns))
    }

    fn travel(&mut self, to: Spot, out: &mut Vec<u8>) {
        let from = std::mem::replace(&mut self.cursor, to);
        // Writing to a vector can't fail.
        let _ = match from.row.cmp(&to.row) {
            std::cmp::Ordering::Greater => write!(out, "\x1b[{}A", from.row - to.row),
            std::cmp::Ordering::Less => write!(out, "\x1b[{}B", to.row - from.row),
            std::cmp::Ordering::Equal => Ok(()),
        };
        let _ = match (from.column, to.column) {
            (from, to) if from == to => Ok(()),
            (_, 0) => write!(out, "\r"),
            (from, to) if from > to => write!(out, "\x1b[{}D", from - to),
            (from, to) => write!(out, "\x1b[{}C", to - from),
        };
    }
}

fn size(columns: u32, rows: u32) -> (usize, usize) {
    // 0 says "unknown" (RFC 4254, 6.2).
    let known = |given: u32, usual: usize| if given == 0 { usual } else { (given as usize).min(MOST) };
    (known(columns, 80).max(LEAST_COLUMNS), known(rows, 24))
}

/// Where the next character goes, for real.
fn settled(at: Spot, columns: usize) -> Spot {
    if at.column == columns { Spot { row: at.row + 1, column: 0 } } else { at }
}

fn step(at: Spot, c: char, columns: usize) -> Spot {
    match plain::columns(c) {
        0 => at,
        wide if at.column + wide > columns => Spot { row: at.row + 1, column: wide },
        wide => Spot { column: at.column + wide, ..at },
    }
}
