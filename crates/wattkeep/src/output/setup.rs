//! What a meter answers to Setup, as tables and words.

pub mod connections;
mod dangers;
mod events;
mod log;
pub mod packages;
mod restore_plan;
mod schedule;
mod security_plan;
mod security_setup;

use std::io::{self, Write};

use api::{Info, PasswordStrength, Reading, Readings, Service, SetAnswer};
use owo_colors::OwoColorize;
use security::Grade;
use serde_json::Value;

pub use self::dangers::dangers;
pub use self::events::{events, log_verified};
pub use self::log::{recorders, records};
pub use self::restore_plan::restore_plan;
pub use self::schedule::schedule;
pub use self::security_plan::security_plan;
pub use self::security_setup::{security_setup, ssh_keys, trusted, users};
use super::style;
use super::table::{Align, Cell, Table};
use super::text::{Precision, counted, hanging, heading, line, paragraph, printable, utc};

/// Stands for a value that isn't there at the moment.
pub(crate) const NOTHING: &str = "–";

/// What a meter is.
///
/// # Errors
/// Those of the stream.
pub fn info(out: &mut dyn Write, info: &Info) -> io::Result<()> {
    let Info { serial, model, release, .. } = info;
    let (serial, model) = (printable(serial), printable(model));
    writeln!(out, "{}  {model}, release {release}", serial.style(style::HEADING))?;
    let mut facts = Table::new([("", Align::Left), ("", Align::Left)]);
    let fact = |name| Cell::styled(name, style::QUIET);
    facts.row([fact("type"), info.device_type.as_str().into()]);
    facts.row([fact("security mode"), info.mode.name().into()]);
    match info.factory_password {
        Some(true) => {
            let text = "0 IS IN USE: anyone can log in with it until it is changed";
            facts.row([fact("factory password"), Cell::styled(text, style::DANGER)]);
        }
        Some(false) => facts.row([fact("factory password"), "not in use".into()]),
        None => {}
    }
    if let Some(floor) = &info.floor {
        facts.row([fact("floor"), floor.to_string().into()]);
    }
    facts.row([fact("measures"), info.source.as_str().into()]);
    facts.row([fact("last reading"), format!("{} UTC", utc(info.utc_ms, Precision::Seconds)).into()]);
    facts.write(out)?;

    heading(out, "Services")?;
    let columns = [("service", Align::Left), ("state", Align::Left), ("port", Align::Right), ("remarks", Align::Left)];
    let mut services = Table::new(columns);
    for (name, service) in &info.services {
        let (state, colour) = state(service);
        let port = service.port.map_or_else(String::new, |port| port.to_string());
        services.row([name.into(), Cell::styled(state, colour), port.into(), remarks(service).into()]);
    }
    services.write(out)?;
    if let Some(list) = &info.users {
        heading(out, "Users")?;
        users(out, list)?;
    }
    if !info.dangers.is_empty() {
        heading(out, "Dangers")?;
        dangers(out, &info.dangers)?;
    }
    if !info.remarks.is_empty() {
        heading(out, "Please note")?;
        info.remarks.iter().try_for_each(|remark| hanging(out, "  • ", style::WARNING, remark))?;
    }
    heading(out, "Not built")?;
    paragraph(out, 2, style::QUIET, &info.not_built.join(", "))
}

fn state(service: &Service) -> (&'static str, owo_colors::Style) {
    match (service.available, service.enabled, service.listening) {
        (false, ..) => ("not part of the release", style::QUIET),
        (_, true, Some(false)) => ("on, NOT LISTENING", style::WARNING),
        (_, true, _) => ("on", style::GOOD),
        (_, false, Some(true)) => ("off, LISTENING", style::WARNING),
        (_, false, _) => ("off", style::PLAIN),
    }
}

fn remarks(service: &Service) -> String {
    let said = [
        (service.read, "readable", "not readable"),
        (service.login, "behind a login", "without a login"),
        (service.configure, "can change set-up", "read-only"),
    ];
    let said = said.into_iter().filter_map(|(flag, yes, no)| flag.map(|flag| if flag { yes } else { no }));
    let why = service.why.as_deref();
    why.into_iter().chain(said.filter(|_| service.enabled)).collect::<Vec<_>>().join(", ")
}

/// Registers and their values.
///
/// # Errors
/// Those of the stream.
pub fn readings(out: &mut dyn Write, readings: &Readings) -> io::Result<()> {
    let mut table = Table::new([("register", Align::Left), ("value", Align::Right), ("unit", Align::Left)]);
    for (name, reading) in &readings.registers {
        table.row([name.into(), value(reading).into(), reading.unit.as_str().into()]);
    }
    table.write(out)
}

fn value(reading: &Reading) -> String {
    match (&reading.value, reading.decimals) {
        (Value::Null, _) => NOTHING.to_owned(),
        (Value::Bool(yes), _) => if *yes { "yes" } else { "no" }.to_owned(),
        (Value::String(text), _) => text.clone(),
        (Value::Number(number), Some(decimals)) => match number.as_f64() {
            Some(number) => format!("{number:.*}", usize::from(decimals)),
            None => number.to_string(),
        },
        (other, _) => other.to_string(),
    }
}

/// Registers as the contract has them: each name with its value and unit.
pub fn readings_document(readings: &Readings) -> Value {
    let named = readings.registers.iter().map(|(name, reading)| {
        let reading = serde_json::json!({ "value": rounded(reading), "unit": reading.unit });
        (name.clone(), reading)
    });
    Value::Object(named.collect())
}

/// A number with the decimals that people are shown: what lies beyond is no measurement.
fn rounded(reading: &Reading) -> Value {
    match (reading.value.as_f64(), reading.decimals) {
        (Some(number), Some(decimals)) if reading.value.is_f64() => {
            let scale = 10_f64.powi(i32::from(decimals));
            Value::from((number * scale).round() / scale)
        }
        _ => reading.value.clone(),
    }
}

/// What a change of settings did.
///
/// # Errors
/// Those of the stream.
pub fn set_answer(out: &mut dyn Write, answer: &SetAnswer) -> io::Result<()> {
    for account in &answer.passwords {
        line(out, style::GOOD, &format!("New password: {account}"))?;
    }
    strengths(out, &answer.strengths)?;
    if answer.changed.is_empty() && answer.passwords.is_empty() {
        writeln!(out, "Nothing was changed: it is so already.")?;
    }
    if !answer.changed.is_empty() {
        let done = format!("{} changed", counted(answer.changed.len(), "register"));
        writeln!(out, "{}", done.style(style::GOOD))?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        for one in &answer.changed {
            table.row([one.register.as_str().into(), format!("{} → {}", one.before, one.after).into()]);
        }
        table.write(out)?;
    }
    dangers(out, &answer.dangers)?;
    answer.remarks.iter().try_for_each(|remark| hanging(out, "note: ", style::WARNING, remark))
}

/// What new passwords are worth.
fn strengths(out: &mut dyn Write, strengths: &[PasswordStrength]) -> io::Result<()> {
    strengths.iter().try_for_each(|one| {
        let colour = match one.grade {
            Grade::Factory | Grade::Guessable => style::DANGER,
            Grade::Weak => style::WARNING,
            Grade::Fair | Grade::Strong => style::PLAIN,
        };
        hanging(out, "strength: ", colour, &one.text)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::ChangedRegister;
    use firmware::{Danger, Severity};
    use security::{Mode, Right, UserId};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    /// 2026-11-22 15:00:00 UTC.
    const NOW: i64 = 1_795_359_600_000;

    fn danger(subject: &str, severity: Severity, text: &str) -> Danger {
        Danger { subject: subject.to_owned(), severity, text: text.to_owned() }
    }

    fn sample_info() -> Info {
        let service = |enabled, port, listening| Service {
            available: true,
            enabled,
            port: Some(port),
            listening: Some(listening),
            ..Service::default()
        };
        let web = Service { read: Some(true), login: Some(true), configure: Some(false), ..service(true, 8080, true) };
        let why = Some("port 2121 is taken by another program".to_owned());
        let user = |number, factory_password, rights: &[Right]| api::User {
            user: UserId::new(number).unwrap(),
            active: number < 9,
            rights: rights.to_vec(),
            factory_password,
            ssh_keys: Vec::new(),
        };
        Info {
            serial: "MW-2611A001-01".to_owned(),
            model: "8650".to_owned(),
            release: "4.0.9".parse().unwrap(),
            device_type: "8650V409".to_owned(),
            mode: Mode::Advanced,
            factory_password: Some(true),
            floor: Some("4.0.9".parse().unwrap()),
            services: BTreeMap::from([
                ("ftp".to_owned(), Service { why, ..service(true, 2121, false) }),
                ("modbus".to_owned(), service(true, 5020, true)),
                ("ssh".to_owned(), Service::default()),
                ("telnet".to_owned(), service(false, 2323, false)),
                ("web".to_owned(), web),
            ]),
            users: Some(vec![user(1, true, &Right::ALL), user(2, false, &[Right::Read]), user(9, false, &[])]),
            source: "simulated grid".to_owned(),
            utc_ms: NOW,
            dangers: vec![
                danger("factory password", Severity::Danger, "The password is still 0: front panel, USER1."),
                danger("Telnet", Severity::Warning, "Passwords cross the network in the clear over Telnet."),
                danger(
                    "password storage",
                    Severity::Warning,
                    "Release 4.0.9 keeps passwords readable: whoever gets at the meter's storage can read them.",
                ),
            ],
            remarks: vec!["Nom Volts is 0, so sags and swells are not recorded.".to_owned()],
            not_built: ["DNP3", "DLMS", "IEC 61850 server"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn info_for_whoever_may_read_security() {
        insta::assert_snapshot!(shown(|out| info(out, &sample_info())));
        harmless(&sample_info(), |out, sample| info(out, sample));
    }

    #[test]
    fn info_for_anyone() {
        let info_for_anyone = Info {
            factory_password: None,
            floor: None,
            users: None,
            dangers: Vec::new(),
            remarks: Vec::new(),
            ..sample_info()
        };
        insta::assert_snapshot!(shown(|out| info(out, &info_for_anyone)));
    }

    fn sample_readings() -> Readings {
        let reading = |value, unit: &str, decimals| Reading { value, unit: unit.to_owned(), decimals };
        let registers = [
            ("kW tot", reading(143.636.into(), "kW", Some(2))),
            ("kWh del", reading(1_234_567.into(), "kWh", Some(0))),
            ("PF lag tot", reading(Value::Null, "%", Some(1))),
            ("Phase Rev", reading(false.into(), "", None)),
            ("Volts Mode", reading("4W-WYE".into(), "", None)),
        ];
        Readings { registers: registers.map(|(name, reading)| (name.to_owned(), reading)).to_vec() }
    }

    #[test]
    fn readings_with_their_units() {
        insta::assert_snapshot!(shown(|out| readings(out, &sample_readings())));
        harmless(&sample_readings(), |out, sample| readings(out, sample));
        let document = readings_document(&sample_readings()).to_string();
        assert!(document.contains(r#""kW tot":{"unit":"kW","value":143.64}"#), "{document}");
    }

    #[test]
    fn what_a_change_did() {
        let changed = ChangedRegister {
            register: "Security Options 1/Mode".to_owned(),
            before: "standard".to_owned(),
            after: "advanced".to_owned(),
        };
        let remark = "The security mode has changed, so every session has ended: log in again.";
        let shown_still = "Advanced is on. Without a login there still are: modbus (read, read setup).";
        let dangers = vec![danger("without a login", Severity::Warning, shown_still)];
        let strengths = vec![api::PasswordStrength {
            account: "USER3".to_owned(),
            grade: Grade::Weak,
            bits: 13,
            best_bits: 39,
            text: "weak: 13 of the 39 bits this release allows, only the lock-out slows a guesser".to_owned(),
        }];
        let (passwords, remarks) = (vec!["USER3".to_owned()], vec![remark.to_owned()]);
        let answer = SetAnswer { changed: vec![changed], passwords, strengths, dangers, remarks };
        insta::assert_snapshot!("set_answer", shown(|out| set_answer(out, &answer)));
        harmless(&answer, |out, answer| set_answer(out, answer));
        insta::assert_snapshot!("nothing_set", shown(|out| set_answer(out, &SetAnswer::default())));
    }
}
