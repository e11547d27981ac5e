//! What a backup holds.

use std::io::{self, Write};

use firmware::backup::Head;
use firmware::digest::Sha256Digest;
use security::chain::Verified;
use serde::Serialize;

use super::style;
use super::table::{Align, Table};
use super::text::{Precision, counted, heading, paragraph, utc};

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
    let printable = |text: &str| text.chars().filter(|c| !security::unseen::is_unseen(*c)).take(80).collect::<String>();
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    let taken = format!("{} UTC by {}", utc(head.taken_utc_ms, Precision::Seconds), printable(&head.taken_by));
    let floor = head.floor.as_deref().map_or_else(|| "none".to_owned(), printable);
    let keys: Vec<_> = head.trusted_keys.iter().map(|key| printable(key)).collect();
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    for (name, value) in [
        ("Meter", printable(&head.serial)),
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
        summary.documents.iter().try_for_each(|path| writeln!(out, "  {}", printable(path)))?;
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
