//! The main job, as people do it: a legacy meter with users is taken to 4.40.1 and back with the real
//! binary, in each mode, and every consequence was in the plan.

use std::path::Path;

use serde_json::Value;
use system_tests::{Meter, Said, grep, has, run, secret_file, sftp, wattkeep};

/// Login and password of six users and the front panel.
const PANEL: (&str, &str) = ("8650", "70415263");
const USERS: [(&str, &str); 6] = [
    ("USER1", "k1#pQz"),
    ("USER2", "w2@mLx"),
    ("USER3", "91827364"),
    ("USER4", "v4$tRn"),
    ("USER5", "h5%cBk"),
    ("USER6", "83726154"),
];

/// A 4.0.9 meter with a front-panel password of its own and six users, in a mode.
fn legacy_meter(home: &Path, mode: &str) -> Meter {
    let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto", "--source", "grid"]);
    let factory = Some(("8650", "0"));
    let panel = secret_file(home, "panel", PANEL.1);
    meter.setup(factory, &["security", "set", "front-panel-password", "--new-password-file", &panel]).ok();
    for (user, password) in USERS {
        let file = secret_file(home, "secret", password);
        let rights =
            if user == "USER1" { "read,time-sync,demand-reset,test-mode,full-config,security-config" } else { "read" };
        let args = ["users", "set", user, "--active", "yes", "--rights", rights, "--new-password-file", &file];
        meter.setup(Some(PANEL), &args).ok();
    }
    std::fs::remove_file(panel).unwrap();
    std::fs::remove_file(home.join("secret")).unwrap();
    if mode != "standard" {
        meter.setup(Some(PANEL), &["security", "set", "mode", mode]).ok();
    }
    meter
}

/// Who may change the release in a mode.
fn operator(mode: &str) -> Option<(&'static str, &'static str)> {
    match mode {
        "standard" => Some(PANEL),
        "advanced" => Some(USERS[0]),
        _ => None,
    }
}

fn logs_in(meter: &Meter, login: (&str, &str)) -> bool {
    let mut command = meter.setup_command(None, &["users", "--json", "--user", login.0]);
    let said = run(command.env("WATTKEEP_PASSWORD", login.1));
    // 4 says that the login or a right was missing; users other than USER1 may only read.
    match said.status {
        0 => true,
        4 => !said.err.contains("wrong") && !said.err.contains("locked"),
        _ => panic!("{said:?}"),
    }
}

/// The line of a plan about something.
fn line<'a>(plan: &'a Value, kind: &str, subject: &str) -> &'a Value {
    let lines = plan["consequences"].as_array().unwrap();
    lines
        .iter()
        .find(|line| line["kind"] == kind && line["subject"] == subject)
        .unwrap_or_else(|| panic!("no {kind} line for {subject} in {plan:#}"))
}

fn planned(plan: &Value, kind: &str, subject: &str) -> String {
    line(plan, kind, subject)["after"].as_str().unwrap().to_owned()
}

fn as_planned(said: Said) -> Value {
    let done = said.ok().json();
    assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
    done
}

fn energy(meter: &Meter, login: Option<(&str, &str)>) -> f64 {
    let read = meter.setup(login, &["read", "kWh del", "--json"]).ok().json();
    read["kWh del"]["value"].as_f64().unwrap()
}

fn there_and_back(mode: &str) {
    let dir = tempfile::tempdir().unwrap();
    let meter = legacy_meter(dir.path(), mode);
    let state = dir.path().join("state");
    let login = operator(mode);
    for (user, password) in USERS.iter().chain([&PANEL]) {
        assert!(grep(&state, password), "legacy keeps {user}'s password readable");
    }

    // The plan, then the act.
    let plan = meter.setup(login, &["plan", "--to", "4.40.1", "--json"]).ok().json();
    assert_eq!((&plan["from"], &plan["to"], &plan["accepted"]), (&"4.0.9".into(), &"4.40.1".into(), &false.into()));
    assert_eq!(planned(&plan, "service", "web"), "disabled");
    assert_eq!(planned(&plan, "service", "sftp"), "enabled");
    assert_eq!(planned(&plan, "service", "ssh"), "disabled");
    for (user, _) in USERS {
        assert_eq!(planned(&plan, "account", user), "hashed");
    }
    assert_eq!(planned(&plan, "account", "front panel"), "hashed");
    let before = energy(&meter, login);
    let digest = plan["digest"].as_str().unwrap();
    let done = as_planned(meter.setup(login, &["upgrade", "--to", "4.40.1", "--accept", digest, "--json"]));
    assert_eq!(done["digest"], digest);

    // B16: no readable password is left in any file of the meter.
    for (user, password) in USERS.iter().chain([&PANEL]) {
        assert!(!grep(&state, password), "{user}'s password is still in the state");
    }
    // B15, B16, B18: who logs in, and as what.
    let (login, upgraded_mode) =
        if mode == "advanced" { (Some(USERS[0]), "advanced") } else { (Some(PANEL), "standard") };
    for user in USERS {
        assert_eq!(logs_in(&meter, user), mode == "advanced", "{}", user.0);
    }
    assert_eq!(logs_in(&meter, PANEL), mode != "advanced");
    sftp_logins(&meter, login, mode);
    let info = meter.info(login);
    assert_eq!((&info["release"], &info["mode"]), (&"4.40.1".into(), &upgraded_mode.into()));
    let services = &info["services"];
    let state_of = |service: &str| (services[service]["enabled"] == true, services[service]["listening"] == true);
    assert_eq!(state_of("web"), (false, false));
    assert_eq!(state_of("ssh"), (false, false));
    assert_eq!(state_of("sftp"), (true, true));
    assert_eq!(services["telnet"]["available"], false);
    assert!(energy(&meter, login) >= before);

    // And back.
    let plan = meter.setup(login, &["plan", "--to", "4.0.9", "--json"]).ok().json();
    for (user, _) in USERS {
        assert_eq!(planned(&plan, "account", user), "0");
        assert_eq!(line(&plan, "account", user)["severity"], "danger");
    }
    assert!(line(&plan, "account", "front panel")["text"].as_str().unwrap().contains("anyone"));
    assert_eq!(planned(&plan, "service", "telnet"), "disabled");
    assert_eq!(planned(&plan, "service", "ftp"), "disabled");
    assert_eq!(planned(&plan, "service", "web"), "enabled");
    assert_eq!(planned(&plan, "setting", "Allow Modbus Programming"), "no");
    as_planned(meter.setup(login, &["downgrade", "--to", "4.0.9", "--yes", "--json"]));

    let zero = if mode == "advanced" { ("USER1", "0") } else { ("8650", "0") };
    let info = meter.info(Some(zero));
    assert_eq!((&info["release"], &info["mode"]), (&"4.0.9".into(), &upgraded_mode.into()));
    assert_eq!(info["factory_password"], true);
    for (user, own) in USERS {
        assert_eq!(logs_in(&meter, (user, "0")), mode == "advanced", "{user}");
        assert!(!logs_in(&meter, (user, own)), "{user}");
    }
    let services = &info["services"];
    assert_eq!((&services["telnet"]["enabled"], &services["ftp"]["enabled"]), (&false.into(), &false.into()));
    let web = &services["web"];
    assert_eq!(
        [&web["enabled"], &web["listening"], &web["read"], &web["login"], &web["configure"]],
        [&Value::from(true), &true.into(), &true.into(), &true.into(), &false.into()]
    );
    assert!(energy(&meter, Some(zero)) >= before);
    let events = meter.setup(Some(zero), &["events", "--json"]).ok().out;
    assert!(events.contains("4.40.1 to 4.0.9 confirmed"), "{events}");
    assert_eq!(meter.stop(), 0);
}

/// B18: with OpenSSH's own client, under the names and passwords from before.
fn sftp_logins(meter: &Meter, login: Option<(&str, &str)>, mode: &str) {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let port = meter.port(login, "sftp");
    for (user, password) in USERS.iter().chain([&PANEL]) {
        let expected = (mode == "advanced") == user.starts_with("USER");
        let said = sftp(port, user, password, "ls\n");
        assert_eq!(said.status == 0, expected, "{user} over SFTP under {mode}: {said:?}");
    }
}

#[test]
fn b22_after_a_downgrade_ssh_and_sftp_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.40.1", "--ports", "auto"]);
    let port = meter.port(None, "sftp");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    as_planned(meter.setup(Some(("8650", "0")), &["downgrade", "--to", "4.0.9", "--yes", "--json"]));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    let services = &meter.info(None)["services"];
    assert_eq!((&services["ssh"]["available"], &services["sftp"]["available"]), (&false.into(), &false.into()));
}

#[test]
fn b23_after_a_downgrade_telnet_and_ftp_are_off_until_they_are_enabled() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.40.1", "--ports", "auto"]);
    as_planned(meter.setup(Some(("8650", "0")), &["downgrade", "--to", "4.0.9", "--yes", "--json"]));
    let services = meter.info(None)["services"].clone();
    assert_eq!((&services["telnet"]["enabled"], &services["ftp"]["enabled"]), (&false.into(), &false.into()));
    let port = u16::try_from(services["telnet"]["port"].as_u64().unwrap()).unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    meter.setup(Some(("8650", "0")), &["set", "Telnet", "yes"]).ok();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

#[test]
fn b15_b18_b20_there_and_back_under_standard() {
    there_and_back("standard");
}

#[test]
fn b16_b18_b20_there_and_back_under_advanced() {
    there_and_back("advanced");
}

#[test]
fn b10_there_and_back_from_no_security() {
    there_and_back("none");
}

#[test]
fn b25_without_a_terminal_and_without_yes_nothing_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    for (command, to, words) in [
        ("upgrade", "4.0.9", "the meter already has release 4.0.9"),
        ("plan", "4.0.9", "the meter already has release 4.0.9"),
        ("downgrade", "4.40.1", "use `setup METER upgrade`"),
    ] {
        let refused = meter.setup(factory, &[command, "--to", to]);
        assert!(refused.status == 2 && refused.err.contains(words), "{refused:?}");
    }
    let packages = || meter.setup(factory, &["packages", "--json"]).ok().json()["packages"].clone();
    assert_eq!(packages(), serde_json::json!([]), "what is refused as a usage error has not been sent");
    let said = meter.setup(factory, &["upgrade", "--to", "4.40.1"]);
    assert_eq!(said.status, 6, "{said:?}");
    let stale = meter.setup(factory, &["upgrade", "--to", "4.40.1", "--accept", &format!("sha256:{}", "0".repeat(64))]);
    assert_eq!(stale.status, 6, "{stale:?}");
    assert_eq!(meter.info(None)["release"], "4.0.9");
    let none = meter.setup(factory, &["packages", "drop", "nothing.upg"]);
    assert!(none.status == 1 && none.err.contains("`packages` shows"), "{none:?}");
    meter.setup(factory, &["packages", "drop", "4.40.1"]).ok();
    assert_eq!(packages(), serde_json::json!([]), "dropped by its release");
}

#[test]
fn b21_new_passwords_are_there_before_any_face_but_setup_opens() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.40.1", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    let new = secret_file(dir.path(), "new", "8650: 24681\nUSER1: fresh1\n");
    let args = ["downgrade", "--to", "4.0.9", "--yes", "--new-passwords", &new, "--json"];
    let done = as_planned(meter.setup(factory, &args));
    assert_eq!(planned(&done, "account", "front panel"), "new password");
    assert!(!logs_in(&meter, ("8650", "0")));
    assert!(logs_in(&meter, ("8650", "24681")));
}

#[test]
fn b26_a_meter_killed_in_the_middle_comes_up_whole_and_its_energy_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    let mut seen = 0.0;
    let mut releases = std::collections::BTreeSet::new();
    // Twelve cuts, and more where a slow machine has confirmed none of the changes by then.
    for round in 0..60 {
        if round >= 12 && releases.len() == 2 {
            break;
        }
        let release = meter.info(None)["release"].as_str().unwrap().to_owned();
        let energy = energy(&meter, None);
        assert!(energy >= seen, "round {round}: {energy} kWh after {seen}");
        seen = energy;
        let (verb, to) = if release == "4.0.9" { ("upgrade", "4.40.1") } else { ("downgrade", "4.0.9") };
        releases.insert(release);
        let mut change = meter.setup_command(factory, &[verb, "--to", to, "--yes", "--json"]);
        let mut change =
            change.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        // The moment moves from round to round: by so many polls of the meter's own Setup. A trial takes two seconds.
        for _ in 0..6 * round {
            let _ = meter.setup(None, &["read", "kWh del", "--json"]);
        }
        meter.kill();
        meter = Meter::start(dir.path(), &[]);
        // Setup learns there what has become of it.
        change.wait().unwrap();
        let up = meter.info(factory);
        assert!(["4.0.9", "4.40.1"].contains(&up["release"].as_str().unwrap()), "{up:#}");
    }
    assert_eq!(releases.len(), 2, "some changes were confirmed before the cut and some not: {releases:?}");
}

#[test]
fn an_existing_meter_is_ready_and_a_second_process_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let second = Meter::try_start(dir.path(), &["--ports", "auto"]).err().unwrap();
    assert_eq!(second.status, 1);
    assert!(second.err.contains("in use by another wattkeep process"), "{second:?}");
    assert_eq!(meter.stop(), 0);
    let wrong = Meter::try_start(dir.path(), &["--release", "4.0.9"]).err().unwrap();
    assert!(wrong.err.contains("this meter has release 4.40.1, not 4.0.9"), "{wrong:?}");
    Meter::start(dir.path(), &[]);
}

#[test]
fn b25_rehearse_needs_no_meter_and_says_what_the_act_will() {
    let dir = tempfile::tempdir().unwrap();
    let up = run(wattkeep(dir.path()).args(["rehearse", "--json"])).ok().json();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "standard", "--bind", "127.0.0.9"]);
    let plan = meter.setup_command(Some(("8650", "0")), &["plan", "--to", "4.40.1", "--json"]);
    let mut plan_command = wattkeep(dir.path());
    plan_command.arg("setup").arg("127.0.0.9:7700").args(plan.get_args().skip(2)).env("WATTKEEP_PASSWORD", "0");
    let plan = run(&mut plan_command).ok().json();
    assert_eq!(plan["consequences"], up["consequences"], "a factory meter's plan is the rehearsal's");
    assert_eq!(plan["digest"], up["digest"]);
}
