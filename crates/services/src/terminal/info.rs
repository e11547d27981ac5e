//! `info`: what a meter is, in lines for people.

use jiff::Timestamp;
use meter::View;
use security::{Ask, Path, Rights, Who};

use super::{Output, aligned};
use crate::faces::Faces;

/// What the meter is; security only for whoever may read it.
pub(super) fn info(view: &View, faces: &Faces, path: Path, who: Who) -> Output {
    if let Err(refusal) = view.may(path, who, Ask::Read) {
        return Output::failed(refusal);
    }
    let info = crate::info::info(view, faces, path, who);
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
    let mut text = aligned(&rows);
    text.push_str("\nServices\n");
    let services = info.services.iter().filter(|(_, service)| service.available);
    text.push_str(&aligned(&services.map(|(name, service)| service_row(name, service)).collect::<Vec<_>>()));
    if let Some(users) = &info.users {
        text.push_str("\nUsers\n");
        let user = |user: &api::User| {
            let rights: Rights = user.rights.iter().copied().collect();
            [format!("  {}", user.user), active(user.active).to_owned(), rights.to_string()]
        };
        text.push_str(&aligned(&users.iter().map(user).collect::<Vec<_>>()));
    }
    for remark in &info.remarks {
        text.push_str(&format!("\n{remark}\n"));
    }
    text.push_str(&format!("\nNot built: {}.\n", info.not_built.join(", ")));
    Output::done(text)
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
