//! What an attacker brings to FTP: guessers, scanners, the bounce to another host, the theft of a data port (RFC 2577),
//! and connections that are only held. Each ends without entry, and with a meter that goes on.

use std::process::Command;

use system_tests::{Meter, Said, has, run, secret_file};

const OWN: &str = "58317462";
const OWNER: Option<(&str, &str)> = Some(("8650", OWN));

fn owned(home: &std::path::Path) -> (Meter, String) {
    let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto"]);
    let file = secret_file(home, "new", OWN);
    meter.setup(Some(("8650", "0")), &["security", "set", "front-panel-password", "--new-password-file", &file]).ok();
    let port = meter.port(OWNER, "ftp").to_string();
    (meter, port)
}

/// The right password is the last of thirty.
fn words(home: &std::path::Path) -> String {
    let words: String = (0..29).map(|n| format!("{}\n", 1000 + n)).collect();
    secret_file(home, "words", &format!("{words}{OWN}\n"))
}

/// That nobody got in over FTP, and that the source is locked out.
#[track_caller]
fn stood(meter: &Meter) {
    let held = meter.setup(OWNER, &["connections", "--json"]).ok().json()["lockouts"].to_string();
    assert!(held.contains("\"path\":\"ftp\""), "{held}");
    let events = meter.setup(OWNER, &["events", "--limit", "500", "--json"]).ok().json();
    let events = events["events"].as_array().unwrap();
    let told = |effect: &str| events.iter().filter(|event| event["path"] == "ftp" && event["effect"] == effect).count();
    assert_eq!(told("valid"), 0, "somebody got in");
    assert!(told("invalid") >= 5);
    assert_eq!(told("locked out for 15 min"), 1, "one source, one lock-out");
}

/// A program for ftplib, which finds `ftp` logged in.
fn python(port: &str, program: &str) -> Said {
    let begin = "import ftplib, io, os, socket, sys, time\nport = int(sys.argv[1])\n\
                 def connect():\n ftp = ftplib.FTP(); ftp.connect('127.0.0.1', port, timeout=60); ftp.login('8650', sys.argv[2]); return ftp\n";
    run(Command::new("python3").args(["-c", &format!("{begin}{program}"), port, OWN]))
}

#[test]
fn hydra_ends_in_a_lock_out_and_no_entry() {
    if !has("hydra") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = owned(dir.path());
    let mut command = Command::new("timeout");
    command.args(["120", "hydra", "-I", "-t", "4", "-l", "8650", "-P", &words(dir.path()), "-s", &port]);
    let said = run(command.arg("ftp://127.0.0.1").current_dir("/"));
    assert!(!said.out.contains(OWN) && said.out.contains("hydra"), "{said:?}");
    stood(&meter);
}

#[test]
fn nmap_its_scripts_and_its_bounce_scan_find_no_way_in_or_through() {
    if !has("nmap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = owned(dir.path());
    // A port that a bounce would find open.
    let victim = std::net::TcpListener::bind("127.0.0.3:0").unwrap();
    let target = victim.local_addr().unwrap().port().to_string();
    let relay = format!("8650:{OWN}@127.0.0.1:{port}");
    let mut bounce = Command::new("timeout");
    bounce.args(["120", "nmap", "-Pn", "-n", "--max-retries", "1", "-p", &target, "-b", &relay, "127.0.0.3"]);
    let said = run(&mut bounce);
    assert!(!said.out.contains(" open "), "{said:?}");
    victim.set_nonblocking(true).unwrap();
    assert!(victim.accept().is_err(), "nobody came");
    let users = secret_file(dir.path(), "users", "8650\nUSER1\nanonymous\nroot\n");
    let brute = format!("userdb={users},passdb={},brute.firstonly=true,unpwdb.timelimit=60s", words(dir.path()));
    let scripts = "ftp-anon,ftp-bounce,ftp-brute,ftp-syst,ftp-libopie,ftp-proftpd-backdoor,ftp-vsftpd-backdoor";
    let mut scan = Command::new("timeout");
    scan.args(["120", "nmap", "-Pn", "-n", "-sT", "-sV", "--version-light", "-p", &port, "--script", scripts]);
    let said = run(scan.args(["--script-args", &brute, "127.0.0.1"]));
    assert!(said.out.contains("open"), "{said:?}");
    for found in ["Anonymous FTP login allowed", "bounce working", "Valid credentials", "VULNERABLE", OWN] {
        assert!(!said.out.contains(found), "{found}: {said:?}");
    }
    meter.info(OWNER);
}

#[test]
fn a_data_port_is_stolen_by_nobody() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = owned(dir.path());
    // Thieves from other addresses come first, and to every port there is: they get nothing, and the client its file.
    let said = python(
        &port,
        r#"
ftp = connect()
ftp.voidcmd("TYPE I")
for turn in range(5):
    host, data = ftp.makepasv()
    thieves = []
    for n in range(4):
        thief = socket.socket()
        thief.settimeout(30)
        thief.bind((f"127.0.0.{2 + n}", 0))
        thief.connect((host, data))
        thieves.append(thief)
    own = socket.create_connection((host, data), 30)
    assert ftp.sendcmd("RETR config/template.dcf").startswith("150")
    got = b""
    while piece := own.recv(65536):
        got += piece
    assert ftp.voidresp().startswith("226") and len(got) > 1000
    for thief in thieves:
        try:
            assert thief.recv(1) == b""
        except ConnectionResetError:
            pass
print("kept")
"#,
    );
    assert_eq!(said.ok().out, "kept\n");
}

#[test]
fn connections_that_are_only_held_take_the_place_of_nobody_who_has_logged_in() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = owned(dir.path());
    let said = python(
        &port,
        r#"
ftp = connect()
held = []
for n in range(200):
    one = socket.socket()
    one.settimeout(10)
    one.bind((f"127.9.9.{1 + n % 50}", 0))
    try:
        one.connect(("127.0.0.1", port))
        one.send(b"USER 8650\r\nLIST\r\n" if n % 2 else b"A" * 9999)
    except OSError:
        pass
    held.append(one)
assert "events.csv" in ftp.nlst("logs")
# Data ports without end, from one who has logged in: each gives way to the next.
for _ in range(500):
    ftp.sendcmd("EPSV")
second = connect()
assert "events.csv" in second.nlst("logs")
print("served")
"#,
    );
    assert_eq!(said.ok().out, "served\n");
    let files = std::fs::read_dir(format!("/proc/{}/fd", meter.pid())).unwrap().count();
    assert!(files < 100, "{files} descriptors");
}

#[test]
fn a_wrong_password_is_told_apart_from_an_unknown_user_by_nobody() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = owned(dir.path());
    meter.setup(OWNER, &["set", "Invalid Attempts", "0"]).ok();
    let said = python(
        &port,
        r#"
def answers(name):
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", port, timeout=60)
    said = [ftp.sendcmd("USER " + name)]
    try:
        ftp.sendcmd("PASS 1234")
    except ftplib.error_perm as error:
        said.append(str(error))
    return said
wrong = answers("8650")
assert wrong[1].startswith("530 ") and "the user name or the password is wrong" in wrong[1], wrong
for name in ("USER1", "USER9", "root", "anonymous", "x" * 300, "%n%n", ""):
    assert answers(name) == wrong, (name, answers(name))
print("alike")
"#,
    );
    assert_eq!(said.ok().out, "alike\n");
}
