//! How fast 200 MB go over SFTP, each way, beside OpenSSH's own server: same machine, same client, same cipher.
//! `cargo bench -p services --features testbed --bench sftp_throughput`
//!
//! Wants `sftp`, `sshpass`, `ssh-keygen` and `sshd` (Debian: openssh-client, sshpass, openssh-server). What is measured
//! is a whole `sftp`, login included, and a put to the meter ends with the file synced to the disk, which OpenSSH's
//! server leaves to the system: once as clients ask (`put`), and once where both sync (`put -f`).

use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use framework::modules::security_options::Service;
use services::faces::FACES;
use services::testbed::Bench;
use tempfile::TempDir;

/// What is moved.
const BYTES: usize = 200_000_000;
/// The meter's room for documents while it is measured: the file, and its successor beside it.
const ROOM: u64 = 2 * BYTES as u64;
const RUNS: usize = 5;
const CIPHERS: [&str; 2] = ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A server to be measured: how to log in, and where files lie on it.
struct Server {
    name: &'static str,
    login: Vec<String>,
    folder: String,
}

/// OpenSSH's server on a port of its own, ended when it is dropped.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = Bench::with_document_bytes("4.40.1", ROOM);
    let face = FACES.iter().find(|face| face.services.contains(&Service::Sftp)).ok_or("there is no SFTP face")?;
    let address = runtime.block_on(bench.serve(face));
    let meter = Server { name: "wattkeep", login: vec![format!("8650@{}", address.ip())], folder: "/documents".into() };
    let (_sshd, openssh) = sshd(&dir)?;
    let ports = [address.port(), openssh.1];
    let servers = [meter, openssh.0];

    let file = dir.path().join("large.bin");
    std::fs::write(&file, (0..BYTES as u64 / 8).flat_map(u64::to_le_bytes).collect::<Vec<u8>>())?;
    println!("{:<30} {:<8} {:>10} {:>10} {:>7}", "cipher", "", "wattkeep", "OpenSSH", "ratio");
    for cipher in CIPHERS {
        for way in ["put", "put -f", "get"] {
            let mut seconds = [Vec::new(), Vec::new()];
            for _ in 0..RUNS {
                for (at, server) in servers.iter().enumerate() {
                    let batch = match way {
                        "get" => format!("get {}/large.bin {}\n", server.folder, dir.path().join("back.bin").display()),
                        put => format!("{put} {} {}/large.bin\n", file.display(), server.folder),
                    };
                    seconds[at].push(run(&dir, server, ports[at], cipher, &batch)?);
                }
            }
            let [ours, theirs] = seconds.map(|mut seconds| {
                seconds.sort_by(f64::total_cmp);
                BYTES as f64 / 1e6 / seconds[RUNS / 2]
            });
            println!("{cipher:<30} {way:<8} {ours:>5.0} MB/s {theirs:>5.0} MB/s {:>7.2}", ours / theirs);
        }
    }
    Ok(())
}

/// How many seconds a batch takes.
fn run(dir: &TempDir, server: &Server, port: u16, cipher: &str, batch: &str) -> Outcome<f64> {
    let path = dir.path().join("batch");
    std::fs::write(&path, batch)?;
    let mut command = Command::new("sshpass");
    command.env("SSHPASS", "0").args(["-e", "sftp", "-q", "-F", "/dev/null", "-c", cipher, "-P", &port.to_string()]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "BatchMode=no",
        "NumberOfPasswordPrompts=1",
        "IdentitiesOnly=yes",
    ] {
        command.args(["-o", option]);
    }
    command.arg("-b").arg(&path).args(&server.login).stdin(Stdio::null()).stdout(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "a bench measures the time that passes")]
    let began = std::time::Instant::now();
    let output = command.output()?;
    let seconds = began.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("sftp to {}: {}", server.name, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(seconds)
}

/// Starts OpenSSH's server as the user of the bench, who logs in with a key made for it.
fn sshd(dir: &TempDir) -> Outcome<(Sshd, (Server, u16))> {
    let program = PathBuf::from("/usr/sbin/sshd");
    let sftp_server = Path::new("/usr/lib/openssh/sftp-server");
    if !program.exists() || !sftp_server.exists() {
        return Err("OpenSSH's server is missing: install openssh-server".into());
    }
    let (host, user) = (dir.path().join("host"), dir.path().join("user"));
    for key in [&host, &user] {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key).status()?;
        if !made.success() {
            return Err("ssh-keygen made no key".into());
        }
    }
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let folder = dir.path().join("openssh");
    std::fs::create_dir(&folder)?;
    let config = dir.path().join("sshd_config");
    let lines = [
        format!("Port {port}"),
        "ListenAddress 127.0.0.1".to_owned(),
        format!("HostKey {}", host.display()),
        format!("AuthorizedKeysFile {}.pub", user.display()),
        "StrictModes no".to_owned(),
        "UsePAM no".to_owned(),
        "PermitRootLogin yes".to_owned(),
        format!("PidFile {}", dir.path().join("sshd.pid").display()),
        format!("Subsystem sftp {}", sftp_server.display()),
    ];
    std::fs::write(&config, lines.join("\n") + "\n")?;
    // As root it wants this to be there; a system that starts it at boot makes it then.
    let _ = std::fs::create_dir("/run/sshd");
    let log = std::fs::File::create(dir.path().join("sshd.log"))?;
    let child = Command::new(program).args(["-D", "-e", "-f"]).arg(&config).stderr(log).spawn()?;
    let sshd = Sshd(child);
    wait_for(SocketAddr::from(([127, 0, 0, 1], port)), dir)?;
    let name = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?;
    let login = vec!["-i".to_owned(), user.display().to_string(), format!("{}@127.0.0.1", name.trim())];
    let folder = folder.display().to_string();
    Ok((sshd, (Server { name: "OpenSSH", login, folder }, port)))
}

/// Waits until a server accepts connections: a program of somebody else's has no other way to tell.
fn wait_for(address: SocketAddr, dir: &TempDir) -> Outcome<()> {
    for _ in 0..100 {
        if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "nothing of the server can be waited for")]
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = std::fs::read_to_string(dir.path().join("sshd.log"))?;
    Err(format!("OpenSSH's server did not start: {said}").into())
}
