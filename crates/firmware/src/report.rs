//! The verification report: each line of the plan beside what the meter is found to be afterwards.
//! What is found comes from the settings as they were read back from storage and from the faces that
//! really listen, never from the plan. Two limits: a notice has nothing to be found, so it is told and not counted; and of a
//! password, its stored form is all that can be seen, so a new one that has the right form counts as the one that was given.

use std::collections::BTreeMap;

use framework::ModuleName;
use framework::modules::security_options::Service;
use security::{AccountId, CredentialKind};
use serde::{Deserialize, Serialize};

use crate::access;
use crate::consequence::{Consequence, Kind, Severity};
use crate::dangers::STORAGE;
use crate::key_ring::KeyRing;
use crate::migrate::records::RecorderFound;
use crate::migrate::{data_floor, lines, records, template};
use crate::plan::Plan;
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
    /// The keys that may sign packages from now on.
    pub keys: &'a KeyRing,
    /// Whether each service that this program has a face for accepts connections.
    pub listening: &'a BTreeMap<Service, bool>,
    /// Whether every energy counter is at least where it was.
    pub energy_kept: bool,
    /// Of each module that remembered something of the demand, whether that goes on.
    pub demand: &'a BTreeMap<ModuleName, bool>,
    /// What has become of each recorder, by its name.
    pub recorders: &'a BTreeMap<String, RecorderFound>,
    /// Whether the event log goes on from where it was.
    pub events_kept: bool,
    /// Whether the meter's clock is as far ahead of the machine's as it was.
    pub clock_kept: bool,
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
    /// How much the plan's line matters.
    #[serde(default = "info")]
    pub severity: Severity,
    /// How it was before, as the plan had it.
    #[serde(default)]
    pub before: String,
    /// What the plan said.
    pub planned: String,
    /// What is found; nothing of a notice.
    pub found: String,
    /// Whether they are the same, or there is nothing to compare.
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
    /// Which Setup.
    pub setup: Version,
    /// Who, as events show it.
    pub user: String,
    /// When it was confirmed or taken back, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// What else is known of it; nothing is known by meters from before there was more.
    #[serde(flatten)]
    pub about: About,
}

/// The rest of a report: which meter, between which releases, by what road, when, and what can be checked by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// The serial number of the meter.
    #[serde(default)]
    pub serial: String,
    /// The release it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The release it was to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
    /// By what road: `setup`, `ssh`.
    #[serde(default)]
    pub path: String,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// When the plan was accepted, UTC, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_utc_ms: Option<i64>,
    /// When the new release was committed, on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_utc_ms: Option<i64>,
    /// The SHA-256 of the meter's template after the change: that of the file which `save` writes then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The SHA-256 of the backup that was made before the change, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}

/// What lines from before they told it count as.
fn info() -> Severity {
    Severity::Info
}

/// Plan and fact, line by line.
pub fn compare(consequences: &[Consequence], facts: &Facts<'_>) -> Vec<Line> {
    let meter = Found {
        facts,
        table: access::table(facts.after, facts.release),
        template: template::Found::new(facts.before, facts.after, consequences),
        records: records::Found {
            recorders: facts.recorders,
            memory: facts.demand,
            after: &facts.after.template,
            lines: consequences,
        },
    };
    consequences.iter().map(|line| Line::of(line, found(line, &meter))).collect()
}

impl Line {
    /// A line of the plan, and what is found of it.
    fn of(line: &Consequence, found: String) -> Self {
        let Consequence { kind, subject, severity, before, after: planned, .. } = line.clone();
        let found = if kind == Kind::Notice { String::new() } else { found };
        let same = kind == Kind::Notice || planned == found;
        Self { kind, subject, severity, before, planned, found, same }
    }

    /// Whether something is found of it: a notice is a word to the operator, no state of the meter.
    pub fn is_fact(&self) -> bool {
        self.kind != Kind::Notice
    }
}

impl Report {
    /// How many lines are as planned, of how many that have a fact.
    pub fn as_planned_of(&self) -> (usize, usize) {
        let facts = || self.lines.iter().filter(|line| line.is_fact());
        (facts().filter(|line| line.same).count(), facts().count())
    }

    /// The same, held against the plan that was accepted: whether a confirmed change is as planned isn't the meter's to
    /// say. A line that it leaves out is not as planned.
    pub fn held_against(mut self, plan: &Plan) -> Self {
        const NOT_TOLD: &str = "not in the report";
        if self.outcome == Outcome::Confirmed {
            let told = |line: &Consequence| {
                self.lines.iter().find(|told| (told.kind, &told.subject) == (line.kind, &line.subject))
            };
            let found = |line| told(line).map_or_else(|| NOT_TOLD.to_owned(), |told| told.found.clone());
            let mut lines: Vec<_> = plan.consequences.iter().map(|line| Line::of(line, found(line))).collect();
            // What the meter finds wrong beyond the plan isn't to be lost.
            let beyond =
                |line: &&Line| !lines.iter().any(|known| (known.kind, &known.subject) == (line.kind, &line.subject));
            let beyond: Vec<_> = self.lines.iter().filter(|line| !line.same).filter(beyond).cloned().collect();
            lines.extend(beyond);
            self.lines = lines;
            self.as_planned = self.plan == plan.digest && self.lines.iter().all(|line| line.same);
        }
        self
    }
}

/// The lines in which a plan differs from the one that was accepted: that one's as planned, this one's as found.
pub fn differing(accepted: &Plan, now: &Plan) -> Vec<Line> {
    const NO_LINE: &str = "not changed by it";
    let key = |line: &Consequence| (line.kind, line.subject.clone());
    let way = |line: &Consequence| {
        if line.changes() { format!("{} → {}", line.before, line.after) } else { line.after.clone() }
    };
    let told = |line: Option<&&Consequence>| line.map_or_else(|| NO_LINE.to_owned(), |line| way(line));
    let by_key = |plan: &'_ Plan| -> BTreeMap<(Kind, String), Consequence> {
        plan.consequences.iter().map(|line| (key(line), line.clone())).collect()
    };
    let (old, new) = (by_key(accepted), by_key(now));
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let lines = keys.into_iter().filter_map(|key| {
        let (was, is) = (old.get(key), new.get(key));
        let (planned, found) = (told(was.as_ref()), told(is.as_ref()));
        let line = is.or(was)?;
        let Consequence { kind, subject, severity, before, .. } = line.clone();
        (planned != found).then_some(Line { kind, subject, severity, before, planned, found, same: false })
    });
    lines.collect()
}

/// A meter as it is found, in the words of plans.
struct Found<'a> {
    facts: &'a Facts<'a>,
    table: access::Table,
    template: template::Found,
    records: records::Found<'a>,
}

fn found(line: &Consequence, meter: &Found<'_>) -> String {
    let facts = meter.facts;
    match line.kind {
        Kind::Mode => facts.after.mode().name().to_owned(),
        Kind::Service => service(&line.subject, facts),
        Kind::Account => account(line, facts),
        Kind::Right => {
            let row = meter.table.iter().find(|((path, who), _)| line.subject == access::subject(*path, *who));
            access::words(row.map(|(_, row)| row))
        }
        Kind::Setting => match line.subject.as_str() {
            lines::RATIOS => lines::ratios(facts.after).unwrap_or_default(),
            lines::LOCK_OUT => lines::lock_out(facts.after),
            lines::USERS => kept(users_kept(facts)),
            lines::CLOCK => kept(facts.clock_kept),
            STORAGE => storage(facts).to_owned(),
            data_floor::EDITORS => data_floor::editors(facts.after).to_owned(),
            subject => match facts.keys.found(subject) {
                Some(found) => found.to_owned(),
                None => lines::shown(facts.after.option(subject)),
            },
        },
        Kind::Log => kept(match line.subject.as_str() {
            lines::ENERGY => facts.energy_kept,
            lines::DEMAND => meter.records.demand_kept(),
            lines::EVENT_LOG => facts.events_kept,
            subject => return meter.records.of(subject).to_owned(),
        }),
        Kind::Template => meter.template.of(&line.subject, facts.after),
        Kind::Notice => String::new(),
    }
}

fn kept(yes: bool) -> String {
    if yes { lines::KEPT } else { "changed" }.to_owned()
}

fn users_kept(facts: &Facts<'_>) -> bool {
    let mut held = security::UserId::all().filter(|user| facts.release.has_account(AccountId::User(*user)));
    held.all(|user| facts.before.user(user) == facts.after.user(user))
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
    if let Some(found) = data_floor::found(facts.after, facts.release, account) {
        return found.to_owned();
    }
    match facts.after.credential(account) {
        CredentialKind::Factory => "0".to_owned(),
        kind if line.after == lines::NEW_PASSWORD && kind == facts.release.password_storage.kind() => {
            lines::NEW_PASSWORD.to_owned()
        }
        kind => kind.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use framework::Value;
    use framework::modules::security_options;
    use security::Who;

    use super::*;
    use crate::digest::Sha256Digest;
    use crate::migrate::records::RecorderNow;
    use crate::migrate::tests::{current, factory, legacy};
    use crate::migrate::{Choices, migrate};

    fn listening(settings: &Settings) -> BTreeMap<Service, bool> {
        Service::ALL.into_iter().map(|service| (service, settings.service(service) == Some(true))).collect()
    }

    fn differing(after: &Settings, listening: &BTreeMap<Service, bool>) -> Vec<String> {
        differing_with(after, listening, true)
    }

    fn differing_with(after: &Settings, listening: &BTreeMap<Service, bool>, clock_kept: bool) -> Vec<String> {
        let (from, to) = (legacy(), current());
        let before = factory(&from);
        let migration = migrate(&before, &from, &to, &Choices::default());
        let lines = told(&migration.consequences, [&before, after], &to, listening, clock_kept);
        lines.into_iter().filter(|line| !line.same).map(|line| format!("{}: {}", line.subject, line.found)).collect()
    }

    fn told(
        consequences: &[Consequence],
        [before, after]: [&Settings; 2],
        release: &Release,
        listening: &BTreeMap<Service, bool>,
        clock_kept: bool,
    ) -> Vec<Line> {
        let goes_on = RecorderFound { now: RecorderNow::GoesOn, gone: [].into() };
        let facts = Facts {
            before,
            after,
            release,
            keys: &KeyRing::default(),
            listening,
            energy_kept: true,
            demand: &BTreeMap::new(),
            recorders: &BTreeMap::from([("Data Recorder 1".to_owned(), goes_on)]),
            events_kept: true,
            clock_kept,
        };
        compare(consequences, &facts)
    }

    #[test]
    fn b25_a_meter_that_is_as_planned_has_no_differing_line_and_any_other_has() {
        let after = migrate(&factory(&legacy()), &legacy(), &current(), &Choices::default()).settings;
        assert_eq!(differing(&after, &listening(&after)), Vec::<String>::new());

        assert_eq!(differing_with(&after, &listening(&after), false), ["clock: changed"]);

        let mut closed = listening(&after);
        closed.insert(Service::Sftp, false);
        assert_eq!(differing(&after, &closed), ["sftp: enabled, but not listening"]);

        let mut open = after.clone();
        open.set_option("Web Server", Some(Value::Flag(true)));
        let found = differing(&open, &listening(&open));
        assert!(found.contains(&"web: enabled".to_owned()), "{found:?}");
    }

    #[test]
    fn b25_whether_a_change_is_as_planned_isnt_the_meters_to_say() {
        let (from, to) = (legacy(), current());
        let package = Sha256Digest::of(b"package");
        let plan = crate::plan::plan(&factory(&from), &from, &to, &package, &Choices::default()).plan;
        let report = |change: &dyn Fn(&mut Report)| {
            let mut report = Report {
                outcome: Outcome::Confirmed,
                reason: None,
                as_planned: true,
                lines: plan.consequences.iter().map(|line| Line::of(line, line.after.clone())).collect(),
                plan: plan.digest.clone(),
                package: String::new(),
                hash_check: String::new(),
                setup: "3.2.30377.02".parse().unwrap(),
                user: "8650".to_owned(),
                utc_ms: 0,
                about: About::default(),
            };
            change(&mut report);
            let held = report.held_against(&plan);
            (held.as_planned, held.lines.iter().filter(|line| !line.same).count())
        };
        assert_eq!(report(&|_| ()), (true, 0));
        assert_eq!(report(&|report| report.as_planned = false), (true, 0), "its lines say so");
        assert_eq!(report(&|report| report.lines[3].found = "enabled, but not listening".to_owned()), (false, 1));
        assert_eq!(
            report(&|report| report.lines[3].planned = "something else".to_owned()),
            (true, 0),
            "the plan counts"
        );
        let facts = plan.consequences.iter().filter(|line| line.kind != Kind::Notice).count();
        assert_eq!(report(&|report| report.lines.truncate(1)), (false, facts - 1));
        assert_eq!(report(&|report| report.plan = "sha256:00".to_owned()), (false, 0), "it is another plan's");
        let beyond = |report: &mut Report| {
            let line = report.lines[3].clone();
            report.lines.push(Line { subject: "something else".to_owned(), same: false, ..line });
        };
        assert_eq!(report(&beyond), (false, 1), "the meter says so itself");
        let back =
            report(&|report| (report.outcome, report.as_planned, report.lines) = (Outcome::TakenBack, false, vec![]));
        assert_eq!(back, (false, 0));
    }

    #[test]
    fn a_notice_is_told_and_never_counted_as_found() {
        let (from, to) = (legacy(), current());
        let before = factory(&from);
        let migration = migrate(&before, &from, &to, &Choices::default());
        let after = migration.settings;
        let lines = told(&migration.consequences, [&before, &after], &to, &listening(&after), true);
        let notices: Vec<_> = lines.iter().filter(|line| !line.is_fact()).collect();
        let [notice] = notices.as_slice() else { panic!("this upgrade recommends a Setup: {notices:?}") };
        assert_eq!((notice.kind, notice.found.as_str(), notice.same), (Kind::Notice, "", true));
        assert!(!notice.planned.is_empty());
    }

    #[test]
    fn b21_a_new_password_is_found_by_the_form_that_is_stored() {
        let (from, to) = (current(), legacy());
        let account = AccountId::FrontPanel;
        let mut before = factory(&from);
        before.credentials.insert(account, CredentialKind::Hashed);
        let choices = Choices { new_passwords: [account].into(), ..Choices::default() };
        let migration = migrate(&before, &from, &to, &choices);
        for (stored, found) in [
            (CredentialKind::Readable, lines::NEW_PASSWORD),
            (CredentialKind::Hashed, CredentialKind::Hashed.name()),
            (CredentialKind::Factory, "0"),
        ] {
            let mut after = migration.settings.clone();
            after.credentials.insert(account, stored);
            let lines = told(&migration.consequences, [&before, &after], &to, &listening(&after), true);
            let subject = account.to_string();
            let line = lines.iter().find(|line| line.kind == Kind::Account && line.subject == subject).unwrap();
            assert_eq!((line.planned.as_str(), line.found.as_str()), (lines::NEW_PASSWORD, found));
            assert_eq!(line.same, found == line.planned);
        }
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
