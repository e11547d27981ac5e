//! After a downgrade (B20 to B24): what was kept, what is 0, what is closed; then each closed thing turned on again
//! by Setup and used, by real clients.

use serde_json::Value;
use system_tests::faces::{self, Login, Telnet, Wish, has_clients, lets_in, new_password, port, service};
use system_tests::{Meter, run, secret_file};

const PANEL: Login<'_> = ("8650", "70415263");
const OWNER: Login<'_> = ("USER1", "k1#pQz");
const READER: Login<'_> = ("USER2", "w2@mLx");
const GONE: Login<'_> = ("USER3", "x3!mLx");
const ZERO: Login<'_> = ("USER1", "0");
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laptop, Nord depot\n";

/// A 4.40.1 meter under Advanced: three users, one of them inactive again, a key, settings of its own, all faces open.
fn meter(home: &std::path::Path) -> Meter {
    let meter = Meter::start(home, &["--release", "4.40.1", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    let rights = "read,time-sync,demand-reset,test-mode,full-config,security-config";
    let user = |name, rights| ["users", "set", name, "--active", "yes", "--rights", rights];
    new_password(&meter, factory, &user("USER1", rights), OWNER.1).ok();
    new_password(&meter, factory, &user("USER2", "read,demand-reset"), READER.1).ok();
    new_password(&meter, factory, &user("USER3", "read"), GONE.1).ok();
    meter.setup(factory, &["users", "set", "USER3", "--active", "no"]).ok();
    new_password(&meter, factory, &["security", "set", "front-panel-password"], PANEL.1).ok();
    meter.setup(Some(PANEL), &["security", "set", "mode", "advanced"]).ok();
    let key = secret_file(home, "laptop.pub", KEY);
    meter.setup(Some(OWNER), &["users", "keys", "USER1", "add", &key]).ok();
    for (register, value) in [
        ("Invalid Attempts", "7"),
        ("Lock-out Minutes", "33"),
        ("Allow Modbus Programming", "yes"),
        ("SSH", "yes"),
        ("CT Prim", "600"),
    ] {
        meter.setup(Some(OWNER), &["set", register, value]).ok();
    }
    meter
}

fn downgraded(meter: &Meter, login: Login<'_>, more: &[&str]) -> Value {
    let args: Vec<&str> = ["downgrade", "--to", "4.0.9", "--yes", "--json"].iter().chain(more).copied().collect();
    let done = meter.setup(Some(login), &args).ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    done
}

fn line<'a>(plan: &'a Value, subject: &str) -> &'a Value {
    let lines = plan["consequences"].as_array().unwrap();
    lines.iter().find(|line| line["subject"] == subject).unwrap_or_else(|| panic!("{subject} isn't in {plan:#}"))
}

fn value(meter: &Meter, login: Login<'_>, register: &str) -> Value {
    meter.setup(Some(login), &["read", register, "--json"]).ok().json()[register]["value"].clone()
}

#[test]
fn b20_b21_b22_b23_b24_after_a_downgrade() {
    if !has_clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = meter(dir.path());
    let before = meter.info(Some(OWNER));
    let ssh = port(&before, "ssh");
    assert!(lets_in(&meter, &before, "ssh", OWNER) && lets_in(&meter, &before, "sftp", READER));
    let done = downgraded(&meter, OWNER, &[]);

    // B20: mode, users, rights and settings are kept; the key is dropped, which is a line of the plan.
    let info = meter.info(Some(ZERO));
    assert_eq!((&info["release"], &info["mode"]), (&"4.0.9".into(), &"advanced".into()));
    for (before, after) in before["users"].as_array().unwrap().iter().zip(info["users"].as_array().unwrap()) {
        for key in ["user", "active", "rights"] {
            assert_eq!(before[key], after[key]);
        }
        assert_eq!((&after["factory_password"], &after["ssh_keys"]), (&true.into(), &Value::Null), "{after}");
    }
    for (register, kept) in [("Invalid Attempts", 7), ("Lock-out Minutes", 33), ("CT Prim", 600)] {
        assert_eq!(value(&meter, ZERO, register), kept, "{register}");
    }
    assert_eq!(line(&done, "USER1 SSH keys")["after"], "deleted");

    // B21: every password is 0, each a danger of the plan; how they are kept from now on is a warning of it.
    for account in ["front panel", "USER1", "USER2", "USER3"] {
        let line = line(&done, account);
        assert_eq!((&line["after"], &line["severity"]), (&"0".into(), &"danger".into()), "{account}");
    }
    let storage = line(&done, "password storage");
    assert_eq!((&storage["after"], &storage["severity"]), (&"readable".into(), &"warning".into()));
    for (login, zero) in [(OWNER, true), (READER, true), (GONE, false)] {
        for face in ["setup", "web"] {
            assert!(!lets_in(&meter, &info, face, login), "{face}: {}'s old password is gone", login.0);
            assert_eq!(lets_in(&meter, &info, face, (login.0, "0")), zero, "{face}: {}", login.0);
        }
    }

    // B22, B23: nothing listens that shouldn't.
    for face in ["ssh", "sftp"] {
        assert_eq!(service(&info, face)["available"], false, "{face}");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", ssh)).is_err());
    for face in ["telnet", "ftp"] {
        let service = service(&info, face);
        assert_eq!((&service["available"], &service["enabled"]), (&true.into(), &false.into()), "{face}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port(&info, face))).is_err(), "{face}");
    }
    let refused = faces::modbus(port(&info, "modbus"), Wish(701));
    assert!(refused.read && !refused.write, "Modbus programming is off, whatever it was");

    telnet_again(&meter);
    ftp_again(&meter);
    web_configuration_again(&meter);

    // What was dropped stays dropped.
    meter.setup(Some(ZERO), &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    let keys = meter.setup(Some(ZERO), &["users", "keys", "USER1", "list", "--json"]).ok().json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 0);
    assert_eq!(meter.stop(), 0);
}

/// B23: enabled by Setup, and used.
fn telnet_again(meter: &Meter) {
    meter.setup(Some(ZERO), &["set", "Telnet", "yes"]).ok();
    let telnet = port(&meter.info(Some(ZERO)), "telnet");
    assert!(Telnet::log_in(telnet, OWNER).is_none());
    let mut terminal = Telnet::log_in(telnet, ZERO).expect("USER1 logs in with 0");
    assert!(terminal.command("set \"CT Prim\" 702").contains("-> 702"));
    assert_eq!(value(meter, ZERO, "CT Prim"), 702);
    let got = faces::telnet(telnet, ("USER2", "0"), Wish(703)).expect("USER2 logs in with 0");
    assert!(got.read && !got.write, "USER2 has Read and no Full Meter Config, as before");
    assert!(Telnet::log_in(telnet, ("USER3", "0")).is_none(), "USER3 is inactive, as before");
}

/// B23: enabled by Setup, and used.
fn ftp_again(meter: &Meter) {
    meter.setup(Some(ZERO), &["set", "FTP", "yes"]).ok();
    let info = meter.info(Some(ZERO));
    let ftp = |login| faces::ftp(port(&info, "ftp"), login);
    assert_eq!(ftp(OWNER), None);
    let (owner, reader) = (ftp(ZERO).expect("USER1"), ftp(("USER2", "0")).expect("USER2"));
    assert!(owner.read && owner.write && reader.read && !reader.write, "{owner:?} {reader:?}");
}

/// B24: the pages take a login and can't change set-up, until Setup lets them.
fn web_configuration_again(meter: &Meter) {
    let info = meter.info(Some(ZERO));
    let web = port(&info, "web");
    let states = ["enabled", "listening", "read", "login", "configure"].map(|key| service(&info, "web")[key] == true);
    assert_eq!(states, [true, true, true, true, false]);
    assert_eq!(faces::page(web, None, "/Operation.html", &[]).0, 401);
    let got = faces::web(web, Some(ZERO), Wish(704));
    assert!(got.read && !got.write);
    let said = meter.setup(Some(ZERO), &["security", "set", "Web Server Configuration Access", "yes", "--json"]).ok();
    assert_eq!(said.json()["dangers"][0]["subject"], "Web Server Configuration Access");
    assert!(faces::web(web, Some(ZERO), Wish(705)).write);
    assert_eq!(value(meter, ZERO, "CT Prim"), 705);
    assert!(!faces::web(web, Some(("USER2", "0")), Wish(706)).write);
    meter.setup(Some(ZERO), &["security", "set", "Web Access Read", "no"]).ok();
    assert_eq!(faces::page(web, Some(ZERO), "/Operation.html", &[]).0, 403);
}

#[test]
fn b21_new_passwords_are_the_ones_that_open_every_face_afterwards() {
    if !has_clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = meter(dir.path());
    let file = secret_file(dir.path(), "new", "8650: 24681\nUSER1: fresh1\nUSER2: fresh2\n");
    let done = downgraded(&meter, OWNER, &["--new-passwords", &file]);
    assert_eq!(line(&done, "USER1")["after"], "new password");
    let owner = ("USER1", "fresh1");
    for service in ["Telnet", "FTP"] {
        meter.setup(Some(owner), &["set", service, "yes"]).ok();
    }
    let info = meter.info(Some(owner));
    for face in ["setup", "web", "telnet", "ftp"] {
        for (login, in_) in [(owner, true), (("USER2", "fresh2"), true), (ZERO, false), (OWNER, false)] {
            assert_eq!(lets_in(&meter, &info, face, login), in_, "{face}: {login:?}");
        }
    }
    let text = run(&mut meter.setup_command(Some(owner), &["info"])).ok().out;
    assert!(!text.contains("still 0"), "no live account has 0: {text}");
}
