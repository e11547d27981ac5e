//! The rights matrix: every cell of {path × mode × right × user}, under every release and every position of
//! the switches, is what the specification's table says. The table stands in `table.toml`, in the
//! specification's words and in conditions that are checked against [`security::decide`]; the manual's page
//! is made from the same file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod page;
mod table;

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use firmware::release::Release;
use firmware::settings::Settings;
use firmware::shipped::shipped;
use framework::Value;
use framework::modules::security_options as options;
use security::{
    Account, AccountId, Ask, CredentialKind, Mode, Path, Policy, Refusal, Right, Rights, UserId, Who, decide,
};
use table::{Condition, Table};

/// Everything that a cell depends on.
struct World<'a> {
    release: &'a Release,
    mode: Mode,
    on: BTreeSet<&'static str>,
    password_is_zero: bool,
    user: Account,
}

/// The switches that a cell may depend on.
const SWITCHES: [&str; 5] = [
    options::WEB_ACCESS_READ,
    options::WEB_CONFIGURATION,
    options::MODBUS_MAP,
    options::MODBUS_PROGRAMMING,
    options::PANEL_PROGRAMMING,
];

/// The one user whose account varies; the others are there to be told apart from.
const USER: u8 = 7;

fn user() -> UserId {
    UserId::new(USER).unwrap()
}

impl World<'_> {
    fn policy(&self, factory: &Settings) -> Policy {
        let mut settings = factory.clone();
        let mut set = |register: &str, value: Value| {
            let name = format!("Security Options 1/{register}").parse().unwrap();
            settings.template.set(&name, &value).unwrap();
        };
        set(options::MODE, Value::Text(self.mode.name().to_owned()));
        for switch in SWITCHES.into_iter().filter(|switch| self.release.security_options.contains_key(*switch)) {
            set(switch, Value::Flag(self.on.contains(switch)));
        }
        settings.set_user(user(), self.user);
        let kind = if self.password_is_zero { CredentialKind::Factory } else { CredentialKind::Hashed };
        settings.credentials.insert(AccountId::FrontPanel, kind);
        settings.policy(self.release)
    }

    /// What is missing for an access, if anything is: words that its refusal has to have.
    fn missing(&self, conditions: &[Condition], who: Who, ask: Ask) -> Option<&'static str> {
        conditions.iter().find_map(|condition| match condition {
            Condition::Free => None,
            Condition::Never => Some(""),
            Condition::Switch(switch) => (!self.on.contains(switch)).then_some(*switch),
            Condition::PasswordZero => (!self.password_is_zero).then_some("front-panel password"),
            Condition::FrontPanelPassword => match who {
                Who::Standard => None,
                Who::Nobody => Some("front-panel password"),
                Who::User(_) => Some(""),
            },
            Condition::Right => self.right_missing(who, ask.right()),
            Condition::FullConfig => self.right_missing(who, Right::FullConfig),
        })
    }

    fn right_missing(&self, who: Who, right: Right) -> Option<&'static str> {
        match who {
            Who::Nobody => Some("USER1 to USER16"),
            Who::Standard => Some("present security mode"),
            Who::User(_) if !self.user.active => Some("not active"),
            Who::User(_) if right != Right::TimeSync && !self.user.rights.has(Right::Read) => Some(Right::Read.label()),
            Who::User(_) if !self.user.rights.has(right) => Some(right.label()),
            Who::User(_) => None,
        }
    }
}

/// Every account a user can have: 64 sets of rights, active; and all of them, inactive.
fn accounts() -> impl Iterator<Item = Account> {
    let sets = (0u8..64).map(|bits| {
        let held = Right::ALL.into_iter().enumerate().filter(move |(bit, _)| bits & (1 << bit) != 0);
        held.fold(Rights::NONE, |rights, (_, right)| rights.with(right))
    });
    let inactive = Account { active: false, rights: Rights::ALL };
    sets.map(|rights| Account { active: true, rights }).chain([inactive])
}

/// Every position of the switches.
fn positions() -> impl Iterator<Item = BTreeSet<&'static str>> {
    (0u8..1 << SWITCHES.len()).map(|bits| {
        SWITCHES.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, s)| s).collect()
    })
}

#[test]
fn every_cell_of_path_mode_right_and_user_is_the_tables() {
    let table = Table::read();
    let mut cells = 0u64;
    for shipped in shipped().unwrap() {
        let release = &shipped.carried.release;
        let factory = Settings::factory(release, &shipped.carried.template);
        for mode in release.modes.iter().copied() {
            for (on, password_is_zero) in positions().flat_map(|on| [(on.clone(), true), (on, false)]) {
                for account in accounts() {
                    let world = World { release, mode, on: on.clone(), password_is_zero, user: account };
                    cells += check(&table, &world, &world.policy(&factory));
                }
            }
        }
    }
    println!("{cells} cells");
    assert!(cells > 1_000_000, "{cells} cells: the table has lost rows");
}

/// Checks every path, login and question in one world.
fn check(table: &Table, world: &World<'_>, policy: &Policy) -> u64 {
    let mut cells = 0;
    let version = world.release.release.to_string();
    for path in Path::ALL {
        for ask in Ask::ALL {
            let Some(conditions) = table.cell(path, &version, world.mode, ask) else { continue };
            for who in [Who::Nobody, Who::Standard, Who::User(user())] {
                let decided: Result<(), Refusal> = decide(policy, path, who, ask);
                let expected = world.missing(conditions, who, ask);
                let as_expected = match (&decided, expected) {
                    (Ok(()), None) => true,
                    // A refusal names the switch or the right that is missing.
                    (Err(refusal), Some(words)) => refusal.to_string().contains(words),
                    _ => false,
                };
                assert!(
                    as_expected,
                    "{version} {mode} {path} {who} {ask:?}: decided {decided:?}, the table misses {expected:?}\n\
                     {on:?}, password 0: {zero}, {user:?}",
                    mode = world.mode,
                    on = world.on,
                    zero = world.password_is_zero,
                    user = world.user,
                );
                cells += 1;
            }
        }
    }
    cells
}

/// No cell is left out and none is there twice: the table covers each path that a release has, in each mode
/// that the release offers, for everything that can be asked.
#[test]
fn the_table_covers_every_path_of_every_release_once() {
    let table = Table::read();
    for shipped in shipped().unwrap() {
        let release = &shipped.carried.release;
        for path in Path::ALL {
            let has = firmware::access::service_of(path).is_none_or(|service| release.has(service));
            for mode in release.modes.iter().copied() {
                for ask in Ask::ALL {
                    let covered = table.covering(path, &release.release.to_string(), mode, ask).count();
                    assert_eq!(covered, usize::from(has), "{} {mode} {path} {ask:?}", release.release);
                }
            }
        }
    }
}

/// The rows are the specification's own, word for word.
#[test]
fn the_table_is_the_specifications() {
    let file = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/meter.md");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: the specification isn't beside the project");
        return;
    };
    let (_, section) = text.split_once("### Who may do what, by path").unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let table = Table::read();
    let mut expected: Vec<Vec<&str>> = table.rows().iter().map(|row| row.as_specified()).collect();
    // A row that differs between the releases stands once in the specification, with both in one cell.
    expected.dedup_by(|later, earlier| {
        let same = later[0] == earlier[0];
        if same && earlier[3] == "–" {
            earlier[3] = later[3];
        }
        same
    });
    assert_eq!(rows, expected);
}

/// The manual shows this table and no other. With `WRITE_DOCS=1` the page is written instead.
#[test]
fn the_manual_shows_the_same_table() {
    let file = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security/access.md");
    let page = page::page(&Table::read());
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let manual = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(manual, page, "docs/security/access.md is not the table: WRITE_DOCS=1 writes it");
}

/// Every set-up register takes one right, and what the specification keeps for Security Config takes it.
#[test]
fn every_register_takes_one_right() {
    for kind in framework::modules::KINDS {
        for register in kind.setup() {
            let (module, name) = (kind.name(), register.name);
            // Network settings are among what the pages never show (B13), and so are kept with security's.
            let security = module.starts_with("Security ")
                || module == "Ethernet"
                || name.ends_with("Priority")
                || (module == "Event Log Controller"
                    && (["Depth", "Cutoff"].contains(&name) || name.starts_with("Syslog")));
            let expected = if security { Right::SecurityConfig } else { Right::FullConfig };
            assert_eq!(register.right, expected, "{module}/{name}");
        }
    }
}
