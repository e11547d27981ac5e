//! Characters that don't show themselves: those that change the order in which people read, that show nothing at all,
//! or that begin a line where nobody sees one. One list for logs, terminals and tables, so that what is harmless in one
//! is harmless in the others.

/// Whether a character shows nothing, or makes others show as something else. The two joiners aren't among them: scripts
/// are written with them. Control characters are (`char::is_control` knows them).
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Direction marks, embeddings, overrides and isolates (UAX #9), which can make one text look like another.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // What shows nothing at all, line and paragraph separators, tags.
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a program that shows tables (a spreadsheet) would take a field of a CSV file for a formula: it begins with
/// `=`, `+`, `@` or a tab, or with a `-` and is neither a number nor the `-` that stands for nothing. Whoever writes such
/// a field puts a `'` before it.
pub fn is_formula(field: &str) -> bool {
    match field.chars().next() {
        Some('=' | '+' | '@' | '\t') => true,
        Some('-') => field != "-" && !is_number(&field[1..]),
        _ => false,
    }
}

/// Digits, with a point among them at most.
fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_known_and_what_people_write_is_let_be() {
        for hidden in
            "\0\u{1b}\u{9b}\n\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202e}\u{2067}\u{feff}\u{e0041}".chars()
        {
            assert!(is_unseen(hidden), "{hidden:?}");
        }
        for seen in "a é漢\u{200c}\u{200d}\u{1f600}\u{301}".chars() {
            assert!(!is_unseen(seen), "{seen:?}");
        }
    }

    #[test]
    fn a_formula_is_told_from_a_number() {
        for formula in
            ["=1+1", "+49", "@SUM(A1)", "\tx", "-x", "-1+cmd|' /C calc'!A0", "--1", "-1e5", "-.5", "-1.", "-1.2.3"]
        {
            assert!(is_formula(formula), "{formula}");
        }
        for plain in ["", "-", "-1", "-12.50", "1=1", "a", "'=1", "<none>"] {
            assert!(!is_formula(plain), "{plain}");
        }
    }
}
