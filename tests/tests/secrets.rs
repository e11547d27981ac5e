//! No password is in any log, at the most verbose level, whichever face it came by, right or wrong; and what a legacy
//! release stores reversibly no command and no face shows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use system_tests::faces::{Telnet, has_clients, page, port};
use system_tests::{Meter, grep, has, run, secret_file, sftp};

const OWN: &str = "58317462";
const WRONG: &str = "99887766";

/// Logs in on Telnet, or tries to.
fn telnet(port: u16, password: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    for (prompt, answer) in [("login: ", "8650"), ("password: ", password), ("\n", "x")] {
        while !seen.ends_with(prompt.as_bytes()) && stream.read(&mut byte).unwrap() > 0 {
            seen.push(byte[0]);
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn b29_no_password_reaches_a_log() {
    if !has("sshpass") || !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("everything.log");
    let meter = Meter::start_talking(dir.path(), &["--release", "4.40.1", "--ports", "auto"], &log);
    let mut set = meter.setup_command(Some(("8650", "0")), &["security", "set", "front-panel-password"]);
    run(set.env("WATTKEEP_NEW_PASSWORD", OWN)).ok();
    for password in [OWN, WRONG] {
        let _ = meter.setup(Some(("8650", password)), &["users"]);
        sftp(meter.port(None, "sftp"), "8650", password, "ls\n");
        // A password where a name should be, as people do type it.
        sftp(meter.port(None, "sftp"), password, "x", "ls\n");
    }
    for file in [OWN, WRONG] {
        assert!(!grep(&dir.path().join("state"), file), "a password is readable in the state of a release that hashes");
    }
    meter.setup(Some(("8650", OWN)), &["set", "SSH", "yes"]).ok();
    for password in [OWN, WRONG] {
        sftp(meter.port(None, "ssh"), "8650", password, "ls\n");
    }
    meter.setup(Some(("8650", OWN)), &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let mut set = meter.setup_command(Some(("8650", "0")), &["security", "set", "front-panel-password"]);
    run(set.env("WATTKEEP_NEW_PASSWORD", OWN)).ok();
    meter.setup(Some(("8650", OWN)), &["set", "Telnet", "yes"]).ok();
    for password in [OWN, WRONG] {
        telnet(meter.port(None, "telnet"), password);
        let page = format!("http://127.0.0.1:{}/Operation.html", meter.port(None, "web"));
        run(std::process::Command::new("curl").args(["-sS", "-m", "10", "-u", &format!("8650:{password}"), &page]))
            .ok();
    }
    let events = meter.setup(Some(("8650", OWN)), &["events", "--limit", "500", "--json"]).ok().out;
    assert_eq!(meter.stop(), 0);
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.lines().count() > 10, "the log is verbose: {said}");
    assert!(!grep(&dir.path().join("state"), WRONG), "what was tried is kept nowhere");
    for secret in [OWN, WRONG] {
        let numbers = format!("{:?}", secret.as_bytes());
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret, numbers.trim_matches(['[', ']']), &hexadecimal] {
            assert!(!said.contains(form) && !events.contains(form), "{form} is in a log");
        }
    }
}

/// Every file that FTP shows, one after the other.
const ALL_FILES: &str = r##"
import ftplib, sys
client = ftplib.FTP()
client.connect("127.0.0.1", int(sys.argv[1]), timeout=30)
client.login(sys.argv[2], sys.argv[3])
def walk(path):
    for name in client.nlst(path):
        name = name if name.startswith("/") else path.rstrip("/") + "/" + name
        if name.rstrip("/") == path.rstrip("/"):
            continue
        try:
            client.cwd(name); walk(name)
        except ftplib.all_errors:
            client.retrbinary("RETR " + name, lambda piece: sys.stdout.buffer.write(piece))
walk("/")
"##;

#[test]
fn b16_what_legacy_stores_reversibly_no_command_and_no_face_shows_and_setup_warns_of_it() {
    if !has_clients() {
        return;
    }
    const USER: &str = "Kx7#qZ";
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let warned = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("4.0.9 keeps passwords readable"), "{text}");
    };
    warned(&meter.setup(None, &["info"]).ok().out);
    let (panel, user) = (secret_file(dir.path(), "panel", OWN), secret_file(dir.path(), "user", USER));
    let front = ["security", "set", "front-panel-password", "--new-password-file", &panel];
    warned(&meter.setup(Some(("8650", "0")), &front).ok().out);
    let owner = Some(("8650", OWN));
    let users = ["users", "set", "USER3", "--active", "yes", "--new-password-file", &user];
    warned(&meter.setup(owner, &users).ok().out);
    assert!(grep(&state, OWN) && grep(&state, USER), "reversibly: the storage has them");

    let mut seen = String::new();
    for args in ["info", "users", "security", "events --limit 500", "connections", "read", "plan --to 4.40.1 --all"] {
        for json in [&[][..], &["--json"]] {
            let args: Vec<&str> = args.split(' ').chain(json.iter().copied()).collect();
            let said = meter.setup(owner, &args);
            seen.push_str(&format!("{}{}", said.out, said.err));
        }
    }
    for (name, args) in [("m.dcf", &["save"][..]), ("s.dcf", &["save", "--security"]), ("s.scf", &["security", "save"])]
    {
        let file = dir.path().join(name);
        let args: Vec<&str> = args.iter().copied().chain([file.to_str().unwrap()]).collect();
        meter.setup(owner, &args).ok();
        seen.push_str(&std::fs::read_to_string(file).unwrap());
    }
    let info = meter.info(owner);
    let mut terminal = Telnet::log_in(port(&info, "telnet"), ("8650", OWN)).unwrap();
    for command in ["help", "info", "show", "users", "connections", "log", "demand", "clock"] {
        seen.push_str(&terminal.command(command));
    }
    for path in ["/", "/Operation.html", "/Setup.html", "/Security.html", "/readings.json"] {
        seen.push_str(&page(port(&info, "web"), owner, path, &[]).1);
    }
    let ftp = port(&info, "ftp").to_string();
    seen.push_str(&run(std::process::Command::new("python3").args(["-c", ALL_FILES, &ftp, "8650", OWN])).ok().out);
    assert!(seen.contains("USER3") && seen.contains("kwh del") && seen.contains("kWh del"), "{seen}");
    // The terminal's words come in lower case.
    for secret in [OWN, USER, &USER.to_lowercase()] {
        assert!(!seen.contains(secret), "{secret} is shown");
    }

    // What had to be read to be hashed opens the account afterwards, and is nowhere readable any more.
    meter.setup(owner, &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    for secret in [OWN, USER, "readable:"] {
        assert!(!grep(&state, secret), "{secret} is left in the storage");
    }
    assert_eq!(sftp(meter.port(owner, "sftp"), "8650", OWN, "ls\n").status, 0);
    let plan = meter.setup(owner, &["plan", "--to", "4.0.9"]).ok().out;
    warned(&plan);
}
