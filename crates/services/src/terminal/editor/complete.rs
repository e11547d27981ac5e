//! What Tab does with the candidates that the engine names: the longest beginning they share, or their
//! list in columns.

use std::fmt::Write;

use crate::terminal::plain;

/// Candidates listed at most: more than a window holds help nobody.
const LISTED: usize = 120;

/// What could stand where the cursor is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Where in the text they begin.
    pub start: usize,
    /// What could stand from there to the cursor.
    pub words: Vec<String>,
    /// What follows the only one that is left.
    pub after: &'static str,
}

/// Knows what can be typed.
pub trait Complete {
    /// What the last word of `text`, which ends at the cursor, could become.
    fn candidates(&self, text: &str) -> Candidates;
}

/// Nothing to complete.
pub struct Nothing;

impl Complete for Nothing {
    fn candidates(&self, _: &str) -> Candidates {
        Candidates::default()
    }
}

/// What the candidates have in common, in the first one's spelling; upper and lower case are alike.
pub(super) fn shared(words: &[String]) -> &str {
    let Some((first, others)) = words.split_first() else { return "" };
    let mut end = first.len();
    for word in others {
        let pairs = first[..end].char_indices().zip(word.chars());
        let alike = |((_, one), other): &((usize, char), char)| one.to_lowercase().eq(other.to_lowercase());
        end = pairs.take_while(alike).last().map_or(0, |((at, one), _)| at + one.len_utf8());
    }
    &first[..end]
}

/// The candidates in columns, as `ls` has them.
pub(super) fn list(words: &[String], room: usize) -> String {
    let shown: Vec<String> =
        words.iter().take(LISTED).map(|word| word.chars().map(plain::printable).collect()).collect();
    let widest = shown.iter().map(|word| plain::width(word)).max().unwrap_or(0);
    let columns = ((room + 1) / (widest + 2)).max(1);
    let rows = shown.len().div_ceil(columns);
    let mut text = String::new();
    for row in 0..rows {
        let mut line = String::new();
        for word in shown.iter().skip(row).step_by(rows.max(1)) {
            line.push_str(word);
            line.push_str(&" ".repeat(widest + 2 - plain::width(word)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if words.len() > LISTED {
        // Writing to a string can't fail.
        let _ = writeln!(text, "… and {} more", words.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_they_share() {
        assert_eq!(shared(&words(&["kW tot", "kw TOT mx", "kWh del"])), "kW");
        assert_eq!(shared(&words(&["häb", "hÄa"])), "hä");
        assert_eq!(shared(&words(&["a", "b"])), "");
        assert_eq!(shared(&[]), "");
    }

    #[test]
    fn a_list_in_columns() {
        assert_eq!(list(&words(&["aa", "b", "c"]), 8), "aa  c\nb\n");
        assert_eq!(list(&words(&["aaaa", "b"]), 3), "aaaa\nb\n");
        let many: Vec<String> = (0..LISTED + 5).map(|n| n.to_string()).collect();
        assert!(list(&many, 80).ends_with("… and 5 more\n"));
    }
}
