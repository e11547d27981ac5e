//! What Setup reads: info, registers, users, security, events, connections, the template. Reads go
//! through the view and cost no lock; only events and the template ask the gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use firmware::WithSecurity;
use framework::network::Output;
use framework::{RegisterName, TemplateError, Value};
use meter::{EventEntry, View};
use security::{AccountId, Ask, CredentialKind, Path, Right, Who};
use serde_json::Value as Plain;

use super::Connection;
use super::asked::{Asker, Queried};
use super::refused::Refused;
use crate::info;

/// Events in one answer, unless fewer are asked for.
const EVENTS: usize = 100;
/// Events in one answer at most: some hundred kilobytes.
const MOST_EVENTS: u64 = 500;

pub(super) async fn info(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Info>, Refused> {
    let view = connection.site.view();
    view.may(Path::Setup, caller.who, Ask::Read)?;
    let faces = connection.site.faces.borrow().clone();
    let mut info = info::info(&view, &faces, Path::Setup, caller.who);
    let moving = connection.site.gate.moving(connection.site.now(), &caller);
    info.remarks.extend(moving.ok().flatten().map(|moving| format!("{moving}.")));
    Ok(Json(info))
}

/// Registers: those that are asked for, or all that the caller may read.
pub(super) async fn registers(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Readings>, Refused> {
    let view = connection.site.view();
    let who = caller.who;
    let mut registers = Vec::new();
    for typed in asked.all("register") {
        registers.push((typed.to_owned(), pick(&view, who, typed)?));
    }
    if registers.is_empty() {
        view.may(Path::Setup, who, Ask::Read)?;
        registers = outputs(&view);
        registers.extend(setup(&view, who));
    }
    Ok(Json(api::Readings { registers }))
}

/// The one register that somebody means: a reading before a set-up register.
fn pick(view: &View, who: Who, typed: &str) -> Result<api::Reading, Refused> {
    view.may(Path::Setup, who, Ask::Read)?;
    let found = view.readings.directory.find(typed);
    match found {
        Ok(position) => {
            let output = &view.readings.directory.outputs()[position];
            Ok(reading(output, view.readings.value(position)))
        }
        Err(TemplateError::NoSuchRegister(_)) => {
            let name = view.settings.template.find(typed).map_err(meter::GateError::from)?;
            let missing = || meter::GateError::from(TemplateError::NoSuchRegister(name.to_string()));
            let register = name.describe().ok_or_else(missing)?;
            view.may(Path::Setup, who, ask(register.right))?;
            let value = view.settings.template.get(&name).ok_or_else(missing)?;
            Ok(setting(value, register.unit))
        }
        Err(error) => Err(meter::GateError::from(error).into()),
    }
}

/// Every reading, by its label, or by its full name where two share a label.
fn outputs(view: &View) -> Vec<(String, api::Reading)> {
    let outputs = view.readings.directory.outputs();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    for output in outputs {
        *labels.entry(output.label.to_lowercase()).or_default() += 1;
    }
    let name = |output: &Output| match labels.get(&output.label.to_lowercase()) {
        Some(1) => output.label.clone(),
        _ => output.name.to_string(),
    };
    let positions = outputs.iter().enumerate();
    positions.map(|(at, output)| (name(output), reading(output, view.readings.value(at)))).collect()
}

/// Every set-up register that somebody may read.
fn setup(view: &View, who: Who) -> Vec<(String, api::Reading)> {
    let may = |ask| view.may(Path::Setup, who, ask).is_ok();
    let (setup, security) = (may(Ask::ReadSetup), may(Ask::ReadSecurity));
    view.settings
        .template
        .registers()
        .filter(|(_, register, _)| if ask(register.right) == Ask::ReadSecurity { security } else { setup })
        .map(|(name, register, value): (RegisterName, _, _)| (name.to_string(), setting(value, register.unit)))
        .collect()
}

/// What reading a set-up register takes: security's own are for whoever may read security.
fn ask(right: Right) -> Ask {
    if right == Right::SecurityConfig { Ask::ReadSecurity } else { Ask::ReadSetup }
}

fn reading(output: &Output, value: Option<f64>) -> api::Reading {
    api::Reading {
        value: value.map_or(Plain::Null, Plain::from),
        unit: output.unit.to_owned(),
        decimals: Some(output.decimals),
    }
}

fn setting(value: &Value, unit: &str) -> api::Reading {
    // A whole number is one in JSON too, as in a template file.
    let value = serde_json::to_value(value).unwrap_or(Plain::Null);
    api::Reading { value, unit: unit.to_owned(), decimals: None }
}

pub(super) async fn users(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<Vec<api::User>>, Refused> {
    connection.may(caller, Ask::ReadSecurity).await?;
    Ok(Json(info::users(&connection.site.view())))
}

pub(super) async fn security(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Security>, Refused> {
    connection.may(caller, Ask::ReadSecurity).await?;
    let view = connection.site.view();
    let settings = &view.settings;
    let module = settings.template.modules.get(&framework::modules::security_options::module());
    let options = module.into_iter().flat_map(|module| &module.setup);
    Ok(Json(api::Security {
        mode: settings.mode(),
        front_panel_factory_password: settings.credential(AccountId::FrontPanel) == CredentialKind::Factory,
        options: options.map(|(register, value)| (register.clone(), value.to_string())).collect(),
        users: info::users(&view),
        ssh_keys: info::ssh_keys(&view, None),
        access: info::access(&view),
    }))
}

/// A page of events: from a number on, or the newest.
pub(super) async fn events(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Events>, Refused> {
    // At most MOST_EVENTS, so it fits; and at least one, so that whoever reads on gets on.
    let limit = asked.number("limit")?.map_or(EVENTS, |limit| limit.clamp(1, MOST_EVENTS) as usize);
    let from = asked.number("from")?;
    let page = move |site: &crate::Site| {
        let from = match from {
            Some(from) => from,
            None => site.gate.next_event()?.saturating_sub(limit as u64),
        };
        Ok((from, site.gate.events(&caller, from, limit)?))
    };
    let (from, entries) = connection.gate(page).await?;
    let next = entries.last().map_or(from, |last| last.number + 1);
    Ok(Json(api::Events { events: entries.into_iter().map(event).collect(), next }))
}

fn event(entry: EventEntry) -> api::Event {
    let EventEntry { number, utc_ms, priority, user, path, cause, effect } = entry;
    api::Event { number, utc_ms, priority, user, path, cause, effect }
}

/// The template, as the file it is.
pub(super) async fn template(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Response, Refused> {
    let with = if asked.flag("security")? { WithSecurity::Yes } else { WithSecurity::No };
    let file = connection.gate(move |site| site.gate.template(site.now(), &caller, with)).await?;
    Ok(([(header::CONTENT_TYPE, api::routes::TEMPLATE_TYPE)], file.to_text()).into_response())
}
