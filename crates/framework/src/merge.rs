//! Three templates made into one: what the meter's owner has changed and what a release's makers have changed, both
//! against the template that the meter's present release came with.
//!
//! It goes part by part. What one side alone has changed is as that side has it; what both have changed to different
//! ends is a conflict, decided for one side and always told. A data recorder's sources, timer and depth are one thing: a
//! recorder that is half of one template and half of another records nothing that anybody has asked for. Nothing is
//! left linked to nowhere: the side that conflicts are decided for gets its own back. What still can't stand, a loop
//! say, [`Template::check`] and [`Framework::build`](crate::Framework::build) refuse.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::data_recorder;
use crate::parts::{Content, Part, Parts, What, differences};
use crate::template::{ModuleName, RegisterName, Template};

/// Whose a conflict is decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The meter's own template stays.
    #[default]
    Mine,
    /// The release's template wins.
    Release,
}

/// What both sides have changed, to different ends; or what one side's change would have left hanging.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conflict {
    /// What the meter's present release came with.
    pub base: Option<Content>,
    /// What the meter has.
    pub mine: Option<Content>,
    /// What the new release comes with.
    pub theirs: Option<Content>,
}

/// Three templates merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// What comes of them.
    pub template: Template,
    /// What had to be decided.
    pub conflicts: BTreeMap<Part, Conflict>,
}

/// Merges what has become of `base` on two sides.
pub fn merge(base: &Template, mine: &Template, theirs: &Template, conflicts: Side) -> Merged {
    let sides = Sides { base: base.parts(), mine: mine.parts(), theirs: theirs.parts(), wins: conflicts };
    let mut merging = Merging { sides: &sides, parts: Parts::new(), conflicts: BTreeMap::new() };
    let modules: BTreeSet<ModuleName> =
        [base, mine, theirs].into_iter().flat_map(|template| template.modules.keys().copied()).collect();
    modules.iter().for_each(|module| merging.module(*module));
    merging.mend();
    Merged { template: Template::of_parts(&merging.parts), conflicts: merging.conflicts }
}

struct Sides {
    base: Parts,
    mine: Parts,
    theirs: Parts,
    wins: Side,
}

impl Sides {
    fn winner(&self) -> &Parts {
        match self.wins {
            Side::Mine => &self.mine,
            Side::Release => &self.theirs,
        }
    }

    fn conflict(&self, part: &Part) -> Conflict {
        let of = |parts: &Parts| parts.get(part).cloned();
        Conflict { base: of(&self.base), mine: of(&self.mine), theirs: of(&self.theirs) }
    }
}

/// The parts of one module.
fn within(parts: &Parts, module: ModuleName) -> impl Iterator<Item = (&Part, &Content)> {
    let first = Part { module, what: What::Itself };
    parts.range(first..).take_while(move |(part, _)| part.module == module)
}

/// Whether a part is of what a data recorder records.
fn is_recording(part: &Part) -> bool {
    part.module.kind().name() == data_recorder::NAME && matches!(part.what, What::Register(_) | What::Link(_))
}

struct Merging<'a> {
    sides: &'a Sides,
    parts: Parts,
    conflicts: BTreeMap<Part, Conflict>,
}

impl Merging<'_> {
    /// Merges one module.
    fn module(&mut self, module: ModuleName) {
        let sides = self.sides;
        let itself = Part { module, what: What::Itself };
        let [base, mine, theirs] = [&sides.base, &sides.mine, &sides.theirs];
        let same = |one: &Parts, other: &Parts| within(one, module).eq(within(other, module));
        if same(mine, base) || same(mine, theirs) {
            return self.take(theirs, module);
        }
        if same(theirs, base) {
            return self.take(mine, module);
        }
        if mine.contains_key(&itself) != theirs.contains_key(&itself) {
            // One side has taken it out, the other has changed it.
            self.conflicts.insert(itself.clone(), sides.conflict(&itself));
            return self.take(sides.winner(), module);
        }
        let recording_changed = |parts: &Parts| {
            let changed = |part: &Part| is_recording(part) && parts.get(part) != base.get(part);
            within(parts, module).chain(within(base, module)).any(|(part, _)| changed(part))
        };
        let one_thing = recording_changed(mine) && recording_changed(theirs);
        let parts: BTreeSet<&Part> =
            [base, mine, theirs].into_iter().flat_map(|parts| within(parts, module)).map(|(part, _)| part).collect();
        for part in parts {
            let [was, own, new] = [base, mine, theirs].map(|parts| parts.get(part));
            let whole = one_thing && is_recording(part);
            let content = if own == new {
                own
            } else if was == own && !(whole && sides.wins == Side::Mine) {
                new
            } else if was == new && !(whole && sides.wins == Side::Release) {
                own
            } else {
                self.conflicts.insert(part.clone(), sides.conflict(part));
                sides.winner().get(part)
            };
            self.parts.extend(content.map(|content| (part.clone(), content.clone())));
        }
    }

    /// A module as one side has it.
    fn take(&mut self, side: &Parts, module: ModuleName) {
        self.parts.extend(within(side, module).map(|(part, content)| (part.clone(), content.clone())));
    }

    /// Gives the winning side back what something would hang on that isn't there any more. Each turn brings a module
    /// back, which comes once, or takes away what hangs on it, which goes once or twice: it comes to an end.
    fn mend(&mut self) {
        let mut brought = BTreeSet::new();
        while let Some((part, needed)) = self.hanging() {
            let winner = self.sides.winner();
            if has_output(winner, &needed) && brought.insert(needed.module) {
                let before = std::mem::take(&mut self.parts);
                self.parts = before.clone();
                self.parts.retain(|part, _| part.module != needed.module);
                self.take(winner, needed.module);
                let mut overruled: Vec<Part> =
                    differences(&before, &self.parts).map(|(part, ..)| part.clone()).collect();
                // A module that comes back is one thing, with all that is in it.
                overruled.sort_by_key(|part| part.what != What::Itself);
                let whole = overruled.first().is_some_and(|part| part.what == What::Itself);
                for part in overruled.into_iter().take(if whole { 1 } else { usize::MAX }) {
                    self.conflicts.insert(part.clone(), self.sides.conflict(&part));
                }
            } else {
                let instead = winner.get(&part).filter(|instead| self.parts.get(&part) != Some(*instead)).cloned();
                self.conflicts.insert(part.clone(), self.sides.conflict(&part));
                match instead {
                    Some(instead) => drop(self.parts.insert(part, instead)),
                    None => drop(self.parts.remove(&part)),
                }
            }
        }
    }

    /// The first link or label of an output that isn't there, and that output.
    fn hanging(&self) -> Option<(Part, RegisterName)> {
        let outputs = outputs(&self.parts);
        self.parts.iter().find_map(|(part, content)| {
            let needed = match (&part.what, content) {
                (What::Link(_), Content::Source(source)) => source.clone(),
                (What::OutputLabel(register), _) => RegisterName { module: part.module, register: register.clone() },
                _ => return None,
            };
            (!outputs.contains(&needed)).then(|| (part.clone(), needed))
        })
    }
}

fn outputs(parts: &Parts) -> BTreeSet<RegisterName> {
    let template = Template::of_parts(parts);
    let of = |(module, setup): (&ModuleName, &crate::ModuleSetup)| {
        let module = *module;
        module.kind().outputs(setup).into_iter().map(move |output| RegisterName { module, register: output.name })
    };
    template.modules.iter().flat_map(of).collect()
}

fn has_output(parts: &Parts, output: &RegisterName) -> bool {
    let own: Parts = within(parts, output.module).map(|(part, content)| (part.clone(), content.clone())).collect();
    outputs(&own).contains(output)
}

#[cfg(test)]
mod tests;
