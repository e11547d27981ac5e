//! The threats that people who secure updates know, tried on a running meter and on python-tuf. The table of
//! docs/threats.md is what comes out: WRITE_DOCS=1 writes it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use firmware::package::{PackageParts, SigningKey, Target, build_package};
use firmware::release::SHIPPED;
use serde_json::Value;
use system_tests::{Meter, Said, has, run, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));

/// What stands in a column of what wasn't tried by this run.
const NOT_RUN: &str = "not run here";
/// What stands there of what no run can tell.
const UNTOLD: &str = "can't be told";
/// Where a file was exchanged and the other one not taken for it.
const NOT_USED: &str = "not used";
/// Where who was slow had to give way to another.
const GAVE_WAY: &str = "loses its place";

/// A threat: its key in the program for python-tuf, what it is, whether it is met, how.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ROWS: [Row; 17] = [
    (
        "arbitrary_software",
        "other software under a good signature",
        "met",
        "each part's SHA-256 is in the signed manifest",
    ),
    (
        "unsigned",
        "software that nobody signed",
        "met",
        "refused by its front, unless it is, byte for byte, a release built in",
    ),
    (
        "stranger",
        "a mirror's or a stranger's own signature",
        "met",
        "the list of trusted keys is the meter's own and empty as made",
    ),
    (
        "rollback",
        "an older release with known holes",
        "partly",
        "going back is what B8 asks for; the plan says each consequence, and `upgrade` goes to no older release",
    ),
    ("rollback_floor", "the same below the floor", "met", "`floor set current`; lowered only at the machine"),
    (
        "freeze",
        "withholding newer releases",
        "not met",
        "no meter looks for releases, and none has a clock that it could trust for an expiry; the operator chooses",
    ),
    ("mix_and_match", "parts of two signed releases put together", "met", "one manifest pins all parts"),
    ("endless_data", "a file without end", "met", "the header bounds the file, and an upload ends at 64 MiB"),
    ("endless_metadata", "a manifest without end", "met", "at most 16 KiB, told by the header"),
    ("truncated", "a file cut short", "met", "the header says how long it is"),
    ("wrong_product", "good software for another product", "met", "product and hardware are in the signed manifest"),
    (
        "extraneous_dependencies",
        "more than was asked for",
        "met",
        "exactly three parts, in one order, and nothing after them",
    ),
    (
        "key_revoked",
        "a key that has been revoked, by a replay too",
        "met",
        "checked when staging, planning and accepting; no package brings it back",
    ),
    (
        "key_compromise",
        "a trusted key that was stolen",
        "partly",
        "one key is enough to sign; a person must still accept the plan, in which new keys are a danger",
    ),
    (
        "swapped",
        "the file exchanged after it was verified",
        "met",
        "files are named by their SHA-256 and verified again whenever they are used",
    ),
    (
        "waived",
        "a hash list exchanged with the file",
        "met",
        "the hash list only finds accidents; the meter goes by the signature",
    ),
    (
        "slow_retrieval",
        "bytes that come too slowly",
        "met",
        "less than 4 KiB in 30 s is standing still: the next one gets the place; `connections end` frees it at any pace",
    ),
];

/// Bytes of a signed package in a file, and what Setup and the meter say to it.
struct Bench {
    meter: Meter,
    home: PathBuf,
    key: SigningKey,
    made: u32,
}

/// Whoever signs.
fn key(home: &Path, name: &str) -> (SigningKey, PathBuf) {
    let out = home.join(name);
    run(wattkeep(home).args(["release", "keygen", "--out"]).arg(&out)).ok();
    let secret = std::fs::read_to_string(out.with_extension("key")).unwrap();
    (SigningKey::parse(&secret).unwrap(), out.with_extension("pub"))
}

/// A package of the newest release under another number.
fn package(version: &str, target: Target<'_>, notes: &str, sign: Option<&SigningKey>) -> Vec<u8> {
    let [toml, template] = [SHIPPED[1].release_toml, SHIPPED[1].template_dcf]
        .map(|text| text.replace("release = \"4.40.1\"", &format!("release = \"{version}\"")));
    let release = version.parse().unwrap();
    let parts =
        PackageParts { target, release: &release, release_toml: &toml, template_dcf: &template, notes_md: notes };
    build_package(&parts, sign).unwrap()
}

impl Bench {
    fn new(home: &Path) -> Self {
        let meter = Meter::start(home, &["--ports", "auto"]);
        let (key, public) = key(home, "maker");
        meter.setup(FACTORY, &["security", "trust", "add", public.to_str().unwrap()]).ok();
        Self { meter, home: home.to_owned(), key, made: 0 }
    }

    fn good(&self, version: &str, notes: &str) -> Vec<u8> {
        package(version, Target::METER, notes, Some(&self.key))
    }

    /// What the meter says to a package when a plan is wanted of it.
    fn plan(&mut self, bytes: &[u8]) -> Said {
        self.made += 1;
        let path = self.home.join(format!("{}.upg", self.made));
        std::fs::write(&path, bytes).unwrap();
        self.meter.setup(FACTORY, &["plan", "--to", path.to_str().unwrap(), "--no-hash-list"])
    }
}

/// A meter that couldn't be reached, or a command that made no sense, has refused nothing.
fn verdict(said: &Said) -> String {
    match said.status {
        0 => "taken".to_owned(),
        1 | 3 => format!("refused, exit {}", said.status),
        _ => panic!("neither taken nor refused: {said:?}"),
    }
}

/// Whether what came out is what its row says of it.
fn is_as_said(met: &str, outcome: &str) -> bool {
    match met {
        "met" => outcome.starts_with("refused") || [NOT_USED, GAVE_WAY].contains(&outcome),
        "partly" => outcome == "taken",
        "not met" => outcome == UNTOLD,
        _ => false,
    }
}

/// Each threat on a meter that goes on after each.
fn on_a_meter(home: &Path) -> BTreeMap<&'static str, String> {
    // It takes its time, so it has a meter of its own beside the others.
    let aside = home.join("aside");
    std::fs::create_dir(&aside).unwrap();
    let slow = std::thread::spawn(move || trickled(&aside));
    let mut bench = Bench::new(home);
    let good = bench.good("4.42.0", "good");
    assert_eq!(verdict(&bench.plan(&good)), "taken", "what is good must be taken, or no refusal means anything");
    let other = bench.good("4.43.0", "evil");
    let edit = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let stranger = key(home, "stranger").0;
    let mut found = BTreeMap::new();
    let mut threat = |name, bytes: &[u8]| {
        found.insert(name, verdict(&bench.plan(bytes)));
    };
    threat("arbitrary_software", &edit(good.len() - 4, b"evil"));
    threat("unsigned", &package("4.42.0", Target::METER, "good", None));
    threat("stranger", &package("4.42.0", Target::METER, "good", Some(&stranger)));
    threat("mix_and_match", &with_the_template_of(&good, &other));
    threat("endless_data", &[&good[..], &vec![b'x'; 1 << 20]].concat());
    threat("endless_metadata", &edit(12, &[0xFF; 4]));
    threat("truncated", &good[..good.len() - 1]);
    let product = Target { product: "9510", ..Target::METER };
    threat("wrong_product", &package("4.42.0", product, "good", Some(&bench_key(home))));
    threat("extraneous_dependencies", &[&good[..], b"one more part"].concat());
    threat("key_compromise", &other);
    found.insert("rollback", verdict(&bench.meter.setup(FACTORY, &["plan", "--to", "4.0.9"])));
    found.insert("waived", waived(&bench, &stranger));
    found.insert("swapped", swapped(&mut bench));
    bench.meter.setup(FACTORY, &["floor", "set", "current"]).ok();
    found.insert("rollback_floor", verdict(&bench.meter.setup(FACTORY, &["plan", "--to", "4.0.9"])));
    let id = bench.key.public().id().to_string();
    bench.meter.setup(FACTORY, &["security", "trust", "revoke", &id]).ok();
    found.insert("key_revoked", verdict(&bench.plan(&good)));
    assert_eq!(bench.meter.info(None)["release"], "4.40.1", "and the meter is what it was");
    found.insert("freeze", UNTOLD.to_owned());
    found.insert("slow_retrieval", slow.join().unwrap());
    found
}

fn bench_key(home: &Path) -> SigningKey {
    SigningKey::parse(&std::fs::read_to_string(home.join("maker.key")).unwrap()).unwrap()
}

/// A signed package with the whole template of another one, which is as long: each of its parts is genuine.
fn with_the_template_of(good: &[u8], other: &[u8]) -> Vec<u8> {
    let template = |package: &[u8]| {
        let at = package.windows(10).position(|begins| begins == b"# Template").unwrap();
        at..at + SHIPPED[1].template_dcf.len()
    };
    let at = template(good);
    assert_eq!(at, template(other), "the two are laid out alike");
    let mixed = [&good[..at.start], &other[at.clone()], &good[at.end..]].concat();
    assert!(mixed != good && mixed != other);
    mixed
}

/// Somebody with the right sends a good package to a meter, a byte at a time, for as long as it likes, while another one
/// wants to send.
fn trickled(home: &Path) -> String {
    /// Far below what counts as moving, far above what counts as silence.
    const EACH: Duration = Duration::from_millis(200);
    let meter = Meter::start(home, &["--ports", "auto"]);
    let curl = |method: &str, path: &str, rest: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sSk", "-X", method, &format!("https://{}{path}", meter.address())]).args(rest);
        command
    };
    let session = || {
        let login = run(&mut curl("POST", api::routes::SESSION, &["-u", "8650:0", "-D", "-", "-o", "/dev/null"])).ok();
        let header = format!("{}: ", api::login::SESSION_TOKEN);
        let token = login.out.lines().find_map(|line| line.strip_prefix(&header)).unwrap();
        format!("{}: Bearer {}", api::login::AUTHORIZATION, token.trim())
    };
    let (one, other) = (session(), session());
    let packages: Vec<_> = firmware::shipped().unwrap().into_iter().map(|shipped| shipped.bytes).collect();
    let announce = |session: &str, bytes: &[u8]| {
        let digest = firmware::digest::Sha256Digest::of(bytes);
        let announcement = format!(r#"{{"package":"{digest}","bytes":{},"name":"a.upg"}}"#, bytes.len());
        let rest = ["-H", session, "-H", "content-type: application/json", "-d", &announcement];
        run(&mut curl("POST", api::routes::PACKAGES, &rest)).ok().json()
    };
    let path = format!("{}?upload={}&offset=0", api::routes::PACKAGE_BYTES, announce(&one, &packages[0])["upload"]);
    let mut slow = curl("POST", &path, &["-H", &one, "-H", "Expect:", "-N", "-T", "-"]);
    let mut slow = slow.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut into = slow.stdin.take().unwrap();
    let (sent, each_byte) = mpsc::channel();
    let bytes = packages[0].clone();
    std::thread::spawn(move || {
        for byte in bytes {
            if into.write_all(&[byte]).is_err() || sent.send(()).is_err() {
                return;
            }
            std::thread::park_timeout(EACH);
        }
    });
    let refused = |answer: &Value| answer["message"].as_str().is_some_and(|said| said.contains("is sending a package"));
    let answers = each_byte.iter().map(|()| announce(&other, &packages[1]));
    let mut answers = answers.skip_while(refused);
    let taken = answers.next().expect("it gives way before it is through");
    assert!(taken["upload"].is_number(), "{taken}");
    drop(answers);
    drop(each_byte);
    let listed = run(&mut curl("GET", api::routes::PACKAGES, &["-H", &other])).ok().json();
    let came = listed["partial"].as_array().unwrap().iter().filter_map(|part| part["bytes"].as_u64()).max();
    assert!(came > Some(1), "its bytes came all the while, and stay: {listed}");
    let said: Said = slow.wait_with_output().unwrap().into();
    assert!(said.out.contains("not under way any more"), "{said:?}");
    GAVE_WAY.to_owned()
}

/// A folder whose hash list fits the file in it, both of them made by somebody else.
fn waived(bench: &Bench, stranger: &SigningKey) -> String {
    let folder = bench.home.join("mirror");
    std::fs::create_dir(&folder).unwrap();
    let bytes = package("4.42.0", Target::METER, "good", Some(stranger));
    let digest = firmware::digest::Sha256Digest::of(&bytes);
    std::fs::write(folder.join("8650_V4.42.0.upg"), bytes).unwrap();
    std::fs::write(folder.join("8650_V4.42.0_hashes.txt"), format!("{digest}  8650_V4.42.0.upg\n")).unwrap();
    verdict(&bench.meter.setup(FACTORY, &["plan", "--to", folder.to_str().unwrap()]))
}

/// Every staged file is exchanged on the meter's own disk for another signed one: what is staged can't be used.
fn swapped(bench: &mut Bench) -> String {
    let other = bench.good("4.44.0", "exchanged");
    let mut exchanged = 0;
    for entry in std::fs::read_dir(bench.home.join("state/packages")).unwrap() {
        std::fs::write(entry.unwrap().path(), &other).unwrap();
        exchanged += 1;
    }
    assert!(exchanged > 0, "something was staged");
    assert_eq!(bench.meter.info(None)["release"], "4.40.1");
    // Over SFTP's folder or Setup, a plan is asked for by the digest that was staged; the bytes no longer have it.
    let staged = bench.home.join("1.upg");
    let said = bench.meter.setup(FACTORY, &["plan", "--to", staged.to_str().unwrap(), "--no-hash-list"]);
    // Setup sends the file again, which mends it: the exchanged bytes were never used.
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("4.42.0") && !said.out.contains("4.44.0"), "{said:?}");
    NOT_USED.to_owned()
}

/// The same threats on python-tuf, if it is there.
fn on_python_tuf() -> Option<BTreeMap<String, String>> {
    if !has("python3") {
        return None;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/tuf_threats.py");
    if run(Command::new("python3").args(["-c", "import tuf"])).status != 0 {
        assert!(std::env::var_os("CI").is_none(), "python-tuf is missing: scripts/test installs it");
        eprintln!("skipped: python-tuf is not installed (scripts/test installs it)");
        return None;
    }
    let said = run(Command::new("python3").arg(program)).ok();
    Some(serde_json::from_value(said.json()).unwrap())
}

#[test]
fn b27_the_table_of_threats_is_what_a_meter_and_python_tuf_do() {
    let dir = tempfile::tempdir().unwrap();
    let ours = on_a_meter(dir.path());
    for (name, _, met, _) in ROWS {
        assert!(is_as_said(met, &ours[name]), "{name}: {met}, but {}", ours[name]);
    }
    let Some(theirs) = on_python_tuf() else { return };
    let mut table = "| threat | | how | the meter | python-tuf |\n|---|---|---|---|---|\n".to_owned();
    for (name, what, met, how) in ROWS {
        let other = theirs.get(name).map_or("–", String::as_str);
        let other = if other.starts_with("not run") { NOT_RUN } else { other };
        table += &format!("| {what} | {met} | {how} | {} | {other} |\n", ours[name]);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threats.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- table -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /table -->").unwrap();
    let made = format!("{before}<!-- table -->\n{table}<!-- /table -->{after}");
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made, "WRITE_DOCS=1 writes the table anew");
}
