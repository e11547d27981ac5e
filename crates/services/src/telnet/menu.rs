//! What the terminal shows once somebody has logged in: the menu and its three pages, as plain text. Each
//! is made from one view; whether somebody may see it has been asked before.

use std::fmt::Write;

use framework::modules::ethernet;
use framework::modules::security_options::Service;
use meter::{Caller, View};
use security::{Ask, Path, Who};

use crate::Site;
use crate::info::{info, shown, utc_text};

/// The menu.
pub(super) const MENU: &str = "
Main menu
  1  Network settings and connections
  2  Meter information
  3  Latest readings
  4  Command line
  x  Exit

";
/// What asks for a choice.
pub(super) const PROMPT: &str = "choice: ";
/// The answer to anything that isn't in the menu.
pub(super) const NO_CHOICE: &str = "type 1, 2, 3, 4 or x\n";

/// What is read most, by register name.
const READINGS: [&str; 16] = [
    "Vln a",
    "Vln b",
    "Vln c",
    "Vll avg",
    "I a",
    "I b",
    "I c",
    "Freq",
    "kW tot",
    "kVAR tot",
    "kVA tot",
    "PF sign tot",
    "kWh del",
    "kWh rec",
    "kVARh del",
    "kVARh rec",
];

/// Writing to a string can't fail, so its result says nothing.
macro_rules! put {
    ($($argument:tt)*) => { let _ = writeln!($($argument)*); };
}

/// Menu item 1.
pub(super) fn network(site: &Site, view: &View, caller: &Caller) -> String {
    let who = caller.who;
    let mut text = "\nNetwork settings\n".to_owned();
    // The name is a register of Security Config, which are read only with it.
    match view.may(Path::Telnet, who, Ask::ReadSecurity) {
        Ok(()) => {
            let modules = view.settings.template.modules.iter();
            for (_, module) in modules.filter(|(name, _)| name.kind().name() == ethernet::NAME) {
                put!(text, "  {:<11} {}", ethernet::HOST_NAME, module.text(ethernet::HOST_NAME));
            }
        }
        Err(refusal) => {
            put!(text, "  {:<11} not shown: {refusal}", ethernet::HOST_NAME);
        }
    }
    let services = info(view, &site.faces.borrow(), Path::Telnet, who).services;
    for service in Service::ALL {
        let Some(found) = services.get(service.name()).filter(|found| found.available) else { continue };
        let port = found.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        let state = match (found.enabled, found.listening, &found.why) {
            (false, ..) => "off".to_owned(),
            (true, Some(true), _) => "on, listening".to_owned(),
            (true, _, Some(why)) => format!("on, not listening: {why}"),
            (true, ..) => "on, not listening".to_owned(),
        };
        put!(text, "  {:<11} port {port:<5} {state}", service.title());
    }
    put!(text, "\nOpen connections\n  {:<11} {:<7} {:<20} from", "service", "user", "since (UTC)");
    let security = view.may(Path::Telnet, who, Ask::ReadSecurity).is_ok();
    for connection in site.connections.list() {
        let since = utc_text(connection.since_utc_ms).unwrap_or_default();
        let (service, whose) = (connection.service.title(), connection.whose(security, caller.session));
        put!(text, "  {service:<11} {:<7} {since:<20} {}", whose.user, whose.peer);
    }
    text
}

/// Menu item 2.
pub(super) fn meter(site: &Site, view: &View, who: Who) -> String {
    let info = info(view, &site.faces.borrow(), Path::Telnet, who);
    let mut text = "\nMeter information\n".to_owned();
    let readings = utc_text(info.utc_ms).map_or_else(|| "none yet".to_owned(), |time| format!("{time} UTC"));
    let rows = [
        ("Serial", info.serial),
        ("Type", info.model),
        ("Release", format!("{} ({})", info.release, info.device_type)),
        ("Security", info.mode.to_string()),
        ("Source", info.source),
        ("Readings of", readings),
    ];
    for (name, value) in rows {
        put!(text, "  {name:<11} {value}");
    }
    for danger in info.dangers {
        put!(text, "{}: {}", danger.severity, danger.text);
    }
    for remark in info.remarks {
        put!(text, "{remark}");
    }
    put!(text, "Not built: {}.", info.not_built.join(", "));
    text
}

/// Menu item 3.
pub(super) fn readings(view: &View) -> String {
    let mut text = match utc_text(view.readings.utc_ms) {
        Some(time) => format!("\nReadings of {time} UTC\n"),
        None => "\nNo readings yet\n".to_owned(),
    };
    for register in READINGS {
        let Some(reading) = shown(&view.readings, register).map(|reading| reading.to_string()) else { continue };
        let (value, unit) = reading.split_once(' ').unwrap_or((&reading, ""));
        put!(text, "  {register:<11} {value:>12} {unit}");
    }
    text
}
