//! What a backup holds.

use std::io::{self, Write};

use firmware::backup::Head;
use firmware::digest::Sha256Digest;
use security::chain::Verified;
use serde::Serialize;

use super::style;
use super::table::{Align, Table};
use super::text::{Precision, counted, cut, heading, line, paragraph, utc};

/// What a backup holds.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Over all of it.
    pub sha256: Option<Sha256Digest>,
    /// Whose it is.
    #[serde(flatten)]
    pub head: Head,
    /// How many modules its settings have.
    pub modules: usize,
    /// How many accounts have SSH keys.
    pub accounts_with_keys: usize,
    /// Epochs of recorders.
    pub recordings: u64,
    /// Their records.
    pub records: u64,
    /// Events.
    pub events: u64,
    /// Documents, by name alone.
    pub documents: Vec<String>,
}

/// Whose it is and what it holds.
///
/// # Errors
/// Those of the stream.
pub fn summary(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let Summary { head, .. } = summary;
    let short = |text: &str| cut(text, 80);
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    let taken = format!("{} UTC by {}", utc(head.taken_utc_ms, Precision::Seconds), short(&head.taken_by));
    let floor = head.floor.as_deref().map_or_else(|| "none".to_owned(), short);
    let keys: Vec<_> = head.trusted_keys.iter().map(|key| short(key)).collect();
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    for (name, value) in [
        ("Meter", short(&head.serial)),
        ("Release", head.release.to_string()),
        ("Taken", taken),
        ("Form", head.form.name().to_owned()),
        ("Floor", floor),
        ("Trusted keys", keys),
        ("Modules", summary.modules.to_string()),
        (
            "Recorders",
            format!(
                "{}, {}",
                counted(summary.recordings as usize, "epoch"),
                counted(summary.records as usize, "record")
            ),
        ),
        ("Events", summary.events.to_string()),
    ] {
        table.row([name.into(), value.into()]);
    }
    table.write(out)?;
    if !summary.documents.is_empty() {
        heading(out, "Documents, by name alone")?;
        summary.documents.iter().try_for_each(|path| line(out, style::PLAIN, &format!("  {}", short(path))))?;
    }
    writeln!(out)?;
    let digest = summary.sha256.map(|digest| digest.prefixed()).unwrap_or_default();
    paragraph(out, 0, style::QUIET, &format!("It is whole: {digest}"))
}

/// What looking through a log has found, as a meter says it.
pub fn log_verified(verified: Verified) -> api::LogVerified {
    let whole = verified.findings.is_empty();
    let Verified { checked, unchained, begins, findings, more } = verified;
    let finding = |finding: &security::chain::Finding| api::LogFinding {
        kind: finding.kind().to_owned(),
        number: finding.number(),
        text: finding.to_string(),
    };
    let findings = findings.iter().map(finding).collect();
    api::LogVerified { whole, checked, unchained, chained_from: begins, findings, more }
}

#[cfg(test)]
mod tests {
    use firmware::backup::{FORMAT, Form};

    use super::*;
    use crate::screen::tests::shown;

    fn sample() -> Summary {
        Summary {
            sha256: Some(Sha256Digest::of(b"abc")),
            head: Head {
                format: FORMAT,
                model: "8650".to_owned(),
                form: Form::Sealed,
                serial: "MW-2611A001-01".to_owned(),
                release: "4.40.1".parse().unwrap(),
                package: None,
                floor: Some("4.0.9".to_owned()),
                trusted_keys: vec!["0011223344556677".to_owned()],
                taken_utc_ms: 1_795_362_000_000,
                taken_by: "USER1".to_owned(),
            },
            modules: 27,
            accounts_with_keys: 2,
            recordings: 1,
            records: 3360,
            events: 212,
            documents: vec!["FTP/readings.csv".to_owned()],
        }
    }

    #[test]
    fn b29_whose_a_backup_is_and_what_it_holds() {
        insta::assert_snapshot!("backup", shown(|out| summary(out, &sample())));
    }

    #[test]
    fn what_a_file_says_of_itself_moves_no_cursor() {
        let mut hostile = sample();
        let attack = "\u{1b}[2J\u{7}\u{202e}serial";
        hostile.head.serial = attack.to_owned();
        hostile.head.taken_by = attack.to_owned();
        hostile.head.floor = Some(attack.to_owned());
        hostile.head.trusted_keys = vec![attack.to_owned()];
        hostile.documents = vec![attack.to_owned()];
        // Without a stream that would take the escapes out.
        let mut out = Vec::new();
        summary(&mut out, &hostile).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("[2J\u{7}") && !text.contains("\u{1b}[2J") && !text.contains('\u{202e}'), "{text:?}");
    }
}
