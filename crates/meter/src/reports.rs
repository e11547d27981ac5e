//! The reports of changes of release that the meter keeps: each is stored in the commit that confirms its change or
//! takes it back, so that it is there after a broken link or a restart. Beside each stands who may ask how it ended
//! without logging in again: the session that began it, by a digest of its token.

use firmware::report::{Outcome, Report};
use security::{Ask, Token};
use serde::{Deserialize, Serialize};

use crate::change::Stage;
use crate::gate::{Caller, Gate, decide};
use crate::{GateError, Now};

/// Reports that are kept: the newest. One is some tens of kilobytes; a document of the store takes megabytes.
pub const MAX_REPORTS: usize = 16;
/// How long the stored document may become, in bytes: half of what the store takes, so that another one always fits.
const LONGEST: usize = store::MAX_DOCUMENT / 2;

/// What became of a change, for the session that began it.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// This session has begun none that came to a commit.
    Unknown,
    /// Passwords are made; nothing has been committed.
    Preparing,
    /// The new release runs, and proves its faces and its clock.
    OnTrial,
    /// It is over.
    Over(Box<Report>),
}

/// As stored: newest first, and what is on trial.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reports {
    #[serde(default)]
    reports: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_trial: Option<Entry>,
}

/// A report, and whose session may ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The digest of a session's token in hex; no session has it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    pub report: Report,
}

impl Reports {
    /// The stored document. One that can't be read counts as none: a meter that doesn't start for it would be worse.
    pub fn read(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::default() };
        match serde_json::from_str::<Report>(text) {
            // From before there were several.
            Ok(report) => Self { reports: vec![Entry { receipt: None, report }], on_trial: None },
            Err(_) => serde_json::from_str(text).unwrap_or_default(),
        }
    }

    /// As it is stored: without the oldest ones if all of them would be too long.
    pub fn to_text(&self) -> Result<String, GateError> {
        let mut kept = self.clone();
        loop {
            let text = serde_json::to_string(&kept).map_err(|error| GateError::Unreadable(error.to_string()))?;
            if text.len() <= LONGEST || kept.reports.len() <= 1 {
                return Ok(text);
            }
            kept.reports.pop();
        }
    }

    /// The same with a change on trial.
    pub fn with_trial(&self, entry: Entry) -> Self {
        Self { on_trial: Some(entry), ..self.clone() }
    }

    /// The same with a change that is over.
    pub fn with(&self, entry: Entry) -> Self {
        let mut reports = vec![entry];
        reports.extend(self.reports.iter().take(MAX_REPORTS - 1).cloned());
        Self { reports, on_trial: None }
    }

    /// The same with the change on trial taken back, if what it was is known.
    pub fn taken_back(mut self, now: Now, reason: &str) -> Self {
        let Some(Entry { receipt, mut report }) = self.on_trial.take() else { return self };
        report.outcome = Outcome::TakenBack;
        report.as_planned = false;
        report.reason = Some(reason.to_owned());
        report.utc_ms = now.utc_ms;
        self.with(Entry { receipt, report })
    }

    /// The newest first.
    pub fn all(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().map(|entry| &entry.report)
    }

    /// What `info` says of the last change: that it was taken back, until another one is confirmed.
    pub fn news(&self) -> Option<String> {
        let last = self.all().next().filter(|last| last.outcome == Outcome::TakenBack)?;
        let to = last.about.to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
        let why = last.reason.as_deref().unwrap_or("no reason was given");
        Some(format!("The last change of release{to} was taken back: {why}. `report --last` tells more."))
    }
}

/// What a meter keeps of a session's token to know it by.
pub(crate) fn receipt(token: &[u8; 32]) -> String {
    hex::encode(token)
}

impl Gate {
    /// The reports of the last changes of release, the newest first, for whoever may read security.
    pub fn reports(&self, now: Now, caller: &Caller) -> Result<Vec<Report>, GateError> {
        let mut state = self.state();
        decide(&mut state, now, caller, Ask::ReadSecurity)?;
        Ok(state.reports.all().cloned().collect())
    }

    /// What became of the change that the session with this token began. The session ended with the release; whoever
    /// has its token learns this of it and nothing else.
    pub fn progress(&self, token: &Token) -> Progress {
        let receipt = receipt(&token.digest());
        let state = self.state();
        if let Some(under_way) = state.under_way.as_ref().filter(|it| it.receipt.as_ref() == Some(&receipt)) {
            return match under_way.stage {
                Stage::Preparing => Progress::Preparing,
                Stage::OnTrial(_) => Progress::OnTrial,
            };
        }
        let found = state.reports.reports.iter().find(|entry| entry.receipt.as_ref() == Some(&receipt));
        found.map_or(Progress::Unknown, |entry| Progress::Over(Box::new(entry.report.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(to: &str) -> Entry {
        let report = serde_json::json!({
            "outcome": "confirmed", "as_planned": true, "lines": [], "plan": "sha256:00", "package": "00",
            "hash_check": "", "setup": "3.2.30377.02", "user": "USER1", "utc_ms": 7, "to": to,
        });
        Entry { receipt: Some("aa".to_owned()), report: serde_json::from_value(report).unwrap() }
    }

    #[test]
    fn the_newest_sixteen_are_kept_and_written_as_they_are_read() {
        let mut reports = Reports::default();
        for number in 0..20 {
            reports = reports.with(entry(&format!("5.0.{number}")));
        }
        let read = Reports::read(Some(&reports.to_text().unwrap()));
        let to = |report: &Report| report.about.to.as_ref().unwrap().to_string();
        let kept: Vec<_> = read.all().map(to).collect();
        assert_eq!((kept.len(), kept[0].as_str(), kept[15].as_str()), (MAX_REPORTS, "5.0.19", "5.0.4"));
    }

    #[test]
    fn what_older_programs_stored_is_read_and_what_nobody_can_read_is_none() {
        let old = serde_json::to_string(&entry("5.0.0").report).unwrap();
        assert_eq!(Reports::read(Some(&old)).all().count(), 1);
        for text in [None, Some("{}"), Some(""), Some("[7]"), Some(r#"{"reports":7}"#)] {
            assert_eq!(Reports::read(text).all().count(), 0, "{text:?}");
        }
    }

    #[test]
    fn b26_a_change_on_trial_at_a_cut_becomes_a_report_that_says_so() {
        let reports = Reports::default().with(entry("5.0.0")).with_trial(entry("5.0.1"));
        let read = Reports::read(Some(&reports.to_text().unwrap()));
        assert_eq!(read.news(), None);
        let back = read.taken_back(Now { utc_ms: 9, up_ms: 0 }, "power failed on trial");
        let newest = back.all().next().unwrap();
        assert_eq!((newest.outcome, newest.as_planned, newest.utc_ms), (Outcome::TakenBack, false, 9));
        assert!(back.news().unwrap().contains("5.0.1 was taken back: power failed on trial"));
        assert_eq!(back.with(entry("5.0.2")).news(), None);
        assert_eq!(Reports::default().taken_back(Now { utc_ms: 9, up_ms: 0 }, "x").all().count(), 0);
    }
}
