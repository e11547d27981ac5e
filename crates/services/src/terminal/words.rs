//! A command line into words: blanks part them, quotes hold them together.

/// A quote that isn't closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quotation mark ({0}) is not closed")]
pub(super) struct OpenQuote(char);

/// The words of a line. There is no escape sign: a register's name holds no quotation marks.
pub(super) fn split(line: &str) -> Result<Vec<String>, OpenQuote> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(OpenQuote(open));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_part_words_and_quotes_hold_them_together() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            (" show\tkW  tot ", &["show", "kW", "tot"]),
            ("show \"kW tot\" 'kWh del'", &["show", "kW tot", "kWh del"]),
            ("show k\"W t\"ot", &["show", "kW tot"]),
            ("show \"it's\"", &["show", "it's"]),
            ("show ''", &["show", ""]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
        assert_eq!(split("show \"kW"), Err(OpenQuote('"')));
    }
}
