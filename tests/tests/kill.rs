//! The real program, killed at any instant of an upgrade or a downgrade and started again: wholly old or wholly new, with
//! the password that the plan says, the faces of its release, its energy and its log (B26). What a disk makes of a cut is the power-cut
//! laboratory's; this shows that the program as people run it is the one that was tried there.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use system_tests::{Meter, grep, secret_file};

/// Kills of an ordinary run; `WATTKEEP_KILLS` asks for more.
const KILLS: usize = 20;
/// Draws the instants; any other would do.
const SEED: u64 = 0x8650;
const ARGS: [&str; 2] = ["--source", "grid"];
const OLD: &str = "4.0.9";
const NEW: &str = "4.40.1";
/// How long a face may take to open on a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// The front panel's passwords, one after the other: each downgrade sets the next.
fn password(number: usize) -> String {
    format!("7{:06}1", number)
}

/// What a meter is, by its release: the number of its front panel's password.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Is {
    release: &'static str,
    password: usize,
}

/// A change of release that is under way.
struct Change {
    setup: Child,
    before: Is,
    after: Is,
}

impl Change {
    fn begin(meter: &Meter, before: Is) -> Self {
        let panel = password(before.password);
        let login = Some(("8650", panel.as_str()));
        let (after, mut command) = if before.release == OLD {
            let after = Is { release: NEW, ..before };
            (after, meter.setup_command(login, &["upgrade", "--to", NEW, "--yes"]))
        } else {
            let after = Is { release: OLD, password: before.password + 1 };
            let new = secret_file(&meter.home, "new", &format!("8650: {}\n", password(after.password)));
            (after, meter.setup_command(login, &["downgrade", "--to", OLD, "--yes", "--new-passwords", &new]))
        };
        let setup = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { setup, before, after }
    }

    /// Ends when Setup does, or when so much time has passed.
    fn goes_on_for(&mut self, delay: Duration) {
        let began = UNIX_EPOCH.elapsed().unwrap();
        while self.setup.try_wait().unwrap().is_none() && UNIX_EPOCH.elapsed().unwrap().saturating_sub(began) < delay {
            std::thread::yield_now();
        }
    }

    /// Whether it was reported as done.
    fn reported(&mut self) -> bool {
        self.setup.wait().unwrap().success()
    }
}

#[test]
fn b26_a_killed_meter_comes_up_wholly_old_or_wholly_new() {
    let kills =
        std::env::var("WATTKEEP_KILLS").map_or(KILLS, |kills| kills.parse().expect("WATTKEEP_KILLS is a number"));
    let dir = tempfile::tempdir().unwrap();
    let mut is = Is { release: OLD, password: 1 };
    let mut meter = Meter::start(dir.path(), &[&["--release", OLD, "--ports", "auto"], &ARGS[..]].concat());
    let first = secret_file(dir.path(), "first", &password(1));
    let set = ["security", "set", "front-panel-password", "--new-password-file", &first];
    meter.setup(Some(("8650", "0")), &set).ok();
    std::fs::remove_file(first).unwrap();

    // There and back without a kill: how long a change takes here, so that the kills fall on all of it, and what faces
    // each of the two releases has after one.
    let mut longest = Duration::ZERO;
    let mut of_release = BTreeMap::new();
    for _ in [NEW, OLD] {
        let began = UNIX_EPOCH.elapsed().unwrap();
        let mut change = Change::begin(&meter, is);
        assert!(change.reported());
        is = change.after;
        longest = longest.max(UNIX_EPOCH.elapsed().unwrap().saturating_sub(began).mul_f64(1.2));
        of_release.insert(is.release, settled(&meter, is.release));
    }
    assert_ne!(of_release[OLD], of_release[NEW], "the faces tell the releases apart");

    let mut coins = SEED;
    let (mut old, mut new) = (0, 0);
    for kill in 1..=kills {
        let shown = energy(&meter, is);
        let mut change = Change::begin(&meter, is);
        coins = coins.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (coins >> 33) as f64 / (1_u64 << 31) as f64;
        change.goes_on_for(longest.mul_f64(part));
        meter.kill();
        // On the ports it had: Setup looks there for what has become of its change.
        meter = Meter::start(dir.path(), &ARGS);
        let reported = change.reported();

        let told = format!("kill {kill}, at {part:.3} of a change, seed {SEED:#x}");
        is = found(&meter, &change, &told);
        assert_eq!(settled(&meter, &told), of_release[is.release], "{told}: {is:?} has other faces");
        assert!(!reported || is == change.after, "{told}: it was reported as done, and the meter is {is:?}");
        *(if is == change.after { &mut new } else { &mut old }) += 1;
        assert!(energy(&meter, is) >= shown, "{told}: energy was lost");
        let panel = password(is.password);
        meter.setup(Some(("8650", panel.as_str())), &["events", "--verify"]).ok();
        if is.release == NEW {
            let state = dir.path().join("state");
            assert!(!grep(&state, &panel), "{told}: a password can be read");
        }
    }
    println!("{kills} kills: {old} times the old release came up, {new} times the new one");
}

/// What a meter turns out to be: the one before the change or the one after it, and nothing of the other.
fn found(meter: &Meter, change: &Change, told: &str) -> Is {
    let release = meter.info(None)["release"].as_str().unwrap().to_owned();
    let is = [change.before, change.after].into_iter().find(|is| is.release == release);
    let is = is.unwrap_or_else(|| panic!("{told}: the meter has release {release}"));
    let users = |number| meter.setup(Some(("8650", password(number).as_str())), &["users", "--json"]).status;
    assert_eq!(users(is.password), 0, "{told}: {is:?} doesn't open with its password");
    let other = if is == change.before { change.after } else { change.before };
    assert!(
        other.password == is.password || users(other.password) == 4,
        "{told}: {is:?} opens with the other's password"
    );
    is
}

/// Of each service: whether the release has it, whether its switch is on, whether it listens.
type Faces = BTreeMap<String, [bool; 3]>;

fn faces(meter: &Meter) -> Faces {
    let info = meter.info(None);
    let services = info["services"].as_object().unwrap();
    let face = |face: &Value| ["available", "enabled", "listening"].map(|what| face[what] == true);
    services.iter().map(|(name, service)| (name.clone(), face(service))).collect()
}

/// The same once whatever is on listens and nothing else does.
fn settled(meter: &Meter, told: &str) -> Faces {
    let began = UNIX_EPOCH.elapsed().unwrap();
    loop {
        let faces = faces(meter);
        if faces.values().all(|[_, enabled, listening]| listening == enabled) {
            return faces;
        }
        let waited = UNIX_EPOCH.elapsed().unwrap().saturating_sub(began);
        assert!(waited < PATIENCE, "{told}: a face isn't as its switch: {faces:?}");
    }
}

fn energy(meter: &Meter, is: Is) -> f64 {
    let panel = password(is.password);
    let read = meter.setup(Some(("8650", panel.as_str())), &["read", "kWh del", "--json"]).ok().json();
    read["kWh del"]["value"].as_f64().unwrap()
}
