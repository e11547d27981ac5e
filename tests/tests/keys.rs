//! SSH keys with clients nobody here wrote: OpenSSH, its agent, and paramiko.

use std::path::Path;
use std::process::Command;

use system_tests::{Meter, Said, has, run, secret_file};

const USER1: Option<(&str, &str)> = Some(("USER1", "abc"));

/// A key pair in a file of its own, made now.
fn key_pair(home: &Path, name: &str, kind: &[&str]) -> String {
    let file = home.join(name).to_str().unwrap().to_owned();
    run(Command::new("ssh-keygen").args(["-q", "-N", "", "-C", name, "-f", &file]).args(kind)).ok();
    file
}

fn ed25519(home: &Path, name: &str) -> String {
    key_pair(home, name, &["-t", "ed25519"])
}

fn fingerprint(file: &str) -> String {
    let said = run(Command::new("ssh-keygen").args(["-l", "-f", &format!("{file}.pub")])).ok();
    said.out.split(' ').nth(1).unwrap().to_owned()
}

/// OpenSSH's client with these options, of which the first one counts, and nothing of this machine's own.
fn ssh(port: u16, user: &str, options: &[&str]) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-F", "/dev/null", "-p", &port.to_string()]).args(options);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "BatchMode=yes",
    ] {
        command.args(["-o", option]);
    }
    command.arg(format!("{user}@127.0.0.1")).arg("info").env_remove("SSH_AUTH_SOCK");
    command
}

fn with_key(port: u16, user: &str, file: &str) -> Said {
    run(&mut ssh(port, user, &["-o", "IdentitiesOnly=yes", "-i", file]))
}

/// A meter in Advanced with SSH on: USER1 to USER3 have passwords and are active.
fn advanced(home: &Path) -> Meter {
    let meter = Meter::start(home, &["--ports", "auto"]);
    let factory = Some(("8650", "0"));
    let password = secret_file(home, "password", "abc");
    for user in ["USER1", "USER2", "USER3"] {
        let change = ["users", "set", user, "--active", "yes", "--new-password-file", &password];
        meter.setup(factory, &change).ok();
    }
    meter.setup(factory, &["users", "set", "USER3", "--rights", "read"]).ok();
    meter.setup(factory, &["set", "SSH", "yes"]).ok();
    meter.setup(factory, &["security", "set", "mode", "advanced"]).ok();
    meter
}

fn add(meter: &Meter, user: &str, file: &str) -> Said {
    meter.setup(USER1, &["users", "keys", user, "add", &format!("{file}.pub"), "--json"])
}

#[test]
fn openssh_logs_in_with_the_keys_of_an_account_and_no_others() {
    if !has("ssh") || !has("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = advanced(dir.path());
    let port = meter.port(USER1, "ssh");
    let ed = ed25519(dir.path(), "ed");
    let p256 = key_pair(dir.path(), "p256", &["-t", "ecdsa", "-b", "256"]);
    let p384 = key_pair(dir.path(), "p384", &["-t", "ecdsa", "-b", "384"]);
    let (others, unknown) = (ed25519(dir.path(), "others"), ed25519(dir.path(), "unknown"));
    for file in [&ed, &p256, &p384] {
        add(&meter, "USER3", file).ok();
    }
    let listed = add(&meter, "USER2", &others).ok().json();
    assert_eq!(listed["keys"][0]["fingerprint"], fingerprint(&others).as_str());

    for file in [&ed, &p256, &p384] {
        with_key(port, "USER3", file).ok();
        with_key(port, "user03", file).ok();
    }
    for (user, file) in [("USER3", &unknown), ("USER3", &others), ("USER2", &ed), ("8650", &ed), ("USER9", &ed)] {
        let said = with_key(port, user, file);
        assert_eq!(said.status, 255, "{user}: {said:?}");
        assert!(said.err.contains("Permission denied"), "{said:?}");
    }
    // The events say that it was a key; users and security show which there are, the private file is never taken.
    let events = meter.setup(USER1, &["events", "--json", "--limit", "200"]).ok().out;
    assert!(events.contains("valid, by SSH key"), "{events}");
    assert!(events.contains("none taken"), "{events}");
    let users = meter.setup(USER1, &["users", "--json"]).ok().json();
    let user3 = users["users"].as_array().unwrap().iter().find(|user| user["user"] == "USER3").unwrap();
    assert_eq!(user3["ssh_keys"].as_array().unwrap().len(), 3);
    assert!(meter.setup(USER1, &["security"]).ok().out.contains(&fingerprint(&ed)));
    assert!(!meter.info(USER1)["users"].to_string().contains("AAAA"));
    let private = meter.setup(USER1, &["users", "keys", "USER3", "add", &ed]);
    assert!(private.status == 1 && private.err.contains("private key"), "{private:?}");

    // Removed, it is refused; deactivated, all of them are.
    meter.setup(USER1, &["users", "keys", "USER3", "remove", &fingerprint(&ed)]).ok();
    assert_eq!(with_key(port, "USER3", &ed).status, 255);
    with_key(port, "USER3", &p256).ok();
    meter.setup(USER1, &["users", "set", "USER3", "--active", "no"]).ok();
    assert_eq!(with_key(port, "USER3", &p256).status, 255);
    // Without the right, nobody gives himself a key.
    let refused = meter.setup(Some(("USER2", "abc")), &["users", "keys", "USER2", "list"]);
    assert_eq!(refused.status, 4, "{refused:?}");
}

#[test]
fn rsa_is_refused_in_words() {
    if !has("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let rsa = key_pair(dir.path(), "rsa", &["-t", "rsa", "-b", "4096"]);
    let said = meter.setup(Some(("8650", "0")), &["users", "keys", "8650", "add", &format!("{rsa}.pub")]);
    assert!(said.status == 1 && said.err.contains("RUSTSEC-2023-0071"), "{said:?}");
}

#[test]
fn b20_after_a_downgrade_and_an_upgrade_no_key_opens_anything() {
    if !has("ssh") || !has("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = advanced(dir.path());
    let ed = ed25519(dir.path(), "ed");
    add(&meter, "USER3", &ed).ok();
    with_key(meter.port(USER1, "ssh"), "USER3", &ed).ok();
    let new = secret_file(dir.path(), "new", "USER1: abc\nUSER3: def\n");
    let plan = meter.setup(USER1, &["plan", "--to", "4.0.9", "--json", "--new-passwords", &new]).ok().json();
    let lines = plan["consequences"].as_array().unwrap();
    let line = lines.iter().find(|line| line["subject"] == "USER3 SSH keys").unwrap();
    assert_eq!((&line["kind"], &line["clause"], &line["after"]), (&"account".into(), &"B20".into(), &"deleted".into()));
    assert_eq!(line["before"], fingerprint(&ed).as_str());
    meter.setup(USER1, &["downgrade", "--to", "4.0.9", "--yes", "--new-passwords", &new]).ok();
    let gone = meter.setup(USER1, &["users", "keys", "USER3", "add", &format!("{ed}.pub")]);
    assert!(gone.status == 1 && gone.err.contains("has no SSH"), "{gone:?}");
    meter.setup(USER1, &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    meter.setup(USER1, &["set", "SSH", "yes"]).ok();
    let port = meter.port(USER1, "ssh");
    assert_eq!(with_key(port, "USER3", &ed).status, 255);
    assert!(!meter.setup(USER1, &["users", "--json"]).ok().out.contains("SHA256:"));
}

/// An agent of its own for one test.
struct Agent {
    socket: String,
    child: std::process::Child,
}

impl Agent {
    fn start(home: &Path) -> Self {
        use std::io::BufRead;
        let socket = home.join("agent").to_str().unwrap().to_owned();
        let mut child =
            Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        // It says where it listens once it does.
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { socket, child }
    }

    fn add(&self, file: &str) {
        run(Command::new("ssh-add").args(["-q", file]).env("SSH_AUTH_SOCK", &self.socket)).ok();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_with_five_other_keys_gets_in_with_the_sixth_or_a_password_and_nobody_is_locked_out() {
    if !has("ssh") || !has("ssh-agent") || !has("sshpass") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = advanced(dir.path());
    let port = meter.port(USER1, "ssh");
    let agent = Agent::start(dir.path());
    for number in 0..5 {
        agent.add(&ed25519(dir.path(), &format!("other{number}")));
    }
    let password = |typed: &str, keys: &str| {
        let keys = format!("PubkeyAuthentication={keys}");
        let plain = ssh(port, "USER3", &["-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1", "-o", &keys]);
        let mut command = Command::new("sshpass");
        command.args(["-e", "ssh"]).args(plain.get_args());
        run(command.env("SSHPASS", typed).env("SSH_AUTH_SOCK", &agent.socket))
    };
    // Ten times: far more offers than bad tries are allowed.
    for _ in 0..10 {
        password("abc", "yes").ok();
    }
    let sixth = ed25519(dir.path(), "sixth");
    agent.add(&sixth);
    add(&meter, "USER3", &sixth).ok();
    run(ssh(port, "USER3", &[]).env("SSH_AUTH_SOCK", &agent.socket)).ok();
    let events = meter.setup(USER1, &["events", "--json", "--limit", "200"]).ok().out;
    assert!(!events.contains("locked out") && !events.contains("invalid"), "{events}");

    // Locked out by wrong passwords, the key still opens.
    for _ in 0..6 {
        assert_ne!(password("wrong", "no").status, 0);
    }
    assert_ne!(password("abc", "no").status, 0, "locked out");
    with_key(port, "USER3", &sixth).ok();
}

#[test]
fn paramiko_logs_in_with_a_key() {
    if !has("python3") || !has("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = advanced(dir.path());
    let port = meter.port(USER1, "ssh").to_string();
    let program = r##"
import sys
try:
    import paramiko
except ImportError:
    print("no paramiko"); sys.exit(77)
kind = paramiko.Ed25519Key if sys.argv[3] == "ed25519" else paramiko.ECDSAKey
key = kind.from_private_key_file(sys.argv[2])
def files(name):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", int(sys.argv[1]), name, pkey=key, look_for_keys=False, allow_agent=False)
    return sorted(client.open_sftp().listdir("/"))
print(files("USER3"))
try:
    files("USER2"); print("let in!")
except paramiko.AuthenticationException as error:
    print("refused:", error)
"##;
    for kind in ["ed25519", "ecdsa"] {
        let file = key_pair(dir.path(), kind, &["-t", kind]);
        add(&meter, "USER3", &file).ok();
        let said = run(Command::new("python3").args(["-c", program, &port, &file, kind]));
        if said.status == 77 {
            assert!(std::env::var_os("CI").is_none(), "paramiko is missing: scripts/test installs it");
            eprintln!("skipped: paramiko is not installed (scripts/test installs it)");
            return;
        }
        let said = said.ok();
        assert!(said.out.starts_with("['COMTRADE', 'config'") && said.out.contains("refused:"), "{kind}: {said:?}");
    }
}
