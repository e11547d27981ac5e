//! What the menus show that no command does, as plain text. Each page is made from one view; whether somebody may
//! see it has been asked before.

use std::fmt::Write;

use framework::modules::ethernet;
use framework::modules::security_options::Service;
use security::Ask;

use crate::info::{info, shown, utc_text};
use crate::terminal::Desk;
use crate::terminal::plain::{hanging, table};

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

/// The network settings, and the heading of the connections.
pub(super) fn network(desk: &Desk, columns: usize) -> String {
    let view = desk.view();
    let mut text = String::new();
    // The name is a register of Security Config, which are read only with it.
    match desk.may(&view, Ask::ReadSecurity) {
        Ok(()) => {
            let modules = view.settings.template.modules.iter();
            let modules = modules.filter(|(name, _)| name.kind().name() == ethernet::NAME);
            text.extend(modules.map(|(_, module)| host_name(module.text(ethernet::HOST_NAME), columns)));
        }
        Err(refusal) => text.push_str(&host_name(&format!("not shown: {refusal}"), columns)),
    }
    let services = info(&view, &desk.site.faces.borrow(), desk.path, desk.who()).services;
    let rows = Service::ALL.into_iter().filter_map(|service| {
        let found = services.get(service.name()).filter(|found| found.available)?;
        let port = found.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        let state = match (found.enabled, found.listening, &found.why) {
            (false, ..) => "off".to_owned(),
            (true, Some(true), _) => "on, listening".to_owned(),
            (true, _, Some(why)) => format!("on, not listening: {why}"),
            (true, ..) => "on, not listening".to_owned(),
        };
        Some([service.title().to_owned(), format!("port {port}"), state])
    });
    text.push_str(&table(&rows.collect::<Vec<_>>(), columns));
    text.push_str("\nOpen connections\n\n");
    text
}

fn host_name(text: &str, columns: usize) -> String {
    hanging(&format!("{}  ", ethernet::HOST_NAME), text, columns)
}

/// The latest readings.
pub(super) fn readings(desk: &Desk, _: usize) -> String {
    let view = desk.view();
    let mut text = match utc_text(view.readings.utc_ms) {
        Some(time) => format!("Readings of {time} UTC\n"),
        None => "No readings yet\n".to_owned(),
    };
    for register in READINGS {
        let Some(reading) = shown(&view.readings, register).map(|reading| reading.to_string()) else { continue };
        let (value, unit) = reading.split_once(' ').unwrap_or((&reading, ""));
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {register:<11} {value:>12} {unit}");
    }
    text
}
