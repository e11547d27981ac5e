//! The laboratory at work: every state that a cut can leave of a recording, each one started and held against what
//! had been reported; then the starts themselves cut. States that have been seen are not started again.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tempfile::TempDir;

use crate::cut::{Cut, Platter, Positions};
use crate::disk::Disk;
use crate::op::Trace;
use crate::oracle::{self, Found};
use crate::scenario::{Milestone, Scenario, Secret};
use crate::watch::{self, Syncs};

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Draws the random cuts. The recording is the same each time but for keys.
    pub seed: u64,
    /// Random cuts at each operation of a round.
    pub random: usize,
    /// The systematic cuts of the first rounds; those that follow have random ones alone.
    pub systematic: &'static [Positions],
    /// Cuts to go on to, those in starts among them.
    pub least_cuts: usize,
    /// Of the states whose start writes something, the first one of each kind of work that is left has its start cut, too,
    /// and then every so many; none if 0.
    pub recoveries: usize,
    /// So many failures, and there is no point in going on.
    pub enough: usize,
}

impl Plan {
    /// That of the ordinary test.
    pub const ORDINARY: Self =
        Self { seed: 0x5EED, random: 1, systematic: &[Positions::Few], least_cuts: 0, recoveries: 10_000, enough: 20 };
    /// The same in another order, without cuts of starts, until the first failure.
    pub const SMALL: Self = Self {
        random: 1,
        systematic: &[Positions::Between, Positions::Few],
        recoveries: 0,
        enough: 1,
        ..Self::ORDINARY
    };

    /// Everything there is, and random cuts until there are so many.
    pub const fn soak(seed: u64, least_cuts: usize) -> Self {
        Self { seed, random: 12, systematic: &[Positions::All], least_cuts, recoveries: 200, enough: 20 }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Operations of the recording.
    pub operations: usize,
    /// Cuts made in the recording.
    pub cuts: usize,
    /// Different states that they left.
    pub states: usize,
    /// Starts that were cut as well.
    pub recoveries: usize,
    /// Cuts made in these.
    pub recovery_cuts: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, cuts, states, recoveries, recovery_cuts } = self;
        write!(
            f,
            "{operations} operations, {cuts} cuts; {recoveries} starts, {recovery_cuts} cuts; {states} different states"
        )
    }
}

/// A state that isn't what it should be. Shown, it ends with what replays it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What is wrong.
    pub what: String,
    /// The cut, and where it was in a start, the cut of that.
    pub cuts: Vec<Cut>,
    /// The last step that had been reported.
    pub after: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cuts: Vec<_> = self.cuts.iter().map(ToString::to_string).collect();
        write!(f, "after \"{}\": {}; scripts/soak --replay '{}'", self.after, self.what, cuts.join(" / "))
    }
}

struct Laboratory<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    /// By the step that had been reported, too: what may be found before it may be wrong after it.
    seen: Mutex<HashSet<(usize, [u8; 32])>>,
    /// The kinds of work whose start has been cut.
    kinds: Mutex<HashSet<(BTreeSet<String>, u32)>>,
    failures: Mutex<Vec<Failure>>,
    cuts: AtomicUsize,
    recoveries: AtomicUsize,
    recovery_cuts: AtomicUsize,
    next: AtomicUsize,
    tell: &'a (dyn Fn(Told<'_>) + Sync),
}

/// A state to be judged: where it comes from, and what it may be.
struct Case<'a> {
    cuts: Vec<Cut>,
    before: &'a Milestone,
    after: &'a Milestone,
}

/// What is told while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// There have been so many cuts, those in starts among them.
    Cuts(usize),
    /// A failure, as soon as it is found.
    Failed(&'a Failure),
}

/// Cuts a recording everywhere, and tells how it goes.
pub fn run(scenario: &Scenario, plan: Plan, tell: &(dyn Fn(Told<'_>) + Sync)) -> (Figures, Vec<Failure>) {
    let laboratory = Laboratory {
        scenario,
        plan,
        seen: Mutex::default(),
        kinds: Mutex::default(),
        failures: Mutex::default(),
        cuts: AtomicUsize::new(0),
        recoveries: AtomicUsize::new(0),
        recovery_cuts: AtomicUsize::new(0),
        next: AtomicUsize::new(0),
        tell,
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| laboratory.work());
        }
    });
    let figures = Figures {
        operations: scenario.trace.ops.len(),
        cuts: laboratory.cuts.into_inner(),
        states: laboratory.seen.into_inner().unwrap_or_else(PoisonError::into_inner).len(),
        recoveries: laboratory.recoveries.into_inner(),
        recovery_cuts: laboratory.recovery_cuts.into_inner(),
    };
    (figures, laboratory.failures.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Makes the state of a failure's cuts again, in an empty directory, and judges it.
pub fn replay(scenario: &Scenario, cuts: &[Cut], dir: &Path) -> Result<(), String> {
    let mut trace = scenario.trace.clone();
    let Some(first) = cuts.first() else { return Ok(()) };
    let (before, after) = around(&scenario.milestones, first.done);
    let (last, starts) = cuts.split_last().expect("there is a first one");
    for (index, cut) in starts.iter().enumerate() {
        let state = dir.join(format!("start-{index}"));
        let disk = disk_after(&trace, cut);
        (_, trace) = start_on(&disk, &state)?;
    }
    let state = dir.join("state-after");
    judge(&disk_after(&trace, last), &state, before, after, &scenario.secrets).map(drop)
}

fn disk_after(trace: &Trace, cut: &Cut) -> Disk {
    let mut platter = Platter::new(trace);
    (0..cut.done).for_each(|at| platter.advance(trace, at));
    platter.after(trace, cut)
}

/// The last step that had been reported, and the one that was under way.
fn around(milestones: &[Milestone], done: usize) -> (&Milestone, &Milestone) {
    let next = milestones.partition_point(|milestone| milestone.done <= done);
    (&milestones[next.saturating_sub(1)], &milestones[next.min(milestones.len() - 1)])
}

/// Starts a state in a directory that isn't there yet, and gives what was found and what the start did.
fn start_on(disk: &Disk, dir: &Path) -> Result<(Result<Found, String>, Trace), String> {
    std::fs::create_dir(dir).and_then(|()| disk.write_to(dir)).map_err(|error| error.to_string())?;
    watch::begin(dir, Syncs::Noted);
    // What a failure says is the same wherever the state was made.
    let found = oracle::look(dir).map_err(|what| what.replace(&format!("{}/", dir.display()), ""));
    Ok((found, watch::finish()))
}

/// Starts a state and holds it against what it may be. Gives what the start did.
fn judge(disk: &Disk, dir: &Path, before: &Milestone, after: &Milestone, secrets: &[Secret]) -> Result<Trace, String> {
    secrets_gone(disk, before.erased.iter())?;
    let (found, trace) = start_on(disk, dir)?;
    let found = found?;
    found.is_either(&before.found, &after.found, after.commits)?;
    // Whatever a start finds half erased it erases, and what was to become a password but didn't.
    if let Some(meter) = found.meter() {
        secrets_gone(&ended(&trace), secrets.iter().filter(|secret| !meter.secrets.contains(&secret.stored)))?;
    }
    Ok(trace)
}

fn ended(trace: &Trace) -> Disk {
    let mut disk = Disk::of(trace);
    trace.ops.iter().for_each(|op| disk.apply(op));
    disk
}

fn secrets_gone<'a>(disk: &Disk, mut erased: impl Iterator<Item = &'a Secret>) -> Result<(), String> {
    let lies =
        |secret: &Secret| disk.files().find(|(_, content)| secret.lies_in(content)).map(|(path, _)| path.to_owned());
    erased.find_map(lies).map_or(Ok(()), |path| Err(format!("{path} holds a password that must be gone")))
}

/// Where states are made: in memory where there is such a place, for nothing of it has to last.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a directory for states")
}

impl Laboratory<'_> {
    /// Takes operation after operation, until none is left.
    fn work(&self) {
        let trace = &self.scenario.trace;
        let mut platter = Platter::new(trace);
        let mut at = 0;
        let dir = scratch();
        loop {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let (round, done) = (next / (trace.ops.len() + 1), next % (trace.ops.len() + 1));
            let cuts_made = self.cuts.load(Ordering::Relaxed) + self.recovery_cuts.load(Ordering::Relaxed);
            let systematic = self.plan.systematic.get(round);
            let looked = systematic.is_none() && cuts_made >= self.plan.least_cuts;
            if looked || self.failed() >= self.plan.enough {
                return;
            }
            if at > done {
                (platter, at) = (Platter::new(trace), 0);
            }
            while at < done {
                platter.advance(trace, at);
                at += 1;
            }
            (self.tell)(Told::Cuts(cuts_made));
            let (before, after) = around(&self.scenario.milestones, done);
            let seed = self.plan.seed.wrapping_add(round as u64);
            let mut cuts = platter.random_cuts(trace, done, seed, self.plan.random);
            cuts.extend(systematic.into_iter().flat_map(|positions| platter.cuts(trace, done, *positions)));
            for cut in cuts {
                let case = Case { cuts: vec![cut], before, after };
                self.look(&platter.after(trace, &cut), dir.path(), &case);
            }
        }
    }

    fn failed(&self) -> usize {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_new(&self, disk: &Disk, case: &Case<'_>) -> Option<usize> {
        let made = if case.cuts.len() == 1 { &self.cuts } else { &self.recovery_cuts };
        made.fetch_add(1, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((case.before.done, disk.digest())).then(|| seen.len())
    }

    fn look(&self, disk: &Disk, dir: &Path, case: &Case<'_>) {
        let Some(number) = self.is_new(disk, case) else { return };
        let state = dir.join("state-of-a-cut");
        let judged = judge(disk, &state, case.before, case.after, &self.scenario.secrets);
        // What is wrong before it is started was never written.
        if state.exists() {
            std::fs::remove_dir_all(&state).expect("the state can be removed");
        }
        match judged {
            Err(what) => self.fail(what, case),
            Ok(start) => {
                if self.plan.recoveries == 0 || case.cuts.len() > 1 || start.ops.is_empty() {
                    return;
                }
                let kinds = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
                if number % self.plan.recoveries == 0 {
                    self.cut_start(&start, dir, case, Positions::All);
                } else if kinds().insert(start.kind()) {
                    self.cut_start(&start, dir, case, Positions::Few);
                }
            }
        }
    }

    /// The power goes again while the meter starts.
    fn cut_start(&self, start: &Trace, dir: &Path, case: &Case<'_>, positions: Positions) {
        self.recoveries.fetch_add(1, Ordering::Relaxed);
        let mut platter = Platter::new(start);
        for done in 0..=start.ops.len() {
            if done > 0 {
                platter.advance(start, done - 1);
            }
            let mut drawn = platter.random_cuts(start, done, self.plan.seed, 1);
            drawn.extend(platter.cuts(start, done, positions));
            for cut in drawn {
                let cuts = case.cuts.iter().copied().chain([cut]).collect();
                let case = Case { cuts, before: case.before, after: case.after };
                self.look(&platter.after(start, &cut), dir, &case);
            }
        }
    }

    fn fail(&self, what: String, case: &Case<'_>) {
        let failure = Failure { what, cuts: case.cuts.clone(), after: case.before.name.clone() };
        (self.tell)(Told::Failed(&failure));
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }
}
