//! Security files between two meters of one model, and the log that Setup keeps of it all.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::{Meter, Said, grep, secret_file};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
const USER1: Option<(&str, &str)> = Some(("USER1", "abc"));
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laptop";

/// Two meters on the ports that ship, each on an address of its own: a security file has ports, which are
/// the same on every meter of a utility.
struct Two {
    one: Meter,
    other: Meter,
    dir: tempfile::TempDir,
}

impl Two {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Of the loopback's sixteen million addresses, two that no other test has.
        let [.., high, low] = std::process::id().to_be_bytes();
        let thread = format!("{:?}", std::thread::current().id());
        let number: u8 = thread.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1);
        let meter = |name: &str, last: u8| {
            let home = dir.path().join(name);
            std::fs::create_dir(&home).unwrap();
            let address = format!("127.{}.{high}.{low}", 2 * number.clamp(1, 100) + last);
            Meter::start(&home, &["--ports", "user", "--bind", &address])
        };
        let (one, other) = (meter("one", 0), meter("other", 1));
        Self { one, other, dir }
    }

    /// The first meter in Advanced: USER1 and USER3 have passwords, USER3 reads only, lock-out after 3.
    fn secured() -> Self {
        let two = Self::start();
        two.password(&two.one, "USER1", &["--active", "yes"]);
        two.password(&two.one, "USER3", &["--active", "yes", "--rights", "read"]);
        let set = ["security", "set", "mode", "advanced", "Invalid Attempts", "3", "SSH", "yes"];
        two.one.setup(FACTORY, &set).ok();
        two
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn save(&self) -> String {
        let file = self.file("one.scf");
        self.one.setup(USER1, &["security", "save", &file]).ok();
        file
    }

    fn password(&self, meter: &Meter, user: &str, more: &[&str]) {
        let file = secret_file(self.dir.path(), "secret", "abc");
        let args = [&["users", "set", user, "--new-password-file", &file], more].concat();
        meter.setup(FACTORY, &args).ok();
        std::fs::remove_file(file).unwrap();
    }

    fn load(&self, login: Option<(&str, &str)>, file: &str, more: &[&str]) -> Said {
        self.other.setup(login, &[&["security", "load", file], more].concat())
    }
}

fn row<'a>(plan: &'a Value, list: &str, key: &str, value: &str) -> &'a Value {
    let rows = plan[list].as_array().unwrap();
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {value} in {plan:#}"))
}

#[test]
fn a_security_file_goes_from_one_meter_to_another_after_its_changes_were_shown_and_accepted() {
    let two = Two::secured();
    let file = two.save();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("[security.users.USER3]") && text.contains("serial = \"MW-"), "{text}");
    assert!(!text.contains("abc") && !text.contains("$argon2"), "{text}");
    two.password(&two.other, "USER1", &[]);
    let passwords = secret_file(two.dir.path(), "passwords", "USER3: xyz\n");

    // USER3 has 0 there: it takes a new password, and the refusal says so.
    let refused = two.load(FACTORY, &file, &["--yes"]);
    assert!(refused.status == 1 && refused.err.contains("USER3 has the factory password 0"), "{refused:?}");

    fn with<'a>(passwords: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["--new-passwords", passwords], more].concat()
    }
    let passwords = passwords.as_str();
    let shown = two.load(FACTORY, &file, &with(passwords, &["--dry-run", "--json"])).ok().json();
    assert_eq!(shown["loaded"], false);
    let mode = row(&shown, "changed", "register", "Security Options 1/Mode");
    assert_eq!((&mode["before"], &mode["after"]), (&"standard".into(), &"advanced".into()));
    row(&shown, "changed", "register", "Security Options 1/Invalid Attempts");
    row(&shown, "changed", "register", "Security User 3/Active");
    assert_eq!(shown["passwords"], serde_json::json!(["USER3"]));
    let opened = row(&shown, "access", "subject", "setup: USER3");
    assert_eq!((&opened["before"], &opened["severity"]), (&"nothing".into(), &"danger".into()));
    let closed = row(&shown, "access", "subject", "setup: anyone");
    assert_eq!((&closed["after"], &closed["severity"]), (&"nothing".into(), &"info".into()));

    // Not on a terminal, not accepted: nothing is done.
    let unasked = two.load(FACTORY, &file, &with(passwords, &[]));
    assert_eq!(unasked.status, 6, "{unasked:?}");
    assert!(unasked.out.contains("DANGER") && unasked.out.contains("standard → advanced"), "{}", unasked.out);
    assert_eq!(two.other.info(None)["mode"], "standard");

    // What was accepted is no more what would be done.
    let digest = shown["digest"].as_str().unwrap().to_owned();
    two.other.setup(FACTORY, &["security", "set", "Invalid Attempts", "4"]).ok();
    let stale = two.load(FACTORY, &file, &with(passwords, &["--accept", &digest]));
    assert!(stale.status == 6 && stale.err.contains("has changed since"), "{stale:?}");
    assert_eq!(two.other.info(None)["mode"], "standard");

    let now = two.load(FACTORY, &file, &with(passwords, &["--dry-run", "--json"])).ok().json();
    let done = two
        .load(FACTORY, &file, &with(passwords, &["--json", "--accept", now["digest"].as_str().unwrap()]))
        .ok()
        .json();
    assert_eq!(done["loaded"], true);
    assert_eq!(two.other.info(USER1)["mode"], "advanced");
    assert_eq!(two.other.setup(Some(("USER3", "xyz")), &["read", "kWh del"]).status, 0);
    // Both have the same security now, and so the same file but for where it comes from.
    let again = two.load(USER1, &file, &[]).ok();
    assert!(again.out.contains("nothing to change"), "{again:?}");
}

#[test]
fn b19_b32_what_would_shut_everyone_out_is_refused_by_a_file_too() {
    let two = Two::secured();
    let file = two.save();
    // B32: USER1 has 0 there, so nobody with a password of their own could edit security.
    let passwords = secret_file(two.dir.path(), "passwords", "USER3: xyz\n");
    let refused = two.load(FACTORY, &file, &["--yes", "--new-passwords", &passwords]);
    assert!(refused.status == 1 && refused.err.contains("Advanced needs an active user"), "{refused:?}");
    // B19: nobody left with Security Config.
    let text = std::fs::read_to_string(&file).unwrap();
    let weak = text.replace("\"security-config\"", "\"read\"");
    assert_ne!(weak, text);
    std::fs::write(&file, weak).unwrap();
    let args = ["security", "load", &file, "--yes"];
    let refused = two.one.setup(USER1, &args);
    assert!(refused.status == 1 && refused.err.contains("nobody could edit security"), "{refused:?}");
    two.one.setup(USER1, &[&args[..], &["--force"]].concat()).ok();
    assert_eq!(two.one.setup(USER1, &["users"]).status, 4);
}

#[test]
fn files_that_are_none_of_this_meter_get_one_sentence_and_change_nothing() {
    let two = Two::secured();
    let text = std::fs::read_to_string(two.save()).unwrap();
    let bad = two.file("bad.scf");
    for (changed, sentence) in [
        (text.replace("model = \"8650\"", "model = \"9510\""), "for a meter of type \"9510\""),
        (text.replace("format = 1", "format = 2"), "has format 2"),
        (text.replacen("active =", "password = \"abc\"\nactive =", 1), "unknown field `password`"),
        (text.replace("SFTP = true", "Telnet = true"), "release 4.40.1 has no register \"Telnet\""),
        (text.replace("\"Invalid Attempts\" = 3", "\"Invalid Attempts\" = 300"), "takes a whole number from 0 to 255"),
        ("\u{1b}[2J".to_owned(), "is not a security file"),
    ] {
        assert_ne!(changed, text);
        std::fs::write(&bad, changed).unwrap();
        let said = two.load(FACTORY, &bad, &["--yes"]);
        assert!(said.status == 1 && said.err.contains(sentence), "{sentence}: {said:?}");
        assert_eq!(said.err.matches("error:").count(), 1, "{said:?}");
        assert!(!said.err.contains('\u{1b}'), "{said:?}");
    }
    assert_eq!(two.other.info(None)["mode"], "standard");
    // Security Config, and nothing less.
    let refused = two.one.setup(Some(("USER3", "abc")), &["security", "save", &two.file("x.scf")]);
    assert_eq!(refused.status, 4, "{refused:?}");
    assert!(!Path::new(&two.file("x.scf")).exists());
}

fn log_of(meter: &Meter) -> (PathBuf, Vec<String>) {
    let file = meter.home.join("wattkeep/SECURITY.LOG");
    let text = std::fs::read_to_string(&file).unwrap();
    (file, text.lines().map(str::to_owned).collect())
}

#[test]
fn setup_keeps_a_log_of_what_it_does_to_security_and_no_secret_is_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let secret = "s3cret";
    let file = secret_file(dir.path(), "secret", secret);
    meter.setup(Some(("8650", "77777777")), &["info"]);
    meter.setup(FACTORY, &["users", "set", "USER1", "--new-password-file", &file]).ok();
    meter.setup(None, &["set", "SSH", "yes"]);
    meter.setup(FACTORY, &["set", "SSH", "yes", "Session Time-out", "60"]);
    let public = secret_file(dir.path(), "key.pub", KEY);
    meter.setup(FACTORY, &["users", "keys", "USER1", "add", &public]).ok();
    meter.setup(FACTORY, &["security", "set", "mode", "advanced"]).ok();
    let user1 = Some(("USER1", secret));
    let scf = dir.path().join("own.scf").to_str().unwrap().to_owned();
    meter.setup(user1, &["security", "save", &scf]).ok();
    let text = std::fs::read_to_string(&scf).unwrap().replace("\"Invalid Attempts\" = 5", "\"Invalid Attempts\" = 6");
    std::fs::write(&scf, text).unwrap();
    meter.setup(user1, &["security", "load", &scf, "--yes"]).ok();
    meter.setup(user1, &["downgrade", "--to", "4.0.9", "--yes"]).ok();

    let (file, lines) = log_of(&meter);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let serial = meter.info(Some(("USER1", "0")))["serial"].as_str().unwrap().to_owned();
    let expected = [
        ("8650", "login", "the user name or the password is wrong"),
        ("8650", "user USER1 with a new password", "done"),
        ("-", "set SSH", "front-panel password"),
        ("8650", "add SSH key SHA256:", "done"),
        ("8650", "set Mode=advanced", "done"),
        ("USER1", "load security file, changes sha256:", "done"),
        ("USER1", "downgrade from 4.40.1 to 4.0.9 plan sha256:", "done"),
    ];
    let mut rest = lines.iter();
    for (user, action, outcome) in expected {
        let found = rest.any(|line| {
            line.contains(&format!(",{serial},{},{user},", meter.address()))
                && line.contains(action)
                && line.contains(outcome)
        });
        assert!(found, "{user} {action} {outcome} in {lines:#?}");
    }
    let folder = file.parent().unwrap();
    assert!(!grep(folder, secret) && !grep(folder, "77777777"));
}

#[test]
fn setups_at_once_write_whole_lines_and_a_log_that_can_not_be_written_is_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let set = |minutes: usize| ["set".to_owned(), "Session Time-out".to_owned(), minutes.to_string()];
    std::thread::scope(|scope| {
        for minutes in 20..32 {
            let meter = &meter;
            scope.spawn(move || {
                let args = set(minutes);
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                meter.setup(FACTORY, &args)
            });
        }
    });
    let (file, lines) = log_of(&meter);
    assert_eq!(lines.len(), 13, "{lines:#?}");
    assert!(lines[1..].iter().all(|line| line.ends_with(",done") && line.matches(',').count() == 5), "{lines:#?}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let said = meter.setup(FACTORY, &["set", "Session Time-out", "15"]).ok();
    assert_eq!(said.err.matches("SECURITY.LOG can't be written").count(), 1, "{said:?}");
}
