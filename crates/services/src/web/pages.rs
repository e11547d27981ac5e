//! The pages there are, and what is on each: the one list that the web server, the navigation bar and the file tree
//! read. A page is sections, a section is lines. No page shows users, security set-up or network settings (B13):
//! what comes from set-up comes through [`Form`], and only what takes no Security Config.

use framework::{SetupRegister, Value};
use meter::{Demands, View};
use security::{Ask, Right};

use super::forms::Form;
use super::quantities::{CONSUMPTION, Group, OPERATION, POWER_QUALITY};
use crate::info::{Shown, nominal_volts_off, shown, utc_text};

/// The directory of the file tree that has the pages.
const FOLDER: &str = "/web";
/// Stands for a text that nobody has set, and for what there is not yet.
const NOTHING: &str = "--";

/// A page that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Page {
    /// What is measured now, and the counters: the page that programs know.
    Operation,
    /// Balance, harmonics.
    PowerQuality,
    /// Energy and demand.
    Consumption,
    /// How the meter is set up.
    Setup,
}

impl Page {
    /// Every page, in the order of the navigation bar.
    pub const ALL: [Self; 4] = [Self::Operation, Self::PowerQuality, Self::Consumption, Self::Setup];

    /// Where it lies in the file tree. The web server has it under the same name at its root.
    pub fn file(self) -> &'static str {
        match self {
            Self::Operation => "/web/Operation.html",
            Self::PowerQuality => "/web/PowerQuality.html",
            Self::Consumption => "/web/Consumption.html",
            Self::Setup => "/web/Setup.html",
        }
    }

    /// The path that the web server has it at.
    pub fn path(self) -> &'static str {
        self.file().strip_prefix(FOLDER).unwrap_or_default()
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Operation => "Operation",
            Self::PowerQuality => "Power Quality",
            Self::Consumption => "Consumption",
            Self::Setup => "Setup",
        }
    }

    /// What reading it takes.
    pub fn ask(self) -> Ask {
        if self == Self::Setup { Ask::ReadSetup } else { Ask::Read }
    }

    pub(super) fn sections(self, view: &View) -> Vec<Section> {
        match self {
            Self::Operation => measured(view, &OPERATION),
            Self::PowerQuality => {
                let mut sections = measured(view, &POWER_QUALITY);
                sections[0].lines.push(phase_order(view));
                sections
            }
            Self::Consumption => {
                let mut sections = measured(view, &CONSUMPTION);
                sections.extend(demand(&view.demand()));
                sections
            }
            Self::Setup => {
                let open = Form::ALL.into_iter().filter(|form| form.right() == Right::FullConfig);
                open.flat_map(|form| set_up(view, form)).collect()
            }
        }
    }
}

/// Lines under one heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub title: String,
    pub lines: Vec<Line>,
    /// What a reader should know of it, in a sentence.
    pub remark: Option<&'static str>,
}

/// A label and what stands behind it.
#[derive(Debug)]
pub(super) enum Line {
    /// A number, and its unit if it has one: what programs read.
    Quantity(String, String),
    /// A word, a name or a time.
    Text(String, String),
}

impl Line {
    fn quantity(label: impl Into<String>, reading: Shown) -> Self {
        Self::Quantity(label.into(), reading.to_string())
    }

    fn text(label: impl Into<String>, text: Option<String>) -> Self {
        let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| NOTHING.to_owned());
        Self::Text(label.into(), text)
    }

    fn time(label: impl Into<String>, utc_ms: Option<i64>) -> Self {
        Self::text(label, utc_ms.and_then(utc_text).map(|time| format!("{time} UTC")))
    }

    /// A set-up register with its value.
    pub fn register(register: &SetupRegister, value: &Value) -> Self {
        match value {
            Value::Number(_) => {
                let text = format!("{value} {}", register.unit);
                Self::Quantity(register.name.to_owned(), text.trim_end().to_owned())
            }
            Value::Flag(_) | Value::Text(_) => Self::text(register.name, Some(value.to_string())),
        }
    }
}

fn measured(view: &View, groups: &[Group]) -> Vec<Section> {
    let lines =
        |group: &Group| group.rows.iter().map(|row| Line::quantity(row.label, row.reading(&view.readings))).collect();
    groups.iter().map(|group| Section { title: group.title.to_owned(), lines: lines(group), remark: None }).collect()
}

fn phase_order(view: &View) -> Line {
    let reversed = shown(&view.readings, "Phase Rev").and_then(|reversed| reversed.value);
    let order = reversed.map(|reversed| if reversed == 0.0 { "a, b, c" } else { "a, c, b" });
    Line::text("Phase order", order.map(str::to_owned))
}

/// The demand, its maxima and its resets; nothing where the template has none.
fn demand(demands: &Demands) -> Vec<Section> {
    let now = demands.demands.iter().flat_map(|one| {
        let demand = |value| Shown::of(value, one.unit, one.decimals);
        [
            Line::quantity(one.label.as_str(), demand(one.value)),
            Line::quantity(format!("{} predicted", one.label), demand(one.predicted)),
            Line::quantity(format!("{} time left", one.label), Shown::of(one.left_s, "s", 0)),
        ]
    });
    let mut sections = vec![Section { title: "Demand".to_owned(), lines: now.collect(), remark: None }];
    sections.push(maxima(demands));
    sections.retain(|section| !section.lines.is_empty());
    sections
}

/// The maxima since the last reset.
pub(super) fn maxima(demands: &Demands) -> Section {
    let maxima = demands.maxima.iter().flat_map(|one| {
        [
            Line::quantity(one.label.as_str(), Shown::of(one.value, one.unit, one.decimals)),
            Line::time(format!("{} time", one.label), one.utc_ms),
        ]
    });
    let mut lines: Vec<Line> = maxima.collect();
    if let Some(resets) = demands.resets {
        lines.push(Line::Quantity("Demand resets".to_owned(), resets.to_string()));
        lines.push(Line::time("Last demand reset", demands.last_reset_utc_ms));
    }
    Section { title: "Maximum demand".to_owned(), lines, remark: None }
}

/// What a form sets, as it is.
fn set_up(view: &View, form: Form) -> Vec<Section> {
    let mut sections: Vec<Section> = form
        .modules(view)
        .into_iter()
        .map(|module| Section {
            lines: module.registers.iter().map(|(_, register, value)| Line::register(register, value)).collect(),
            title: module.title,
            remark: None,
        })
        .collect();
    if form == Form::PowerMeter
        && let Some(section) = sections.first_mut()
    {
        section.remark = nominal_volts_off(view);
    }
    sections
}
