//! The few colours, of the sixteen that every terminal has and its owner has chosen.

use firmware::Severity;
use owo_colors::Style;

/// Something lets somebody in, or is wrong.
pub const DANGER: Style = Style::new().red().bold();
/// Somebody's work stops or changes.
pub const WARNING: Style = Style::new().yellow().bold();
/// As it should be.
pub const GOOD: Style = Style::new().green().bold();
/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What may be skipped.
pub const QUIET: Style = Style::new().dimmed();
/// As it comes.
pub const PLAIN: Style = Style::new();

/// A severity's colour.
pub fn of(severity: Severity) -> Style {
    match severity {
        Severity::Danger => DANGER,
        Severity::Warning => WARNING,
        Severity::Info => PLAIN,
    }
}
