//! The legacy release in each security mode, on every path, by real clients: what somebody gets is what the manual's
//! table says (`crates/firmware/tests/access/table.toml`), and `info` flags what is dangerous about it.

#[path = "../../crates/firmware/tests/access/table.rs"]
#[expect(dead_code, reason = "the manual's page is made from the same file, and needs more of it")]
mod table;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path as FilePath;

use framework::modules::security_options as options;
use security::{Ask, Mode, Path, Right};
use serde_json::Value;
use system_tests::Meter;
use system_tests::faces::{self, Got, Login, Wish, has_clients, new_password, port};

use table::{Condition, Table};

const LEGACY: &str = "4.0.9";
/// The switches that a cell may depend on.
const SWITCHES: [&str; 5] = [
    options::WEB_ACCESS_READ,
    options::WEB_CONFIGURATION,
    options::MODBUS_MAP,
    options::MODBUS_PROGRAMMING,
    options::PANEL_PROGRAMMING,
];
const ZERO: Login<'_> = ("8650", "0");
const PANEL: Login<'_> = ("8650", "70415263");
/// With every right.
const OWNER: Login<'_> = ("USER1", "k1#pQz");
/// With Read.
const READER: Login<'_> = ("USER2", "w2@mLx");

/// Who tries.
#[derive(Debug, Clone, Copy)]
enum Who {
    Nobody,
    Panel(Login<'static>),
    Owner,
    Reader,
    /// A name that is right with a password that isn't.
    Wrong(Login<'static>),
}

impl Who {
    fn login(self) -> Option<Login<'static>> {
        match self {
            Self::Nobody => None,
            Self::Panel(login) | Self::Wrong(login) => Some(login),
            Self::Owner => Some(OWNER),
            Self::Reader => Some(READER),
        }
    }

    fn has(self, right: Right) -> bool {
        matches!(self, Self::Owner) || matches!((self, right), (Self::Reader, Right::Read))
    }
}

/// A legacy meter in a mode.
struct World {
    meter: Meter,
    mode: Mode,
    /// Whether the front-panel password is 0.
    zero: bool,
    /// Who may change security set-up.
    owner: Option<Login<'static>>,
    /// Who tries on the paths that ask.
    tries: Vec<Who>,
}

impl World {
    fn new(home: &FilePath, mode: Mode, zero: bool) -> Self {
        let meter = Meter::start(home, &["--release", LEGACY, "--ports", "auto"]);
        let mut owner = Some(ZERO);
        if !zero {
            new_password(&meter, owner, &["security", "set", "front-panel-password"], PANEL.1).ok();
            owner = Some(PANEL);
        }
        let panel = if zero { ZERO } else { PANEL };
        let mut tries = vec![Who::Nobody, Who::Panel(panel), Who::Wrong(("8650", "999"))];
        match mode {
            Mode::Standard => tries.push(Who::Wrong(OWNER)),
            Mode::None => {
                meter.setup(owner, &["security", "set", "mode", "none"]).ok();
                owner = None;
            }
            Mode::Advanced => {
                let users = |user| ["users", "set", user, "--active", "yes"];
                new_password(&meter, owner, &users("USER2"), READER.1).ok();
                new_password(&meter, owner, &users("USER1"), OWNER.1).ok();
                meter.setup(owner, &["security", "set", "mode", "advanced"]).ok();
                owner = Some(OWNER);
                tries = vec![Who::Nobody, Who::Owner, Who::Reader, Who::Wrong(("USER1", "wrong")), Who::Wrong(panel)];
            }
        }
        Self { meter, mode, zero, owner, tries }
    }

    fn info(&self) -> Value {
        self.meter.info(self.owner)
    }

    /// What the table gives somebody.
    fn given(&self, table: &Table, path: Path, who: Who, ask: Ask, on: &BTreeSet<&str>) -> bool {
        let cell = table.cell(path, LEGACY, self.mode, ask).unwrap();
        cell.iter().all(|condition| match condition {
            Condition::Free => true,
            Condition::Never => false,
            Condition::FrontPanelPassword => matches!(who, Who::Panel(_)),
            Condition::Right => who.has(ask.right()),
            Condition::FullConfig => who.has(Right::FullConfig),
            Condition::PasswordZero => self.zero,
            Condition::Switch(switch) => on.contains(switch),
        })
    }

    fn expected(&self, table: &Table, path: Path, who: Who, on: &BTreeSet<&str>) -> Got {
        let given = |ask| self.given(table, path, who, ask, on);
        Got { read: given(Ask::Read), write: given(Ask::Do(Right::FullConfig)) }
    }

    /// Every path, by its own clients, in these positions of the switches.
    fn check(&self, on: &BTreeSet<&'static str>, wishes: &mut impl Iterator<Item = Wish>) {
        let (table, info) = (Table::read(), self.info());
        let mut wish = || wishes.next().unwrap();
        let said = |path: Path, who: Who, got: Got| {
            assert_eq!(got, self.expected(&table, path, who, on), "{path} under {}, {who:?}, {on:?}", self.mode);
        };
        said(Path::Modbus, Who::Nobody, faces::modbus(port(&info, "modbus"), wish()));
        for who in &self.tries {
            let none = Got { read: false, write: false };
            let setup = faces::setup(&self.meter, who.login(), wish());
            // What is free is so without a login; a wrong one is refused, not passed over.
            if matches!(who, Who::Wrong(_)) && self.mode != Mode::None {
                assert_eq!(setup, none, "setup under {}, {who:?}", self.mode);
            } else {
                said(Path::Setup, *who, setup);
            }
            let web = port(&info, "web");
            let got = faces::web(web, who.login(), wish());
            said(Path::Web, *who, got);
            // These always ask for a name; under No security any password goes with it.
            let Some(login) = who.login() else { continue };
            said(Path::Telnet, *who, faces::telnet(port(&info, "telnet"), login, wish()).unwrap_or(none));
            said(Path::Ftp, *who, faces::ftp(port(&info, "ftp"), login).unwrap_or(none));
        }
    }

    /// All that `info` flags, by subject.
    fn flags(&self) -> BTreeSet<String> {
        let info = self.info();
        let flags = info["dangers"].as_array().unwrap();
        let text = self.meter.setup(self.owner, &["info"]).ok().out;
        for flag in flags {
            let severity = flag["severity"].as_str().unwrap().to_uppercase();
            assert!(text.contains(&severity), "{text}");
            let first = flag["text"].as_str().unwrap().split_whitespace().take(5).collect::<Vec<_>>().join(" ");
            assert!(text.contains(&first), "\"{first}\" isn't in {text}");
        }
        flags.iter().map(|flag| flag["subject"].as_str().unwrap().to_owned()).collect()
    }
}

/// As shipped, with Modbus programming on; then with the pages' configuration access on; then with every switch off.
fn in_every_position(mode: Mode, zero: bool, flags: &[&str]) {
    if !has_clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), mode, zero);
    let mut wishes = (100..).map(Wish);
    let always = ["Telnet", "FTP", "Web Server", "password storage", options::MODBUS_PROGRAMMING];
    let expected = |more: &[&str]| -> BTreeSet<String> {
        always.iter().chain(flags).chain(more).map(|subject| (*subject).to_owned()).collect()
    };
    let shipped = BTreeSet::from(SWITCHES).into_iter().filter(|switch| *switch != options::WEB_CONFIGURATION);
    assert_eq!(world.flags(), expected(&[]));
    world.check(&shipped.collect(), &mut wishes);

    let set = |switch: &str, position: &str| {
        let said = world.meter.setup(world.owner, &["security", "set", switch, position, "--json"]).ok().json();
        said["dangers"].as_array().unwrap().iter().map(|flag| flag["subject"].as_str().unwrap().to_owned()).collect()
    };
    let brought: Vec<String> = set(options::WEB_CONFIGURATION, "yes");
    assert_eq!(brought, [options::WEB_CONFIGURATION], "the answer to the change says so as well");
    assert_eq!(world.flags(), expected(&[options::WEB_CONFIGURATION]));
    world.check(&BTreeSet::from(SWITCHES), &mut wishes);

    for switch in SWITCHES {
        let _: Vec<String> = set(switch, "no");
    }
    world.check(&BTreeSet::new(), &mut wishes);
    let left: BTreeSet<String> = world.flags();
    let open = [options::WEB_CONFIGURATION, options::MODBUS_PROGRAMMING];
    assert!(open.iter().all(|switch| !left.contains(*switch)), "{left:?}");
}

#[test]
fn b9_no_security_on_every_path() {
    in_every_position(Mode::None, false, &["security mode"]);
}

#[test]
fn b9_standard_with_password_0_on_every_path_modbus_writes_included() {
    in_every_position(Mode::Standard, true, &["factory password"]);
}

#[test]
fn b9_standard_with_a_password_on_every_path() {
    in_every_position(Mode::Standard, false, &[]);
}

#[test]
fn b9_advanced_on_every_path() {
    in_every_position(Mode::Advanced, true, &["factory password", "without a login"]);
}

#[test]
fn what_a_stranger_is_told_of_the_dangers_reveals_no_security_set_up() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", LEGACY, "--ports", "auto"]);
    let subjects = |info: Value| -> Vec<String> {
        info["dangers"].as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect()
    };
    let outside = ["Telnet", "FTP", "Web Server", "password storage"];
    assert_eq!(subjects(meter.info(None)), outside);
    new_password(&meter, Some(ZERO), &["security", "set", "front-panel-password"], PANEL.1).ok();
    assert_eq!(subjects(meter.info(None)), outside, "whether a password is 0 doesn't show");
}

#[test]
fn b10_the_newer_release_offers_no_security_on_no_path() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.40.1", "--ports", "auto"]);
    let file = dir.path().join("meter.dcf");
    meter.setup(Some(ZERO), &["save", file.to_str().unwrap(), "--security"]).ok();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it says who may do what");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("mode = \"standard\""), "{text}");
    std::fs::write(&file, text.replace("mode = \"standard\"", "mode = \"none\"")).unwrap();
    for args in [["security", "set", "mode", "none"], ["set", "Mode", "none", "--force"]] {
        let said = meter.setup(Some(ZERO), &args);
        assert!(said.status != 0 && said.err.contains("none"), "{said:?}");
    }
    let said = meter.setup(Some(ZERO), &["load", file.to_str().unwrap()]);
    assert!(said.status != 0 && said.err.contains("no security mode"), "{said:?}");
    assert_eq!(meter.info(Some(ZERO))["mode"], "standard");
}
