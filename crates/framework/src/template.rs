//! Templates: a meter's modules with their links, labels and set-up values, and the names by which
//! registers are found. A template is always complete: every set-up register of every module it has
//! holds a value within its range.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use security::Right;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::modules::{self, KINDS};
use crate::register::{SetupRegister, Value, ValueError};

/// A module of a template: its kind and number, as in `Power Meter 1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName {
    kind: u8,
    number: u8,
}

impl ModuleName {
    /// The module of this kind with this number, if a meter can have so many of them.
    pub fn new(kind: &str, number: u8) -> Option<Self> {
        let at = KINDS.iter().position(|known| known.name() == kind)?;
        let kind = u8::try_from(at).ok()?;
        (1..=KINDS[at].most()).contains(&number).then_some(Self { kind, number })
    }

    /// The kind.
    pub fn kind(self) -> &'static dyn Kind {
        KINDS[usize::from(self.kind)]
    }

    /// 1 for the first of its kind.
    pub fn number(self) -> u8 {
        self.number
    }

    /// Whether this module is part of a meter's security setup, which travels in its own section.
    pub fn is_security(self) -> bool {
        [modules::security_options::NAME, modules::security_user::NAME].contains(&self.kind().name())
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().name(), self.number)
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ModuleName {
    type Err = TemplateError;

    fn from_str(s: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError::NoSuchModule(shown(s));
        let (kind, number) = s.rsplit_once(' ').ok_or_else(unknown)?;
        Self::new(kind, number.parse().map_err(|_| unknown())?).ok_or_else(unknown)
    }
}

/// A register of a module, as in `Power Meter 1/PT Prim`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterName {
    /// The module.
    pub module: ModuleName,
    /// The register's factory name.
    pub register: String,
}

impl RegisterName {
    /// The set-up register's description.
    pub fn describe(&self) -> Option<&'static SetupRegister> {
        self.module.kind().setup().iter().find(|known| known.name == self.register)
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.module, self.register)
    }
}

impl FromStr for RegisterName {
    type Err = TemplateError;

    fn from_str(s: &str) -> Result<Self, TemplateError> {
        let (module, register) = s.split_once('/').ok_or_else(|| TemplateError::NoSuchRegister(shown(s)))?;
        Ok(Self { module: module.parse()?, register: register.to_owned() })
    }
}

security::serde_by_name!(ModuleName, RegisterName);

/// One module's set-up: values, links and labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleSetup {
    /// A name of the user's for the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Input name to the output register it is linked to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, RegisterName>,
    /// Set-up register to value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub setup: BTreeMap<String, Value>,
    /// Output register to the label a user gave it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl ModuleSetup {
    /// The text of an enumerated or string register; empty where it has none.
    pub fn text(&self, register: &str) -> &str {
        match self.setup.get(register) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The value of a numeric register.
    pub fn number(&self, register: &str) -> Option<f64> {
        match self.setup.get(register) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of a boolean register.
    pub fn flag(&self, register: &str) -> Option<bool> {
        match self.setup.get(register) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }
}

/// All of a meter's modules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template {
    /// The modules, in the order of the kinds' list.
    pub modules: BTreeMap<ModuleName, ModuleSetup>,
}

/// Why a template, a name or a link can't stand.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// No module of this name can exist.
    #[error("there is no module \"{0}\": a module is its kind and its number, as in \"Power Meter 1\"")]
    NoSuchModule(String),
    /// No register of this name exists in this meter.
    #[error("there is no register \"{0}\": `read` without a name lists them all")]
    NoSuchRegister(String),
    /// Several registers answer to the name.
    #[error("\"{name}\" could be {}: give the module too", .candidates.join(" or "))]
    Ambiguous {
        /// The name given.
        name: String,
        /// The full names that answer to it.
        candidates: Vec<String>,
    },
    /// A module has no set-up register, input or output of that name.
    #[error("{module} has no {what} \"{name}\"")]
    NotInModule {
        /// The module.
        module: ModuleName,
        /// "set-up register", "input" or "output register".
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// A value out of range.
    #[error("{module}: {source}")]
    Value {
        /// The module.
        module: ModuleName,
        /// What the register takes.
        source: ValueError,
    },
    /// A link to an output that doesn't exist.
    #[error("{module}: the input \"{input}\" is linked to {target}, which doesn't exist")]
    DeadLink {
        /// The module.
        module: ModuleName,
        /// Its input.
        input: String,
        /// What it is linked to.
        target: RegisterName,
    },
    /// A link to an output that is no timer's Trigger.
    #[error("{module}: the input \"{input}\" takes the Trigger of a Periodic Timer, not {target}")]
    NoTrigger {
        /// The module.
        module: ModuleName,
        /// Its input.
        input: String,
        /// What it is linked to.
        target: RegisterName,
    },
    /// Links that lead back to where they came from.
    #[error("the links of {0} lead back to itself: only a Feedback module may close a loop")]
    Loop(ModuleName),
    /// A chain of links that is too long.
    #[error("the chain of links that ends in {0} is longer than {LONGEST_CHAIN} modules")]
    ChainTooLong(ModuleName),
    /// A label that is empty, too long or not printable.
    #[error("{0}: a label is printable text of 1 to {LONGEST_LABEL} bytes")]
    Label(ModuleName),
}

/// A chain of links is at most this many modules long (the meter's own limit).
pub const LONGEST_CHAIN: usize = 25;
/// A label is at most this long, as on the meter's screens.
pub const LONGEST_LABEL: usize = 80;

impl Template {
    /// The value of a set-up register.
    pub fn get(&self, name: &RegisterName) -> Option<&Value> {
        self.modules.get(&name.module)?.setup.get(&name.register)
    }

    /// Sets a set-up register, if the module and the register exist and take the value.
    pub fn set(&mut self, name: &RegisterName, value: &Value) -> Result<(), TemplateError> {
        let module = self.modules.get_mut(&name.module);
        let (Some(module), Some(register)) = (module, name.describe()) else {
            return Err(TemplateError::NoSuchRegister(shown(&name.to_string())));
        };
        let value = register.check(value).map_err(|source| TemplateError::Value { module: name.module, source })?;
        module.setup.insert(name.register.clone(), value);
        Ok(())
    }

    /// Adds what a hand-written template leaves out, or one from before a register was known: factory values of
    /// set-up registers. Which registers security has is for a release to say.
    pub fn complete(&mut self) {
        self.complete_with(|_| true);
    }

    /// The same for the registers that are not only for security: of these, what is left out is the meter's to say.
    pub fn complete_open(&mut self) {
        self.complete_with(|register| register.right != Right::SecurityConfig);
    }

    fn complete_with(&mut self, wanted: impl Fn(&SetupRegister) -> bool) {
        for (name, module) in self.modules.iter_mut().filter(|(name, _)| !name.is_security()) {
            for register in name.kind().setup().iter().filter(|register| wanted(register)) {
                module.setup.entry(register.name.to_owned()).or_insert_with(|| register.factory.into());
            }
        }
    }

    /// Checks names, ranges and labels, and brings values to their own spelling. Links are checked
    /// by building the [`Framework`](crate::Framework).
    pub fn check(&mut self) -> Result<(), TemplateError> {
        for (name, module) in &mut self.modules {
            check_module(*name, module)?;
        }
        Ok(())
    }

    /// Every set-up register with its description and value, in the order of the modules.
    pub fn registers(&self) -> impl Iterator<Item = (RegisterName, &'static SetupRegister, &Value)> {
        self.modules.iter().flat_map(|(module, setup)| {
            module.kind().setup().iter().filter_map(|register| {
                let name = RegisterName { module: *module, register: register.name.to_owned() };
                Some((name, register, setup.setup.get(register.name)?))
            })
        })
    }

    /// The set-up register a person means: `Module/Register`, or the register's name alone where
    /// only one module has it. Upper and lower case are alike.
    pub fn find(&self, typed: &str) -> Result<RegisterName, TemplateError> {
        let mut found: Vec<RegisterName> = self
            .registers()
            .map(|(name, _, _)| name)
            .filter(|name| name.register.eq_ignore_ascii_case(typed) || name.to_string().eq_ignore_ascii_case(typed))
            .collect();
        match found.len() {
            0 => Err(TemplateError::NoSuchRegister(shown(typed))),
            1 => Ok(found.remove(0)),
            _ => Err(TemplateError::Ambiguous {
                name: shown(typed),
                candidates: found.iter().take(4).map(ToString::to_string).collect(),
            }),
        }
    }
}

fn check_module(name: ModuleName, module: &mut ModuleSetup) -> Result<(), TemplateError> {
    let kind = name.kind();
    let missing = |what, given: &str| TemplateError::NotInModule { module: name, what, name: shown(given) };
    for (register, value) in &mut module.setup {
        let known = kind.setup().iter().find(|known| known.name == register);
        let known = known.ok_or_else(|| missing("set-up register", register))?;
        *value = known.check(value).map_err(|source| TemplateError::Value { module: name, source })?;
    }
    for input in module.inputs.keys() {
        if !kind.inputs().contains(&input.as_str()) {
            return Err(missing("input", input));
        }
    }
    let outputs = kind.outputs(module);
    for output in module.labels.keys() {
        if !outputs.iter().any(|known| known.name == *output) {
            return Err(missing("output register", output));
        }
    }
    let fits = |label: &String| (1..=LONGEST_LABEL).contains(&label.len()) && !label.chars().any(char::is_control);
    if !module.label.iter().chain(module.labels.values()).all(fits) {
        return Err(TemplateError::Label(name));
    }
    Ok(())
}

/// A name as messages show it, cut to a length that can't flood them.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}
