//! What a login gets at each kind of face, found out by clients that nobody here wrote (and, for Telnet, by a bare
//! socket; `telnet` itself is driven in `keyboard`): who gets in, who reads, who changes set-up.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Meter, Said, has, run, run_with_input, sftp};

/// A login: a name, and the password that goes with it.
pub type Login<'a> = (&'a str, &'a str);

/// The longest that a face may take to answer on a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// What somebody got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    /// Measurements.
    pub read: bool,
    /// A set-up register changed.
    pub write: bool,
}

/// A set-up register that takes Full Meter Config, by its names here and there, and a value that is new each time.
#[derive(Debug, Clone, Copy)]
pub struct Wish(pub u32);

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a service is by its own word.
pub fn service(info: &Value, name: &str) -> Value {
    info["services"][name].clone()
}

/// Where a service is.
pub fn port(info: &Value, name: &str) -> u16 {
    service(info, name)["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_else(|| panic!("{info:#}"))
}

/// Over Setup.
pub fn setup(meter: &Meter, login: Option<Login<'_>>, wish: Wish) -> Got {
    let done = |said: Said| match said.status {
        0 => true,
        4 => false,
        _ => panic!("{said:?}"),
    };
    let read = done(meter.setup(login, &["read", "kW tot", "--json"]));
    Got { read, write: done(meter.setup(login, &["set", "CT Prim", &wish.to_string()])) }
}

/// Over Modbus, by mbpoll: the total power, and CT Prim, two words at 46005.
pub fn modbus(port: u16, wish: Wish) -> Got {
    let poll = |register: &str, rest: &[&str]| {
        let mut command = Command::new("mbpoll");
        command.args(["-m", "tcp", "-a", "1", "-1", "-q", "-o", "10", "-t", "4:int", "-B", "-p", &port.to_string()]);
        run(command.args(["-r", register, "127.0.0.1"]).args(rest)).status == 0
    };
    Got { read: poll("204", &[]), write: poll("6005", &[&wish.to_string()]) }
}

/// A page by curl: its status and its body.
pub fn page(port: u16, login: Option<Login<'_>>, path: &str, rest: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "30", "-w", "\n%{http_code}", &format!("http://127.0.0.1:{port}{path}")]);
    if let Some((user, password)) = login {
        command.args(["-u", &format!("{user}:{password}")]);
    }
    let said = run(command.args(rest));
    if said.status != 0 {
        return (0, said.err);
    }
    let (body, status) = said.out.rsplit_once('\n').unwrap_or_default();
    (status.parse().unwrap_or(0), body.to_owned())
}

/// The page with the form for CT Prim.
const FORM: &str = "/SetupPowerMeter.html";

/// Over the web: the readings, and the form for CT Prim as a browser sends it.
pub fn web(port: u16, login: Option<Login<'_>>, wish: Wish) -> Got {
    let read = page(port, login, "/Operation.html", &[]);
    let read = read.0 == 200 && read.1.contains("kW total");
    let (status, form) = page(port, login, FORM, &[]);
    if status != 200 {
        return Got { read, write: false };
    }
    let field = |name: &str| {
        let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{form}"));
        format!("{name}={}", rest.split_once('"').unwrap_or_default().0)
    };
    let (state, mark) = (field("state"), field("mark"));
    let wish = format!("Power Meter 1/CT Prim={wish}");
    let origin = format!("Origin: http://127.0.0.1:{port}");
    let mut args = vec!["-H", &origin];
    for one in [&state, &mark, &wish] {
        args.extend(["--data-urlencode", one]);
    }
    let (status, answer) = page(port, login, FORM, &args);
    Got { read, write: status == 200 && answer.contains("CT Prim") && answer.contains("Saved") }
}

/// Over FTP, by Python's client: a list and a file; and a document put there.
pub fn ftp(port: u16, login: Login<'_>) -> Option<Got> {
    const PROGRAM: &str = r##"
import ftplib, io, json, sys
def done(what):
    try:
        what(); return True
    except ftplib.all_errors as error:
        print(error, file=sys.stderr); return False
client = ftplib.FTP()
if not done(lambda: client.connect("127.0.0.1", int(sys.argv[1]), timeout=30)) or \
   not done(lambda: client.login(sys.argv[2], sys.argv[3])):
    print("null"); sys.exit(0)
got = io.BytesIO()
read = done(lambda: client.retrbinary("RETR /logs/events.csv", got.write)) and b"Priority" in got.getvalue()
write = done(lambda: client.storbinary("STOR /documents/note.txt", io.BytesIO(b"a note\n")))
print(json.dumps({"read": read, "write": write}))
"##;
    let said = run(Command::new("python3").args(["-c", PROGRAM, &port.to_string(), login.0, login.1]));
    let got = said.ok().json();
    (!got.is_null()).then(|| Got { read: got["read"] == true, write: got["write"] == true })
}

/// Over SSH, by OpenSSH: what a command said.
pub fn ssh(port: u16, login: Login<'_>, remote: &[&str]) -> Said {
    let mut command = Command::new("sshpass");
    command.args(["-e", "ssh", "-q", "-p", &port.to_string()]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]);
    run(command.arg(format!("{}@127.0.0.1", login.0)).args(remote).env("SSHPASS", login.1))
}

/// Over the terminal: `None` where nobody gets in.
pub fn telnet(port: u16, login: Login<'_>, wish: Wish) -> Option<Got> {
    let mut terminal = Telnet::log_in(port, login)?;
    let said = terminal.command("show \"kW tot\"");
    let reading = |line: &str| line.ends_with(" kw") && line.contains(|digit: char| digit.is_ascii_digit());
    let read = said.lines().any(|line| reading(line.trim()));
    let write = terminal.command(&format!("set \"CT Prim\" {wish}")).contains("->");
    Some(Got { read, write })
}

/// What ends the question for a command.
const PROMPT: &str = "> ";

/// A conversation on the terminal.
pub struct Telnet {
    stream: TcpStream,
    heard: String,
}

impl Telnet {
    /// Logs in and goes to the command line.
    pub fn log_in(port: u16, login: Login<'_>) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut terminal = Self { stream, heard: String::new() };
        terminal.until(&["login:"])?;
        terminal.say(login.0);
        terminal.until(&["password:"])?;
        terminal.say(login.1);
        if terminal.until(&["choice:", "login:"])? == "login:" {
            return None;
        }
        let line = terminal.heard.lines().find(|line| line.contains("command line"));
        let key = line.and_then(|line| line.split_whitespace().next()).map(str::to_owned);
        terminal.say(&key.unwrap_or_else(|| panic!("no command line in {}", terminal.heard)));
        terminal.until(&[PROMPT])?;
        Some(terminal)
    }

    /// What a command says, in lower case.
    pub fn command(&mut self, line: &str) -> String {
        self.say(line);
        self.until(&[PROMPT]).unwrap_or_else(|| panic!("the terminal closed: {}", self.heard));
        self.heard.clone()
    }

    fn say(&mut self, line: &str) {
        let _ = self.stream.write_all(format!("{line}\r\n").as_bytes());
    }

    /// Reads until what was said last ends in one of these, in lower case.
    fn until<'a>(&mut self, words: &[&'a str]) -> Option<&'a str> {
        self.heard.clear();
        let mut byte = [0];
        loop {
            if self.stream.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            if byte[0].is_ascii() {
                self.heard.push(char::from(byte[0].to_ascii_lowercase()));
            }
            let ends = |words: &&&str| match **words {
                // On a line of its own, after the one that was typed: who, at which meter.
                PROMPT => {
                    self.heard.rsplit_once('\n').is_some_and(|(_, line)| line.contains('@') && line.ends_with(PROMPT))
                }
                words => self.heard.ends_with(words),
            };
            if let Some(found) = words.iter().find(ends) {
                return Some(found);
            }
        }
    }
}

/// Whether a login is let in by a face, whatever it may do there.
pub fn lets_in(meter: &Meter, info: &Value, face: &str, login: Login<'_>) -> bool {
    match face {
        "setup" => {
            let mut command = meter.setup_command(None, &["users", "--json", "--user", login.0]);
            let said = run(command.env("WATTKEEP_PASSWORD", login.1));
            // 4 says that the login or a right was missing.
            match said.status {
                0 => true,
                4 => !said.err.contains("wrong") && !said.err.contains("locked") && !said.err.contains("not active"),
                _ => panic!("{said:?}"),
            }
        }
        "web" => page(port(info, face), Some(login), "/Operation.html", &[]).0 == 200,
        "telnet" => Telnet::log_in(port(info, face), login).is_some(),
        "ftp" => ftp(port(info, face), login).is_some(),
        "ssh" => ssh(port(info, face), login, &["info"]).status == 0,
        "sftp" => sftp(port(info, face), login.0, login.1, "ls\n").status == 0,
        other => panic!("nobody logs in at {other}"),
    }
}

/// Whether every client of this file is there.
pub fn has_clients() -> bool {
    ["mbpoll", "curl", "python3", "sshpass", "ssh", "sftp"].into_iter().all(has)
}

/// Runs a Setup command with a new password on its standard input.
pub fn new_password(meter: &Meter, login: Option<Login<'_>>, args: &[&str], password: &str) -> Said {
    let mut command = meter.setup_command(login, args);
    run_with_input(command.env("WATTKEEP_NEW_PASSWORD", password), "")
}
