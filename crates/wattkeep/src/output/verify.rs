//! What `verify` found, in words and as a document.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use firmware::hashlist::{FileHashes, Verdict};
use owo_colors::OwoColorize;
use serde::Serialize;

use super::style;
use super::text::{counted, hanging, paragraph};
use crate::failure::Failure;

/// What was found of all files.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Each file, in the order asked for.
    pub files: Vec<Checked>,
    /// Lines of the list that are in no known format.
    pub unread_lines: usize,
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is what was published.
    Good,
    /// It is something else.
    Bad,
    /// The list is silent.
    NotListed,
    /// It can't be read.
    Unreadable,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The file, as it was named.
    pub file: String,
    /// What is known of it.
    pub finding: Finding,
    /// The same in a sentence.
    pub text: String,
    /// By which algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<&'static str>,
    /// What was published, where the file is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the file hashes to, by the same algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// SHA-256 of the file, whatever the list has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Length of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What a person must know about the algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Checked {
    /// A file that was read.
    pub fn new(path: &Path, hashes: &FileHashes, verdict: &Verdict) -> Self {
        let (finding, algorithm, expected, found) = match verdict {
            Verdict::Good { algorithm } => (Finding::Good, Some(*algorithm), None, None),
            Verdict::Bad { expected, found } => (
                Finding::Bad,
                Some(expected.algorithm()),
                Some(expected.to_string()),
                found.as_ref().map(ToString::to_string),
            ),
            Verdict::NotListed => (Finding::NotListed, None, None, None),
        };
        Self {
            file: path.display().to_string(),
            finding,
            text: verdict.to_string(),
            algorithm: algorithm.map(|algorithm| algorithm.name()),
            expected,
            found,
            sha256: Some(hashes.sha256().to_string()),
            bytes: Some(hashes.length()),
            warning: verdict.warning().map(|warning| warning.to_string()),
        }
    }

    /// A file that couldn't be read.
    pub fn unreadable(path: &Path, failure: &Failure) -> Self {
        Self {
            file: path.display().to_string(),
            finding: Finding::Unreadable,
            text: failure.to_string(),
            algorithm: None,
            expected: None,
            found: None,
            sha256: None,
            bytes: None,
            warning: None,
        }
    }
}

/// Says of each file whether it is good. Of those that can't be read, standard error has said it.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, verification: &Verification) -> io::Result<()> {
    for file in &verification.files {
        let algorithm = file.algorithm.unwrap_or_default();
        match file.finding {
            Finding::Good => {
                writeln!(out, "{}  {}", "good".style(style::GOOD), file.file)?;
                paragraph(out, 2, style::QUIET, &format!("Its {algorithm} is the published one."))?;
            }
            Finding::Bad => {
                writeln!(out, "{}  {}", "BAD".style(style::DANGER), file.file)?;
                let sentence = format!(
                    "This is not the file that was published: its {algorithm} is another one. Don't use it; fetch it again."
                );
                paragraph(out, 2, style::PLAIN, &sentence)?;
                digest(out, "published", file.expected.as_deref())?;
                digest(out, "found", file.found.as_deref())?;
            }
            Finding::NotListed => {
                writeln!(out, "{}  {}", "NOT IN THE LIST".style(style::DANGER), file.file)?;
                let sentence = "Nothing is known about this file; use the list that was published with it.";
                paragraph(out, 2, style::PLAIN, sentence)?;
            }
            Finding::Unreadable => {}
        }
    }
    let not_listed = verification.files.iter().any(|file| file.finding == Finding::NotListed);
    if not_listed && verification.unread_lines > 0 {
        let lines = counted(verification.unread_lines, "line");
        let sentence = format!("{lines} of the list can't be read: it may be damaged, or of another kind.");
        hanging(out, "note: ", style::PLAIN, &sentence)?;
    }
    let warnings: BTreeSet<_> = verification.files.iter().filter_map(|file| file.warning.as_ref()).collect();
    for warning in warnings {
        hanging(out, "warning: ", style::WARNING, &format!("{warning}."))?;
    }
    Ok(())
}

/// A digest in pieces that can be compared by eye, 64 digits a line.
fn digest(out: &mut dyn Write, name: &str, digits: Option<&str>) -> io::Result<()> {
    let lines = digits.unwrap_or("nothing").as_bytes().chunks(64);
    for (index, line) in lines.enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(out, "  {name:9}  {}", String::from_utf8_lossy(line))?;
    }
    Ok(())
}
