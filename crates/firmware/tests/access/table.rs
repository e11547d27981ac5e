//! `table.toml`, read: rows, cells and the conditions in them.

use std::collections::BTreeMap;

use framework::modules::security_options as options;
use security::{Ask, Mode, Path, Right};
use serde::Deserialize;

use crate::SWITCHES;

/// The whole table.
pub struct Table(Vec<Row>);

/// A row: paths that are alike, under the releases it holds for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The specification's name of it.
    pub name: String,
    /// The paths.
    pub paths: Vec<Path>,
    /// The releases.
    pub releases: Vec<String>,
    standard: Option<Cell>,
    advanced: Option<Cell>,
    none: Option<Cell>,
}

/// A cell of the specification, taken apart by what is asked.
#[derive(Deserialize)]
struct Cell {
    spec: String,
    #[serde(flatten)]
    asked: BTreeMap<Asked, String>,
    #[serde(skip)]
    conditions: BTreeMap<Asked, Vec<Condition>>,
}

/// What the table tells apart of what can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Measurements, logs, identity.
    Read,
    /// Set-up registers other than security's, and recorders.
    Setup,
    /// Security set-up.
    Security,
    /// Whatever takes any right but Security Config.
    Write,
    /// What takes Security Config.
    Secure,
}

impl Asked {
    /// All of them, in the manual's order.
    pub const ALL: [Self; 5] = [Self::Read, Self::Setup, Self::Security, Self::Write, Self::Secure];

    fn of(ask: Ask) -> Self {
        match ask {
            Ask::Read => Self::Read,
            Ask::ReadSetup => Self::Setup,
            Ask::ReadSecurity => Self::Security,
            Ask::Do(Right::SecurityConfig) => Self::Secure,
            Ask::Do(_) => Self::Write,
        }
    }
}

/// What an access takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Free,
    /// It is never given.
    Never,
    /// A login as 8650.
    FrontPanelPassword,
    /// An active user with the right asked for.
    Right,
    /// An active user with Full Meter Config.
    FullConfig,
    /// The front-panel password is still the factory's.
    PasswordZero,
    /// A switch that is on.
    Switch(&'static str),
}

impl Condition {
    fn read(word: &str) -> Self {
        match word {
            "free" => Self::Free,
            "never" => Self::Never,
            "front-panel password" => Self::FrontPanelPassword,
            "right" => Self::Right,
            "Full Meter Config" => Self::FullConfig,
            "password 0" => Self::PasswordZero,
            // The specification writes the switch's name as the register has it.
            switch => Self::Switch(
                SWITCHES.into_iter().find(|known| *known == switch).unwrap_or_else(|| panic!("no switch {switch:?}")),
            ),
        }
    }
}

impl Table {
    /// The table.
    pub fn read() -> Self {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            row: Vec<Row>,
        }
        let mut file: File = toml::from_str(include_str!("table.toml")).unwrap();
        for row in &mut file.row {
            for cell in [&mut row.standard, &mut row.advanced, &mut row.none].into_iter().flatten() {
                let read = |words: &String| words.split(" and ").map(Condition::read).collect();
                cell.conditions = cell.asked.iter().map(|(asked, words)| (*asked, read(words))).collect();
            }
        }
        Self(file.row)
    }

    /// Its rows.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The cells about something: there should be one.
    pub fn covering(&self, path: Path, release: &str, mode: Mode, ask: Ask) -> impl Iterator<Item = &[Condition]> {
        self.0
            .iter()
            .filter(move |row| row.paths.contains(&path) && row.releases.iter().any(|known| known == release))
            .filter_map(move |row| row.cell(mode)?.conditions.get(&Asked::of(ask)).map(Vec::as_slice))
    }

    /// The cell about something, where the release has the path.
    pub fn cell(&self, path: Path, release: &str, mode: Mode, ask: Ask) -> Option<&[Condition]> {
        self.covering(path, release, mode, ask).next()
    }
}

impl Row {
    fn cell(&self, mode: Mode) -> Option<&Cell> {
        match mode {
            Mode::None => self.none.as_ref(),
            Mode::Standard => self.standard.as_ref(),
            Mode::Advanced => self.advanced.as_ref(),
        }
    }

    /// The specification's row: its name, and a cell for each mode.
    pub fn as_specified(&self) -> Vec<&str> {
        let words = |mode| self.cell(mode).map_or("–", |cell| cell.spec.as_str());
        vec![&self.name, words(Mode::Standard), words(Mode::Advanced), words(Mode::None)]
    }

    /// What something takes, in the table's words.
    pub fn words(&self, mode: Mode, asked: Asked) -> Option<&str> {
        self.cell(mode)?.asked.get(&asked).map(String::as_str)
    }
}

/// Only for the page: which switches there are to explain.
pub const EXPLAINED: [(&str, &str); 5] = [
    (options::PANEL_PROGRAMMING, "whether the front panel may change anything"),
    (options::MODBUS_MAP, "under Advanced, whether Modbus shows more than the Modbus Slave registers"),
    (options::MODBUS_PROGRAMMING, "whether Modbus may write"),
    (options::WEB_ACCESS_READ, "legacy: whether the pages can be read at all; off, they answer 403"),
    (options::WEB_CONFIGURATION, "legacy: whether a login with Full Meter Config may write through the pages"),
];
