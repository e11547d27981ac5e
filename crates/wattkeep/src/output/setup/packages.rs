//! The packages of a meter, and how sending one went.

use std::io::{self, Write};

use api::{Dropped, Moving, Packages, Partial, Use};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{Precision, heading, line, utc};
use super::NOTHING;
use crate::exit::Status;

/// Digits of a digest that a table shows: enough to name the package by.
const DIGITS: usize = 12;

/// How sending a package to a meter went.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// Which meter.
    pub meter: String,
    /// The package's SHA-256, in hex.
    pub package: String,
    /// Its release, as the meter read it.
    pub release: Option<String>,
    /// Who vouches for it.
    pub trusted_by: Option<String>,
    /// In words.
    pub result: String,
    /// The exit status it would have by itself.
    #[serde(serialize_with = "number")]
    pub status: Status,
}

fn number<S: serde::Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*status as u8)
}

/// The same as JSON.
pub fn document(sent: &[Sent]) -> Value {
    json!({ "meters": sent })
}

/// A row for each meter.
///
/// # Errors
/// Those of the stream.
pub fn sent(out: &mut dyn Write, sent: &[Sent]) -> io::Result<()> {
    let mut table = Table::new([
        ("meter", Align::Left),
        ("release", Align::Left),
        ("package", Align::Left),
        ("result", Align::Left),
    ]);
    for one in sent {
        let colour = if one.status == Status::Done { style::GOOD } else { style::DANGER };
        table.row([
            one.meter.as_str().into(),
            one.release.as_deref().unwrap_or(NOTHING).into(),
            short(&one.package).into(),
            Cell::styled(one.result.as_str(), colour),
        ]);
    }
    table.write(out)
}

/// What waits, what comes in, what has come in of others, and how much room there is.
///
/// # Errors
/// Those of the stream.
pub fn packages(out: &mut dyn Write, packages: &Packages) -> io::Result<()> {
    let Packages { packages: listed, partial, moving, most_packages, most_bytes, bytes, largest_bytes } = packages;
    if listed.is_empty() {
        writeln!(out, "No package waits, and the meter's release is the program's own.")?;
    } else {
        let mut table = Table::new([
            ("release", Align::Left),
            ("package", Align::Left),
            ("size", Align::Right),
            ("since (UTC)", Align::Left),
            ("use", Align::Left),
            ("name", Align::Left),
        ]);
        for one in listed {
            let (used, colour) = match (one.used, &one.refused) {
                (Use::Running, _) => ("running", style::GOOD),
                (Use::OnTrial, _) => ("on trial", style::WARNING),
                (Use::Waiting, None) => ("waits", style::PLAIN),
                (Use::Waiting, Some(_)) => ("refused", style::DANGER),
            };
            table.row([
                one.release.as_ref().map_or_else(|| NOTHING.to_owned(), ToString::to_string).into(),
                short(&one.package).into(),
                size(one.bytes).into(),
                one.since_utc_ms.map_or_else(|| NOTHING.to_owned(), |ms| utc(ms, Precision::Seconds)).into(),
                Cell::styled(used, colour),
                one.name.as_str().into(),
            ]);
        }
        table.write(out)?;
        let mut words = Table::new([("", Align::Left), ("", Align::Left)]);
        for one in listed {
            match (&one.refused, &one.trusted_by) {
                (Some(why), _) => words.row([one.name.as_str().into(), Cell::styled(why.as_str(), style::DANGER)]),
                (None, Some(who)) => words.row([one.name.as_str().into(), format!("vouched for by {who}").into()]),
                (None, None) => {}
            }
        }
        if !words.is_empty() {
            writeln!(out)?;
            words.write(out)?;
        }
    }
    if let Some(moving) = moving {
        heading(out, "On its way at this moment")?;
        comes(out, moving)?;
    }
    if !partial.is_empty() {
        heading(out, "Come in only in part, kept for a day: sending it again goes on there")?;
        parts(out, partial)?;
    }
    let waiting = listed.iter().filter(|one| one.used != Use::Running).count();
    writeln!(
        out,
        "\n{waiting} of at most {most_packages} packages wait, {} of {} together;\nthe largest may have {}.",
        size(*bytes),
        size(*most_bytes),
        size(*largest_bytes),
    )
}

fn comes(out: &mut dyn Write, moving: &Moving) -> io::Result<()> {
    let mut table = Table::new([
        ("who", Align::Left),
        ("by", Align::Left),
        ("from", Align::Left),
        ("since (UTC)", Align::Left),
        ("so far", Align::Right),
        ("still", Align::Right),
    ]);
    table.row([
        moving.user.as_str().into(),
        moving.path.as_str().into(),
        moving.peer.as_str().into(),
        utc(moving.since_utc_ms, Precision::Seconds).into(),
        so_far(moving.bytes, moving.size).into(),
        format!("{} s", moving.still_s).into(),
    ]);
    table.write(out)
}

fn parts(out: &mut dyn Write, partial: &[Partial]) -> io::Result<()> {
    let mut table =
        Table::new([("package", Align::Left), ("so far", Align::Right), ("the last of it came (UTC)", Align::Left)]);
    for one in partial {
        table.row([
            short(&one.package).into(),
            so_far(one.bytes, Some(one.size)).into(),
            utc(one.utc_ms, Precision::Seconds).into(),
        ]);
    }
    table.write(out)
}

/// What was dropped.
///
/// # Errors
/// Those of the stream.
pub fn dropped(out: &mut dyn Write, dropped: &Dropped) -> io::Result<()> {
    line(out, style::PLAIN, &format!("Dropped {}.", dropped.dropped))
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGITS).collect()
}

/// Bytes as sizes of packages are shown everywhere: in MiB from one on.
fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let kib = bytes as f64 / KIB;
    if kib < KIB { format!("{kib:.0} KiB") } else { format!("{:.1} MiB", kib / KIB) }
}

/// `12.3 of 40.0 MiB`.
pub fn so_far(bytes: u64, announced: Option<u64>) -> String {
    match announced {
        Some(all) if all < 1 << 20 => format!("{:.0} of {}", bytes as f64 / 1024.0, size(all)),
        Some(all) => format!("{:.1} of {}", bytes as f64 / (1024.0 * 1024.0), size(all)),
        None => size(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::{harmless, shown};

    const DAY: i64 = 1_767_225_600_000;

    fn package(name: &str, used: Use, release: Option<&str>) -> api::Package {
        api::Package {
            name: name.to_owned(),
            package: "0123456789abcdef".repeat(4),
            bytes: 201_000,
            used,
            since_utc_ms: (used != Use::Running).then_some(DAY),
            release: release.map(|release| release.parse().unwrap()),
            trusted_by: release.map(|_| "key 00112233".to_owned()),
            refused: release.is_none().then(|| "no key that this meter trusts has signed it".to_owned()),
        }
    }

    #[test]
    fn every_kind_of_package_is_shown_at_80_columns() {
        let mut all = Packages {
            packages: vec![
                package("8650_V4.40.1.upg", Use::Waiting, Some("4.40.1")),
                package("foreign.upg", Use::Waiting, None),
                package("8650_V4.31.1.upg", Use::Running, Some("4.31.1")),
            ],
            partial: vec![Partial { package: "f".repeat(64), bytes: 12_900_000, size: 41_943_040, utc_ms: DAY }],
            moving: Some(Moving {
                name: Some("8650_V4.40.1.upg".to_owned()),
                package: None,
                bytes: 12_900_000,
                size: Some(41_943_040),
                user: "USER1".to_owned(),
                path: "setup".to_owned(),
                peer: "192.0.2.7:49152".to_owned(),
                since_utc_ms: DAY,
                still_s: 2,
            }),
            most_packages: 8,
            most_bytes: 134_217_728,
            bytes: 402_000,
            largest_bytes: 67_108_864,
        };
        insta::assert_snapshot!("packages", shown(|out| packages(out, &all)));
        harmless(&all, |out, all| packages(out, all));
        harmless(&Dropped { dropped: "a.upg".to_owned() }, |out, one| dropped(out, one));
        all = Packages { packages: Vec::new(), partial: Vec::new(), moving: None, bytes: 0, ..all };
        insta::assert_snapshot!("no_packages", shown(|out| packages(out, &all)));
    }

    #[test]
    fn how_sending_went_is_a_row_for_each_meter() {
        let one = |meter: &str, release: Option<&str>, result: &str, status| Sent {
            meter: meter.to_owned(),
            package: "0123456789abcdef".repeat(4),
            release: release.map(str::to_owned),
            trusted_by: None,
            result: result.to_owned(),
            status,
        };
        let all = [
            one("192.0.2.7:7700", Some("4.40.1"), "staged", Status::Done),
            one("192.0.2.8:7700", Some("4.40.1"), "was there already", Status::Done),
            one("m3.example:7700", None, "the meter at m3.example:7700 did not answer in time", Status::Unreachable),
        ];
        insta::assert_snapshot!("sent", shown(|out| sent(out, &all)));
        assert_eq!(document(&all)["meters"][2]["status"], 5);
    }
}
