//! A template taken apart: each module, label, set-up register and link by itself, under the name that people read.
//! What two templates differ in, and how three are merged, is said in these parts, so that a plan, a merge and the event
//! log speak of the same things. Here nothing is judged and nothing is checked.

use std::collections::BTreeMap;
use std::fmt;

use crate::register::Value;
use crate::template::{ModuleName, RegisterName, Template};

/// One thing that a template says. The order is the one in which people read them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The module.
    pub module: ModuleName,
    /// What of it.
    pub what: What,
}

/// What of a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// That it is there.
    Itself,
    /// Its label.
    Label,
    /// The value of a set-up register.
    Register(String),
    /// What an input is linked to.
    Link(String),
    /// The label of an output register.
    OutputLabel(String),
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A module.
    There,
    /// A register's value.
    Value(Value),
    /// The output that an input is linked to.
    Source(RegisterName),
    /// A label.
    Text(String),
}

/// A template, part by part.
pub type Parts = BTreeMap<Part, Content>;

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.module;
        match &self.what {
            What::Itself => write!(f, "module {module}"),
            What::Label => write!(f, "{module} label"),
            What::Register(register) => write!(f, "{module}/{register}"),
            What::Link(input) => write!(f, "{module}/{input} link"),
            What::OutputLabel(output) => write!(f, "{module}/{output} label"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There => f.write_str("there"),
            Self::Value(value) => value.fmt(f),
            Self::Source(source) => source.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Template {
    /// Each part of it.
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::new();
        for (module, setup) in &self.modules {
            let module = *module;
            let mut add = |what, content| parts.insert(Part { module, what }, content);
            add(What::Itself, Content::There);
            if let Some(label) = &setup.label {
                add(What::Label, Content::Text(label.clone()));
            }
            for (register, value) in &setup.setup {
                add(What::Register(register.clone()), Content::Value(value.clone()));
            }
            for (input, source) in &setup.inputs {
                add(What::Link(input.clone()), Content::Source(source.clone()));
            }
            for (output, label) in &setup.labels {
                add(What::OutputLabel(output.clone()), Content::Text(label.clone()));
            }
        }
        parts
    }

    /// The template that these parts make. A part that doesn't fit its place, or whose module isn't there, is left out.
    pub fn of_parts(parts: &Parts) -> Self {
        let mut template = Self::default();
        for (part, content) in parts {
            // A module itself comes before all that is in it.
            if part.what == What::Itself {
                template.modules.entry(part.module).or_default();
            }
            let Some(setup) = template.modules.get_mut(&part.module) else { continue };
            match (part.what.clone(), content.clone()) {
                (What::Label, Content::Text(label)) => setup.label = Some(label),
                (What::Register(register), Content::Value(value)) => drop(setup.setup.insert(register, value)),
                (What::Link(input), Content::Source(source)) => drop(setup.inputs.insert(input, source)),
                (What::OutputLabel(output), Content::Text(label)) => drop(setup.labels.insert(output, label)),
                _ => {}
            }
        }
        template
    }
}

/// Every part in which two templates differ: what stood there, what stands there now.
pub fn differences<'a>(
    before: &'a Parts,
    after: &'a Parts,
) -> impl Iterator<Item = (&'a Part, Option<&'a Content>, Option<&'a Content>)> {
    let all: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let of = |part| (part, before.get(part), after.get(part));
    all.into_iter().map(of).filter(|(_, before, after)| before != after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let head = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n";
        crate::Dcf::parse(format!("{head}{text}").as_bytes()).unwrap().template()
    }

    const TEXT: &str = "[modules.\"Power Meter 1\"]\nlabel = \"Feeder 7\"\nlabels = { \"kW tot\" = \"Load\" }\n\
         [modules.\"Integrator 1\"]\ninputs = { Integrand = \"Power Meter 1/kW tot\" }\n";

    #[test]
    fn a_template_is_its_parts() {
        let template = template(TEXT);
        let parts = template.parts();
        assert_eq!(Template::of_parts(&parts), template);
        let names: Vec<_> = parts.iter().map(|(part, content)| format!("{part}: {content}")).collect();
        assert_eq!(
            names,
            [
                "module Power Meter 1: there",
                "Power Meter 1 label: Feeder 7",
                "Power Meter 1/CT Prim: 5",
                "Power Meter 1/CT Sec: 5",
                "Power Meter 1/Nom Volts: 0",
                "Power Meter 1/PT Prim: 120",
                "Power Meter 1/PT Sec: 120",
                "Power Meter 1/Volts Mode: 4W-WYE",
                "Power Meter 1/kW tot label: Load",
                "module Integrator 1: there",
                "Integrator 1/Energy: kWh del",
                "Integrator 1/Integrand link: Power Meter 1/kW tot",
            ]
        );
    }

    #[test]
    fn what_differs_is_said_with_what_it_was_and_what_it_is() {
        let (before, after) = (template(TEXT).parts(), template("[modules.\"Power Meter 1\"]\n").parts());
        let told: Vec<_> = differences(&before, &after)
            .map(|(part, was, is)| format!("{part}: {} → {}", was.is_some(), is.is_some()))
            .collect();
        assert_eq!(
            told,
            [
                "Power Meter 1 label: true → false",
                "Power Meter 1/kW tot label: true → false",
                "module Integrator 1: true → false",
                "Integrator 1/Energy: true → false",
                "Integrator 1/Integrand link: true → false",
            ]
        );
        assert_eq!(differences(&before, &before).count(), 0);
    }
}
