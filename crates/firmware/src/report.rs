//! The verification report: each line of the plan beside what the meter is found to be afterwards.
//! What is found comes from the settings as they were read back from storage and from the faces that
//! really listen, never from the plan.

use std::collections::BTreeMap;

use framework::modules::security_options::Service;
use security::{AccountId, CredentialKind};
use serde::{Deserialize, Serialize};

use crate::access;
use crate::consequence::{Consequence, Kind};
use crate::dangers::STORAGE;
use crate::digest::Sha256Digest;
use crate::migrate::lines;
use crate::release::Release;
use crate::settings::Settings;
use crate::version::Version;

/// What a meter is found to be after a change.
pub struct Facts<'a> {
    /// The settings before the change.
    pub before: &'a Settings,
    /// The settings as read back from storage.
    pub after: &'a Settings,
    /// The release that runs.
    pub release: &'a Release,
    /// Whether each service that this program has a face for accepts connections.
    pub listening: &'a BTreeMap<Service, bool>,
    /// Whether every energy counter is at least where it was.
    pub energy_kept: bool,
    /// Whether no maximum of the demand has fallen and no reset was counted.
    pub demand_kept: bool,
    /// Whether each recorder, by its name, has its epochs and records, and goes on from where it was.
    pub recorders_kept: &'a BTreeMap<String, bool>,
    /// Whether the event log goes on from where it was.
    pub events_kept: bool,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new release runs and stays.
    Confirmed,
    /// The meter is back on the release it had.
    TakenBack,
}

/// One line of the plan, and the fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about.
    pub kind: Kind,
    /// Which one.
    pub subject: String,
    /// What the plan said.
    pub planned: String,
    /// What is found.
    pub found: String,
    /// Whether they are the same.
    pub same: bool,
}

/// Plan and fact, and who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was taken back, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether every line is as planned.
    pub as_planned: bool,
    /// Each line.
    pub lines: Vec<Line>,
    /// The digest of the plan.
    pub plan: String,
    /// The SHA-256 of the package.
    pub package: String,
    /// What Setup did about the hash list.
    pub hash_check: String,
    /// The SHA-256 of the backup that Setup took before the change, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Sha256Digest>,
    /// Which Setup.
    pub setup: Version,
    /// Who, as events show it.
    pub user: String,
    /// When, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

/// Plan and fact, line by line.
pub fn compare(consequences: &[Consequence], facts: &Facts<'_>) -> Vec<Line> {
    let table = access::table(facts.after, facts.release);
    consequences
        .iter()
        .map(|line| {
            let planned = line.after.clone();
            let found = found(line, facts, &table);
            let same = planned == found;
            Line { kind: line.kind, subject: line.subject.clone(), planned, found, same }
        })
        .collect()
}

fn found(line: &Consequence, facts: &Facts<'_>, table: &access::Table) -> String {
    let kept = |yes: bool| if yes { lines::KEPT.to_owned() } else { "changed".to_owned() };
    match line.kind {
        Kind::Mode => facts.after.mode().name().to_owned(),
        Kind::Service => service(&line.subject, facts),
        Kind::Account => account(line, facts),
        Kind::Right => {
            let row = table.iter().find(|((path, who), _)| line.subject == access::subject(*path, *who));
            access::words(row.map(|(_, row)| row))
        }
        Kind::Setting => match line.subject.as_str() {
            lines::RATIOS => lines::ratios(facts.after).unwrap_or_default(),
            lines::LOCK_OUT => lines::lock_out(facts.after),
            lines::USERS => kept(users_kept(facts)),
            lines::CLOCK => lines::KEPT.to_owned(),
            STORAGE => storage(facts).to_owned(),
            register => lines::shown(facts.after.option(register)),
        },
        Kind::Log => kept(match line.subject.as_str() {
            lines::ENERGY => facts.energy_kept,
            lines::DEMAND => facts.demand_kept,
            lines::EVENT_LOG => facts.events_kept,
            recorder => facts.recorders_kept.get(recorder) == Some(&true),
        }),
        Kind::Template => kept(modules(facts.before).eq(modules(facts.after))),
        Kind::Notice => line.after.clone(),
    }
}

fn modules(settings: &Settings) -> impl Iterator<Item = (&framework::ModuleName, &framework::ModuleSetup)> {
    settings.template.modules.iter().filter(|(module, _)| !module.is_security())
}

fn users_kept(facts: &Facts<'_>) -> bool {
    security::UserId::all().all(|user| facts.before.user(user) == facts.after.user(user))
}

/// How the passwords that are there are kept.
fn storage(facts: &Facts<'_>) -> &'static str {
    let kind = facts.release.password_storage.kind();
    let fits = |account| [CredentialKind::Factory, kind].contains(&facts.after.credential(account));
    if AccountId::all().all(fits) { kind.name() } else { "readable and hashed" }
}

fn service(subject: &str, facts: &Facts<'_>) -> String {
    let Some(service) = Service::from_name(subject) else { return "unknown".to_owned() };
    let enabled = facts.after.service(service);
    let state = lines::state(enabled);
    match facts.listening.get(&service) {
        Some(listening) if *listening != (enabled == Some(true)) => {
            format!("{state}, {}", if *listening { "but listening" } else { "but not listening" })
        }
        _ => state.to_owned(),
    }
}

fn account(line: &Consequence, facts: &Facts<'_>) -> String {
    if let Some(account) = lines::account_of_keys(&line.subject) {
        return lines::keys(facts.after, account);
    }
    let Ok(account) = line.subject.parse::<AccountId>() else { return "unknown".to_owned() };
    match facts.after.credential(account) {
        CredentialKind::Factory => "0".to_owned(),
        _ if line.after == lines::NEW_PASSWORD => lines::NEW_PASSWORD.to_owned(),
        kind => kind.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use framework::Value;
    use framework::modules::security_options;
    use security::Who;

    use super::*;
    use crate::migrate::tests::{current, factory, legacy};
    use crate::migrate::{Choices, migrate};

    fn listening(settings: &Settings) -> BTreeMap<Service, bool> {
        Service::ALL.into_iter().map(|service| (service, settings.service(service) == Some(true))).collect()
    }

    fn differing(after: &Settings, listening: &BTreeMap<Service, bool>) -> Vec<String> {
        let before = factory(&legacy());
        let migration = migrate(&before, &legacy(), &current(), &Choices::default());
        let release = current();
        let facts = Facts {
            before: &before,
            after,
            release: &release,
            listening,
            energy_kept: true,
            demand_kept: true,
            recorders_kept: &BTreeMap::from([("Data Recorder 1".to_owned(), true)]),
            events_kept: true,
        };
        let lines = compare(&migration.consequences, &facts);
        lines.into_iter().filter(|line| !line.same).map(|line| format!("{}: {}", line.subject, line.found)).collect()
    }

    #[test]
    fn b25_a_meter_that_is_as_planned_has_no_differing_line_and_any_other_has() {
        let after = migrate(&factory(&legacy()), &legacy(), &current(), &Choices::default()).settings;
        assert_eq!(differing(&after, &listening(&after)), Vec::<String>::new());

        let mut closed = listening(&after);
        closed.insert(Service::Sftp, false);
        assert_eq!(differing(&after, &closed), ["sftp: enabled, but not listening"]);

        let mut open = after.clone();
        open.set_option("Web Server", Some(Value::Flag(true)));
        let found = differing(&open, &listening(&open));
        assert!(found.contains(&"web: enabled".to_owned()), "{found:?}");
    }

    #[test]
    fn every_setting_line_has_a_fact_of_its_own() {
        let migration = migrate(&factory(&legacy()), &legacy(), &current(), &Choices::default());
        let options: Vec<_> = security_options::module().kind().setup().iter().map(|register| register.name).collect();
        let special = [lines::RATIOS, lines::LOCK_OUT, lines::USERS, lines::CLOCK, STORAGE];
        for line in migration.consequences.iter().filter(|line| line.kind == Kind::Setting) {
            assert!(
                special.contains(&line.subject.as_str()) || options.contains(&line.subject.as_str()),
                "{}",
                line.subject
            );
        }
        assert_eq!(access::subject(security::Path::Web, Who::Nobody), "web: anyone");
    }
}
