//! More than one step: back and there again with users changed in between, and through a release that exists
//! only as data. After each step every account is tried at real faces, against what the plan said (B25).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use system_tests::faces::{Login, has_clients, lets_in, new_password, service};
use system_tests::{Meter, grep, run, secret_file, wattkeep};

const PANEL: &str = "70415263";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laptop, Nord depot\n";

/// A meter under Advanced, and what everybody's password should be.
struct World {
    meter: Meter,
    /// By account: `front panel`, `USER1`.
    passwords: BTreeMap<String, String>,
    /// Whoever is active.
    active: Vec<String>,
    /// Every password that was ever anybody's.
    ever: Vec<String>,
    energy: f64,
    events: u64,
}

impl World {
    fn new(home: &Path, args: &[&str]) -> Self {
        let args: Vec<&str> = ["--release", "4.0.9", "--ports", "auto"].iter().chain(args).copied().collect();
        let meter = Meter::start(home, &args);
        let zero = Some(("8650", "0"));
        new_password(&meter, zero, &["security", "set", "front-panel-password"], PANEL).ok();
        let panel = Some(("8650", PANEL));
        let mut world = Self {
            meter,
            passwords: [("front panel".to_owned(), PANEL.to_owned())].into(),
            active: Vec::new(),
            ever: vec![PANEL.to_owned()],
            energy: 0.0,
            events: 0,
        };
        let rights = "read,time-sync,demand-reset,test-mode,full-config,security-config";
        world.set(panel, "USER1", "k1#pQz", &["--active", "yes", "--rights", rights]);
        world.set(panel, "USER2", "w2@mLx", &["--active", "yes", "--rights", "read"]);
        world.meter.setup(panel, &["security", "set", "mode", "advanced"]).ok();
        world
    }

    /// A user with a new password.
    fn set(&mut self, login: Option<Login<'_>>, user: &str, password: &str, more: &[&str]) {
        let args: Vec<&str> = ["users", "set", user].iter().chain(more).copied().collect();
        new_password(&self.meter, login, &args, password).ok();
        self.passwords.insert(user.to_owned(), password.to_owned());
        self.ever.push(password.to_owned());
        if !self.active.contains(&user.to_owned()) {
            self.active.push(user.to_owned());
        }
    }

    fn owner(&self) -> (String, String) {
        ("USER1".to_owned(), self.passwords["USER1"].clone())
    }

    fn as_owner(&self, args: &[&str]) -> system_tests::Said {
        let (user, password) = self.owner();
        self.meter.setup(Some((&user, &password)), args)
    }

    /// A change of release: planned, done as planned, and found to be so.
    fn change(&mut self, verb: &str, to: &str) -> Value {
        let plan = self.as_owner(&["plan", "--to", to, "--json"]).ok().json();
        let digest = plan["digest"].as_str().unwrap();
        let done = self.as_owner(&[verb, "--to", to, "--accept", digest, "--json"]).ok().json();
        assert_eq!(done["report"]["as_planned"], true, "{:#}", done["report"]);
        assert_eq!(done["consequences"], plan["consequences"]);
        for line in plan["consequences"].as_array().unwrap().iter().filter(|line| line["kind"] == "account") {
            let account = line["subject"].as_str().unwrap();
            if line["after"] == "0" {
                self.passwords.insert(account.to_owned(), "0".to_owned());
            }
        }
        self.find(&plan);
        plan
    }

    /// Every account at every face that is open, energy, events, and what lies in the storage.
    fn find(&mut self, plan: &Value) {
        let (user, password) = self.owner();
        let info = self.meter.info(Some((&user, &password)));
        assert_eq!(info["release"], plan["to"]);
        for face in ["setup", "web", "telnet", "ftp", "ssh", "sftp"] {
            let open = service(&info, face);
            if open["available"] != true || open["enabled"] != true {
                continue;
            }
            // The 4.40.1 pages take no login.
            if face == "web" && open["login"] == false {
                continue;
            }
            for (account, password) in self.passwords.iter().filter(|(account, _)| account.starts_with("USER")) {
                let expected = self.active.contains(account);
                let got = lets_in(&self.meter, &info, face, (account, password));
                assert_eq!(got, expected, "{account} at {face} of {}", info["release"]);
            }
        }
        let energy = self.as_owner(&["read", "kWh del", "--json"]).ok().json()["kWh del"]["value"].as_f64().unwrap();
        assert!(energy >= self.energy, "{energy} kWh after {}", self.energy);
        let events = self.as_owner(&["events", "--json", "--limit", "1"]).ok().json();
        let newest = events["events"][0]["number"].as_u64().unwrap_or_else(|| panic!("{events:#}"));
        assert!(newest > self.events, "event {newest} after {}", self.events);
        (self.energy, self.events) = (energy, newest);
        let hashed = plan["consequences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|line| line["subject"] == "password storage" && line["after"] == "hashed");
        for password in self.ever.iter().filter(|_| hashed) {
            assert!(!grep(&self.meter.home.join("state"), password), "{password} is readable after {}", plan["to"]);
        }
    }
}

#[test]
fn b16_b21_b25_there_and_back_and_there_again_with_users_changed_in_between() {
    if !has_clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), &[]);
    world.change("upgrade", "4.40.1");

    // A new user, another password, other rights, one deactivated, a key.
    world.as_owner(&["set", "SSH", "yes"]).ok();
    let (user, password) = world.owner();
    world.set(Some((&user, &password)), "USER5", "h5%cBk", &["--active", "yes", "--rights", "read,full-config"]);
    let (user, password) = world.owner();
    world.set(Some((&user, &password)), "USER1", "n1&wQz", &[]);
    world.as_owner(&["users", "set", "USER5", "--rights", "read"]).ok();
    world.as_owner(&["users", "set", "USER2", "--active", "no"]).ok();
    world.active.retain(|user| user != "USER2");
    let key = secret_file(dir.path(), "laptop.pub", KEY);
    world.as_owner(&["users", "keys", "USER5", "add", &key]).ok();

    let back = world.change("downgrade", "4.0.9");
    let subjects: Vec<_> =
        back["consequences"].as_array().unwrap().iter().map(|line| line["subject"].as_str().unwrap()).collect();
    assert!(subjects.contains(&"USER5 SSH keys"), "{subjects:?}");
    assert!(world.passwords.values().all(|password| password == "0"), "{:?}", world.passwords);

    // Readable again, on purpose: the second upgrade has something to hash.
    for service in ["Telnet", "FTP"] {
        world.as_owner(&["set", service, "yes"]).ok();
    }
    let (user, password) = world.owner();
    world.set(Some((&user, &password)), "USER1", "z9?rTx", &[]);
    let (user, password) = world.owner();
    world.set(Some((&user, &password)), "USER2", "q8+vWm", &["--active", "yes"]);
    assert!(grep(&dir.path().join("state"), "q8+vWm"), "legacy keeps it readable");

    let again = world.change("upgrade", "4.40.1");
    let line = |subject: &str| {
        let lines = again["consequences"].as_array().unwrap();
        lines.iter().find(|line| line["subject"] == subject).unwrap()["after"].clone()
    };
    assert_eq!((line("USER2"), line("USER5")), ("hashed".into(), "0".into()));
    let rights = world.as_owner(&["users", "--json"]).ok().json();
    let five = rights["users"].as_array().unwrap().iter().find(|user| user["user"] == "USER5").unwrap().clone();
    assert_eq!((&five["rights"], &five["ssh_keys"]), (&serde_json::json!(["read"]), &Value::Null), "{five:#}");
    assert_eq!(world.meter.stop(), 0);
}

/// What it is made of.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("releases/4.31.1")
}

/// The bundle of the release in `tests/releases`, signed with a key of its own: its folder and the key to trust.
fn third_release(home: &Path) -> (String, String) {
    let name = home.join("north");
    run(wattkeep(home).args(["release", "keygen", "--comment", "Utility North", "--out"]).arg(&name)).ok();
    let out = home.join("8650_V4.31.1");
    let secret = name.with_extension("key");
    let mut build: Command = wattkeep(home);
    build.args(["release", "build"]).arg(sources()).arg("--out").arg(&out).arg("--sign").arg(&secret);
    run(&mut build).ok();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    (text(&out), text(&name.with_extension("pub")))
}

#[test]
fn b7_b8_b21_a_release_that_is_only_data_is_gone_to_and_left_in_both_directions() {
    if !has_clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (bundle, key) = third_release(dir.path());
    let mut world = World::new(dir.path(), &["--trust", &key]);
    let open = |world: &World, face: &str| {
        let info: Value = world.as_owner(&["info", "--json"]).ok().json();
        let service = service(&info, face);
        (service["available"] == true).then(|| service["enabled"] == true)
    };
    let all = |world: &World| ["web", "telnet", "ftp", "ssh", "sftp"].map(|face| open(world, face));
    let own = world.passwords.clone();

    // Up to it: its own choices; passwords stay, the front panel's too, though its rules would allow no such new one.
    let plan = world.change("upgrade", &bundle);
    assert_eq!(plan["to"], "4.31.1");
    assert_eq!(all(&world), [Some(true), Some(false), Some(true), None, None]);
    assert_eq!(world.passwords, own, "nothing had to be reset");
    let (user, password) = world.owner();
    let login = Some((user.as_str(), password.as_str()));
    let refused = new_password(&world.meter, login, &["security", "set", "front-panel-password"], "1234567");
    assert!(refused.status != 0 && refused.err.contains("at most 6"), "{refused:?}");
    world.set(Some((&user, &password)), "USER2", "long#one", &[]);
    let banner = world.as_owner(&["info", "--json"]).ok().json();
    assert_eq!(banner["device_type"], "8650V431");

    // On to the newest: the newest's choices, and hashes of what was readable.
    world.change("upgrade", "4.40.1");
    assert_eq!(all(&world), [Some(false), None, None, Some(false), Some(true)]);

    // Back to it: hashes can't be undone.
    let plan = world.change("downgrade", &bundle);
    assert_eq!(plan["to"], "4.31.1");
    assert_eq!(all(&world), [Some(true), Some(false), Some(false), None, None]);
    assert!(world.passwords.values().all(|password| password == "0"));
    let (user, password) = world.owner();
    world.set(Some((&user, &password)), "USER1", "eight#ch", &[]);

    // And down to the oldest: what is readable stays, though its rules would allow no such new one.
    world.change("downgrade", "4.0.9");
    assert_eq!(world.passwords["USER1"], "eight#ch");
    assert_eq!(all(&world), [Some(true), Some(false), Some(false), None, None]);
    assert_eq!(world.meter.stop(), 0);
}

#[test]
fn a_release_that_is_only_data_can_be_shown_and_rehearsed_and_is_refused_by_a_meter_that_trusts_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, key) = third_release(dir.path());
    let sources = sources();
    let sources = sources.to_str().unwrap();
    let shown = run(wattkeep(dir.path()).args(["release", "show", sources, "--json"])).ok().out;
    assert!(shown.contains("4.31.1") && shown.contains("Quiet Terminal"), "{shown}");
    let plan = run(wattkeep(dir.path()).args(["rehearse", "--from", sources, "--to", "4.40.1", "--json"])).ok().json();
    assert_eq!((&plan["from"], &plan["to"]), (&"4.31.1".into(), &"4.40.1".into()));
    // Signed by a key that nothing here trusts, a bundle isn't even shown.
    assert_eq!(run(wattkeep(dir.path()).args(["release", "show", &bundle])).status, 3);
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    let said = meter.setup(factory, &["plan", "--to", &bundle, "--json"]);
    assert_eq!(said.status, 3, "{said:?}");
    meter.setup(factory, &["security", "trust", "add", &key]).ok();
    let plan = meter.setup(factory, &["plan", "--to", &bundle, "--json"]).ok().json();
    let told = |plan: &Value| {
        let lines = plan["consequences"].as_array().unwrap();
        lines.iter().find(|line| line["subject"] == "telnet").unwrap()["told"].clone()
    };
    assert_eq!(told(&plan), true, "a Setup that knows the notice tells");
    let older = ["rehearse", "--from", "4.0.9", "--to", sources, "--as-setup", "3.0.9", "--json"];
    assert_eq!(told(&run(wattkeep(dir.path()).args(older)).ok().json()), false);
}
