//! Releases: the list, what one is, what was built, what keys were made.

use std::io::{self, Write};
use std::path::Path;

use firmware::release::{Choice, ModbusStandardWrite};
use firmware::{PasswordStorage, Release, WebPages};
use framework::Value;
use framework::modules::security_options::{self as options, Service};
use owo_colors::OwoColorize;
use serde::Serialize;

use super::table::{Align, Cell, Table};
use super::text::{heading, line, paragraph};
use super::{notes, style};
use crate::releases::Found;

/// A release in the list.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// The version.
    pub release: String,
    /// What people call it.
    pub name: String,
    /// The day of its publication.
    pub published: String,
    /// Where it lies.
    pub place: String,
    /// The digest of its package.
    pub package: String,
    /// Bytes of its package.
    pub bytes: usize,
}

impl Listed {
    /// A release that was found.
    pub fn new(found: &Found) -> Self {
        let release = &found.carried.release;
        Self {
            release: release.release.to_string(),
            name: release.name.clone(),
            published: release.published.clone(),
            place: found.place.to_string(),
            package: found.carried.package.prefixed(),
            bytes: found.bytes,
        }
    }
}

/// All the releases that are known.
#[derive(Debug, Serialize)]
pub struct List {
    /// Oldest first.
    pub releases: Vec<Listed>,
}

/// The list as a table.
///
/// # Errors
/// Those of the stream.
pub fn list(out: &mut dyn Write, list: &List) -> io::Result<()> {
    let columns = [("release", Align::Left), ("published", Align::Left), ("where", Align::Left), ("name", Align::Left)];
    let mut table = Table::new(columns);
    for Listed { release, published, place, name, .. } in &list.releases {
        let release = Cell::styled(release, style::HEADING);
        table.row([release, published.into(), place.into(), name.into()]);
    }
    table.write(out)?;
    paragraph(out, 0, style::QUIET, "A release folder or a .upg elsewhere is named by its path.")
}

/// A release with all that it is.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    /// As in the list.
    #[serde(flatten)]
    pub listed: Listed,
    /// The description.
    pub description: &'a Release,
    /// What's new, in Markdown.
    pub notes: &'a str,
}

/// A release in words.
///
/// # Errors
/// Those of the stream.
pub fn show(out: &mut dyn Write, shown: &Shown<'_>) -> io::Result<()> {
    let Shown { listed, description: release, notes } = shown;
    line(out, style::HEADING, &format!("{} {}", release.release, release.name))?;
    let mut facts = Table::new([("", Align::Left), ("", Align::Left)]);
    let modes: Vec<_> = release.modes.iter().map(|mode| mode.name()).collect();
    let factory = release.factory_mode().map_or("unknown", |mode| mode.name());
    let rules = &release.password_rules;
    let zero = if rules.leading_zero { "" } else { ", no leading zero on digits only" };
    for (name, fact) in [
        ("published", listed.published.clone()),
        ("where", listed.place.clone()),
        ("meter", format!("{} ({})", release.model, release.device_type)),
        ("modes", format!("{} (as shipped: {factory})", modes.join(", "))),
        (
            "passwords",
            match release.password_storage {
                PasswordStorage::Readable => "stored readably",
                PasswordStorage::Hashed => "stored hashed",
            }
            .to_owned(),
        ),
        (
            "",
            format!(
                "at most {} digits, or {} characters with others; front panel {} digits{zero}",
                rules.digits_only_max, rules.other_max, rules.front_panel_max
            ),
        ),
        (
            "web pages",
            match release.web_pages {
                WebPages::Login => "behind a login",
                WebPages::ReadOnly => "read-only, without a login",
            }
            .to_owned(),
        ),
        (
            "Modbus writes",
            match release.modbus_standard_write {
                ModbusStandardWrite::Allowed => "where they are allowed",
                ModbusStandardWrite::WhilePasswordZero => {
                    "where they are allowed; under Standard only while the front-panel password is 0"
                }
            }
            .to_owned(),
        ),
        (
            "Setup",
            release
                .recommended_setup
                .as_ref()
                .map_or_else(|| "any".to_owned(), |v| format!("{v} or later recommended")),
        ),
    ] {
        facts.row([Cell::styled(name, style::QUIET), fact.into()]);
    }
    facts.write(out)?;

    heading(out, "Services as shipped")?;
    services(release).write(out)?;
    heading(out, "Other settings as shipped")?;
    others(release).write(out)?;
    choices(out, "An upgrade to this release from an older one", &release.upgrade)?;
    choices(out, "A downgrade from this release to an older one", &release.downgrade)?;
    notes::write(out, notes)?;
    writeln!(out, "\n{}", format!("package {}", listed.package).style(style::QUIET))
}

fn services(release: &Release) -> Table {
    let mut table = Table::new([("service", Align::Left), ("state", Align::Left), ("port", Align::Right)]);
    for service in Service::ALL {
        let (state, colour) = match release.security_options.get(service.switch()) {
            Some(Value::Flag(true)) => ("enabled", style::PLAIN),
            Some(_) => ("disabled", style::PLAIN),
            None => ("not part of it", style::QUIET),
        };
        let port = release.security_options.get(service.port()).filter(|_| release.has(service));
        let port = port.map_or_else(String::new, ToString::to_string);
        table.row([service.name().into(), Cell::styled(state, colour), port.into()]);
    }
    table
}

fn others(release: &Release) -> Table {
    let mut table = Table::new([("register", Align::Left), ("value", Align::Right), ("unit", Align::Left)]);
    let of_a_service = |name: &str| Service::ALL.iter().any(|one| one.switch() == name || one.port() == name);
    for register in options::module().kind().setup() {
        let value = release.security_options.get(register.name);
        if let Some(value) = value.filter(|_| !of_a_service(register.name) && register.name != options::MODE) {
            table.row([register.name.into(), value.to_string().into(), register.unit.into()]);
        }
    }
    table
}

fn choices(out: &mut dyn Write, title: &str, choices: &[Choice]) -> io::Result<()> {
    if choices.is_empty() {
        return Ok(());
    }
    heading(out, title)?;
    choices.iter().try_for_each(|choice| super::text::hanging(out, "  • ", style::PLAIN, &choice.text))
}

/// A bundle that was made, or was there already.
#[derive(Debug, Serialize)]
pub struct Built {
    /// The version.
    pub release: String,
    /// The folder.
    pub folder: String,
    /// Each file: its name, length in bytes, SHA-256.
    pub files: Vec<BuiltFile>,
    /// The key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Whether it is, byte for byte, a release built into this program.
    pub shipped: bool,
    /// Whether nothing had to be written.
    pub unchanged: bool,
}

/// A file of a bundle.
#[derive(Debug, Serialize)]
pub struct BuiltFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: usize,
    /// Its SHA-256.
    pub sha256: String,
}

/// What was built.
///
/// # Errors
/// Those of the stream.
pub fn built(out: &mut dyn Write, built: &Built) -> io::Result<()> {
    let Built { release, folder, .. } = built;
    let how = if built.unchanged { "was already" } else { "is built" };
    writeln!(out, "{} in {folder}", format!("Release {release} {how}").style(style::GOOD))?;
    let mut table = Table::new([("file", Align::Left), ("bytes", Align::Right)]);
    for file in &built.files {
        table.row([file.name.clone().into(), file.bytes.to_string().into()]);
    }
    table.write(out)?;
    let trust = match (&built.signed_by, built.shipped) {
        (Some(key), _) => format!("Signed by key {key}: meters that trust this key take it."),
        (None, true) => "Not signed: meters take it because their program was built with it.".to_owned(),
        (None, false) => "Not signed, so no meter takes it: sign it with --sign KEY.".to_owned(),
    };
    paragraph(out, 0, if built.signed_by.is_some() || built.shipped { style::PLAIN } else { style::WARNING }, &trust)?;
    if let Some(list) = built.files.iter().find(|file| file.name.ends_with(".txt")) {
        writeln!(out, "To check it there: sha256sum -c {}", list.name)?;
    }
    Ok(())
}

/// A new pair of keys.
#[derive(Debug, Serialize)]
pub struct Keys {
    /// The key's name.
    pub key: String,
    /// The file of the secret key.
    pub secret_file: String,
    /// The file of the public key.
    pub public_file: String,
    /// The line of the public key.
    pub public_key: String,
}

/// What keys were made.
///
/// # Errors
/// Those of the stream.
pub fn keys(out: &mut dyn Write, keys: &Keys) -> io::Result<()> {
    let Keys { key, secret_file, public_file, public_key } = keys;
    writeln!(out, "{}", format!("Key {key} is made").style(style::GOOD))?;
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    table.row([secret_file.into(), "secret: whoever has it can sign releases; keep it off the network".into()]);
    table.row([public_file.into(), "public: what meters are told to trust".into()]);
    table.write(out)?;
    line(out, style::QUIET, public_key)
}

/// A path as people are shown it.
pub fn path(path: &Path) -> String {
    path.display().to_string()
}
