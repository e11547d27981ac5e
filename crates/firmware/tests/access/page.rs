//! The manual's page, made from the table.

use std::fmt::Write as _;

use framework::modules::KINDS;
use security::{Mode, Right};

use crate::table::{Asked, EXPLAINED, Row, Table};

const HEAD: &str = "\
# Who may do what, by path

This page is made from the table that the tests hold every decision against: each cell below, for every right,
every user and every position of the switches, is checked (`crates/firmware/tests/access/`). One function
decides, `security::decide`; a face has no rule of its own.

What the words in the cells mean:

- **free**: anyone, logged in or not. **never**: nobody, whoever they are.
- **front-panel password**: a login as `8650` with it; at the panel, the password itself.
- **right**: an active user who has the right that is asked for. *Read* gates all the others but *Time Sync*.
- **Full Meter Config**: an active user who has that right besides.
- **password 0**: the front-panel password is still the factory's, so that nothing is protected by it.
- any other name is a switch in *Security Options* that must be on.

The rows of a path: *read* is measurements, logs and identity; *set-up* reads set-up registers and recorders; *security*
reads security set-up, the users among it; *write* is whatever takes Time Sync, Peak Demand Reset, Test Mode or Full
Meter Config; *secure* is what takes Security Config. A path whose service is off isn't there at all.

";

/// The page.
pub fn page(table: &Table) -> String {
    let mut page = HEAD.to_owned();
    for release in ["4.40.1", "4.0.9"] {
        let rows: Vec<&Row> =
            table.rows().iter().filter(|row| row.releases.iter().any(|known| known == release)).collect();
        let modes: &[Mode] = if release == "4.0.9" {
            &[Mode::Standard, Mode::Advanced, Mode::None]
        } else {
            &[Mode::Standard, Mode::Advanced]
        };
        writeln!(page, "## Release {release}\n").unwrap();
        let heads: Vec<&str> = modes.iter().map(|mode| title(*mode)).collect();
        writeln!(page, "| path | asked | {} |\n|---|---|{}", heads.join(" | "), "---|".repeat(modes.len())).unwrap();
        for row in rows {
            let mut name = path_name(row);
            for asked in Asked::ALL {
                let cells: Vec<&str> = modes.iter().filter_map(|mode| row.words(*mode, asked)).collect();
                if !cells.is_empty() {
                    writeln!(page, "| {name} | {} | {} |", asked_name(asked), cells.join(" | ")).unwrap();
                    name.clear();
                }
            }
        }
        page.push('\n');
    }
    page.push_str("## The switches\n\n| register of Security Options | what it says |\n|---|---|\n");
    for (switch, what) in EXPLAINED {
        writeln!(page, "| {switch} | {what} |").unwrap();
    }
    page.push_str(
        "\nModbus: registers 43001–43003 pick a load-profile record and count as reading. A refusal there is exception 02 \
         and an event.\n\n## Which right a register takes\n\nEvery set-up register takes one right to be changed.\n\n\
         | module | Full Meter Config | Security Config |\n|---|---|---|\n",
    );
    for kind in KINDS {
        let taking = |right| {
            let registers =
                kind.setup().iter().filter(|register| register.right == right).map(|register| register.name);
            let registers: Vec<&str> = registers.collect();
            if registers.is_empty() { "–".to_owned() } else { registers.join(", ") }
        };
        writeln!(page, "| {} | {} | {} |", kind.name(), taking(Right::FullConfig), taking(Right::SecurityConfig))
            .unwrap();
    }
    page.push_str("\nLabels and links take Full Meter Config.\n");
    page
}

fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::None => "No security",
        Mode::Standard => "Standard",
        Mode::Advanced => "Advanced",
    }
}

fn path_name(row: &Row) -> String {
    let (name, _) = row.name.split_once(" (").unwrap_or((&row.name, ""));
    format!("**{name}**")
}

fn asked_name(asked: Asked) -> &'static str {
    match asked {
        Asked::Read => "read",
        Asked::Setup => "set-up",
        Asked::Security => "security",
        Asked::Write => "write",
        Asked::Secure => "secure",
    }
}
