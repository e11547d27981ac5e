//! The SFTP tree with clients nobody here wrote: OpenSSH's `sftp` and `scp`, sshfs, lftp, paramiko and rclone. Each
//! puts, gets, lists, renames and removes in `documents/`, and reads the log whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use system_tests::{Meter, Said, has, run, wattkeep};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
/// A megabyte and a bit: more than any packet, window or buffer of a client.
const SIZE: usize = 1_234_567;

/// A meter, where its SFTP is, and a file to send.
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
        let meter = Meter::start(&home, &["--ports", "auto"]);
        let port = meter.port(None, "sftp");
        let file = home.join("sent.bin");
        std::fs::write(&file, (0..SIZE).map(|n| (n / 7) as u8).collect::<Vec<u8>>()).unwrap();
        Self { _dir: dir, home, meter, port, file }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    fn same(&self, got: &str) {
        assert!(std::fs::read(self.at(got)).unwrap() == std::fs::read(&self.file).unwrap(), "{got} differs");
    }

    /// A whole log: its head, and every line complete.
    fn whole_log(&self, got: &str) {
        let log = std::fs::read_to_string(self.at(got)).unwrap();
        assert!(log.starts_with("Number,Time (UTC),") && log.contains("power up") && log.ends_with("\r\n"), "{log}");
    }

    /// What lies in the state directory of what is being written.
    fn half_written(&self) -> Vec<PathBuf> {
        let dirs = ["incoming", "packages"].map(|dir| self.home.join("state").join(dir));
        let entries = dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "tmp")).collect()
    }

    /// A command of OpenSSH's with a password, that knows and writes nothing of this machine.
    fn openssh(&self, tool: &str, password: &str) -> Command {
        let mut command = Command::new("sshpass");
        command.env("SSHPASS", password).args(["-e", tool, "-q", "-F", "/dev/null", "-P", &self.port.to_string()]);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=no",
            "PubkeyAuthentication=no",
            "NumberOfPasswordPrompts=1",
        ] {
            command.args(["-o", option]);
        }
        command
    }

    /// A batch of `sftp`'s, which ends with the first command that fails.
    fn sftp(&self, user: &str, password: &str, batch: &str) -> Said {
        let path = self.at("batch");
        std::fs::write(&path, batch).unwrap();
        run(self.openssh("sftp", password).arg("-b").arg(path).arg(format!("{user}@127.0.0.1")))
    }

    /// A program for paramiko, which finds `sftp` and `sys.argv`; `None` where there is no paramiko.
    fn paramiko(&self, user: &str, password: &str, program: &str, args: &[&Path]) -> Option<Said> {
        let program = format!("{PARAMIKO}\n{program}");
        let mut command = Command::new("python3");
        command.args(["-c", &program, &self.port.to_string(), user, password]).args(args);
        let said = run(&mut command);
        if said.status != 77 {
            return Some(said);
        }
        assert!(std::env::var_os("CI").is_none(), "paramiko is missing: scripts/test installs it");
        skipped("paramiko is not installed (scripts/test installs it)");
        None
    }
}

const PARAMIKO: &str = r#"
import os, sys
try:
    import paramiko
except ImportError:
    sys.exit(77)
transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
transport.connect(username=sys.argv[2], password=sys.argv[3])
sftp = paramiko.SFTPClient.from_transport(transport)
def refused(what, *args):
    try:
        what(*args)
    except IOError as error:
        print("refused:", error)
    else:
        print("NOT REFUSED")
"#;

/// Says so past the test harness, which would hide it.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn package(home: &Path, release: &str) -> PathBuf {
    let folder = home.join(format!("bundle-{release}"));
    run(wattkeep(home).args(["release", "build", release, "--out"]).arg(&folder)).ok();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "upg")).unwrap()
}

#[test]
fn openssh_sftp_does_everything_in_documents() {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let bed = Bed::new();
    let (file, back, again, log) = (bed.file.display(), bed.at("back"), bed.at("again"), bed.at("log.csv"));
    let batch = format!(
        "mkdir documents/plans\nput -p {file} documents/plans/a.bin\nls -l documents/plans\nget -p documents/plans/a.bin {}\n\
         rename documents/plans/a.bin documents/b.bin\nput -f {file} documents/b.bin\nreget documents/b.bin {}\n\
         get logs/events.csv {}\nls -l\ndf documents\nrm documents/b.bin\nrmdir documents/plans\nls documents\n",
        back.display(),
        again.display(),
        log.display()
    );
    let said = bed.sftp("8650", "0", &batch).ok();
    assert!(said.out.contains(&SIZE.to_string()), "{said:?}");
    for name in ["COMTRADE", "config", "documents", "logs", "upgrade", "web"] {
        assert!(said.out.contains(name), "{name}: {said:?}");
    }
    bed.same("back");
    bed.same("again");
    bed.whole_log("log.csv");
    let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let apart = modified(&bed.file).duration_since(modified(&bed.at("back"))).unwrap_or_else(|later| later.duration());
    assert!(apart.as_secs() < 2, "times go both ways");
    assert!(bed.half_written().is_empty());
    let events = bed.meter.setup(FACTORY, &["events", "--json"]).ok().out;
    assert!(events.contains("wrote plans/a.bin (1234567 bytes)") && events.contains("removed b.bin"), "{events}");
    for refused in
        ["put {} config/x", "put {} logs/events.csv", "rm config/template.dcf", "mkdir x", "ln -s config documents/x"]
    {
        let said = bed.sftp("8650", "0", &format!("{}\n", refused.replace("{}", &file.to_string())));
        assert_eq!(said.status, 1, "{refused}: {said:?}");
    }
    for outside in ["../../etc/passwd", "/etc/passwd", "documents/../../../etc/passwd", "//etc/passwd"] {
        let said = bed.sftp("8650", "0", &format!("get {outside} {}\n", bed.at("stolen").display()));
        assert_eq!(said.status, 1, "{outside}: {said:?}");
        assert!(!bed.at("stolen").exists());
    }
}

#[test]
fn scp_copies_both_ways_and_its_old_protocol_is_refused_in_words() {
    if !has("sshpass") || !has("scp") {
        return;
    }
    let bed = Bed::new();
    let remote = |path: &str| format!("8650@127.0.0.1:{path}");
    let scp = |args: &[&str]| run(bed.openssh("scp", "0").args(args));
    let sent = bed.file.to_str().unwrap().to_owned();
    scp(&["-s", "-p", &sent, &remote("/documents/a.bin")]).ok();
    scp(&["-s", "-p", &remote("/documents/a.bin"), bed.at("back").to_str().unwrap()]).ok();
    bed.same("back");
    scp(&["-s", &remote("logs/events.csv"), bed.at("log.csv").to_str().unwrap()]).ok();
    bed.whole_log("log.csv");
    std::fs::create_dir_all(bed.at("tree/below")).unwrap();
    std::fs::copy(&bed.file, bed.at("tree/below/deep.bin")).unwrap();
    scp(&["-s", "-r", bed.at("tree").to_str().unwrap(), &remote("/documents/")]).ok();
    scp(&["-s", "-r", &remote("/documents/tree"), bed.at("copy").to_str().unwrap()]).ok();
    bed.same("copy/below/deep.bin");
    bed.meter.setup(FACTORY, &["set", "SSH", "yes"]).ok();
    let old = scp(&["-O", &sent, &remote("/documents/old.bin")]);
    assert_ne!(old.status, 0, "{old:?}");
    assert!(old.err.contains("leave out -O"), "{old:?}");
}

#[test]
fn paramiko_does_everything_in_documents() {
    let bed = Bed::new();
    let program = r#"
sent, back, log = sys.argv[4:7]
sftp.mkdir("/documents/plans")
sftp.put(sent, "/documents/plans/a.bin")
sftp.get("/documents/plans/a.bin", back)
sftp.get("/logs/events.csv", log)
sftp.utime("/documents/plans/a.bin", (5, 1000000000))
assert sftp.stat("/documents/plans/a.bin").st_mtime == 1000000000
sftp.chmod("/documents/plans/a.bin", 0o600)
sftp.truncate("/documents/plans/a.bin", 10)
sftp.rename("/documents/plans/a.bin", "/documents/b.bin")
sftp.put(sent, "/documents/c.bin")
sftp.posix_rename("/documents/c.bin", "/documents/b.bin")
with sftp.open("/documents/b.bin", "r+") as file:
    file.seek(5); file.write(b"in place")
with sftp.open("/documents/b.bin", "a") as file:
    file.write(b"at the end")
data = sftp.open("/documents/b.bin").read()
assert data[5:13] == b"in place" and data.endswith(b"at the end"), data[:20]
print(sftp.listdir("/documents"))
sftp.remove("/documents/b.bin"); sftp.rmdir("/documents/plans")
refused(sftp.remove, "/logs/events.csv")
refused(sftp.symlink, "/config", "/documents/link")
for name in ["/documents/a\\b", "/documents/" + "n" * 200, "/documents/a/b/c/d/e", "/documents/new\nline", "/documents/\udcff"]:
    try:
        sftp.mkdir(name if "\udcff" not in name else name.encode("utf-8", "surrogateescape")); print("NOT REFUSED")
    except IOError as error:
        print("refused:", error)
"#;
    let args = [&bed.file, &bed.at("back"), &bed.at("log.csv")].map(|path| path.as_path().to_owned());
    let args: Vec<&Path> = args.iter().map(PathBuf::as_path).collect();
    let Some(said) = bed.paramiko("8650", "0", program, &args) else { return };
    let said = said.ok();
    assert!(!said.out.contains("NOT REFUSED") && said.out.matches("refused:").count() == 7, "{said:?}");
    assert!(said.out.contains("['b.bin', 'plans']"), "{said:?}");
    bed.same("back");
    bed.whole_log("log.csv");
}

#[test]
fn lftp_does_everything_in_documents() {
    if !has("lftp") {
        return;
    }
    let bed = Bed::new();
    let program =
        "ssh -a -x -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no";
    let script = format!(
        "set cmd:fail-exit yes; set net:max-retries 2; set sftp:connect-program \"{program}\"\n\
         open -u 8650,0 -p {} sftp://127.0.0.1\nmkdir documents/plans\nput {} -o documents/plans/a.bin\n\
         get documents/plans/a.bin -o {}\nmv documents/plans/a.bin documents/b.bin\nput -O documents {}\n\
         mirror documents {}\nget logs/events.csv -o {}\ncls -l documents\nrm documents/b.bin documents/sent.bin\n\
         rmdir documents/plans\ncls documents\n",
        bed.port,
        bed.file.display(),
        bed.at("back").display(),
        bed.file.display(),
        bed.at("mirror").display(),
        bed.at("log.csv").display(),
    );
    let said = run(Command::new("lftp").arg("--norc").args(["-c", &script]).env("HOME", &bed.home)).ok();
    assert!(said.out.contains(&SIZE.to_string()), "{said:?}");
    bed.same("back");
    bed.same("mirror/b.bin");
    bed.same("mirror/sent.bin");
    bed.whole_log("log.csv");
}

#[test]
fn rclone_does_everything_in_documents() {
    if !has("rclone") {
        return;
    }
    let bed = Bed::new();
    let obscured = run(Command::new("rclone").args(["obscure", "0"])).ok().out;
    let rclone = |args: &[&str]| {
        let mut command = Command::new("rclone");
        command.env("HOME", &bed.home).env("RCLONE_CONFIG", bed.at("rclone.conf"));
        for (key, value) in [("TYPE", "sftp"), ("HOST", "127.0.0.1"), ("USER", "8650"), ("PASS", obscured.trim())] {
            command.env(format!("RCLONE_CONFIG_M_{key}"), value);
        }
        command.env("RCLONE_CONFIG_M_PORT", bed.port.to_string());
        run(command.args(["--retries", "1", "--low-level-retries", "1"]).args(args))
    };
    let local = |name: &str| bed.at(name).to_str().unwrap().to_owned();
    rclone(&["copyto", &local("sent.bin"), "m:documents/plans/a.bin"]).ok();
    let listed = rclone(&["lsl", "m:documents"]).ok().out;
    assert!(listed.contains(&SIZE.to_string()) && listed.contains("plans/a.bin"), "{listed}");
    let again = rclone(&["copyto", "-v", &local("sent.bin"), "m:documents/plans/a.bin"]).ok();
    assert!(again.err.contains("0 B / 0 B"), "size and time are kept, so nothing is sent: {again:?}");
    rclone(&["moveto", "m:documents/plans/a.bin", "m:documents/b.bin"]).ok();
    rclone(&["copyto", "m:documents/b.bin", &local("back")]).ok();
    bed.same("back");
    // One connection: with each further one the log has one login more than rclone was told.
    rclone(&["copy", "--transfers", "1", "--checkers", "1", "m:logs", &local("logs")]).ok();
    bed.whole_log("logs/events.csv");
    rclone(&["copy", "m:config", &local("config")]).ok();
    assert!(rclone(&["about", "m:documents"]).ok().out.contains("16"), "MiB in all");
    std::fs::write(bed.at("huge"), vec![1; 17 << 20]).unwrap();
    let full = rclone(&["copyto", &local("huge"), "m:documents/huge"]);
    assert!(full.status != 0 && full.err.contains("the documents are full"), "{full:?}");
    rclone(&["copyto", package(&bed.home, "4.0.9").to_str().unwrap(), "m:upgrade/4.0.9.upg"]).ok();
    let bad = rclone(&["copyto", &local("sent.bin"), "m:upgrade/bad.upg"]);
    assert_ne!(bad.status, 0, "{bad:?}");
    let listed = rclone(&["lsf", "m:upgrade"]).ok().out;
    assert_eq!(listed.trim(), "4.0.9.upg", "{bad:?}");
    rclone(&["delete", "m:documents"]).ok();
    assert_eq!(rclone(&["lsf", "-R", "--files-only", "m:documents"]).ok().out, "");
}

/// A folder where the meter is mounted, until it is dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").arg("-u").arg(&self.0).status();
    }
}

#[test]
fn sshfs_shows_the_meter_as_a_folder() {
    if !has("sshfs") || !has("fusermount3") {
        return;
    }
    if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/fuse") {
        return skipped(&format!("sshfs needs /dev/fuse, which can't be used here: {error}"));
    }
    let bed = Bed::new();
    let point = bed.at("mounted");
    std::fs::create_dir(&point).unwrap();
    let mut command = Command::new("sshfs");
    command.arg("8650@127.0.0.1:/").arg(&point).args(["-p", &bed.port.to_string()]);
    for option in
        ["password_stdin", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PubkeyAuthentication=no"]
    {
        command.args(["-o", option]);
    }
    let said = system_tests::run_with_input(&mut command, "0\n");
    if said.status != 0 {
        assert!(said.err.contains("fuse") || said.err.contains("ermitted"), "{said:?}");
        return skipped(&format!("nothing can be mounted here: {}", said.err.trim()));
    }
    let mounted = Mounted(point);
    let at = |path: &str| mounted.0.join(path);
    std::fs::create_dir(at("documents/plans")).unwrap();
    std::fs::copy(&bed.file, at("documents/plans/a.bin")).unwrap();
    std::fs::rename(at("documents/plans/a.bin"), at("documents/b.bin")).unwrap();
    std::fs::copy(at("documents/b.bin"), bed.at("back")).unwrap();
    bed.same("back");
    // In place and at the end, as editors do.
    let mut file = std::fs::File::options().append(true).open(at("documents/b.bin")).unwrap();
    file.write_all(b"at the end").unwrap();
    file.sync_all().unwrap();
    drop(file);
    // A document is there when the meter has been told that it is whole, which sshfs does after it has let go of it.
    let becomes = |wanted: &dyn Fn(&[u8]) -> bool| {
        (0..10_000).any(|_| std::fs::read(at("documents/b.bin")).is_ok_and(|bytes| wanted(&bytes)))
    };
    assert!(becomes(&|bytes| bytes.ends_with(b"at the end")));
    std::fs::write(at("documents/b.bin"), "short").unwrap();
    assert!(becomes(&|bytes| bytes == b"short"));
    let log = std::fs::read(at("logs/events.csv")).unwrap();
    assert!(log.starts_with(b"Number,Time (UTC),") && log.ends_with(b"\r\n"));
    assert_eq!(std::fs::metadata(at("logs/events.csv")).unwrap().len(), log.len() as u64);
    assert!(std::fs::write(at("config/template.dcf"), "x").is_err());
    assert!(std::fs::read(at("documents/../../etc/passwd")).is_err());
    let names: Vec<_> = std::fs::read_dir(&mounted.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    std::fs::remove_file(at("documents/b.bin")).unwrap();
    std::fs::remove_dir(at("documents/plans")).unwrap();
    assert_eq!(std::fs::read_dir(at("documents")).unwrap().count(), 0);
}

#[test]
fn b31_sftp_stages_a_package_and_setup_plans_with_it() {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let bed = Bed::new();
    let legacy = package(&bed.home, "4.0.9");
    let said = bed.sftp("8650", "0", &format!("put {} upgrade/back.upg\nls upgrade\n", legacy.display())).ok();
    assert!(said.out.contains("upgrade/back.upg"), "{said:?}");
    assert_eq!(bed.meter.info(None)["release"], "4.40.1", "it is only staged");
    let events = bed.meter.setup(FACTORY, &["events", "--json"]).ok().out;
    assert!(events.contains("staged release 4.0.9"), "{events}");
    let bad = bed.sftp("8650", "0", &format!("put {} upgrade/bad.upg\n", bed.file.display()));
    assert_eq!(bad.status, 1, "{bad:?}");
    let events = bed.meter.setup(FACTORY, &["events", "--json"]).ok().out;
    assert!(events.contains("refused: "), "{events}");
    let plan = bed.meter.setup(FACTORY, &["plan", "--to", "4.0.9", "--json"]).ok().json();
    assert_eq!((&plan["from"], &plan["to"]), (&"4.40.1".into(), &"4.0.9".into()));
    bed.sftp("8650", "0", "rm upgrade/*.upg\n").ok();
    let said = bed.sftp("8650", "0", "ls upgrade\n").ok();
    assert!(!said.out.contains(".upg\n"), "{said:?}");
}

#[test]
fn a_reader_reads_and_writes_nothing() {
    let bed = Bed::new();
    let password = system_tests::secret_file(&bed.home, "one", "abc1");
    bed.meter.setup(FACTORY, &["users", "set", "USER1", "--new-password-file", &password]).ok();
    bed.meter.setup(FACTORY, &["security", "set", "mode", "advanced"]).ok();
    let program = r#"
print(sorted(sftp.listdir("/")))
refused(sftp.put, sys.argv[4], "/documents/x")
refused(sftp.mkdir, "/documents/x")
refused(sftp.listdir, "/upgrade")
refused(sftp.open, "/config/security.scf")
sftp.open("/logs/events.csv").read()
"#;
    let Some(said) = bed.paramiko("USER2", "0", program, &[&bed.file]) else { return };
    let said = said.ok();
    assert!(!said.out.contains("NOT REFUSED") && said.out.matches("refused:").count() == 4, "{said:?}");
    assert!(said.out.contains("['COMTRADE', 'config', 'documents', 'logs', 'web']"), "{said:?}");
}

#[test]
fn a_transfer_that_is_cut_off_leaves_nothing_at_either_end_of_it() {
    let bed = Bed::new();
    let program = r#"
file = sftp.open("/documents/half.bin", "w")
file.set_pipelined(True)
package = sftp.open("/upgrade/half.upg", "w")
file.write(b"x" * 500000); package.write(b"x" * 500000)
file.stat(); package.stat()
print("half", flush=True)
sys.stdin.read()
"#;
    let start = |bed: &Bed| {
        let mut child = Command::new("python3")
            .args(["-c", &format!("{PARAMIKO}\n{program}"), &bed.port.to_string(), "8650", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        (child, line)
    };
    let (mut client, line) = start(&bed);
    if line.is_empty() {
        assert_eq!(client.wait().unwrap().code(), Some(77), "paramiko is missing, or it failed");
        assert!(std::env::var_os("CI").is_none(), "paramiko is missing: scripts/test installs it");
        return skipped("paramiko is not installed (scripts/test installs it)");
    }
    assert_eq!(bed.half_written().len(), 2, "both are under way");
    client.kill().unwrap();
    client.wait().unwrap();
    // The meter sees the end of the connection as soon as the system tells it. The next client is told what there is.
    let mut listed = String::from("half");
    while listed.contains("half") || !bed.half_written().is_empty() {
        listed = bed
            .paramiko("8650", "0", "print(sftp.listdir('/documents') + sftp.listdir('/upgrade'))", &[])
            .unwrap()
            .ok()
            .out;
    }
    // The same with the plug pulled on the meter.
    let (mut client, line) = start(&bed);
    assert!(line.contains("half"), "{line}");
    let Bed { _dir, home, meter, .. } = bed;
    meter.kill();
    client.kill().unwrap();
    client.wait().unwrap();
    let meter = Meter::start(&home, &["--ports", "auto"]);
    let port = meter.port(None, "sftp");
    let bed = Bed { _dir, file: home.join("sent.bin"), home, meter, port };
    assert!(bed.half_written().is_empty());
    let said =
        bed.paramiko("8650", "0", "print(sftp.listdir('/documents') + sftp.listdir('/upgrade'))", &[]).unwrap().ok();
    assert_eq!(said.out.trim(), "[]");
}

#[test]
fn b11_sftp_turned_off_is_refused() {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let bed = Bed::new();
    bed.sftp("8650", "0", "ls\n").ok();
    bed.meter.setup(FACTORY, &["set", "SSH", "yes"]).ok();
    bed.meter.setup(FACTORY, &["set", "SFTP", "no"]).ok();
    let said = bed.sftp("8650", "0", "ls\n");
    assert!(said.status != 0 && said.out.is_empty(), "{said:?}");
}
