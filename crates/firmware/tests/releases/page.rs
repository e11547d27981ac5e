//! The manual's page about the releases, made from the table.

use std::fmt::Write as _;
use std::path::Path;

use crate::table::{Column, Row, columns};

const HEAD: &str = "\
# The releases, and what a change between them does

Upgrade a meter and its web server is off; downgrade it and every password is `0`: what a meter offers depends on its
release and on the way it came there. The table below shows both releases as shipped, and what is so after a change
from one to the other, whatever it was before. It is worked out by the program from the releases' own descriptions
(`releases/`) and from the function that carries out a change, and tests hold living meters against it with `ssh`,
`sftp`, `telnet`, `curl`, `mbpoll` and Python's ftplib (`tests/tests/releases.rs`). Two rows are tried otherwise: the front
panel has no face yet, so its row is what the rules decide; and users' passwords are what `setup info` says of them.

What the words mean: **on** and **off**: whether anybody can connect. **–**: not part of the release. **as before**: the
change leaves it alone.

";

const TAIL: &str = "
Before any change `wattkeep setup METER plan --to RELEASE` shows the same for the meter at hand, account by account, and
nothing is done until that plan is accepted. `wattkeep rehearse` shows it without a meter.

Users, their rights, lock-out settings, energy, demand, logs, clock, PT/CT ratios and the ports of services that stay are
kept in both directions. SSH keys are deleted by a downgrade, and a later upgrade doesn't bring them back.

On 4.0.9 Modbus writes under Standard only while the front-panel password is `0`. Under Advanced and No security other
things may be open: [who may do what, by path](security/access.md).

A service that is off can be turned on with Setup, by whoever has Security Config: `wattkeep setup METER set Telnet yes`.
";

fn page(columns: &[Column]) -> String {
    let mut page = HEAD.to_owned();
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    writeln!(page, "| | {} |\n|---|{}", titles.join(" | "), "---|".repeat(columns.len())).unwrap();
    for row in Row::all() {
        let cells: Vec<String> = columns.iter().map(|column| column.cell(row)).collect();
        writeln!(page, "| **{}** | {} |", row.title(), cells.join(" | ")).unwrap();
    }
    page.push_str(TAIL);
    page
}

/// The manual shows this table and no other. With `WRITE_DOCS=1` the page is written instead.
#[test]
fn the_manual_shows_the_same_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/releases.md");
    let page = page(&columns());
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let manual = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(manual, page, "docs/releases.md is not the table: WRITE_DOCS=1 writes it");
}

/// What the mission says of each, cell by cell, so that the table can't drift with the data it is made from.
#[test]
fn b11_b12_b17_b20_to_b24_the_table_is_the_missions() {
    use framework::modules::security_options::Service::{Ftp, Modbus, Setup, Sftp, Ssh, Telnet, Web};
    let hashed = "as before, stored hashed";
    let reset = "0, or new ones given with the change";
    for (row, cells) in [
        (Row::Service(Setup), ["on", "on", "on", "on"]),
        (Row::Service(Ssh), ["–", "off", "off", "–"]),
        (Row::Service(Sftp), ["–", "on", "on", "–"]),
        (Row::Service(Telnet), ["on", "–", "–", "off"]),
        (Row::Service(Ftp), ["on", "–", "–", "off"]),
        (Row::Service(Web), ["on", "off", "off", "on"]),
        (Row::WebRead, ["yes", "yes", "yes", "yes"]),
        (Row::WebLogin, ["yes", "no", "no", "yes"]),
        (Row::WebConfiguration, ["no", "no", "no", "no"]),
        (Row::Service(Modbus), ["on", "on", "as before", "as before"]),
        (Row::ModbusProgramming, ["yes", "no", "no", "no"]),
        (Row::PanelProgramming, ["yes", "yes", "as before", "as before"]),
        (Row::Mode, ["standard", "standard", "as before; No security becomes Standard", "as before"]),
        (Row::PanelPassword, ["0", "0", hashed, reset]),
        (Row::UserPasswords, ["0", "0", hashed, reset]),
    ] {
        let found = columns().map(|column| column.cell(row));
        assert_eq!(found, cells.map(str::to_owned), "{}", row.title());
    }
    assert_eq!(Row::all().len(), 15);
}
