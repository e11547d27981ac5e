//! Every face with a client nobody here wrote.

use std::io::{BufReader, Read, Write};
use std::process::{Command, Stdio};

use system_tests::{Meter, has, run, sftp, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));

fn ssh(port: u16, user: &str, password: &str, remote: &[&str]) -> system_tests::Said {
    let mut command = Command::new("sshpass");
    command.args(["-e", "ssh", "-q", "-p", &port.to_string()]);
    command.args([
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "PubkeyAuthentication=no",
    ]);
    command.args(["-o", "NumberOfPasswordPrompts=1"]).arg(format!("{user}@127.0.0.1")).args(remote);
    run(command.env("SSHPASS", password))
}

#[test]
fn b18_b11_openssh_gets_files_while_the_terminal_is_disabled() {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let port = meter.port(None, "sftp");
    let events = dir.path().join("events.csv");
    let template = dir.path().join("template.dcf");
    let batch = format!("get logs/events.csv {}\nget config/template.dcf {}\n", events.display(), template.display());
    sftp(port, "8650", "0", &batch).ok();
    let csv = std::fs::read_to_string(events).unwrap();
    assert!(csv.lines().next().unwrap().contains("Priority (0-255)"), "{csv}");
    assert!(csv.contains("power up"), "{csv}");
    assert!(std::fs::read_to_string(template).unwrap().contains("[modules.\"Power Meter 1\""));
    // Nothing can be written, nothing outside can be reached, and SSH is off.
    assert_ne!(sftp(port, "8650", "wrong", "ls\n").status, 0);
    let put = sftp(port, "8650", "0", "put /etc/hostname config/template.dcf\n");
    assert!(put.status != 0 || put.err.to_lowercase().contains("denied") || put.err.contains("read"), "{put:?}");
    let outside = sftp(port, "8650", "0", "ls ../../../etc/passwd\n");
    assert!(!outside.out.contains("root") && !outside.out.contains("passwd\n/"), "{outside:?}");
    let shell = ssh(port, "8650", "0", &["info"]);
    assert_ne!(shell.status, 0, "{shell:?}");
}

#[test]
fn b18_with_ssh_enabled_commands_run_and_set_the_exit_status() {
    if !has("sshpass") || !has("ssh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    meter.setup(FACTORY, &["set", "SSH", "yes"]).ok();
    let port = meter.port(None, "ssh");
    let info = ssh(port, "8650", "0", &["info"]).ok();
    assert!(info.out.contains("4.40.1") && info.out.contains("MW-"), "{info:?}");
    let shown = ssh(port, "8650", "0", &["show", "kW tot"]).ok();
    assert!(shown.out.contains("kW"), "{shown:?}");
    assert_ne!(ssh(port, "8650", "0", &["show", "nonsense"]).status, 0);
    assert_ne!(ssh(port, "USER1", "0", &["info"]).status, 0, "under Standard only 8650 logs in");
}

#[test]
fn paramiko_gets_a_file_whole() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let program = r##"
import sys, time
try:
    import paramiko
except ImportError:
    print("no paramiko"); sys.exit(77)
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", int(sys.argv[1]), "8650", "0", look_for_keys=False, allow_agent=False)
sftp = client.open_sftp()
print(sorted(sftp.listdir("/")))
data = sftp.open("/config/template.dcf").read()
assert data.startswith(b"#"), data[:80]
sftp.get("/logs/events.csv", sys.argv[2])
try:
    sftp.remove("/logs/events.csv"); print("removed!")
except IOError as error:
    print("refused:", error)
"##;
    let to = dir.path().join("got.csv");
    let said = run(Command::new("python3").args(["-c", program, &meter.port(None, "sftp").to_string()]).arg(&to));
    if said.status == 77 {
        assert!(std::env::var_os("CI").is_none(), "paramiko is missing: scripts/test installs it");
        eprintln!("skipped: paramiko is not installed (scripts/test installs it)");
        return;
    }
    let said = said.ok();
    assert!(said.out.contains("'config'") && said.out.contains("'logs'") && said.out.contains("refused:"), "{said:?}");
    assert!(std::fs::read_to_string(to).unwrap().contains("power up"));
}

/// The values that mbpoll shows, by its own register number.
fn mbpoll(port: u16, args: &[&str]) -> system_tests::Said {
    run(Command::new("mbpoll")
        .args(["-m", "tcp", "-a", "1", "-1", "-q", "-p", &port.to_string()])
        .args(args)
        .arg("127.0.0.1"))
}

#[test]
fn mbpoll_reads_what_setup_reads() {
    if !has("mbpoll") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let port = meter.port(None, "modbus");
    // Register 40204: kW tot, S32 x 1000, high word first.
    let said = mbpoll(port, &["-t", "4:int", "-B", "-r", "204", "-c", "1"]).ok();
    let value: f64 = said.out.lines().find_map(|line| line.split_once("]:")).unwrap().1.trim().parse().unwrap();
    let read = meter.setup(None, &["read", "kW tot", "--json"]).ok().json()["kW tot"]["value"].as_f64().unwrap();
    assert!((value / 1000.0 - read).abs() < 0.05 * read.abs(), "{value} over Modbus, {read} kW over Setup");
    let too_many = mbpoll(port, &["-t", "4", "-r", "11", "-c", "125"]);
    assert_eq!(too_many.status, 0, "{too_many:?}");
    let unmapped = mbpoll(port, &["-t", "4:hex", "-r", "1", "-c", "1"]).ok();
    assert!(unmapped.out.contains("0xFFFF"), "{unmapped:?}");
}

fn curl(args: &[&str]) -> system_tests::Said {
    run(Command::new("curl").args(["-sS", "-m", "10", "-i"]).args(args))
}

#[test]
fn b12_b13_b14_curl_reads_the_pages_of_4_40_1_only_while_they_are_enabled() {
    if !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let port = meter.port(None, "web");
    let page = format!("http://127.0.0.1:{port}/Operation.html");
    assert_eq!(curl(&[&page]).status, 7, "nothing listens: curl can't connect");
    meter.setup(FACTORY, &["set", "Web Server", "yes"]).ok();
    let got = curl(&[&page]).ok();
    assert!(got.out.contains("200 OK") && got.out.contains("kW total"), "{}", got.out);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert!(curl(&["-X", method, &page]).ok().out.contains(" 405 "), "{method}");
    }
    let json = curl(&[&format!("http://127.0.0.1:{port}/readings.json")]).ok();
    assert!(json.out.contains("\"kW tot\""), "{}", json.out);
    assert!(!json.out.contains("USER1"));
}

#[test]
fn b24_legacy_pages_take_a_login() {
    if !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let page = format!("http://127.0.0.1:{}/Operation.html", meter.port(None, "web"));
    assert!(curl(&[&page]).ok().out.contains("401"));
    assert!(curl(&["-u", "8650:9", &page]).ok().out.contains("401"));
    let got = curl(&["-u", "8650:0", &page]).ok().out;
    assert!(got.contains("<td class=\"l\">kW total</td>"), "{got}");
    meter.setup(FACTORY, &["set", "Web Access Read", "no"]).ok();
    assert!(curl(&["-u", "8650:0", &page]).ok().out.contains("403"));
}

#[test]
fn telnet_shows_the_banner_and_the_connections() {
    if !has("telnet") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let port = meter.port(None, "telnet").to_string();
    let mut client = Command::new("telnet")
        .args(["127.0.0.1", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut typed = client.stdin.take().unwrap();
    let mut shown = BufReader::new(client.stdout.take().unwrap());
    let mut seen = String::new();
    let mut expect = |what: &str| {
        let mut byte = [0];
        while !seen.contains(what) {
            assert_ne!(shown.read(&mut byte).unwrap(), 0, "the connection ended before \"{what}\": {seen}");
            seen.push(char::from(byte[0]));
        }
        std::mem::take(&mut seen)
    };
    let banner = expect("login:");
    assert!(banner.contains("8650V409") && banner.contains("MW-"), "{banner}");
    typed.write_all(b"8650\n").unwrap();
    expect("assword:");
    typed.write_all(b"0\n").unwrap();
    expect("1");
    typed.write_all(b"1\n").unwrap();
    expect("elnet");
    drop(typed);
    let _ = client.kill();
    client.wait().unwrap();
}

#[test]
fn b30_openssl_sees_tls_1_3_and_nothing_older() {
    if !has("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let connect =
        |version: &str| run(Command::new("openssl").args(["s_client", "-connect", &meter.address(), version]));
    let new = connect("-tls1_3");
    assert!(new.out.contains("TLSv1.3"), "{new:?}");
    let old = connect("-tls1_2");
    assert!(old.out.contains("Cipher is (NONE)") || old.status != 0, "{old:?}");
}

#[test]
fn b1_b3_sha256sum_agrees_with_the_bundle_and_verify_agrees_with_sha256sum() {
    if !has("sha256sum") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("bundle");
    run(wattkeep(dir.path()).args(["release", "build", "4.40.1", "--out"]).arg(&out)).ok();
    let mut files: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let extensions: Vec<_> =
        files.iter().filter_map(|file| file.rsplit_once('.')).map(|(_, extension)| extension).collect();
    for wanted in ["upg", "dcf", "txt", "pdf"] {
        assert!(extensions.contains(&wanted), "{files:?}");
    }
    let list = files.iter().find(|file| file.ends_with(".txt")).unwrap();
    run(Command::new("sha256sum").args(["--check", "--strict", list]).current_dir(&out)).ok();
    let package = out.join(files.iter().find(|file| file.ends_with(".upg")).unwrap());
    run(wattkeep(dir.path()).arg("verify").arg(&package).arg("--hashes").arg(out.join(list))).ok();
    let mut bytes = std::fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&package, bytes).unwrap();
    let bad = run(wattkeep(dir.path()).arg("verify").arg(&package).arg("--hashes").arg(out.join(list)));
    assert_eq!(bad.status, 3, "{bad:?}");
}
