//! The FTP face of legacy releases with clients nobody here wrote: lftp, curl, ncftp and Python's ftplib, passive and
//! active. Each puts, gets, resumes and lists in `documents/`, reads the log whole, and is refused what it may not.

use std::path::PathBuf;
use std::process::Command;

use system_tests::{Meter, Said, has, run, secret_file};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
/// A megabyte and a bit: more than any buffer of a client.
const SIZE: usize = 1_234_567;
/// Where the interrupted transfers of these tests break off.
const HALF: usize = 500_000;

/// A meter, where its FTP is, and a file to send.
struct Bed {
    _dir: tempfile::TempDir,
    home: PathBuf,
    meter: Meter,
    port: u16,
    file: PathBuf,
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        let meter = Meter::start(&home, &["--release", "4.0.9", "--ports", "auto"]);
        let port = meter.port(None, "ftp");
        let file = home.join("sent.bin");
        std::fs::write(&file, content()).unwrap();
        std::fs::write(home.join("half.bin"), &content()[..HALF]).unwrap();
        Self { _dir: dir, home, meter, port, file }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    #[track_caller]
    fn same(&self, got: &str) {
        assert!(std::fs::read(self.at(got)).unwrap() == content(), "{got} differs");
    }

    /// A whole log: its head, and every line complete.
    #[track_caller]
    fn whole_log(&self, got: &str) {
        let log = std::fs::read_to_string(self.at(got)).unwrap();
        assert!(log.starts_with("Number,Time (UTC),") && log.contains("power up") && log.ends_with("\r\n"), "{log}");
    }

    fn curl(&self, args: &[&str]) -> Said {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60"]);
        command.args(args.iter().map(|arg| arg.replace("METER", &format!("ftp://127.0.0.1:{}", self.port))));
        run(command.current_dir(&self.home))
    }

    fn curl_as(&self, login: &str, args: &[&str]) -> Said {
        self.curl(&[&["-u", login], args].concat())
    }

    /// What lftp does, as somebody.
    fn lftp(&self, login: &str, script: &str) -> Said {
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 30; open -u {login} ftp://127.0.0.1:{}; {script}",
            self.port
        );
        run(Command::new("lftp").args(["--norc", "-c", &script]).current_dir(&self.home).env("HOME", &self.home))
    }

    /// A program for ftplib, which finds `ftp` logged in and `home`.
    fn python(&self, user: &str, password: &str, program: &str) -> Said {
        let program = format!("{PYTHON}\n{program}");
        run(Command::new("python3").args(["-c", &program, &self.port.to_string(), user, password]).arg(&self.home))
    }

    /// Six users under Advanced: USER1 may do everything, USER2 reads.
    fn advanced(&self) {
        for (user, rights, password) in [
            ("USER1", "read,time-sync,demand-reset,test-mode,full-config,security-config", "271828"),
            ("USER2", "read", "314159"),
            ("USER3", "read,full-config", "161803"),
        ] {
            let file = secret_file(&self.home, "password", password);
            let set = ["users", "set", user, "--rights", rights, "--active", "yes", "--new-password-file", &file];
            self.meter.setup(FACTORY, &set).ok();
        }
        self.meter.setup(FACTORY, &["security", "set", "mode", "advanced"]).ok();
    }
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|n| (n / 7) as u8).collect()
}

const PYTHON: &str = r#"
import ftplib, io, os, socket, sys
port, user, password, home = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
def connect():
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", port, timeout=60)
    return ftp
def refused(what, *args):
    try:
        what(*args)
    except ftplib.all_errors as error:
        print("refused:", error)
    else:
        print("NOT REFUSED")
ftp = connect()
if user:
    ftp.login(user, password)
whole = open(home + "/sent.bin", "rb").read()
"#;

fn clients() -> bool {
    ["lftp", "curl", "ncftpget", "python3"].into_iter().all(has)
}

#[test]
fn lftp_lists_gets_puts_resumes_and_mirrors_passive_and_active() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    for mode in ["on", "off"] {
        let said = bed.lftp(
            "8650,0",
            &format!(
                "set ftp:passive-mode {mode}; ls; cls -l logs; get -O . logs/events.csv; cd documents; mkdir -p d/e; put sent.bin; \
                 get sent.bin -o got.bin; put half.bin -o part.bin; put -c sent.bin -o part.bin; get part.bin -o part.bin; \
                 mv part.bin d/e/moved.bin; mirror . mirrored-{mode}; rm sent.bin; rm -r d; ls"
            ),
        );
        let said = said.ok();
        for shown in ["config", "documents", "logs", "web", "events.csv"] {
            assert!(said.out.contains(shown), "{said:?}");
        }
        assert!(!said.out.contains("upgrade"), "packages are staged with Setup: {said:?}");
        bed.whole_log("events.csv");
        for got in
            ["got.bin", "part.bin", &format!("mirrored-{mode}/sent.bin"), &format!("mirrored-{mode}/d/e/moved.bin")]
        {
            bed.same(got);
        }
        for got in ["events.csv", "got.bin", "part.bin"] {
            std::fs::remove_file(bed.at(got)).unwrap();
        }
    }
    // The other way round, and a download that is resumed.
    std::fs::create_dir_all(bed.at("tree/sub")).unwrap();
    std::fs::copy(&bed.file, bed.at("tree/sub/sent.bin")).unwrap();
    std::fs::copy(bed.at("half.bin"), bed.at("resumed.bin")).unwrap();
    bed.lftp("8650,0", "mirror -R tree documents/tree; get -c documents/tree/sub/sent.bin -o resumed.bin").ok();
    bed.same("resumed.bin");
}

#[test]
fn curl_gets_puts_and_resumes_passive_and_active() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    for (turn, mode) in
        [vec![], vec!["--disable-epsv"], vec!["-P", "-"], vec!["-P", "-", "--disable-eprt"]].iter().enumerate()
    {
        let name = format!("METER/documents/c{turn}.bin");
        let with = |args: &[&str]| bed.curl_as("8650:0", &[&mode[..], args].concat()).ok();
        with(&["-T", "sent.bin", &name]);
        with(&[&name, "-o", "got.bin"]);
        bed.same("got.bin");
        std::fs::copy(bed.at("half.bin"), bed.at("got.bin")).unwrap();
        with(&["-C", "-", &name, "-o", "got.bin"]);
        bed.same("got.bin");
        with(&["-T", "half.bin", &name]);
        with(&["-C", "-", "-T", "sent.bin", &name]);
        with(&["-a", "-T", "half.bin", &name]);
        with(&[&name, "-o", "long.bin"]);
        assert!(std::fs::read(bed.at("long.bin")).unwrap() == [&content()[..], &content()[..HALF]].concat());
        with(&["METER/logs/events.csv", "-o", "events.csv"]);
        bed.whole_log("events.csv");
        let head = with(&["-I", &name]);
        assert!(head.out.contains(&format!("Content-Length: {}", SIZE + HALF)), "{head:?}");
        assert!(with(&["METER/"]).out.contains("documents"));
        assert_eq!(with(&["-l", "METER/config/"]).out, "security.scf\r\ntemplate.dcf\r\n");
        with(&["-Q", &format!("DELE /documents/c{turn}.bin"), "METER/"]);
    }
    // A file that is made as it is read has the size that was told, and can be taken up anywhere in it.
    let whole = bed.curl_as("8650:0", &["METER/config/template.dcf"]).ok().out;
    let tail = bed.curl_as("8650:0", &["-r", "1000-", "METER/config/template.dcf"]).ok().out;
    assert_eq!(whole.as_bytes()[1000..], *tail.as_bytes());
    // Six levels of URL, escaped: none leaves the tree.
    let said = bed.curl_as("8650:0", &["--path-as-is", "METER/%2e%2e/%2e%2e/..%2f..%2fetc/passwd"]);
    assert!(said.status != 0 && said.out.is_empty(), "{said:?}");
}

#[test]
fn ncftp_lists_gets_and_puts_passive_and_active() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    let ncftp = |tool: &str, mode: &str, args: &[&str]| {
        let mut command = Command::new(tool);
        command.args(["-u", "8650", "-p", "0", "-P", &bed.port.to_string(), "-t", "60", "-r", "1", mode]);
        run(command.args(args).current_dir(&bed.home).env("HOME", &bed.home))
    };
    for mode in ["-F", "-E"] {
        ncftp("ncftpput", mode, &["127.0.0.1", "/documents", "sent.bin"]).ok();
        let listed = ncftp("ncftpls", mode, &["-l", "ftp://127.0.0.1/documents/"]).ok();
        assert!(listed.out.contains("sent.bin") && listed.out.contains(&SIZE.to_string()), "{listed:?}");
        std::fs::create_dir_all(bed.at("got")).unwrap();
        ncftp("ncftpget", mode, &["127.0.0.1", "got", "/documents/sent.bin", "/logs/events.csv"]).ok();
        bed.same("got/sent.bin");
        bed.whole_log("got/events.csv");
        std::fs::remove_dir_all(bed.at("got")).unwrap();
    }
    let refused = ncftp("ncftpput", "-F", &["127.0.0.1", "/logs", "sent.bin"]);
    assert!(refused.status != 0, "{refused:?}");
}

#[test]
fn ftplib_lists_with_facts_and_gets_puts_and_resumes_passive_and_active() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    let said = bed.python(
        "8650",
        "0",
        r#"
assert ftp.getwelcome().startswith("220 8650V409 "), ftp.getwelcome()
for passive in (True, False):
    ftp.set_pasv(passive)
    facts = dict(ftp.mlsd("/", ["type", "size", "modify"]))
    assert sorted(facts) == ["COMTRADE", "config", "documents", "logs", "web"], facts
    assert all(entry["type"] == "dir" and len(entry["modify"]) == 14 for entry in facts.values()), facts
    ftp.cwd("documents")
    assert ftp.pwd() == "/documents"
    assert ftp.mkd('a "b" c') == '/documents/a "b" c'
    ftp.cwd('a "b" c')
    assert ftp.pwd() == '/documents/a "b" c'
    ftp.cwd("..")
    assert ftp.pwd() == "/documents"
    ftp.rmd('a "b" c')
    ftp.storbinary("STOR f.bin", io.BytesIO(whole))
    assert ftp.size("f.bin") == len(whole)
    got = io.BytesIO()
    ftp.retrbinary("RETR f.bin", got.write)
    assert got.getvalue() == whole
    rest = io.BytesIO()
    ftp.retrbinary("RETR f.bin", rest.write, rest=1000000)
    assert rest.getvalue() == whole[1000000:]
    # REST counts for one transfer, and for none after a refusal.
    refused(ftp.retrbinary, "RETR nothing", print, 8192, 7)
    again = io.BytesIO()
    ftp.retrbinary("RETR f.bin", again.write)
    assert again.getvalue() == whole
    ftp.storbinary("STOR f.bin", io.BytesIO(whole[500000:]), rest=500000)
    assert ftp.size("f.bin") == len(whole)
    refused(ftp.storbinary, "STOR f.bin", io.BytesIO(b"x"), 8192, None, 99999999)
    ftp.rename("f.bin", "g.bin")
    assert ftp.nlst() == ["g.bin"]
    (name, entry), = ftp.mlsd()
    assert (name, entry["type"], entry["size"]) == ("g.bin", "file", str(len(whole))), entry
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert len(lines) == 1 and lines[0].startswith("-rw-r--r--") and lines[0].endswith("g.bin"), lines
    refused(ftp.retrlines, "RETR g.bin")
    ftp.voidcmd("TYPE I")
    assert len(ftp.sendcmd("MDTM g.bin")) == 18
    ftp.delete("g.bin")
    assert ftp.nlst() == []
    ftp.cwd("/")
size = ftp.size("logs/events.csv")
log = io.BytesIO()
ftp.retrbinary("RETR logs/events.csv", log.write)
assert len(log.getvalue()) == size, (len(log.getvalue()), size)
print(ftp.sendcmd("FEAT"))
print(ftp.quit())
"#,
    );
    let said = said.ok();
    for sentence in [
        "refused: 550 there is no \"nothing\" among the documents",
        "refused: 554 there are only 1234567 bytes of this file: begin there, or at its beginning",
        "refused: 550 files are sent as they are, never as text: say TYPE I (binary) first",
        "MLST type*;size*;modify*;",
        "221 goodbye",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {said:?}");
    }
}

#[test]
fn every_refusal_says_why() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    let said = bed.python(
        "8650",
        "0",
        r#"
ftp.voidcmd("TYPE I")
refused(ftp.cwd, "upgrade")
refused(ftp.storbinary, "STOR upgrade/4.40.1.upg", io.BytesIO(b"x"))
refused(ftp.storbinary, "STOR logs/events.csv", io.BytesIO(b"x"))
refused(ftp.delete, "config/template.dcf")
refused(ftp.mkd, "logs/new")
refused(ftp.cwd, "logs/events.csv")
refused(ftp.rename, "nothing", "documents/x")
refused(ftp.storbinary, "STOR documents/" + "n" * 200, io.BytesIO(b"x"))
refused(ftp.storbinary, "STOR documents/a/b/c/d/e/f", io.BytesIO(b"x"))
refused(ftp.storbinary, "STOR documents/large", io.BytesIO(bytes(17 << 20)))
refused(ftp.voidcmd, "STOU")
refused(ftp.voidcmd, "SITE CHMOD 777 documents")
refused(ftp.voidcmd, "TYPE E")
refused(ftp.voidcmd, "DELE " + "n" * 5000)
refused(ftp.size, "../../../etc/passwd")
ftp.sock.sendall(b"DELE documents/\xff\xfe\r\nDELE a\0b\r\nDELE a\rDELE b\r\n")
for _ in range(3):
    print("said:", ftp.getline())
ftp.sock.sendall(b"\xff\xf4\xff\xf2ABOR\r\n")
print("said:", ftp.getline())
for target in ("127,0,0,2,200,1", "192,0,2,1,200,1", "127,0,0,1,0,22", "127,0,0,1,0,0"):
    refused(ftp.voidcmd, "PORT " + target)
refused(ftp.voidcmd, "EPRT |1|127.0.0.2|51201|")
refused(ftp.voidcmd, "EPRT |2|::1|51201|")
refused(ftp.retrbinary, "RETR documents", print)
print("documents:", ftp.nlst("documents"))
"#,
    );
    let said = said.ok();
    assert!(!said.out.contains("NOT REFUSED"), "{}", said.out);
    for sentence in [
        "550 there is no \"/upgrade\" on this meter",
        "550 this is read-only here: only documents/ takes files",
        "550 \"/logs/events.csv\" is not a directory",
        "553 a document can't be called that",
        "553 documents lie at most 4 deep",
        "552 the documents are full",
        "500 a line has at most 1024 bytes: this one was thrown away",
        "said: 501 a name is UTF-8 text without control characters",
        "said: 226 nothing was under way",
        "504 data goes only to the address that you are connected from: use passive mode",
        "504 data goes only to ports from 1024 on",
        "550 \"/documents\" is a directory",
        "documents: []",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {}", said.out);
    }
}

#[test]
fn b9_advanced_logs_in_users_and_each_may_what_its_rights_say() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    bed.advanced();
    for (login, config, write, security) in
        [("USER1:271828", true, true, true), ("user02:314159", true, false, false), ("USER3:161803", true, true, false)]
    {
        assert_eq!(bed.curl_as(login, &["METER/config/template.dcf"]).status == 0, config, "{login}");
        assert_eq!(bed.curl_as(login, &["-T", "half.bin", "METER/documents/x"]).status == 0, write, "{login}");
        assert_eq!(bed.curl_as(login, &["METER/config/security.scf"]).status == 0, security, "{login}");
        let listed = bed.curl_as(login, &["-l", "METER/config/"]).ok().out;
        assert_eq!(listed.contains("security.scf"), security, "{login}: {listed}");
    }
    let said = bed.python("USER2", "314159", "refused(ftp.storbinary, 'STOR documents/y', io.BytesIO(b'y'))").ok();
    assert!(said.out.contains("550 ") && said.out.contains("Full Meter Config"), "{said:?}");
    for nobody in ["8650:0", "USER1:314159", "USER9:0", "anonymous:a@b", "root:root"] {
        let said = bed.curl_as(nobody, &["METER/logs/events.csv"]);
        assert!(said.status == 67 && said.out.is_empty(), "{nobody}: {said:?}");
    }
    let anonymous = bed.curl(&["METER/logs/events.csv"]);
    assert!(anonymous.status == 67 && anonymous.out.is_empty(), "{anonymous:?}");
}

#[test]
fn b9_standard_is_8650_with_the_front_panel_password_and_five_wrong_ones_lock_out() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    assert_eq!(bed.curl_as("8650:0", &["-l", "METER/logs/"]).ok().out, "events.csv\r\n");
    assert_eq!(bed.curl_as("USER1:0", &["METER/"]).status, 67);
    for _ in 0..4 {
        assert_eq!(bed.curl_as("8650:1", &["METER/"]).status, 67);
    }
    let said = bed.python("", "", "ftp.sendcmd('USER 8650')\nrefused(ftp.sendcmd, 'PASS 0')").ok();
    assert!(said.out.contains("refused: 530 ") && said.out.contains("locked"), "{said:?}");
    let held = bed.meter.setup(FACTORY, &["connections", "--json"]).ok().json()["lockouts"].to_string();
    assert!(held.contains("\"path\":\"ftp\""), "{held}");
}

#[test]
fn b9_no_security_takes_8650_with_any_password() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    bed.meter.setup(FACTORY, &["security", "set", "mode", "none"]).ok();
    for password in ["0", "whatever", "12345678901234567890"] {
        bed.curl_as(&format!("8650:{password}"), &["-T", "half.bin", "METER/documents/x"]).ok();
    }
    assert!(bed.curl_as("8650:x", &["METER/config/security.scf"]).ok().out.contains("mode"));
}

#[test]
fn b23_ftp_is_off_after_a_downgrade_and_works_again_when_setup_turns_it_on() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let service = meter.info(FACTORY)["services"]["ftp"].clone();
    assert_eq!((&service["enabled"], &service["listening"]), (&false.into(), &false.into()), "{service}");
    meter.setup(FACTORY, &["set", "FTP", "yes"]).ok();
    let service = meter.info(FACTORY)["services"]["ftp"].clone();
    assert_eq!((&service["listening"], &service["why"]), (&true.into(), &serde_json::Value::Null), "{service}");
    let address = format!("ftp://127.0.0.1:{}/logs/", service["port"]);
    assert_eq!(run(Command::new("curl").args(["-sS", "-l", "-u", "8650:0", &address])).ok().out, "events.csv\r\n");
    meter.setup(FACTORY, &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    assert!(run(Command::new("curl").args(["-sS", "-u", "8650:0", &address])).status == 7, "FTP is not part of it");
}

#[test]
fn a_session_that_ends_takes_its_connection_and_the_transfer_under_way_along() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    let new = secret_file(&bed.home, "new", "58317462");
    let begin = r#"
ftp.voidcmd("TYPE I")
data = ftp.transfercmd("STOR documents/half")
data.sendall(whole[:300000])
print("begun", flush=True)
sys.stdin.readline()
try:
    for _ in range(600):
        data.sendall(whole[:300000])
        import time; time.sleep(0.05)
    print("STILL GOING")
except OSError:
    print("ended")
try:
    ftp.sock.settimeout(30)
    print("said:", ftp.getline())
except (EOFError, OSError):
    print("said nothing")
"#;
    // Ended by its number; then by another password.
    for end in [true, false] {
        let mut client = Client::start(&bed, begin);
        client.hears("begun");
        if end {
            let sessions = bed.meter.setup(FACTORY, &["connections", "--json"]).ok().json();
            let listed = sessions["connections"].as_array().unwrap();
            let ours = listed.iter().find(|one| one["service"] == "ftp").unwrap_or_else(|| panic!("{sessions}"));
            assert_eq!(ours["user"], "8650", "{ours}");
            bed.meter.setup(FACTORY, &["connections", "end", &ours["session"].to_string()]).ok();
        } else {
            let set = ["security", "set", "front-panel-password", "--new-password-file", &new];
            bed.meter.setup(FACTORY, &set).ok();
        }
        let said = client.goes_on();
        assert!(said.contains("ended") && !said.contains("STILL GOING"), "{said}");
        let owner = if end { "8650:0" } else { "8650:58317462" };
        assert_eq!(bed.curl_as(owner, &["-l", "METER/documents/"]).ok().out, "", "nothing of it is kept");
    }
}

/// A Python program that waits in the middle.
struct Client(std::process::Child, std::io::BufReader<std::process::ChildStdout>);

impl Client {
    fn start(bed: &Bed, program: &str) -> Self {
        use std::process::Stdio;
        let program = format!("{PYTHON}\n{program}");
        let mut command = Command::new("python3");
        command.args(["-c", &program, &bed.port.to_string(), "8650", "0"]).arg(&bed.home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.1, &mut line).unwrap();
        assert_eq!(line.trim(), expected);
    }

    /// Lets it go on to its end; what it says.
    fn goes_on(&mut self) -> String {
        use std::io::{Read, Write};
        let _ = self.0.stdin.take().unwrap().write_all(b"\n");
        let mut said = String::new();
        self.1.read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        said
    }

    /// Pulls its plug.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_upload_that_breaks_off_replaces_nothing_and_is_taken_up_where_nothing_was() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    bed.curl_as("8650:0", &["-T", "sent.bin", "METER/documents/old.bin"]).ok();
    let size = |name: &str| {
        let said = bed.curl_as("8650:0", &["-I", &format!("METER/documents/{name}")]);
        said.out
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .and_then(|size| size.trim().parse().ok())
    };
    for name in ["old.bin", "new.bin"] {
        let mut client = Client::start(
            &bed,
            &format!(
                "ftp.voidcmd('TYPE I')\ndata = ftp.transfercmd('STOR documents/{name}')\ndata.sendall(whole[:500000])\n\
                 print('begun', flush=True)\nsys.stdin.readline()"
            ),
        );
        client.hears("begun");
        client.kill();
    }
    // What was sent before the plug was pulled comes in by and by.
    let begun = std::time::Instant::now();
    while size("new.bin").is_none_or(|size: usize| size == 0) && begun.elapsed().as_secs() < 30 {
        std::thread::yield_now();
    }
    assert_eq!(size("old.bin"), Some(SIZE), "a whole file is replaced by a whole file alone");
    assert_eq!(size("new.bin"), Some(HALF));
    bed.lftp("8650,0", "put -c sent.bin -o documents/new.bin; get documents/new.bin -o new.bin").ok();
    bed.same("new.bin");
}

#[test]
fn what_a_client_takes_back_ends_at_once_and_the_connection_goes_on() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    let said = bed.python(
        "8650",
        "0",
        r#"
ftp.voidcmd("TYPE I")
for _ in range(3):
    data = ftp.transfercmd("STOR documents/aborted")
    data.sendall(whole[:300000])
    print(ftp.abort())
    data.close()
    print(ftp.voidresp())
ftp.storbinary("STOR documents/f", io.BytesIO(whole))
data = ftp.transfercmd("RETR documents/f")
data.recv(1000)
data.close()
try:
    print(ftp.voidresp())
except ftplib.all_errors as error:
    print(error)
got = io.BytesIO()
ftp.retrbinary("RETR documents/f", got.write)
assert got.getvalue() == whole
# One after the other, each with a port of its own.
for _ in range(200):
    ftp.sendcmd("PASV")
    ftp.sendcmd("EPSV")
assert ftp.nlst("documents") == ["aborted", "f"] or ftp.nlst("documents") == ["f"], ftp.nlst("documents")
"#,
    );
    let said = said.ok();
    assert_eq!(said.out.matches("426 the transfer was taken back").count(), 3, "{said:?}");
    assert_eq!(said.out.matches("226 it is over").count(), 3, "{said:?}");
}

#[test]
fn data_ports_come_from_the_range_that_is_set() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    // Somewhere among ports that nothing here uses.
    let set = ["set", "FTP Passive First Port", "33500", "FTP Passive Ports", "20"];
    bed.meter.setup(FACTORY, &set).ok();
    let said = bed.python(
        "8650",
        "0",
        r#"
for _ in range(30):
    host, port = ftp.makepasv()
    assert host == "127.0.0.1" and 33500 <= port < 33520, (host, port)
assert ftp.nlst("logs")
"#,
    );
    said.ok();
}

#[test]
fn no_password_is_in_anything_that_the_meter_says_of_itself() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let meter = Meter::start_talking(dir.path(), &["--release", "4.0.9", "--ports", "auto"], &log);
    let file = secret_file(dir.path(), "new", "58317462");
    meter.setup(FACTORY, &["security", "set", "front-panel-password", "--new-password-file", &file]).ok();
    let port = meter.port(Some(("8650", "58317462")), "ftp");
    let address = format!("ftp://127.0.0.1:{port}/logs/");
    run(Command::new("curl").args(["-sS", "-l", "-u", "8650:58317462", &address])).ok();
    run(Command::new("curl").args(["-sS", "-l", "-u", "8650:90909090", &address]));
    meter.stop();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("FTP connection ended"), "it talks");
    assert!(!said.contains("58317462") && !said.contains("90909090"));
}

#[test]
fn a_document_goes_there_and_back_at_the_speed_of_a_disk() {
    if !clients() {
        return;
    }
    let bed = Bed::new();
    std::fs::write(bed.at("large.bin"), vec![7; 15 << 20]).unwrap();
    for (what, args) in [
        ("put", ["-T", "large.bin", "METER/documents/large.bin"]),
        ("get", ["METER/documents/large.bin", "-o", "large.got"]),
    ] {
        let args = [&args[..], &["-w", "%{speed_upload} %{speed_download}"]].concat();
        let said = bed.curl_as("8650:0", &args).ok();
        println!("{what}: {} bytes a second", said.out);
    }
    assert!(std::fs::read(bed.at("large.got")).unwrap() == vec![7; 15 << 20]);
}
