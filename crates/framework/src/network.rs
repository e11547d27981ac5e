//! A template put to work: modules sorted so that each is evaluated after those it is linked to, and
//! the readings that come out, once a second. Building refuses dead links, loops and chains that are
//! too long; evaluating can't fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::interval::{Beat, Recorded};
use crate::kind::{Module, SAME_AS_SOURCE, Tick};
use crate::memory::{self, Memory};
use crate::modules::periodic_timer;
use crate::template::{LONGEST_CHAIN, ModuleName, RegisterName, Template, TemplateError, shown};

/// An output register of a meter, as people find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Module and factory name.
    pub name: RegisterName,
    /// The label a user gave it, or the factory name.
    pub label: String,
    /// The unit, or nothing.
    pub unit: &'static str,
    /// How many decimals people are shown.
    pub decimals: u8,
}

/// Every output register of a meter: what each position in [`Readings`] is.
#[derive(Debug, Default)]
pub struct Directory {
    outputs: Vec<Output>,
    positions: HashMap<RegisterName, usize>,
}

impl Directory {
    /// The outputs of a template.
    pub fn of(template: &Template) -> Self {
        list_outputs(template).0
    }

    /// The outputs, in the order of the modules.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The position of an output register.
    pub fn position(&self, name: &RegisterName) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The output register a person means: its label, its factory name, or `Module/Register`; upper
    /// and lower case are alike.
    pub fn find(&self, typed: &str) -> Result<usize, TemplateError> {
        let matching = |answers: &dyn Fn(&Output) -> bool| -> Vec<usize> {
            (0..self.outputs.len()).filter(|at| answers(&self.outputs[*at])).collect()
        };
        let mut found = matching(&|output| output.label.eq_ignore_ascii_case(typed));
        if found.is_empty() {
            found = matching(&|output| {
                output.name.register.eq_ignore_ascii_case(typed) || output.name.to_string().eq_ignore_ascii_case(typed)
            });
        }
        match found.as_slice() {
            [] => Err(TemplateError::NoSuchRegister(shown(typed))),
            [one] => Ok(*one),
            several => Err(TemplateError::Ambiguous {
                name: shown(typed),
                candidates: several.iter().take(4).map(|at| self.outputs[*at].name.to_string()).collect(),
            }),
        }
    }
}

/// The output registers of one second. NaN says "not available".
#[derive(Debug, Clone)]
pub struct Readings {
    /// What each position is.
    pub directory: Arc<Directory>,
    /// The values, by position.
    pub values: Vec<f64>,
    /// UTC, in milliseconds since 1970.
    pub utc_ms: i64,
}

impl Readings {
    /// The value at a position, where there is one.
    pub fn value(&self, position: usize) -> Option<f64> {
        self.values.get(position).copied().filter(|value| value.is_finite())
    }

    /// The value of the register a person means.
    pub fn find(&self, typed: &str) -> Result<(&Output, Option<f64>), TemplateError> {
        let position = self.directory.find(typed)?;
        Ok((&self.directory.outputs[position], self.value(position)))
    }
}

/// A meter's modules at work.
pub struct Framework {
    /// In link order.
    nodes: Vec<Node>,
    directory: Arc<Directory>,
    /// What recorders have recorded in the last second.
    recorded: Vec<Recorded>,
}

struct Node {
    name: ModuleName,
    /// Where its values come from, for what it remembers.
    origin: String,
    module: Box<dyn Module>,
    /// Positions of the linked outputs, in the order of the kind's inputs.
    inputs: Vec<Option<usize>>,
    /// The node of the timer that it is linked to.
    timer: Option<usize>,
    outputs: std::ops::Range<usize>,
}

impl Framework {
    /// Starts the modules of a checked template.
    pub fn build(template: &Template) -> Result<Self, TemplateError> {
        let (directory, ranges) = list_outputs(template);
        let order = link_order(template, &directory)?;
        let nodes = order
            .iter()
            .map(|name| {
                let name = *name;
                let setup = &template.modules[&name];
                let linked = |input: &&str| setup.inputs.get(*input).and_then(|target| directory.position(target));
                let timer = name.kind().trigger().and_then(|input| setup.inputs.get(input)).map(|target| target.module);
                Node {
                    name,
                    timer: timer.and_then(|timer| order.iter().position(|module| *module == timer)),
                    origin: memory::origin(template, name),
                    module: name.kind().start(setup),
                    inputs: name.kind().inputs().iter().map(linked).collect(),
                    outputs: ranges[&name].clone(),
                }
            })
            .collect();
        Ok(Self { nodes, directory: Arc::new(directory), recorded: Vec::new() })
    }

    /// What each position in the readings is.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// One second passes: its readings.
    pub fn evaluate(&mut self, tick: &Tick<'_>) -> Readings {
        self.recorded.clear();
        self.catch_up(tick);
        let values = self.pass(tick, |module, inputs| {
            module.advance(tick, inputs);
            module.beat()
        });
        Readings { directory: Arc::clone(&self.directory), values, utc_ms: tick.utc_ms }
    }

    /// Ends what a gap before this second has ended: with the counters as they were, and nothing else measured.
    fn catch_up(&mut self, tick: &Tick<'_>) {
        let before = Tick { quantities: None, energy: tick.energy_before, ..*tick };
        let beats: Vec<Beat> = self.nodes.iter_mut().map(|node| node.module.catch_up(&before)).collect();
        if beats.iter().any(|beat| *beat != Beat::default()) {
            self.pass(&before, |module, _| module.beat());
        }
    }

    /// Each module in link order: what is done with it, what its timer tells it, what it shows.
    fn pass(&mut self, tick: &Tick<'_>, mut with: impl FnMut(&mut dyn Module, &[Option<f64>]) -> Beat) -> Vec<f64> {
        let mut values = vec![f64::NAN; self.directory.outputs.len()];
        let mut beats = Vec::with_capacity(self.nodes.len());
        for node in &mut self.nodes {
            let inputs = node.inputs(&values);
            beats.push(with(&mut *node.module, &inputs));
            if let Some(beat) = node.timer.and_then(|timer| beats.get(timer)) {
                self.recorded.extend(node.module.on_beat(node.name, &inputs, beat));
            }
            node.module.evaluate(tick, &inputs, &mut values[node.outputs.clone()]);
        }
        values
    }

    /// What recorders have recorded in the last second, in the order of the intervals' ends as they came.
    pub fn take_recorded(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded)
    }

    /// The readings without a second passing: what modules remember is shown and stays as it is.
    pub fn show(&self, tick: &Tick<'_>) -> Readings {
        let mut values = vec![f64::NAN; self.directory.outputs.len()];
        for node in &self.nodes {
            node.module.evaluate(tick, &node.inputs(&values), &mut values[node.outputs.clone()]);
        }
        Readings { directory: Arc::clone(&self.directory), values, utc_ms: tick.utc_ms }
    }

    /// The same, for what modules remember alone: all other readings stay as they were.
    pub fn show_remembered(&self, tick: &Tick<'_>, before: &Readings) -> Readings {
        if !Arc::ptr_eq(&self.directory, &before.directory) {
            return self.show(tick);
        }
        let mut readings = before.clone();
        for node in self.nodes.iter().filter(|node| node.module.remembers()) {
            let inputs = node.inputs(&readings.values);
            node.module.evaluate(tick, &inputs, &mut readings.values[node.outputs.clone()]);
        }
        readings
    }

    /// What the modules remember.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for node in &self.nodes {
            if let Some(kept) = node.module.keep() {
                memory.insert(node.name, &node.origin, kept);
            }
        }
        memory
    }

    /// Goes on from a memory. What a module of today has nothing to do with is left out.
    pub fn resume(&mut self, memory: &Memory) {
        self.recorded.clear();
        for node in &mut self.nodes {
            node.module.resume(memory.of(node.name, &node.origin));
        }
    }

    /// The clock has been set since the last second.
    pub fn clock_set(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.module.clock_set());
    }

    /// Resets the demand: maxima begin anew, and the reset is counted.
    pub fn reset_demand(&mut self, utc_ms: i64) {
        self.nodes.iter_mut().for_each(|node| node.module.reset_demand(utc_ms));
    }
}

impl Node {
    fn inputs(&self, values: &[f64]) -> Vec<Option<f64>> {
        self.inputs.iter().map(|at| at.and_then(|at| Some(values[at]).filter(|value| value.is_finite()))).collect()
    }
}

type Ranges = BTreeMap<ModuleName, std::ops::Range<usize>>;

fn list_outputs(template: &Template) -> (Directory, Ranges) {
    let mut directory = Directory::default();
    let mut ranges = Ranges::new();
    for (module, setup) in &template.modules {
        let first = directory.outputs.len();
        for output in module.kind().outputs(setup) {
            let name = RegisterName { module: *module, register: output.name };
            let label = setup.labels.get(&name.register).unwrap_or(&name.register).clone();
            directory.positions.insert(name.clone(), directory.outputs.len());
            directory.outputs.push(Output { name, label, unit: output.unit, decimals: output.decimals });
        }
        ranges.insert(*module, first..directory.outputs.len());
    }
    for at in 0..directory.outputs.len() {
        directory.outputs[at].unit = unit(template, &directory, at);
    }
    (directory, ranges)
}

/// An output's unit, along the links to where it comes from.
fn unit(template: &Template, directory: &Directory, output: usize) -> &'static str {
    let mut at = output;
    for _ in 0..LONGEST_CHAIN {
        let Output { name, unit, .. } = &directory.outputs[at];
        if *unit != SAME_AS_SOURCE {
            return unit;
        }
        let input = name.module.kind().inputs().first();
        let linked = input.and_then(|input| template.modules.get(&name.module)?.inputs.get(*input));
        match linked.and_then(|target| directory.position(target)) {
            Some(source) => at = source,
            None => return "",
        }
    }
    ""
}

/// How far the walk along a module's links has come: not listed, on the way, or its chain's length.
enum Visit {
    OnTheWay,
    Done(usize),
}

/// The modules so that each comes after those it is linked to.
fn link_order(template: &Template, directory: &Directory) -> Result<Vec<ModuleName>, TemplateError> {
    let mut visits = BTreeMap::new();
    let mut order = Vec::with_capacity(template.modules.len());
    for module in template.modules.keys() {
        visit(*module, template, directory, &mut visits, &mut order)?;
    }
    Ok(order)
}

/// Returns the length of the longest chain that ends in `module`. Recursion is no deeper than the
/// longest chain allowed, since the walk gives up beyond it.
fn visit(
    module: ModuleName,
    template: &Template,
    directory: &Directory,
    visits: &mut BTreeMap<ModuleName, Visit>,
    order: &mut Vec<ModuleName>,
) -> Result<usize, TemplateError> {
    match visits.get(&module) {
        Some(Visit::Done(length)) => return Ok(*length),
        Some(Visit::OnTheWay) => return Err(TemplateError::Loop(module)),
        None => {}
    }
    let on_the_way = visits.values().filter(|visit| matches!(visit, Visit::OnTheWay)).count();
    if on_the_way >= LONGEST_CHAIN {
        return Err(TemplateError::ChainTooLong(module));
    }
    visits.insert(module, Visit::OnTheWay);
    let mut longest = 0;
    for (input, target) in &template.modules[&module].inputs {
        if directory.position(target).is_none() {
            return Err(TemplateError::DeadLink { module, input: input.clone(), target: target.clone() });
        }
        if module.kind().trigger() == Some(input) && target.module.kind().name() != periodic_timer::NAME {
            return Err(TemplateError::NoTrigger { module, input: input.clone(), target: target.clone() });
        }
        longest = longest.max(visit(target.module, template, directory, visits, order)?);
    }
    if longest >= LONGEST_CHAIN {
        return Err(TemplateError::ChainTooLong(module));
    }
    visits.insert(module, Visit::Done(longest + 1));
    order.push(module);
    Ok(longest + 1)
}

#[cfg(test)]
mod tests {
    use metrology::EnergyRegisters;

    use super::*;
    use crate::register::Value;
    use crate::template::ModuleSetup;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    fn template() -> Template {
        let mut template = Template::default();
        for module in ["Clock 1", "Power Meter 1", "Integrator 1", "Integrator 2", "Modbus Slave 1"] {
            template.modules.insert(name(module), ModuleSetup::default());
        }
        template.complete();
        let energy = "Integrator 2/Energy".parse().unwrap();
        template.set(&energy, &Value::Text("kVARh Q4".into())).unwrap();
        template
    }

    fn link(template: &mut Template, module: &str, input: &str, target: &str) {
        let setup = template.modules.get_mut(&name(module)).unwrap();
        setup.inputs.insert(input.into(), target.parse().unwrap());
    }

    #[test]
    fn readings_are_found_by_label_by_name_and_by_full_name() {
        let mut template = template();
        let setup = template.modules.get_mut(&name("Integrator 1")).unwrap();
        setup.labels.insert("kWh del".into(), "Import".into());
        template.check().unwrap();
        let mut framework = Framework::build(&template).unwrap();
        let energy = EnergyRegisters::default();
        let readings = framework.evaluate(&Tick {
            utc_ms: 5000,
            up_ms: 0,
            quantities: None,
            energy: &energy,
            energy_before: &energy,
        });
        for typed in ["Import", "import", "kWh del", "Integrator 1/kWh del"] {
            let (output, value) = readings.find(typed).unwrap();
            assert_eq!((output.label.as_str(), output.unit, value), ("Import", "kWh", Some(0.0)));
        }
        assert_eq!(readings.find("UNIX Time").unwrap().1, Some(5.0));
        // A gap in the source is a gap in the readings, not a zero.
        assert_eq!(readings.find("kW tot").unwrap().1, None);
        assert!(readings.find("kWh nonsense").unwrap_err().to_string().starts_with("there is no register"));
    }

    #[test]
    fn dead_links_are_refused_by_name() {
        let mut template = template();
        link(&mut template, "Modbus Slave 1", "Source 1", "Power Meter 1/kW total");
        let error = Framework::build(&template).err().unwrap();
        assert_eq!(
            error.to_string(),
            "Modbus Slave 1: the input \"Source 1\" is linked to Power Meter 1/kW total, which doesn't exist"
        );
    }

    #[test]
    fn loops_are_refused() {
        let mut template = template();
        link(&mut template, "Integrator 1", "Integrand", "Integrator 2/kVARh Q4");
        link(&mut template, "Integrator 2", "Integrand", "Integrator 1/kWh del");
        assert!(matches!(Framework::build(&template), Err(TemplateError::Loop(_))));
    }

    #[test]
    fn a_bad_name_value_or_label_is_refused_in_a_sentence() {
        let mut unknown = template();
        unknown.modules.get_mut(&name("Clock 1")).unwrap().setup.insert("Zone".into(), Value::Number(1.0));
        assert_eq!(unknown.check().unwrap_err().to_string(), "Clock 1 has no set-up register \"Zone\"");
        let mut range = template();
        let setup = range.modules.get_mut(&name("Modbus Slave 1")).unwrap();
        setup.setup.insert("BaseAddr".into(), Value::Number(1.0));
        assert_eq!(
            range.check().unwrap_err().to_string(),
            "Modbus Slave 1: BaseAddr takes a whole number from 40001 to 49999, not \"1\""
        );
        for bad in ["Power Meter 2", "Power Meter 0", "Power Meter", "", "Security User 17", "Power Meter 256"] {
            assert!(bad.parse::<ModuleName>().is_err(), "{bad}");
        }
    }
}
