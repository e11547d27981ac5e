//! What's New: a release's notes as a PDF that people can print and pass on. No date, no random identifier:
//! the same notes give the same bytes.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::face::{Face, encode};
use super::layout::{Ink, Line, MARGIN, PAGE_HEIGHT, PAGE_WIDTH, lay_out};
use super::notes::{Block, parse};

/// Red, green and blue, 0 to 1.
type Colour = [f32; 3];
const TEXT: Colour = [0.13, 0.15, 0.17];
const ACCENT: Colour = [0.05, 0.30, 0.42];
const QUIET: Colour = [0.45, 0.48, 0.51];
const RULE: Colour = [0.80, 0.83, 0.85];

/// The title if the notes have none of their own.
const TITLE: &str = "What\u{2019}s new";

/// The PDF of these notes; `subject` is what they are about, like `8650 V4.40.1`. Notes that open with a
/// heading of the first level give the page its title.
pub(super) fn whats_new(subject: &str, notes_md: &str) -> Vec<u8> {
    let blocks = parse(notes_md);
    let (title, blocks) = match blocks.split_first() {
        Some((Block::Heading { level: 1, text }, rest)) => (text.iter().map(|span| span.text.as_str()).collect(), rest),
        _ => (TITLE.to_owned(), &blocks[..]),
    };
    let pages = lay_out(blocks);

    let mut pdf = Pdf::new();
    let mut next = 0;
    let mut new_id = || {
        next += 1;
        Ref::new(next)
    };
    let (catalog, tree, info) = (new_id(), new_id(), new_id());
    let fonts = Face::ALL.map(|face| (face, new_id()));
    let ids: Vec<(Ref, Ref)> = pages.iter().map(|_| (new_id(), new_id())).collect();

    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr("en-GB"));
    root.viewer_preferences().display_doc_title(true);
    root.finish();
    let full_title = format!("{subject}: {title}");
    pdf.document_info(info).title(TextStr(&full_title)).producer(TextStr("wattkeep"));
    pdf.pages(tree).kids(ids.iter().map(|(page, _)| *page)).count(i32::try_from(ids.len()).unwrap_or(i32::MAX));
    for (face, id) in fonts {
        pdf.type1_font(id).base_font(Name(face.base_font())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (index, (lines, (page_id, content_id))) in pages.iter().zip(&ids).enumerate() {
        let mut page = pdf.page(*page_id);
        page.parent(tree).media_box(Rect::new(0.0, 0.0, PAGE_WIDTH, PAGE_HEIGHT)).contents(*content_id);
        let mut resources = page.resources();
        let mut dict = resources.fonts();
        for (face, id) in fonts {
            dict.pair(Name(face.resource()), id);
        }
        dict.finish();
        resources.finish();
        page.finish();

        let mut sheet = Sheet(Content::new());
        if index == 0 {
            sheet.head(subject, &title);
        }
        lines.iter().for_each(|line| sheet.line(line));
        sheet.foot(subject, index + 1, pages.len());
        pdf.stream(*content_id, &sheet.0.finish());
    }
    pdf.finish()
}

/// One page being drawn.
struct Sheet(Content);

impl Sheet {
    fn head(&mut self, subject: &str, title: &str) {
        let top = PAGE_HEIGHT - 82.0;
        self.text(MARGIN, top, Face::Bold, 10.0, ACCENT, &encode(subject));
        let title = encode(title);
        // A long title is set smaller, down to the size of a section's.
        let room = PAGE_WIDTH - 2.0 * MARGIN;
        let size = (24.0 * room / Face::Bold.width(&title, 24.0).max(1.0)).clamp(13.5, 24.0);
        self.text(MARGIN, top - 31.0, Face::Bold, size, TEXT, &title);
        self.rule(top - 50.0, ACCENT, 1.2);
    }

    fn foot(&mut self, subject: &str, number: usize, count: usize) {
        self.rule(58.0, RULE, 0.6);
        self.text(MARGIN, 44.0, Face::Plain, 8.5, QUIET, &encode(&format!("{subject} \u{B7} {TITLE}")));
        let number = encode(&format!("Page {number} of {count}"));
        let x = PAGE_WIDTH - MARGIN - Face::Plain.width(&number, 8.5);
        self.text(x, 44.0, Face::Plain, 8.5, QUIET, &number);
    }

    fn line(&mut self, line: &Line) {
        let colour = match line.ink {
            Ink::Text => TEXT,
            Ink::Accent => ACCENT,
        };
        self.begin(line.x, line.y, colour);
        for run in &line.runs {
            self.0.set_font(Name(run.face.resource()), line.size).show(Str(&run.text));
        }
        self.0.end_text();
    }

    fn text(&mut self, x: f32, y: f32, face: Face, size: f32, colour: Colour, text: &[u8]) {
        self.begin(x, y, colour);
        self.0.set_font(Name(face.resource()), size).show(Str(text)).end_text();
    }

    fn begin(&mut self, x: f32, y: f32, [red, green, blue]: Colour) {
        self.0.begin_text().set_fill_rgb(red, green, blue).next_line(x, y);
    }

    fn rule(&mut self, y: f32, [red, green, blue]: Colour, thickness: f32) {
        self.0.set_stroke_rgb(red, green, blue).set_line_width(thickness);
        self.0.move_to(MARGIN, y).line_to(PAGE_WIDTH - MARGIN, y).stroke();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(pdf: &[u8], text: &[u8]) -> bool {
        pdf.windows(text.len()).any(|window| window == text)
    }

    #[test]
    fn b1_whats_new_is_a_pdf_with_title_text_and_page_numbers() {
        let notes = "# Secure passwords\n\nPasswords are **hashed**.\n\n".to_owned() + &"- one item\n".repeat(90);
        let pdf = whats_new("8650 V4.40.1", &notes);
        assert!(pdf.starts_with(b"%PDF-1.") && pdf.ends_with(b"%%EOF"));
        for text in ["(8650 V4.40.1: Secure passwords)", "(hashed)", "(Page 1 of 3)", "(Page 3 of 3)"] {
            assert!(contains(&pdf, text.as_bytes()), "{text}");
        }
        assert!(!contains(&pdf, b"Page 4"));
        assert!(!contains(&pdf, b"CreationDate"));
        assert_eq!(pdf, whats_new("8650 V4.40.1", &notes));
    }

    #[test]
    fn notes_without_a_title_or_any_text_still_make_a_page() {
        for notes in ["", "\n\n", "text only"] {
            assert!(contains(&whats_new("8650 V4.0.9", notes), b"(Page 1 of 1)"), "{notes:?}");
        }
    }
}
