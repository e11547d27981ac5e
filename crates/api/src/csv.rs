//! Records as CSV (RFC 4180): the same bytes whether a meter makes the file or Setup does. Lines end in CR LF, the
//! header has names and units, a value that isn't available is empty, and nothing is a formula to a spreadsheet. A value
//! is the shortest that reads back as the same number, so intervals add up to their counter.

use std::fmt::Write;

use security::unseen::is_formula;

use crate::{Record, RecordSource};

/// The header line.
pub fn head(sources: &[RecordSource]) -> String {
    let mut line = "Number,Time (UTC),Status".to_owned();
    for RecordSource { label, unit, .. } in sources {
        line.push(',');
        line.push_str(&field(&if unit.is_empty() { label.clone() } else { format!("{label} ({unit})") }));
    }
    line.push_str("\r\n");
    line
}

/// The line of a record, its interval's end given as ISO 8601 has it.
pub fn row(sources: &[RecordSource], record: &Record, time: &str) -> String {
    let mut line = format!("{},{time},{}", record.number, field(&record.status_text()));
    for (_, value) in sources.iter().zip(&record.values) {
        line.push(',');
        if let Some(value) = value {
            // Writing to a string can't fail.
            let _ = write!(line, "{value}");
        }
    }
    line.push_str("\r\n");
    line
}

/// A field, quoted where it must be (RFC 4180, 2.6 and 2.7), and never a formula: what somebody called a meter is text
/// in a spreadsheet too.
pub fn field(text: &str) -> String {
    let text = if is_formula(text) { &format!("'{text}") } else { text };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

impl Record {
    /// `complete`, or what is to be said of it: `short, outage`.
    pub fn status_text(&self) -> String {
        if self.status.is_empty() { "complete".to_owned() } else { self.status.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(label: &str, unit: &str, decimals: u8) -> RecordSource {
        let register = "Integrator 1/kWh del".to_owned();
        RecordSource { label: label.to_owned(), register, unit: unit.to_owned(), decimals }
    }

    #[test]
    fn records_are_as_rfc_4180_has_them() {
        let sources = [source("kWh del int", "kWh", 3), source("=1+1, \"x\"", "", 0), source("PF", "%", 1)];
        assert_eq!(head(&sources), "Number,Time (UTC),Status,kWh del int (kWh),\"'=1+1, \"\"x\"\"\",PF (%)\r\n");
        let mut record = Record {
            number: 7,
            utc_ms: 1_767_225_600_005,
            status: Vec::new(),
            values: vec![Some(0.12345), None, Some(-99.95)],
        };
        assert_eq!(row(&sources, &record, "12:00"), "7,12:00,complete,0.12345,,-99.95\r\n");
        record.status = vec!["short".to_owned(), "clock set".to_owned()];
        assert_eq!(row(&sources, &record, "13:00"), "7,13:00,\"short, clock set\",0.12345,,-99.95\r\n");
        // A micro-unit, the greatest counter, and nothing in exponents.
        record.values = vec![Some(0.000001), Some(999_999_999.999_999), Some(1e12)];
        assert!(row(&sources, &record, "").ends_with("\",0.000001,999999999.999999,1000000000000\r\n"));
    }

    #[test]
    fn no_field_is_a_formula() {
        for (text, expected) in [
            ("=HYPERLINK(\"http://x\",1)", "\"'=HYPERLINK(\"\"http://x\"\",1)\""),
            ("+1", "'+1"),
            ("-", "-"),
            ("-5", "-5"),
            ("-x", "'-x"),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
