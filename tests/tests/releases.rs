//! The table of the releases in the manual (`docs/releases.md`), held against living meters: each row that has a face here
//! is tried with a client of its kind, on meters as shipped and after a change, from one that was as shipped and from one
//! with every switch the other way. The front panel has none; mode and users' passwords are as `info` says them.

#[path = "../../crates/firmware/tests/releases/table.rs"]
mod table;

use firmware::{Release, Settings};
use framework::Value as Setting;
use framework::modules::security_options::Service;
use serde_json::Value;
use system_tests::faces::{self, Login, Wish, has_clients, lets_in, new_password, port, service};
use system_tests::keyboard::typed;
use system_tests::{Meter, has, sftp};

use table::{Column, NONE, Row, columns, factory, opposite, option, shipped};

const ZERO: Login<'_> = ("8650", "0");

/// Sets every switch that two settings differ in.
fn bring(meter: &Meter, login: Login<'_>, release: &Release, from: &Settings, to: &Settings) {
    for register in release.security_options.keys() {
        let value = |settings: &Settings| settings.template.get(&option(register)).cloned();
        if let (true, Some(Setting::Flag(on))) = (value(from) != value(to), value(to)) {
            meter.setup(Some(login), &["security", "set", register, if on { "yes" } else { "no" }]).ok();
        }
    }
}

/// Holds a meter against one of the four states.
fn compare(meter: &Meter, login: Login<'_>, column: &Column, settings: &Settings) {
    let info = meter.info(Some(login));
    assert_eq!(info["release"], column.release.release.to_string());
    for row in Row::all() {
        let Some(found) = found(meter, login, &info, row) else { continue };
        let expected = match row {
            // The front-panel password of the meter at hand.
            Row::PanelPassword => if login.1 == "0" { "0" } else { "own" }.to_owned(),
            _ => row.state(settings, &column.release),
        };
        assert_eq!(found, expected, "{}: {}", column.title, row.title());
    }
}

/// How a row is found to be, by a client; nothing where it can't be tried in this state.
fn found(meter: &Meter, login: Login<'_>, info: &Value, row: Row) -> Option<String> {
    let yes = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
    let web = service(info, "web")["enabled"] == true;
    match row {
        Row::Service(service) => {
            let name = service.name();
            let available = faces::service(info, name)["available"] == true;
            let used = available && uses(meter, login, info, service);
            Some(
                if used {
                    "on"
                } else if available {
                    "off"
                } else {
                    NONE
                }
                .to_owned(),
            )
        }
        // With the factory password nothing but the switch stands in its way; what a password of one's own does is tried
        // on meters as shipped.
        Row::ModbusProgramming if service(info, "modbus")["enabled"] == true && login.1 == "0" => {
            yes(faces::modbus(port(info, "modbus"), Wish(801)).write)
        }
        Row::WebRead if web => yes(faces::page(port(info, "web"), Some(login), "/Operation.html", &[]).0 == 200),
        Row::WebLogin if web => yes(faces::page(port(info, "web"), None, "/Operation.html", &[]).0 != 200),
        Row::WebConfiguration if web => yes(faces::web(port(info, "web"), Some(login), Wish(802)).write),
        Row::Mode => info["mode"].as_str().map(str::to_owned),
        Row::PanelPassword => {
            lets_in(meter, info, "setup", login).then(|| if login.1 == "0" { "0" } else { "own" }.to_owned())
        }
        Row::UserPasswords => {
            let users = info["users"].as_array().unwrap();
            Some(if users[0]["factory_password"] == true { "0" } else { "own" }.to_owned())
        }
        // What has no face to try it at, or is off.
        _ => None,
    }
}

fn web_is_read_only(info: &Value) -> bool {
    service(info, "web")["login"] == false
}

/// A session on the legacy terminal: the network settings, and out.
const TERMINAL: &str = r#"
must "login: "
send "LOGIN\r"
must "password: "
send "SECRET\r"
must "choice: "
send "1"
must "Telnet   LOGIN"
must "choice: "
send "x"
leaves
"#;

fn clients() -> bool {
    has_clients() && ["telnet", "expect"].into_iter().all(has)
}

/// Whether a client of its kind can use a service.
fn uses(meter: &Meter, login: Login<'_>, info: &Value, service: Service) -> bool {
    let port = port(info, service.name());
    match service {
        Service::Setup => meter.setup(Some(login), &["users"]).status == 0,
        Service::Ssh => faces::ssh(port, login, &["info"]).status == 0,
        Service::Sftp => sftp(port, login.0, login.1, "ls\n").status == 0,
        Service::Telnet => {
            let script = TERMINAL.replace("LOGIN", login.0).replace("SECRET", login.1);
            typed(&meter.home, &script, &["telnet", "127.0.0.1", &port.to_string()]).status == 0
        }
        Service::Ftp => faces::ftp(port, login).is_some(),
        Service::Modbus => faces::modbus(port, Wish(804)).read,
        Service::Web => faces::page(port, Some(login), "/Operation.html", &[]).0 != 0,
    }
}

#[test]
fn b11_meters_as_shipped_are_the_tables() {
    if !clients() {
        return;
    }
    for column in columns().iter().filter(|column| column.from.is_none()) {
        let dir = tempfile::tempdir().unwrap();
        let meter = Meter::start(dir.path(), &["--release", &column.release.release.to_string(), "--ports", "auto"]);
        compare(&meter, ZERO, column, &column.meters[0]);

        // Of one's own: it shuts Modbus on the legacy release, whatever the switch says.
        let own = ("8650", "24681");
        new_password(&meter, Some(ZERO), &["security", "set", "front-panel-password"], own.1).ok();
        meter.setup(Some(own), &["security", "set", "Allow Modbus Programming", "yes"]).ok();
        let port = port(&meter.info(Some(own)), "modbus");
        let writes = faces::modbus(port, Wish(806)).write;
        assert_eq!(writes, !column.release.has(Service::Telnet), "{}: Modbus: may write", column.title);
    }
}

/// After a change, from either kind of meter: as the table says; and what is off can be turned on and used.
fn after_a_change(verb: &str, from: &Release, before: &Settings, meter_at: usize, own: Option<&str>) {
    if !clients() {
        return;
    }
    let all = columns();
    let column = all.iter().find(|column| column.from.as_ref() == Some(from)).unwrap();
    let to = column.release.release.to_string();
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", &from.release.to_string(), "--ports", "auto"]);
    bring(&meter, ZERO, from, &factory(from), before);
    let mut login = ZERO;
    if let Some(own) = own {
        new_password(&meter, Some(login), &["security", "set", "front-panel-password"], own).ok();
        login = ("8650", own);
    }
    let done = meter.setup(Some(login), &[verb, "--to", &to, "--yes", "--json"]).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    if column.cell(Row::PanelPassword).starts_with('0') {
        login = ZERO;
    }
    compare(&meter, login, column, &column.meters[meter_at]);

    // What is off is so by its switch alone.
    let mut info = meter.info(Some(login));
    for service in Service::ALL {
        let state = faces::service(&info, service.name());
        if state["available"] == true && state["enabled"] == false {
            meter.setup(Some(login), &["set", service.switch(), "yes"]).ok();
        }
    }
    info = meter.info(Some(login));
    for service in Service::ALL.into_iter().filter(|service| column.release.has(*service)) {
        assert!(uses(&meter, login, &info, service), "{} used", service.title());
    }
    if web_is_read_only(&info) {
        let page = port(&info, "web");
        assert_eq!(faces::page(page, None, "/Operation.html", &[]).0, 200, "B13: the pages ask for no password");
        assert!(!faces::web(page, Some(login), Wish(805)).write, "B14: they change nothing");
    }
}

#[test]
fn b12_b15_b17_after_an_upgrade_of_a_meter_as_shipped() {
    let old = shipped().remove(0);
    after_a_change("upgrade", &old, &factory(&old), 0, None);
}

#[test]
fn b12_b15_b17_after_an_upgrade_whatever_was_on() {
    let old = shipped().remove(0);
    after_a_change("upgrade", &old, &opposite(&old), 1, Some("24681"));
}

#[test]
fn b20_to_b24_after_a_downgrade_of_a_meter_as_shipped() {
    let new = shipped().remove(1);
    after_a_change("downgrade", &new, &factory(&new), 0, None);
}

#[test]
fn b20_to_b24_after_a_downgrade_whatever_was_on() {
    let new = shipped().remove(1);
    after_a_change("downgrade", &new, &opposite(&new), 1, Some("24681"));
}
