//! What whole-system tests share: the real binary as people run it, on free ports of the loopback, and
//! the clients nobody here wrote. Everything started here is ended by its process id when it is dropped.

pub mod faces;
pub mod ftp;
pub mod keyboard;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary that `cargo build` made, beside the tests.
pub fn binary() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows its own path");
    path.pop();
    if path.ends_with("deps") || path.ends_with("examples") {
        path.pop();
    }
    let binary = path.join("wattkeep");
    assert!(binary.exists(), "{} isn't there: run scripts/test, which builds it first", binary.display());
    binary
}

/// Whether a foreign client is there. Where it isn't, the test says so and is left out; in CI it fails.
pub fn has(client: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|dir| dir.join(client).is_file()));
    assert!(found || std::env::var_os("CI").is_none(), "{client} is missing: scripts/test installs it");
    if !found {
        // Past the test harness, which would hide it.
        let _ = writeln!(std::io::stderr(), "skipped: {client} is not installed (scripts/test installs it)");
    }
    found
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The same, if it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:#?}");
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Said {
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

/// Runs a command with something to read.
pub fn run_with_input(command: &mut Command, input: &str) -> Said {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    // A client that has seen enough closes its end.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    child.wait_with_output().unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

/// A `wattkeep` command with a home of its own.
pub fn wattkeep(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env("XDG_STATE_HOME", home).env("NO_COLOR", "1").env_remove("WATTKEEP_PASSWORD");
    command
}

/// Ports that no other test's meter has: what is off now must still find its port free when it is turned on.
fn own_ports() -> String {
    const SERVICES: [&str; 6] = ["setup", "ssh", "telnet", "ftp", "web", "modbus"];
    // Where the meter itself looks for free ones.
    const FIRST: u64 = 20_000;
    const SLICES: u64 = 2_000;
    let counter = binary().with_file_name("ports-of-tests");
    let mut file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(counter).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut slice: u64 = text.trim().parse().unwrap_or(0);
    loop {
        slice += 1;
        let first = FIRST + slice % SLICES * SERVICES.len() as u64;
        let ports: Vec<u16> = (first..).take(SERVICES.len()).map(|port| u16::try_from(port).unwrap()).collect();
        if ports.iter().all(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            file.rewind().unwrap();
            writeln!(file, "{slice:20}").unwrap();
            let named = SERVICES.iter().zip(ports).map(|(service, port)| format!("{service}={port}"));
            return named.collect::<Vec<_>>().join(",");
        }
    }
}

/// A meter that runs as a process.
pub struct Meter {
    child: Child,
    /// What it printed before it was ready.
    pub banner: String,
    /// Where each service listened at the start.
    pub ports: BTreeMap<String, u16>,
    /// The address that it is bound to.
    pub host: String,
    /// Everything of this meter and its Setup.
    pub home: PathBuf,
}

impl Meter {
    /// Starts a meter with its state in `home/state` and waits until it is ready.
    pub fn start(home: &Path, args: &[&str]) -> Self {
        Self::try_start(home, args).unwrap_or_else(|said| panic!("the meter did not start: {said:#?}"))
    }

    /// Starts a meter; what it said if it ended before it was ready.
    pub fn try_start(home: &Path, args: &[&str]) -> Result<Self, Said> {
        Self::spawn(home, args, wattkeep(home).stderr(Stdio::piped()))
    }

    /// Starts a meter that writes all it ever says of itself to a file, at the most verbose level.
    pub fn start_talking(home: &Path, args: &[&str], log: &Path) -> Self {
        Self::start_logging(home, args, log, "trace")
    }

    /// The same for what these rooms say at these levels.
    pub fn start_logging(home: &Path, args: &[&str], log: &Path, levels: &str) -> Self {
        let file = std::fs::File::create(log).unwrap();
        let mut command = wattkeep(home);
        command.env("WATTKEEP_LOG", levels).stderr(file);
        Self::spawn(home, args, &mut command).unwrap_or_else(|said| panic!("the meter did not start: {said:#?}"))
    }

    /// Starts a meter by a command that ends in the binary's own, in surroundings of the test's making.
    pub fn try_start_by(home: &Path, args: &[&str], command: &mut Command) -> Result<Self, Said> {
        Self::spawn(home, args, command.env("XDG_STATE_HOME", home).env("NO_COLOR", "1").stderr(Stdio::piped()))
    }

    fn spawn(home: &Path, args: &[&str], command: &mut Command) -> Result<Self, Said> {
        command.arg("meter").arg("--state").arg(home.join("state"));
        command.args(args.iter().map(|arg| if *arg == "auto" { own_ports() } else { (*arg).to_owned() }));
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        let mut ports = BTreeMap::new();
        let mut bound = "127.0.0.1".to_owned();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line.trim() == "ready" {
                // Nothing else is read from it; its pipe stays open as long as it runs.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, banner, ports, host: bound, home: home.to_owned() });
            }
            if let Some((service, address)) = line.trim().split_once(char::is_whitespace)
                && let Some((host, port)) = address.trim().rsplit_once(':')
                && let Ok(port) = port.parse()
            {
                host.clone_into(&mut bound);
                ports.insert(service.to_owned(), port);
            }
            banner.push_str(&line);
            banner.push('\n');
        }
        let mut err = String::new();
        let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut err));
        let status = child.wait().unwrap().code().unwrap_or(-1);
        Err(Said { status, out: banner, err })
    }

    /// Where Setup reaches it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.ports["setup"])
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A Setup command against it, logged in or not.
    pub fn setup(&self, login: Option<(&str, &str)>, args: &[&str]) -> Said {
        run(&mut self.setup_command(login, args))
    }

    /// The same, not yet run.
    pub fn setup_command(&self, login: Option<(&str, &str)>, args: &[&str]) -> Command {
        let mut command = wattkeep(&self.home);
        command.arg("setup").arg(self.address()).args(args);
        if let Some((user, password)) = login {
            command.env("WATTKEEP_PASSWORD", password);
            if user != "8650" {
                command.args(["--user", user]);
            }
        }
        command
    }

    /// `setup info`, as JSON.
    pub fn info(&self, login: Option<(&str, &str)>) -> serde_json::Value {
        self.setup(login, &["info", "--json"]).ok().json()
    }

    /// The port of a service now.
    pub fn port(&self, login: Option<(&str, &str)>, service: &str) -> u16 {
        self.info(login)["services"][service]["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap()
    }

    /// Pulls the plug.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it as ctrl-C does, and says how it ended.
    pub fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a text lies in any file below a directory, as `grep -ra` looks for it.
pub fn grep(dir: &Path, text: &str) -> bool {
    let said = run(Command::new("grep").args(["-raqF", "--", text]).arg(dir));
    assert!(said.status <= 1, "{said:?}");
    said.status == 0
}

/// Writes a secret to a file, for the options that read one.
pub fn secret_file(home: &Path, name: &str, secret: &str) -> String {
    let path = home.join(name);
    std::fs::write(&path, secret).unwrap();
    path.to_str().unwrap().to_owned()
}

/// OpenSSH's `sftp` with a password, told what to do on its standard input.
pub fn sftp(port: u16, user: &str, password: &str, batch: &str) -> Said {
    let mut command = Command::new("sshpass");
    command.args(["-e", "sftp", "-q", "-P", &port.to_string()]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"]);
    run_with_input(command.arg(format!("{user}@127.0.0.1")).env("SSHPASS", password), batch)
}
