//! What a meter goes through while it is recorded: first start, measuring, passwords, set-up, documents, packages, a
//! schedule, an upgrade, a stop and a start, a template, a downgrade, another upgrade, another meter's backup, a floor and
//! a rotation of keys. After each step it is noted what a meter would be that was stopped there.
//!
//! **To add a step**, do it in `life` through the gate, and then say `Life::reported` with its name where it is one
//! commit, `Life::reported_in_parts` where it is several. That is all: whatever a meter keeps (tables, records, files)
//! is compared by itself, and a password that was replaced is looked for by itself. What a start may change by itself
//! has to be named in [`crate::kept`].

mod beside;
mod life;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use meter::{Gate, Now};
use security::HashMemory;

use crate::cut::{Cut, Platter, Waiting};
use crate::disk::Sectors;
use crate::op::Trace;
use crate::oracle::{self, BEGINNING_MS, Commits, Found};
use crate::run::Failure;
use crate::watch::{self, Syncs};

/// A step that was reported as done.
pub struct Milestone {
    /// In words.
    pub name: String,
    /// So many operations had been done by then.
    pub done: usize,
    /// How the step reached the disk.
    pub commits: Commits,
    /// What a meter is that is stopped here.
    pub found: Found,
    /// Passwords, as stored, that may be in no file from here on.
    pub erased: Vec<Secret>,
}

/// A recording with its milestones.
pub struct Scenario {
    /// What was done.
    pub trace: Trace,
    /// What was reported, in order; the first one is that nothing has been done.
    pub milestones: Vec<Milestone>,
    /// Every password that the meter had at a milestone.
    pub secrets: Vec<Secret>,
}

/// A stored password, to be looked for.
#[derive(Clone)]
pub struct Secret {
    /// As it is stored.
    pub stored: String,
    finder: Finder<'static>,
}

impl Secret {
    fn new(stored: &str) -> Self {
        /// A shorter one is found by accident in a file full of numbers.
        const SHORTEST: usize = 6;
        let readable = stored.strip_prefix("readable:").filter(|password| password.len() >= SHORTEST);
        let finder = Finder::new(readable.unwrap_or(stored)).into_owned();
        Self { stored: stored.to_owned(), finder }
    }

    /// Whether it lies in these bytes.
    pub fn lies_in(&self, bytes: &[u8]) -> bool {
        self.finder.find(bytes).is_some()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stored)
    }
}

/// A step as it was done.
struct Step {
    name: String,
    done: usize,
    commits: Commits,
    /// What the meter shows that is stopped here and started again; nothing while it doesn't run.
    shown: Vec<(String, String)>,
}

/// A meter that is being recorded.
struct Life {
    dir: PathBuf,
    gate: Option<Gate>,
    /// The machine's time.
    now: Now,
    /// What it showed before the change that is on trial, and shows again when that is taken back.
    before_trial: Option<Vec<(String, String)>>,
    memory: HashMemory,
    /// Another meter's, to be restored.
    backup: Vec<u8>,
    steps: Vec<Step>,
}

impl Life {
    fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("the meter runs")
    }

    fn now(&self) -> Now {
        self.gate.as_ref().map_or(self.now, |gate| gate.meter_time(self.now))
    }

    /// What was done since the last report was one commit.
    fn reported(&mut self, name: &str) {
        self.step(name, Commits::One);
    }

    /// It was several, each of which leaves the meter as it may be.
    fn reported_in_parts(&mut self, name: &str) {
        self.step(name, Commits::Several);
    }

    fn step(&mut self, name: &str, commits: Commits) {
        let shown = || self.gate.as_ref().map_or_else(Vec::new, |gate| oracle::shown(gate).into());
        let shown = self.before_trial.clone().unwrap_or_else(shown);
        self.steps.push(Step { name: name.to_owned(), done: watch::done(), commits, shown });
    }

    fn start(&mut self, release: Option<&str>) {
        self.now.up_ms = 0;
        self.gate = Some(oracle::start(&self.dir, release, self.now).expect("the meter starts"));
        self.reported_in_parts("started");
    }

    fn stop(&mut self) {
        drop(self.gate.take());
        self.reported("stopped");
    }
}

/// Records a meter's life in an empty directory.
///
/// # Errors
/// A state that isn't what was shown, though everything that was done has reached the disk.
pub fn record(dir: &Path) -> Result<Scenario, Failure> {
    oracle::prepare(dir);
    let backup = beside::sealed_backup();
    watch::begin(dir, Syncs::Noted);
    let mut meter = Life {
        dir: dir.to_owned(),
        gate: None,
        now: Now { utc_ms: BEGINNING_MS, up_ms: 0 },
        before_trial: None,
        memory: HashMemory::new(),
        backup,
        steps: Vec::new(),
    };
    meter.reported("nothing");
    life::life(&mut meter);
    meter.stop();
    let trace = watch::finish();
    let (milestones, secrets) = milestones(&trace, meter.steps)?;
    Ok(Scenario { trace, milestones, secrets })
}

/// What a meter is that is stopped at each step, found by starting it there.
fn milestones(trace: &Trace, steps: Vec<Step>) -> Result<(Vec<Milestone>, Vec<Secret>), Failure> {
    let mut platter = Platter::new(trace);
    let mut at = 0;
    let dir = crate::run::scratch();
    let mut had: BTreeSet<String> = BTreeSet::new();
    let mut milestones = Vec::new();
    for (index, Step { name, done, commits, shown }) in steps.into_iter().enumerate() {
        while at < done {
            platter.advance(trace, at);
            at += 1;
        }
        let everything = Cut { done, waiting: Waiting::Kept, under_way: None, sectors: Sectors::Powersafe };
        let state = dir.path().join(index.to_string());
        std::fs::create_dir(&state).expect("a directory of its own");
        platter.after(trace, &everything).write_to(&state).expect("the state can be written");
        let found = oracle::look(&state).and_then(|found| as_shown(found, shown));
        let found = found.map_err(|what| Failure { what, cuts: vec![everything], after: name.clone() })?;
        if let Some(meter) = found.meter() {
            had.extend(meter.secrets.iter().cloned());
        }
        let gone = |secret: &&String| found.meter().is_some_and(|meter| !meter.secrets.contains(*secret));
        let erased = had.iter().filter(gone).map(|secret| Secret::new(secret)).collect();
        milestones.push(Milestone { name, done, commits, found, erased });
    }
    Ok((milestones, had.iter().map(|secret| Secret::new(secret)).collect()))
}

/// What was shown before a stop is there after a start.
fn as_shown(found: Found, shown: Vec<(String, String)>) -> Result<Found, String> {
    if let Some(meter) = found.meter() {
        for (name, text) in shown {
            let now = meter.things.get(&name);
            if now != Some(&text) {
                return Err(format!("{name} was {text}, and is {now:?} when it is started again"));
            }
        }
    }
    Ok(found)
}
