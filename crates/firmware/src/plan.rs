//! The plan: a migration run dry, with a digest that names it. Accepting a plan is naming its
//! digest; the act makes the plan again and does nothing if the digest is another.

use framework::TemplateError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::consequence::{Consequence, Kind};
use crate::digest::Sha256Digest;
use crate::migrate::{Choices, Direction, Migration, migrate};
use crate::release::Release;
use crate::settings::{Settings, SettingsError};
use crate::shipped::Carried;
use crate::template::ShippedTemplates;
use crate::version::Version;

/// What a change of release will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The release the meter has.
    pub from: Version,
    /// The release it is to have.
    pub to: Version,
    /// `sha256:…` over package, releases, resulting settings and consequences; not over texts, counts,
    /// times or who asked.
    pub digest: String,
    /// Whether somebody has accepted it.
    pub accepted: bool,
    /// Each consequence.
    pub consequences: Vec<Consequence>,
}

/// A plan with the migration it shows: what the act commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What is shown.
    pub plan: Plan,
    /// What is done.
    pub migration: Migration,
}

/// Why there is no plan of a change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The chosen template can't stand.
    #[error("the chosen template can't be taken: {0}; the meter's own can (--template keep)")]
    Template(TemplateError),
    /// Settings that the new release can't have.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Makes the plan of a change between two releases as their packages carry them. A plan that there is can be carried
/// out. `device` has the lines about the device itself, which outlives every release: what a package changes in its
/// keys.
///
/// # Errors
/// If a meter of the new release can't have what comes of it.
pub fn plan_between(
    settings: &Settings,
    from: &Carried,
    to: &Carried,
    choices: Choices,
    device: Vec<Consequence>,
) -> Result<Planned, PlanError> {
    let choices = Choices { shipped: ShippedTemplates::of(&from.template, &to.template), ..choices };
    let mut planned = plan_with(settings, &from.release, &to.release, &to.package, &choices, device);
    match planned.migration.settings.check(&to.release) {
        Err(SettingsError::Template(error)) if !choices.template.keeps() => Err(PlanError::Template(error)),
        checked => Ok(checked.map(|()| planned)?),
    }
}

/// Makes the plan of a change. `package` is the digest of the `.upg` that carries the new release.
pub fn plan(settings: &Settings, from: &Release, to: &Release, package: &Sha256Digest, choices: &Choices) -> Planned {
    plan_with(settings, from, to, package, choices, Vec::new())
}

fn plan_with(
    settings: &Settings,
    from: &Release,
    to: &Release,
    package: &Sha256Digest,
    choices: &Choices,
    device: Vec<Consequence>,
) -> Planned {
    let mut migration = migrate(settings, from, to, choices);
    migration.consequences.extend(device);
    let digest = digest(&migration, from, to, package);
    let consequences = migration.consequences.clone();
    let plan = Plan { from: from.release.clone(), to: to.release.clone(), digest, accepted: false, consequences };
    Planned { plan, migration }
}

/// Every map in settings is sorted and numbers have one spelling, so equal plans have equal bytes.
fn digest(migration: &Migration, from: &Release, to: &Release, package: &Sha256Digest) -> String {
    #[derive(Serialize)]
    struct Line<'a>(&'a str, Kind, &'a str, &'a str, &'a str, crate::consequence::Severity);
    let lines: Vec<_> = migration
        .consequences
        .iter()
        .map(|line| Line(&line.clause, line.kind, &line.subject, &line.before, &line.after, line.severity))
        .collect();
    let named = ("wattkeep plan 1", package, &from.release, &to.release, &migration.settings, lines);
    let bytes = serde_json::to_vec(&named).expect("settings and lines are maps with string keys");
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Plan {
    /// Which way it goes; one that a meter made never stays where it is.
    pub fn direction(&self) -> Direction {
        Direction::between(&self.from, &self.to).unwrap_or(Direction::Downgrade)
    }

    /// Marks each line as told or untold by this Setup (B6). `notices` are those of both releases.
    pub fn mark_told(&mut self, setup: &Version, releases: [&Release; 2]) {
        let since = |id: &String| {
            let notices = releases.iter().flat_map(|release| &release.notices);
            notices.filter(|notice| notice.id == *id).map(|notice| &notice.since_setup).max()
        };
        for line in &mut self.consequences {
            line.told = line.notice.as_ref().and_then(since).is_none_or(|since| setup >= since);
        }
        for line in self.consequences.iter_mut().filter(|line| line.kind == Kind::Notice && line.clause == "B5") {
            let older = line.after.parse::<Version>().is_ok_and(|recommended| *setup < recommended);
            line.before = setup.to_string();
            if older {
                line.severity = crate::consequence::Severity::Warning;
                line.text = format!("{} This one counts as {setup}, which is older.", line.text);
            }
        }
    }
}
