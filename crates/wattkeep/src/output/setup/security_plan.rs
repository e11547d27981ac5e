//! What a security file would change: registers, and who may do what where afterwards.

use std::io::{self, Write};

use api::SecurityPlan;
use firmware::Severity;
use framework::Scf;

use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{cut, heading, line, paragraph};

/// Characters that are shown of a text out of a file.
const LONGEST: usize = 60;

/// Where the file comes from, and what it changes here.
///
/// # Errors
/// Those of the stream.
pub fn security_plan(out: &mut dyn Write, file: &Scf, plan: &SecurityPlan) -> io::Result<()> {
    let serial = file.serial.as_deref().map_or_else(String::new, |serial| format!(" of {}", cut(serial, LONGEST)));
    let saved = file.saved.as_deref().map_or_else(String::new, |saved| format!(", saved {}", cut(saved, LONGEST)));
    let whose = format!("Security set-up{serial}, release {}{saved}", cut(&file.release, LONGEST));
    line(out, style::PLAIN, &whose)?;
    if plan.changed.is_empty() && plan.passwords.is_empty() {
        return writeln!(out, "The meter is like that already: there is nothing to change.");
    }
    heading(out, "Registers")?;
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for change in &plan.changed {
        let register = change.register.replacen("Security Options 1/", "", 1);
        table.row([register.into(), format!("{} → {}", change.before, change.after).into()]);
    }
    for account in &plan.passwords {
        table.row([account.into(), "password → new password".into()]);
    }
    table.write(out)?;
    super::strengths(out, &plan.strengths)?;
    if !plan.access.is_empty() {
        heading(out, "Who may do what, where")?;
        let mut rows: Vec<_> = plan.access.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.severity));
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for row in rows {
            let (word, colour) = match row.severity {
                Severity::Danger => ("DANGER", style::DANGER),
                Severity::Warning => ("WARNING", style::WARNING),
                Severity::Info => ("info", style::QUIET),
            };
            let change = format!("{} → {}", row.before, row.after);
            table.row([Cell::styled(word, colour), row.subject.as_str().into(), change.into()]);
        }
        table.write(out)?;
    }
    if !plan.dangers.is_empty() {
        heading(out, "Dangers")?;
        super::dangers(out, &plan.dangers)?;
    }
    writeln!(out)?;
    paragraph(out, 0, style::QUIET, &plan.digest)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use api::{AccessChange, ChangedRegister};
    use firmware::Danger;

    use super::*;
    use crate::screen::tests::{harmless, shown};

    fn file() -> Scf {
        let text = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\nserial = \"MW-2611A001-01\"\n\
            saved = \"2026-11-22T18:00:00Z\"\n[security]\nmode = \"advanced\"\nfront-panel = \"hashed\"\n";
        Scf::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_a_security_file_changes_and_what_it_opens() {
        let register = |register: &str, before: &str, after: &str| ChangedRegister {
            register: register.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        let row = |subject: &str, before: &str, after: &str, severity| AccessChange {
            subject: subject.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            severity,
            text: String::new(),
        };
        let mut plan = SecurityPlan {
            digest: format!("sha256:{}", "0".repeat(64)),
            loaded: false,
            changed: vec![
                register("Security Options 1/Mode", "standard", "advanced"),
                register("Security User 3/Active", "no", "yes"),
            ],
            passwords: vec!["USER3".to_owned()],
            strengths: Vec::new(),
            access: vec![
                row("setup: anyone", "read, read setup", "nothing", Severity::Info),
                row("setup: USER3", "nothing", "everything", Severity::Danger),
            ],
            dangers: vec![Danger {
                subject: "without a login".to_owned(),
                severity: Severity::Warning,
                text: "Advanced is on. Without a login there still are: modbus (read, read setup).".to_owned(),
            }],
            remarks: Vec::new(),
        };
        insta::assert_snapshot!("security_plan", shown(|out| security_plan(out, &file(), &plan)));
        harmless(&plan, |out, plan| security_plan(out, &file(), plan));
        plan.changed.clear();
        plan.passwords.clear();
        insta::assert_snapshot!("nothing_to_load", shown(|out| security_plan(out, &file(), &plan)));
    }
}
