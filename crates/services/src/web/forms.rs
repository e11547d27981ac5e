//! What can be changed in the browser, on releases whose pages ask for a login: the one list of forms, and the set-up
//! registers that each offers. Which right a change takes is the registers' own; this module decides nothing.

use framework::modules::security_options::Service;
use framework::modules::{clock, ethernet, factory, power_meter, security_options, sliding_demand};
use framework::{ModuleName, ModuleSetup, RegisterName, SetupRegister, Value};
use meter::View;
use security::{Ask, Right};

/// A page with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whose meter it is, and where.
    Identification,
    /// How it is wired.
    PowerMeter,
    /// Sub-intervals.
    Demand,
    /// The offset that people are shown.
    Clock,
    /// The meter's name and its services: but for the web server, which a page would cut its own branch with, and
    /// Setup, which is turned off at the meter alone.
    Communications,
    /// The maxima begin anew.
    DemandReset,
}

/// A module of a form.
pub(super) struct Module {
    /// Its label, or its name; and where modules of a kind are many, what it works on.
    pub title: String,
    /// The registers that the form offers, with what they hold.
    pub registers: Vec<(RegisterName, &'static SetupRegister, Value)>,
}

impl Form {
    /// Every form, in the order in which people are shown them.
    pub const ALL: [Self; 6] =
        [Self::Identification, Self::PowerMeter, Self::Demand, Self::Clock, Self::Communications, Self::DemandReset];

    /// The path that the web server has it at.
    pub fn path(self) -> &'static str {
        match self {
            Self::Identification => "/SetupIdentification.html",
            Self::PowerMeter => "/SetupPowerMeter.html",
            Self::Demand => "/SetupDemand.html",
            Self::Clock => "/SetupClock.html",
            Self::Communications => "/SetupCommunications.html",
            Self::DemandReset => "/DemandReset.html",
        }
    }

    /// The form at a path.
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.path() == path)
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Identification => "Identification",
            Self::PowerMeter => "Power Meter",
            Self::Demand => "Demand",
            Self::Clock => "Clock",
            Self::Communications => "Communications",
            Self::DemandReset => "Demand reset",
        }
    }

    /// The right that what it sets takes.
    pub fn right(self) -> Right {
        match self {
            Self::Identification | Self::PowerMeter | Self::Demand | Self::Clock => Right::FullConfig,
            Self::Communications => Right::SecurityConfig,
            Self::DemandReset => Right::DemandReset,
        }
    }

    /// What using it takes.
    pub fn ask(self) -> Ask {
        Ask::Do(self.right())
    }

    /// The modules that this meter has of it.
    pub fn modules(self, view: &View) -> Vec<Module> {
        let template = &view.settings.template;
        let modules = template.modules.iter().map(|(name, setup)| Module {
            title: title(*name, setup),
            registers: template
                .registers()
                .filter(|(register, _, _)| register.module == *name && self.offers(register))
                .map(|(register, described, value)| (register, described, value.clone()))
                .collect(),
        });
        modules.filter(|module| !module.registers.is_empty()).collect()
    }

    fn offers(self, name: &RegisterName) -> bool {
        let kind = name.module.kind().name();
        match self {
            Self::Identification => kind == factory::NAME,
            Self::PowerMeter => kind == power_meter::NAME,
            Self::Demand => kind == sliding_demand::NAME,
            Self::Clock => kind == clock::NAME,
            Self::Communications => {
                let mut services = Service::ALL.into_iter().filter(|one| ![Service::Web, Service::Setup].contains(one));
                let service = services.any(|one| [one.switch(), one.port()].contains(&name.register.as_str()));
                kind == ethernet::NAME || (kind == security_options::NAME && service)
            }
            Self::DemandReset => false,
        }
    }
}

fn title(name: ModuleName, setup: &ModuleSetup) -> String {
    let factory = || if name.kind().most() == 1 { name.kind().name().to_owned() } else { name.to_string() };
    let title = setup.label.clone().unwrap_or_else(factory);
    match setup.labels.get(sliding_demand::DEMAND) {
        Some(demand) => format!("{title} ({demand})"),
        None => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;
    use crate::web::pages::Page;

    #[test]
    fn every_form_offers_registers_of_its_right_and_each_has_a_path_of_its_own() {
        let view = Bench::new("4.0.9").site.view();
        let mut paths: Vec<&str> = Form::ALL.map(Form::path).to_vec();
        paths.extend(Page::ALL.map(Page::path));
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), Form::ALL.len() + Page::ALL.len());
        for form in Form::ALL {
            let modules = form.modules(&view);
            assert_eq!(modules.is_empty(), form == Form::DemandReset, "{form:?}");
            for (name, register, _) in modules.iter().flat_map(|module| &module.registers) {
                assert_eq!(register.right, form.right(), "{name}");
            }
        }
    }

    #[test]
    fn the_pages_offer_neither_to_turn_themselves_off_nor_who_may_do_what() {
        let view = Bench::new("4.0.9").site.view();
        let modules = Form::Communications.modules(&view);
        let names: Vec<&str> = modules.iter().flat_map(|one| &one.registers).map(|(_, one, _)| one.name).collect();
        assert_eq!(names, ["Host Name", "Telnet", "Telnet Port", "FTP", "FTP Port", "Modbus", "Modbus Port"]);
    }
}
