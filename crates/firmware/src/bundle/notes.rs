//! The notes of a release as they are written: a small part of Markdown. Headings, paragraphs, bullet lists
//! (one level deeper by two spaces), `**bold**` and `` `code` ``; everything else is text.

use super::face::Face;

/// A piece of text in one face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) face: Face,
    pub(super) text: String,
}

/// What stands between two breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// 1 for the title, 2 for a section, 3 for all below.
    Heading { level: u8, text: Vec<Span> },
    /// Lines that belong together.
    Paragraph(Vec<Span>),
    /// An item of a list: 0 for the outer one, 1 for one within it.
    Bullet { depth: u8, text: Vec<Span> },
}

/// Reads notes. There is no wrong input: what is no markup is text.
pub(super) fn parse(notes: &str) -> Vec<Block> {
    let mut blocks: Vec<(Kind, String)> = Vec::new();
    let mut open = false;
    for line in notes.lines() {
        let text = line.trim();
        if text.is_empty() {
            open = false;
        } else if let Some((kind, text)) = opening(line) {
            open = !matches!(kind, Kind::Heading(_));
            blocks.push((kind, text.to_owned()));
        } else if let Some((_, unfinished)) = blocks.last_mut().filter(|_| open) {
            unfinished.push(' ');
            unfinished.push_str(text);
        } else {
            open = true;
            blocks.push((Kind::Paragraph, text.to_owned()));
        }
    }
    blocks
        .into_iter()
        .map(|(kind, text)| match kind {
            Kind::Heading(level) => Block::Heading { level, text: spans(&text, Face::Bold) },
            Kind::Paragraph => Block::Paragraph(spans(&text, Face::Plain)),
            Kind::Bullet(depth) => Block::Bullet { depth, text: spans(&text, Face::Plain) },
        })
        .collect()
}

enum Kind {
    Heading(u8),
    Paragraph,
    Bullet(u8),
}

/// A line that opens a block of its own, and its text.
fn opening(line: &str) -> Option<(Kind, &str)> {
    let text = line.trim();
    if let Some(item) = text.strip_prefix(['-', '*']).and_then(|rest| rest.strip_prefix(' ')) {
        let indented = line.starts_with("  ") || line.starts_with('\t');
        return Some((Kind::Bullet(u8::from(indented)), item.trim()));
    }
    let heading = text.trim_start_matches('#');
    let level = text.len() - heading.len();
    let heading = heading.strip_prefix(' ').filter(|_| (1..=6).contains(&level))?;
    Some((Kind::Heading(level.min(3) as u8), heading.trim()))
}

/// Cuts a text at its marks. A mark without its partner is text.
fn spans(text: &str, face: Face) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match marked(rest, "**", Face::Bold).or_else(|| marked(rest, "`", Face::Code)) {
            Some((span, after)) => {
                if !plain.is_empty() {
                    spans.push(Span { face, text: std::mem::take(&mut plain) });
                }
                spans.push(span);
                rest = after;
            }
            None => {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if !plain.is_empty() {
        spans.push(Span { face, text: plain });
    }
    spans
}

fn marked<'a>(text: &'a str, mark: &str, face: Face) -> Option<(Span, &'a str)> {
    let (inner, after) = text.strip_prefix(mark)?.split_once(mark)?;
    (!inner.is_empty()).then(|| (Span { face, text: inner.to_owned() }, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> Vec<Span> {
        vec![Span { face: Face::Plain, text: text.to_owned() }]
    }

    #[test]
    fn the_subset_is_read() {
        let blocks = parse("# Title\nOne\ntwo.\n\nThree\n- item\n  goes on\n  - inner\n* other\n\n#### Deep\n#no\n");
        let bold = |text: &str| vec![Span { face: Face::Bold, text: text.to_owned() }];
        assert_eq!(
            blocks,
            [
                Block::Heading { level: 1, text: bold("Title") },
                Block::Paragraph(plain("One two.")),
                Block::Paragraph(plain("Three")),
                Block::Bullet { depth: 0, text: plain("item goes on") },
                Block::Bullet { depth: 1, text: plain("inner") },
                Block::Bullet { depth: 0, text: plain("other") },
                Block::Heading { level: 3, text: bold("Deep") },
                Block::Paragraph(plain("#no")),
            ]
        );
    }

    #[test]
    fn marks_within_a_line_are_read_and_lonely_ones_are_text() {
        let [Block::Paragraph(text)] = &parse("The **web server**, `ssh 8650@m`, 2 ** 3 and a `")[..] else {
            panic!("one paragraph")
        };
        let pieces: Vec<_> = text.iter().map(|span| (span.face, span.text.as_str())).collect();
        assert_eq!(
            pieces,
            [
                (Face::Plain, "The "),
                (Face::Bold, "web server"),
                (Face::Plain, ", "),
                (Face::Code, "ssh 8650@m"),
                (Face::Plain, ", 2 ** 3 and a `"),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_letter_is_lost(notes in "[a-z#*` \n-]{0,120}|.{0,80}") {
            let text: String = parse(&notes).into_iter().flat_map(|block| match block {
                Block::Heading { text, .. } | Block::Paragraph(text) | Block::Bullet { text, .. } => text,
            }).map(|span| span.text).collect();
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&text), letters(&notes));
        }
    }
}
