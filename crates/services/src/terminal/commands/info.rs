//! `info`: what a meter is, in lines for people.

use jiff::Timestamp;
use security::{Ask, Rights};

use crate::terminal::plain::{hanging, table};
use crate::terminal::{Desk, Failed};

/// What the meter is; security only for whoever may read it.
pub(in crate::terminal) fn info(desk: &Desk, columns: Option<usize>) -> Result<String, Failed> {
    let view = desk.view();
    desk.may(&view, Ask::Read)?;
    let room = columns.unwrap_or(usize::MAX);
    let info = crate::info::info(&view, &desk.site.faces.borrow(), desk.path, desk.who());
    let time = Timestamp::from_millisecond(info.utc_ms).map_or_else(|_| "-".to_owned(), |time| format!("{time:.0}"));
    let mut rows = vec![
        row("Serial number", &info.serial),
        row("Type", &format!("{} ({})", info.model, info.device_type)),
        row("Release", &info.release.to_string()),
        row("Security mode", info.mode.name()),
        row("Source", &info.source),
        row("Time (UTC)", &time),
    ];
    rows.extend(info.factory_password.map(|factory| row("Factory password", yes_no(factory))));
    let mut text = table(&rows, room);
    text.push_str("\nServices\n");
    let services = info.services.iter().filter(|(_, service)| service.available);
    text.push_str(&table(&services.map(|(name, service)| service_row(name, service)).collect::<Vec<_>>(), room));
    if let Some(users) = &info.users {
        text.push_str("\nUsers\n");
        let user = |user: &api::User| {
            let rights: Rights = user.rights.iter().copied().collect();
            [format!("  {}", user.user), active(user.active).to_owned(), rights.to_string()]
        };
        text.push_str(&table(&users.iter().map(user).collect::<Vec<_>>(), room));
    }
    for danger in &info.dangers {
        text.push('\n');
        text.push_str(&hanging("", &format!("{}: {}", danger.severity, danger.text), room));
    }
    for remark in &info.remarks {
        text.push('\n');
        text.push_str(&hanging("", remark, room));
    }
    text.push('\n');
    text.push_str(&hanging("", &format!("Not built: {}.", info.not_built.join(", ")), room));
    Ok(text)
}

fn row(name: &str, value: &str) -> [String; 2] {
    [name.to_owned(), value.to_owned()]
}

fn service_row(name: &str, service: &api::Service) -> [String; 3] {
    let port = service.port.map(|port| format!("port {port}")).unwrap_or_default();
    let state = match (service.enabled, service.listening, &service.why) {
        (false, ..) => "off".to_owned(),
        (true, Some(true), _) => "on".to_owned(),
        (true, _, Some(why)) => format!("on, not listening: {why}"),
        (true, _, None) => "on, not listening".to_owned(),
    };
    [format!("  {name}"), port, state]
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn active(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}
