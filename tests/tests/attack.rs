//! What an attacker brings: password guessers, scanners, broken input and ten thousand connections. Each ends without
//! entry, in bounded memory, and with a meter that went on measuring.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use system_tests::{Meter, Said, has, run, secret_file};

const OWN: &str = "58317462";
const OWNER: Option<(&str, &str)> = Some(("8650", OWN));

fn owned(home: &std::path::Path, args: &[&str]) -> Meter {
    let meter = Meter::start(home, args);
    let file = secret_file(home, "new", OWN);
    meter.setup(Some(("8650", "0")), &["security", "set", "front-panel-password", "--new-password-file", &file]).ok();
    meter
}

/// The right password is the last of thirty.
fn words(home: &std::path::Path) -> String {
    secret_file(home, "words", &format!("{}{OWN}\n", wrong_words()))
}

fn wrong_words() -> String {
    (0..29).map(|n| format!("{}\n", 1000 + n)).collect()
}

fn hydra(args: &[&str]) -> Said {
    // -I: whatever an earlier run has left is not taken up again.
    run(Command::new("timeout").args(["120", "hydra", "-I", "-t", "4", "-l", "8650"]).args(args).current_dir("/"))
}

/// That nobody got in, that the meter says so, and that it still measures.
#[track_caller]
fn stood(meter: &Meter, path: &str) {
    let held = meter.setup(OWNER, &["connections", "--json"]).ok().json()["lockouts"].to_string();
    assert!(held.contains(&format!("\"path\":\"{path}\"")), "{held}");
    assert_eq!(locked_out(meter, path), 1, "one source, one lock-out");
}

/// That nobody got in, and that the meter still measures; how many lock-outs its log tells of.
#[track_caller]
fn locked_out(meter: &Meter, path: &str) -> usize {
    let events = meter.setup(OWNER, &["events", "--limit", "500", "--json"]).ok().json();
    let events = events["events"].as_array().unwrap();
    let told = |effect: &str| events.iter().filter(|event| event["path"] == path && event["effect"] == effect).count();
    assert_eq!(told("valid"), 0, "somebody got in over {path}");
    assert!(told("invalid") >= 5);
    measures(meter);
    told("locked out for 15 min")
}

/// That the meter has taken a reading within the last few seconds.
#[track_caller]
fn measures(meter: &Meter) {
    let read = || meter.setup(None, &["info", "--json"]).ok().json()["utc_ms"].as_i64().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let late = now - read();
    assert!(late < 3_000, "the last reading is {late} ms old");
}

#[test]
fn hydra_on_ssh_ends_in_a_lock_out_and_no_entry() {
    if !has("hydra") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--ports", "auto"]);
    meter.setup(OWNER, &["set", "SSH", "yes"]).ok();
    let port = meter.port(None, "ssh").to_string();
    let said = hydra(&["-P", &words(dir.path()), "-s", &port, "ssh://127.0.0.1"]);
    assert!(!said.out.contains(OWN) && said.out.contains("hydra"), "{said:?}");
    stood(&meter, "ssh");
}

#[test]
fn hydra_on_telnet_ends_in_a_lock_out_and_no_entry() {
    if !has("hydra") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let port = meter.port(OWNER, "telnet");
    // From the second try of a connection on hydra mixes names and passwords up: what it tries is mostly an unknown
    // user, so that 8650 may not be locked out yet when the last word's turn comes.
    let words = secret_file(dir.path(), "words", &wrong_words());
    let said = hydra(&["-P", &words, "-s", &port.to_string(), "telnet://127.0.0.1"]);
    assert!(said.out.contains("hydra") && !said.out.contains("[telnet] host"), "{said:?}");
    // Whoever goes on by hand until it is 8650's turn doesn't get in with the right one either.
    let log_in = |password: &str| {
        let said = send(port, format!("8650\r\n{password}\r\n").as_bytes());
        String::from_utf8_lossy(&said).into_owned()
    };
    let held = (0..6).map(|_| log_in("1")).any(|said| said.contains("locked out"));
    assert!(held, "8650 was never locked out");
    let said = log_in(OWN);
    assert!(said.contains("locked out"), "{said}");
    assert!(locked_out(&meter, "telnet") > 0);
}

#[test]
fn nmap_and_its_scripts_find_no_way_in_and_stop_nothing() {
    if !has("nmap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--ports", "auto"]);
    meter.setup(OWNER, &["set", "SSH", "yes", "Web Server", "yes"]).ok();
    let words = words(dir.path());
    let users = secret_file(dir.path(), "users", "8650\nUSER1\nadmin\nroot\n");
    let scan = |service: &str, scripts: &str, arguments: &str| {
        let port = meter.port(None, service).to_string();
        let mut command = Command::new("timeout");
        command.args(["120", "nmap", "-Pn", "-n", "-sT", "-sV", "--version-light", "-p", &port, "--script", scripts]);
        command.args(["--script-args", arguments, "127.0.0.1"]);
        let said = run(&mut command);
        assert!(said.out.contains("open"), "{said:?}");
        said.out
    };
    let brute = format!("userdb={users},passdb={words},ssh-brute.timeout=4s,brute.firstonly=true,unpwdb.timelimit=60s");
    let ssh = scan("ssh", "ssh-brute,ssh-auth-methods,ssh2-enum-algos,ssh-hostkey", &brute);
    assert!(!ssh.contains("Valid credentials") && !ssh.contains(OWN), "{ssh}");
    let tls = scan("setup", "ssl-enum-ciphers,ssl-cert", "");
    assert!(!tls.contains("TLSv1.2") && !tls.contains("TLSv1.0"), "{tls}");
    scan("modbus", "modbus-discover", "modbus-discover.aggressive=false");
    scan("web", "http-enum,http-brute,http-methods", "http-enum.basepath=/");
    let events = meter.setup(OWNER, &["events", "--limit", "500", "--json"]).ok().json();
    for event in events["events"].as_array().unwrap() {
        assert!(event["effect"] != "valid" || event["path"] == "setup", "somebody got in: {event}");
    }
    measures(&meter);
}

/// Sends bytes, hangs up halfway, and reads what comes until the other side closes.
fn send(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // A side that has heard enough closes before everything is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.take(1 << 20).read_to_end(&mut said);
    said
}

#[test]
fn broken_input_gets_a_refusal_or_a_close_on_every_face() {
    let dir = tempfile::tempdir().unwrap();
    let modern = owned(dir.path(), &["--ports", "auto"]);
    modern.setup(OWNER, &["set", "SSH", "yes", "Web Server", "yes"]).ok();
    let old_dir = tempfile::tempdir().unwrap();
    let legacy = owned(old_dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let long = vec![b'A'; 4 << 20];
    let header = [b"GET /Operation.html HTTP/1.1\r\nHost: m\r\nX: ", &long[..], b"\r\n\r\n"].concat();
    let inputs: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\r\n\r\n\r\n".to_vec(),
        vec![0xFF; 70_000],
        b"\xC3\x28\xF0\x9F\x92\xED\xA0\x80\r\n\xC3\x28\r\n".to_vec(),
        long,
        header,
        hello.to_vec(),
        b"SSH-2.0-x\r\n\x00\x00".to_vec(),
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14".to_vec(),
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\nHost: m\r\n\r\n".to_vec(),
        b"POST /Operation.html HTTP/1.1\r\nContent-Length: 99999999999999999999\r\nHost: m\r\n\r\n".to_vec(),
        // Modbus: a count of -1, a length that lies, a write cut in the middle.
        b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x0a\xff\xff".to_vec(),
        b"\x00\x01\x00\x00\xff\xff\x01\x03\x00\x0a\x00\x01".to_vec(),
        b"\x00\x01\x00\x00\x00\x0b\x01\x10\xb3\xb0\x00\x02\x04\x00\x01".to_vec(),
    ];
    for (meter, services) in
        [(&modern, &["setup", "modbus", "ssh", "web"][..]), (&legacy, &["telnet", "ftp", "web", "modbus"])]
    {
        for service in services {
            let port = meter.port(OWNER, service);
            for input in &inputs {
                let said = send(port, input);
                assert!(said.len() < 100_000, "{service} has much to say to {:?}…", &input[..input.len().min(40)]);
            }
        }
        measures_as_owner(meter);
    }
    if has("curl") {
        let setup = modern.address();
        for (path, expected) in [
            ("/v1/events?limit=-1", "400"),
            ("/v1/events?from=-5", "400"),
            ("/v1/events?limit=99999999999999999999999", "400"),
            ("/v1/sessions?number=-1", "404"),
            ("/v1/registers?register=%FF%FE", "4"),
        ] {
            let url = format!("https://{setup}{path}");
            let said =
                run(Command::new("curl").args(["-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", &url]));
            assert!(said.out.starts_with(expected), "{path}: {said:?}");
        }
        let url = format!("https://{setup}/v1/sessions?number=-1");
        let said = run(Command::new("curl").args(["-sk", "-m", "10", "-X", "DELETE", &url])).ok().out;
        assert!(said.contains("number is a number"), "{said}");
    }
}

#[track_caller]
fn measures_as_owner(meter: &Meter) {
    let read = meter.info(OWNER)["utc_ms"].as_i64().unwrap();
    let late = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - read;
    assert!(late < 3_000, "the last reading is {late} ms old");
}

/// A line of `/proc/PID/status`, in KiB.
fn memory_kib(meter: &Meter, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", meter.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Ten thousand connections to one port, from two hundred addresses, all kept for as long as the meter lets them: a
/// third silent, a third in the middle of something, a third sending noise. Prints how many there were, and how many
/// the meter has closed.
const FLOOD: &str = r##"
import os, resource, select, socket, sys
port, total = int(sys.argv[1]), int(sys.argv[2])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
keep = min(total, hard - 100)
held, made, closed = [], 0, 0
for n in range(total):
    s = socket.socket()
    s.settimeout(20)
    try:
        s.bind(("127.0.%d.%d" % (1 + n % 2, 1 + n % 100), 0))
        s.connect(("127.0.0.1", port))
        if n % 3 == 1:
            s.send(b"\x16\x03\x01\x02\x00\x01")
        elif n % 3 == 2:
            s.send(os.urandom(2000))
        made += 1
    except OSError:
        pass
    held.append(s)
    if len(held) >= keep:
        held.pop(0).close()
for s in held:
    s.setblocking(False)
    try:
        while s.recv(4096):
            pass
        closed += 1
    except BlockingIOError:
        pass
    except OSError:
        closed += 1
print(made, closed)
"##;

#[test]
fn ten_thousand_connections_to_each_face_cost_bounded_memory() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let modern = owned(dir.path(), &["--ports", "auto"]);
    modern.setup(OWNER, &["set", "SSH", "yes", "Web Server", "yes"]).ok();
    let old_dir = tempfile::tempdir().unwrap();
    let legacy = owned(old_dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    for (meter, services) in [(&modern, &["setup", "modbus", "ssh", "web"][..]), (&legacy, &["telnet", "ftp"])] {
        for service in services {
            let port = meter.port(OWNER, service).to_string();
            // The high-water mark starts afresh.
            std::fs::write(format!("/proc/{}/clear_refs", meter.pid()), "5").unwrap();
            let before = memory_kib(meter, "VmRSS");
            let said = run(Command::new("python3").args(["-c", FLOOD, &port, "10000"])).ok();
            let (peak, after) = (memory_kib(meter, "VmHWM"), memory_kib(meter, "VmRSS"));
            let counts: Vec<u64> = said.out.split_whitespace().map(|word| word.parse().unwrap()).collect();
            // Past the test harness, which would hide it.
            let _ = writeln!(
                std::io::stderr(),
                "{service}: {} connections made, {} of them closed by the meter; resident {before} KiB before, \
                 {peak} at most so far, {after} after",
                counts[0],
                counts[1],
            );
            assert!(counts[0] > 9_000, "{said:?}");
            assert!(peak.saturating_sub(before) < 64 << 10, "{service}: from {before} KiB to {peak} KiB");
            measures_as_owner(meter);
        }
    }
}

/// What Telnet says to a login.
fn telnet(port: u16, name: &str, password: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("{name}\r\n{password}\r\n").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn an_unknown_user_an_inactive_one_and_a_wrong_password_are_told_apart_by_no_face() {
    if !has("sshpass") || !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let modern = owned(dir.path(), &["--ports", "auto"]);
    let old_dir = tempfile::tempdir().unwrap();
    let legacy = owned(old_dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    modern.setup(OWNER, &["set", "SSH", "yes", "Invalid Attempts", "0"]).ok();
    legacy.setup(OWNER, &["set", "Invalid Attempts", "0"]).ok();
    let ssh = modern.port(OWNER, "ssh");
    let (shell, pages) = (legacy.port(OWNER, "telnet"), legacy.port(OWNER, "web"));
    let page = format!("http://127.0.0.1:{pages}/Operation.html");
    let answers = |name: &str| {
        let login = Some((name, "1234"));
        let over_ssh = system_tests::sftp(ssh, name, "1234", "ls\n");
        let login_there = format!("{name}:1234");
        let over_web = run(Command::new("curl").args(["-s", "-m", "20", "-i", "-u", &login_there, &page])).ok().out;
        let over_web: Vec<&str> = over_web.lines().filter(|line| !line.to_lowercase().starts_with("date:")).collect();
        [
            modern.setup(login, &["users"]).err,
            format!("{} {}", over_ssh.status, over_ssh.err.replace(name, "NAME")),
            telnet(shell, name, "1234"),
            over_web.join("\n"),
        ]
    };
    let wrong = answers("8650");
    assert!(wrong[0].contains("the user name or the password is wrong"), "{wrong:?}");
    assert!(wrong[2].contains("the user name or the password is wrong"), "{wrong:?}");
    assert!(wrong[3].contains("401"), "{wrong:?}");
    // Not of this mode; never active.
    for name in ["USER1", "USER9"] {
        assert_eq!(answers(name), wrong, "{name}");
    }
    // Nobody's at all: Setup's own command line takes only names that exist, so the other faces.
    let nobody = |name: &str| {
        let over_ssh = system_tests::sftp(ssh, name, "1234", "ls\n");
        [format!("{} {}", over_ssh.status, over_ssh.err.replace(name, "NAME")), telnet(shell, name, "1234")]
    };
    assert_eq!(nobody("root"), wrong[1..3]);
}

#[test]
fn an_address_full_of_idle_connections_leaves_the_door_open_for_others() {
    if !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = owned(dir.path(), &["--ports", "auto"]);
    // The owner has logged in from here with the password of now, so this is no stranger's address.
    meter.setup(OWNER, &["users"]).ok();
    // Silent ones, from an address that nobody has logged in from.
    let python = "import socket,sys,time\nheld=[]\nfor n in range(200):\n s=socket.socket();s.bind(('127.9.9.9',0));\
                  s.connect(('127.0.0.1',int(sys.argv[1])));held.append(s)\nprint('full',flush=True);sys.stdin.read()";
    let port = meter.ports["setup"].to_string();
    let mut idle = Command::new("python3")
        .args(["-c", python, &port])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut full = [0; 4];
    idle.stdout.as_mut().unwrap().read_exact(&mut full).unwrap();
    let listed = meter.setup(OWNER, &["connections", "--json"]).ok().json();
    let held = |from: &str| {
        let peers = listed["connections"].as_array().unwrap().iter();
        peers.filter(|one| one["peer"].as_str().unwrap().starts_with(from)).count()
    };
    assert_eq!(held("127.9.9.9"), 28, "seven eighths of 32, and no more");
    assert!(held("127.0.0.1") >= 1);
    let url = format!("https://127.0.0.1:{port}/v1/info");
    let other = run(Command::new("curl").args([
        "-sk",
        "-m",
        "10",
        "--retry",
        "5",
        "--retry-all-errors",
        "--interface",
        "127.8.8.8",
        &url,
    ]))
    .ok();
    assert!(other.out.contains("serial"), "{other:?}");
    drop(idle.stdin.take());
    idle.wait().unwrap();
}
