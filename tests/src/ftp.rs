//! A legacy meter for FTP, and clients of it that nobody here wrote.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{Meter, Said, has, run, secret_file};

/// The login of a factory-new meter.
pub const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
/// A megabyte and a bit: more than any buffer of a client.
pub const SIZE: usize = 1_234_567;
/// Where interrupted transfers break off.
pub const HALF: usize = 500_000;

/// A meter, where its FTP is, and a file to send.
pub struct Bed {
    /// Everything of the meter and its clients.
    pub home: PathBuf,
    /// The meter.
    pub meter: Meter,
    /// Where its FTP is.
    pub port: u16,
    /// A file to send.
    pub file: PathBuf,
}

impl Bed {
    /// A factory-new meter, with everything of it in this directory.
    pub fn new(home: &Path) -> Self {
        let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto"]);
        let port = meter.port(None, "ftp");
        let file = home.join("sent.bin");
        std::fs::write(&file, content()).unwrap();
        std::fs::write(home.join("half.bin"), &content()[..HALF]).unwrap();
        Self { home: home.to_owned(), meter, port, file }
    }

    /// A file of the clients'.
    pub fn at(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// That a client got what was sent.
    #[track_caller]
    pub fn same(&self, got: &str) {
        assert!(std::fs::read(self.at(got)).unwrap() == content(), "{got} differs");
    }

    /// A whole log: its head, and every line complete.
    #[track_caller]
    pub fn whole_log(&self, got: &str) {
        let log = std::fs::read_to_string(self.at(got)).unwrap();
        assert!(log.starts_with("Number,Time (UTC),") && log.contains("power up") && log.ends_with("\r\n"), "{log}");
    }

    /// curl; METER in an argument is where the meter is.
    pub fn curl(&self, args: &[&str]) -> Said {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60"]);
        command.args(args.iter().map(|arg| arg.replace("METER", &format!("ftp://127.0.0.1:{}", self.port))));
        run(command.current_dir(&self.home))
    }

    /// The same, logged in.
    pub fn curl_as(&self, login: &str, args: &[&str]) -> Said {
        self.curl(&[&["-u", login], args].concat())
    }

    /// What lftp does, as somebody.
    pub fn lftp(&self, login: &str, script: &str) -> Said {
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 30; open -u {login} ftp://127.0.0.1:{}; {script}",
            self.port
        );
        run(Command::new("lftp").args(["--norc", "-c", &script]).current_dir(&self.home).env("HOME", &self.home))
    }

    /// A program for ftplib, which finds `ftp` logged in and `home`.
    pub fn python(&self, user: &str, password: &str, program: &str) -> Said {
        let program = format!("{PYTHON}\n{program}");
        run(Command::new("python3").args(["-c", &program, &self.port.to_string(), user, password]).arg(&self.home))
    }

    /// Three users under Advanced: USER1 may do everything, USER2 reads, USER3 changes set-up as well.
    pub fn advanced(&self) {
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

/// What is sent.
pub fn content() -> Vec<u8> {
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

/// Whether the clients are there.
pub fn clients() -> bool {
    ["lftp", "curl", "ncftpget", "python3"].into_iter().all(has)
}

/// A Python program that waits in the middle.
pub struct Client(Child, BufReader<ChildStdout>);

impl Client {
    /// Starts it, logged in as the factory's 8650.
    pub fn start(bed: &Bed, program: &str) -> Self {
        let program = format!("{PYTHON}\n{program}");
        let mut command = Command::new("python3");
        command.args(["-c", &program, &bed.port.to_string(), "8650", "0"]).arg(&bed.home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    /// Waits for a line.
    pub fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected);
    }

    /// Lets it go on to its end; what it says.
    pub fn goes_on(&mut self) -> String {
        let _ = self.0.stdin.take().unwrap().write_all(b"\n");
        let mut said = String::new();
        self.1.read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        said
    }

    /// Pulls its plug.
    pub fn kill(&mut self) {
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
