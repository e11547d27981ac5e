//! Clients that nobody here wrote: OpenSSH's `ssh` and `sftp`, and paramiko. A machine without one of
//! them says so and skips; `scripts/test` installs them.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;
use tokio::time::timeout;

use super::*;
use crate::files::{Files, How};

/// What a client may take that moves next to nothing, and how long a transfer may stand still. How long a
/// whole one takes is the machine's affair; one that deadlocks gets no further.
const LIMIT: Duration = Duration::from_secs(10);
/// Larger than every buffer and window on the way.
const LARGE: usize = 200_000_000;

async fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    timeout(LIMIT, command.output()).await.expect("the client ends in time").unwrap()
}

/// Runs a client that fetches a file, for as long as the file grows.
async fn fetch(mut command: Command, target: &Path) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut client = std::pin::pin!(command.output());
    let mut before = 0;
    loop {
        if let Ok(output) = timeout(LIMIT, client.as_mut()).await {
            return output.unwrap();
        }
        let now = std::fs::metadata(target).map_or(0, |file| file.len());
        assert!(now > before, "the transfer stands still at {now} bytes");
        before = now;
    }
}

/// Whether a tool answers; if not, says what is skipped.
async fn there(tool: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let there = command.status().await.is_ok_and(|status| status.success());
    assert!(there || std::env::var_os("CI").is_none(), "{tool} doesn't work here: scripts/test installs it");
    if !there {
        eprintln!("skipped: this test needs `{tool} {}` to work", arguments.join(" "));
    }
    there
}

async fn openssh_is_there() -> bool {
    there("ssh", &["-V"]).await && there("sshpass", &["-V"]).await
}

/// `ssh` or `sftp` with a password, without asking or writing anything of this machine.
fn openssh(tool: &str, password: &str, address: SocketAddr) -> Command {
    let mut command = Command::new("sshpass");
    command.env("SSHPASS", password).args(["-e", tool, "-F", "/dev/null", "-P"]);
    if tool == "ssh" {
        command = Command::new("sshpass");
        command.env("SSHPASS", password).args(["-e", tool, "-F", "/dev/null", "-p"]);
    }
    command.arg(address.port().to_string());
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "PubkeyAuthentication=no",
        "NumberOfPasswordPrompts=1",
    ] {
        command.args(["-o", option]);
    }
    command
}

/// A meter with a document of 200 MB, every 8 bytes of which are others, and with room for another.
async fn with_large_file() -> (Bench, SocketAddr, Bytes) {
    let bench = Bench::with_document_bytes("4.40.1", 3 * LARGE as u64);
    let large: Bytes = (0..LARGE as u64 / 8).flat_map(u64::to_le_bytes).collect::<Vec<u8>>().into();
    let tree = Arc::new(Files::new(Arc::clone(&bench.site))).tree(Caller::meter());
    let how = How { create: true, ..How::default() };
    let writing = tree.create("/documents/large.bin", how).unwrap();
    writing.write_at(0, &large).unwrap();
    tree.close(&writing).unwrap();
    let address = bench.serve(&FACES[2]).await;
    (bench, address, large)
}

/// The document of that name, as the meter has it.
fn stored(bench: &Bench, name: &str) -> Bytes {
    let tree = Arc::new(Files::new(Arc::clone(&bench.site))).tree(Caller::meter());
    tree.open(name).unwrap().read(0, usize::MAX).unwrap()
}

fn same(path: &Path, expected: &Bytes) {
    let got = std::fs::read(path).unwrap();
    assert_eq!(got.len(), expected.len());
    assert!(got == *expected, "the file differs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_sftp_gets_200_mb_with_128_requests_under_way() {
    if !openssh_is_there().await {
        return;
    }
    let (_bench, address, large) = with_large_file().await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("large.bin");
    let mut command = openssh("sftp", "0", address);
    command.args(["-q", "-R", "128"]).arg(format!("8650@{}:/documents/large.bin", address.ip())).arg(&target);
    let output = fetch(command, &target).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(&target, &large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_sftp_puts_200_mb_with_128_requests_under_way() {
    if !openssh_is_there().await {
        return;
    }
    let (bench, address, large) = with_large_file().await;
    let directory = tempfile::tempdir().unwrap();
    let (source, batch) = (directory.path().join("source.bin"), directory.path().join("batch"));
    std::fs::write(&source, &large).unwrap();
    std::fs::write(&batch, format!("put {} /documents/second.bin\n", source.display())).unwrap();
    let mut command = openssh("sftp", "0", address);
    command.args(["-q", "-R", "128", "-o", "BatchMode=no", "-b"]).arg(&batch).arg(format!("8650@{}", address.ip()));
    // What comes in lies beside the documents until it is whole.
    let coming = bench.state().join("incoming").join("incoming-1.tmp");
    let output = fetch(command, &coming).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stored(&bench, "/documents/second.bin") == large, "the file differs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paramiko_gets_200_mb() {
    const GET: &str = "
import os, sys, paramiko
transport = paramiko.Transport((sys.argv[1], int(sys.argv[2])))
transport.connect(username='8650', password=os.environ['PASSWORD'])
paramiko.SFTPClient.from_transport(transport).get('/documents/large.bin', sys.argv[3])
transport.close()
";
    if !there("python3", &["-c", "import paramiko"]).await {
        return;
    }
    let (_bench, address, large) = with_large_file().await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("large.bin");
    let mut command = Command::new("python3");
    command.env("PASSWORD", "0").args(["-c", GET]);
    command.arg(address.ip().to_string()).arg(address.port().to_string()).arg(&target);
    let output = fetch(command, &target).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(&target, &large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b11_openssh_lists_and_gets_as_shipped_and_ssh_says_that_it_is_off() {
    if !openssh_is_there().await {
        return;
    }
    let (bench, address) = meter(&[]).await;
    let directory = tempfile::tempdir().unwrap();
    let batch = directory.path().join("batch");
    let events = directory.path().join("events.csv");
    let commands =
        format!("ls -l /config\nget logs/events.csv {}\n-put {} /config\n", events.display(), batch.display());
    std::fs::write(&batch, commands).unwrap();
    let mut command = openssh("sftp", "0", address);
    // A batch file turns questions off, the one for the password too.
    command.arg("-o").arg("BatchMode=no").arg("-b").arg(&batch).arg(format!("8650@{}", address.ip()));
    let output = run(command).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("template.dcf"), "{out}");
    assert!(err.contains("ermission denied"), "the put: {err}");
    assert!(std::fs::read_to_string(&events).unwrap().starts_with("Number,Time (UTC),"));

    let ssh = |password: &str, arguments: &[&str]| {
        let mut command = openssh("ssh", password, address);
        command.arg(format!("8650@{}", address.ip())).args(arguments);
        run(command)
    };
    let output = ssh("0", &["info"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"SSH\" is off"));
    bench.set(&[("SSH", "yes")]);
    let output = ssh("0", &["info"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("MW-2611A001-01"));
    let output = ssh("0", &["show", "kWh del", "CT Prim"]).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let output = ssh("1", &["info"]).await;
    assert_eq!(output.status.code(), Some(5), "sshpass: wrong password");
}
