//! The formats of hash lists, told apart line by line, so that a list may also mix them.
//!
//! | format | looks like |
//! |---|---|
//! | `sha256sum` and its kin | `HEX  name`, `HEX *name`, and `\HEX  na\nme` for names with unusual characters |
//! | BSD, `sha256sum --tag`, openssl | `SHA256 (name) = HEX` |
//! | `certutil -hashfile` | a line in the system's language that has the name and ends in `:`, then `HEX` or `HE XH EX` |
//! | `Get-FileHash` | `SHA256   HEX   path`, or `Algorithm : …`, `Hash : …`, `Path : …`, wrapped at the console's width |
//! | bare | `HEX` |

use super::algorithm::HashValue;

/// What a hash in a list is about. Names are folded by [`fold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The file of this name.
    Name(String),
    /// The file of this name, less its white space: the console wrapped it, perhaps at a space.
    WrappedName(String),
    /// The file that this line in some language names.
    Sentence(String),
    /// Whatever file is being checked.
    Unnamed,
}

impl Subject {
    /// Whether this is about the file called `name`, as folded by [`fold`].
    pub(super) fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::WrappedName(own) => *own == without_space(name),
            Self::Sentence(sentence) => sentence_names(sentence, name),
            Self::Unnamed => true,
        }
    }
}

/// One hash of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) subject: Subject,
    pub(super) value: HashValue,
}

/// Names match by their last path part, whichever system wrote the path, and case-insensitively.
pub(super) fn fold(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_lowercase()
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Whether a sentence in an unknown language has this file's name in it. Where the sentence has a path, the
/// name must be the path's last part; where it has none, the name must stand between spaces or brackets.
fn sentence_names(sentence: &str, name: &str) -> bool {
    let last_separator = sentence.rfind(['/', '\\']);
    sentence.match_indices(name).any(|(start, found)| {
        let before = sentence[..start].chars().next_back();
        let after = sentence[start + found.len()..].chars().next();
        let starts = match last_separator {
            Some(separator) => start == separator + 1,
            None => before.is_none_or(|c| c.is_whitespace() || "(\"'“„«（「：:".contains(c)),
        };
        starts && after.is_none_or(|c| c.is_whitespace() || ")\"'”“»）」：:".contains(c))
    })
}

/// Reads lines one after the other and gathers the hashes in them.
#[derive(Default)]
pub(super) struct LineReader {
    pub(super) entries: Vec<Entry>,
    /// Lines that belong to no format that is known here: prose, or a damaged line.
    pub(super) unread: usize,
    /// The line before this one, if it may be what `certutil` writes above a hash.
    sentence: Option<String>,
    record: Record,
}

impl LineReader {
    /// The next line, without its end.
    pub(super) fn line(&mut self, line: &str) {
        if line.starts_with(char::is_whitespace) && !line.trim().is_empty() && self.record.continue_with(line.trim()) {
            return;
        }
        let line = line.trim();
        let sentence = self.sentence.take();
        if let Some((field, value)) = list_field(line) {
            if self.record.has(field) {
                self.end_record();
            }
            self.record.set(field, value);
        } else {
            self.end_record();
            if let Some(entry) = tagged(line).or_else(|| table_row(line)).or_else(|| sum_line(line)) {
                self.entries.push(entry);
            } else if let Some(value) = digits_alone(line) {
                let subject = sentence.map_or(Subject::Unnamed, |s| {
                    self.unread -= 1;
                    Subject::Sentence(s.to_lowercase())
                });
                self.entries.push(Entry { subject, value });
            } else if !is_decoration(line) {
                self.unread += 1;
                self.sentence = line.ends_with([':', '：']).then(|| line.to_owned());
            }
        }
    }

    /// The list has ended.
    pub(super) fn finish(mut self) -> (Vec<Entry>, usize) {
        self.end_record();
        (self.entries, self.unread)
    }

    fn end_record(&mut self) {
        let record = std::mem::take(&mut self.record);
        if record.lines > 0 {
            match record.entry() {
                Some(entry) => self.entries.push(entry),
                None => self.unread += 1,
            }
        }
    }
}

/// Lines that are there for the eye: comments, headings, rules, and what `certutil` says when it is done.
fn is_decoration(line: &str) -> bool {
    let certutil = line.split_once(':').is_some_and(|(word, _)| word.eq_ignore_ascii_case("certutil"));
    let heading = line.split_whitespace().eq(["Algorithm", "Hash", "Path"]);
    line.starts_with(['#', ';']) || certutil || heading || line.chars().all(|c| c == '-' || c.is_whitespace())
}

/// `SHA256 (name) = HEX`
fn tagged(line: &str) -> Option<Entry> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (label, rest) = line.split_once('(')?;
    let (name, digits) = rest.rsplit_once('=')?;
    let name = name.trim_end().strip_suffix(')')?;
    let value = HashValue::from_digits(digits.trim()).filter(|v| v.algorithm().is_called(label.trim()))?;
    named(name, escaped, value)
}

/// `HEX  name` or `HEX *name`
fn sum_line(line: &str) -> Option<Entry> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, name) = line.split_once(char::is_whitespace)?;
    let value = HashValue::from_digits(digits)?;
    // The second character says text or binary; lists made by hand may have tabs, or more or fewer spaces.
    named(name.strip_prefix('*').unwrap_or_else(|| name.trim_start()), escaped, value)
}

/// `SHA256   HEX   path`
fn table_row(line: &str) -> Option<Entry> {
    let (label, rest) = line.split_once(char::is_whitespace)?;
    let (digits, path) = rest.trim_start().split_once(char::is_whitespace)?;
    let value = HashValue::from_digits(digits).filter(|v| v.algorithm().is_called(label))?;
    // A path that didn't fit the console is cut with dots: the name is lost.
    let whole = !path.ends_with("...") && !path.ends_with('…');
    if whole { named(path, false, value) } else { None }
}

fn named(name: &str, escaped: bool, value: HashValue) -> Option<Entry> {
    let name = if escaped { fold(&unescape(name)?) } else { fold(name) };
    (!name.is_empty()).then_some(Entry { subject: Subject::Name(name), value })
}

/// Undoes what coreutils do to names with a backslash or a line end in them.
fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

/// `HEX`, or its bytes with spaces between them as older `certutil`s write.
fn digits_alone(line: &str) -> Option<HashValue> {
    let pairs = line.split(' ').all(|pair| pair.len() == 2);
    if pairs { HashValue::from_digits(&without_space(line)) } else { HashValue::from_digits(line) }
}

/// A property of what `Get-FileHash | Format-List` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Algorithm,
    Hash,
    Path,
}

fn list_field(line: &str) -> Option<(Field, &str)> {
    let (key, value) = line.split_once(':')?;
    let field = match key.trim_end() {
        "Algorithm" => Field::Algorithm,
        "Hash" => Field::Hash,
        "Path" => Field::Path,
        _ => return None,
    };
    Some((field, value.trim()))
}

/// One file's properties, as far as they have been read.
#[derive(Default)]
struct Record {
    values: [Option<String>; 3],
    last: Option<Field>,
    lines: usize,
    path_wrapped: bool,
}

impl Record {
    fn has(&self, field: Field) -> bool {
        self.values[field as usize].is_some()
    }

    fn set(&mut self, field: Field, value: &str) {
        self.values[field as usize] = Some(value.to_owned());
        self.last = Some(field);
        self.lines += 1;
    }

    /// Takes an indented line as more of the last property, if there is one.
    fn continue_with(&mut self, more: &str) -> bool {
        let Some(field) = self.last else { return false };
        if let Some(value) = &mut self.values[field as usize] {
            value.push_str(more);
        }
        self.path_wrapped |= field == Field::Path;
        true
    }

    fn entry(self) -> Option<Entry> {
        let [algorithm, hash, path] = self.values;
        let value =
            HashValue::from_digits(&hash?).filter(|v| algorithm.is_none_or(|label| v.algorithm().is_called(&label)))?;
        let subject = match path.map(|path| fold(&path)) {
            None => Subject::Unnamed,
            Some(name) if name.is_empty() => return None,
            Some(name) if self.path_wrapped => Subject::WrappedName(without_space(&name)),
            Some(name) => Subject::Name(name),
        };
        Some(Entry { subject, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b3_names_match_by_their_last_path_part() {
        for (listed, name) in [
            ("8650.upg", "8650.UPG"),
            ("./firmware/8650.upg", "8650.upg"),
            (r"C:\Users\me\8650.upg", "/home/me/8650.upg"),
            (r"mixed/of\both/8650.upg", "8650.upg"),
            ("ÄNDERUNG.upg", "änderung.upg"),
        ] {
            assert!(Subject::Name(fold(listed)).is(&fold(name)), "{listed} is {name}");
        }
        assert!(!Subject::Name(fold("18650.upg")).is(&fold("8650.upg")));
    }

    #[test]
    fn a_sentence_names_a_file_between_boundaries_only() {
        for (sentence, named) in [
            ("sha256 hash of 8650.upg:", true),
            ("sha256 hash of file c:\\downloads\\8650.upg:", true),
            ("sha256-hash von 8650.upg:", true),
            ("sha256 ハッシュ (対象 8650.upg):", true),
            ("sha256 的 c:\\my files\\8650.upg 哈希:", true),
            ("hachage sha256 de 8650.upg :", true),
            ("sha256 hash of 18650.upg:", false),
            ("sha256 hash of 8650.upg.old:", false),
            ("sha256 hash of my-8650.upg:", false),
            ("sha256 hash of c:\\downloads\\new 8650.upg:", false),
            ("sha256 hash of 8650.upg\\readme:", false),
        ] {
            assert_eq!(sentence_names(sentence, "8650.upg"), named, "{sentence}");
        }
    }

    #[test]
    fn only_the_escapes_of_coreutils_are_undone() {
        assert_eq!(unescape(r"a\\b\nc\rd").as_deref(), Some("a\\b\nc\rd"));
        for damaged in [r"a\", r"a\t"] {
            assert_eq!(unescape(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn another_algorithm_of_the_same_length_is_not_taken_for_a_known_one() {
        let digits = "ab".repeat(32);
        assert!(tagged(&format!("SHA256 (x) = {digits}")).is_some());
        assert!(tagged(&format!("SHA2-256(x)= {digits}")).is_some());
        for label in ["SHA3-256", "BLAKE2s", "SHA512/256", ""] {
            assert!(tagged(&format!("{label} (x) = {digits}")).is_none(), "{label}");
        }
        assert!(table_row(&format!("RIPEMD160  {}  C:\\x", "ab".repeat(20))).is_none());
    }
}
