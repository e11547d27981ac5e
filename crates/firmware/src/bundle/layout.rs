//! Notes laid out on pages: lines broken by the faces' real widths, headings kept with what follows them.
//! Knows paper and type, nothing of the file format.

use super::face::{Face, encode};
use super::notes::{Block, Span};

/// A4, in points.
pub(super) const PAGE_WIDTH: f32 = 595.0;
pub(super) const PAGE_HEIGHT: f32 = 842.0;
/// Left and right.
pub(super) const MARGIN: f32 = 68.0;
/// The first page begins below its head, the others here.
const TOP: f32 = PAGE_HEIGHT - 72.0;
const TOP_OF_FIRST: f32 = PAGE_HEIGHT - 144.0;
/// No line below this; the footer stands there.
const BOTTOM: f32 = 84.0;

/// Characters of one colour and size along a line; each run goes on where the one before ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) x: f32,
    /// Of the baseline, from the page's lower edge.
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) ink: Ink,
    pub(super) runs: Vec<Run>,
}

/// Characters of one face, in WinAnsiEncoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) face: Face,
    pub(super) text: Vec<u8>,
}

/// What a line is drawn in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Accent,
}

/// How a kind of block is set, in points.
struct Style {
    size: f32,
    leading: f32,
    before: f32,
    indent: f32,
    ink: Ink,
    /// Lines of text that must fit below it on the same page.
    keeps: f32,
    bullet: Option<&'static str>,
}

const BODY: Style =
    Style { size: 10.5, leading: 15.5, before: 8.0, indent: 0.0, ink: Ink::Text, keeps: 0.0, bullet: None };

fn style(block: &Block) -> Style {
    match block {
        Block::Heading { level: 1, .. } => {
            Style { size: 18.0, leading: 23.0, before: 24.0, ink: Ink::Accent, keeps: 3.0, ..BODY }
        }
        Block::Heading { level: 2, .. } => {
            Style { size: 13.5, leading: 18.0, before: 20.0, ink: Ink::Accent, keeps: 2.0, ..BODY }
        }
        Block::Heading { .. } => Style { size: 11.0, leading: 16.0, before: 13.0, keeps: 2.0, ..BODY },
        Block::Paragraph(_) => BODY,
        Block::Bullet { depth: 0, .. } => Style { before: 4.0, indent: 16.0, bullet: Some("•"), ..BODY },
        Block::Bullet { .. } => Style { before: 3.0, indent: 32.0, bullet: Some("–"), ..BODY },
    }
}

/// The lines of each page, at least one page.
pub(super) fn lay_out(blocks: &[Block]) -> Vec<Vec<Line>> {
    let mut pages = vec![Vec::new()];
    let mut y = TOP_OF_FIRST;
    for block in blocks {
        let style = style(block);
        let (Block::Heading { text, .. } | Block::Paragraph(text) | Block::Bullet { text, .. }) = block;
        let lines = break_lines(text, style.size, PAGE_WIDTH - 2.0 * MARGIN - style.indent);
        y -= style.before;
        // A block begins on a page only if two of its lines fit, and what it keeps with it.
        let first = lines.len().min(2) as f32 * style.leading + style.keeps * BODY.leading;
        if y - first < BOTTOM && pages.last().is_some_and(|page| !page.is_empty()) {
            pages.push(Vec::new());
            y = TOP;
        }
        for (index, runs) in lines.into_iter().enumerate() {
            if y - style.leading < BOTTOM {
                pages.push(Vec::new());
                y = TOP;
            }
            y -= style.leading;
            let Some(page) = pages.last_mut() else { continue };
            let line = |x, runs| Line { x, y, size: style.size, ink: style.ink, runs };
            if let (0, Some(mark)) = (index, style.bullet) {
                let run = Run { face: Face::Plain, text: encode(mark) };
                page.push(line(MARGIN + style.indent - 12.0, vec![run]));
            }
            page.push(line(MARGIN + style.indent, runs));
        }
    }
    pages
}

/// Characters without a space between them, perhaps in several faces.
type Word = Vec<Run>;

fn words(spans: &[Span]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut glued = false;
    for span in spans {
        for (index, piece) in span.text.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            glued &= index == 0;
            if piece.is_empty() {
                continue;
            }
            let run = Run { face: span.face, text: encode(piece) };
            match words.last_mut() {
                Some(word) if glued => word.push(run),
                _ => words.push(vec![run]),
            }
            glued = true;
        }
    }
    words
}

fn word_width(word: &Word, size: f32) -> f32 {
    word.iter().map(|run| run.face.width(&run.text, size)).sum()
}

/// Greedy filling, the way of typewriters: good enough for ragged right.
fn break_lines(spans: &[Span], size: f32, width: f32) -> Vec<Vec<Run>> {
    let mut lines: Vec<Vec<Run>> = Vec::new();
    let mut filled = 0.0;
    for word in words(spans).into_iter().flat_map(|word| cut_to_fit(word, size, width)) {
        let wanted = word_width(&word, size);
        // A space has the face of the words on both sides of it, if that is one face.
        let after = word.first().map(|run| run.face);
        let before = lines.last().and_then(|line| line.last()).map(|run| run.face);
        let space = after.filter(|_| before == after).unwrap_or(Face::Plain);
        let gap = space.width(b" ", size);
        match lines.last_mut() {
            Some(line) if filled + gap + wanted <= width => {
                append(line, Run { face: space, text: b" ".to_vec() });
                word.into_iter().for_each(|run| append(line, run));
                filled += gap + wanted;
            }
            _ => {
                lines.push(word);
                filled = wanted;
            }
        }
    }
    lines
}

/// Adds a run to a line, to the last one if that has the same face.
fn append(line: &mut Vec<Run>, run: Run) {
    match line.last_mut() {
        Some(last) if last.face == run.face => last.text.extend(run.text),
        _ => line.push(run),
    }
}

/// A word that no line can take is cut where the line ends.
fn cut_to_fit(word: Word, size: f32, width: f32) -> Vec<Word> {
    if word_width(&word, size) <= width {
        return vec![word];
    }
    let mut pieces: Vec<Word> = vec![Vec::new()];
    let mut filled = 0.0;
    for (face, byte) in word.iter().flat_map(|run| run.text.iter().map(|byte| (run.face, *byte))) {
        let wanted = face.width(&[byte], size);
        if filled + wanted > width {
            pieces.push(Vec::new());
            filled = 0.0;
        }
        filled += wanted;
        let Some(piece) = pieces.last_mut() else { continue };
        append(piece, Run { face, text: vec![byte] });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::notes::parse;
    use super::*;

    fn text(page: &[Line]) -> Vec<u8> {
        page.iter().flat_map(|line| &line.runs).flat_map(|run| run.text.clone()).collect()
    }

    #[test]
    fn a_heading_is_never_the_last_thing_on_a_page() {
        for paragraphs in 20..40 {
            let notes = "Some text.\n\n".repeat(paragraphs) + "## A heading\n\nWhat it is about.\n";
            let pages = lay_out(&parse(&notes));
            for page in pages {
                let last = page.last().expect("no page is empty");
                assert_ne!(last.ink, Ink::Accent, "after {paragraphs} paragraphs");
            }
        }
    }

    #[test]
    fn punctuation_stays_with_the_bold_word_before_it() {
        let [Block::Paragraph(spans)] = &parse("a **b**, c")[..] else { panic!("one paragraph") };
        let lengths: Vec<_> = words(spans).iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 2, 1]);
    }

    proptest! {
        #[test]
        fn all_of_it_lies_within_the_margins(notes in "([a-zA-Z*`#-]{0,90}[ \n]{1,2}){0,60}") {
            let blocks = parse(&notes);
            let pages = lay_out(&blocks);
            for line in pages.iter().flatten() {
                let width: f32 = line.runs.iter().map(|run| run.face.width(&run.text, line.size)).sum();
                prop_assert!(line.x + width <= PAGE_WIDTH - MARGIN + 0.01, "{:?}", line);
                prop_assert!(line.x >= MARGIN && line.y >= BOTTOM && line.y < TOP, "{:?}", line);
            }
            let letters = |bytes: Vec<u8>| bytes.into_iter().filter(u8::is_ascii_alphabetic).collect::<Vec<_>>();
            let laid: Vec<u8> = pages.iter().flat_map(|page| letters(text(page))).collect();
            prop_assert_eq!(laid, letters(notes.into_bytes()));
        }
    }
}
