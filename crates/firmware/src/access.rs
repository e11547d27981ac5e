//! Who may do what on which path, as one table: the difference of two such tables is what a plan
//! says about rights. Each cell is [`security::decide()`]'s answer where the path's service is on.

use std::collections::{BTreeMap, BTreeSet};

use framework::modules::security_options::Service;
use security::{Ask, Path, UserId, Who, decide};

use crate::consequence::Severity;
use crate::release::Release;
use crate::settings::Settings;

/// What somebody may do on a path. Nobody's row is what anyone may do without a login; the others'
/// rows are what their login gets them.
pub type Table = BTreeMap<(Path, Who), BTreeSet<Allowed>>;

/// Something that is allowed, in the order and the words of the manual's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed(usize);

impl Allowed {
    /// The words.
    pub fn name(self) -> &'static str {
        Ask::ALL[self.0].name()
    }
}

/// The service behind a path; the front panel has none.
pub fn service_of(path: Path) -> Option<Service> {
    match path {
        Path::FrontPanel => None,
        Path::Setup => Some(Service::Setup),
        Path::Modbus => Some(Service::Modbus),
        Path::Web => Some(Service::Web),
        Path::Ssh => Some(Service::Ssh),
        Path::Sftp => Some(Service::Sftp),
        Path::Telnet => Some(Service::Telnet),
        Path::Ftp => Some(Service::Ftp),
    }
}

/// The access table of a meter with these settings. Rows without anything allowed are left out, and
/// so is every login that gets no more than anyone gets.
pub fn table(settings: &Settings, release: &Release) -> Table {
    let policy = settings.policy(release);
    let reachable = |path: &Path| service_of(*path).is_none_or(|service| settings.service(service) == Some(true));
    let mut table = Table::new();
    for path in Path::ALL.into_iter().filter(reachable) {
        let allowed = |who| {
            (0..Ask::ALL.len()).map(Allowed).filter(|ask| decide(&policy, path, who, Ask::ALL[ask.0]).is_ok()).collect()
        };
        let anyone: BTreeSet<Allowed> = allowed(Who::Nobody);
        let logins = std::iter::once(Who::Standard).chain(UserId::all().map(Who::User));
        for who in logins {
            let row: BTreeSet<Allowed> = allowed(who);
            if !row.is_subset(&anyone) {
                table.insert((path, who), row);
            }
        }
        if !anyone.is_empty() {
            table.insert((path, Who::Nobody), anyone);
        }
    }
    table
}

/// A row in which two tables differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: Path,
    /// Whose row it is.
    pub who: Who,
    /// The row before, in words.
    pub before: String,
    /// The row after, in words.
    pub after: String,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something is allowed that wasn't: a danger.
    Opens,
    /// Something isn't allowed any more.
    Narrows,
    /// Nothing is.
    Closes,
}

impl Difference {
    /// How the row is named: `web: USER1`.
    pub fn subject(&self) -> String {
        subject(self.path, self.who)
    }

    /// The sentence for people.
    pub fn text(&self) -> String {
        let (path, who) = (self.path, login(self.who));
        match self.change {
            Change::Opens => format!("Over {path}, {who} gets: {}.", self.after),
            Change::Narrows => format!("Over {path}, {who} is left with: {}.", self.after),
            Change::Closes => format!("Over {path}, {who} gets nothing any more."),
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        if self.change == Change::Opens { Severity::Danger } else { Severity::Info }
    }
}

/// The rows in which two tables differ.
pub fn differences(before: &Table, after: &Table) -> Vec<Difference> {
    let rows: BTreeSet<&(Path, Who)> = before.keys().chain(after.keys()).collect();
    rows.into_iter()
        .filter(|row| before.get(row) != after.get(row))
        .map(|row| {
            let (was, will) = (before.get(row), after.get(row));
            let opens = will.into_iter().flatten().any(|ask| was.is_none_or(|was| !was.contains(ask)));
            let change = match will {
                _ if opens => Change::Opens,
                Some(_) => Change::Narrows,
                None => Change::Closes,
            };
            Difference { path: row.0, who: row.1, before: words(was), after: words(will), change }
        })
        .collect()
}

/// Who a row is about: `anyone`, `8650`, `USER1`.
pub fn login(who: Who) -> String {
    if who == Who::Nobody { "anyone".to_owned() } else { who.to_string() }
}

/// How a row is named: `web: USER1`.
pub fn subject(path: Path, who: Who) -> String {
    format!("{path}: {}", login(who))
}

/// A row in words: `read, full-config`, `everything`, or `nothing`.
pub fn words(row: Option<&BTreeSet<Allowed>>) -> String {
    match row {
        None => "nothing".to_owned(),
        Some(row) if row.len() == Ask::ALL.len() => "everything".to_owned(),
        Some(row) => row.iter().map(|allowed| allowed.name()).collect::<Vec<_>>().join(", "),
    }
}
