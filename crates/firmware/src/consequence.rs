//! What a change of release does, one line at a time: the lines of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a line is about. The order is the one in which people read a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The security mode.
    Mode,
    /// Something that listens.
    Service,
    /// A login.
    Account,
    /// Who may do what on which path.
    Right,
    /// A set-up register.
    Setting,
    /// Energy, events, recorders.
    Log,
    /// Modules, links and labels.
    Template,
    /// Something the operator should know about the tools.
    Notice,
}

impl Kind {
    /// The heading in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Service => "service",
            Self::Account => "account",
            Self::Right => "right",
            Self::Setting => "setting",
            Self::Log => "log",
            Self::Template => "template",
            Self::Notice => "notice",
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody's work will stop or change.
    Warning,
    /// Somebody can get in who couldn't before.
    Danger,
}

impl Severity {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consequence {
    /// The clause of the mission it follows from.
    pub clause: String,
    /// What it is about.
    pub kind: Kind,
    /// Which one: `web`, `USER3`, `Web Server Port`.
    pub subject: String,
    /// How it is.
    pub before: String,
    /// How it will be.
    pub after: String,
    /// How much it matters.
    pub severity: Severity,
    /// Whether the Setup in use shows this line (B6).
    pub told: bool,
    /// The sentence for people.
    pub text: String,
    /// The notice that tells of it, where not every Setup does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

impl Consequence {
    /// A line that every Setup shows.
    pub(crate) fn new(
        clause: &str,
        kind: Kind,
        subject: impl Into<String>,
        change: (impl Into<String>, impl Into<String>),
        severity: Severity,
        text: impl Into<String>,
    ) -> Self {
        Self {
            clause: clause.to_owned(),
            kind,
            subject: subject.into(),
            before: change.0.into(),
            after: change.1.into(),
            severity,
            told: true,
            text: text.into(),
            notice: None,
        }
    }

    /// Whether anything is different afterwards.
    pub fn changes(&self) -> bool {
        self.before != self.after
    }
}
